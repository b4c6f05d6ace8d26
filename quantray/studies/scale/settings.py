"""Settings of a study of scale: which sizes, and what is fitted on each."""

from typing import Literal

from pydantic import Field, model_validator

from quantray.research.kind import StudySettings
from quantray.research.market import DataSettings, MarketSettings, StoreData, UniverseSettings
from quantray.research.terms import LagSettings
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, ModelSettings

__all__ = ["ScaleSettings"]


class ScaleSettings(MarketSettings, StudySettings):
    """The same study on universes of several sizes."""

    kind: Literal["scale"] = "scale"
    data: DataSettings
    """A store's universe is replaced by the most traded names of each size. A simulated market is made in the largest
    size, and each universe is its first names; so the smaller ones miss some of the peers that lead a planted signal.
    """
    sizes: tuple[int, ...] = Field((400, 500, 1000, 2000), min_length=1)
    """Names in each universe, ascending; the smallest is nested in the others."""
    models: tuple[ModelSettings, ...] = Field(min_length=1)
    seeds: int = Field(5, ge=1)
    folds: ForecastFolds = ForecastFolds()
    measured_epochs: int = Field(2, ge=1)
    """Epochs of each network that are timed alone in a process of their own."""
    accounting: LagSettings = LagSettings()

    @model_validator(mode="after")
    def _sizes(self) -> "ScaleSettings":
        if list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 20:
            raise ValueError(f"sizes {self.sizes} must be ascending, different and at least 20")
        return self

    def study(self, size: int) -> ForecastSettings:
        """The study of one size."""
        data: DataSettings
        if isinstance(self.data, StoreData):
            given = self.data.universe
            universe = UniverseSettings(band=(1, size), review=given.review, buffer=given.buffer)
            data = self.data.model_copy(update={"universe": universe})
        else:
            data = self.data.model_copy(update={"n_assets": self.sizes[-1]})
        return ForecastSettings(
            name=f"{self.name}-{size}",
            data=data,
            models=self.models,
            seeds=self.seeds,
            folds=self.folds,
            exchange=self.exchange,
            accounting=self.accounting,
            resampling=self.resampling,
            cluster=self.cluster,
            numerics=self.numerics,
            runs=self.runs,
        )
