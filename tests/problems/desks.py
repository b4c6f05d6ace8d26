"""A venue in memory with two doors that can fail, and a gate with accounts and limits, for tests of the room."""

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from quantray.execution.orders import Side
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.database import connect
from quantray.oms.gate import Gate
from quantray.oms.gateways.protocol import Failure, NotSentError, Sink, UnsureError, one_by_one
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, Holdings, NewOrder, Report, ReportKind, Route, VenueOrder
from quantray.oms.migrating import upgrade
from quantray.oms.states import State

OPS = Actor("ops")
ANN = Actor("ann", "ann")
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
SYMBOLS = ("AAA", "BBB", "CCC")


@dataclass
class Clock:
    """A time that tests move."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@cache
def empty_database() -> bytes:
    """A file with the tables, which take longer to make than most tests to run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.db"
        engine = connect(f"sqlite:///{path}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return path.read_bytes()


def gate_at(folder: Path, clock: Callable[[], datetime] | None = None, **more) -> Gate:
    """A gate on a file of a folder; set up where it is new."""
    path = folder / "orders.db"
    if not path.exists():
        path.write_bytes(empty_database())
    gate = Gate(f"sqlite:///{path}", clock=clock or Clock(), **more)
    gate.do(set_up)
    return gate


def set_up(books: Books) -> None:
    """Symbols, accounts, limits and hours, where there are none yet."""
    if books.ledger.accounts:
        return
    list_instruments(books, OPS, dict.fromkeys(SYMBOLS, (100, 1)))
    set_marks(books, OPS, dict.fromkeys(SYMBOLS, 50 * MONEY))
    open_account(books, OPS, Account("A1", "ann", 1_000_000 * MONEY, True), {"AAA": 1_000})
    open_account(books, OPS, Account("B1", "bob", 1_000_000 * MONEY), {"BBB": 1_000})
    firm = {"order_shares": 10_000, "order_value": 10**6 * MONEY, "collar_bps": 500, "fee": 100}
    firm |= dict.fromkeys(("gross", "net", "single_name"), 10**7 * MONEY)
    limits = {("firm", "", name): value for name, value in firm.items()}
    for pm in ("ann", "bob"):
        limits |= {("pm", pm, "capital"): 10**7 * MONEY, ("pm", pm, "rate"): 1_000}
    set_limits(books, OPS, limits)
    set_session(books, OPS, NOON - timedelta(hours=3), NOON + timedelta(hours=4))


def buy(name: str, quantity: int = 100, **more) -> NewOrder:
    """A purchase for account A1 at the mark."""
    given = {"account": "A1", "symbol": "AAA", "side": Side.BUY, "limit": 50 * MONEY} | more
    if given.get("parent"):
        given["parent"] = full(given["parent"], given["account"])
    return NewOrder(id=full(name, given["account"]), quantity=quantity, **given)


def full(name: str, account: str = "A1") -> str:
    """An id of an account's order, where the account is not named."""
    return name if not name or "/" in name else f"{account}/{name}"


@dataclass
class Market:
    """One book behind all doors: it takes an id once, and counts how often it executed what."""

    fill: Callable[[NewOrder], int] = lambda order: order.quantity
    """Shares that are filled on arrival."""
    orders: dict[str, tuple[NewOrder, State, int]] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    void: set[str] = field(default_factory=set)
    executed: list[str] = field(default_factory=list)
    cash: dict[str, int] = field(default_factory=lambda: {"A1": 1_000_000 * MONEY, "B1": 1_000_000 * MONEY})
    shares: dict[tuple[str, str], int] = field(default_factory=lambda: {("A1", "AAA"): 1_000, ("B1", "BBB"): 1_000})
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, order: NewOrder) -> None:
        with self.lock:
            if order.id in self.orders or order.id in self.void:
                self.say(ReportKind.REJECTED, order.id, text="duplicate")
                return
            self.orders[order.id] = (order, State.ACKED, 0)
            self.say(ReportKind.ACKED, order.id)
            if quantity := self.fill(order):
                self.trade(order.id, quantity)

    def trade(self, name: str, quantity: int, price: int | None = None) -> None:
        with self.lock:
            order, _, filled = self.orders[name]
            filled += quantity
            price = price or order.limit or 50 * MONEY
            state = State.FILLED if filled >= order.quantity else State.PARTIAL
            self.orders[name] = (order, state, filled)
            self.executed.append(name)
            self.cash[order.account] -= order.side.sign * quantity * price
            key = order.account, order.symbol
            self.shares[key] = self.shares.get(key, 0) + order.side.sign * quantity
            self.say(
                ReportKind.FILL, name, exec_id=f"E{len(self.executed)}", quantity=quantity, price=price, filled=filled
            )

    def cancel(self, name: str) -> None:
        with self.lock:
            if name not in self.orders:
                self.say(ReportKind.CANCEL_REJECTED, name, text="unknown")
                return
            order, state, filled = self.orders[name]
            if state in (State.ACKED, State.PARTIAL):
                self.orders[name] = (order, State.CANCELED, filled)
                self.say(ReportKind.CANCELED, name, filled=filled)
            else:
                self.say(ReportKind.CANCEL_REJECTED, name, filled=filled)

    def say(self, kind: ReportKind, name: str, **more) -> None:
        self.reports.append(Report(kind=kind, order=name, venue="NYSE", sequence=len(self.reports) + 1, **more))

    def status(self, name: str, *, void: bool) -> VenueOrder | None:
        with self.lock:
            if name not in self.orders:
                if void:
                    self.void.add(name)
                return None
            _, state, filled = self.orders[name]
            fills = tuple(r for r in self.reports if r.order == name and r.exec_id)
            return VenueOrder(name, state, filled, fills)


