"""Orders that their venue will not settle any more, settled by hand: who did it, why, and what was filled.

A venue may count a fill that it never lists, or have lost an order that it had taken. Where it can still answer, its
answer counts; where it cannot, an operator who knows better, such as by the venue's statement, says how many shares
were filled and at what price. What is booked so is a fill of the venue ``BY HAND``; the venue's own fills of that order
are not booked beside it any more, and whoever settled it may do so again with better numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quantray.errors import InputError
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.gate import Gate
from quantray.oms.gateways.protocol import Gateway, UnsureError
from quantray.oms.hearing import BY_HAND, contradiction, hear, resolve
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import Report, ReportKind, Route, VenueOrder
from quantray.oms.states import ENDED, State

__all__ = ["Settlement", "settle"]

_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of an order, by somebody who knows.

    Parameters
    ----------
    filled : shares in all, with those that are booked already.
    price : units of money a share of those that are not; None where all are.
    reason : what it is known by.
    """

    order: str
    filled: int
    price: int | None = None
    reason: str


def settle(gate: Gate, ways: Mapping[Route, Gateway], actor: Actor, given: Settlement) -> State:
    """Ask the venue once more, and settle an order by hand where that does not; returns what it is then.

    Raises
    ------
    InputError
        The venue settles it, or may do so yet; or the numbers cannot be of this order.
    """
    record = gate.do(lambda books: _to_settle(books, given))
    if record.state in ENDED:
        return gate.do(lambda books: _amend(books, actor, given))
    way = ways.get(record.route) if record.route is not None else None
    if way is None:
        raise InputError(f"order {given.order} was not handed over by a way that is known here; cancel it.")
    try:
        found = way.status(given.order, void=record.state is State.UNKNOWN)
    except UnsureError as error:
        return gate.do(lambda books, e=str(error): _in_silence(books, actor, given, e))  # type: ignore[misc]
    gate.do(lambda books: resolve(books, given.order, found))
    return gate.do(lambda books: _against(books, actor, given, found))


def _to_settle(books: Books, given: Settlement) -> OrderRecord:
    """The order; raises ``InputError`` where there is none, or it has not been handed over or has ended by itself."""
    record = books.order(given.order)
    if record is None:
        raise InputError(f"there is no order {given.order!r}; alerts and `quantray audit` have the ids.")
    if record.state is State.RESERVED:
        raise InputError(f"order {given.order} was never sent; cancel it.")
    if record.state in ENDED and _by_hand(books, given.order) is None:
        raise InputError(f"order {given.order} is {record.state} with {record.filled:,} filled; nothing is in doubt.")
    return record


def _in_silence(books: Books, actor: Actor, given: Settlement, said: str) -> State:
    if books.is_open():
        raise InputError(f"the venue of order {given.order} may answer yet ({said}); settle it after the session.")
    return _settled(books, actor, given, "it does not answer")


def _against(books: Books, actor: Actor, given: Settlement, found: VenueOrder | None) -> State:
    record = _to_settle(books, given)
    why = contradiction(record, found)
    if not why:
        raise InputError(
            f"the venue of order {given.order} has answered: it is {record.state}, {record.filled:,} filled; cancel it."
        )
    return _settled(books, actor, given, why)


def _settled(books: Books, actor: Actor, given: Settlement, why: str) -> State:
    record = _to_settle(books, given)
    missing = given.filled - record.filled
    _check(record, given, missing)
    _log(books, actor, given, why)
    if missing:
        _book(books, given, ReportKind.FILL, missing)
    if record.state not in ENDED:
        to = State.FILLED if record.filled >= record.order.quantity else State.CANCELED
        books.move(record, to, actor, f"settled by hand: {given.reason}")
    return record.state


def _amend(books: Books, actor: Actor, given: Settlement) -> State:
    """Settle once more what was settled by hand."""
    record = _to_settle(books, given)
    last = _by_hand(books, given.order)
    assert last is not None
    quantity = given.filled - (record.filled - last.quantity)
    _check(record, given, quantity)
    _log(books, actor, given, "it was settled by hand")
    _book(books, given, ReportKind.CORRECT if quantity else ReportKind.BUST, quantity, refers=last.exec_id)
    return record.state


def _check(record: OrderRecord, given: Settlement, missing: int) -> None:
    order = record.order
    if missing < 0 or given.filled > order.quantity:
        raise InputError(
            f"order {order.id} of {order.quantity:,} shares has {record.filled:,} filled, and cannot have "
            f"{given.filled:,}; what was booked is taken back by its venue's busts."
        )
    if (given.price is None or given.price <= 0) if missing else given.price is not None:
        raise InputError(f"{missing:,} shares are to be booked; give a price of each, or none where there are none.")
    if not 0 < len(given.reason) <= _LONGEST:
        raise InputError(f"give a reason of up to {_LONGEST} letters, such as where it is known from.")


def _by_hand(books: Books, order: str) -> Report | None:
    """What was booked by hand of an order, as it stands."""
    return next((it for it in books.executions.standing(order) if it.venue == BY_HAND), None)


def _log(books: Books, actor: Actor, given: Settlement, why: str) -> None:
    body = {"filled": given.filled, "price": given.price, "reason": given.reason, "venue": why}
    books.changes.log(books.now(), actor, "settlement", given.order, body)


def _book(books: Books, given: Settlement, kind: ReportKind, quantity: int, *, refers: str = "") -> None:
    exec_id = f"row {books.changes.chain.seq}"
    report = Report(
        kind=kind,
        order=given.order,
        venue=BY_HAND,
        exec_id=exec_id,
        refers=refers,
        quantity=quantity,
        price=given.price or 0,
        time=books.now(),
    )
    hear(books, [report])
