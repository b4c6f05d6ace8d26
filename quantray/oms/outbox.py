"""The way out: what was put out is noted as sent, on disk, before a byte of it leaves.

Whatever surely never left is put out again, by any way that is ready. Whatever may have left is asked about, and never
sent again.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from quantray.oms.books import Books, Outgoing
from quantray.oms.database import StoreError
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.gateways.protocol import Failure, Gateway, NotSentError, one_by_one
from quantray.oms.handing import handed, unsent, unsure
from quantray.oms.messages import Route

__all__ = ["Outbox"]

_MOST = 256
"""Orders that are on their way at once; what was canceled meanwhile is then seen before the next."""
_LONGEST_PAUSE = 10.0
"""Seconds between tries of a way that takes nothing."""


class Outbox:
    """Hands over what a gate puts out, until ``close``.

    Parameters
    ----------
    ways : gateways by route, the preferred one first.
    senders : messages that may be on their way at once.
    patience : seconds until what could not be handed over is tried again; a way that takes nothing rests twice as long
        each time.
    """

    def __init__(
        self,
        gate: Gate,
        ways: Mapping[Route, Gateway],
        *,
        senders: int = 8,
        patience: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._ways, self._patience, self._clock = gate, ways, patience, clock
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="outbox")
        self._rests: dict[Route, tuple[float, float]] = {}
        """Until when a way rests, and for how long it did."""
        self._woken, self._ending = threading.Event(), threading.Event()
        gate.changed = self._woken.set
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after what is on its way; what waits is handed over when there is an outbox again."""
        self._ending.set()
        self._woken.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._woken.clear()
            try:
                while not self._ending.is_set() and self._handed_over():
                    pass
            except StoreError:
                # The database refuses for now. What had left meanwhile is asked about, as it was not heard of.
                self._ending.wait(self._patience)
            except ClosedError:
                return
            # The outbox may be left with something that no way was ready for.
            self._woken.wait(self._patience)

    def _handed_over(self) -> bool:
        """Hand over what waits; False where nothing could be."""
        ready = tuple(route for route, way in self._ways.items() if not self._rests_now(route) and way.ready())
        by_route: dict[Route, list[int]] = {}
        for seq, route in self._gate.do(lambda books: _first(books, ready)):
            by_route.setdefault(route, []).append(seq)
        moved = False
        for route, numbers in by_route.items():
            sent = self._gate.do(lambda books, n=numbers, r=route: handed(books, n, r))  # type: ignore[misc]
            # All of them have left, or failed to, before the next: a cancellation never overtakes its order.
            failures = self._send(self._ways[route], sent)
            self._gate.do(lambda books, f=failures: _note(books, f))  # type: ignore[misc]
            moved = self._took(route, sent, failures) or moved
        return moved

    def _send(self, way: Gateway, sent: Sequence[Outgoing]) -> list[tuple[Outgoing, Failure]]:
        orders = [out for out in sent if out.action == "new"]
        others = [out for out in sent if out.action != "new"]
        failures = list(way.send_all([out.order for out in orders])) if orders else []
        failures += self._pool.map(lambda out: one_by_one(way.cancel, [out.order])[0], others)
        return [(out, failed) for out, failed in zip([*orders, *others], failures, strict=True) if failed is not None]

    def _took(self, route: Route, sent: Sequence[Outgoing], failures: Sequence[tuple[Outgoing, Failure]]) -> bool:
        """Whether anything left by a way; one by which nothing did has a rest."""
        never = sum(isinstance(failed, NotSentError) for _, failed in failures)
        if never < len(sent) or not sent:
            self._rests.pop(route, None)
            return bool(sent)
        pause = min(max(2 * self._rests.get(route, (0.0, 0.0))[1], self._patience), _LONGEST_PAUSE)
        self._rests[route] = (self._clock() + pause, pause)
        return False

    def _rests_now(self, route: Route) -> bool:
        return self._clock() < self._rests.get(route, (0.0, 0.0))[0]


def _note(books: Books, failures: Sequence[tuple[Outgoing, Failure]]) -> None:
    for out, failure in failures:
        if isinstance(failure, NotSentError):
            unsent(books, out.order.id, out.action)
        else:
            unsure(books, out.order.id, str(failure)[:200])


def _first(books: Books, ready: Sequence[Route]) -> list[tuple[int, Route]]:
    """What can be handed over now, and by which way: what waits for one that is down keeps nothing from the others."""
    routed = ((out.seq, books.at(out.order.id).route or next(iter(ready), None)) for out in books.outgoing.values())
    return list(islice(((seq, route) for seq, route in routed if route in ready and route is not None), _MOST))
