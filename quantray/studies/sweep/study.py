"""A sweep of strategies by regime: search on the past of each fold, test on what follows, compare with not searching.

For each fold and strategy the best parameters are sought on all training days, and on those of each regime alone. Out
of sample three policies are played: *conditional* changes to the set of the regime known at each decision,
*unconditional* keeps the fold's one set, and *default* never searched. All pay for the trades they make, those between
sets included.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from quantray.analytics.metrics import sharpe_ratio, varies
from quantray.analytics.selection import (
    Deflated,
    Overfitting,
    SharpeEstimate,
    backtest_overfitting,
    deflated_sharpe,
)
from quantray.backtest.net import NetReturns
from quantray.data.panel import Panel
from quantray.regimes.path import RegimePath
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import read_market
from quantray.research.progress import say
from quantray.research.results import ResultStore
from quantray.studies.evaluation.door import try_strategies
from quantray.studies.evaluation.evaluations import Chosen, Evaluations, Plan, SweepData
from quantray.studies.evaluation.families import FIELDS, Family
from quantray.studies.sweep.record import (
    POLICIES,
    ParameterChoice,
    SearchPolicy,
    Stability,
    Stream,
    SweepRecord,
    evaluate,
)
from quantray.studies.sweep.regime_search import BEST, MIX, Design, Found, Regimes, SearchCell, Task, search_cells
from quantray.studies.sweep.settings import SweepSettings

__all__ = ["SweepSource", "load_sweep", "run_sweep", "sweep"]

SweepSource = Source[SweepSettings, RegimePath]
"""Prepared are the regimes."""


def load_sweep(settings: SweepSettings) -> SweepSource:
    """The panel of a sweep and its regimes.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load`` and ``door.try_strategies``; or a regime method misses a field.
    """
    settings, data = read_market(settings, FIELDS)
    try_strategies(settings.strategies, data.panel, threads=settings.threads)
    return Source(settings, data, settings.regimes.build(data.panel, data.sectors))


def run_sweep(source: SweepSource, executor: Executor) -> SweepRecord:
    """Run the sweep that settings describe; raises as ``sweep``."""
    settings, path = source.settings, source.prepared
    regimes = Regimes(tuple(path.names.tolist()), path.labels)
    return sweep(source.panel, regimes, settings.families(), executor, settings.results, design=settings.design())


def sweep(
    panel: Panel,
    regimes: Regimes,
    families: Sequence[Family],
    executor: Executor,
    results: ResultStore,
    *,
    design: Design | None = None,
) -> SweepRecord:
    """Search, test and compare.

    Each set is played once through all days, by workers that keep what they computed; a fold reads its rows. The same
    call again computes only what is not there yet, and any executor gives the same digest.

    Parameters
    ----------
    panel : with ``close`` and what the families need.
    regimes : of the panel's days, each known at the day's close.
    families : with different names.

    Raises
    ------
    InputError
        Names repeat, the regimes are of other days, or there are too few days for a fold.
    """
    start, periods = time.monotonic(), panel.periods_per_year
    task = Task.of(panel, regimes, tuple(families), design or Design())
    data = SweepData(panel, panel.fingerprint(), task.families, task.design.terms, results)
    played = Evaluations(data, executor, batch=task.design.batch)
    found = search_cells(task, played)
    plans = _plans(task, found)
    say(f"{len(plans)} policies to replay out of sample")
    streams = _streams(task, dict(zip(plans, played.play(list(plans.values())), strict=True)))
    days = task.out_of_sample
    return SweepRecord(
        dates=panel.dates[days],
        regimes=regimes.names,
        labels=task.decided[days],
        folds=tuple(str(split.test) for split in task.splits),
        streams=streams,
        choices=_choices(task, found, played),
        stability=_stability(task, found),
        overfitting=_overfitting(task, found, played),
        outcomes=evaluate(
            streams,
            task.decided[days],
            regimes.names,
            resampling=task.design.resampling,
            periods_per_year=periods,
        ),
        n_sets=len({(key.strategy, s) for key, scores in found.scores.items() for s in scores}),
        n_computed=played.n_computed,
        n_reused=played.n_reused,
        seconds=time.monotonic() - start,
        periods_per_year=periods,
    )


def _plans(task: Task, found: Found) -> dict[tuple[str, SearchPolicy], Plan]:
    """What decides on each day, for each strategy and policy."""
    plans = {}
    for strategy in task.strategies:
        for policy in POLICIES:
            which = np.full(len(task.panel.dates), -1, dtype=np.int64)
            choices: dict[Chosen, int] = {}
            for fold in range(len(task.splits)):
                rows = task.decisions(fold)
                for scope in np.unique(task.regimes.labels[rows]).tolist():
                    number = choices.setdefault(found.pick(strategy, policy, fold, scope), len(choices))
                    which[rows][task.regimes.labels[rows] == scope] = number
            plans[strategy, policy] = Plan(f"{strategy}, {policy}", tuple(choices), which)
    return plans


def _streams(task: Task, nets: Mapping[tuple[str, SearchPolicy], NetReturns]) -> tuple[Stream, ...]:
    """Out-of-sample streams of all strategies and of their mixture."""
    days = task.out_of_sample
    streams = [Stream(name, policy, net.returns[days], net.turnover[days]) for (name, policy), net in nets.items()]
    if len(task.names) > 1:
        for policy in POLICIES:
            shares = [nets[name, policy] for name in task.names]
            returns = np.mean([net.returns[days] for net in shares], axis=0)
            streams.append(Stream(MIX, policy, returns, np.mean([net.turnover[days] for net in shares], axis=0)))
    return tuple(streams)


def _choices(task: Task, found: Found, played: Evaluations) -> tuple[ParameterChoice, ...]:
    """Every choice with its scores in training and test, that among all strategies last."""
    return tuple(
        _choice(task, found, played, SearchCell(strategy, fold, scope))
        for strategy in task.strategies
        for fold in range(len(task.splits))
        for scope in task.scopes
    )


def _choice(task: Task, found: Found, played: Evaluations, cell: SearchCell) -> ParameterChoice:
    own = SearchCell(task.names[0], cell.fold, cell.scope) in found.scores
    chosen_in = cell if own else replace(cell, scope=-1)
    tried = _contenders(task, found, chosen_in)
    best = max(tried, key=tried.__getitem__)
    train, tested = task.days("train", cell), played.returns(best)[task.days("test", cell)]
    return ParameterChoice(
        strategy=cell.strategy,
        fold=cell.fold,
        scope=task.scopes[cell.scope],
        parameters=(("strategy", best[0]), *best[1]) if cell.strategy == BEST else best[1],
        n_trials=len(tried),
        trained_days=int(train.sum()),
        tested_days=len(tested),
        train_sharpe=tried[best],
        test_sharpe=float(sharpe_ratio(tested, periods_per_year=task.panel.periods_per_year))
        if varies(tested)
        else math.nan,
        deflated=_deflated(task, played, chosen_in, tried, best),
        own=own,
    )


def _contenders(task: Task, found: Found, cell: SearchCell) -> dict[Chosen, float]:
    """What was tried in a cell with its scores; for the best in training, the sets of all strategies."""
    owners = task.names if cell.strategy == BEST else (cell.strategy,)
    return {(owner, s): score for owner in owners for s, score in found.scores[replace(cell, strategy=owner)].items()}


def _deflated(
    task: Task, played: Evaluations, cell: SearchCell, tried: Mapping[Chosen, float], best: Chosen
) -> Deflated | None:
    """The chosen set's Sharpe ratio in training against the best of as many without skill; idle ones do not count."""
    days = task.days("train", cell)
    active = {chosen: score for chosen, score in tried.items() if varies(played.returns(chosen)[days])}
    if best not in active:
        return None
    variance = float(np.var(list(active.values()), ddof=1)) if len(active) > 1 else 0.0
    estimate = SharpeEstimate.of(played.returns(best)[days], periods_per_year=task.panel.periods_per_year)
    return deflated_sharpe(estimate, n_trials=len(active), variance=variance)


