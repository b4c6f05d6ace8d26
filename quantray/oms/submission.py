"""Orders taken in: checked, reserved and put out, or refused; and asked to end."""

from collections.abc import Sequence

from quantray.execution.orders import Side
from quantray.oms.books import Books, stamp
from quantray.oms.changes import Actor
from quantray.oms.checks import FIRM_CODES, TEXTS, Proposal, first_failure, proposed
from quantray.oms.compliance import broken_rules, note_broken
from quantray.oms.firm import firm_order, warned
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import Decision, NewOrder, is_id, is_name
from quantray.oms.states import ENDED, State

__all__ = ["cancel", "submit"]

_LONGEST = 64
_MOST_SHARES = 10**12
_AGAIN = frozenset({"rate"})
"""Codes of what may be submitted again under its id."""


def submit(books: Books, orders: Sequence[NewOrder], actor: Actor, *, all_or_nothing: bool = False) -> list[Decision]:
    """Check orders one after the other and reserve what they need; with ``all_or_nothing`` all of them or none."""
    time = books.clock()
    now, seconds = stamp(time), time.timestamp()
    # All that has to be looked up is before anything is changed, since the database may not answer.
    for parent in {order.parent for order in orders if order.parent is not None}:
        if books.blocks.parent(parent) is None:
            books.parent(parent)
    books.recall([name for order in orders for name in (order.id, order.replaces) if name is not None])
    decided = [_decided(books, order, actor, now, seconds) for order in orders]
    fresh = [record for record, _ in decided if record is not None]
    if all_or_nothing and not all(decision.accepted for _, decision in decided):
        for record in fresh:
            if record.state is State.RESERVED:
                books.ledger.release(record)
                record.state, record.code, record.price = State.REJECTED, "basket", 0
                books.ledger.reserve(record)
        decided = [
            (record, _decision(books.ledger.orders[decision.order], actor) if decision.accepted else decision)
            for record, decision in decided
        ]
    for record in fresh:
        books.codes[record.code] += 1
        _log_order(books, record, actor, now)
    return [decision for _, decision in decided]


def cancel(books: Books, order: str, actor: Actor) -> bool:
    """Ask that an order end; False where it has ended, or its venue has to be asked about it first.

    Raises
    ------
    InputError
        There is no such order among those that the actor may see.
    """
    record = books.seen(order, actor)
    if record.state in ENDED or record.canceling:
        return False
    record.canceling = True
    books.changes.orders.add(order)
    books.changes.any = True
    if record.state is State.UNKNOWN:
        # It ends, if it lives, when its venue was asked.
        return False
    if record.state is State.RESERVED:
        for out in [it for it in books.outgoing.values() if it.order.id == order]:
            books.done(out)
        books.move(record, State.CANCELED, actor, "canceled before it was sent")
    else:
        books.move(record, State.CANCEL_PENDING, actor, "asked for")
        books.put_out(record.order, "cancel")
    return True


def _decided(
    books: Books, order: NewOrder, actor: Actor, now: str, seconds: float
) -> tuple[OrderRecord | None, Decision]:
    if not _is_well_formed(order):
        return None, _refused(books, order, actor, now, "malformed")
    if (known := books.ledger.orders.get(order.id)) is not None:
        if known.order == order and actor.pm in (None, known.pm):
            return None, _decision(known, actor)
        return None, _refused(books, order, actor, now, "duplicate")
    proposal = proposed(books.ledger, order, pm=actor.pm, now=now, seconds=seconds)
    if isinstance(proposal, str):
        return None, _refused(books, order, actor, now, proposal)
    code = first_failure(books.ledger, proposal) or _relation_fault(books, order, proposal.price)
    if code in _AGAIN:
        return None, _refused(books, order, actor, now, code)
    if books.ledger.watched and code in ("", "compliance") and not proposal.reduces:
        _tell(books, proposal, code)
    pm = proposal.account.pm
    books.ledger.sent_at[pm].append(seconds)
    record = (
        OrderRecord(order, pm, State.REJECTED, code)
        if code
        else OrderRecord(order, pm, State.RESERVED, price=proposal.price if order.side.sign > 0 else 0)
    )
    books.ledger.add(record)
    return record, _decision(record, actor)


def _tell(books: Books, it: Proposal, code: str) -> None:
    """Alert those who watch rules and soft limits of an order that was taken, or that a rule refuses."""
    ledger = books.ledger
    if ledger.order_rules is not None and (code or ledger.order_rules.warns):
        note_broken(books, broken_rules(ledger, it), it.account.id, it.order.symbol)
    if not code and ledger.firm is not None:
        for text in warned(ledger, firm_order(ledger, it)):
            books.note("limit", "firm", text)


def _relation_fault(books: Books, order: NewOrder, price: int) -> str:
    """The code of what is wrong with the orders that it names."""
    if order.parent is not None:
        known = books.blocks.parent(order.parent) or books.parents.get(order.parent)
        if known is None or known[:3] != (order.account, order.symbol, order.side.value):
            return "parent"
    if books.blocks.refuses(books.ledger, order, price):
        return "block"
    return "" if _replaceable(books, order) else "replaces"


def _replaceable(books: Books, order: NewOrder) -> bool:
    if order.replaces is None:
        return True
    old = books.order(order.replaces)
    return (
        old is not None
        and old.state in (State.ACKED, State.PARTIAL)
        and (old.order.account, old.order.symbol, old.order.side) == (order.account, order.symbol, order.side)
    )


def _log_order(books: Books, record: OrderRecord, actor: Actor, now: str) -> None:
    books.changes.log_order(now, actor, record)
    if record.state is State.RESERVED:
        books.put_out(record.order, "new")


def _refused(books: Books, order: NewOrder, actor: Actor, now: str, code: str) -> Decision:
    """Refuse what has no place among the orders: only the log has it."""
    name = str(order.id)[:_LONGEST]
    books.codes[code] += 1
    books.changes.log(now, actor, "refused", name, {"code": code, "account": str(order.account)[:_LONGEST]})
    return Decision(name, False, code, TEXTS[code])


def _decision(record: OrderRecord, actor: Actor) -> Decision:
    if not record.code:
        return Decision(record.order.id, True)
    code = "firm" if record.code in FIRM_CODES and actor.pm is not None else record.code
    return Decision(record.order.id, False, code, TEXTS[code])


def _is_well_formed(order: NewOrder) -> bool:
    return (
        is_name(order.account)
        and is_id(order.id, order.account)
        and is_name(order.symbol, 32)
        and is_name(order.venue, 32)
        and (order.parent is None or is_id(order.parent, order.account))
        and (order.replaces is None or is_id(order.replaces, order.account))
        and isinstance(order.side, Side)
        and order.tif in ("DAY", "IOC")
        and _is_count(order.quantity)
        and (order.limit is None or _is_count(order.limit))
    )


def _is_count(number: object) -> bool:
    return type(number) is int and -_MOST_SHARES <= number <= _MOST_SHARES
