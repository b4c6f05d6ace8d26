"""Positions, cash, reservations and exposures in memory: whole numbers, and always the worst case.

The worst case of a line is the larger of what it is when all open purchases fill and when all open sales do. Sums over
portfolio managers and the firm are kept up with every change, so an order touches only what it changes.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.facts import NameFacts
from quantray.institution.firm_factors import FirmFactors
from quantray.institution.firm_limits import FirmLimits
from quantray.institution.order_rules import OrderRules
from quantray.institution.overrides import Override
from quantray.institution.rules import Rule
from quantray.oms.messages import NewOrder, Route
from quantray.oms.states import OPEN, State

__all__ = ["Account", "Instrument", "Ledger", "Line", "OrderRecord", "Worth"]


@dataclass(slots=True)
class Account:
    """Whose money it is; ``reserved`` is what open purchases may cost."""

    id: str
    pm: str
    cash: int
    may_short: bool = False
    reserved: int = 0


@dataclass(slots=True)
class Instrument:
    """What may be traded, in units of money and shares; a mark of 0 is none yet."""

    symbol: str
    tick: int = 100
    lot: int = 1
    mark: int = 0


@dataclass(slots=True)
class Line:
    """An account's shares of a symbol, and what is open."""

    shares: int = 0
    buying: int = 0
    selling: int = 0

    @property
    def worst(self) -> int:
        """The largest position that open orders can lead to."""
        return max(abs(self.shares + self.buying), abs(self.shares - self.selling))


