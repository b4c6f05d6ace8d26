"""Orders handed to a paper venue in this process, and what it says of them booked: in turn, so that days repeat."""

from dataclasses import dataclass, field

from quantray.errors import QuantrayError
from quantray.oms.books import Books, Outgoing
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import Report, Route
from quantray.oms.paper.book import Book

__all__ = ["Handover"]

_ROUTE: Route = "rest"
"""The way that the orders are noted to have taken: the venue's own, without a wire."""
_MOST = 5_000
"""Reports that are booked at once."""


@dataclass(slots=True)
class Handover:
    """The way between a gate and a book of the paper venue.

    As on any other way, an order is noted as sent, on disk, before the venue has it, and each of the venue's reports is
    booked once, by its number.
    """

    gate: Gate
    book: Book
    _heard: int = field(init=False)

    def __post_init__(self) -> None:
        self._heard = self.gate.do(lambda books: books.cursors.get(_ROUTE, 0))

    def out(self) -> int:
        """Hand over all that waits; how many orders and cancellations that were."""
        sent = self.gate.do(_sent)
        self.book.submit([each.order for each in sent if each.action == "new"])
        for each in sent:
            if each.action != "new" and not self.book.cancel(each.order.id):
                raise QuantrayError(f"the venue does not know {each.order.id}, which was handed over.")
        return len(sent)

    def back(self) -> int:
        """Book all that the venue has said; how many reports that were."""
        count = 0
        while reports := self.book.reports(self._heard, _MOST):
            self.gate.do(lambda books, said=reports: _booked(books, said))  # type: ignore[misc]
            self._heard = reports[-1].sequence
            count += len(reports)
        return count


def _sent(books: Books) -> list[Outgoing]:
    return handed(books, list(books.outgoing), _ROUTE)


def _booked(books: Books, reports: list[Report]) -> None:
    hear(books, reports, _ROUTE)
