"""Settings of allocators that act on forecasts."""

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from quantray.research.market import StoreAddress
from quantray.settings import SettingsModel

__all__ = ["AlphaSettings", "ForecastChoice", "PlanSettings"]


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


class PlanSettings(SettingsModel):
    """The periods that rule ``multi_period`` plans at once; of each plan the first period is traded.

    Trades cost what the study's ``costs`` say, impact at their size included.
    """

    periods: int = Field(8, ge=1, le=100)
    step_days: int = Field(5, ge=1, le=252)
    """Trading days of a period; near the days between rebalances."""
    half_life_days: float = Field(10.0, gt=0)
    """Trading days after which half of what a score expects of a day is left."""


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
    """Of the yearly utility ``alpha'w - risk_aversion / 2 w'Sigma w - costs``; not for the highest Sharpe ratio."""
    cost_aversion: float = Field(1.0, ge=0, le=1e3)
    """Multiple of costs in the utility; 0 ignores them. Not for the highest Sharpe ratio."""
    mandate: Literal["long_only", "market_neutral"] = "long_only"
    """``market_neutral``: ``portfolio.constraints.MARKET_NEUTRAL``. After the first purchase what is left of a calendar
    year's turnover is spread evenly over its rest, and gives way where drift leaves no other way to neutrality, which
    is recorded. Positions are limited by the volume of 21 days relative to the initial NAV."""
    plan: PlanSettings | None = None
    """Rule ``multi_period`` only, which needs it."""

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What plans nothing is written, and hashed, as if there were no plans."""
        values: dict[str, Any] = dump(self)
        if self.plan is None:
            values.pop("plan", None)
        return values
