"""Signals of trading activity, known at the close of each row.

All take (T, N) arrays, NaN where unknown, and return (T, N); a window needs ``min_share`` of its days. A day without
trade is unknown here, since its logarithm does not exist.
"""

import numpy as np

from quantray.arrays import Float
from quantray.features.windows import window_mean, window_median

__all__ = ["amihud_illiquidity", "dollar_volume", "dollar_volume_level", "volume_surprise"]


def dollar_volume(close_tn: Float, volume_tn: Float) -> Float:
    """Money traded in a day; NaN where nothing was.

    Parameters
    ----------
    close_tn, volume_tn : (T, N) close and shares, adjusted alike, so that their product is money.
    """
    money = close_tn * volume_tn
    return np.where(money > 0, money, np.nan)


def dollar_volume_level(money_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """Mean log of the money traded over the last ``days`` days: the size of the market for an asset.

    Source: Brennan, Chordia and Subrahmanyam (1998), *Alternative factor specifications, security characteristics,
    and the cross-section of expected stock returns*, Journal of Financial Economics 49.
    """
    return window_mean(np.log(money_tn), days, min_share)


def volume_surprise(money_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """Log of the money traded today over its median of the ``days`` days before.

    Source: Gervais, Kaniel and Mingelgrin (2001), *The high-volume return premium*, Journal of Finance 56.
    """
    log_money = np.log(money_tn)
    out = np.full(log_money.shape, np.nan)
    out[1:] = log_money[1:] - window_median(log_money, days, min_share)[:-1]
    return out


def amihud_illiquidity(returns_tn: Float, money_tn: Float, days: int, *, min_share: float = 0.8) -> Float:
    """Log of the mean absolute return per million of money traded over the last ``days`` days; high is illiquid.

    NaN where no price moved.

    Source: Amihud (2002), *Illiquidity and stock returns*, Journal of Financial Markets 5.
    """
    mean = window_mean(np.abs(returns_tn) / (money_tn / 1e6), days, min_share)
    return np.asarray(np.log(np.where(mean > 0, mean, np.nan)))
