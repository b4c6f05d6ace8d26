"""Reports on their way to a sink: none is passed over before it was booked, whatever happens in between."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from quantray.errors import InputError, first_line
from quantray.oms.gateways.protocol import Sink
from quantray.oms.messages import Report, Silence, Unreadable

__all__ = ["Listening"]

_LOG = logging.getLogger("quantray.oms")

_BACKOFF = (0.05, 5.0)
"""Seconds between looks at a venue that does not answer: the first, and the longest, at which the sink is told."""


class Listening:
    """A thread that takes reports to a sink, and goes on from the last that was booked whatever happens.

    Parameters
    ----------
    following : gives the next reports after one, or none after a while; raises ``UnsureError``.
    booked : called after the sink has taken them.
    idle : seconds to wait after there were none.
    """

    def __init__(
        self,
        following: Callable[[int], "Sequence[Report | Unreadable]"],
        *,
        booked: Callable[[], None] = lambda: None,
        idle: float = 0.0,
    ) -> None:
        self._following, self._booked, self._idle = following, booked, idle
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink, after: int) -> None:
        """Begin; raises ``InputError`` where it has begun."""
        if self._thread is not None:
            raise InputError("this gateway listens already; make another one to listen elsewhere.")
        self._thread = threading.Thread(target=self._run, args=(sink, after), name="reports", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, at the latest when the venue has answered."""
        self._ended.set()

    def _run(self, sink: Sink, after: int) -> None:
        pause, longest = _BACKOFF
        while not self._ended.is_set():
            try:
                after = self._took(sink, after)
                pause = _BACKOFF[0]
            except Exception as error:  # noqa: BLE001  (whatever the sink meets, these reports must come again)
                if self._ended.is_set():
                    return
                _LOG.warning("reports after %d did not get through: %s", after, first_line(error))
                if pause == longest:
                    with suppress(Exception):
                        sink([Silence(first_line(error))])
                self._ended.wait(pause)
                pause = min(2 * pause, longest)

    def _took(self, sink: Sink, after: int) -> int:
        """Number of the last report that was booked."""
        reports = self._following(after)
        if self._ended.is_set():
            return after
        if not reports:
            self._ended.wait(self._idle)
            return after
        sink(reports)
        self._booked()
        return max(after, reports[-1].sequence)
