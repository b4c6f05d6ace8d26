"""Settings of allocators that act on forecasts."""

from typing import Literal

from pydantic import Field, model_validator

from quantray.research.market import StoreAddress
from quantray.settings import SettingsModel

__all__ = ["AlphaSettings", "ForecastChoice"]


class ForecastChoice(SettingsModel):
    """Where scores come from: a model in a store, or a control that needs no fit."""

    model: str | None = None
    """Name under which a store of forecasts holds the scores; see ``studies.forecasts.store``."""
    store: StoreAddress | None = None
    """Folder or address of that store; by default ``forecasts`` inside the study's runs folder."""
    version: int | None = Field(None, ge=0)
    """Version of the store; by default the latest, which the run records."""
    control: Literal["reversal", "reversal_gap"] | None = None
    """Scores computed from the study's own closes instead; see ``models.controls.ControlRule``."""

    @model_validator(mode="after")
    def _one(self) -> "ForecastChoice":
        if (self.control is None) == (self.model is None):
            raise ValueError("forecasts need either a model in a store or a control")
        if self.control is not None and (self.store, self.version) != (None, None):
            raise ValueError(f"control {self.control} is computed; it takes no store and no version")
        return self

    def __str__(self) -> str:
        if self.model is None:
            return f"the control {self.control}"
        return f"{self.model}, version {'latest' if self.version is None else self.version}"


class AlphaSettings(SettingsModel):
    """How scores become expected returns, and these a portfolio; see ``studies.portfolios.alpha``."""

    forecasts: ForecastChoice
    ic: float = Field(0.03, gt=0, le=1)
    """Information coefficient: correlation of a score with the residual return of the days it is about."""
    horizon_days: int = Field(5, ge=1)
    """Trading days that a score is about, over which a trade's cost must pay; near the days between rebalances."""
    largest_score: float = Field(3.0, gt=0)
    """Standardised scores beyond it, of either sign, count as this much."""
    risk_aversion: float = Field(10.0, gt=0, le=1e6)
    """Of the yearly utility ``alpha'w - risk_aversion / 2 w'Sigma w - costs``; mean-variance only."""
    cost_aversion: float = Field(1.0, ge=0, le=1e3)
    """Multiple of the study's linear costs in the utility; 0 ignores them. Mean-variance only."""
    mandate: Literal["long_only", "market_neutral"] = "long_only"
    """``market_neutral``: ``portfolio.constraints.MARKET_NEUTRAL``. After the first purchase what is left of a calendar
    year's turnover is spread evenly over its rest, and gives way where drift leaves no other way to neutrality, which
    is recorded. Positions are limited by the volume of 21 days relative to the initial NAV."""
