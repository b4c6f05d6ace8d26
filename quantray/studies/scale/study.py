"""What a universe's size costs and brings: seconds, bytes and forecasting skill from 400 names to thousands."""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from quantray.analytics.bootstrap import Estimate, Resampling
from quantray.analytics.forecasts import ic_difference
from quantray.arrays import Bool, Dates, Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.models.forecaster import FitContext
from quantray.models.learned import torch_threads
from quantray.research.executor import Executor
from quantray.research.market import MarketData, SimulatedData, StoreData, UniverseSettings
from quantray.research.metering import peak_bytes
from quantray.research.progress import say
from quantray.research.terms import ClusterSettings, Environment
from quantray.settings import SettingsModel
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import (
    ForecastSource,
    ForecastStudy,
    daily_skill,
    load_forecast_data,
    run_forecast_study,
    study_splits,
)
from quantray.studies.forecasts.trial import ForecastTrial, build_forecaster

__all__ = [
    "EpochCost",
    "ScaleResult",
    "ScaleSettings",
    "SizeResult",
    "load_size",
    "measure_epoch",
    "nested_ic",
    "run_scale",
]


class ScaleSettings(SettingsModel):
    """The same study on universes of several sizes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: Annotated[StoreData | SimulatedData, Field(discriminator="kind")]
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
    exchange: str | None = None
    """Whose calendar the data must keep; by default that of the store, which the run records."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    cluster: ClusterSettings = ClusterSettings()
    runs: str = Field(default_factory=lambda: Environment().runs)

    @model_validator(mode="after")
    def _sizes(self) -> "ScaleSettings":
        if list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 20:
            raise ValueError(f"sizes {self.sizes} must be ascending, different and at least 20")
        return self

    def study(self, size: int) -> ForecastSettings:
        """The study of one size."""
        data: StoreData | SimulatedData
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
            confidence=self.confidence,
            cluster=self.cluster,
            runs=self.runs,
        )


@dataclass(frozen=True)
class EpochCost:
    """What one epoch of training takes, alone in a process."""

    seconds: float
    """The shortest of those measured, validation included."""
    peak_bytes: int
    """Most memory that the process held, with Python, torch, panel and features."""
    training_bytes: int
    """By how much that rose above what was held before the fit: features, graphs, tensors and training."""


@dataclass(frozen=True, eq=False)
class SizeResult:
    """One universe."""

    size: int
    n_names: int
    """Names that are members on any of the test dates."""
    study: ForecastStudy
    costs: dict[str, EpochCost]
    """Network -> cost."""
    nested: dict[str, Float]
    """Model -> (D,) daily information coefficient on the members of the smallest universe alone; as ``daily_skill``."""
    nested_against_smallest: dict[str, Estimate]
    """Model -> that coefficient less the one of the same model trained on the smallest universe, paired by day."""


@dataclass(frozen=True, eq=False)
class ScaleResult:
    """All sizes, ascending."""

    settings: ScaleSettings
    """With the store's version and calendar filled in."""
    sizes: tuple[SizeResult, ...]
    data: MarketData
    """Of the largest universe."""

    def slope(self, model: str, what: str) -> float:
        """Exponent of ``seconds`` or ``training_bytes`` in the number of names; NaN where it cannot be told."""
        names = np.log([size.n_names for size in self.sizes])
        costs = np.array([float(getattr(size.costs[model], what)) for size in self.sizes])
        if len(names) < 2 or not (costs > 0).all():
            return float("nan")
        return float(np.polyfit(names, np.log(costs), 1)[0])


def run_scale(settings: ScaleSettings, executor: Executor) -> ScaleResult:
    """Study every size, then measure an epoch of each network alone.

    Raises
    ------
    InputError
        There are too few days for one fold, a size asks for more names than there are, or too few names are common to
        the universes.
    DataError
        The universes have other test dates.
    """
    sources, studies = [], []
    for size in settings.sizes:
        sources.append(load_size(settings, size))
        # All sizes read the version that the first one found, whatever is imported meanwhile.
        read = {"data": _of_version(settings.data, sources[0].settings.data), "exchange": sources[0].settings.exchange}
        settings = settings.model_copy(update=read)
    _check_sizes(settings.sizes, [source.data.panel for source in sources])
    for size, source in zip(settings.sizes, sources, strict=True):
        say(f"universe of {size} names")
        studies.append(run_forecast_study(source, executor))
    executor.close()
    results: list[SizeResult] = []
    for size, source, study in zip(settings.sizes, sources, studies, strict=True):
        nested = nested_ic(sources[0].data.panel, study)
        first = results[0].nested if results else nested
        results.append(
            SizeResult(
                size=size,
                n_names=int(_members(study.panel, study.dates).any(axis=0).sum()),
                study=study,
                costs={m.name: measure_epoch(source, m, settings) for m in settings.models if m.kind == "network"},
                nested=nested,
                nested_against_smallest={
                    name: ic_difference(
                        daily,
                        first[name],
                        horizon=settings.folds.horizon,
                        resampling=Resampling(level=settings.confidence),
                    )
                    for name, daily in nested.items()
                },
            )
        )
    return ScaleResult(settings, tuple(results), sources[-1].data)


