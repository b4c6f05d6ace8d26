"""Values on the scale of their own date: ranks and scores whose statistics come from that date's members.

Every function takes (T, N) values, NaN where unknown, and a (T, N) membership. Statistics are of the members only;
other known values are put on the same scale, as a graph needs them for assets that trade without being members.
NaN stays NaN, and a date without a known member is NaN throughout. Row t uses nothing but row t.
"""

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Float
from quantray.errors import InputError

__all__ = ["demeaned", "member_means", "ranks", "robust_zscores", "sector_demeaned", "standardised"]

# A normal distribution's standard deviation in median, and in mean, absolute deviations.
_PER_MEDIAN_DEVIATION = 1.4826
_PER_MEAN_DEVIATION = 1.2533


def ranks(values_tn: Float, member_tn: Bool) -> Float:
    """(T, N) ranks from -0.5 (lowest member) to 0.5 (highest), ties averaged.

    A value that is no member's lies halfway between its neighbours among the members, within the same bounds.
    The only member of a date has rank 0.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    counted = _counted(values_tn, member_tn)
    order = np.argsort(values_tn, axis=1)
    ordered = np.take_along_axis(values_tn, order, axis=1)
    # Members up to and including each place of the sorted row, and the places where a run of equal values ends.
    upto = np.cumsum(np.take_along_axis(counted, order, axis=1), axis=1, dtype=np.int32)
    first = np.ones(upto.shape, dtype=np.bool_)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
    below = np.zeros_like(upto)
    below[:, 1:] = np.where(first[:, 1:], upto[:, :-1], 0)
    below = np.maximum.accumulate(below, axis=1)
    last = np.ones(upto.shape, dtype=np.bool_)
    last[:, :-1] = first[:, 1:]
    most = np.iinfo(np.int32).max
    through = np.minimum.accumulate(np.where(last, upto, most)[:, ::-1], axis=1)[:, ::-1]
    members = counted.sum(axis=1, keepdims=True)
    place = (below + through - 1) / (2 * np.maximum(members - 1, 1)) - 0.5
    place = np.where(members > 1, np.clip(place, -0.5, 0.5), 0.0)
    place[np.isnan(ordered) | (members == 0)] = np.nan
    out = np.empty_like(place)
    np.put_along_axis(out, order, place, axis=1)
    return out


def robust_zscores(values_tn: Float, member_tn: Bool, *, clip: float = 4.0) -> Float:
    """(T, N) distances from the members' median in robust standard deviations, clipped at ``clip`` both ways.

    The deviation is 1.4826 median absolute deviations. Where more than half of the members share one value that is
    zero, and 1.2533 mean absolute deviations take its place; where all share it, known values score 0.

    Raises
    ------
    InputError
        The shapes disagree or ``clip`` is not positive.

    Source: Iglewicz and Hoaglin (1993), *How to detect and handle outliers*, ch. 3.
    """
    if not clip > 0:
        raise InputError(f"clip {clip} must be a positive number of standard deviations.")
    counted = _counted(values_tn, member_tn)
    count = counted.sum(axis=1)
    chosen = np.where(counted, values_tn, np.nan)
    away = values_tn - _row_medians(chosen, count)
    distance = np.abs(np.where(counted, away, np.nan))
    spread = _PER_MEDIAN_DEVIATION * _row_medians(distance, count)
    flat = np.flatnonzero(spread[:, 0] == 0)
    spread[flat, 0] = _PER_MEAN_DEVIATION * np.nansum(distance[flat], axis=1) / count[flat]
    return np.clip(_ratio(away, spread), -clip, clip)


def standardised(values_tn: Float, member_tn: Bool) -> Float:
    """(T, N) values of mean zero and standard deviation one over the members; 0 where the members are all equal.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    counted = _counted(values_tn, member_tn)
    away = values_tn - member_means(values_tn, member_tn)[:, None]
    total = np.where(counted, away**2, 0.0).sum(axis=1)
    count = counted.sum(axis=1)
    spread = np.sqrt(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
    # The mean of equal values is off by a rounding error, which must not be blown up to one deviation.
    size = np.where(counted, np.abs(values_tn), 0.0).max(axis=1, initial=0.0)
    spread[spread <= 1e-14 * size] = 0.0
    return _ratio(away, spread[:, None])


def demeaned(values_tn: Float, member_tn: Bool) -> Float:
    """(T, N) values less the members' mean: what remains of a return beyond the market.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    return values_tn - member_means(values_tn, member_tn)[:, None]


def member_means(values_tn: Float, member_tn: Bool) -> Float:
    """(T,) means over the members whose value is known; NaN on a date without any.

    Raises
    ------
    InputError
        The shapes disagree.
    """
    counted = _counted(values_tn, member_tn)
    count = counted.sum(axis=1)
    total = np.where(counted, values_tn, 0.0).sum(axis=1)
    out = np.full(len(total), np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out


def sector_demeaned(values_tn: Float, member_tn: Bool, sectors_n: npt.NDArray[np.integer]) -> Float:
    """(T, N) values less the mean over the members of their own sector; NaN where that sector has none.

    Parameters
    ----------
    sectors_n : (N,) codes from 0; -1 unknown, which gives NaN.

    Raises
    ------
    InputError
        The shapes disagree or a code is below -1.
    """
    counted = _counted(values_tn, member_tn)
    if sectors_n.shape != values_tn.shape[1:] or (sectors_n < -1).any():
        raise InputError(f"sectors are {sectors_n.shape} for {values_tn.shape[1]} assets; codes count from 0, or -1.")
    out = np.full(values_tn.shape, np.nan)
    order = np.argsort(sectors_n, kind="stable")
    order = order[sectors_n[order] >= 0]
    if len(order) == 0:
        return out
    _, starts, sizes = np.unique(sectors_n[order], return_index=True, return_counts=True)
    count = np.add.reduceat(counted[:, order], starts, axis=1, dtype=np.int64)
    total = np.add.reduceat(np.where(counted, values_tn, 0.0)[:, order], starts, axis=1)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    out[:, order] = values_tn[:, order] - np.repeat(mean, sizes, axis=1)
    return out


def _counted(values: Float, member: Bool) -> Bool:
    """Members whose value is known."""
    if values.ndim != 2 or values.shape != member.shape:
        raise InputError(f"values are {values.shape} and membership {member.shape}; both must be the same (T, N).")
    return np.asarray(member & ~np.isnan(values))


def _row_medians(chosen: Float, count: npt.NDArray[np.integer]) -> Float:
    """(T, 1) medians of the ``count`` values of each row that are not NaN."""
    ordered = np.sort(chosen, axis=1)
    row = np.arange(len(ordered))
    # Without any value the first place is taken, which then holds NaN.
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, max(ordered.shape[1] - 1, 0))
    return np.asarray(0.5 * (ordered[row, low] + ordered[row, high]))[:, None]


def _ratio(away: Float, spread: Float) -> Float:
    """Distances over a spread per row; 0 where the spread is zero."""
    out = np.where(np.isnan(away), np.nan, 0.0)
    out[np.isnan(spread[:, 0])] = np.nan
    return np.divide(away, spread, out=out, where=spread > 0)
