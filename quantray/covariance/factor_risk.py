"""Forecasts of the risk of factors and of assets' own returns from a ``FactorHistory``."""

import numpy as np

from quantray.arrays import Float
from quantray.covariance.fundamental import FactorHistory, FundamentalSettings

__all__ = ["factor_risk", "specific_risk", "without_noise"]


def factor_risk(history: FactorHistory, settings: FundamentalSettings) -> tuple[Float, tuple[str, ...]]:
    """(K, K) covariance of factor returns for the next day, and notes.

    Volatilities and correlations have half-lives of their own. With Newey-West lags, the weighted autocovariances
    enter with Bartlett's weights, which keeps the matrix positive semidefinite. The volatility-regime adjustment
    multiplies it by the recent mean square of factor returns over their forecasts.
    """
    returns = history.factor_returns
    lags = min(settings.newey_west_lags, len(returns) - 1)
    fast = _long_run(returns, settings.volatility_half_life, lags)
    slow = _long_run(returns, settings.correlation_half_life, lags)
    size = np.sqrt(np.maximum(np.diagonal(slow), 0.0))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    scale = np.sqrt(np.maximum(np.diagonal(fast), 0.0)) * inverse
    covariance: Float = slow * np.outer(scale, scale)
    if not settings.volatility_regime:
        return covariance, ()
    ratio = _regime(returns, np.ones(returns.shape[1]), settings.volatility_half_life, settings.regime_half_life)
    return covariance * ratio, (f"factor volatility scaled by {np.sqrt(ratio):.2f} for the present regime",)


def without_noise(covariance: Float, portfolios: Float, specific_variance: Float) -> Float:
    """The (K, K) factor covariance less what specific returns add to estimated factor returns.

    A factor's return is that of a portfolio with specific risk of its own, which the model would count twice: a
    sector of forty names looks a quarter too variable. At most four fifths of the variance in any direction is taken.
    """
    noise = (portfolios * specific_variance) @ portfolios.T
    values, vectors = np.linalg.eigh(covariance)
    keep = values > 1e-12 * max(values[-1], 0.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    inverse = vectors[:, keep] / np.sqrt(values[keep])
    share, turn = np.linalg.eigh(inverse.T @ noise @ inverse)
    half = root @ (turn * np.sqrt(1 - np.minimum(share, 0.8)))
    return np.asarray(half @ half.T)


def specific_risk(history: FactorHistory, settings: FundamentalSettings) -> tuple[Float, tuple[str, ...]]:
    """(N,) variance of specific returns for the next day, and notes.

    Each asset's exponentially weighted volatility is drawn to the mean of its size group: first as its history is
    shorter than a half-life, then the more the farther it lies from the mean compared with the group's spread.

    Source: Menchero, Orr and Wang (2011), section 5 (Bayesian shrinkage, volatility-regime adjustment).
    """
    returns = history.specific_returns
    known = ~np.isnan(returns)
    squares = np.where(known, returns, 0.0) ** 2
    weights = _decay(len(returns), settings.specific_half_life)
    total = weights @ known
    variance = np.divide(weights @ squares, total, out=np.zeros_like(total), where=total > 0)
    days = known.sum(axis=0)
    trust = np.minimum(days / settings.specific_half_life, 1.0)
    volatility = _drawn_to_groups(np.sqrt(variance), trust, history.caps, settings)
    notes: tuple[str, ...] = ()
    if few := int((trust < 1).sum()):
        notes = (f"{few} assets have less than {settings.specific_half_life:.0f} days; their group's risk fills in",)
    if not settings.volatility_regime:
        return volatility**2, notes
    # Weights by size, as the model is fitted; a forecast that a single jump beats sixfold counts as six.
    share = np.sqrt(np.nan_to_num(history.caps))
    ratio = _regime(returns, share, settings.specific_half_life, settings.regime_half_life, limit=6.0)
    return volatility**2 * ratio, (*notes, f"specific volatility scaled by {np.sqrt(ratio):.2f} for the present regime")


def _decay(n_days: int, half_life: float) -> Float:
    weights = 0.5 ** (np.arange(n_days - 1, -1, -1) / half_life)
    return np.asarray(weights / weights.sum())


def _long_run(returns: Float, half_life: float, lags: int) -> Float:
    weighted = returns * np.sqrt(_decay(len(returns), half_life))[:, None]
    out = weighted.T @ weighted
    for lag in range(1, lags + 1):
        product = weighted[lag:].T @ weighted[:-lag]
        out = out + (1 - lag / (lags + 1)) * (product + product.T)
    return np.asarray(out)


def _regime(returns: Float, weights: Float, half_life: float, recent: float, limit: float = np.inf) -> float:
    """Recent mean square of returns over forecasts made the day before; 1 where there is too little history."""
    start = min(int(half_life), len(returns) // 2)
    if start < 10:
        return 1.0
    decay = 0.5 ** (1 / half_life)
    known = ~np.isnan(returns)
    squares = np.where(known, returns, 0.0) ** 2
    counts = np.maximum(known[:start].sum(axis=0), 1)
    variance = squares[:start].sum(axis=0) / counts
    surprise = np.empty(len(returns) - start)
    for i, (square, there) in enumerate(zip(squares[start:], known[start:], strict=True)):
        counted = there & (variance > 0)
        share = weights * counted
        ratio = np.divide(square, variance, out=np.zeros_like(variance), where=counted)
        mean = share @ np.minimum(ratio, limit**2) / max(share.sum(), np.finfo(float).tiny)
        surprise[i] = mean if counted.any() else 1.0
        fresh = np.where(variance > 0, decay * variance + (1 - decay) * square, square)
        variance = np.where(there, fresh, variance)
    return float(_decay(len(surprise), recent) @ surprise)


def _drawn_to_groups(volatility: Float, trust: Float, caps: Float, settings: FundamentalSettings) -> Float:
    """Volatilities drawn to the mean of their size group."""
    order = np.argsort(np.nan_to_num(caps, nan=-1.0), kind="stable")
    groups = np.array_split(order, min(settings.size_groups, max(len(order) // 10, 1)))
    out = volatility.copy()
    everyone = float(volatility[trust > 0].mean()) if (trust > 0).any() else 0.0
    for members in groups:
        sure = members[trust[members] >= 1]
        if len(sure) == 0:
            sure = members[trust[members] > 0]
        mean, spread = (float(volatility[sure].mean()), float(volatility[sure].std())) if len(sure) else (everyone, 0.0)
        own = trust[members] * volatility[members] + (1 - trust[members]) * mean
        distance = settings.specific_shrinkage * np.abs(own - mean)
        weight = np.divide(distance, distance + spread, out=np.zeros_like(distance), where=distance + spread > 0)
        out[members] = weight * mean + (1 - weight) * own
    return out
