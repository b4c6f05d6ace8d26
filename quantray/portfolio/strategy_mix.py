"""Capital for strategies: how much each gets, which are left out and which are reduced, with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from quantray.arrays import Float
from quantray.covariance.estimators import ledoit_wolf_covariance
from quantray.errors import DataError, InputError
from quantray.portfolio.diversification import minimum_variance_weights, tangency_weights
from quantray.portfolio.naive import equal_weights, inverse_volatility_weights
from quantray.portfolio.risk_parity import risk_parity_weights

__all__ = [
    "DrawdownRule",
    "MixMethod",
    "MixResult",
    "drawdown_scale",
    "named_returns",
    "pairwise_correlation",
    "strategy_mix",
]

MixMethod = Literal["equal", "inverse_volatility", "risk_parity", "performance", "sharpe"]


_LEFT_OUT: Mapping[str, str] = {
    "sharpe": "left out by the best Sharpe ratio without shorts",
    "performance": "lost over the days that count",
}


@dataclass(frozen=True, kw_only=True)
class DrawdownRule:
    """Keep a strategy whole up to one drawdown and reduce it in proportion down to a floor at another.

    Raises
    ------
    InputError
        The drawdowns do not rise within 0 and 1, or the floor is not between 0 and 1.
    """

    start: float = 0.05
    """Drawdown, a positive fraction of the peak, from which the strategy is reduced."""
    stop: float = 0.15
    """Drawdown at which the floor is reached."""
    floor: float = 0.0
    """Share of the strategy that always stays."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= 1:
            raise InputError(f"drawdowns from {self.start} to {self.stop} must rise within 0 and 1.")
        if not 0 <= self.floor <= 1:
            raise InputError(f"floor {self.floor} must lie between 0 and 1.")


@dataclass(frozen=True, eq=False)
class MixResult:
    """Weights of strategies and what was decided on the way."""

    weights: Float
    """(S,) not negative; they sum to one less what the reductions leave in cash."""
    method: MixMethod
    dropped: Mapping[str, str]
    """Strategies with weight zero and why."""
    reduced: Mapping[str, str]
    """Strategies held below their weight because of their drawdown, and by how much."""
    covariance_shrinkage: float
    """Weight of the target in the correlations used; 0 where none are."""
    mean_shrinkage: float
    """Weight of the target in the means used; 0 unless the method is ``sharpe``."""


def strategy_mix(
    returns: Float,
    method: MixMethod = "risk_parity",
    *,
    names: Sequence[str] | None = None,
    max_correlation: float = 0.70,
    drawdown: DrawdownRule | None = None,
    min_days: int = 60,
) -> MixResult:
    """Allocate capital across strategies from their past returns.

    First strategies without enough days or without variance are left out. Then, best Sharpe ratio first, a strategy
    stays if its correlation with each of those that stay is below the limit. The method weighs the rest; at last
    those in a drawdown are reduced, and what they give up is cash.

    Volatilities are the strategies' own; correlations are shrunk by Ledoit and Wolf towards none. ``sharpe`` maximises
    the Sharpe ratio without shorts, with means shrunk by Jorion's rule towards the one of the minimum variance mix;
    ``performance`` weighs those that gained by what they gained.

    Parameters
    ----------
    returns : (T, S) simple excess returns, oldest first, up to the day of the decision; NaN where a strategy did not
        trade.
    names : (S,) for the reasons; by default ``strategy 1`` and so on.
    max_correlation : of any two strategies held, on the days they share; strongly negative ones are welcome. 1 allows
        all.
    drawdown : by default no reduction.
    min_days : of returns for a strategy, and of common days for two.

    Returns
    -------
    MixResult
        All in cash under ``sharpe`` when no strategy has a positive mean after shrinkage, and under ``performance``
        when none gained.

    Raises
    ------
    InputError
        Returns are not (T, S), infinite or below -1; names do not fit; a setting is unknown or out of range.
    DataError
        No strategy has enough days and variance.
    SolverError
        Risk parity has no solution.

    Source: Ledoit and Wolf (2004), *A well-conditioned estimator for large-dimensional covariance matrices*; Jorion
    (1986), *Bayes-Stein estimation for portfolio analysis*, Journal of Financial and Quantitative Analysis 21.
    """
    returns, labels = named_returns(returns, names)
    if method not in get_args(MixMethod):
        raise InputError(f"method {method!r} is not one of {', '.join(get_args(MixMethod))}.")
    if not 0 < max_correlation <= 1 or min_days < 2:
        raise InputError(f"max_correlation {max_correlation} must be in (0, 1] and min_days {min_days} at least 2.")
    dropped = _without_history(returns, labels, min_days)
    kept = np.array([i for i, name in enumerate(labels) if name not in dropped], dtype=np.int64)
    if not len(kept):
        raise DataError(f"none of {len(labels)} strategies has {min_days} days of returns that vary.")
    dropped |= _too_correlated(returns, kept, labels, max_correlation, min_days)
    kept = np.array([i for i in kept if labels[i] not in dropped], dtype=np.int64)
    weighed = _weigh(returns[:, kept], method)
    weights = np.zeros(len(labels))
    weights[kept] = weighed.weights
    for i in kept[weighed.weights == 0]:
        dropped[labels[i]] = _LEFT_OUT[method]
    reduced = {}
    if drawdown is not None:
        scale = drawdown_scale(returns, drawdown)[-1]
        reduced = {labels[i]: f"reduced to {scale[i]:.1%}" for i in kept if scale[i] < 1 and weights[i] > 0}
        weights = weights * scale
    return MixResult(weights, method, dropped, reduced, weighed.covariance_shrinkage, weighed.mean_shrinkage)


