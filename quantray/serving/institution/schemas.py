"""What travels between the order management and its people; money in the currency, shares whole."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AccountRow",
    "AlertRow",
    "Alerts",
    "Allocation",
    "AllocationRow",
    "BlockDetail",
    "BlockOrder",
    "BlockReply",
    "BlockRow",
    "Blocks",
    "BreakRow",
    "Breaks",
    "ChangeDecision",
    "ChangeRow",
    "Changes",
    "DemandRow",
    "ExecutionRow",
    "ExposureRow",
    "Exposures",
    "FirmPosition",
    "FirmPositions",
    "GainRow",
    "Gains",
    "HeldRow",
    "LeftOutRow",
    "LimitRow",
    "Limits",
    "NewChange",
    "NewTrade",
    "OrderDetail",
    "OrderReply",
    "OrderRow",
    "Orders",
    "OverrideOrder",
    "Positions",
    "Settled",
    "SettlementOrder",
    "SwitchOrder",
    "SwitchRow",
    "Switches",
]

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]
OwnId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
"""That a caller chooses, and gives again when it heard no answer: the same twice is done once."""
Symbol = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[\x21-\x7e]+$")]
Shares = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Price = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=4, allow_inf_nan=False)]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Page(_Part):
    """Some rows of all."""

    total: int
    offset: int


class OrderRow(_Part):
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


class Orders(_Page):
    """Orders by id."""

    orders: tuple[OrderRow, ...]


class ExecutionRow(_Part):
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


class NewTrade(_Part):
    """An order for an account of the caller's."""

    id: OwnId
    account: Name
    symbol: Symbol
    side: Literal["buy", "sell", "sell_short"]
    quantity: Shares
    limit: Price | None = None
    tif: Literal["DAY", "IOC"] = "DAY"
    venue: Symbol = "NYSE"


class OrderReply(_Part):
    """What the gate decided."""

    order: str
    """Id to ask for it by: the account, a slash, and the id that was given."""
    accepted: bool
    code: str
    text: str


class HeldRow(_Part):
    """A position of an account, and what its open orders may add and take."""

    account: str
    symbol: str
    shares: int
    buying: int
    selling: int
    price: float
    value: float


class AccountRow(_Part):
    """An account."""

    account: str
    cash: float
    value: float
    """Of its shares."""


class Positions(_Page):
    """Positions of a portfolio manager, by account and symbol."""

    pm: str
    accounts: tuple[AccountRow, ...]
    positions: tuple[HeldRow, ...]


class GainRow(_Part):
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


class Gains(_Page):
    """Profit and loss of what was traded; what accounts were opened with is not in it."""

    pm: str
    gain: float
    gains: tuple[GainRow, ...]


class LimitRow(_Part):
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


class Limits(_Part):
    """Limits."""

    limits: tuple[LimitRow, ...]


class LeftOutRow(_Part):
    """An account whose part of a block is not traded, or not all of it."""

    account: str
    shares: int
    reason: str


class BlockOrder(_Part):
    """Shares of a symbol for several accounts of the caller's."""

    id: OwnId
    symbol: Symbol
    side: Literal["buy", "sell"]
    demands: Annotated[dict[Name, Shares], Field(min_length=1, max_length=1000)]
    """Shares by account."""
    limit: Price | None = None
    method: Literal["pro_rata", "equal"] = "pro_rata"


class BlockReply(_Part):
    """What the gate decided of a block."""

    block: str
    accepted: bool
    code: str
    text: str
    quantity: int
    left_out: tuple[LeftOutRow, ...]


class BlockRow(_Part):
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


class Blocks(_Page):
    """Blocks by id."""

    blocks: tuple[BlockRow, ...]


class DemandRow(_Part):
    """What an account wants of a block, and how much of that may be traded."""

    account: str
    shares: int
    kept: int
    reason: str


class AllocationRow(_Part):
    """What an account has of a block."""

    account: str
    shares: int
    amount: float
    fee: float


