"""What a regime sweep found: choices, out-of-sample streams, and how sure their differences are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from quantray.analytics.bootstrap import Estimate, Resampling
from quantray.analytics.metrics import varies
from quantray.analytics.selection import Deflated, Overfitting
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.arrays import TRADING_DAYS, Bool, Dates, Float, Int, digest
from quantray.studies.evaluation.search import Parameters

__all__ = [
    "ALL",
    "POLICIES",
    "ParameterChoice",
    "PolicyOutcome",
    "SearchPolicy",
    "Stability",
    "Stream",
    "SweepRecord",
    "evaluate",
]

SearchPolicy = Literal["conditional", "unconditional", "default"]
POLICIES: tuple[SearchPolicy, ...] = ("conditional", "unconditional", "default")
"""Parameters searched for each regime, searched once for all days, and not searched at all."""

ALL = "all days"
"""The scope of a choice or an outcome that knows no regimes."""

_FEWEST_DAYS = 20


@dataclass(frozen=True)
class ParameterChoice:
    """The parameters chosen for one regime (or all days) in one fold."""

    strategy: str
    fold: int
    scope: str
    """Name of the regime, or ``ALL``."""
    parameters: Parameters
    """Of a choice among all strategies, the name of the strategy first."""
    n_trials: int
    """Sets tried for this choice."""
    trained_days: int
    """Days of the regime in the training range."""
    tested_days: int
    train_sharpe: float
    test_sharpe: float
    """Of the set on the regime's days of the test range; NaN where there are fewer than two or nothing was held."""
    deflated: Deflated | None
    """Against all sets tried for this choice that held something; None where the chosen one held nothing."""
    own: bool
    """Whether the regime had days enough to choose; otherwise the choice for all days stands in."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Out-of-sample returns of one strategy under one policy."""

    strategy: str
    policy: SearchPolicy
    returns: Float
    """(D,) net of costs, those of changing parameters included."""
    turnover: Float
    """(D,) one-way."""


@dataclass(frozen=True)
class PolicyOutcome:
    """How a strategy's policies did out of sample, on all days or those of one regime."""

    strategy: str
    scope: str
    n_days: int
    sharpe: Mapping[SearchPolicy, Estimate | None]
    """Yearly, with block-bootstrap intervals; None where nothing was held."""
    over_unconditional: Estimate | None
    """Sharpe ratio of the conditional policy less that of the unconditional one, paired by day."""
    over_default: Estimate | None


