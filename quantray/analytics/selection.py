"""How much of a Sharpe ratio is left once one knows how many were tried: deflation and overfitting.

Every Sharpe ratio here is yearly, of arithmetic mean returns in excess of nothing: subtract a cash rate first.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import special

from quantray.analytics.metrics import checked_series, sharpe_of_moments, sharpe_ratio, varies
from quantray.arrays import TRADING_DAYS, Float, frozen
from quantray.errors import InputError

__all__ = [
    "ACCEPTED",
    "Deflated",
    "Overfitting",
    "SharpeEstimate",
    "backtest_overfitting",
    "deflated_sharpe",
    "expected_maximum_sharpe",
    "independent_trials",
    "minimum_track_record",
    "probabilistic_sharpe",
]

ACCEPTED = 0.95
"""Deflated Sharpe ratio from which what was chosen counts as more than luck."""

_ROWS_AT_ONCE = 2_000_000
"""Numbers in one piece of a large intermediate table; 16 MB."""


@dataclass(frozen=True)
class SharpeEstimate:
    """A measured Sharpe ratio with what its error depends on.

    Raises
    ------
    InputError
        Fewer than two days, moments that no sample has, or no days of a year.
    """

    ratio: float
    """Yearly."""
    n_days: int
    skewness: float = 0.0
    kurtosis: float = 3.0
    """Fourth standardised moment: 3 for the normal distribution."""
    periods_per_year: int = TRADING_DAYS
    """Days of a year."""

    def __post_init__(self) -> None:
        if self.n_days < 2 or self.periods_per_year < 1 or not math.isfinite(self.ratio):
            raise InputError(f"a Sharpe ratio of {self.ratio} over {self.n_days} days is none; give two days or more.")
        if not self.kurtosis >= 1 + self.skewness**2 - 1e-9:
            raise InputError(
                f"no distribution has kurtosis {self.kurtosis:g} with skewness {self.skewness:g}; "
                "give the fourth standardised moment, which is 3 for the normal one, not the excess over it."
            )

    @classmethod
    def of(cls, returns: Float, *, periods_per_year: int = TRADING_DAYS) -> "SharpeEstimate":
        """The estimate from (T,) simple daily returns.

        Raises
        ------
        InputError
            Fewer than two returns, NaN, or returns that do not vary.
        """
        returns = checked_series(returns, "returns")
        if not varies(returns):
            raise InputError("returns do not vary, so they have no Sharpe ratio; leave out series that hold nothing.")
        centred = (returns - returns.mean()) / returns.std()
        return cls(
            ratio=float(sharpe_ratio(returns, periods_per_year=periods_per_year)),
            n_days=len(returns),
            skewness=float((centred**3).mean()),
            kurtosis=float((centred**4).mean()),
            periods_per_year=periods_per_year,
        )

    @property
    def daily(self) -> float:
        """The ratio of daily mean and deviation."""
        return self.ratio / math.sqrt(self.periods_per_year)

    @property
    def error(self) -> float:
        """Standard error of the yearly ratio (Mertens, 2002)."""
        return math.sqrt(self._spread() / (self.n_days - 1) * self.periods_per_year)

    def _spread(self) -> float:
        """Variance of the daily ratio times the number of days."""
        return max(1 - self.skewness * self.daily + (self.kurtosis - 1) / 4 * self.daily**2, 1e-300)


@dataclass(frozen=True)
class Deflated:
    """A Sharpe ratio against the best that so many trials without skill would show."""

    estimate: SharpeEstimate
    n_trials: float
    hurdle: float
    """Expected highest Sharpe ratio among the trials if none had skill; yearly."""
    probability: float
    """That the true ratio exceeds the hurdle: the deflated Sharpe ratio. Accept at 0.95 or more."""


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What choosing the best in one half of the data meant in the other, over all ways to halve it."""

    probability: float
    """Share of the halvings in which the chosen trial came out below the median of all: the PBO."""
    logits: Float
    """(P,) log odds of the chosen trial's rank out of sample; below zero it was worse than the median."""
    chosen_inside: Float
    """(P,) Sharpe ratio of the chosen trial where it was chosen; yearly."""
    chosen_outside: Float
    """(P,) its Sharpe ratio in the other half."""
    n_trials: int

    @property
    def probability_of_loss(self) -> float:
        """Share of the halvings in which the chosen trial lost money out of sample."""
        return float((self.chosen_outside < 0).mean())

    @property
    def median_degradation(self) -> float:
        """Median fall of the Sharpe ratio from the half of the choice to the other."""
        return float(np.median(self.chosen_inside - self.chosen_outside))