def _tried(task: Task, found: Found, strategy: str, scope: int) -> tuple[Chosen, ...]:
    """What was tried in a scope in any fold, the default first."""
    cells = [SearchCell(strategy, fold, scope) for fold in range(len(task.splits))]
    searched = [cell for cell in cells if replace(cell, strategy=task.names[0]) in found.scores]
    return tuple(dict.fromkeys(chosen for cell in searched for chosen in _contenders(task, found, cell)))


def _stability(task: Task, found: Found) -> tuple[Stability, ...]:
    """Training scores, sets by folds, where a scope was searched at all."""
    tables = []
    for name in task.names:
        for scope, label in task.scopes.items():
            sets = tuple(s for _, s in _tried(task, found, name, scope))
            if sets:
                cells = [SearchCell(name, fold, scope) for fold in range(len(task.splits))]
                scores = [found.scores.get(cell, {}) for cell in cells]
                sharpe = np.array([[known.get(s, math.nan) for known in scores] for s in sets])
                chosen = [sets.index(found.best(cell)) if cell in found.scores else -1 for cell in cells]
                tables.append(Stability(name, label, sets, sharpe, np.array(chosen, dtype=np.int64)))
    return tuple(tables)


def _overfitting(task: Task, found: Found, played: Evaluations) -> dict[tuple[str, str], Overfitting]:
    """Probability of overfitting for each strategy and scope with two sets and days enough."""
    out = {}
    for name in task.strategies:
        for scope, label in task.scopes.items():
            tried, days = _tried(task, found, name, scope), task.scope_days(scope)
            if len(tried) > 1 and days.sum() >= 2 * task.design.blocks:
                table = np.stack([played.returns(chosen)[days] for chosen in tried], axis=1)
                out[name, label] = backtest_overfitting(
                    table, n_blocks=task.design.blocks, periods_per_year=task.panel.periods_per_year
                )
    return out
