"""Frames of millions of rows without second copies."""

import pandas as pd

from quantray.arrays import Bool, Int

__all__ = ["taken"]


def taken(frame: pd.DataFrame, rows: Bool | Int) -> pd.DataFrame:
    """Some rows of a frame, or all in another order, numbered from 0.

    The frame is emptied on the way, column by column, so that its rows never stand in memory twice; a shallow copy of a
    frame that is still needed will do.

    Parameters
    ----------
    rows : a mask, or row numbers.
    """
    columns = {name: frame.pop(name).array[rows] for name in map(str, list(frame))}
    return pd.DataFrame(columns, copy=False)