def drawdown_scale(returns: Float, rule: DrawdownRule) -> Float:
    """How much of each strategy to hold, given its drawdown so far.

    The drawdown is that of the strategy at full size, so a strategy that recovers comes back.

    Parameters
    ----------
    returns : (T, S) simple returns; NaN counts as a day without a position.

    Returns
    -------
    (T, S) from the rule's floor to 1; row t knows the returns up to t, and is held from the next decision on.

    Raises
    ------
    InputError
        Returns are not (T, S), infinite or below -1.
    """
    wealth = np.cumprod(1 + np.nan_to_num(_checked(returns), nan=0.0), axis=0)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=0), 1.0)
    share = (rule.stop - (1 - wealth / peak)) / (rule.stop - rule.start)
    return np.asarray(rule.floor + (1 - rule.floor) * np.clip(share, 0.0, 1.0))


def pairwise_correlation(returns: Float, *, min_days: int = 2) -> Float:
    """(S, S) correlations of (T, S) returns, each on the days that both have; NaN where those are fewer or constant."""
    known = ~np.isnan(returns)
    days = known.T.astype(np.float64) @ known
    # Centring and scaling first costs nothing and keeps the sums of squares from cancelling.
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(known, returns - np.nanmean(np.where(known.any(axis=0), returns, 0.0), axis=0), 0.0)
        values = values / np.sqrt((values**2).sum(axis=0))
        values = np.nan_to_num(values)
        sums, squares = values.T @ known, (values**2).T @ known
        covariance = values.T @ values - sums * sums.T / days
        variance = squares - sums**2 / days
        correlation = covariance / np.sqrt(variance * variance.T)
    usable = (days >= min_days) & (np.minimum(variance, variance.T) > 1e-14)
    return np.asarray(np.where(usable, np.clip(correlation, -1.0, 1.0), np.nan))


@dataclass(frozen=True, eq=False)
class _Weighed:
    weights: Float
    covariance_shrinkage: float = 0.0
    mean_shrinkage: float = 0.0


def _weigh(returns: Float, method: MixMethod) -> _Weighed:
    n_strategies = returns.shape[1]
    if method == "equal":
        return _Weighed(equal_weights(n_strategies))
    if method == "performance":
        gains = np.maximum(np.prod(1 + np.nan_to_num(returns), axis=0) - 1, 0.0)
        return _Weighed(gains / gains.sum() if gains.any() else gains)
    deviation = np.nanstd(returns, axis=0, ddof=1)
    # Shrinking correlations leaves strategies of unlike volatility as unlike as they are.
    estimate = ledoit_wolf_covariance(returns / deviation, missing="available")
    own = deviation / np.sqrt(np.diagonal(estimate.matrix))
    covariance = estimate.matrix * np.outer(own, own)
    if method == "inverse_volatility":
        return _Weighed(inverse_volatility_weights(deviation**2))
    if method == "risk_parity":
        return _Weighed(risk_parity_weights(covariance), estimate.shrinkage)
    means, mean_shrinkage = _shrunk_means(returns, covariance)
    weights = tangency_weights(covariance, means) if (means > 0).any() else np.zeros(n_strategies)
    return _Weighed(weights, estimate.shrinkage, mean_shrinkage)