@dataclass(frozen=True, eq=False)
class Stability:
    """Training scores of a strategy's sets in each fold, for one regime or all days."""

    strategy: str
    scope: str
    sets: tuple[Parameters, ...]
    """C sets."""
    sharpe: Float
    """(C, F) yearly; NaN where a set was not tried, or the regime had too few days."""
    chosen: Int
    """(F,) the chosen set of each fold; -1 where the regime had too few days."""

    @property
    def persistence(self) -> float:
        """Mean rank correlation of the scores of one fold with those of the next; NaN where no two folds compare."""
        found = []
        for before, after in zip(self.sharpe.T[:-1], self.sharpe.T[1:], strict=True):
            both = np.isfinite(before) & np.isfinite(after)
            # Sets that do the same score the same: ranked in the order of the table they would seem to persist.
            ranks = [rankdata(values[both]) for values in (before, after)]
            if both.sum() > 2 and min(np.ptp(rank) for rank in ranks) > 0:
                found.append(float(np.corrcoef(ranks[0], ranks[1])[0, 1]))
        return float(np.mean(found)) if found else float("nan")


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """All that a sweep found. D out-of-sample days, R regimes, F folds."""

    dates: Dates
    """(D,) days on which returns were earned."""
    regimes: tuple[str, ...]
    labels: Int
    """(D,) regime known when each day's position was decided; -1 unknown."""
    folds: tuple[str, ...]
    """(F,) test ranges."""
    streams: tuple[Stream, ...]
    choices: tuple[ParameterChoice, ...]
    stability: tuple[Stability, ...]
    overfitting: Mapping[tuple[str, str], Overfitting]
    """(strategy, scope) -> of choosing the best set on all days of the scope."""
    outcomes: tuple[PolicyOutcome, ...]
    n_sets: int
    """Different sets evaluated, over all strategies."""
    n_computed: int
    n_reused: int
    seconds: float
    periods_per_year: int = TRADING_DAYS
    """Days in a year, from the calendar of the panel."""

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names in the order of the streams, mixtures last."""
        return tuple(dict.fromkeys(stream.strategy for stream in self.streams))

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the strategies whose parameters were searched, mixtures left out."""
        return tuple(dict.fromkeys(table.strategy for table in self.stability))

    @property
    def digest(self) -> str:
        """Hash of streams and choices: equal for equal numbers, wherever they were computed."""
        parts: list[str | np.ndarray] = [self.dates, self.labels]
        for stream in self.streams:
            parts += [stream.strategy, stream.policy, stream.returns, stream.turnover]
        for choice in self.choices:
            parts += [repr((choice.strategy, choice.fold, choice.scope, choice.parameters)), repr(choice.train_sharpe)]
        return digest(parts)

    def stream(self, strategy: str, policy: SearchPolicy) -> Stream:
        """The stream of a strategy under a policy."""
        return next(s for s in self.streams if s.strategy == strategy and s.policy == policy)

    def outcome(self, strategy: str, scope: str = ALL) -> PolicyOutcome:
        """The outcome of a strategy on all days or in one regime."""
        return next(o for o in self.outcomes if o.strategy == strategy and o.scope == scope)

    def scores(self, lens: str | None = None) -> dict[tuple[str, str], float]:
        """(regime, strategy) -> out-of-sample Sharpe ratio of the conditional policy, where it is known.

        Parameters
        ----------
        lens : of the regimes, written before their names as ``lens=name``, which is what
            ``strategies.regime_map.learn_map`` reads.
        """
        found = {}
        for outcome in self.outcomes:
            estimate = outcome.sharpe["conditional"]
            if outcome.scope != ALL and outcome.strategy in self.searched and estimate is not None:
                regime = outcome.scope if lens is None else f"{lens}={outcome.scope}"
                found[regime, outcome.strategy] = estimate.mean
        return found


def evaluate(
    streams: Sequence[Stream],
    labels: Int,
    regimes: Sequence[str],
    *,
    resampling: Resampling | None = None,
    periods_per_year: int = TRADING_DAYS,
) -> tuple[PolicyOutcome, ...]:
    """Sharpe ratios and paired differences of each strategy's policies, on all days and by regime.

    Regimes with fewer than 20 days have no outcome.

    Parameters
    ----------
    streams : all policies of each strategy, over the same D days.
    labels : (D,) index into the regimes; -1 unknown.
    """
    scopes: dict[str, Bool] = {ALL: np.ones(len(labels), dtype=np.bool_)}
    scopes |= {name: labels == i for i, name in enumerate(regimes)}
    by_strategy: dict[str, dict[SearchPolicy, Float]] = {}
    for stream in streams:
        by_strategy.setdefault(stream.strategy, {})[stream.policy] = stream.returns
    return tuple(
        _outcome(
            strategy,
            scope,
            {policy: returns[days] for policy, returns in policies.items()},
            resampling=resampling,
            periods_per_year=periods_per_year,
        )
        for strategy, policies in by_strategy.items()
        for scope, days in scopes.items()
        if days.sum() >= _FEWEST_DAYS
    )


def _outcome(
    strategy: str,
    scope: str,
    returns: Mapping[SearchPolicy, Float],
    *,
    resampling: Resampling | None,
    periods_per_year: int,
) -> PolicyOutcome:
    held = {policy: bool(varies(values)) for policy, values in returns.items()}
    sharpe = {
        p: sharpe_interval(v, resampling=resampling, periods_per_year=periods_per_year) if held[p] else None
        for p, v in returns.items()
    }
    over: dict[SearchPolicy, Estimate | None] = {
        other: sharpe_difference(
            returns["conditional"], returns[other], resampling=resampling, periods_per_year=periods_per_year
        )
        if held["conditional"] or held[other]
        else None
        for other in ("unconditional", "default")
    }
    return PolicyOutcome(strategy, scope, len(returns["conditional"]), sharpe, over["unconditional"], over["default"])
