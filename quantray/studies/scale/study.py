"""What a universe's size costs and brings: seconds, bytes and forecasting skill from 400 names to thousands."""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.forecasts import ic_difference
from quantray.arrays import Bool, Dates, Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.models.forecaster import FitContext
from quantray.models.learned import torch_threads
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import DataSettings, StoreData
from quantray.research.metering import Clock, peak_bytes
from quantray.research.progress import say
from quantray.research.units import note_work
from quantray.studies.forecasts.settings import ModelSettings
from quantray.studies.forecasts.study import (
    ForecastSource,
    ForecastStudy,
    daily_skill,
    load_forecasts,
    run_forecasts,
    study_splits,
)
from quantray.studies.forecasts.trial import ForecastTrial, build_forecaster
from quantray.studies.scale.settings import ScaleSettings

__all__ = [
    "MEASURED",
    "EpochCost",
    "ScaleResult",
    "ScaleSource",
    "SizeResult",
    "load_scale",
    "load_size",
    "measure_epoch",
    "nested_ic",
    "run_scale",
]


MEASURED = "epochs alone"
"""The part of a run in which epochs are measured."""
ScaleSource = Source[ScaleSettings, tuple[ForecastSource, ...]]
"""The data of the largest universe; prepared is the study of each size."""


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

    sizes: tuple[SizeResult, ...]
    seconds: float

    def slope(self, model: str, what: str) -> float:
        """Exponent of ``seconds`` or ``training_bytes`` in the number of names; NaN where it cannot be told."""
        names = np.log([size.n_names for size in self.sizes])
        costs = np.array([float(getattr(size.costs[model], what)) for size in self.sizes])
        if len(names) < 2 or not (costs > 0).all():
            return float("nan")
        return float(np.polyfit(names, np.log(costs), 1)[0])


def load_scale(settings: ScaleSettings) -> ScaleSource:
    """The data of the largest universe, and the study of each size.

    Raises
    ------
    InputError
        There are too few days for one fold, or a size asks for more names than there are.
    """
    sources: list[ForecastSource] = []
    for size in settings.sizes:
        sources.append(load_size(settings, size))
        # All sizes read the version that the first one found, whatever is imported meanwhile.
        read = {"data": _of_version(settings.data, sources[0].settings.data), "exchange": sources[0].settings.exchange}
        settings = settings.model_copy(update=read)
    _check_sizes(settings.sizes, [source.panel for source in sources])
    return Source(settings, sources[-1].data, tuple(sources))


def run_scale(source: ScaleSource, executor: Executor) -> ScaleResult:
    """Study every size, then measure an epoch of each network alone.

    Raises
    ------
    DataError
        The universes have other test dates.
    InputError
        Too few names are common to the universes.
    """
    start, settings, studies = time.monotonic(), source.settings, []
    for size, each in zip(settings.sizes, source.prepared, strict=True):
        say(f"universe of {size} names")
        studies.append(run_forecasts(each, executor))
    executor.close()
    results: list[SizeResult] = []
    for size, each, study in zip(settings.sizes, source.prepared, studies, strict=True):
        nested = nested_ic(source.prepared[0].panel, study)
        first = results[0].nested if results else nested
        results.append(
            SizeResult(
                size=size,
                n_names=int(_members(study.panel, study.dates).any(axis=0).sum()),
                study=study,
                costs={m.name: measure_epoch(each, m, settings) for m in settings.models if m.kind == "network"},
                nested=nested,
                nested_against_smallest={
                    name: ic_difference(
                        daily, first[name], horizon=settings.folds.horizon, resampling=settings.resampling.build()
                    )
                    for name, daily in nested.items()
                },
            )
        )
    return ScaleResult(tuple(results), time.monotonic() - start)


def load_size(settings: ScaleSettings, size: int) -> ForecastSource:
    """The data of one size; raises as ``load_market``."""
    source = load_forecasts(settings.study(size))
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
    threads = settings.threads
    trial = ForecastTrial(short, splits[-1], 0, settings.folds.warm_up_days, threads)
    clock = Clock()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_measure, (trial, trial.history(source.data.panel), source.data.sectors))
    note_work(MEASURED, 1, clock.spent())
    return found


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


def _of_version(data: DataSettings, read: DataSettings) -> DataSettings:
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
