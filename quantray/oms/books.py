"""What the gate does with each command: check, book, and note what changed; nothing here waits or writes.

A command is checked before it changes anything, so one that raises has done nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms import schema
from quantray.oms.changes import Actor, Changes
from quantray.oms.checks import FIRM_CODES, TEXTS, first_failure, proposed
from quantray.oms.executions import Executions
from quantray.oms.ledger import Ledger, OrderRecord
from quantray.oms.messages import Decision, NewOrder, Report, ReportKind, Route, VenueOrder, is_name
from quantray.oms.states import ALLOWED, ENDED, OPEN, State, moved

__all__ = ["Alert", "Books", "Outgoing", "stamp"]

_LONGEST = 64
_MOST_SHARES = 10**12
_SYSTEM = Actor("gate")
_AGAIN = frozenset({"rate"})
"""Codes of what may be submitted again under its id."""
_TOLD_AGAIN = 3600.0
"""Seconds after which an alert whose cause goes on is told again."""
_MOST_TOLD = 10_000
"""Alerts in that time."""


def stamp(time: datetime) -> str:
    """A time as the tables have it: UTC, to the microsecond, in an order that texts keep."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person must look at; nothing is repaired in silence."""

    kind: str
    entity: str
    text: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be handed over: a new order, or a request to cancel one."""

    seq: int
    order: NewOrder
    action: str


@dataclass(slots=True)
class Books:
    """The ledger, and what changed since it was last written."""

    ledger: Ledger
    changes: Changes
    executions: Executions
    clock: Callable[[], datetime]
    outgoing: dict[int, Outgoing] = field(default_factory=dict)
    """What waits to be handed over, by its number."""
    cursors: dict[str, int] = field(default_factory=dict)
    parents: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)
    """Account, symbol, side and quantity of each."""
    alerts: list[Alert] = field(default_factory=list)
    """Of this group."""
    codes: Counter[str] = field(default_factory=Counter)
    """Decisions since the start, by code; of accepted ones it is empty."""
    last_outgoing: int = 0
    _told: dict[Alert, float] = field(default_factory=dict)
    """When each was told last."""

    def now(self) -> str:
        """The time, as the tables have it."""
        return stamp(self.clock())

    # Orders

    def submit(self, orders: Sequence[NewOrder], actor: Actor, *, all_or_nothing: bool = False) -> list[Decision]:
        """Check orders one after the other and reserve what they need; with ``all_or_nothing`` all of them or none."""
        time = self.clock()
        now, seconds = stamp(time), time.timestamp()
        decided = [self._submit(order, actor, now, seconds) for order in orders]
        fresh = [record for record, _ in decided if record is not None]
        if all_or_nothing and not all(decision.accepted for _, decision in decided):
            for record in fresh:
                if record.state is State.RESERVED:
                    self.ledger.release(record)
                    record.state, record.code, record.price = State.REJECTED, "basket", 0
                    self.ledger.reserve(record)
            decided = [
                (record, _decision(self.ledger.orders[decision.order], actor) if decision.accepted else decision)
                for record, decision in decided
            ]
        for record in fresh:
            self.codes[record.code] += 1
            self._log_order(record, actor, now)
        return [decision for _, decision in decided]

    def cancel(self, order: str, actor: Actor) -> bool:
        """Ask that an order end; False where it has ended, or its venue has to be asked about it first.

        Raises
        ------
        InputError
            There is no such order among those that the actor may see.
        """
        record = self._seen(order, actor)
        if record.state in ENDED or record.canceling:
            return False
        record.canceling = True
        self.changes.orders.add(order)
        self.changes.any = True
        if record.state is State.UNKNOWN:
            # It ends, if it lives, when its venue was asked.
            return False
        if record.state is State.RESERVED:
            for out in [it for it in self.outgoing.values() if it.order.id == order]:
                self._done(out)
            self._move(record, State.CANCELED, actor, "canceled before it was sent")
        else:
            self._move(record, State.CANCEL_PENDING, actor, "asked for")
            self._put_out(record.order, "cancel")
        return True

    # The way out

    def handed(self, numbers: Iterable[int], route: Route) -> list[Outgoing]:
        """Note, before a byte leaves, that something is handed over; returns what still has to be.

        What was canceled meanwhile is left out. The route of an order is decided here, once.
        """
        kept = []
        for number in numbers:
            out = self.outgoing.get(number)
            if out is None:
                continue
            record = self.ledger.orders[out.order.id]
            if out.action == "new" and record.state is State.RESERVED and not self._is_open():
                self._move(record, State.EXPIRED, _SYSTEM, "the session was over before it was sent")
            elif out.action == "new" and record.state is State.RESERVED:
                record.route = route
                self._move(record, State.SENT, _SYSTEM, route)
                kept.append(out)
            elif out.action == "cancel" and record.state is State.CANCEL_PENDING:
                kept.append(out)
            self._done(out)
        return kept

    def end_session(self) -> None:
        """End what waits since a session that is over; orders are for one session."""
        for record in [each for each in self.ledger.live.values() if each.state is State.RESERVED]:
            for out in [it for it in self.outgoing.values() if it.order.id == record.order.id]:
                self._done(out)
            self._move(record, State.EXPIRED, _SYSTEM, "its session was over before it was sent")

    def unsent(self, order: str, action: str) -> None:
        """Note that what was to be handed over surely never left, and put it out again: any way may be chosen."""
        record = self.ledger.orders[order]
        if action == "cancel" and record.state is State.CANCEL_PENDING:
            self._put_out(record.order, "cancel")
        elif action == "new" and record.state is State.SENT:
            record.route = None
            self._move(record, State.RESERVED, _SYSTEM, "never left")
            self._put_out(record.order, "new")

    def unsure(self, order: str, reason: str) -> bool:
        """Note that nobody here knows whether the venue has an order or heard of its cancellation."""
        record = self.ledger.orders[order]
        if record.state not in OPEN - {State.RESERVED, State.UNKNOWN}:
            return False
        self._move(record, State.UNKNOWN, _SYSTEM, reason)
        return True

    # What venues say

    def report(self, reports: Sequence[Report], route: Route | None = None) -> None:
        """Book what a venue says; what was booked before, or comes late, changes nothing twice."""
        for report in reports:
            self._report(report)
        last = max((report.sequence for report in reports), default=0)
        if route is not None and last > self.cursors.get(route, 0):
            self.cursors[route] = last
            self.changes.any = True
            self.changes.rows.put(schema.cursors, {"route": route, "sequence": last})

    def resolve(self, order: str, found: VenueOrder | None) -> State:
        """Settle an order by what its venue knows of it; None that it never had it, and promises never to take it.

        One that is no longer unknown when the answer comes, or that the venue has spoken of, is not ended by None.
        """
        record = self.ledger.orders[order]
        if found is None:
            if record.state in OPEN and record.heard:
                self._alert("break", order, f"the venue knows nothing of it, which had {record.filled:,} shares filled")
            elif record.state is State.UNKNOWN:
                self._move(record, State.CANCELED, _SYSTEM, "never reached the venue")
            return record.state
        self._hear(record)
        for execution in found.executions:
            self._report(execution)
        if found.filled < record.filled and record.state in OPEN:
            # A fill was booked after the venue had answered; it is asked again.
            return record.state
        if found.filled != record.filled:
            self._alert(
                "break", order, f"the venue counts {found.filled:,} shares filled, the ledger {record.filled:,}"
            )
            return record.state
        if found.state not in _FROM_VENUES or (found.state is State.FILLED and not _was_filled(record, found)):
            self._alert("break", order, f"the venue says {found.state} with {found.filled:,} shares filled")
            return record.state
        stands = record.state is State.CANCEL_PENDING and found.state not in ENDED
        if record.state in OPEN and record.state is not found.state and not stands:
            self._heard(record, found.state, "as its venue says")
        self._press(record)
        return record.state

    def note(self, kind: str, entity: str, text: str) -> None:
        """Alert somebody, and log it."""
        self._alert(kind, entity, text)

    # Inside

    def _is_open(self) -> bool:
        return self.ledger.opens <= self.now() < self.ledger.closes

    def _submit(self, order: NewOrder, actor: Actor, now: str, seconds: float) -> tuple[OrderRecord | None, Decision]:
        if not _is_well_formed(order):
            return None, self._refused(order, actor, now, "malformed")
        if (known := self.ledger.orders.get(order.id)) is not None:
            if known.order == order and actor.pm in (None, known.pm):
                return None, _decision(known, actor)
            return None, self._refused(order, actor, now, "duplicate")
        proposal = proposed(self.ledger, order, pm=actor.pm, now=now, seconds=seconds)
        if isinstance(proposal, str):
            return None, self._refused(order, actor, now, proposal)
        code = first_failure(self.ledger, proposal) or self._relation_fault(order)
        if code in _AGAIN:
            return None, self._refused(order, actor, now, code)
        pm = proposal.account.pm
        self.ledger.sent_at[pm].append(seconds)
        record = (
            OrderRecord(order, pm, State.REJECTED, code)
            if code
            else OrderRecord(order, pm, State.RESERVED, price=proposal.price if order.side.sign > 0 else 0)
        )
        self.ledger.add(record)
        return record, _decision(record, actor)

    def _relation_fault(self, order: NewOrder) -> str:
        """The code of what is wrong with the orders that it names."""
        if order.parent is not None:
            known = self.parents.get(order.parent)
            if known is None or known[:3] != (order.account, order.symbol, order.side.value):
                return "parent"
        return "" if self._replaceable(order) else "replaces"

    def _replaceable(self, order: NewOrder) -> bool:
        if order.replaces is None:
            return True
        old = self.ledger.orders.get(order.replaces)
        return (
            old is not None
            and old.state in (State.ACKED, State.PARTIAL)
            and (old.order.account, old.order.symbol, old.order.side) == (order.account, order.symbol, order.side)
        )

    def _log_order(self, record: OrderRecord, actor: Actor, now: str) -> None:
        order = record.order
        self.changes.new.add(order.id)
        body = {
            "account": order.account,
            "symbol": order.symbol,
            "side": order.side.value,
            "quantity": order.quantity,
            "limit": order.limit,
            "tif": order.tif,
            "venue": order.venue,
            "parent": order.parent,
            "replaces": order.replaces,
            "pm": record.pm,
            "from": State.NEW.value,
            "to": record.state.value,
            "code": record.code,
            "price": record.price,
        }
        self.changes.log(now, actor, "order", order.id, body)
        if record.state is State.RESERVED:
            self._put_out(order, "new")

    def _refused(self, order: NewOrder, actor: Actor, now: str, code: str) -> Decision:
        """Refuse what has no place among the orders: only the log has it."""
        name = str(order.id)[:_LONGEST]
        self.codes[code] += 1
        self.changes.log(now, actor, "refused", name, {"code": code, "account": str(order.account)[:_LONGEST]})
        return Decision(name, False, code, TEXTS[code])

    def _report(self, report: Report) -> None:
        record = self.ledger.orders.get(report.order)
        if record is None or record.route is None:
            if self.executions.is_strange(report):
                self._alert("stray", report.order, f"{report.venue} reports {report.kind} of an order never sent there")
            return
        self._hear(record)
        if report.exec_id:
            self._execute(record, report)
            return
        if report.kind in (ReportKind.FILL, ReportKind.BUST, ReportKind.CORRECT):
            self._alert(
                "break", report.order, f"{report.venue} reports a {report.kind} without an id; it is not booked"
            )
            return
        to = _HEARD.get(report.kind)
        if to is None or record.state in ENDED:
            return
        if to in ENDED and report.filled > record.filled:
            # Fills are under way that it does not know: what it set aside stays so until they are here.
            if record.state is not State.UNKNOWN:
                self._move(record, State.UNKNOWN, _SYSTEM, f"{to}, with {report.filled:,} shares filled")
        elif to in ENDED:
            self._heard(record, to, report.text[:200])
        elif report.kind is ReportKind.CANCEL_REJECTED and record.state is State.CANCEL_PENDING:
            record.canceling = False
            self._move(record, State.PARTIAL if record.filled else State.ACKED, _SYSTEM, report.text[:200])
        elif report.kind is ReportKind.ACKED and record.state in (State.SENT, State.UNKNOWN):
            self._move(record, State.PARTIAL if record.filled else State.ACKED, _SYSTEM, "")
            self._press(record)

    def _hear(self, record: OrderRecord) -> None:
        """Note that the venue has an order: it can no longer be one that it never had."""
        if not record.heard:
            record.heard = True
            self.changes.any = True
            self.changes.orders.add(record.order.id)

    def _press(self, record: OrderRecord) -> None:
        """Ask again that an order end which shall: the venue may not have heard; asking twice does no harm."""
        if not record.canceling or record.state in ENDED or record.state is State.UNKNOWN:
            return
        if record.state is not State.CANCEL_PENDING:
            self._move(record, State.CANCEL_PENDING, _SYSTEM, "asked for before")
        if all(out.order.id != record.order.id for out in self.outgoing.values()):
            self._put_out(record.order, "cancel")

    def _heard(self, record: OrderRecord, to: State, reason: str) -> None:
        """Move an order as its venue says, if it can be so."""
        if to in ALLOWED[record.state]:
            self._move(record, to, _SYSTEM, reason)
        else:
            self._alert(
                "break", record.order.id, f"its venue says {to}, which an order that is {record.state} cannot be"
            )

    def _execute(self, record: OrderRecord, report: Report) -> None:
        """Book a fill, a bust or a correction once; of an order that ended too, since reports overtake one another."""
        effects = self.executions.take(report)
        if effects is None:
            return
        if isinstance(effects, str):
            self._alert("break", report.order, effects)
            return
        was = record.state
        self.ledger.release(record)
        for quantity, price, fee in effects:
            record.filled += quantity
            self.ledger.trade(record, quantity, price, fee)
        record.state = _after_execution(record)
        self.ledger.reserve(record)
        self.changes.traded(record)
        row = self.executions.row(report)
        body = {**row, "from": was.value, "to": record.state.value}
        self.changes.log(self.now(), _SYSTEM, "execution", report.exec_id, body)
        self.changes.rows.add(schema.executions, {**row, "seq": self.changes.chain.seq})
        self._doubt(record, report, was)

    def _doubt(self, record: OrderRecord, report: Report, was: State) -> None:
        """Tell of an execution that is booked, and that somebody should look at."""
        order, name = record.order, record.order.id
        if record.filled > order.quantity:
            self._alert("overfill", name, f"{record.filled:,} of {order.quantity:,} shares filled")
        if report.kind is not ReportKind.FILL:
            return
        if was in ENDED:
            self._alert("late fill", name, f"{report.quantity:,} shares filled after it was {was}")
        if order.limit is not None and (report.price - order.limit) * order.side.sign > 0:
            self._alert("price", name, f"filled at {report.price:,}, beyond its limit of {order.limit:,}")
        if 10 * abs(report.fee) > report.quantity * report.price:
            self._alert("fee", name, f"a fee of {report.fee:,} for {report.quantity * report.price:,} traded")

    def _move(self, record: OrderRecord, to: State, actor: Actor, reason: str) -> None:
        was = record.state
        moved(was, to)
        self.ledger.release(record)
        record.state = to
        self.ledger.reserve(record)
        self.changes.orders.add(record.order.id)
        body = {"from": was.value, "to": to.value, "reason": reason}
        if to is State.SENT:
            body["route"] = record.route or ""
        self.changes.log(self.now(), actor, "state", record.order.id, body)

    def _put_out(self, order: NewOrder, action: str) -> None:
        self.last_outgoing += 1
        self.outgoing[self.last_outgoing] = out = Outgoing(self.last_outgoing, order, action)
        self.changes.rows.add(schema.outbox, _outbox_row(out, done=False))

    def _done(self, out: Outgoing) -> None:
        del self.outgoing[out.seq]
        self.changes.any = True
        self.changes.rows.put(schema.outbox, _outbox_row(out, done=True))

    def _seen(self, order: str, actor: Actor) -> OrderRecord:
        record = self.ledger.orders.get(order)
        if record is None or actor.pm not in (None, record.pm):
            raise InputError(f"there is no order {order!r} of yours.")
        return record

    def _alert(self, kind: str, entity: str, text: str) -> None:
        alert, seconds = Alert(kind, entity, text), self.clock().timestamp()
        # Once an hour, however often its cause is looked at; and a venue gone mad fills neither memory nor the log.
        if seconds - self._told.get(alert, -_TOLD_AGAIN) < _TOLD_AGAIN:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told = {each: at for each, at in self._told.items() if seconds - at < _TOLD_AGAIN}
        if len(self._told) >= _MOST_TOLD:
            return
        self._told[alert] = seconds
        self.alerts.append(alert)
        self.changes.log(self.now(), _SYSTEM, "alert", entity, {"kind": kind, "text": text})


def _was_filled(record: OrderRecord, found: VenueOrder) -> bool:
    """Whether an order can have been filled: it may be less by now, by a bust or a correction."""
    fills = sum(execution.quantity for execution in found.executions if execution.kind == "fill")
    return max(fills, found.filled) >= record.order.quantity


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


def _outbox_row(out: Outgoing, *, done: bool) -> dict[str, Any]:
    return {"seq": out.seq, "order": out.order.id, "action": out.action, "done": done}


def _decision(record: OrderRecord, actor: Actor) -> Decision:
    if not record.code:
        return Decision(record.order.id, True)
    code = "firm" if record.code in FIRM_CODES and actor.pm is not None else record.code
    return Decision(record.order.id, False, code, TEXTS[code])


def _is_well_formed(order: NewOrder) -> bool:
    return (
        is_name(order.id)
        and is_name(order.account)
        and is_name(order.symbol, 32)
        and is_name(order.venue, 32)
        and (order.parent is None or is_name(order.parent))
        and (order.replaces is None or is_name(order.replaces))
        and isinstance(order.side, Side)
        and order.tif in ("DAY", "IOC")
        and _is_count(order.quantity)
        and (order.limit is None or _is_count(order.limit))
    )


def _is_count(number: object) -> bool:
    return type(number) is int and -_MOST_SHARES <= number <= _MOST_SHARES