@dataclass
class Way:
    """A door of the market: ``fault`` says what happens to the next messages."""

    market: Market
    route: Route = "rest"
    up: bool = True
    fault: Callable[[NewOrder], str] = lambda order: ""
    """``before`` loses a message on the way, ``after`` its answer, ``refused`` surely sends nothing."""
    sink: Sink | None = None
    heard: int = 0

    def ready(self) -> bool:
        return self.up

    def send(self, order: NewOrder) -> None:
        self._pass(order, lambda: self.market.take(order))

    def send_all(self, orders: Sequence[NewOrder]) -> Sequence[Failure | None]:
        return one_by_one(self.send, orders)

    def cancel(self, order: NewOrder) -> None:
        self._pass(order, lambda: self.market.cancel(order.id))

    def _pass(self, order: NewOrder, act: Callable[[], None]) -> None:
        fault = self.fault(order)
        if fault == "refused":
            raise NotSentError("not connected.")
        if fault != "before":
            act()
        if fault:
            raise UnsureError("no answer.")

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        if not self.up:
            raise UnsureError("no answer.")
        return self.market.status(order, void=void)

    def holdings(self, account: str) -> Holdings:
        with self.market.lock:
            shares = {symbol: n for (name, symbol), n in self.market.shares.items() if name == account and n}
            return Holdings(self.market.cash[account], shares)

    def listen(self, sink: Sink, after: int) -> None:
        self.sink, self.heard = sink, after

    def deliver(self, order: Callable[[list[Report]], list[Report]] = list) -> None:
        """Give the sink what was said since; ``order`` may turn, double or hold back reports."""
        fresh = self.market.reports[self.heard :]
        self.heard = len(self.market.reports)
        if self.sink is not None and fresh:
            self.sink(order(fresh))

    def close(self) -> None:
        self.sink = None


def listening(gate: Gate, way: Way) -> Way:
    """The door, whose reports the gate books."""
    way.listen(lambda reports: gate.do(lambda books: hear(books, reports, way.route)), 0)
    return way


def renamed(order: NewOrder, name: str) -> NewOrder:
    """The same order under another id."""
    return replace(order, id=name)
