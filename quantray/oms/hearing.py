"""What venues say of orders, booked once; what cannot be read is kept as it came, and asked about."""

from collections.abc import Sequence

from quantray.oms import schema
from quantray.oms.books import SYSTEM, Books
from quantray.oms.handing import unsure
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import Heard, Report, ReportKind, Route, Silence, Unreadable, VenueOrder
from quantray.oms.states import ALLOWED, ENDED, OPEN, State, moved

__all__ = ["BY_HAND", "contradiction", "hear", "resolve"]

BY_HAND = "BY HAND"
"""The venue of fills that an operator booked; see ``settling``."""


def hear(books: Books, reports: Sequence[Heard], route: Route | None = None) -> None:
    """Book what a venue says; what was booked before, or comes late, changes nothing twice."""
    _recall(books, [report for report in reports if isinstance(report, Report)])
    for report in reports:
        if isinstance(report, Report):
            _take(books, report)
        elif isinstance(report, Unreadable):
            _set_aside(books, report, route)
        else:
            books.note("silence", route or "", f"reports do not come through: {report.why}")
    # After all of them: an acknowledgement among them says nothing of what could not be read.
    for report in reports:
        if isinstance(report, Unreadable):
            _doubt_of(books, report, route)
    last = max((report.sequence for report in reports if not isinstance(report, Silence)), default=0)
    if route is not None and last > books.cursors.get(route, 0):
        books.cursors[route] = last
        books.changes.any = True
        books.changes.rows.put(schema.cursors, {"route": route, "sequence": last})


def resolve(books: Books, order: str, found: VenueOrder | None) -> State:
    """Settle an order by what its venue knows of it; None that it never had it, and promises never to take it.

    One that is no longer unknown when the answer comes, or that the venue has spoken of, is not ended by None.
    """
    record = books.at(order)
    if found is not None:
        _recall(books, found.executions)
        _note_heard(books, record)
        for execution in found.executions:
            _take(books, execution)
        if found.filled < record.filled:
            # A fill was booked after the venue had answered; it is asked again, unless that was the last.
            return record.state
    if why := contradiction(record, found):
        books.note("break", order, why)
        return record.state
    if found is None:
        if record.state is State.UNKNOWN:
            books.move(record, State.CANCELED, SYSTEM, "never reached the venue")
        return record.state
    stands = record.state is State.CANCEL_PENDING and found.state not in ENDED
    if record.state in OPEN and record.state is not found.state and not stands:
        _heard(books, record, found.state, "as its venue says")
    _press(books, record)
    return record.state


def _recall(books: Books, reports: Sequence[Report]) -> None:
    """Look up what reports are about that has ended, or is of a day before."""
    named = {(report.venue, name) for report in reports for name in (report.exec_id, report.refers) if name}
    books.recall({report.order for report in reports}, named)


def contradiction(record: OrderRecord, found: VenueOrder | None) -> str:
    """Why an order cannot be what its venue says, when all that it lists is booked; empty where it can."""
    if found is None:
        lost = record.state in OPEN and record.heard
        return f"the venue knows nothing of it, which had {record.filled:,} shares filled" if lost else ""
    if found.filled != record.filled:
        return f"the venue counts {found.filled:,} shares filled, the ledger {record.filled:,}"
    if found.state not in _FROM_VENUES or (found.state is State.FILLED and not _was_filled(record, found)):
        return f"the venue says {found.state} with {found.filled:,} shares filled"
    return ""


def _set_aside(books: Books, said: Unreadable, route: Route | None) -> None:
    """Keep what cannot be read whole, and tell somebody."""
    body = {"route": route or "", "sequence": said.sequence, "why": said.why, "raw": said.raw}
    books.changes.log(books.now(), SYSTEM, "unreadable", said.order, body)
    row = books.changes.chain.seq
    text = f"report {said.sequence:,} cannot be read ({said.why[:200]}); row {row:,} of the log has it"
    books.note("unreadable", said.order or route or "", text)


def _doubt_of(books: Books, said: Unreadable, route: Route | None) -> None:
    """Doubt what a report that cannot be read may be about, so that the venue is asked."""
    live = books.ledger.live
    named = [said.order] if said.order else [name for name, it in live.items() if it.route == route]
    for name in named:
        if name in live and live[name].state in _ASKED:
            unsure(books, name, f"report {said.sequence:,} cannot be read")


def _take(books: Books, report: Report) -> None:
    record = books.ledger.orders.get(report.order)
    if record is None or record.route is None:
        if books.executions.is_strange(report):
            books.note("stray", report.order, f"{report.venue} reports {report.kind} of an order never sent there")
        return
    _note_heard(books, record)
    if report.exec_id:
        if record.state in ENDED and _stands_for(books, report):
            told = (
                f"{report.venue} reports {report.quantity:,} at {report.price:,} ({report.exec_id}) of what was settled"
            )
            books.note("break", report.order, f"{told} by hand: not booked; settle it again if that is better")
            return
        _execute(books, record, report)
        return
    if report.kind in (ReportKind.FILL, ReportKind.BUST, ReportKind.CORRECT):
        books.note("break", report.order, f"{report.venue} reports a {report.kind} without an id; it is not booked")
        return
    to = _HEARD.get(report.kind)
    if to is None or record.state in ENDED:
        return
    if to in ENDED and report.filled > record.filled:
        # Fills are under way that it does not know: what it set aside stays so until they are here.
        if record.state is not State.UNKNOWN:
            books.move(record, State.UNKNOWN, SYSTEM, f"{to}, with {report.filled:,} shares filled")
    elif to in ENDED:
        _heard(books, record, to, report.text[:200])
    elif report.kind is ReportKind.CANCEL_REJECTED and record.state is State.CANCEL_PENDING:
        record.canceling = False
        books.move(record, State.PARTIAL if record.filled else State.ACKED, SYSTEM, report.text[:200])
    elif report.kind is ReportKind.ACKED and record.state in (State.SENT, State.UNKNOWN):
        books.move(record, State.PARTIAL if record.filled else State.ACKED, SYSTEM, "")
        _press(books, record)


