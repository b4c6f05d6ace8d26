"""Measures of returns against a benchmark's: the market model with honest errors, captures, and ratios built on beta.

All take (T,) simple returns and (T,) of the benchmark on the same periods, and ``risk_free`` as a simple yearly rate or
as (T,) returns of cash. All raise ``InputError`` for another length, fewer than three periods or missing values.
"""

import math
from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import checked_series, over_cash
from quantray.analytics.regression import regress
from quantray.arrays import TRADING_DAYS, Bool, Float
from quantray.errors import InputError

__all__ = [
    "Captures",
    "MarketModel",
    "batting_average",
    "captures",
    "excess_m2",
    "m2",
    "market_model",
    "rolling_beta",
    "side_beta",
    "treynor_ratio",
]


@dataclass(frozen=True)
class MarketModel:
    """``x = alpha + beta x_benchmark + residual`` of excess returns; yearly. Errors are Newey-West's."""

    alpha: float
    """Jensen's."""
    alpha_error: float
    alpha_t: float
    beta: float
    beta_error: float
    r_squared: float
    specific_risk: float
    """Standard deviation of the residuals, n - 2."""
    systematic_risk: float
    """|beta| times the benchmark's volatility."""
    appraisal: float
    """Alpha over specific risk."""


def market_model(
    returns: Float, benchmark: Float, *, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS
) -> MarketModel:
    """Jensen's alpha and beta with errors that allow for autocorrelation; NaN against a benchmark that does not vary.

    Source: Jensen (1968), *The performance of mutual funds*, JF 23(2); Treynor and Black (1973) for the appraisal
    ratio; Newey and West (1987) for the errors.
    """
    own, other = _pair(returns, benchmark, risk_free, periods_per_year)
    if not other.std() > 0:
        return MarketModel(*[math.nan] * 9)
    found, root = regress(own, other), math.sqrt(periods_per_year)
    specific = math.sqrt(float(found.residuals @ found.residuals) / max(len(own) - 2, 1)) * root
    alpha = found.intercept * periods_per_year
    beta = float(found.slopes[0])
    return MarketModel(
        alpha=alpha,
        alpha_error=float(found.errors[0]) * periods_per_year,
        alpha_t=float(found.t[0]),
        beta=beta,
        beta_error=float(found.errors[1]),
        r_squared=found.r_squared,
        specific_risk=specific,
        systematic_risk=abs(beta) * float(other.std(ddof=1)) * root,
        appraisal=alpha / specific if specific > 0 else math.nan,
    )


def treynor_ratio(
    returns: Float, benchmark: Float, *, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS
) -> float:
    """Yearly mean excess return over beta; NaN for a beta of zero or below.

    Source: Treynor (1965), *How to rate management of investment funds*, HBR 43(1).
    """
    own, other = _pair(returns, benchmark, risk_free, periods_per_year)
    beta = _beta(own, other)
    return float(own.mean()) * periods_per_year / beta if beta > 0 else math.nan


def m2(
    returns: Float, benchmark: Float, *, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS
) -> float:
    """Yearly return at the benchmark's volatility: ``SR * s_benchmark + mean cash``.

    Source: Modigliani and Modigliani (1997), *Risk-adjusted performance*, JPM 23(2).
    """
    own, other = _pair(returns, benchmark, risk_free, periods_per_year)
    deviation = float(own.std(ddof=1))
    cash = float((np.asarray(returns) - own).mean())
    if not deviation > 0:
        return math.nan
    return (float(own.mean()) / deviation * float(other.std(ddof=1)) + cash) * periods_per_year


def excess_m2(
    returns: Float, benchmark: Float, *, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS
) -> float:
    """``m2`` less the benchmark's yearly mean return, both at one volatility.

    Source: Modigliani and Modigliani (1997), *Risk-adjusted performance*, JPM 23(2).
    """
    found = m2(returns, benchmark, risk_free=risk_free, periods_per_year=periods_per_year)
    return found - float(np.mean(benchmark)) * periods_per_year


