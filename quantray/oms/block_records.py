"""Blocks: one order for several accounts of a portfolio manager, and what is known of each.

A block is traded by an account of its manager that is for blocks alone. What the accounts put in is moved there when it
is placed, and all of it leaves when it is allocated; ``residual`` is the account that takes what rounding leaves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from quantray.execution.orders import Side
from quantray.institution.allocation import LeftOut, Rule
from quantray.oms.executions import Effect, Executions
from quantray.oms.ledger import Ledger, OrderRecord
from quantray.oms.messages import NewOrder

__all__ = [
    "Block",
    "BlockDecision",
    "BlockRecord",
    "BlockStatus",
    "Blocks",
    "Share",
    "block_account",
    "is_for_blocks",
    "residual_account",
]

_BLOCK, _RESIDUAL = ".block", ".residual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Shares of one symbol that accounts of one portfolio manager want bought or sold together.

    Parameters
    ----------
    id : that of the order whose parts trade it; never used twice, and begins with ``block_account`` and a slash.
    side : ``buy`` or ``sell``.
    demands : shares by account.
    limit : units of money a share beyond which no part of it may be; None as far as the collar.
    rule : how what is filled is shared out, with its numbers.
    """

    id: str
    symbol: str
    side: Side
    demands: Mapping[str, int]
    limit: int | None = None
    rule: Rule = field(default_factory=Rule)

    def with_numbers(self) -> "Block":
        """The same with the numbers of its rule, for which a user's function is called; raises ``InputError``."""
        return replace(self, rule=self.rule.resolved(self.demands))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDecision:
    """What the gate decided of a block, after it is on disk; ``quantity`` is what may be traded for those who stay."""

    block: str
    accepted: bool
    code: str = ""
    text: str = ""
    quantity: int = 0
    left_out: tuple[LeftOut, ...] = ()


class Share(NamedTuple):
    """What an account has of a block: shares, units of money for them, and its part of the fees."""

    shares: int
    amount: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStatus:
    """How far a block is.

    Parameters
    ----------
    demands : of those who stay.
    filled, amount, fee : of all its parts so far: shares, and units of money.
    open : parts that have not ended.
    revision : how often it was allocated; 0 is not yet.
    shares : what each account has of it; the residual account is among them.
    """

    id: str
    pm: str
    account: str
    symbol: str
    side: Side
    limit: int | None
    method: str
    demands: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    filled: int
    amount: int
    fee: int
    open: int
    revision: int
    shares: Mapping[str, Share]


