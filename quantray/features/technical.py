"""Signals of price and range, known at the close of each row.

All take (T, N) arrays, NaN where unknown, and return (T, N). Nothing is filled in: a value whose own prices are
unknown is NaN, and a window needs ``min_share`` of its days. ``recent_close`` bridges short halts beforehand. Prices
may be in any currency and adjusted by any constant, since only their ratios count.
"""

import numpy as np

from quantray.arrays import TRADING_DAYS, Float
from quantray.errors import InputError
from quantray.features.windows import enough_days, window_max, window_mean

__all__ = [
    "close_position",
    "greatest_return",
    "high_gap",
    "moving_average_gap",
    "parkinson_volatility",
    "period_returns",
    "realised_volatility",
    "recent_close",
    "volatility_ratio",
]


def recent_close(close_tn: Float, *, max_age: int = 5) -> Float:
    """Each close, or where it is unknown the last one of the ``max_age`` rows before; NaN after longer gaps.

    Unlike ``returns.carried_forward`` it looks back over a bounded number of rows.

    Raises
    ------
    InputError
        ``max_age`` is negative.
    """
    if max_age < 0:
        raise InputError(f"max_age {max_age} must be 0 rows or more.")
    filled = close_tn.copy()
    for age in range(1, min(max_age, len(close_tn) - 1) + 1):
        missing = np.isnan(filled[age:])
        np.copyto(filled[age:], close_tn[:-age], where=missing)
    return filled


def period_returns(close_tn: Float, days: int, *, skip: int = 0) -> Float:
    """Simple returns from the close ``days`` rows ago to the close ``skip`` rows ago.

    With 252 and 21 days this is momentum; with ``skip`` 0 it is the return of the last ``days`` days.

    Raises
    ------
    InputError
        Not ``0 <= skip < days``.

    Source: Jegadeesh and Titman (1993), *Returns to buying winners and selling losers*, Journal of Finance 48.
    """
    if not 0 <= skip < days:
        raise InputError(f"a return from {days} to {skip} rows ago is not possible; use 0 <= skip < days.")
    out = np.full(close_tn.shape, np.nan)
    if days < len(close_tn):
        np.divide(close_tn[days - skip : len(close_tn) - skip], close_tn[:-days], out=out[days:])
        out[days:] -= 1.0
    return out


def moving_average_gap(close_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """How far the mean of the last ``days`` closes lies above the close, as a fraction of the close.

    Positive after a fall: a reversal signal over days, a trend signal of the other sign over months.

    Source: Han, Yang and Zhou (2013), *A new anomaly: the cross-sectional profitability of technical analysis*,
    Journal of Financial and Quantitative Analysis 48.
    """
    return window_mean(close_tn, days, min_share) / close_tn - 1.0


def realised_volatility(
    returns_tn: Float, days: int, *, min_share: float = 0.8, periods_per_year: int = TRADING_DAYS
) -> Float:
    """Annual volatility: the root of a year's periods times the mean squared return; the mean return counts as zero.

    Source: Andersen, Bollerslev, Diebold and Labys (2003), *Modeling and forecasting realized volatility*,
    Econometrica 71.
    """
    return np.asarray(np.sqrt(periods_per_year * window_mean(returns_tn**2, days, min_share)))


def volatility_ratio(short_tn: Float, long_tn: Float) -> Float:
    """Log of a short over a long volatility: positive while an asset is more restless than usual.

    NaN where either is zero.
    """
    usable = (short_tn > 0) & (long_tn > 0)
    out = np.full(short_tn.shape, np.nan)
    np.divide(short_tn, long_tn, out=out, where=usable)
    return np.asarray(np.log(out))


def parkinson_volatility(
    high_tn: Float, low_tn: Float, days: int, *, min_share: float = 0.8, periods_per_year: int = TRADING_DAYS
) -> Float:
    """Annual volatility within the trading day, from its range; overnight moves are left out.

    Source: Parkinson (1980), *The extreme value method for estimating the variance of the rate of return*,
    Journal of Business 53.
    """
    spread = np.log(high_tn / low_tn)
    return np.asarray(np.sqrt(periods_per_year / (4 * np.log(2)) * window_mean(spread**2, days, min_share)))


def close_position(high_tn: Float, low_tn: Float, close_tn: Float) -> Float:
    """Where the close lies in the day's range: -0.5 at the low, 0.5 at the high, 0 on a day without range.

    Source: the stochastic oscillator's raw value, centred; Murphy (1999), *Technical analysis of the financial
    markets*, ch. 10.
    """
    spread = high_tn - low_tn
    out = np.where(np.isnan(spread + close_tn), np.nan, 0.0)
    np.divide(close_tn - low_tn, spread, out=out, where=spread > 0)
    out[spread > 0] -= 0.5
    return out


def high_gap(close_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """Distance of the close from the highest close of the last ``days`` days, a fraction of the latter; 0 at a high.

    Source: George and Hwang (2004), *The 52-week high and momentum investing*, Journal of Finance 59.
    """
    enough = enough_days(~np.isnan(close_tn), days, min_share)
    return np.where(enough, close_tn / window_max(close_tn, days) - 1.0, np.nan)


def greatest_return(returns_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """Greatest daily return of the last ``days`` days: what draws buyers of lottery tickets.

    Source: Bali, Cakici and Whitelaw (2011), *Maxing out: stocks as lotteries*, Journal of Financial Economics 99.
    """
    enough = enough_days(~np.isnan(returns_tn), days, min_share)
    return np.where(enough, window_max(returns_tn, days), np.nan)
