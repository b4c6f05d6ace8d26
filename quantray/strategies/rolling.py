"""Trailing sums, extremes and averages of each column, from the rows of the window and no others.

Windows are summed by doubling (1, 2, 4... rows), so nothing is carried along: no cancellation after a crash, the same
bits wherever the panel begins, and one missing value leaves its windows unknown and no later ones.
"""

import numpy as np

from quantray.arrays import Bool, Float
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.features.returns import carried_forward

__all__ = [
    "bridged_close",
    "log_returns",
    "rolling_max",
    "rolling_mean",
    "rolling_min",
    "rolling_sum",
    "rolling_volatility",
    "tradable",
    "wilder_average",
]

_LONGEST_GAP = 5
"""Trading days without a close over which the last one still counts in indicators."""


def bridged_close(panel: Panel) -> Float:
    """(T, N) closes for indicators: a gap of up to five days keeps the last close, a longer one is unknown.

    Raises
    ------
    DataError
        The panel has no ``close``, or one that is not positive and finite.
    """
    close = panel.field("close")
    bad = (close <= 0) | np.isinf(close)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"close of {panel.assets[column]} on {panel.dates[row]} is {close[row, column]}; "
            "rules need positive prices, so set it to NaN or repair it with quantray.data.quality.treatment.clean."
        )
    filled, age = carried_forward(close)
    return np.where(age <= _LONGEST_GAP, filled, np.nan)


def tradable(panel: Panel) -> Bool:
    """(T, N) whether an asset is a member and has a close that day; rules hold nothing else."""
    return np.asarray(panel.member & ~np.isnan(panel.field("close")))


def log_returns(close_tn: Float) -> Float:
    """(T, N) logarithmic returns; NaN in the first row and where either close is unknown."""
    out = np.full(close_tn.shape, np.nan)
    np.log(close_tn, out=out)
    out[1:] -= out[:-1].copy()
    out[:1] = np.nan
    return out


def rolling_sum(values_tn: Float, window: int) -> Float:
    """(T, N) sums over the last ``window`` rows; NaN where one of them is unknown."""
    total = np.zeros(values_tn.shape)
    block, size, offset = values_tn, 1, 0
    while size <= window:
        if window & size:
            total += _shifted(block, offset)
            offset += size
        block = block + _shifted(block, size)
        size *= 2
    return total


def rolling_mean(values_tn: Float, window: int) -> Float:
    """(T, N) means over the last ``window`` rows; NaN where one of them is unknown."""
    return rolling_sum(values_tn, window) / window


def rolling_max(values_tn: Float, window: int) -> Float:
    """(T, N) largest of the last ``window`` rows; NaN where one of them is unknown."""
    block, size = values_tn, 1
    while 2 * size <= window:
        block = np.maximum(block, _shifted(block, size))
        size *= 2
    # Two overlapping blocks cover a window that is no power of two.
    return np.maximum(block, _shifted(block, window - size))


def rolling_min(values_tn: Float, window: int) -> Float:
    """(T, N) smallest of the last ``window`` rows; NaN where one of them is unknown."""
    return -rolling_max(-values_tn, window)


def rolling_volatility(returns_tn: Float, window: int) -> Float:
    """(T, N) daily volatility: root mean square return of the last ``window`` rows, about zero.

    About zero, as a daily mean is noise, and so that a steady trend does not pass for the absence of risk.
    """
    return np.sqrt(rolling_mean(returns_tn**2, window))


def wilder_average(values_tn: Float, period: int) -> Float:
    """(T, N) Wilder's average: the mean of the first ``period`` known values, then ``1/period`` of each new one.

    An unknown value starts it anew.

    Source: Wilder (1978), *New Concepts in Technical Trading Systems*.
    """
    out = np.full(values_tn.shape, np.nan)
    average, count = np.zeros(values_tn.shape[1]), np.zeros(values_tn.shape[1])
    for t, values in enumerate(values_tn):
        known = ~np.isnan(values)
        count = np.where(known, np.minimum(count + 1, period), 0)
        # Growing from 1 to the period, the count makes the first values' plain mean.
        average = np.where(known, average + (values - average) / np.maximum(count, 1), 0.0)
        out[t] = np.where(count == period, average, np.nan)
    return out


def _shifted(values_tn: Float, rows: int) -> Float:
    """The values ``rows`` earlier; NaN where there are none."""
    if rows == 0:
        return values_tn
    out = np.full(values_tn.shape, np.nan)
    out[rows:] = values_tn[:-rows]
    return out