@dataclass(slots=True)
class BlockRecord:
    """A block that was accepted, and what became of it.

    Parameters
    ----------
    kept : shares of those who stay.
    price : money a share that each purchase put in; 0 of sales.
    key : of the draw among equals: the hash of the first row of the log, which nobody who trades can know.
    filled, amount, fee : of its parts so far.
    allocations : what each account had after each time that it was allocated; the last one counts.
    """

    block: Block
    pm: str
    kept: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    lot: int
    price: int
    key: str
    filled: int = 0
    amount: int = 0
    fee: int = 0
    counted: bool = True
    """Whether these are of all that is booked; else they are what was allocated last."""
    allocations: list[dict[str, Share]] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The one that trades it."""
        return block_account(self.pm)

    @property
    def quantity(self) -> int:
        """Shares that may be traded."""
        return sum(self.kept.values())

    @property
    def totals(self) -> Share:
        """Of what was filled."""
        return Share(self.filled, self.amount, self.fee)

    def put_in(self, account: str) -> tuple[int, int]:
        """Cash and shares that an account put in."""
        kept = self.kept.get(account, 0)
        return (kept * self.price, 0) if self.block.side is Side.BUY else (0, kept)

    def due(self, account: str, share: Share) -> tuple[int, int]:
        """Cash and shares that an account takes out, when this is its share."""
        (cash, shares), sign = self.put_in(account), self.block.side.sign
        return cash - sign * share.amount - share.fee, shares + sign * share.shares


@dataclass(slots=True)
class Blocks:
    """All blocks by id."""

    records: dict[str, BlockRecord] = field(default_factory=dict)
    moved_cash: dict[str, int] = field(default_factory=dict)
    """By account: what blocks moved between accounts, of which venues know nothing."""
    moved_shares: dict[tuple[str, str], int] = field(default_factory=dict)
    """The same, by account and symbol."""

    def parent(self, name: str) -> tuple[str, str, str, int] | None:
        """Account, symbol, side and quantity of a block, as of any order that has parts."""
        found = self.records.get(name)
        if found is None:
            return None
        return found.account, found.block.symbol, found.block.side.value, found.quantity

    def refuses(self, ledger: Ledger, order: NewOrder, price: int) -> bool:
        """Whether an order would use what it is not of: a block account trades parts of blocks that have so much left.

        ``price`` is what a purchase sets aside for each share.
        """
        if order.account != block_account(ledger.accounts[order.account].pm):
            return False
        record = self.records.get(order.parent or "")
        if record is None or record.allocations:
            return True
        parts = ledger.parts.get(record.block.id, ())
        if order.quantity + sum(part.filled + part.remaining for part in parts) > record.quantity:
            return True
        if order.side is not Side.BUY:
            return False
        set_aside = order.quantity * price + sum(part.remaining * part.price for part in parts)
        return record.amount + record.fee + set_aside > record.quantity * record.price

    def traded(self, parent: str | None, effects: Iterable[Effect]) -> BlockRecord | None:
        """Count executions of a part of a block; returns the block where it was allocated before."""
        record = self.records.get(parent or "")
        if record is None:
            return None
        for quantity, price, fee in effects:
            record.filled += quantity
            record.amount += quantity * price
            record.fee += fee
        return record if record.allocations else None

    def moves(self, record: BlockRecord, taken: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Cash and shares that come to each account when some are taken from the account that trades a block."""
        cash, shares = (sum(each[i] for each in taken.values()) for i in range(2))
        found = {**taken, record.account: (-cash, -shares)}
        for account, (more, count) in found.items():
            line = account, record.block.symbol
            self.moved_cash[account] = self.moved_cash.get(account, 0) + more
            self.moved_shares[line] = self.moved_shares.get(line, 0) + count
        return found

    def recount(self, record: BlockRecord, parts: Iterable[OrderRecord], executions: Executions) -> None:
        """Count everything that is booked of the parts of a block."""
        record.filled = record.amount = record.fee = 0
        record.counted = True
        for part in parts:
            standing = executions.standing(part.order.id)
            self.traded(record.block.id, ((fill.quantity, fill.price, fill.fee) for fill in standing))

    def count(self, ledger: Ledger, executions: Executions) -> None:
        """Count what is booked of open blocks, after it was read, and what all of them moved."""
        for name, record in self.records.items():
            if record.allocations:
                last = record.allocations[-1].values()
                record.filled, record.amount, record.fee = (sum(part) for part in zip(*last, strict=True))
                record.counted = False
            else:
                self.recount(record, ledger.parts.get(name, ()), executions)
            put = {account: record.put_in(account) for account in record.kept}
            self.moves(record, {account: (-cash, -shares) for account, (cash, shares) in put.items()})
            if record.allocations:
                self.moves(record, {each: record.due(each, share) for each, share in record.allocations[-1].items()})


def block_account(pm: str) -> str:
    """The account by which a portfolio manager trades blocks."""
    return pm + _BLOCK


def residual_account(pm: str) -> str:
    """The account that takes what rounding leaves of a portfolio manager's blocks."""
    return pm + _RESIDUAL


def is_for_blocks(account: str) -> bool:
    """Whether an account is one of these, by its name."""
    return account.endswith((_BLOCK, _RESIDUAL))
