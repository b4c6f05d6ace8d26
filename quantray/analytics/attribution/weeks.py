"""Types of weeks: up, down, flat and wild, as hindsight names them and as they could be told when the week began."""

from typing import Literal

import numpy as np

from quantray.analytics.attribution.breakdown import known
from quantray.arrays import Dates, Float
from quantray.errors import InputError

__all__ = ["TYPES", "UNTYPED", "week_types"]

TYPES = ("up", "down", "flat", "wild")

_LEAST_WEEKS = 13
"""Weeks behind a typical move before a type is given."""

UNTYPED = "too early to tell"


def week_types(
    dates: Dates,
    market: Float,
    *,
    known_at: Literal["start", "end"] = "end",
    flat: float = 0.25,
    wild: float = 2.0,
    weeks: int = 52,
) -> list[str]:
    """(T,) the type of the week of each day.

    A week's move is measured by the root mean square of those of the ``weeks`` before it: under ``flat`` of it the week
    is flat, over ``wild`` times it is wild, else up or down. At the ``end`` of the week, its own move is known:
    hindsight. At the ``start``, it has the type of the week before, which is all that anybody knew.

    Parameters
    ----------
    market : (T,) daily returns that tell the type.

    Raises
    ------
    InputError
        Bounds are out of order, or returns are missing.
    """
    if not 0 <= flat < wild or weeks < _LEAST_WEEKS or known_at not in ("start", "end"):
        raise InputError(f"flat {flat} must lie below wild {wild}, {weeks} weeks be {_LEAST_WEEKS} or more.")
    market = known(market, dates, "market returns")
    # Weeks begin on Monday; the first day of 1970 was a Thursday.
    week = (np.asarray(dates).astype("datetime64[D]").astype(np.int64) + 3) // 7
    found, place = np.unique(week, return_inverse=True)
    moves = np.zeros(len(found))
    np.add.at(moves, place, np.log1p(market))
    types = [_type(moves, i, flat, wild, weeks) for i in range(len(found))]
    if known_at == "start":
        types = [UNTYPED, *types[:-1]]
    return [types[i] for i in place.tolist()]


def _type(moves: Float, i: int, flat: float, wild: float, weeks: int) -> str:
    before = moves[max(i - weeks, 0) : i]
    if len(before) < _LEAST_WEEKS:
        return UNTYPED
    size = moves[i] / max(float(np.sqrt((before**2).mean())), 1e-12)
    if abs(size) > wild:
        return "wild"
    return "flat" if abs(size) < flat else ("up" if size > 0 else "down")
