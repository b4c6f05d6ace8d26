"""What travels between the order management and portfolio managers; money in the currency, shares whole."""

from typing import Annotated, Literal

from pydantic import Field

from quantray.serving.institution.parts import Name, OwnId, Page, Part, Price, Shares, Symbol

__all__ = [
    "AccountRow",
    "AllocationRow",
    "BlockDetail",
    "BlockOrder",
    "BlockReply",
    "BlockRow",
    "Blocks",
    "DemandRow",
    "ExecutionRow",
    "GainRow",
    "Gains",
    "HeldRow",
    "LeftOutRow",
    "LimitRow",
    "Limits",
    "NewTrade",
    "OrderDetail",
    "OrderReply",
    "OrderRow",
    "Orders",
    "Positions",
]


class OrderRow(Part):
    """An order."""

    id: str
    pm: str
    account: str
    symbol: str
    side: str
    quantity: int
    limit: float | None
    """Money a share; none trades at the market."""
    tif: str
    venue: str
    parent: str | None
    state: str
    code: str
    """Why it was refused; of the firm's limits no more than ``firm``."""
    filled: int


class Orders(Page):
    """Orders by id."""

    orders: tuple[OrderRow, ...]


class ExecutionRow(Part):
    """A fill, or what takes one back or corrects it."""

    venue: str
    exec_id: str
    kind: str
    refers: str
    quantity: int
    price: float
    fee: float
    time: str


class OrderDetail(OrderRow):
    """An order with all that its venue reported."""

    executions: tuple[ExecutionRow, ...]


class NewTrade(Part):
    """An order for an account of the caller's."""

    id: OwnId
    account: Name
    symbol: Symbol
    side: Literal["buy", "sell", "sell_short"]
    quantity: Shares
    limit: Price | None = None
    tif: Literal["DAY", "IOC"] = "DAY"
    venue: Symbol = "NYSE"


class OrderReply(Part):
    """What the gate decided."""

    order: str
    """Id to ask for it by: the account, a slash, and the id that was given."""
    accepted: bool
    code: str
    text: str


class HeldRow(Part):
    """A position of an account, and what its open orders may add and take."""

    account: str
    symbol: str
    shares: int
    buying: int
    selling: int
    price: float
    value: float


class AccountRow(Part):
    """An account."""

    account: str
    cash: float
    value: float
    """Of its shares."""


class Positions(Page):
    """Positions of a portfolio manager, by account and symbol."""

    pm: str
    accounts: tuple[AccountRow, ...]
    positions: tuple[HeldRow, ...]


class GainRow(Part):
    """What an account made by trading a symbol."""

    account: str
    symbol: str
    bought: int
    sold: int
    paid: float
    received: float
    fees: float
    price: float
    gain: float
    """After fees: shares that were bought and not sold count at the price."""


class Gains(Page):
    """Profit and loss of what was traded; what accounts were opened with is not in it."""

    pm: str
    gain: float
    gains: tuple[GainRow, ...]


class LimitRow(Part):
    """A limit, and how much of it is used."""

    scope: str
    key: str
    name: str
    value: float
    unit: Literal["money", "number"]
    used: float | None
    """At the worst that open orders may lead to; none where it is not a level of what is held."""
    usage: float | None
    """Fraction."""


class Limits(Part):
    """Limits."""

    limits: tuple[LimitRow, ...]


class LeftOutRow(Part):
    """An account whose part of a block is not traded, or not all of it."""

    account: str
    shares: int
    reason: str


class BlockOrder(Part):
    """Shares of a symbol for several accounts of the caller's."""

    id: OwnId
    symbol: Symbol
    side: Literal["buy", "sell"]
    demands: Annotated[dict[Name, Shares], Field(min_length=1, max_length=1000)]
    """Shares by account."""
    limit: Price | None = None
    method: Literal["pro_rata", "equal"] = "pro_rata"


class BlockReply(Part):
    """What the gate decided of a block."""

    block: str
    accepted: bool
    code: str
    text: str
    quantity: int
    left_out: tuple[LeftOutRow, ...]


class BlockRow(Part):
    """A block."""

    id: str
    pm: str
    symbol: str
    side: str
    limit: float | None
    method: str
    quantity: int
    """Shares that may be traded."""
    filled: int
    open: int
    """Orders of it that have not ended."""
    revision: int
    """How often it was allocated; 0 is not yet."""


class Blocks(Page):
    """Blocks by id."""

    blocks: tuple[BlockRow, ...]


class DemandRow(Part):
    """What an account wants of a block, and how much of that may be traded."""

    account: str
    shares: int
    kept: int
    reason: str


class AllocationRow(Part):
    """What an account has of a block."""

    account: str
    shares: int
    amount: float
    fee: float


class BlockDetail(BlockRow):
    """A block, who wants it and who has it."""

    demands: tuple[DemandRow, ...]
    allocations: tuple[AllocationRow, ...]
