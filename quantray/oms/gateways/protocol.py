"""What a way to a venue can do, and the two ways in which handing over can fail."""

from collections.abc import Callable, Sequence
from typing import Protocol

from quantray.errors import QuantrayError
from quantray.oms.messages import Heard, Holdings, NewOrder, Route, VenueOrder

__all__ = ["Failure", "Gateway", "NotSentError", "Sink", "UnsureError", "one_by_one"]

Sink = Callable[[Sequence[Heard]], None]
"""Takes reports, and returns when they are booked on disk; may be given a report twice.

One that cannot be read is given in its place, so that those after it come through."""


class NotSentError(QuantrayError):
    """Surely nothing reached the venue, so another way may be tried."""


class UnsureError(QuantrayError):
    """The venue may have it; it must be asked, and nothing be sent again."""


Failure = NotSentError | UnsureError
"""Why an order may not have been handed over."""


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

    def send_all(self, orders: Sequence[NewOrder]) -> Sequence[Failure | None]:
        """Hand orders over, each for itself; returns what failed, in their order, None where nothing did."""

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


def one_by_one(send: Callable[[NewOrder], None], orders: Sequence[NewOrder]) -> list[Failure | None]:
    """``send_all`` of a way that takes one order at a time."""
    failures: list[Failure | None] = []
    for order in orders:
        try:
            send(order)
        except (NotSentError, UnsureError) as failure:
            failures.append(failure)
        else:
            failures.append(None)
    return failures
