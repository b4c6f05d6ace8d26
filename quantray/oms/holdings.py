"""What is held and open, read from the tables: lines of accounts, and the money that they come to; nothing is written.

Read through ``reading.moment`` it is the firm's; behind a wall (``walls``), one portfolio manager's. Numbers are in
shares and units of money.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Subquery, case, func, literal, select, union_all

from quantray.oms import schema
from quantray.oms.block_records import block_account
from quantray.oms.executions import Executions
from quantray.oms.messages import Report, ReportKind

__all__ = ["Exposure", "Held", "Part", "Traded", "exposed_parts", "exposures", "held_lines", "traded_lines"]


@dataclass(frozen=True, slots=True)
class Held:
    """Shares of an account, and what its open orders may add and take."""

    account: str
    pm: str
    symbol: str
    shares: int
    buying: int
    selling: int
    mark: int

    @property
    def value(self) -> int:
        """Of the shares; shorts negative."""
        return self.shares * self.mark


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a portfolio manager in a symbol: money held long and short, and gross and both ends at the worst."""

    pm: str
    symbol: str
    long: int
    short: int
    gross: int
    longest: int
    """When all purchases fill and no sale does."""
    shortest: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """Lines together: money held long and short, and gross and net at the worst."""

    name: str
    long: int
    short: int
    gross: int
    net: int


@dataclass(slots=True)
class Traded:
    """What an account traded of a symbol: as executed, with its shares of blocks."""

    account: str
    symbol: str
    bought: int = 0
    sold: int = 0
    paid: int = 0
    """For what was bought, without fees."""
    received: int = 0
    fees: int = 0

    def add(self, *, sign: int, shares: int, money: int, fee: int) -> None:
        """Count a purchase (1) or a sale (-1)."""
        if sign > 0:
            self.bought += shares
            self.paid += money
        else:
            self.sold += shares
            self.received += money
        self.fees += fee

    def gain(self, mark: int) -> int:
        """Money made by it at a price, after fees: what is left of it is worth that much."""
        return (self.bought - self.sold) * mark + self.received - self.paid - self.fees


def held_lines(connection: Connection, *, sold: bool = False) -> list[Held]:
    """Every line with shares or open orders, in order of account and symbol.

    Parameters
    ----------
    sold : only those of which more would be sold than is held.
    """
    it = _lines()
    query = select(it).order_by(it.c.account, it.c.symbol)
    found = connection.execute(query.where(it.c.selling > it.c.shares) if sold else query)
    return [Held(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5]), row[6]) for row in found]


def exposed_parts(connection: Connection) -> list[Part]:
    """The lines summed for each portfolio manager and symbol, which a database does faster than it gives them."""
    it = _lines().c
    upper, lower = func.abs(it.shares + it.buying), func.abs(it.shares - it.selling)
    value = it.shares * it.mark
    query = select(
        it.pm,
        it.symbol,
        func.sum(case((value > 0, value), else_=0)),
        func.sum(case((value < 0, -value), else_=0)),
        func.sum(case((upper >= lower, upper), else_=lower) * it.mark),
        func.sum((it.shares + it.buying) * it.mark),
        func.sum((it.shares - it.selling) * it.mark),
    ).group_by(it.pm, it.symbol)
    return [Part(row[0], row[1], *map(int, row[2:])) for row in connection.execute(query)]


def exposures(parts: Iterable[Part], name: Callable[[Part], str]) -> list[Exposure]:
    """Parts summed by a name of theirs, the largest gross first; net is at the worst, as the gate reckons it."""
    grouped: dict[str, list[Part]] = {}
    for it in parts:
        grouped.setdefault(name(it), []).append(it)
    return sorted((_exposure(key, them) for key, them in grouped.items()), key=lambda it: (-it.gross, it.name))


def traded_lines(connection: Connection) -> list[Traded]:
    """What accounts traded, in order of account and symbol; blocks that were allocated count for those who got them."""
    found: dict[tuple[str, str], Traded] = {}

    def line(account: str, symbol: str) -> Traded:
        return found.setdefault((account, symbol), Traded(account, symbol))

    executions, order = _executions(connection), schema.child_orders.c
    filled = select(order.id, order.account, order.symbol, order.side).where(order.filled > 0)
    for name, account, symbol, side in connection.execute(filled):
        for fill in executions.standing(name):
            line(account, symbol).add(
                sign=_sign(side), shares=fill.quantity, money=fill.quantity * fill.price, fee=fill.fee
            )
    for pm, symbol, side, account, shares, amount, fee in _allocated(connection):
        line(account, symbol).add(sign=_sign(side), shares=shares, money=amount, fee=fee)
        line(block_account(pm), symbol).add(sign=_sign(side), shares=-shares, money=-amount, fee=-fee)
    return [found[key] for key in sorted(found)]


def _lines() -> Subquery:
    """Account, manager, symbol, shares, what is bought and sold by open orders, and the mark."""
    position, reserved = schema.positions.c, schema.reservations.c
    none = literal(0)
    parts = union_all(
        select(position.account, position.symbol, position.shares, none.label("buying"), none.label("selling")),
        select(
            reserved.account,
            reserved.symbol,
            none,
            case((reserved.shares > 0, reserved.shares), else_=0),
            case((reserved.shares < 0, -reserved.shares), else_=0),
        ),
    ).subquery()
    account, of = schema.accounts.c, schema.instruments.c
    sums = {name: func.sum(parts.c[name]) for name in ("shares", "buying", "selling")}
    return (
        select(parts.c.account, account.pm, parts.c.symbol, *(it.label(name) for name, it in sums.items()), of.mark)
        .join(schema.accounts, account.id == parts.c.account)
        .join(schema.instruments, of.symbol == parts.c.symbol)
        .group_by(parts.c.account, account.pm, parts.c.symbol, of.mark)
        .having((sums["shares"] != 0) | (sums["buying"] != 0) | (sums["selling"] != 0))
        .subquery()
    )


def _exposure(name: str, parts: Sequence[Part]) -> Exposure:
    longest, shortest = (sum(getattr(it, end) for it in parts) for end in ("longest", "shortest"))
    return Exposure(
        name,
        sum(it.long for it in parts),
        sum(it.short for it in parts),
        sum(it.gross for it in parts),
        longest if abs(longest) >= abs(shortest) else shortest,
    )


def _executions(connection: Connection) -> Executions:
    columns = schema.executions.c
    names = ("venue", "exec_id", "order", "refers", "quantity", "price", "fee", "time")
    query = select(columns.kind, *(columns[name] for name in names)).order_by(columns.seq)
    return Executions.of(
        Report(kind=ReportKind(kind), **dict(zip(names, values, strict=True)))
        for kind, *values in connection.execute(query)
    )


def _allocated(connection: Connection) -> Iterator[tuple[str, str, str, str, int, int, int]]:
    """Of each block its manager, symbol and side, and what an account has of it after it was allocated last."""
    it, block = schema.allocations.c, schema.blocks.c
    newest = select(it.block, func.max(it.revision).label("revision")).group_by(it.block).subquery()
    query = (
        select(block.pm, block.symbol, block.side, it.account, it.shares, it.amount, it.fee)
        .join(schema.blocks, block.id == it.block)
        .join(newest, (newest.c.block == it.block) & (newest.c.revision == it.revision))
    )
    for row in connection.execute(query):
        yield row[0], row[1], row[2], row[3], row[4], row[5], row[6]


def _sign(side: str) -> int:
    return 1 if side == "buy" else -1
