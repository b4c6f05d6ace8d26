"""The books: ledger, what changed since it was last written, what waits to be handed over, and alerts.

What changes them is in ``submission``, ``handing``, ``hearing`` and ``controls``, which neither wait nor write.
A command is checked before it changes anything, so one that raises has done nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from quantray.errors import InputError
from quantray.institution.approvals import LimitChange
from quantray.oms import schema
from quantray.oms.block_records import Blocks
from quantray.oms.changes import Actor, Changes
from quantray.oms.executions import Executions
from quantray.oms.ledger import Ledger, OrderRecord
from quantray.oms.messages import NewOrder, Report
from quantray.oms.past import Key, Past
from quantray.oms.states import State, moved

__all__ = ["SYSTEM", "Alert", "Books", "Outgoing", "stamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SYSTEM = Actor("gate")
"""Who does what nobody asked for."""
_TOLD_AGAIN = 3600.0
"""Seconds after which an alert whose cause goes on is told again."""
_MOST_TOLD = 10_000
"""Alerts in that time."""
_AT_ONCE = 200
"""Ended orders that are let go of in one turn, so that nobody waits for it."""


def stamp(time: datetime) -> str:
    """A time as the tables have it: UTC, to the microsecond, in an order that texts keep."""
    given = time if time.tzinfo is not None else time.astimezone(UTC)
    since = given - _EPOCH
    return f"{_second(since.days, since.seconds)}.{since.microseconds:06d}Z"


@lru_cache(maxsize=16)
def _second(days: int, seconds: int) -> str:
    # To write a time out takes longer than any check, and there are thousands of orders in a second.
    return (_EPOCH + timedelta(days, seconds)).isoformat()[:19]


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
    """Account, symbol, side and quantity of each that was asked for."""
    blocks: Blocks = field(default_factory=Blocks)
    approvals: dict[str, LimitChange] = field(default_factory=dict)
    """Changes of limits that were proposed, by id."""
    alerts: list[Alert] = field(default_factory=list)
    """Of this group."""
    codes: Counter[str] = field(default_factory=Counter)
    """Decisions since the start, by code; of accepted ones it is empty."""
    last_outgoing: int = 0
    past: Past | None = None
    """Where what is not in memory is looked up; None where all is."""
    _whole: set[str] = field(default_factory=set)
    """Orders all of whose parts are in memory."""
    _told: dict[Alert, float] = field(default_factory=dict)
    """When each was told last."""

    def now(self) -> str:
        """The time, as the tables have it."""
        return stamp(self.clock())

    def order(self, name: str) -> OrderRecord | None:
        """An order, which may have ended long ago; None where there is none."""
        self.recall((name,))
        return self.ledger.orders.get(name)

    def at(self, name: str) -> OrderRecord:
        """An order that there is."""
        self.recall((name,))
        return self.ledger.orders[name]

    def recall(self, names: Iterable[str], keys: Iterable[Key] = ()) -> None:
        """Look up what is not in memory of some orders, and of those that some executions are of."""
        past, orders = self.past, self.ledger.orders
        if past is None:
            return
        wanted = {name for name in names if name not in orders and past.may_have(name)}
        if keys and (unknown := [key for key in keys if not self.executions.knows(key)]):
            wanted.update(name for name in past.executed(unknown) if name not in orders)
        if wanted:
            self.bring_back(past.orders(wanted))

    def bring_back(self, found: Iterable[tuple[OrderRecord, Sequence[Report]]]) -> None:
        """Take in orders that are on disk, with their executions."""
        for record, reports in found:
            if record.order.id not in self.ledger.orders:
                self.ledger.add(record)
                self.executions.recall(reports)

    def forget(self, beyond: int, most: int = _AT_ONCE) -> None:
        """Let go of some of what ended first, where more is in memory than that; all of it has to be on disk."""
        ended = self.ledger.ended
        if self.past is None:
            return
        for _ in range(min(len(ended) - beyond, most)):
            name = ended.popleft()
            record = self.ledger.orders.get(name)
            if record is None or record.order.id in self.ledger.live:
                continue
            parent = record.order.parent
            if parent is None:
                self._let_go([name])
            elif self._is_over(parent):
                self._whole.discard(parent)
                self._let_go([part.order.id for part in self.ledger.parts[parent]])
            else:
                ended.append(name)

    def _let_go(self, names: Sequence[str]) -> None:
        self.ledger.forget(names)
        for name in names:
            self.executions.forget(name)

    def _is_over(self, parent: str) -> bool:
        """Whether no part of an order is open, nor a block that it is still to be allocated."""
        block = self.blocks.records.get(parent)
        if block is not None and not block.allocations:
            return False
        return not any(part.order.id in self.ledger.live for part in self.ledger.parts[parent])

    def begun(self, parent: str) -> None:
        """Note that an order that will have parts has none on disk yet."""
        self._whole.add(parent)

    def parts(self, parent: str) -> Sequence[OrderRecord]:
        """All parts of an order."""
        if self.past is not None and parent not in self._whole:
            self._whole.add(parent)
            self.bring_back(self.past.parts(parent))
        return self.ledger.parts.get(parent, ())

    def parent(self, name: str) -> tuple[str, str, str, int] | None:
        """Account, symbol, side and quantity of an order that has parts; None where there is none."""
        if name not in self.parents and self.past is not None and (found := self.past.parent(name)) is not None:
            self.parents[name] = found
        return self.parents.get(name)

    def count_block(self, name: str | None) -> None:
        """Count what is booked of a block, if it is one that was allocated before the start."""
        record = self.blocks.records.get(name or "")
        if record is not None and not record.counted:
            self.blocks.recount(record, self.parts(record.block.id), self.executions)

    def is_open(self) -> bool:
        """Whether the session is on."""
        return self.ledger.opens <= self.now() < self.ledger.closes

    def move(self, record: OrderRecord, to: State, actor: Actor, reason: str) -> None:
        """Bring an order into another state; raises ``TransitionError`` where it cannot become that."""
        was = record.state
        moved(was, to)
        self.ledger.release(record)
        record.state = to
        self.ledger.reserve(record)
        self.changes.orders.add(record.order.id)
        body: dict[str, str | int] = {"from": was.value, "to": to.value, "reason": reason}
        if to is State.SENT:
            body["route"] = record.route or ""
            if record.order.limit is None and (limit := self.ledger.furthest(record)) is not None:
                body["limit"] = limit
        self.changes.log(self.now(), actor, "state", record.order.id, body)

    def put_out(self, order: NewOrder, action: str) -> None:
        """Let an order, or the request to cancel it, wait to be handed over."""
        self.last_outgoing += 1
        self.outgoing[self.last_outgoing] = out = Outgoing(self.last_outgoing, order, action)
        self.changes.rows.add_values(schema.outbox, (out.seq, order.id, action, False))

    def done(self, out: Outgoing) -> None:
        """Let it wait no longer."""
        del self.outgoing[out.seq]
        self.changes.any = True
        self.changes.rows.put_values(schema.outbox, (out.seq, out.order.id, out.action, True))

    def seen(self, order: str, actor: Actor) -> OrderRecord:
        """An order that an actor may see; raises ``InputError`` where there is none."""
        record = self.order(order)
        if record is None or actor.pm not in (None, record.pm):
            raise InputError(f"there is no order {order!r} of yours.")
        return record

    def note(self, kind: str, entity: str, text: str) -> None:
        """Alert somebody, and log it."""
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
        self.changes.log(self.now(), SYSTEM, "alert", entity, {"kind": kind, "text": text})