@dataclass(frozen=True)
class Captures:
    """How much of the benchmark's rises and falls was taken; NaN without such periods."""

    up: float
    """Geometric mean return over the benchmark's, in periods in which that rose."""
    down: float
    """The same of periods in which it fell: low is good."""
    up_share: float
    """Share of the benchmark's rising periods with a gain."""
    down_share: float
    """Share of its falling periods with a loss."""

    @property
    def ratio(self) -> float:
        """Up over down; NaN where nothing of the falls was taken."""
        return self.up / self.down if self.down > 0 else math.nan


def captures(returns: Float, benchmark: Float) -> Captures:
    """Up and down capture.

    Source: Morningstar, *Upside and downside capture ratios*, methodology; Bacon (2008), ch. 3, for the shares.
    """
    own, other = _pair(returns, benchmark, 0.0, 1)
    up, down = other > 0, other < 0
    return Captures(
        up=_capture(own, other, up),
        down=_capture(own, other, down),
        up_share=float((own[up] > 0).mean()) if up.any() else math.nan,
        down_share=float((own[down] < 0).mean()) if down.any() else math.nan,
    )


def batting_average(returns: Float, benchmark: Float) -> float:
    """Share of periods with a return above the benchmark's.

    Source: Bacon (2008), ch. 3.
    """
    own, other = _pair(returns, benchmark, 0.0, 1)
    return float((own > other).mean())


def side_beta(
    returns: Float, benchmark: Float, *, up: bool, risk_free: float | Float = 0.0, periods_per_year: int = TRADING_DAYS
) -> float:
    """Beta in the periods in which the benchmark rose (or fell) against cash; NaN with fewer than two of them.

    Source: Bawa and Lindenberg (1977), *Capital market equilibrium in a mean-lower partial moment framework*, JFE 5(2),
    in the form of Bacon (2008), ch. 3: bull and bear beta.
    """
    own, other = _pair(returns, benchmark, risk_free, periods_per_year)
    chosen = other > 0 if up else other < 0
    return _beta(own[chosen], other[chosen]) if chosen.sum() > 1 else math.nan


def rolling_beta(returns: Float, benchmark: Float, window: int) -> Float:
    """(T,) beta of the last ``window`` periods, NaN before there are as many.

    Source: running sums of the definition, ``cov / var``.
    """
    own, other = _pair(returns, benchmark, 0.0, 1)
    if window < 2:
        raise InputError(f"a window of {window} periods has no beta; take 2 or more.")
    out = np.full(len(own), np.nan)
    if window > len(own):
        return out
    # Means are taken off first, so that running sums lose no digits.
    x, y = other - other.mean(), own - own.mean()
    sums = [_trailing(values, window) for values in (x, y, x * y, x * x)]
    variance = sums[3] - sums[0] ** 2 / window
    np.divide(sums[2] - sums[0] * sums[1] / window, variance, out=out[window - 1 :], where=variance > 1e-18)
    return out


def _pair(returns: Float, benchmark: Float, risk_free: float | Float, periods_per_year: int) -> tuple[Float, Float]:
    own = over_cash(returns, risk_free, periods_per_year=periods_per_year)
    other = checked_series(benchmark, "benchmark")
    if len(own) != len(other) or len(own) < 3:
        raise InputError(
            f"{len(own)} returns against {len(other)} of the benchmark; take the same dates, three at least."
        )
    return own, over_cash(other, risk_free, periods_per_year=periods_per_year)


def _beta(own: Float, other: Float) -> float:
    left = other - other.mean()
    variance = float(left @ left)
    return float(left @ own) / variance if variance > 0 else math.nan


def _capture(own: Float, other: Float, chosen: Bool) -> float:
    if not chosen.any():
        return math.nan
    mine, theirs = (float(np.prod(1 + values[chosen])) ** (1 / chosen.sum()) - 1 for values in (own, other))
    return float(mine / theirs) if theirs != 0 else math.nan


def _trailing(values: Float, window: int) -> Float:
    running = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(running[window:] - running[:-window])
