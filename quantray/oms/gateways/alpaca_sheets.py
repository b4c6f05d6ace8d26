"""What Alpaca answers, as far as it is read: strict where it counts, and open to fields that it adds."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from quantray.errors import InputError
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.gateways.sending import Reply
from quantray.oms.messages import Report, ReportKind, Unreadable, is_name, money
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
    "entry",
    "exact_money",
    "listed",
    "set_aside",
    "whole_shares",
]

T = TypeVar("T")
M = TypeVar("M", bound="_Sheet")

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

    @model_validator(mode="after")
    def _known(self) -> "AlpacaOrder":
        return _sure(self, lambda: self.state)

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

    @model_validator(mode="after")
    def _exact(self) -> "Fill":
        return _sure(self, lambda: self.report(""))

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


_LEFT = Field(union_mode="left_to_right")
ORDER_LIST = TypeAdapter(Annotated[list[Annotated[AlpacaOrder | JsonValue, _LEFT]], Field(max_length=ORDERS)])
"""One that is none keeps no other away; so it is with fills."""
FILL_LIST = TypeAdapter(Annotated[list[Annotated[Fill | JsonValue, _LEFT]], Field(max_length=PAGE)])
POSITIONS = TypeAdapter(Annotated[list[Position], Field(max_length=100_000)])


def entry(of: "_Sheet | JsonValue", name: str) -> str:
    """An entry of an order or a fill, whether it could be read or not; empty where it has none."""
    found = of.get(name) if isinstance(of, dict) else getattr(of, name, None)
    return found if isinstance(found, str) else ""


def set_aside(said: JsonValue, named: Mapping[str, str]) -> Unreadable:
    """What stands in place of an order or a fill that is none; ``named`` has our ids by Alpaca's."""
    raw = json.dumps(said, sort_keys=True)
    why = ""
    try:
        (AlpacaOrder if entry(said, "client_order_id") else Fill).model_validate_json(raw)
    except ValidationError as error:
        why = _first_fault(error)
    order = entry(said, "client_order_id") or named.get(entry(said, "order_id"), "")
    return Unreadable(raw=raw, why=why, order=order if is_name(order) else "")


def listed(adapter: TypeAdapter[list[T]], reply: Reply) -> list[T]:
    """A list that Alpaca answered; raises ``UnsureError`` where it is none."""
    if reply.status != 200:
        raise UnsureError(f"{reply.where} answered {reply.status}; ask again.")
    try:
        return adapter.validate_json(reply.content, strict=True)
    except ValidationError as error:
        raise UnsureError(f"{reply.where} answered with nonsense ({_first_fault(error)}); ask again.") from error


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


def _sure(sheet: M, said: Callable[[], object]) -> M:
    """A sheet of which all that counts can be told; raises ``ValueError`` otherwise."""
    try:
        said()
    except UnsureError as error:
        raise ValueError(str(error)) from error
    return sheet


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
