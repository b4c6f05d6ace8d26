"""Orders, their children and fills: frozen, in whole shares and exact prices, and JSON both ways.

One object an order is for people and for other programs. Schedules of thousands of orders are arrays, in ``children``.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from quantray.errors import InputError

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "ChildOrder",
    "ExecutionSchedule",
    "Fill",
    "Order",
    "Side",
    "read_json",
    "to_json",
]

Algorithm = Literal["TWAP", "VWAP", "POV", "IS", "AC"]
ALGORITHMS: tuple[Algorithm, ...] = ("TWAP", "VWAP", "POV", "IS", "AC")

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

T = TypeVar("T")


class Side(StrEnum):
    """Which way shares go."""

    BUY = "buy"
    SELL = "sell"
    SELL_SHORT = "sell_short"

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, kw_only=True)
class Order:
    """What shall be traded.

    Parameters
    ----------
    quantity : shares, positive.
    limit : worst price, a multiple of ``tick``; None trades at the market.
    tick : smallest step of the price.
    lot : shares in which children are made.

    Raises
    ------
    InputError
        A quantity or a price is out of range, or the limit lies between ticks.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: str
    symbol: str
    side: Side
    quantity: int
    limit: Decimal | None = None
    tick: Decimal = Decimal("0.01")
    lot: int = 1

    def __post_init__(self) -> None:
        _check_quantity(self.quantity, f"order {self.id}")
        if not self.id or not self.symbol or self.lot < 1:
            raise InputError(f"order {self.id!r} of {self.symbol!r} needs an id, a symbol, and a lot of 1 or more.")
        if not self.tick.is_finite() or self.tick <= 0:
            raise InputError(f"order {self.id}: tick {self.tick} must be positive, such as 0.01.")
        _check_price(self.limit, self.tick, f"order {self.id}: limit")


@dataclass(frozen=True, kw_only=True)
class ChildOrder:
    """A part of an order, for one venue at one time (UTC)."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: str
    parent: str
    time: datetime
    quantity: int
    venue: str
    algorithm: Algorithm
    limit: Decimal | None = None

    def __post_init__(self) -> None:
        _check_quantity(self.quantity, f"child {self.id}")
        if self.time.tzinfo is None:
            raise InputError(f"child {self.id}: time {self.time} has no zone; give it in UTC.")
        if not self.venue:
            raise InputError(f"child {self.id} has no venue; name one, such as NYSE.")
        _check_algorithm(self.algorithm, f"child {self.id}")


@dataclass(frozen=True, kw_only=True)
class Fill:
    """Shares that were traded for a child order."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: str
    child: str
    time: datetime
    quantity: int
    price: Decimal
    venue: str
    fee: Decimal = Decimal(0)
    """Money paid; a rebate is negative."""

    def __post_init__(self) -> None:
        _check_quantity(self.quantity, f"fill {self.id}")
        if not self.price.is_finite() or self.price <= 0 or not self.fee.is_finite():
            raise InputError(f"fill {self.id}: price {self.price} must be positive, and fee {self.fee} a number.")
        if self.time.tzinfo is None:
            raise InputError(f"fill {self.id}: time {self.time} has no zone; give it in UTC.")


@dataclass(frozen=True, kw_only=True)
class ExecutionSchedule:
    """An order, the children that it is executed by, and what that is expected to cost.

    Raises
    ------
    InputError
        The algorithm is unknown, or children belong to another order, do not sum to it, or have a worse limit than it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    parent: Order
    algorithm: Algorithm
    children: tuple[ChildOrder, ...]
    expected_cost_bps: float
    """Of the order's value at the price of its arrival; positive is paid."""
    risk_bps: float
    """Standard deviation of the cost."""
    reason: str = ""
    """Why this algorithm."""

    def __post_init__(self) -> None:
        _check_algorithm(self.algorithm, f"the schedule of order {self.parent.id}")
        total = sum(child.quantity for child in self.children)
        if total != self.parent.quantity:
            raise InputError(f"children of order {self.parent.id} sum to {total:,} of {self.parent.quantity:,} shares.")
        for child in self.children:
            if child.parent != self.parent.id:
                raise InputError(f"child {child.id} belongs to {child.parent}, not to {self.parent.id}.")
            self._check_limit(child)

    def _check_limit(self, child: ChildOrder) -> None:
        _check_price(child.limit, self.parent.tick, f"child {child.id}: limit")
        if self.parent.limit is None:
            return
        if child.limit is None or (child.limit - self.parent.limit) * self.parent.side.sign > 0:
            raise InputError(
                f"child {child.id} has the limit {child.limit}, worse than {self.parent.limit} of order "
                f"{self.parent.id}; give it that of its order or a better one."
            )

    def to_json(self) -> str:
        """JSON from which ``from_json`` makes an equal schedule."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The schedule that ``to_json`` wrote; raises ``InputError`` for anything else."""
        return read_json(cls, text)


def to_json(value: object) -> str:
    """Any of the orders of this module as JSON; prices are texts, so that they stay exact."""
    return _adapter(type(value)).dump_json(value).decode()  # type: ignore[arg-type]


def read_json(kind: type[T], text: str | bytes) -> T:
    """What ``to_json`` wrote.

    Raises
    ------
    InputError
        The text is not JSON of that kind: a key is unknown or missing, or a value wrong.
    """
    try:
        value: T = _adapter(kind).validate_json(text)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        raise InputError(f"no {kind.__name__}: {place}: {first['msg']}.") from error
    return value


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _check_quantity(quantity: int, whose: str) -> None:
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity <= 0:
        raise InputError(f"{whose}: quantity {quantity} must be a positive whole number; a sale is said by its side.")


def _check_algorithm(algorithm: str, whose: str) -> None:
    if algorithm not in ALGORITHMS:
        raise InputError(f"{whose}: algorithm {algorithm!r} is not one of {', '.join(ALGORITHMS)}.")


def _check_price(price: Decimal | None, tick: Decimal, what: str) -> None:
    if price is None:
        return
    if not price.is_finite() or price <= 0:
        raise InputError(f"{what} {price} must be positive.")
    if price % tick:
        raise InputError(f"{what} {price} is no multiple of the tick {tick}; round it to one.")
