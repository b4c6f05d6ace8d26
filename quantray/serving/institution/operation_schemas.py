"""What travels between the order management and operations; money in the currency, shares whole."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from quantray.serving.institution.parts import Name, Part, Price, Reason

__all__ = [
    "Allocation",
    "BreakRow",
    "Breaks",
    "OverrideOrder",
    "Settled",
    "SettlementOrder",
]


class BreakRow(Part):
    """A number that differs from the venue's: ``what`` is cash, or a symbol."""

    account: str
    what: str
    ours: float
    theirs: float


class Breaks(Part):
    """Where positions and cash differ from the venue's now, after a second look."""

    breaks: tuple[BreakRow, ...]


class Allocation(Part):
    """That a block is shared out, or anew."""

    onto: Literal["accounts", "residual"] | None = None
    """Only when it is shared out anew: whose the difference is."""
    reason: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class SettlementOrder(Part):
    """What became of an order, by somebody who knows; see `quantray oms settle`."""

    order: Name
    filled: Annotated[int, Field(strict=True, ge=0, le=10**9)]
    price: Price | None = None
    reason: Reason


class OverrideOrder(Part):
    """That an account may break a rule of compliance until a day; it may once two people have signed the same."""

    rule: Name
    account: Name
    symbol: Annotated[str, Field(max_length=32, pattern=r"^[\x21-\x7e]*$")] = ""
    """Empty for all that the rule is about."""
    reason: Reason
    expires: date


class Settled(Part):
    """What an order is after it was settled."""

    order: str
    state: str
