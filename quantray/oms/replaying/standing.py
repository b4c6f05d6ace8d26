"""What a log leaves after each row: accounts, holdings, orders, executions, limits, and what all of it is worth."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from quantray.oms.replaying.firm import FirmSums
from quantray.oms.replaying.rules import Rulings
from quantray.oms.states import State

__all__ = ["Block", "Demand", "Execution", "Holding", "Instrument", "Owner", "Placed", "Standing"]

OPEN = frozenset(
    {State.RESERVED, State.SENT, State.ACKED, State.PARTIAL, State.CANCEL_PENDING, State.UNKNOWN},
)


@dataclass(slots=True)
class Owner:
    """An account; ``reserved`` is money that open purchases may cost."""

    pm: str
    cash: int
    may_short: bool
    reserved: int = 0


@dataclass(slots=True)
class Instrument:
    """A symbol that may be traded; ``holdings`` are those of all accounts."""

    tick: int
    lot: int
    mark: int = 0
    holdings: "list[Holding]" = field(default_factory=list)
    firm: "Holding" = field(default_factory=lambda: Holding(""))


@dataclass(slots=True)
class Holding:
    """Shares of a symbol, and what is open; of a portfolio manager, or of the firm."""

    pm: str
    shares: int = 0
    buying: int = 0
    selling: int = 0

    def extent(self) -> int:
        """Shares at the worst: all purchases and no sale, or all sales and no purchase."""
        return max(abs(self.shares + self.buying), abs(self.shares - self.selling))


@dataclass(slots=True)
class Placed:
    """An order; ``held`` are shares for which something is set aside, at ``price`` each."""

    account: str
    pm: str
    symbol: str
    side: str
    quantity: int
    limit: int | None
    tif: str
    venue: str
    parent: str | None
    replaces: str | None
    state: State
    code: str
    price: int
    route: str | None = None
    filled: int = 0
    held: int = 0
    news: int = 0
    """Times that it was put out."""
    cancels: int = 0
    """Times that its end was asked for."""
    paid: int = 0
    """Money for what was filled, without fees."""
    fees: int = 0

    @property
    def is_purchase(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"


class Execution(NamedTuple):
    """A fill, a bust or a correction, as its table has it; ``seq`` is the row that booked it."""

    order: str
    kind: str
    refers: str
    quantity: int
    price: int
    fee: int
    time: str
    seq: int


class Demand(NamedTuple):
    """What an account wants of a block, how much of that may be traded, its number of the rule, and why not all."""

    shares: int
    kept: int
    number: int
    reason: str


@dataclass(slots=True)
class Block:
    """A block as its table has it, what accounts want, and what they had after each time that it was allocated."""

    pm: str
    account: str
    symbol: str
    side: str
    limit: int | None
    price: int
    lot: int
    method: str
    key: str
    demands: dict[str, Demand] = field(default_factory=dict)
    parts: list[Placed] = field(default_factory=list)
    allocations: list[dict[str, tuple[int, int, int]]] = field(default_factory=list)
    """Shares, money and fee by account."""

    @property
    def quantity(self) -> int:
        """Shares that may be traded."""
        return sum(demand.kept for demand in self.demands.values())

    def put_in(self, account: str) -> tuple[int, int]:
        """Cash and shares that an account put in."""
        kept = self.demands[account].kept if account in self.demands else 0
        return (kept * self.price, 0) if self.side == "buy" else (0, kept)

    def taken(self, account: str) -> tuple[int, int]:
        """Cash and shares that an account has taken out so far."""
        if not self.allocations:
            return 0, 0
        (cash, put), (shares, amount, fee) = self.put_in(account), self.allocations[-1].get(account, (0, 0, 0))
        return (cash - amount - fee, put + shares) if self.side == "buy" else (cash + amount - fee, put - shares)


@dataclass(slots=True)
class Standing:
    """Everything that the rows so far lead to; what is worth money is in its units."""

    owners: dict[str, Owner] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)
    held: dict[str, dict[str, Holding]] = field(default_factory=lambda: defaultdict(dict))
    """The same by account."""
    orders: dict[str, Placed] = field(default_factory=dict)
    parents: dict[str, tuple[object, ...]] = field(default_factory=dict)
    executions: dict[tuple[str, str], Execution] = field(default_factory=dict)
    amendments: dict[tuple[str, str, str], tuple[tuple[str, str], Execution]] = field(default_factory=dict)
    """What amends an execution last, with its own venue and id, by those of what it refers to and the order."""
    limits: dict[tuple[str, str, str], int] = field(default_factory=dict)
    switches: set[tuple[str, str]] = field(default_factory=set)
    restrictions: set[tuple[str, str]] = field(default_factory=set)
    documents: dict[tuple[str, str], str] = field(default_factory=dict)
    """Their texts by kind and name."""
    firm: FirmSums = field(default_factory=FirmSums)
    rulings: Rulings = field(default_factory=Rulings)
    opens: str = ""
    closes: str = ""
    gross_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Of each portfolio manager, at the worst."""
    gross: int = 0
    longest: int = 0
    """Net value of the firm when all purchases fill and no sale does."""
    shortest: int = 0
    """The same when all sales fill and no purchase does."""
    settled: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Shares in all, and the price of those that were missing, as somebody said last of an order."""
    epoch: int = 0
    seals: int = 0
    blocks: dict[str, Block] = field(default_factory=dict)
    approvals: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """Changes of limits by id, as their table has them."""
    origin: str = ""
    """Hash of the first row."""

    def holding(self, account: str, symbol: str) -> Holding:
        """Of an account, made where there is none yet."""
        found = self.holdings.get((account, symbol))
        if found is None:
            found = self.holdings[account, symbol] = Holding(self.owners[account].pm)
            self.instruments[symbol].holdings.append(found)
            self.held[account][symbol] = found
        return found

    def change(self, account: str, symbol: str, shares: int, buying: int, selling: int) -> None:
        """Change a holding, and what it is part of."""
        it, holding = self.instruments[symbol], self.holding(account, symbol)
        was = holding.extent()
        self.firm.changed.add(symbol)
        for each in (holding, it.firm):
            each.shares += shares
            each.buying += buying
            each.selling += selling
        grown = (holding.extent() - was) * it.mark
        self.gross += grown
        self.gross_of[holding.pm] += grown
        self.longest += (shares + buying) * it.mark
        self.shortest += (shares - selling) * it.mark

    def mark(self, symbol: str, price: int) -> None:
        """Value all holdings of a symbol at another price."""
        it = self.instruments[symbol]
        step, it.mark = price - it.mark, price
        self.firm.changed.add(symbol)
        for holding in it.holdings:
            grown = holding.extent() * step
            self.gross += grown
            self.gross_of[holding.pm] += grown
        self.longest += (it.firm.shares + it.firm.buying) * step
        self.shortest += (it.firm.shares - it.firm.selling) * step

    def hold(self, order: Placed) -> None:
        """Set aside for an order what its state and what it was filled ask for, and give back what is more."""
        wanted = max(order.quantity - order.filled, 0) if order.state in OPEN else 0
        if (more := wanted - order.held) == 0:
            return
        order.held = wanted
        if order.is_purchase:
            self.owners[order.account].reserved += more * order.price
            self.change(order.account, order.symbol, 0, more, 0)
        else:
            self.change(order.account, order.symbol, 0, 0, more)

    def trade(self, order: Placed, quantity: int, price: int, fee: int) -> None:
        """Book shares and the money for them; what is taken back is negative, and its fee too."""
        order.filled += quantity
        order.paid += quantity * price
        order.fees += fee
        shares = quantity if order.is_purchase else -quantity
        self.owners[order.account].cash -= shares * price + fee
        self.change(order.account, order.symbol, shares, 0, 0)