def _shrunk_means(returns: Float, covariance: Float) -> tuple[Float, float]:
    """Means pulled to that of the minimum variance mix, the more the less they differ for their noise."""
    means = np.nanmean(returns, axis=0)
    n_strategies = len(means)
    target = float(minimum_variance_weights(covariance) @ means)
    gap = means - target
    # In units of volatility, and by the pseudo-inverse: of two strategies alike the gaps are alike too.
    deviation = np.sqrt(np.diagonal(covariance))
    inverse = np.linalg.pinv(covariance / np.outer(deviation, deviation), hermitian=True)
    distance = float(gap / deviation @ inverse @ (gap / deviation))
    days = float((~np.isnan(returns)).sum(axis=0).mean())
    shrinkage = (n_strategies + 2) / (n_strategies + 2 + days * max(distance, 0.0))
    return means - shrinkage * gap, shrinkage


def _without_history(returns: Float, labels: Sequence[str], min_days: int) -> dict[str, str]:
    days = (~np.isnan(returns)).sum(axis=0)
    dropped = {}
    for i, name in enumerate(labels):
        known = returns[~np.isnan(returns[:, i]), i]
        if days[i] < min_days:
            dropped[name] = f"{days[i]} days of returns, fewer than {min_days}"
        # The mean of equal numbers can differ from them by a rounding error.
        elif np.ptp(known) <= 1e-12 * np.abs(known).max():
            dropped[name] = "its returns do not vary"
    return dropped


def _too_correlated(
    returns: Float, kept: np.ndarray, labels: Sequence[str], max_correlation: float, min_days: int
) -> dict[str, str]:
    """Best Sharpe ratio first, so that of two alike the better one stays; ties go to the earlier strategy."""
    if max_correlation == 1:
        return {}
    correlation = pairwise_correlation(returns, min_days=min_days)
    sharpe = np.nanmean(returns[:, kept], axis=0) / np.nanstd(returns[:, kept], axis=0, ddof=1)
    held: list[int] = []
    dropped = {}
    for i in kept[np.argsort(-sharpe, kind="stable")]:
        others = correlation[i, held]
        if np.isnan(others).any():
            other = held[int(np.argmax(np.isnan(others)))]
            dropped[labels[i]] = (
                f"fewer than {min_days} days in common with {labels[other]}, so no correlation is known"
            )
        elif held and others.max() >= max_correlation:
            other = held[int(np.argmax(others))]
            dropped[labels[i]] = f"correlation {others.max():.3f} with {labels[other]}, not below {max_correlation:g}"
        else:
            held.append(int(i))
    return dropped


def named_returns(returns: Float, names: Sequence[str] | None = None) -> tuple[Float, list[str]]:
    """Returns of strategies and a name of each, checked.

    Parameters
    ----------
    returns : (T, S) simple returns; NaN where there is none.
    names : (S,); by default their numbers.

    Raises
    ------
    InputError
        There are none, they are infinite or below -1, or the names are not as many different ones.
    """
    returns = _checked(returns)
    return returns, _labels(names, returns.shape[1])


def _checked(returns: Float) -> Float:
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or 0 in returns.shape:
        raise InputError(f"returns are {returns.shape}; they must be (T, S) with at least one day and one strategy.")
    if np.isinf(returns).any() or (returns < -1).any():
        raise InputError("returns hold infinite values or losses above 100 %; give simple returns as fractions.")
    return returns


def _labels(names: Sequence[str] | None, n_strategies: int) -> list[str]:
    labels = [f"strategy {i + 1}" for i in range(n_strategies)] if names is None else [str(name) for name in names]
    if len(set(labels)) != n_strategies or len(labels) != n_strategies:
        raise InputError(f"{len(labels)} names, {len(set(labels))} different, for {n_strategies} strategies.")
    return labels
