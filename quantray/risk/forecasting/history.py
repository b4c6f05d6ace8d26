"""What a history of returns must be before anything is estimated from it."""

import math

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["checked_level", "complete_returns", "enough", "long_enough"]


def checked_level(level: float) -> float:
    """The level.

    Raises
    ------
    InputError
        It is below 0.5, or 1 or more.
    """
    if not 0.5 <= level < 1:
        raise InputError(f"a level of {level} must be at least 0.5 and below 1, such as 0.99.")
    return level


def complete_returns(returns: Float) -> Float:
    """(T,) returns as float64.

    Raises
    ------
    InputError
        Not a series, or a missing return.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 1 or not np.isfinite(returns).all():
        raise InputError(f"returns are {returns.shape} or incomplete; give (T,) without NaN, gaps as zero or left out.")
    return returns


def long_enough(returns: Float, level: float) -> Float:
    """(T,) returns that are as many as a level needs: one in ``1 - level``.

    Raises
    ------
    InputError
        They are not, or as ``complete_returns`` and ``checked_level``.
    """
    returns = complete_returns(returns)
    enough(len(returns), level)
    return returns


def enough(n_returns: int, level: float) -> None:
    """Raise an ``InputError`` if so many returns are fewer than a level needs, or as ``checked_level``."""
    needed = math.ceil(1 / (1 - checked_level(level)) - 1e-9)
    if n_returns < needed:
        raise InputError(f"{n_returns} returns say nothing of a level of {level:.6g}; give at least {needed}.")
