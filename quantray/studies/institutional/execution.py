"""Phase five: how often the book is traded, at what share of the volume, and what is left of it at a size of money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from quantray.analytics.track import TrackRecord
from quantray.arrays import Dates, Float
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import CostsByDay, ImpactCosts
from quantray.data.calendar import Frequency
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout
from quantray.research.source import name_of
from quantray.research.units import Unit
from quantray.settings import as_mapping
from quantray.studies.institutional.book import Book, PhaseData, decision_rows, read_book
from quantray.studies.institutional.objective import Choice, choose, scored

__all__ = [
    "ExecutionTask",
    "Replay",
    "ReplayTask",
    "Way",
    "execution_unit",
    "last_change",
    "plain_way",
    "read_replay",
    "replay_unit",
    "run_execution",
    "run_replay",
    "ways",
]

_LIBRARIES = ("numpy", "pandas")
_WAYS = Layout(pa.schema([("way", pa.string()), ("cost", pa.float64())]))
_REPLAYED = ("net", "cost", "turnover", "gross", "exposure", "options")
_REPLAY = Layout(pa.schema([("date", pa.date32()), *((name, pa.float64()) for name in _REPLAYED)]))


@dataclass(frozen=True)
class Way:
    """One way to trade a book."""

    rebalance: Frequency
    participation: float | None
    """Most of a name's usual volume that is traded in a day; larger trades take several. None trades at once."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.rebalance}, {'at once' if self.participation is None else f'{self.participation:.1%} a day'}"


@dataclass(frozen=True)
class ExecutionTask:
    """The choice of a way to trade the book of one fold, at some size of money."""

    split: Split
    book: str
    """Key of the book."""
    aum: float


@dataclass(frozen=True)
class ReplayTask:
    """The books of all folds through their test ranges."""

    splits: tuple[Split, ...]
    books: tuple[str, ...]
    """Key of each fold's book."""
    ways: tuple[Way, ...]
    """Of each fold."""
    aum: float


@dataclass(frozen=True, eq=False)
class Replay:
    """D days out of sample, by the day on which returns are earned."""

    dates: Dates
    net: Float
    """(D,) returns after all costs, options included."""
    cost: Float
    """(D,) paid for trades in shares, fractions of NAV."""
    turnover: Float
    """(D,) one-way."""
    gross: Float
    """(D,) sum of absolute weights at the close."""
    exposure: Float
    """(D,) in force."""
    options: Float
    """(D,) what options earned, part of ``net``."""

    @property
    def cost_bps(self) -> float:
        """Of the money traded."""
        traded = 2 * float(self.turnover.sum())
        return 1e4 * float(self.cost.sum()) / traded if traded > 0 else 0.0


def plain_way(data: PhaseData) -> Way:
    """Without the phase: as often as anything may be decided, at once, and as much as it takes."""
    return Way(data.settings.execution.rebalances[0], None)


def ways(data: PhaseData) -> list[Way]:
    """All that may be chosen."""
    phase = data.settings.execution
    return [Way(*each) for each in product(phase.rebalances, phase.participations)]


def run_execution(data: PhaseData, task: ExecutionTask) -> str:
    """Try every way on the training range, keep how each did and return the key."""
    unit = execution_unit(data, task)
    if not data.results.has(unit.key, _WAYS):
        choice, costs = _tried(data, task)
        table = pa.table([list(costs), list(costs.values())], schema=_WAYS.schema)
        data.results.put(unit.key, table, choice.note() | notes_of(unit.origin))
    return unit.key


def run_replay(data: PhaseData, task: ReplayTask) -> str:
    """Replay all folds out of sample, keep what is left and return the key."""
    unit = replay_unit(data, task)
    if not data.results.has(unit.key, _REPLAY):
        data.results.put(unit.key, _replayed(data, task), notes_of(unit.origin))
    return unit.key


def execution_unit(data: PhaseData, task: ExecutionTask) -> Unit[ExecutionTask]:
    """The choice of a way as a unit of work."""
    told = _told(data) | {
        "split": repr(task.split),
        "aum": task.aum,
        "execution": as_mapping(data.settings.execution),
        "objectives": as_mapping(data.settings.objectives),
    }
    origin = Origin((name_of(_tried),), _LIBRARIES, numerics=data.settings.numerics)
    return Unit(unit_key([data.fingerprint, task.book], told, origin=origin), task, origin, _WAYS)


def replay_unit(data: PhaseData, task: ReplayTask) -> Unit[ReplayTask]:
    """A replay as a unit of work."""
    told = _told(data) | {
        "splits": [repr(split) for split in task.splits],
        "ways": [vars(way) for way in task.ways],
        "aum": task.aum,
        "decisions": list(data.settings.execution.rebalances),
    }
    origin = Origin((name_of(_replayed),), _LIBRARIES, numerics=data.settings.numerics)
    return Unit(unit_key([data.fingerprint, *task.books], told, origin=origin), task, origin, _REPLAY)


def last_change(data: PhaseData, task: ReplayTask) -> tuple[int, Float]:
    """Row of the newest decision that changed anything, and (N,) by how much; zeros where none did."""
    decided, last, change = _all_decided(data, task)[0], 0, np.zeros(data.panel.shape[1])
    before = change
    for row in sorted(decided):
        if (decided[row].weights != before).any():
            last, change = row, decided[row].weights - before
        before = decided[row].weights
    return last, change


def read_replay(data: PhaseData, key: str) -> Replay:
    """The replay that is kept under a key; raises as ``ResultStore.get``."""
    table = data.results.get(key, _REPLAY)
    dates = table["date"].to_numpy().astype("datetime64[D]")
    return Replay(dates, *(np.asarray(table[name].to_numpy()) for name in _REPLAYED))


