"""Simple returns from panels with gaps, and what is left when an asset is delisted."""

import numpy as np

from quantray.arrays import Float

__all__ = ["DELIST_RETURN", "carried_forward", "delisting_returns", "held_returns", "simple_returns"]

DELIST_RETURN = "delist_return"
"""Field of a panel: the simple return from an asset's last close to what its holders received afterwards.

It stands on the row of the last close, or on a later row without one; NaN elsewhere. Nobody knew it at that close, so
nothing that decides may read it: accounts and labels do, as what came of a decision.
"""


def simple_returns(close_tn: Float) -> Float:
    """(T, N) simple returns from one row to the next; NaN in the first row and where either close is unknown.

    A return across a gap is left out rather than booked on one day: it would look like a jump.
    """
    out = np.full(close_tn.shape, np.nan)
    np.divide(close_tn[1:], close_tn[:-1], out=out[1:])
    out[1:] -= 1.0
    return out


def carried_forward(values_tn: Float) -> tuple[Float, np.ndarray]:
    """Each column's last known value at each row, and the rows since then (0 where known on the day).

    Before the first known value the result is NaN and the age counts from the first row.
    """
    missing = np.isnan(values_tn)
    if not missing.any():
        return np.where(missing, np.nan, values_tn), np.zeros(values_tn.shape, dtype=np.int64)
    rows = np.arange(len(values_tn))[:, None]
    known_at = np.maximum.accumulate(np.where(missing, -1, rows), axis=0)
    filled = np.take_along_axis(values_tn, np.maximum(known_at, 0), axis=0)
    return np.where(known_at >= 0, filled, np.nan), rows - known_at


def delisting_returns(close_tn: Float, delist_tn: Float | None) -> Float:
    """The delisting return of each asset on every row on which it is known; NaN elsewhere.

    It is known from the first row after the last close, or from the row on which it stands if that is later, until the
    asset has a close again: then it was no delisting, or another asset has the name.

    Parameters
    ----------
    close_tn : (T, N); NaN where unknown.
    delist_tn : (T, N) a panel's field ``DELIST_RETURN``; None where it has none.

    Source: Shumway (1997), *The delisting bias in CRSP data*, Journal of Finance 52.
    """
    if delist_tn is None:
        return np.full(close_tn.shape, np.nan)
    _, since_close = carried_forward(close_tn)
    value, since_record = carried_forward(delist_tn)
    return np.where((since_close > 0) & (since_record <= since_close), value, np.nan)


def held_returns(close_tn: Float, delist_tn: Float | None = None) -> Float:
    """(T, N) simple returns of holding each asset from one row to the next; 0 where nothing is earned.

    A gap is earned on the row on which it ends. A delisting return is earned on the first row on which it is known, and
    nothing after it: holders were paid out, so a later close under the same name is not theirs.

    Parameters
    ----------
    close_tn, delist_tn : see ``delisting_returns``.
    """
    price, _ = carried_forward(close_tn)
    earned = np.nan_to_num(simple_returns(price), copy=False)
    if delist_tn is not None:
        ending = delisting_returns(close_tn, delist_tn)
        over = ~np.isnan(ending)
        earned[1:][over[:-1]] = 0.0
        first = over.copy()
        first[1:] &= ~over[:-1]
        earned[first] = ending[first]
    return earned
