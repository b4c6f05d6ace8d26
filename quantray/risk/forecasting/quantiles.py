"""Quantiles of standard losses, normal or Student's t, and their means beyond."""

from typing import TypeVar, cast

import numpy as np
from scipy import special

from quantray.arrays import Float

__all__ = ["normal_quantile", "normal_shortfall", "student_quantile", "student_shortfall"]

Degrees = TypeVar("Degrees", float, Float)
"""Of freedom: one number, or many at once."""


def normal_quantile(level: float) -> float:
    """Standard deviations that a normal loss exceeds with a probability of ``1 - level``."""
    return float(special.ndtri(level))


def normal_shortfall(level: float) -> float:
    """Mean of a normal loss beyond ``normal_quantile``, in standard deviations."""
    return float(np.exp(-(normal_quantile(level) ** 2) / 2) / np.sqrt(2 * np.pi)) / (1 - level)


def student_quantile(level: float, degrees: Degrees) -> Degrees:
    """What a loss of the standard t distribution, whose variance is not one, exceeds with ``1 - level``."""
    return cast(Degrees, special.stdtrit(degrees, level))


def student_shortfall(level: float, degrees: Degrees) -> Degrees:
    """Its mean beyond ``student_quantile``; more than one degree of freedom.

    Source: McNeil, Frey and Embrechts (2015), *Quantitative Risk Management*, ch. 2.
    """
    quantile = student_quantile(level, degrees)
    log_density = special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2) - np.log(degrees * np.pi) / 2
    log_density -= (degrees + 1) / 2 * np.log1p(quantile**2 / degrees)
    beyond: Degrees = np.exp(log_density) * (degrees + quantile**2) / ((degrees - 1) * (1 - level))
    return beyond