def _told(data: PhaseData) -> dict[str, object]:
    settings = data.settings
    return {
        "costs": as_mapping(settings.costs),
        "impact": as_mapping(settings.impact),
        "lag": settings.accounting.execution_lag,
        "band": settings.risk.band,
        "exchange": data.exchange,
        "threads": settings.threads,
    }


@dataclass(frozen=True, eq=False)
class _Decided:
    """What is decided on one day."""

    weights: Float
    """(N,) of NAV."""
    exposure: float
    way: Way


def _tried(data: PhaseData, task: ExecutionTask) -> tuple[Choice, dict[str, float]]:
    """The choice, and what each way paid in training, basis points of the money traded."""
    book, panel = read_book(data, task.book), data.panel
    train, periods = task.split.rows(panel.dates).train, panel.periods_per_year
    candidates, costs = [], {}
    for way in ways(data):
        decided = _decisions(data, book, way, train)
        found = _accounts(data, decided, range(train.start + 1, train.stop), task.aum, _options(panel, [(book, train)]))
        turnover = float(found.turnover.sum()) / len(found.net) * periods
        candidates.append(
            scored(way.name, found.net, data.settings.objectives, turnover=turnover, periods_per_year=periods)
        )
        costs[way.name] = found.cost_bps
    return choose(candidates), costs


def _replayed(data: PhaseData, task: ReplayTask) -> pa.Table:
    panel, (decided, parts) = data.panel, _all_decided(data, task)
    days = range(parts[0][1].start + 1, len(panel.dates))
    found = _accounts(data, decided, days, task.aum, _options(panel, parts))
    return pa.table([pa.array(getattr(found, name)) for name in ("dates", *_REPLAYED)], schema=_REPLAY.schema)


def _all_decided(data: PhaseData, task: ReplayTask) -> tuple[dict[int, _Decided], list[tuple[Book, slice]]]:
    """What is decided in the test ranges of all folds, and the book of each with its rows."""
    decided, parts = dict[int, _Decided](), []
    for split, key, way in zip(task.splits, task.books, task.ways, strict=True):
        book, test = read_book(data, key), split.rows(data.panel.dates).test
        decided |= _decisions(data, book, way, test)
        parts.append((book, test))
    return decided, parts


def _options(panel: Panel, parts: Sequence[tuple[Book, slice]]) -> Float:
    """(T,) what options earn at full exposure, on each range of rows those of its book."""
    out = np.zeros(len(panel.dates))
    for book, rows in parts:
        out[rows] = book.options[rows.start - book.rows[0] : rows.stop - book.rows[0]]
    return out


def _decisions(data: PhaseData, book: Book, way: Way, rows: slice) -> dict[int, _Decided]:
    """Row of the panel -> what is decided there, for decisions of a range of rows.

    The book is traded on the days of the way's frequency. On the others exposure alone is, once it is too far off.
    """
    own = set(decision_rows(data.settings, data.panel, data.exchange, way.rebalance).tolist())
    base, now, made = None, 1.0, {}
    for k, row in enumerate(book.decided.tolist()):
        if not rows.start <= row < rows.stop:
            continue
        wanted = float(book.exposure[row - book.rows[0]])
        if row in own:
            base = book.weights[k]
        elif base is None or abs(wanted - now) <= data.settings.risk.band:
            continue
        assert base is not None, "narrowed above"
        now, made[row] = wanted, _Decided(wanted * base, wanted, way)
    return made


def _accounts(data: PhaseData, decided: Mapping[int, _Decided], days: range, aum: float, options: Float) -> Replay:
    """What decisions leave on some rows of the panel, of which nobody knows later ones."""
    lag = data.settings.accounting.execution_lag
    panel = data.panel.until(data.panel.dates[days[-1]])
    dates, n = panel.dates[days.start :], len(days)
    rows = [row for row in sorted(decided) if row + lag < len(panel.dates)]
    net, cost, turnover, gross = (np.zeros(n) for _ in range(4))
    if rows:
        record = _record(data, panel, {row: decided[row] for row in rows}, aum)
        begin = n - len(record.returns)
        net[begin:] = record.returns
        cost[begin:] = record.cost_series[1:] / record.nav[:-1]
        turnover[begin:] = record.turnover[1:]
        gross[begin:] = np.abs(record.weights[1:]).sum(axis=1)
    exposure = _in_force(decided, days, lag)
    earned = exposure * options[days.start : days.stop]
    return Replay(dates, net + earned, cost, turnover, gross, exposure, earned)


def _in_force(decided: Mapping[int, _Decided], days: range, lag: int) -> Float:
    """(D,) exposure of the newest decision that is traded before each day begins; 0 before the first."""
    rows = np.array(sorted(decided), dtype=np.int64)
    level = np.array([0.0, *(decided[row].exposure for row in rows.tolist())])
    return level[np.searchsorted(rows, np.array(days) - lag - 1, side="right")]


def _record(data: PhaseData, panel: Panel, decided: Mapping[int, _Decided], aum: float) -> TrackRecord:
    """The accounts of decisions in order of their rows."""
    settings, found, rows = data.settings, list(decided.values()), np.array(list(decided))
    impact, linear, lag = settings.impact, settings.costs.build(), settings.accounting.execution_lag
    costs = tuple(
        ImpactCosts(impact.law(), linear, aum, 1.0, impact.unknown_bps, each.way.participation) for each in found
    )
    return backtest(
        panel,
        Decisions(panel.dates[rows], panel.assets, np.stack([each.weights for each in found])),
        costs=CostsByDay(panel.dates[rows + lag], costs),
        accounting=Accounting(lag=lag, initial_nav=aum),
    )