def _stands_for(books: Books, report: Report) -> bool:
    """Whether a fill that was booked by hand stands for one that a venue lists after all."""
    if (
        report.kind is not ReportKind.FILL
        or report.venue == BY_HAND
        or books.executions.knows((report.venue, report.exec_id))
    ):
        return False
    return any(each.venue == BY_HAND for each in books.executions.standing(report.order))


def _note_heard(books: Books, record: OrderRecord) -> None:
    """Note that the venue has an order: it can no longer be one that it never had."""
    if not record.heard:
        record.heard = True
        books.changes.any = True
        books.changes.orders.add(record.order.id)


def _press(books: Books, record: OrderRecord) -> None:
    """Ask again that an order end which shall: the venue may not have heard; asking twice does no harm."""
    if not record.canceling or record.state in ENDED or record.state is State.UNKNOWN:
        return
    if record.state is not State.CANCEL_PENDING:
        books.move(record, State.CANCEL_PENDING, SYSTEM, "asked for before")
    if all(out.order.id != record.order.id for out in books.outgoing.values()):
        books.put_out(record.order, "cancel")


def _heard(books: Books, record: OrderRecord, to: State, reason: str) -> None:
    """Move an order as its venue says, if it can be so."""
    if to in ALLOWED[record.state]:
        books.move(record, to, SYSTEM, reason)
    else:
        books.note("break", record.order.id, f"its venue says {to}, which an order that is {record.state} cannot be")


def _execute(books: Books, record: OrderRecord, report: Report) -> None:
    """Book a fill, a bust or a correction once; of an order that ended too, since reports overtake one another."""
    books.count_block(record.order.parent)
    effects = books.executions.take(report)
    if effects is None:
        return
    if isinstance(effects, str):
        books.note("break", report.order, effects)
        return
    was = record.state
    books.ledger.release(record)
    for quantity, price, fee in effects:
        record.filled += quantity
        books.ledger.trade(record, quantity, price, fee)
    record.state = _after_execution(record)
    books.ledger.reserve(record)
    books.changes.traded(record)
    row = books.executions.row(report)
    body = {**row, "from": was.value, "to": record.state.value}
    books.changes.log(books.now(), SYSTEM, "execution", report.exec_id, body)
    books.changes.rows.add(schema.executions, {**row, "seq": books.changes.chain.seq})
    _doubt(books, record, report, was)
    if (block := books.blocks.traded(record.order.parent, effects)) is not None:
        filled, amount, _ = block.totals
        text = f"{filled:,} shares for {amount:,} are filled, which is not what was allocated; allocate it anew"
        books.note("block", block.block.id, text)


def _doubt(books: Books, record: OrderRecord, report: Report, was: State) -> None:
    """Tell of an execution that is booked, and that somebody should look at."""
    order, name = record.order, record.order.id
    if record.filled > order.quantity:
        books.note("overfill", name, f"{record.filled:,} of {order.quantity:,} shares filled")
    if report.kind is not ReportKind.FILL:
        return
    if was in ENDED:
        books.note("late fill", name, f"{report.quantity:,} shares filled after it was {was}")
    limit = books.ledger.furthest(record)
    if limit is not None and (report.price - limit) * order.side.sign > 0:
        books.note("price", name, f"filled at {report.price:,}, beyond its limit of {limit:,}")
    if 10 * abs(report.fee) > report.quantity * report.price:
        books.note("fee", name, f"a fee of {report.fee:,} for {report.quantity * report.price:,} traded")
    elif order.side.sign > 0 and report.fee > (aside := report.quantity * books.ledger.limit("firm", "", "fee")):
        books.note("fee", name, f"a fee of {report.fee:,}, beyond the {aside:,} that are set aside for it")


def _was_filled(record: OrderRecord, found: VenueOrder) -> bool:
    """Whether an order can have been filled: it may be less by now, by a bust or a correction."""
    fills = sum(execution.quantity for execution in found.executions if execution.kind == "fill")
    return max(fills, found.filled) >= record.order.quantity


_ASKED = frozenset({State.ACKED, State.PARTIAL, State.CANCEL_PENDING})
"""Where only a report that cannot be read makes one ask; of what was only sent the venue is asked anyhow."""

_FROM_VENUES = ENDED | {State.ACKED, State.PARTIAL}

_HEARD = {
    "acked": State.ACKED,
    "canceled": State.CANCELED,
    "rejected": State.REJECTED,
    "expired": State.EXPIRED,
    "cancel_rejected": State.ACKED,
}


def _after_execution(record: OrderRecord) -> State:
    if record.state in ENDED:
        return record.state
    if record.filled >= record.order.quantity:
        return moved(record.state, State.FILLED)
    # One that has to be asked about stays so, or its end, which was heard, would be forgotten.
    if record.state in (State.CANCEL_PENDING, State.UNKNOWN):
        return record.state
    if record.filled == 0:
        return State.ACKED
    return State.PARTIAL
