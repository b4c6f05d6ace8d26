"""Decide once for every frequency, replay at every size, and see what is left after costs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.analytics.track import TrackRecord
from quantray.arrays import Dates, Float, digest
from quantray.errors import DataError
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import MarketData
from quantray.research.results import Layout, ResultStore
from quantray.research.units import Unit, Workplace, complete
from quantray.studies.capacity.settings import CapacitySettings, Cell
from quantray.studies.portfolios.benchmark import Yardsticks
from quantray.studies.portfolios.replays import Replay, account, decisions_of, replay_unit, replayed_data
from quantray.studies.portfolios.study import decide_all, load_portfolios

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
    units: dict[tuple[str, Cell], Unit[Replay]] = {}
    computed = reused = 0
    decided = {}
    for rebalance in settings.rebalances:
        first = next(cell for cell in settings.cells if cell.rebalance == rebalance)
        trials, keys, done = decide_all(Source(settings.study(first), source.data, Yardsticks()), executor)
        decided[rebalance] = trials, keys
        computed, reused = computed + done.n_computed, reused + done.n_reused
    reads = replayed_data(settings.study(settings.cells[0]), source.panel)
    for cell in settings.cells:
        trials, keys = decided[cell.rebalance]
        for name in trials:
            study = settings.study(cell)
            units[name, cell] = replay_unit(study, name, keys[name], reads[name], _replayed_table, _LAYOUT)
    place = Workplace(executor, _Shared(source.data, settings.results))
    done = complete(place, _run_replay, list(units.values()), label="replays", announce="replays")
    found = {what: _read(settings.results, unit.key) for what, unit in units.items()}
    parts = (
        (name, f"{cell.aum!r} {cell.name}", each.net, each.cost, each.turnover) for (name, cell), each in found.items()
    )
    everything = digest(part for each in parts for part in each)
    taken = time.monotonic() - start
    return CapacityResult(found, everything, computed + done.n_computed, reused + done.n_reused, taken)


def _run_replay(shared: _Shared, replay: Replay) -> str:
    if not shared.results.has(replay.key, _LAYOUT):
        shared.results.put(replay.key, _replayed_table(shared, replay))
    return replay.key


def _replayed_table(shared: _Shared, replay: Replay) -> pa.Table:
    settings = replay.settings
    panel = settings.costs.prepared(shared.data.panel)
    decisions, _ = decisions_of(settings, panel, replay.allocator, replay.decisions)
    return _table(account(settings, panel, decisions, replay.allocator))


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
