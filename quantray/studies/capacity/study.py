"""Decide once for every frequency, replay at every size, and see what is left after costs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from quantray.analytics.track import TrackRecord
from quantray.arrays import Dates, Float, digest
from quantray.backtest.accounts import backtest
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import MarketData
from quantray.research.provenance import Origin, unit_key
from quantray.research.results import Layout, ResultStore
from quantray.research.source import name_of
from quantray.research.units import Unit, Workplace, complete
from quantray.settings import as_mapping
from quantray.studies.capacity.settings import CapacitySettings, Cell
from quantray.studies.portfolios.benchmark import Yardsticks
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import PortfolioSource, decide_all, decisions_of, load_portfolios
from quantray.studies.portfolios.trial import trial_origin

__all__ = ["CapacityResult", "CapacitySource", "Replayed", "load_capacity", "run_capacity"]

_LAYOUT = Layout(
    pa.schema([("date", pa.date32()), ("net", pa.float64()), ("cost", pa.float64()), ("turnover", pa.float64())])
)

CapacitySource = Source[CapacitySettings, None]


@dataclass(frozen=True, eq=False)
class Replayed:
    """One allocator in one cell, T days."""

    dates: Dates
    net: Float
    """(T,) simple returns after costs."""
    cost: Float
    """(T,) paid, fractions of NAV."""
    turnover: Float
    """(T,) half of what was traded over NAV."""


@dataclass(frozen=True, eq=False)
class CapacityResult:
    """All allocators in all cells."""

    replayed: Mapping[tuple[str, Cell], Replayed]
    digest: str
    n_computed: int
    n_reused: int
    seconds: float


@dataclass(frozen=True, eq=False)
class _Shared:
    """What replays share."""

    data: MarketData
    results: ResultStore


@dataclass(frozen=True, eq=False)
class _Replay:
    """One allocator in one cell, to be replayed."""

    key: str
    allocator: str
    settings: PortfolioSettings
    decisions: tuple[str, ...]
    """Keys of the results that hold what was decided."""


def load_capacity(settings: CapacitySettings) -> CapacitySource:
    """The data, once it is found to go together with the settings and to tell how much is traded.

    Raises
    ------
    DataError, InputError
        As ``studies.portfolios.study.load_portfolios``, or the data have no volumes.
    """
    loaded = load_portfolios(settings.study(settings.cells[0]))
    if "volume" not in loaded.panel.fields:
        raise DataError("impact needs volumes; import bars with a volume column.")
    found = {
        "data": loaded.settings.data,
        "exchange": loaded.settings.exchange,
        "allocators": loaded.settings.allocators,
    }
    return Source(settings.model_copy(update=found), loaded.data, None)


def run_capacity(source: CapacitySource, executor: Executor) -> CapacityResult:
    """Decide in parallel what is missing, then replay in parallel what is missing."""
    start, settings = time.monotonic(), source.settings
    units: dict[tuple[str, Cell], Unit[_Replay]] = {}
    computed = reused = 0
    decided = {}
    for rebalance in settings.rebalances:
        first = next(cell for cell in settings.cells if cell.rebalance == rebalance)
        trials, keys, done = decide_all(Source(settings.study(first), source.data, Yardsticks()), executor)
        decided[rebalance] = trials, keys
        computed, reused = computed + done.n_computed, reused + done.n_reused
    fingerprint = source.panel.fingerprint()
    for cell in settings.cells:
        trials, keys = decided[cell.rebalance]
        for name in trials:
            replay = _replay(settings.study(cell), name, tuple(keys[name]), fingerprint)
            origin = Origin((name_of(_replayed_table),), trial_origin(trials[name][0]).libraries)
            units[name, cell] = Unit(replay.key, replay, replace(origin, numerics=settings.numerics), _LAYOUT)
    place = Workplace(executor, _Shared(source.data, settings.results))
    done = complete(place, _run_replay, list(units.values()), label="replays", announce="replays")
    found = {what: _read(settings.results, unit.key) for what, unit in units.items()}
    parts = (
        (name, f"{cell.aum!r} {cell.name}", each.net, each.cost, each.turnover) for (name, cell), each in found.items()
    )
    everything = digest(part for each in parts for part in each)
    taken = time.monotonic() - start
    return CapacityResult(found, everything, computed + done.n_computed, reused + done.n_reused, taken)


def _replay(settings: PortfolioSettings, name: str, decisions: tuple[str, ...], fingerprint: str) -> _Replay:
    allocator = next(each for each in settings.allocators if each.name == name)
    told = {
        "allocator": allocator.model_dump(mode="json", exclude={"name"}),
        "costs": as_mapping(settings.costs),
        "accounting": as_mapping(settings.accounting),
        "policy": as_mapping(settings.policy),
        "decisions": list(decisions),
        "threads": settings.threads,
    }
    # Under the key of what it is made of, whatever the allocator is called.
    key = unit_key([fingerprint], told, origin=Origin((name_of(_replayed_table),), (), numerics=settings.numerics))
    return _Replay(key, name, settings, decisions)


def _run_replay(shared: _Shared, replay: _Replay) -> str:
    if not shared.results.has(replay.key, _LAYOUT):
        shared.results.put(replay.key, _replayed_table(shared, replay))
    return replay.key


def _replayed_table(shared: _Shared, replay: _Replay) -> pa.Table:
    settings = replay.settings
    panel: Panel = settings.costs.prepared(shared.data.panel)
    source: PortfolioSource = Source(settings, replace(shared.data, panel=panel), Yardsticks())
    decisions, _ = decisions_of(source, replay.allocator, replay.decisions)
    record = backtest(
        panel,
        decisions,
        costs=settings.costs.build(),
        accounting=settings.accounting.build(),
        policy=settings.policy.build(),
        name=replay.allocator,
    )
    return _table(record)


def _table(record: TrackRecord) -> pa.Table:
    before = record.nav[:-1]
    columns = {
        "date": pa.array(record.dates[1:]),
        "net": record.returns,
        "cost": record.cost_series[1:] / before,
        "turnover": record.turnover[1:],
    }
    return pa.table(columns, schema=_LAYOUT.schema)


def _read(results: ResultStore, key: str) -> Replayed:
    table = results.get(key, _LAYOUT)
    dates = table["date"].to_numpy().astype("datetime64[D]")
    return Replayed(dates, *(np.asarray(table[name].to_numpy()) for name in ("net", "cost", "turnover")))
