"""Phase three: capital for every strategy from its past, held to a risk budget, and the one book that follows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Int
from quantray.data.calendar import rebalance_dates
from quantray.data.splits import Split
from quantray.portfolio.strategy_mix import MixMethod
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.source import name_of
from quantray.research.units import Unit
from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.risk.scaling import var_budget
from quantray.settings import as_mapping
from quantray.studies.combination.design import MixDesign
from quantray.studies.combination.study import allocate
from quantray.studies.evaluation.evaluations import Chosen, SweepData, read_kept
from quantray.studies.institutional.book import LAYOUT, Book, PhaseData, decision_rows, earned_days
from quantray.studies.institutional.objective import Choice, choose, scored

__all__ = ["EQUAL", "WeightTask", "run_weights", "weight_unit", "within_budget"]

EQUAL = "equal shares"
"""Without the phase: as much for each strategy, whatever it did."""
_LEVEL = 0.99
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "cvxpy", "clarabel", "pandas")


@dataclass(frozen=True, eq=False)
class WeightTask:
    """The book of one fold."""

    split: Split
    labels: Int
    """(T,) regime known at each close; -1 throughout where regimes are not told apart."""
    sets: tuple[tuple[Chosen, ...], ...]
    """Strategy by strategy those of each regime and, last, of days without one."""
    keys: Mapping[Chosen, str]
    """Of the results of the sets."""
    on: bool
    """Whether the phase is."""


def run_weights(data: PhaseData, task: WeightTask) -> str:
    """Share out capital, make the book, keep it and return its key.

    Raises
    ------
    DataError, SolverError
        As ``studies.combination.study.allocate``.
    """
    unit = weight_unit(data, task)
    if not data.results.has(unit.key, LAYOUT):
        book, choice = _book(data, task)
        data.results.put(unit.key, book.table(), choice.note() | notes_of(unit.origin))
    return unit.key


def weight_unit(data: PhaseData, task: WeightTask) -> Unit[WeightTask]:
    """The book of one fold as a unit of work."""
    settings = data.settings
    told = {
        "split": repr(task.split),
        "sets": [[task.keys[chosen] for chosen in each] for each in task.sets],
        "on": task.on,
        "weights": as_mapping(settings.weights) if task.on else None,
        "objectives": as_mapping(settings.objectives) if task.on else None,
        "decisions": list(settings.execution.rebalances),
        "lag": settings.accounting.execution_lag,
        "exchange": data.exchange,
        "threads": settings.threads,
    }
    origin = Origin((name_of(_book),), _LIBRARIES, numerics=settings.numerics)
    return Unit(unit_key([data.fingerprint, task.labels], told, origin=origin), task, origin, LAYOUT)


@dataclass(frozen=True, eq=False)
class _Played:
    """What the strategies of a book earn with the sets of each day's regime."""

    returns: Float
    """(T, S) after their own costs, by the day on which they are earned; NaN before a strategy first held anything."""
    options: Float
    """(T, S) the part of it that options earn."""


def _book(data: PhaseData, task: WeightTask) -> tuple[Book, Choice]:
    rows = task.split.rows(data.panel.dates)
    days = np.arange(rows.train.start, rows.test.stop)
    decided = decision_rows(data.settings, data.panel, data.exchange)
    decided = decided[(decided >= days[0]) & (decided <= days[-1])]
    played = _played(data, task)
    shares, choice = _shared_out(data, task, played)
    weights = _weights(data, task, shares, decided)
    gap = data.settings.accounting.execution_lag + 1
    options = (shares[np.maximum(days - gap, 0)] * played.options[days]).sum(axis=1)
    return Book(days, np.ones(len(days)), options, shares[days], decided, weights), choice


def _sweep_data(data: PhaseData) -> SweepData:
    kept = tuple(decision_rows(data.settings, data.panel, data.exchange).tolist())
    return SweepData(data.panel, data.fingerprint, (), data.settings.terms(), data.results, kept)


def _played(data: PhaseData, task: WeightTask) -> _Played:
    """Each day by the set of the regime known when its position was decided."""
    gap, sweep = data.settings.accounting.execution_lag + 1, _sweep_data(data)
    known = np.concatenate([np.full(gap, -1), task.labels[:-gap]])
    returns, options = (np.zeros((len(known), len(task.sets))) for _ in range(2))
    for s, sets in enumerate(task.sets):
        for chosen in dict.fromkeys(sets):
            net, _, earned = read_kept(sweep, task.keys[chosen])
            mine = np.isin(known, _labels(sets, chosen))
            returns[mine, s], options[mine, s] = net.returns[mine], earned[mine]
    begun = np.maximum.accumulate(returns != 0, axis=0)
    return _Played(np.where(begun, returns, np.nan), options)