def load_size(settings: ScaleSettings, size: int) -> ForecastSource:
    """The data of one size; raises as ``load_market``."""
    source = load_forecast_data(settings.study(size))
    if isinstance(settings.data, StoreData):
        return source
    panel = source.data.panel
    return replace(source, data=replace(source.data, panel=panel.select(panel.assets[:size])))


def nested_ic(small: Panel, study: ForecastStudy) -> dict[str, Float]:
    """Model -> (D,) daily information coefficient on names that are members of a smaller universe, too.

    Raises
    ------
    DataError
        A test date of the study is not a date of the smaller universe.
    """
    unknown = study.dates[~np.isin(study.dates, small.dates)]
    if len(unknown):
        raise DataError(f"the smallest universe has no {unknown[0]}; take sizes whose names trade on the same days.")
    place = {name: i for i, name in enumerate(small.assets.tolist())}
    columns = np.array([place.get(name, -1) for name in study.panel.assets.tolist()])
    inside = np.where(columns >= 0, _members(small, study.dates)[:, columns], False)
    inside &= _members(study.panel, study.dates)
    return {model.name: daily_skill(model.scores, study.forward, inside) for model in study.models}


def measure_epoch(source: ForecastSource, model: ModelSettings, settings: ScaleSettings) -> EpochCost:
    """Train a few epochs of a network on the last fold in a fresh process, and measure time and memory there."""
    say(f"measuring {model.name} in {source.settings.name}")
    splits = study_splits(source.settings, source.data.panel)
    short = model.model_copy(
        update={
            "training": model.training.model_copy(
                update={"epochs": settings.measured_epochs, "patience": settings.measured_epochs}
            )
        }
    )
    threads = max(1, int(settings.cluster.cpus_per_task))
    trial = ForecastTrial(short, splits[-1], 0, settings.folds.warm_up_days, threads)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (trial, trial.history(source.data.panel), source.data.sectors))


def _measure(trial: ForecastTrial, history: Panel, sectors: dict[str, str]) -> EpochCost:
    marks: list[tuple[float, int]] = []

    def say_nothing(_: str) -> None:
        marks.append((time.perf_counter(), peak_bytes()))

    with torch_threads(trial.threads), tempfile.TemporaryDirectory() as folder:
        context = FitContext(sectors=sectors, folder=Path(folder), say=say_nothing)
        held, began = peak_bytes(), time.perf_counter()
        build_forecaster(trial.model).fit(history, trial.split, context=context)
    times = [began, *(mark[0] for mark in marks)]
    # The first interval holds the making of features and graphs, so later ones count where there are any.
    spans = np.diff(times)[1:] if len(marks) > 1 else np.diff(times)
    return EpochCost(float(spans.min()), marks[-1][1], marks[-1][1] - held)


def _of_version(data: StoreData | SimulatedData, read: StoreData | SimulatedData) -> StoreData | SimulatedData:
    """Settings of data, at the version of the store that was read."""
    if isinstance(data, StoreData) and isinstance(read, StoreData):
        return data.model_copy(update={"version": read.version})
    return data


def _check_sizes(sizes: Sequence[int], panels: Sequence[Panel]) -> None:
    """Refuse a universe that holds no more names than the one before."""
    fullest = [int(panel.member.sum(axis=1).max()) for panel in panels]
    for size, names, before in zip(sizes[1:], fullest[1:], fullest, strict=False):
        if names <= before:
            raise InputError(f"size {size:,} adds no name: the data hold {before:,} at most on a day; leave it out.")


def _members(panel: Panel, dates: Dates) -> Bool:
    return np.asarray(panel.member[np.searchsorted(panel.dates, dates)])