class BlockDetail(BlockRow):
    """A block, who wants it and who has it."""

    demands: tuple[DemandRow, ...]
    allocations: tuple[AllocationRow, ...]


class ExposureRow(_Part):
    """Money held long and short, and gross and net at the worst that open orders may lead to."""

    name: str
    long: float
    short: float
    gross: float
    net: float


class Exposures(_Page):
    """Exposures of the firm by name, sector or portfolio manager; the largest gross first."""

    by: str
    firm: ExposureRow
    exposures: tuple[ExposureRow, ...]


class FirmPosition(HeldRow):
    """A position of the firm."""

    pm: str


class FirmPositions(_Page):
    """Positions of the firm, by account and symbol."""

    positions: tuple[FirmPosition, ...]


class NewChange(_Part):
    """That a limit is to be another; a second person has to approve it."""

    id: OwnId
    scope: Literal["firm", "pm", "account", "sector", "factor"]
    key: Annotated[str, Field(max_length=128, pattern=r"^[\x20-\x7e]*$")] = ""
    name: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    value: Annotated[Decimal, Field(ge=0, le=10**13, decimal_places=4, allow_inf_nan=False)]
    """Money, or for limits of shares, days, basis points and orders a second that number."""
    reason: Reason
    hours: Annotated[int, Field(ge=1, le=168)] = 24
    """After which nobody can approve it."""


class ChangeDecision(_Part):
    """A second person's word."""

    approve: Annotated[bool, Field(strict=True)]


class ChangeRow(_Part):
    """A change of a limit."""

    id: str
    scope: str
    key: str
    name: str
    value: float
    before: float | None
    unit: Literal["money", "number"]
    reason: str
    proposer: str
    expires: datetime
    state: Literal["waiting", "approved", "declined", "expired"]
    decider: str


class Changes(_Page):
    """Changes of limits by id."""

    changes: tuple[ChangeRow, ...]


class SwitchOrder(_Part):
    """That trading is halted, or resumed; what is open when it halts is canceled."""

    scope: Literal["firm", "pm", "account", "symbol"]
    key: Annotated[str, Field(max_length=64, pattern=r"^[\x20-\x7e]*$")] = ""
    on: Annotated[bool, Field(strict=True)]


class SwitchRow(_Part):
    """A kill switch that is on."""

    scope: str
    key: str


class Switches(_Part):
    """Kill switches that are on."""

    switches: tuple[SwitchRow, ...]


class AlertRow(_Part):
    """Something that a person must look at."""

    seq: int
    time: datetime
    kind: str
    entity: str
    text: str


class Alerts(_Part):
    """The newest alerts first."""

    alerts: tuple[AlertRow, ...]


class BreakRow(_Part):
    """A number that differs from the venue's: ``what`` is cash, or a symbol."""

    account: str
    what: str
    ours: float
    theirs: float


class Breaks(_Part):
    """Where positions and cash differ from the venue's now, after a second look."""

    breaks: tuple[BreakRow, ...]


class Allocation(_Part):
    """That a block is shared out, or anew."""

    onto: Literal["accounts", "residual"] | None = None
    """Only when it is shared out anew: whose the difference is."""
    reason: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class SettlementOrder(_Part):
    """What became of an order, by somebody who knows; see `quantray oms settle`."""

    order: Name
    filled: Annotated[int, Field(strict=True, ge=0, le=10**9)]
    price: Price | None = None
    reason: Reason


class OverrideOrder(_Part):
    """That an account may break a rule of compliance until a day; it may once two people have signed the same."""

    rule: Name
    account: Name
    symbol: Annotated[str, Field(max_length=32, pattern=r"^[\x21-\x7e]*$")] = ""
    """Empty for all that the rule is about."""
    reason: Reason
    expires: date


class Settled(_Part):
    """What an order is after it was settled."""

    order: str
    state: str
