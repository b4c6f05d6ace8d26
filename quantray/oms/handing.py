"""The way out: what is handed over, what never left, and what nobody knows of."""

from collections.abc import Iterable
from dataclasses import replace

from quantray.oms.books import SYSTEM, Books, Outgoing
from quantray.oms.messages import Route
from quantray.oms.states import OPEN, State

__all__ = ["end_session", "handed", "unsent", "unsure"]


def handed(books: Books, numbers: Iterable[int], route: Route) -> list[Outgoing]:
    """Note, before a byte leaves, that something is handed over; returns what still has to be.

    What was canceled meanwhile is left out. The route of an order is decided here, once, and a purchase at the market
    is given its limit, so that no venue can ask for more than was set aside.
    """
    kept = []
    for number in numbers:
        out = books.outgoing.get(number)
        if out is None:
            continue
        record = books.at(out.order.id)
        if out.action == "new" and record.state is State.RESERVED and not books.is_open():
            books.move(record, State.EXPIRED, SYSTEM, "the session was over before it was sent")
        elif out.action == "new" and record.state is State.RESERVED:
            record.route = route
            books.move(record, State.SENT, SYSTEM, route)
            limit = books.ledger.furthest(record)
            kept.append(out if limit == out.order.limit else replace(out, order=replace(out.order, limit=limit)))
        elif out.action == "cancel" and record.state is State.CANCEL_PENDING:
            kept.append(out)
        books.done(out)
    return kept


def end_session(books: Books) -> None:
    """End what waits since a session that is over; orders are for one session."""
    for record in [each for each in books.ledger.live.values() if each.state is State.RESERVED]:
        for out in [it for it in books.outgoing.values() if it.order.id == record.order.id]:
            books.done(out)
        books.move(record, State.EXPIRED, SYSTEM, "its session was over before it was sent")


def unsent(books: Books, order: str, action: str) -> None:
    """Note that what was to be handed over surely never left, and put it out again: any way may be chosen."""
    record = books.at(order)
    if action == "cancel" and record.state is State.CANCEL_PENDING:
        books.put_out(record.order, "cancel")
    elif action == "new" and record.state is State.SENT:
        record.route = None
        books.move(record, State.RESERVED, SYSTEM, "never left")
        books.put_out(record.order, "new")


def unsure(books: Books, order: str, reason: str) -> bool:
    """Note that nobody here knows whether the venue has an order or heard of its cancellation."""
    record = books.at(order)
    if record.state not in OPEN - {State.RESERVED, State.UNKNOWN}:
        return False
    books.move(record, State.UNKNOWN, SYSTEM, reason)
    return True
