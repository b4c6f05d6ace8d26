"""Label every day by each method, each week by each lens, and the past once more by fits at several dates."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Dates, digest
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.regimes.bars import daily_bars, resampled
from quantray.regimes.indicators import lens_of
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.path import RegimePath
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import read_market
from quantray.research.provenance import Origin, unit_key
from quantray.research.results import Layout, ResultStore
from quantray.research.source import name_of
from quantray.research.units import Unit, Workplace, complete
from quantray.studies.evaluation.regime_choice import STATISTICAL, RegimeChoice, RegimeMethod
from quantray.studies.regimes.settings import RegimesSettings

__all__ = ["RegimesResult", "RegimesSource", "View", "load_regimes", "run_regimes", "study_views"]

FIELDS = ("open", "high", "low", "close", "volume", "half_spread_bps")
_LIBRARIES = ("numpy", "pandas", "scipy")
_LEARNING = ("hmmlearn", "scikit-learn")

RegimesSource = Source[RegimesSettings, None]


@dataclass(frozen=True)
class View:
    """One path of regimes to make."""

    choice: RegimeChoice
    timeframe: str = "1day"
    refit: np.datetime64 | None = None
    """The day of a fit that tells all days up to it; None for what was said at the time."""

    @property
    def part(self) -> str:
        """Of the study."""
        return f"{self.choice.method} {'1day, again' if self.refit is not None else self.timeframe}"

    @property
    def layout(self) -> Layout:
        """Of its result."""
        chances = [(name, pa.float64()) for name in self.choice.names]
        return Layout(pa.schema([("date", pa.date32()), ("label", pa.int64()), *chances]))


@dataclass(frozen=True, eq=False)
class RegimesResult:
    """Paths of all methods."""

    said: Mapping[RegimeMethod, RegimePath]
    """On days, as each was known at its close."""
    weekly: Mapping[RegimeMethod, RegimePath]
    """Of lenses, on weeks that carry the day of their last close."""
    again: Mapping[RegimeMethod, Mapping[np.datetime64, RegimePath]]
    """Of methods that are fitted, the day of a fit -> all days up to it as told by that fit."""
    digest: str
    n_computed: int
    n_reused: int
    seconds: float


@dataclass(frozen=True, eq=False)
class _Shared:
    """What units share."""

    panel: Panel
    sectors: Mapping[str, str]
    exchange: str
    fingerprint: str
    results: ResultStore


def load_regimes(settings: RegimesSettings) -> RegimesSource:
    """The panel, once it is found to hold what the methods look at.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``; or the data are too short for a first fit, lack a field or sectors that a method needs,
        or hold no day of an episode that the settings name.
    """
    settings, data = read_market(settings, FIELDS)
    panel, chosen = data.panel, settings.chosen(data.sectors)
    needed = {name: settings.choice(name).first for name in chosen}
    if len(panel.dates) <= max(needed.values()):
        most = max(needed, key=lambda name: needed[name])
        raise DataError(
            f"{most} says nothing before {needed[most]} days and the data have {len(panel.dates)}; take more days, or "
            "leave it out of methods."
        )
    if "sector" in chosen and len(set(data.sectors.values())) < 2:
        raise DataError("the lens on sectors needs two of them; set data.sectors to a file of symbol and sector.")
    weekly = "1week" in settings.timeframes and any(name not in STATISTICAL for name in chosen)
    wanted = {"volume"} if {"liquidity", *STATISTICAL} & set(chosen) else set()
    wanted |= {"open", "high", "low", "volume"} if weekly else set()
    if missing := sorted(wanted - set(panel.fields)):
        remedy = " or set timeframes to [1day]" if weekly else ""
        raise DataError(f"the data have no {' and no '.join(missing)}; import bars with it{remedy}.")
    for episode in settings.falls() if settings.episodes is not None else ():
        rows = episode.rows(panel.dates)
        if rows.stop <= rows.start:
            raise DataError(
                f"the data run {panel.dates[0]} to {panel.dates[-1]} and hold no day of the episode {episode.name}, "
                f"{episode.peak} to {episode.trough}; leave it out."
            )
    return Source(settings, data, None)


def refit_dates(settings: RegimesSettings, choice: RegimeChoice, dates: Dates) -> Dates:
    """(K,) days of fits that tell the past again: spread evenly behind the first fit, the last one the last day."""
    if choice.by_rule:
        return dates[:0]
    first, last = choice.first - 1, len(dates) - 1
    return dates[np.unique(np.linspace(first, last, settings.refits + 1).round().astype(np.int64)[1:])]


def study_views(settings: RegimesSettings, sectors: Mapping[str, str], dates: Dates) -> tuple[View, ...]:
    """All paths of a study."""
    views = []
    for method in settings.chosen(sectors):
        choice = settings.choice(method)
        views.append(View(choice))
        if "1week" in settings.timeframes and method not in STATISTICAL:
            views.append(View(settings.choice(method, "1week"), "1week"))
        views += [View(choice, refit=day) for day in refit_dates(settings, choice, dates)]
    return tuple(views)


def run_regimes(source: RegimesSource, executor: Executor) -> RegimesResult:
    """Make what is missing of all paths, in parallel.

    Raises
    ------
    DataError
        A method says nothing on any day: what it looks at is known on too few.
    SolverError
        No first fit of the hidden Markov model succeeded.
    """
    start, settings, data = time.monotonic(), source.settings, source.data
    shared = _Shared(data.panel, data.sectors, data.exchange, data.panel.fingerprint(), settings.results)
    views = study_views(settings, data.sectors, data.panel.dates)
    units = [_unit(shared, settings, view) for view in views]
    done = complete(Workplace(executor, shared), _run_view, units, label="regimes", announce="paths of regimes")
    paths = {view: _read(settings.results, view, key) for view, key in zip(views, done.keys, strict=True)}
    for view, path in paths.items():
        if view.timeframe == "1day" and view.refit is None and not path.known.any():
            raise DataError(
                f"{view.choice.method} says nothing on any day: what it looks at is known on fewer than "
                f"{view.choice.first} days. Take more days or names, or leave it out of methods."
            )
    return RegimesResult(
        {v.choice.method: path for v, path in paths.items() if v.timeframe == "1day" and v.refit is None},
        {v.choice.method: path for v, path in paths.items() if v.timeframe == "1week"},
        {
            method: {v.refit: path for v, path in paths.items() if v.choice.method == method and v.refit is not None}
            for method in settings.chosen(data.sectors)
        },
        digest(part for view, path in paths.items() for part in (view.part, path.labels, path.probabilities)),
        done.n_computed,
        done.n_reused,
        time.monotonic() - start,
    )


@dataclass(frozen=True, eq=False)
class _Task:
    key: str
    view: View


def _unit(shared: _Shared, settings: RegimesSettings, view: View) -> Unit[_Task]:
    libraries = _LIBRARIES + (_LEARNING if view.choice.method in STATISTICAL else ())
    origin = Origin((name_of(_labelled),), libraries, numerics=settings.numerics)
    told = view.choice.terms | {"timeframe": view.timeframe, "refit": str(view.refit), "threads": settings.threads}
    if view.choice.method == "sector":
        told["sectors"] = dict(sorted(shared.sectors.items()))
    if view.timeframe != "1day":
        told["exchange"] = shared.exchange
    key = unit_key([shared.fingerprint], told, origin=origin)
    return Unit(key, _Task(key, view), origin, view.layout, view.part)


def _run_view(shared: _Shared, task: _Task) -> str:
    if not shared.results.has(task.key, task.view.layout):
        path = _labelled(shared, task.view)
        columns = {"date": pa.array(path.dates), "label": path.labels}
        columns |= dict(zip(path.names.tolist(), path.probabilities.T, strict=True))
        shared.results.put(task.key, pa.table(columns, schema=task.view.layout.schema))
    return task.key


def _labelled(shared: _Shared, view: View) -> RegimePath:
    choice, sectors = view.choice, shared.sectors
    if view.timeframe == "1day":
        if view.refit is None:
            return choice.build(shared.panel, sectors)
        return choice.build(shared.panel.until(view.refit), sectors, schedule=choice.once())
    weeks = resampled(daily_bars(shared.panel, exchange=shared.exchange), "1week", exchange=shared.exchange)
    path = lens_of(choice.method, MarketMeasures.of_bars(weeks, "1week", sectors), choice.lenses).path
    return RegimePath(path.dates.astype("datetime64[D]"), path.names, path.labels, path.probabilities)


def _read(results: ResultStore, view: View, key: str) -> RegimePath:
    table = results.get(key, view.layout)
    chances = np.column_stack([table[name].to_numpy() for name in view.choice.names])
    dates = table["date"].to_numpy().astype("datetime64[D]")
    return RegimePath(dates, np.asarray(view.choice.names), table["label"].to_numpy(), chances)
