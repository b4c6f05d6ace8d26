"""What Alpaca answers, as far as it is read: strict where it counts, and open to fields that it adds."""

from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quantray.errors import InputError
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.gateways.sending import Reply
from quantray.oms.messages import Report, ReportKind, money
from quantray.oms.states import State

__all__ = [
    "FILL_LIST",
    "ORDERS",
    "ORDER_LIST",
    "PAGE",
    "POSITIONS",
    "VENUE",
    "AccountSheet",
    "AlpacaOrder",
    "Fill",
    "Position",
    "Problem",
    "exact_money",
    "listed",
    "whole_shares",
]

T = TypeVar("T")

VENUE = "ALPACA"
"""What orders name as their venue; together with the id of an activity it makes a fill unique."""
PAGE = 100
"""Fills at once."""
ORDERS = 500
"""Orders at once."""

_STATES = MappingProxyType(
    {
        "partially_filled": State.PARTIAL,
        "filled": State.FILLED,
        "canceled": State.CANCELED,
        "replaced": State.CANCELED,
        "expired": State.EXPIRED,
        "rejected": State.REJECTED,
        "pending_cancel": State.CANCEL_PENDING,
    }
)
_OPEN = frozenset(
    {
        "new",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "stopped",
        "suspended",
        "calculated",
        "held",
        "pending_replace",
        "done_for_day",
    }
)
"""An order that is done for the day ends only as it expires."""
Number = Annotated[str, Field(max_length=40, pattern=r"^-?\d+(\.\d+)?$")]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Stamp = Annotated[str, Field(max_length=40, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")]


class _Sheet(BaseModel):
    # Alpaca adds fields as it goes on.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Problem(_Sheet):
    """Why something was not done."""

    code: int
    message: Annotated[str, Field(max_length=600)]


class AlpacaOrder(_Sheet):
    """An order as Alpaca has it."""

    id: Name
    client_order_id: Name
    status: Name
    filled_qty: Number
    submitted_at: Stamp
    updated_at: Stamp | None = None

    @property
    def filled(self) -> int:
        """Shares so far; raises ``UnsureError`` where they are not whole."""
        return whole_shares(self.filled_qty)

    @property
    def state(self) -> State:
        """In our words; raises ``UnsureError`` where Alpaca has a new one."""
        if self.status in _OPEN:
            return State.PARTIAL if self.filled else State.ACKED
        if self.status not in _STATES:
            raise UnsureError(f"Alpaca calls order {self.client_order_id} {self.status!r}, which is no state.")
        return _STATES[self.status]


class Fill(_Sheet):
    """An activity of the kind FILL."""

    id: Name
    order_id: Name
    price: Number
    qty: Number
    cum_qty: Number
    transaction_time: Stamp

    def report(self, order: str) -> Report:
        """What it is for an order of ours; raises ``UnsureError`` where shares or money are not whole."""
        return Report(
            kind=ReportKind.FILL,
            order=order,
            venue=VENUE,
            exec_id=self.id,
            quantity=whole_shares(self.qty),
            price=exact_money(self.price),
            filled=whole_shares(self.cum_qty),
            time=self.transaction_time,
        )


class Position(_Sheet):
    """Shares of a symbol, negative where they are short."""

    symbol: Name
    qty: Number


class AccountSheet(_Sheet):
    """The account of the key."""

    cash: Number


ORDER_LIST = TypeAdapter(Annotated[list[AlpacaOrder], Field(max_length=ORDERS)])
FILL_LIST = TypeAdapter(Annotated[list[Fill], Field(max_length=PAGE)])
POSITIONS = TypeAdapter(Annotated[list[Position], Field(max_length=100_000)])


def listed(adapter: TypeAdapter[list[T]], reply: Reply) -> list[T]:
    """A list that Alpaca answered; raises ``UnsureError`` where it is none."""
    if reply.status != 200:
        raise UnsureError(f"{reply.where} answered {reply.status}; ask again.")
    try:
        return adapter.validate_json(reply.content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnsureError(f"{reply.where} answered with nonsense ({where}: {first['msg']}); ask again.") from error


def whole_shares(text: str) -> int:
    """Shares from their decimals; raises ``UnsureError`` where they are not whole."""
    whole, _, part = text.partition(".")
    if part.strip("0"):
        raise UnsureError(f"Alpaca tells of {text} shares, and orders are in whole ones; look at it there.")
    return int(whole)


def exact_money(text: str) -> int:
    """Units of money from their decimals; raises ``UnsureError`` where they are finer."""
    try:
        return money(text)
    except InputError as error:
        raise UnsureError(f"Alpaca tells of {text}, finer than the unit of money; look at it there.") from error