def probabilistic_sharpe(estimate: SharpeEstimate, *, hurdle: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds a hurdle (yearly), given length, skewness and kurtosis.

    Source: Bailey and Lopez de Prado (2012), *The Sharpe ratio efficient frontier*, Journal of Risk 15(2).
    """
    return float(special.ndtr((estimate.ratio - hurdle) / estimate.error))


def minimum_track_record(estimate: SharpeEstimate, *, hurdle: float = 0.0, level: float = 0.95) -> float:
    """Days after which such a Sharpe ratio exceeds the hurdle with a confidence; infinite if it lies below.

    Raises
    ------
    InputError
        The level does not lie between 0.5 and 1.

    Source: Bailey and Lopez de Prado (2012), *The Sharpe ratio efficient frontier*, Journal of Risk 15(2).
    """
    if not 0.5 < level < 1:
        raise InputError(f"level {level} must lie between 0.5 and 1; 0.95 is usual.")
    if estimate.ratio <= hurdle:
        return math.inf
    needed = float(special.ndtri(level)) * math.sqrt(estimate.periods_per_year) / (estimate.ratio - hurdle)
    return 1 + estimate._spread() * needed**2


def expected_maximum_sharpe(n_trials: float, variance: float) -> float:
    """Highest Sharpe ratio to be expected among independent trials that have none.

    Parameters
    ----------
    n_trials : at least 1; need not be whole where trials were correlated.
    variance : of the trials' yearly Sharpe ratios.

    Raises
    ------
    InputError
        Fewer than one trial, or a negative variance.

    Source: Bailey and Lopez de Prado (2014), *The deflated Sharpe ratio*, Journal of Portfolio Management 40(5).
    """
    if not (n_trials >= 1 and variance >= 0 and math.isfinite(n_trials) and math.isfinite(variance)):
        raise InputError(
            f"{n_trials} trials with a variance of {variance}; give at least 1 and a variance of 0 or more."
        )
    if n_trials <= 1:
        return 0.0
    first, second = special.ndtri(1 - 1 / n_trials), special.ndtri(1 - 1 / (n_trials * math.e))
    # Between one and two trials the approximation falls below zero, which no maximum does.
    return max(math.sqrt(variance) * float((1 - np.euler_gamma) * first + np.euler_gamma * second), 0.0)


def deflated_sharpe(estimate: SharpeEstimate, *, n_trials: float, variance: float) -> Deflated:
    """The best of many trials against what the best of as many worthless ones would show.

    Parameters
    ----------
    estimate : of the trial that was chosen, on the data it was chosen on.
    n_trials : how many were tried, the chosen one included, however alike they were.
    variance : of the trials' yearly Sharpe ratios on these data.

    Raises
    ------
    InputError
        As ``expected_maximum_sharpe``.

    Source: Bailey and Lopez de Prado (2014), *The deflated Sharpe ratio*, Journal of Portfolio Management 40(5).

    Notes
    -----
    The ratios of trials that are much alike differ little, so the variance already lowers their hurdle. To count them
    as fewer trials beside lowers it a second time: with ``independent_trials`` up to 9 % of winners without skill pass
    0.95, at a correlation of 0.9; with all of them counted fewer than 5 % do.
    """
    hurdle = expected_maximum_sharpe(n_trials, variance)
    return Deflated(estimate, n_trials, hurdle, probabilistic_sharpe(estimate, hurdle=hurdle))


def independent_trials(returns_tc: Float) -> float:
    """How many independent trials C correlated ones amount to: ``r + (1 - r) C`` at mean correlation r.

    It describes how alike they are; ``deflated_sharpe`` counts them all. Trials that never move count as none. A
    negative mean correlation counts as zero.

    Raises
    ------
    InputError
        Not (T, C) with two days at least, or NaN.

    Source: Bailey and Lopez de Prado (2014), *The deflated Sharpe ratio*, appendix 3.
    """
    returns = _table(returns_tc)
    centred = returns - returns.mean(axis=0)
    length = np.sqrt(np.einsum("tc,tc->c", centred, centred))
    moving = varies(returns)
    count = int(moving.sum())
    if count < 2:
        return float(max(count, 1))
    # The mean of all correlations without their matrix: the squared length of the sum of unit series.
    together = (centred[:, moving] / length[moving]).sum(axis=1)
    mean = (float(together @ together) - count) / (count * (count - 1))
    return float(mean + (1 - mean) * count) if mean > 0 else float(count)


def backtest_overfitting(returns_tc: Float, *, n_blocks: int = 16, periods_per_year: int = TRADING_DAYS) -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    The days are cut into S blocks in order of time. For each way to take half of the blocks, the trial with the highest
    Sharpe ratio there is looked up in the other half.

    Parameters
    ----------
    returns_tc : (T, C) daily returns of C trials; no NaN. A trial that holds nothing has a ratio of 0.
    n_blocks : S, even; 16 gives P = 12,870 halvings. Blocks differ by one day where S does not divide T.

    Raises
    ------
    InputError
        Fewer than two trials, fewer than two days in a block, an odd number of blocks or one beyond 20, or NaN.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), *The probability of backtest overfitting*, Journal of
    Computational Finance 20(4).
    """
    returns = _table(returns_tc)
    n_days, n_trials = returns.shape
    if n_trials < 2:
        raise InputError("one trial cannot be overfitted by choice; give the returns of all that were tried.")
    if n_blocks % 2 or not 2 <= n_blocks <= 20 or n_days < 2 * n_blocks:
        raise InputError(f"{n_blocks} blocks of {n_days} days; use an even number to 20, of two days or more each.")
    edges = np.linspace(0, n_days, n_blocks + 1).round().astype(np.int64)
    sums = np.stack([np.add.reduceat(values, edges[:-1], axis=0) for values in (returns, returns**2)])
    inside = _halvings(n_blocks)
    lengths = np.diff(edges).astype(np.float64)
    logits, chosen = np.empty(len(inside)), np.empty((2, len(inside)))
    step = max(1, _ROWS_AT_ONCE // n_trials)
    for start in range(0, len(inside), step):
        rows = slice(start, start + step)
        here, there = (_block_sharpe(half, sums, lengths) for half in (inside[rows], 1 - inside[rows]))
        best, row = here.argmax(axis=1), np.arange(len(here))
        reached = there[row, best][:, None]
        # Equal ratios share the mean of their ranks.
        rank = (there < reached).sum(axis=1) + 0.5 * ((there == reached).sum(axis=1) + 1)
        share = rank / (n_trials + 1)
        logits[rows] = np.log(share / (1 - share))
        chosen[:, rows] = here[row, best], reached[:, 0]
    chosen *= math.sqrt(periods_per_year)
    return Overfitting(float((logits <= 0).mean()), logits, chosen[0], chosen[1], n_trials)


@lru_cache(maxsize=4)
def _halvings(n_blocks: int) -> Float:
    """(P, S) of ones and zeros: every way to take half of the blocks."""
    taken = np.array(list(combinations(range(n_blocks), n_blocks // 2)))
    out = np.zeros((len(taken), n_blocks))
    np.put_along_axis(out, taken, 1.0, axis=1)
    return frozen(out)


def _block_sharpe(half_ps: Float, sums_sc: Float, lengths: Float) -> Float:
    """(P, C) daily Sharpe ratio of each trial over the blocks taken; 0 where it does not vary."""
    days = (half_ps @ lengths)[:, None]
    mean, square = half_ps @ sums_sc[0] / days, half_ps @ sums_sc[1] / days
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0) * days / (days - 1))
    return np.nan_to_num(sharpe_of_moments(mean, deviation, periods_per_year=1))


def _table(returns_tc: Float) -> Float:
    returns = np.asarray(returns_tc, dtype=np.float64)
    if returns.ndim != 2 or len(returns) < 2 or returns.shape[1] < 1:
        raise InputError(f"returns are {returns.shape}; they must be (T, C), two days or more of each trial.")
    if not np.isfinite(returns).all():
        raise InputError(f"returns hold {int((~np.isfinite(returns)).sum())} missing values; fill or drop them first.")
    return returns
