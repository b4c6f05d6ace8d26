"""What limits and rules need to know of a name beyond its shares and its price."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from quantray.settings import SettingsModel

__all__ = ["AssetClass", "NameFacts"]

AssetClass = Literal["equity", "preferred", "etf", "fund", "fixed income", "commodity", "fx", "option", "future"]

Shares = Annotated[int | None, Field(ge=0, le=10**13)]
Money = Annotated[Decimal | None, Field(ge=0, le=Decimal(10) ** 15)]


class NameFacts(SettingsModel):
    """Of a symbol; what is left out is unknown, and what needs it is never met."""

    sector: str = Field("", max_length=64)
    asset_class: AssetClass | Literal[""] = ""
    issuer: str = Field("", max_length=64)
    """Whose shares these are, where a firm has issued several; by default the symbol stands for it."""
    adv_shares: Shares = None
    """Traded on a usual day."""
    market_cap: Money = None
    shares_outstanding: Shares = None
    """Of its class of voting shares."""
