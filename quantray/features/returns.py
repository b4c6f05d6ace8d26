"""Simple returns from panels with gaps."""

import numpy as np

from quantray.arrays import Float

__all__ = ["carried_forward", "simple_returns"]


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
    rows = np.arange(len(values_tn))[:, None]
    known_at = np.maximum.accumulate(np.where(np.isnan(values_tn), -1, rows), axis=0)
    filled = np.take_along_axis(values_tn, np.maximum(known_at, 0), axis=0)
    return np.where(known_at >= 0, filled, np.nan), rows - known_at
