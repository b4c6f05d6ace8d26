"""Bull and bear markets by the trend of the index: a rule that learns nothing and knows no doubt."""

import numpy as np
import pandas as pd

from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = ["trend_labels"]

_MONTH, _YEAR = 21, 252


def trend_labels(
    index: Float, *, days: int = 200, band: float = 0.02, bear_drawdown: float = 0.10, rows_a_day: float = 1.0
) -> Int:
    """(T,) 0 in a bear market, 1 in neither and 2 in a bull market; -1 before the average is known.

    A bull market begins above a moving average that has risen over a month, a bear market below it and deep enough
    under the year's high; each ends at the average.

    Parameters
    ----------
    index : (T,) level of the index; NaN before it begins.
    days : of the average.
    band : fraction beyond the average that begins a market.
    bear_drawdown : fall from the highest close of a year that a bear market needs as well, a positive fraction.
    rows_a_day : of the index, below one for bars longer than a day.

    Raises
    ------
    InputError
        Not a day, or a fraction outside 0 to 1.

    Source: Faber (2007), "A Quantitative Approach to Tactical Asset Allocation",
    *Journal of Wealth Management* 9, for the average; the band and the drawdown keep it from switching often.
    """
    if days < 1 or not 0 <= band < 1 or not 0 <= bear_drawdown < 1:
        raise InputError(
            f"trend of {days} days, band {band} and drawdown {bear_drawdown}: give a day or more and fractions below 1."
        )
    average, month, year = (max(round(count * rows_a_day), 1) for count in (days, _MONTH, _YEAR))
    rolled = pd.Series(index).rolling(average).mean()
    rising = (rolled >= rolled.shift(month)).to_numpy()
    trend = np.asarray(index / rolled.to_numpy() - 1)
    drawdown = np.asarray(index / pd.Series(index).rolling(year, min_periods=1).max().to_numpy() - 1)
    labels = np.full(len(index), -1)
    state = -1
    for t in np.flatnonzero(~np.isnan(trend)):
        if trend[t] > band and rising[t]:
            state = 2
        elif trend[t] < -band and drawdown[t] <= -bear_drawdown:
            state = 0
        elif state == -1 or (state == 2 and trend[t] < 0) or (state == 0 and trend[t] > 0):
            state = 1
        labels[t] = state
    return labels
