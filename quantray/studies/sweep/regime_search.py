"""What a regime sweep asks, and the search for its answers on the training days of each fold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.metrics import sharpe_ratio
from quantray.arrays import Bool, Float, Int, digest
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError
from quantray.research.folds import FoldKind, walk_forward
from quantray.studies.evaluation.evaluations import Chosen, Evaluations
from quantray.studies.evaluation.families import Family, TradingTerms
from quantray.studies.evaluation.search import Method, Parameters, ParameterSearch, begin
from quantray.studies.sweep.record import ALL, SearchPolicy

__all__ = ["BEST", "MIX", "Design", "Found", "Regimes", "SearchCell", "Task", "search_cells", "settled_sets"]

BEST = "Best in training"
"""The strategy that scored highest in training, changed with each fold (and regime)."""
MIX = "Equal shares of all"
"""All strategies, each on an equal share of NAV."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """How a sweep searches and tests.

    Raises
    ------
    InputError
        A number is out of range.
    """

    train_days: int = 756
    test_days: int = 126
    warm_up_days: int = 252
    """Days before the first training range, on which long indicators fill."""
    embargo: int = 5
    """Days left out between training and test, besides those that the lag needs."""
    kind: FoldKind = "rolling"
    method: Method = "grid"
    trials: int = 40
    """Sets that a search tries at most; a grid tries all."""
    generation: int = 8
    """Sets that TPE asks for at a time."""
    min_days: int = 63
    """Training days below which a regime takes the choice made for all days."""
    blocks: int = 16
    """Blocks of the overfitting probability."""
    batch: int = 16
    """Sets in one unit of work."""
    seed: int = 0
    terms: TradingTerms = field(default_factory=TradingTerms)
    resampling: Resampling = field(default_factory=Resampling)

    def __post_init__(self) -> None:
        if self.warm_up_days < 0 or self.min_days < 20:
            raise InputError(
                f"warm_up_days {self.warm_up_days} must be 0 or more and min_days {self.min_days} 20 or more."
            )


@dataclass(frozen=True, eq=False)
class Regimes:
    """The regime known at the close of each day.

    Parameters
    ----------
    names : R regimes.
    labels : (T,) index into the names; -1 where nothing is known.
    """

    names: tuple[str, ...]
    labels: Int

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if (
            labels.ndim != 1
            or labels.dtype.kind not in "iu"
            or not self.names
            or len(set(self.names)) < len(self.names)
        ):
            raise InputError(f"labels are {labels.shape} {labels.dtype} for {len(self.names)} names; give integers.")
        if ALL in self.names or (len(labels) and not -1 <= labels.min() <= labels.max() < len(self.names)):
            raise InputError(f"labels must lie between -1 and {len(self.names) - 1}, and no regime be called {ALL!r}.")


@dataclass(frozen=True)
class SearchCell:
    """One search: a strategy on the days of one scope (-1 for all, else a regime's number) in one fold."""

    strategy: str
    fold: int
    scope: int


@dataclass(frozen=True, eq=False)
class Task:
    """What a sweep asks, and which days belong to what. A day is one on which a return is earned."""

    panel: Panel
    regimes: Regimes
    families: tuple[Family, ...]
    design: Design
    splits: tuple[Split, ...]
    decided: Int
    """(T,) regime known when the position of each day was decided."""

    @classmethod
    def of(cls, panel: Panel, regimes: Regimes, families: tuple[Family, ...], design: Design) -> "Task":
        """The task with its folds.

        Raises
        ------
        InputError
            Names repeat, the regimes are of other days, or there are too few days for a fold.
        """
        names = [family.name for family in families]
        if not names or len(set(names)) < len(names) or {BEST, MIX} & set(names):
            raise InputError(f"families {names} must be one or more with different names, none {BEST!r} or {MIX!r}.")
        if len(regimes.labels) != len(panel.dates):
            raise InputError(f"{len(regimes.labels)} labels for {len(panel.dates)} days; make them of the same panel.")
        gap = design.terms.lag + 1
        splits = walk_forward(
            panel.dates[design.warm_up_days :],
            train_days=design.train_days,
            test_days=design.test_days,
            horizon=1,
            lag=design.terms.lag,
            embargo=design.embargo,
            kind=design.kind,
        )
        decided = np.concatenate([np.full(gap, -1), np.asarray(regimes.labels, dtype=np.int64)[:-gap]])
        return cls(panel, regimes, families, design, splits, decided)

    @property
    def names(self) -> tuple[str, ...]:
        """The families' names."""
        return tuple(family.name for family in self.families)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The families' names, and the best in training where there are several."""
        return self.names + ((BEST,) if len(self.names) > 1 else ())

    @property
    def scopes(self) -> dict[int, str]:
        """All days, and each regime."""
        return {-1: ALL} | dict(enumerate(self.regimes.names))

    @property
    def out_of_sample(self) -> slice:
        """Days earned by decisions in test ranges."""
        return slice(self.decisions(0).start + self.design.terms.lag + 1, len(self.panel.dates))

    def decisions(self, fold: int) -> slice:
        """Rows of the fold's test range."""
        return self.splits[fold].rows(self.panel.dates).test

    def days(self, part: Literal["train", "test"], cell: SearchCell) -> Bool:
        """(T,) days that the range's decisions earn in the cell's scope, within the range where it is for training."""
        rows = self.splits[cell.fold].rows(self.panel.dates)
        span, gap = (rows.train if part == "train" else rows.test), self.design.terms.lag + 1
        out = np.zeros(len(self.panel.dates), dtype=np.bool_)
        out[span.start + gap : span.stop + (0 if part == "train" else gap)] = True
        return out if cell.scope < 0 else out & (self.decided == cell.scope)

    def scope_days(self, scope: int) -> Bool:
        """(T,) days of a scope after the warm-up."""
        out = np.arange(len(self.panel.dates)) > self.design.warm_up_days + self.design.terms.lag
        return out if scope < 0 else out & (self.decided == scope)


@dataclass(frozen=True, eq=False)
class Found:
    """Training scores of all sets tried in each cell; cells of too few days are absent."""

    scores: dict[SearchCell, dict[Parameters, float]]
    defaults: dict[str, Parameters]

    def best(self, cell: SearchCell) -> Parameters:
        """The set that scored highest; of equals the one tried first, which is the default where it is among them."""
        return max(self.scores[cell], key=self.scores[cell].__getitem__)

    def pick(self, strategy: str, policy: SearchPolicy, fold: int, scope: int) -> Chosen:
        """What a policy holds in a regime."""
        own = policy == "conditional" and any(cell.fold == fold and cell.scope == scope for cell in self.scores)
        scope = scope if own else -1
        if strategy == BEST:
            picks = [self.pick(name, policy, fold, scope) for name in self.defaults]
            return max(picks, key=lambda pick: self.scores[SearchCell(pick[0], fold, scope)][pick[1]])
        chosen = self.defaults[strategy] if policy == "default" else self.best(SearchCell(strategy, fold, scope))
        return strategy, chosen


def search_cells(task: Task, played: Evaluations, measure: Callable[[Float], float] | None = None) -> Found:
    """Search every cell, all of them a generation at a time, so that many workers always have work.

    Parameters
    ----------
    measure : of (D,) daily returns, high where they are good; by default their yearly Sharpe ratio.
    """
    measure = measure or (lambda returns: float(sharpe_ratio(returns, periods_per_year=task.panel.periods_per_year)))
    design, families = task.design, {family.name: family for family in task.families}
    spaces = {name: family.space for name, family in families.items()}
    cells = [
        SearchCell(name, fold, scope) for name in families for fold in range(len(task.splits)) for scope in task.scopes
    ]
    train = {cell: task.days("train", cell) for cell in cells}
    train = {cell: days for cell, days in train.items() if cell.scope < 0 or days.sum() >= design.min_days}
    found = Found({cell: {} for cell in train}, {name: family.default for name, family in families.items()})
    searches: dict[SearchCell, ParameterSearch] = {
        cell: begin(
            spaces[cell.strategy],
            design.method,
            trials=design.trials,
            generation=design.generation,
            seed=_seed(task, cell),
        )
        for cell in train
    }
    # The default is always among the sets tried, and first; no search asked for it.
    begun: set[SearchCell] = set()
    asked: dict[SearchCell, tuple[Parameters, ...]] = {cell: (found.defaults[cell.strategy],) for cell in train}
    while asked:
        played.need(dict.fromkeys((cell.strategy, s) for cell, sets in asked.items() for s in sets))
        for cell, sets in asked.items():
            earned = (played.returns((cell.strategy, s))[train[cell]] for s in sets)
            # A set that holds nothing is no better than 0, and no worse.
            scores = [float(np.nan_to_num(measure(returns))) for returns in earned]
            found.scores[cell] |= dict(zip(sets, scores, strict=True))
            if cell in begun:
                searches[cell].tell(scores)
        begun = set(train)
        asked = {cell: sets for cell, search in searches.items() if (sets := search.ask())}
    return found


def settled_sets(design: Design, family: Family) -> tuple[Parameters, ...]:
    """All sets of a family that a sweep plays where no search learns from scores, the default first."""
    seed = _hashed([str(design.seed), family.name])
    search = begin(family.space, design.method, trials=design.trials, generation=design.generation, seed=seed)
    return tuple(dict.fromkeys((family.default, *search.ask())))


def _seed(task: Task, cell: SearchCell) -> int:
    """Seed of a search, from what it is. Draws are alike in all cells of a strategy, so that they can be compared."""
    parts = [str(task.design.seed), cell.strategy]
    if task.design.method == "tpe":
        parts += [str(task.splits[cell.fold].train), task.scopes[cell.scope]]
    return _hashed(parts)


def _hashed(parts: list[str]) -> int:
    return int(digest(parts)[:8], 16)