@dataclass(slots=True)
class Worth:
    """What an account's positions come to; ``gross`` at the worst, ``unpriced`` those that have no price."""

    value: int = 0
    gross: int = 0
    unpriced: int = 0
    counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Shares of each symbol, held and at the worst."""
    stale: bool = False
    """Whether prices are others by now."""

    def add(self, value: int, gross: int, unpriced: int) -> None:
        """Add to it."""
        self.value += value
        self.gross += gross
        self.unpriced += unpriced


@dataclass(slots=True)
class OrderRecord:
    """An order and how far it is; ``price`` is what a purchase sets aside for each share."""

    order: NewOrder
    pm: str
    state: State
    code: str = ""
    route: Route | None = None
    filled: int = 0
    price: int = 0
    heard: bool = False
    """Whether its venue has ever spoken of it."""
    canceling: bool = False
    """Whether it was asked to end, which stands until it has."""

    @property
    def remaining(self) -> int:
        """Shares for which something is set aside."""
        return max(self.order.quantity - self.filled, 0) if self.state in OPEN else 0


@dataclass(slots=True)
class Ledger:
    """Everything that an order is checked against."""

    accounts: dict[str, Account] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)
    totals: dict[str, Line] = field(default_factory=dict)
    """Of each symbol, over all accounts."""
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    live: dict[str, OrderRecord] = field(default_factory=dict)
    """Those of the orders that have something set aside."""
    ended: deque[str] = field(default_factory=deque)
    """The others, in the order in which they ended or were looked up; some more than once."""
    parts: dict[str, list[OrderRecord]] = field(default_factory=dict)
    """Of every order that has some."""
    limits: dict[tuple[str, str, str], int] = field(default_factory=dict)
    switches: set[tuple[str, str]] = field(default_factory=set)
    restrictions: set[tuple[str, str]] = field(default_factory=set)
    opens: str = ""
    closes: str = ""
    gross_of_pm: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gross: int = 0
    long: int = 0
    """Value when all purchases fill and no sale does."""
    short: int = 0
    """Value when all sales fill and no purchase does."""
    sent_at: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    """Times of the orders of each portfolio manager in the last second."""
    facts: dict[str, NameFacts] = field(default_factory=dict)
    factors: FirmFactors | None = None
    watched: bool = False
    """Whether what changes has to be counted, for limits or rules beyond those that are kept up at once."""
    firm: FirmLimits | None = None
    """None where none of the firm's further limits is set."""
    rules: dict[str, Rule] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    """Of accounts."""
    overrides: dict[tuple[str, str, str], Override] = field(default_factory=dict)
    """By rule, account and symbol."""
    order_rules: OrderRules | None = None
    """None where there are no rules."""
    worth: dict[str, Worth] = field(default_factory=lambda: defaultdict(Worth))
    """Of accounts, where rules need it; see ``firm.worth_of``."""
    touched: set[tuple[str, str]] = field(default_factory=set)
    """Lines that changed since limits and rules were looked at last."""
    repriced: set[str] = field(default_factory=set)
    """Symbols whose price did."""
    _accounts_of: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def limit(self, scope: str, key: str, name: str) -> int:
        """A limit; 0 where none was set, so that nothing passes it."""
        return self.limits.get((scope, key, name), 0)

    def line(self, account: str, symbol: str) -> Line:
        """A line, made where there is none."""
        found = self.lines.get((account, symbol))
        if found is None:
            found = self.lines[account, symbol] = Line()
            self._accounts_of[symbol].append(account)
            self.totals.setdefault(symbol, Line())
        return found

    def shift(self, account: str, symbol: str, *, shares: int = 0, buying: int = 0, selling: int = 0) -> None:
        """Change a line, and all sums that it is part of."""
        line, mark, pm = self.line(account, symbol), self.instruments[symbol].mark, self.accounts[account].pm
        total = self.totals[symbol]
        if self.watched:
            self.touched.add((account, symbol))
        before = line.worst
        for each in (line, total):
            each.shares += shares
            each.buying += buying
            each.selling += selling
        more = (line.worst - before) * mark
        self.gross_of_pm[pm] += more
        self.gross += more
        self.long += (shares + buying) * mark
        self.short += (shares - selling) * mark

    def set_mark(self, symbol: str, mark: int) -> None:
        """Change a price, and all sums that it is part of."""
        instrument = self.instruments[symbol]
        step, instrument.mark = mark - instrument.mark, mark
        for account in self._accounts_of[symbol]:
            more = self.lines[account, symbol].worst * step
            self.gross_of_pm[self.accounts[account].pm] += more
            self.gross += more
        if self.watched:
            self.repriced.add(symbol)
        if total := self.totals.get(symbol):
            self.long += (total.shares + total.buying) * step
            self.short += (total.shares - total.selling) * step

    def add(self, record: OrderRecord) -> None:
        """Take an order in, and set aside what it needs."""
        self.orders[record.order.id] = record
        if record.order.parent is not None:
            self.parts.setdefault(record.order.parent, []).append(record)
        self.reserve(record)

    def forget(self, names: Iterable[str]) -> None:
        """Let go of orders that have ended, all parts of an order together."""
        for name in names:
            record = self.orders.pop(name, None)
            if record is not None and record.order.parent is not None:
                self.parts.pop(record.order.parent, None)

    def reserve(self, record: OrderRecord) -> None:
        """Set aside what an order may need, if it is open."""
        if record.state in OPEN:
            self.live[record.order.id] = record
            self._reserve(record, record.remaining)
        else:
            self.live.pop(record.order.id, None)
            self.ended.append(record.order.id)

    def release(self, record: OrderRecord) -> None:
        """Give back what an order set aside, before it ends or changes."""
        if shares := record.remaining:
            self._reserve(record, -shares)

    def trade(self, record: OrderRecord, quantity: int, price: int, fee: int) -> None:
        """Book shares of an order and the money for them; a negative quantity takes a trade back."""
        order = record.order
        self.shift(order.account, order.symbol, shares=order.side.sign * quantity)
        self.accounts[order.account].cash -= order.side.sign * quantity * price + fee

    def furthest(self, record: OrderRecord) -> int | None:
        """The price beyond which an order is not to trade; None where there is none.

        A purchase at the market goes as far as what is set aside for it and its fee, in whole ticks.
        """
        order = record.order
        if order.limit is not None or order.side is not Side.BUY:
            return order.limit
        tick = self.instruments[order.symbol].tick
        return (record.price - self.limit("firm", "", "fee")) // tick * tick

    def account(self, name: str) -> Account:
        """An account by its id; raises ``InputError`` for an unknown one."""
        if name not in self.accounts:
            raise InputError(f"there is no account {name!r}; open it first.")
        return self.accounts[name]

    def _reserve(self, record: OrderRecord, shares: int) -> None:
        order = record.order
        if order.side is Side.BUY:
            self.shift(order.account, order.symbol, buying=shares)
            self.accounts[order.account].reserved += shares * record.price
        else:
            self.shift(order.account, order.symbol, selling=shares)
