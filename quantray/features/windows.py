"""Trailing windows over the rows of an array: lazy views for models, and sums, extremes and medians for features.

Sums and extremes are built by doubling: from windows of one row to two, four, eight and so on. Unlike differences of
cumulative sums, they depend on the rows of their window only, to the last bit. So a feature computed today from its
look-back equals the one in a study of twenty years, and an outlier leaves no trace once it has left the window.

Rows before the first are unknown. Where a function takes ``min_share``, its result is NaN unless at least that share
of the window's rows is known.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from quantray.arrays import Bool, Float
from quantray.errors import InputError

__all__ = ["enough_days", "lookback_windows", "window_max", "window_mean", "window_median", "window_sum"]

A = TypeVar("A", bound=np.generic)
Number = TypeVar("Number", np.float64, np.int16)

# Numbers that a block of windows may copy at a time.
_BLOCK = 2**21


def lookback_windows(values: npt.NDArray[A], length: int) -> npt.NDArray[A]:
    """A read-only view (T - length + 1, length, ...) of (T, ...) values; window i ends on row ``i + length - 1``.

    Nothing is copied: a batch of windows becomes memory only when it is taken, as in ``windows[rows]``.

    Raises
    ------
    InputError
        The length is below one or exceeds the rows.
    """
    if not 1 <= length <= len(values):
        raise InputError(f"windows of {length} rows do not fit {len(values)} rows; use 1 to {len(values)}.")
    view: npt.NDArray[A] = np.moveaxis(sliding_window_view(values, length, axis=0), -1, 1)
    return view


def window_sum(values_tn: npt.NDArray[Number], length: int) -> npt.NDArray[Number]:
    """(T, N) sums over the last ``length`` rows; rows before the first count as zero. NaN must not come in.

    Raises
    ------
    InputError
        The length is below one.
    """
    _check_length(length)
    # ``power`` sums the last ``reach`` rows; the binary digits of the length say which powers make up the window.
    power, reach, total, taken = values_tn, 1, np.zeros_like(values_tn), 0
    while True:
        if length & reach:
            total[taken:] += power[: max(len(power) - taken, 0)]
            taken += reach
        if taken == length:
            return total
        wider = power.copy()
        wider[reach:] += power[: max(len(power) - reach, 0)]
        power, reach = wider, 2 * reach


def window_max(values_tn: Float, length: int) -> Float:
    """(T, N) greatest known value of the last ``length`` rows; NaN where none is known.

    Raises
    ------
    InputError
        The length is below one.
    """
    _check_length(length)
    best, reach = values_tn, 1
    while reach < length:
        step = min(reach, length - reach)
        wider = best.copy()
        np.fmax(best[step:], best[: max(len(best) - step, 0)], out=wider[step:])
        best, reach = wider, reach + step
    return best


def window_mean(values_tn: Float, length: int, min_share: float) -> Float:
    """(T, N) means over the known values of the last ``length`` rows.

    Raises
    ------
    InputError
        The length is below one or ``min_share`` outside 0 to 1.
    """
    known = ~np.isnan(values_tn)
    enough = enough_days(known, length, min_share)
    total = window_sum(np.where(known, values_tn, 0.0), length)
    if known.all():
        days = np.minimum(np.arange(1, len(known) + 1), length)[:, None]
    else:
        days = window_sum(known.astype(np.int16), length)
    out = np.full(total.shape, np.nan)
    np.divide(total, days, out=out, where=enough)
    return out


def window_median(values_tn: Float, length: int, min_share: float) -> Float:
    """(T, N) medians over the known values of the last ``length`` rows.

    Raises
    ------
    InputError
        The length is below one or ``min_share`` outside 0 to 1.
    """
    enough = enough_days(~np.isnan(values_tn), length, min_share)
    padded = np.concatenate([np.full((length - 1, values_tn.shape[1]), np.nan), values_tn])
    windows = sliding_window_view(padded, length, axis=0)
    out = np.full(values_tn.shape, np.nan)
    block = max(1, _BLOCK // max(1, length * values_tn.shape[1]))
    for start in range(0, len(out), block):
        rows = slice(start, start + block)
        chosen = enough[rows]
        ordered = np.sort(windows[rows][chosen], axis=-1)
        days = length - np.isnan(ordered).sum(axis=-1)
        line = np.arange(len(ordered))
        out[rows][chosen] = 0.5 * (ordered[line, (days - 1) // 2] + ordered[line, days // 2])
    return out


def enough_days(known_tn: Bool, length: int, min_share: float) -> Bool:
    """(T, N) whether at least ``min_share`` of the last ``length`` rows, and at least one, is known.

    Raises
    ------
    InputError
        The length is below one or ``min_share`` outside 0 to 1.
    """
    _check_length(length)
    if not 0 <= min_share <= 1:
        raise InputError(f"min_share {min_share} is a share of the window, from 0 to 1.")
    least = max(1, int(np.ceil(min_share * length - 1e-9)))
    return np.asarray(window_sum(known_tn.astype(np.int16), length) >= least)


def _check_length(length: int) -> None:
    if not 1 <= length < 2**15:
        raise InputError(f"a window of {length} rows is not possible; use 1 or more.")