def _labels(sets: tuple[Chosen, ...], chosen: Chosen) -> list[int]:
    """Labels under which a set decides; -1 is the last."""
    return [label if label < len(sets) - 1 else -1 for label, each in enumerate(sets) if each == chosen]


def _shared_out(data: PhaseData, task: WeightTask, played: _Played) -> tuple[Float, Choice]:
    """(T, S) shares in force for what is decided at each close, and by which method."""
    n_days, n_strategies = played.returns.shape
    days = earned_days(data.panel, task.split, data.settings.accounting.execution_lag)
    methods: tuple[MixMethod, ...] = data.settings.weights.methods
    if not task.on:
        found = {EQUAL: np.full((n_days, n_strategies), 1 / n_strategies)}
    else:
        found = {method: _by_method(data, task, played, method) for method in methods}
    gap = data.settings.accounting.execution_lag + 1
    candidates = []
    for name, shares in found.items():
        earned = (shares[days - gap] * np.nan_to_num(played.returns[days])).sum(axis=1)
        periods = data.panel.periods_per_year
        candidates.append(scored(name, earned, data.settings.objectives, periods_per_year=periods))
    choice = choose(candidates)
    return found[choice.chosen], choice


def _by_method(data: PhaseData, task: WeightTask, played: _Played, method: MixMethod) -> Float:
    """(T, S) shares by one method from the last rebalance before training on; zero where nobody has a history."""
    settings, dates, rows = data.settings, data.panel.dates, task.split.rows(data.panel.dates)
    phase = settings.weights
    design = MixDesign(
        method=method,
        max_correlation=phase.max_correlation,
        lookback_days=phase.correlation_days,
        min_days=phase.min_days,
        exchange=data.exchange,
    )
    ends = np.searchsorted(dates, rebalance_dates(dates, phase.rebalance, exchange=data.exchange))
    # The last one before the training range is in force when it begins.
    ends = ends[max(int(np.searchsorted(ends, rows.train.start)) - 1, 0) : int(np.searchsorted(ends, rows.test.stop))]
    windows = {row: played.returns[max(row + 1 - phase.correlation_days, 0) : row + 1] for row in ends.tolist()}
    known = np.array([row for row, window in windows.items() if _has_history(window, phase.min_days)], dtype=np.int64)
    decided = allocate(played.returns, known, dates, [sets[0][0] for sets in task.sets], design)
    mixes = dict(zip(known.tolist(), decided, strict=True))
    shares, budget = np.zeros(played.returns.shape), settings.objectives.constraints.risk_budget
    for row, window in windows.items():
        mix = mixes[row].weights if row in mixes else np.zeros(len(task.sets))
        shares[row:] = mix * within_budget(np.nan_to_num(window) @ mix, budget)
    return shares


def _has_history(window: Float, min_days: int) -> bool:
    """Whether any strategy has days enough on which its returns vary; where none has, all is cash."""
    known = (~np.isnan(window)).sum(axis=0) >= min_days
    return bool((np.nanstd(window[:, known], axis=0) > 0).any()) if known.any() else False


def within_budget(returns: Float, risk_budget: float) -> float:
    """Share of a mix of (D,) daily returns whose Gaussian value-at-risk at 99 % is within the budget, at most 1."""
    lost = normal_quantile(_LEVEL) * float(returns.std(ddof=1))
    return min(1.0, var_budget(risk_budget) / lost) if lost > 0 else 1.0


def _weights(data: PhaseData, task: WeightTask, shares: Float, decided: Int) -> Float:
    """(K, N) positions of all strategies together."""
    sweep, out = _sweep_data(data), np.zeros((len(decided), data.panel.shape[1]))
    place = np.full(len(data.panel.dates), -1)
    place[decided] = np.arange(len(decided))
    for chosen in dict.fromkeys(each for sets in task.sets for each in sets):
        _, positions, _ = read_kept(sweep, task.keys[chosen])
        day = np.repeat(np.arange(len(place)), np.diff(positions.offsets))
        for s, sets in enumerate(task.sets):
            mine = (place[day] >= 0) & np.isin(task.labels[day], _labels(sets, chosen))
            if chosen in sets and mine.any():
                out[place[day[mine]], positions.columns[mine]] += shares[day[mine], s] * positions.after[mine]
    return out
