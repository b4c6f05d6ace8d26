"""Settings of a daily rebalance."""

from typing import Literal

from pydantic import Field, model_validator

from quantray.daily.gate import GateSettings
from quantray.data.calendar import Frequency
from quantray.execution.settings import ExecutionSettings
from quantray.research.market import MarketSettings, StoreAddress, StoreData
from quantray.research.numerics import Numerics
from quantray.research.terms import AccountingSettings, CostSettings
from quantray.settings import SettingsModel
from quantray.studies.portfolios.settings import AllocatorSettings, PolicySettings

__all__ = ["LearningSettings", "RebalanceSettings"]


class LearningSettings(SettingsModel):
    """When a checkpoint learns from what has come since, and how; see ``daily.learning``."""

    every: Literal["weekly", "monthly", "quarterly"] = "monthly"
    """On the last session of each, whatever the frequency of decisions."""
    warm_start: bool = True
    """Whether from an earlier fit, for few epochs; else from fresh weights, as the checkpoint was trained."""
    epochs: int = Field(6, ge=1)
    """Of a warm start, at most."""
    train_days: int = Field(504, ge=40)
    valid_days: int = Field(60, ge=10)
    """Days before the last labels, on which the new fit is compared with the one that there is."""


class RebalanceSettings(MarketSettings):
    """Which portfolio is decided from which data, and where its books go."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    """Of the portfolio, as its books and the dashboard call it."""
    data: StoreData
    books: StoreAddress = "books"
    """Folder or address where books are published."""
    runs: str = "runs"
    """Folder for the records of what each day took and found."""
    allocator: AllocatorSettings
    checkpoint: str | None = None
    """A finished training's checkpoint, whose scores of the day take the place of the allocator's forecasts."""
    training: LearningSettings | None = None
    """How the checkpoint goes on learning; by default it stays as it is."""
    frequency: Frequency = "daily"
    """On other days what is held stays, and a book without trades is published."""
    lookback_days: int = Field(252, ge=20)
    """Trading days of returns behind a decision."""
    min_history: float = Field(0.9, gt=0, le=1)
    """Share of the look-back's returns that an asset must have to receive a weight."""
    min_volatility: float = Field(0.0, ge=0, le=1)
    """Yearly volatility over the look-back below which an asset is left out as cash-like."""
    gate: GateSettings = GateSettings()
    execution: ExecutionSettings = ExecutionSettings()
    policy: PolicySettings = PolicySettings()
    costs: CostSettings = CostSettings()
    accounting: AccountingSettings = AccountingSettings()
    """Its ``initial_nav`` is the money of the first book."""
    limits: str | None = None
    """YAML with limits; see ``risk.limits``. A hard one that is broken is told, has the book reduced by the smallest
    sales, or stops the day, as its action says."""
    alerts: str | None = None
    """YAML with rules of alerts; see ``serving.alerts``."""
    regimes: bool = True
    """Whether the five lenses look at the day."""
    threads: int = Field(1, ge=1)
    numerics: Numerics = "native"

    @model_validator(mode="after")
    def _scores(self) -> "RebalanceSettings":
        if self.checkpoint is not None and self.allocator.alpha is None:
            raise ValueError(f"checkpoint: {self.allocator.rule} acts on no forecasts; use mean_variance with alpha")
        if self.training is not None and self.checkpoint is None:
            raise ValueError("training: there is no checkpoint to train on from; name one")
        if self.data.end is not None or self.data.version is not None:
            raise ValueError("data.end and data.version are the day's and the store's latest; leave them out")
        return self
