"""Phase two: the parameters of every strategy, sought by several searches from several starts in every regime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from quantray.arrays import Int
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.studies.evaluation.evaluations import Chosen, Evaluations
from quantray.studies.evaluation.families import Family
from quantray.studies.evaluation.search import Method, Parameters
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.sweep.regime_search import Design, Found, Regimes, SearchCell, Task, search_cells

__all__ = ["ParameterChoice", "SearchRun", "Searched", "fold_task", "held_sets", "search_parameters"]


@dataclass(frozen=True)
class SearchRun:
    """What one search from one start found in a cell."""

    method: Method
    start: int
    parameters: Parameters
    score: float


@dataclass(frozen=True)
class ParameterChoice:
    """The parameters of one strategy for one scope in one fold, and what each search found."""

    strategy: str
    fold: int
    scope: str
    parameters: Parameters
    score: float
    """In training, of the set taken: the best that any search found."""
    default_score: float
    trials: int
    """Different sets that were tried."""
    runs: tuple[SearchRun, ...]

    @property
    def agreement(self) -> float:
        """Share of the searches that found the set taken, or one that scored the same."""
        return float(np.mean([run.score >= self.score - 1e-12 for run in self.runs]))

    @property
    def spread(self) -> float:
        """By how much the worst search fell short of the best."""
        return self.score - min(run.score for run in self.runs)


@dataclass(frozen=True, eq=False)
class Searched:
    """The best sets of one fold."""

    best: Mapping[tuple[str, int], Parameters]
    """Strategy and scope (-1 for all days, else a regime) -> its set; scopes of too few days are absent."""
    choices: tuple[ParameterChoice, ...]


def search_parameters(task: Task, settings: InstitutionalSettings, fold: int, played: Evaluations) -> Searched:
    """Run all searches on the training days of a fold; what one of them played, no other plays again.

    Parameters
    ----------
    task : of the fold alone, as ``fold_task`` makes it.
    """
    phase, periods = settings.parameters, task.panel.periods_per_year
    found: dict[tuple[Method, int], Found] = {}
    for method, start in product(phase.methods, range(phase.starts)):
        design = replace(task.design, method=method, seed=phase.seed * 1000 + start)
        found[method, start] = search_cells(
            replace(task, design=design), played, lambda returns: settings.objectives.score(returns, periods)
        )
    first = next(iter(found.values()))
    choices = tuple(_choice(task, fold, cell, found) for cell in first.scores)
    best = {(cell.strategy, cell.scope): choice.parameters for cell, choice in zip(first.scores, choices, strict=True)}
    return Searched(best, choices)


def held_sets(searched: Searched | None, families: Sequence[Family], n_regimes: int) -> tuple[tuple[Chosen, ...], ...]:
    """For each strategy the sets of R regimes and, last, of days without one; so a label is their index.

    Parameters
    ----------
    searched : None where nothing is searched and each strategy keeps its default.
    n_regimes : 0 where regimes are not told apart.
    """
    held = []
    for family in families:
        if searched is None:
            held.append(((family.name, family.default),) * (n_regimes + 1))
            continue
        whole = searched.best[family.name, -1]
        sets = [searched.best.get((family.name, scope), whole) for scope in range(n_regimes)]
        held.append(tuple((family.name, each) for each in [*sets, whole]))
    return tuple(held)


def fold_task(
    settings: InstitutionalSettings, families: tuple[Family, ...], panel: Panel, regimes: Regimes, split: Split
) -> Task:
    """What is searched in one fold.

    Parameters
    ----------
    regimes : of the panel's days; labels of -1 throughout search all days alone.
    """
    phase, folds = settings.parameters, settings.folds
    design = Design(
        train_days=folds.train_days,
        test_days=folds.test_days,
        warm_up_days=folds.warm_up_days,
        embargo=folds.embargo,
        kind=folds.kind,
        trials=phase.trials,
        generation=phase.generation,
        min_days=phase.min_days,
        batch=settings.sets_per_unit,
        terms=settings.terms(),
    )
    lag = settings.accounting.execution_lag
    decided: Int = np.concatenate([np.full(lag + 1, -1), regimes.labels[: -lag - 1]]).astype(np.int64)
    return Task(panel, regimes, families, design, (split,), decided)


def _choice(task: Task, fold: int, cell: SearchCell, found: Mapping[tuple[Method, int], Found]) -> ParameterChoice:
    runs: list[SearchRun] = []
    scores: dict[Parameters, float] = {}
    for (method, start), each in found.items():
        best = each.best(cell)
        runs.append(SearchRun(method, start, best, each.scores[cell][best]))
        scores |= each.scores[cell]
    taken = max(runs, key=lambda run: run.score)
    return ParameterChoice(
        strategy=cell.strategy,
        fold=fold,
        scope=task.scopes[cell.scope],
        parameters=taken.parameters,
        score=taken.score,
        default_score=scores[next(iter(found.values())).defaults[cell.strategy]],
        trials=len(scores),
        runs=tuple(runs),
    )
