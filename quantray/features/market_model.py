"""Each asset against the market of its universe: trailing betas and what they leave unexplained."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import TRADING_DAYS, Bool, Float
from quantray.errors import InputError
from quantray.features.cross_section import member_means
from quantray.features.windows import enough_days, window_sum

__all__ = ["MarketModel", "market_returns", "residual_return", "trailing_market_model"]


@dataclass(frozen=True, eq=False)
class MarketModel:
    """Least squares of daily returns on the market's over a trailing window; NaN with too few days."""

    beta: Float
    """(T, N)."""
    residual_volatility: Float
    """(T, N) annual, of what the market does not explain."""


def market_returns(returns_tn: Float, member_tn: Bool) -> Float:
    """(T,) equally weighted simple returns of the members; NaN on a day without any."""
    return member_means(returns_tn, member_tn)


def trailing_market_model(
    returns_tn: Float,
    market_t: Float,
    days: int,
    *,
    min_share: float = 0.8,
    periods_per_year: int = TRADING_DAYS,
) -> MarketModel:
    """Beta and residual volatility over the last ``days`` rows, each asset over the days it has.

    Parameters
    ----------
    returns_tn, market_t : (T, N) and (T,) simple returns; NaN where unknown.
    days : length of the window, at least 3.
    min_share : share of the window's days that an asset and the market must have.

    Raises
    ------
    InputError
        The shapes disagree or the window is too short.

    Source: Ang, Hodrick, Xing and Zhang (2006), *The cross-section of volatility and expected returns*,
    Journal of Finance 61, with the market as the only factor.
    """
    if market_t.shape != returns_tn.shape[:1] or days < 3:
        raise InputError(f"market returns are {market_t.shape} for {returns_tn.shape}, or {days} days below 3.")
    market = np.nan_to_num(market_t)[:, None]
    known = ~np.isnan(returns_tn) & ~np.isnan(market_t)[:, None]
    own = np.where(known, returns_tn, 0.0)
    count = np.maximum(window_sum(known.astype(np.int16), days), 1)
    mean, mean_market = window_sum(own, days) / count, window_sum(known * market, days) / count
    variance = window_sum(own**2, days) / count - mean**2
    covariance = window_sum(own * market, days) / count - mean * mean_market
    market_variance = window_sum(known * market**2, days) / count - mean_market**2
    # Daily variances are about 1e-4; below 1e-14 only rounding is left.
    usable = enough_days(known, days, min_share) & (market_variance > 1e-14)
    beta = np.full(own.shape, np.nan)
    np.divide(covariance, market_variance, out=beta, where=usable)
    return MarketModel(beta, np.sqrt(periods_per_year * np.maximum(variance - beta * covariance, 0.0)))


def residual_return(period_tn: Float, beta_tn: Float, market_t: Float, days: int) -> Float:
    """(T, N) returns of a period less beta times the market's over the same last ``days`` rows.

    Parameters
    ----------
    period_tn : (T, N) simple returns over the last ``days`` rows.
    beta_tn : (T, N).
    market_t : (T,) daily simple returns; a day without any counts as zero.
    """
    growth = window_sum(np.log1p(np.nan_to_num(market_t))[:, None], days)
    return np.asarray(period_tn - beta_tn * np.expm1(growth))
