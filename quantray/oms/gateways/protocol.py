"""What a way to a venue can do, and the two ways in which handing over can fail."""

from collections.abc import Callable, Sequence
from typing import Protocol

from quantray.errors import QuantrayError
from quantray.oms.messages import Holdings, NewOrder, Report, Route, VenueOrder

__all__ = ["Gateway", "NotSentError", "Sink", "UnsureError"]

Sink = Callable[[Sequence[Report]], None]
"""Takes reports, and returns when they are booked on disk; may be given a report twice."""


class NotSentError(QuantrayError):
    """Surely nothing reached the venue, so another way may be tried."""


class UnsureError(QuantrayError):
    """The venue may have it; it must be asked, and nothing be sent again."""


class Gateway(Protocol):
    """A way to a venue; its methods may be called from several threads."""

    @property
    def route(self) -> Route:
        """The name of the way."""

    def ready(self) -> bool:
        """Whether it would hand over now."""

    def send(self, order: NewOrder) -> None:
        """Hand an order over, once; what becomes of it comes as reports.

        Raises
        ------
        NotSentError, UnsureError
        """

    def cancel(self, order: NewOrder) -> None:
        """Ask that an order end; raises as ``send``."""

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        """What the venue knows of an order; None where it never had it.

        Parameters
        ----------
        void : that it never takes an order of this id, if it has none: what is still under way is refused on arrival.

        Raises
        ------
        UnsureError
            It did not answer, or what it answered is none.
        """

    def holdings(self, account: str) -> Holdings:
        """What the venue holds for an account; raises ``UnsureError``."""

    def listen(self, sink: Sink, after: int) -> None:
        """Give all reports to a sink from now on, from the one after ``after`` where the venue numbers them."""

    def close(self) -> None:
        """End listening and connections."""
