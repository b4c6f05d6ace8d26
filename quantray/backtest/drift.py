"""Weights after prices have moved, as fractions of the NAV that they moved to.

``accounts`` has no need of it: it holds money, which drifts by what it earns, and divides by the NAV at the end.
"""

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["drifted"]


def drifted(weights: Float, growth: Float, nav: Float | None = None) -> Float:
    """Weights of the same shares at new prices.

    Parameters
    ----------
    weights : (..., N) fractions of NAV; shorts negative.
    growth : (..., N) new prices over old ones.
    nav : (...) new NAV over the old one; by default that of these weights, whose cash earns nothing.

    Raises
    ------
    InputError
        Nothing is left of the NAV, or a growth is unknown.
    """
    value = weights * growth
    nav = np.asarray(1 + (value - weights).sum(axis=-1) if nav is None else nav)
    if not (nav > 0).all():
        raise InputError(
            f"the weights lost {1 - nav.min():.0%} of the NAV; lower their leverage, or drop names of unknown growth."
        )
    return np.asarray(value / nav[..., None])
