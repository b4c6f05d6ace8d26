"""What is said between a desk, the gate and a venue: orders, decisions and reports, in whole shares and whole money.

Money is in ten-thousandths of the currency, ``MONEY`` of which are one: the finest price step of a US exchange.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.states import State

__all__ = [
    "MONEY",
    "Decision",
    "Heard",
    "Holdings",
    "NewOrder",
    "Report",
    "ReportKind",
    "Route",
    "Silence",
    "TimeInForce",
    "Unreadable",
    "VenueOrder",
    "is_id",
    "is_name",
    "money",
    "price_of",
]

MONEY = 10_000
"""Units of money in one of the currency."""

Route = Literal["rest", "fix"]
"""How an order reaches its venue; decided once."""

TimeInForce = Literal["DAY", "IOC"]


class ReportKind(StrEnum):
    """What a venue says of an order."""

    ACKED = "acked"
    FILL = "fill"
    BUST = "bust"
    """A fill that is taken back; ``refers`` names it."""
    CORRECT = "correct"
    """A fill whose quantity or price was wrong; ``refers`` names it."""
    CANCELED = "canceled"
    CANCEL_REJECTED = "cancel_rejected"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order for one venue.

    Parameters
    ----------
    id : chosen by us, never used twice; begins with the account and a slash, see ``is_id``.
    quantity : shares; what the gate refuses is its decision, not an error here.
    limit : units of money a share; None trades at the market, a purchase as far as what is set aside for it.
    venue : where it is executed, such as NYSE.
    parent : the order that it is a part of.
    replaces : id of the order that the venue ends as it takes this one, all or nothing.
    """

    id: str
    account: str
    symbol: str
    side: Side
    quantity: int
    limit: int | None = None
    tif: TimeInForce = "DAY"
    venue: str = "NYSE"
    parent: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided of an order, after it is on disk.

    ``code`` is empty where it was accepted; of the firm's limits it says no more than that one would be passed.
    """

    order: str
    accepted: bool
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a venue says of an order.

    Parameters
    ----------
    order : our id.
    venue : who says it; with ``exec_id`` unique among fills, busts and corrections.
    refers : the ``exec_id`` that a bust or a correction is about.
    quantity : shares of this fill; of a correction those that are right.
    price : units of money a share.
    fee : units of money paid; a rebate is negative.
    filled : shares filled so far, as the venue counts.
    time : UTC, ISO 8601.
    sequence : number of the report where the venue counts them, else 0.
    """

    kind: ReportKind
    order: str
    venue: str
    exec_id: str = ""
    refers: str = ""
    quantity: int = 0
    price: int = 0
    fee: int = 0
    filled: int = 0
    time: str = ""
    text: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What a venue reports and nobody here can read.

    Parameters
    ----------
    raw : all of it, as it came.
    why : it cannot be read, in a line.
    order : our id, where that can be told; else empty, and it may be of any order.
    sequence : its number where the venue counts them, else 0.
    """

    raw: str
    why: str
    order: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """That reports have not come through for a while, and why."""

    why: str


Heard = Report | Unreadable | Silence
"""What comes from a venue."""


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """What a venue knows of an order: its state there, shares filled, and the reports of all its executions."""

    order: str
    state: State
    filled: int
    executions: tuple[Report, ...] = ()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a venue or a custodian holds for an account: units of money, and shares by symbol; zeros left out."""

    cash: int
    shares: Mapping[str, int] = field(default_factory=dict)


def is_name(name: object, longest: int = 64) -> bool:
    """Whether something can be an id: a text of so many letters at most, all of which can be printed."""
    return isinstance(name, str) and 0 < len(name) <= longest and name.isprintable()


def is_id(name: object, account: str) -> bool:
    """Whether something can be the id of an order for an account: a name that begins with it and a slash.

    So nobody can use up an id of another, nor learn from a refusal that there is one.
    """
    return is_name(name) and str(name).startswith(f"{account}/") and len(str(name)) > len(account) + 1


def money(amount: Decimal | str | int) -> int:
    """Units of money; raises ``InputError`` where the amount is finer than one."""
    units = Decimal(amount) * MONEY
    if not units.is_finite() or units != units.to_integral_value():
        raise InputError(f"{amount} is no multiple of {Decimal(1) / MONEY}; round it to one.")
    return int(units)


def price_of(units: int) -> Decimal:
    """The amount that so many units of money are."""
    return Decimal(units) / MONEY
