"""Distributions of the next day's return, of many days at once: their value-at-risk, expected shortfall and ranks.

Each law holds D of them. Losses are positive; a level of 0.99 means that one day in a hundred is worse. NaN where a law
has no answer for a day.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import special

from quantray.arrays import Bool, Float
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall, student_quantile, student_shortfall

__all__ = ["CornishFisher", "Law", "Normal", "Sample", "Student", "moments", "student_degrees"]


class Law(Protocol):
    """Distributions of D returns."""

    def var(self, level: float) -> Float:
        """(D,) losses that are exceeded with ``1 - level``."""

    def shortfall(self, level: float) -> Float:
        """(D,) mean losses beyond those."""

    def rank(self, returns: Float) -> Float:
        """(D,) probability that each law gave to a return as low as the one that came."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Past or simulated returns, each as likely as its weight; see ``tail.historical_var``."""

    returns: Float
    """(D, W)."""
    weights: Float | None = None
    """(W,) that sum to one; by default all alike."""
    predictive: bool = False
    """Quantiles that one more return falls below with their own probability; not with weights."""

    def var(self, level: float) -> Float:
        """See ``Law``."""
        if self.weights is None:
            quantiles = np.quantile(self.returns, 1 - level, axis=1, method="weibull" if self.predictive else "linear")
            return np.asarray(-quantiles)
        order, below = self._sorted
        # The first weight that reaches beyond, as a search from the left finds it.
        places = (below < 1 - level).sum(axis=1, keepdims=True)
        worst = np.take_along_axis(order, places, axis=1)
        return np.asarray(-np.take_along_axis(self.returns, worst, axis=1)[:, 0])

    def shortfall(self, level: float) -> Float:
        """See ``Law``."""
        beyond = self.returns <= -self.var(level)[:, None]
        weights = np.ones(self.returns.shape[1]) if self.weights is None else self.weights
        return np.asarray(-(np.where(beyond, self.returns, 0.0) @ weights) / (beyond @ weights))

    def rank(self, returns: Float) -> Float:
        """See ``Law``."""
        # One more return falls into each of the W + 1 gaps alike, and stands in the middle of its gap.
        n = self.returns.shape[1]
        weights = np.full(n, 1 / n) if self.weights is None else self.weights
        return np.asarray(((self.returns < returns[:, None]) @ weights * n + 0.5) / (n + 1))

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, Float]:
        assert self.weights is not None, "only asked of weighted samples"
        order = np.argsort(self.returns, axis=1, kind="stable")
        return order, np.cumsum(self.weights[order], axis=1)


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal returns."""

    scale: Float
    """(D,) standard deviations."""
    mean: Float | float = 0.0

    def var(self, level: float) -> Float:
        """See ``Law``."""
        return np.asarray(normal_quantile(level) * self.scale - self.mean)

    def shortfall(self, level: float) -> Float:
        """See ``Law``."""
        return np.asarray(normal_shortfall(level) * self.scale - self.mean)

    def rank(self, returns: Float) -> Float:
        """See ``Law``."""
        return np.asarray(special.ndtr((returns - self.mean) / self.scale))


@dataclass(frozen=True, eq=False)
class Student:
    """Student's t with a given standard deviation."""

    scale: Float
    """(D,) standard deviations."""
    degrees: Float | float
    """Of freedom, above 2, for all or (D,)."""
    mean: Float | float = 0.0

    def var(self, level: float) -> Float:
        """See ``Law``."""
        return np.asarray(self._unit * student_quantile(level, self._finite) - self.mean)

    def shortfall(self, level: float) -> Float:
        """See ``Law``."""
        return np.asarray(self._unit * student_shortfall(level, self._finite) - self.mean)

    def rank(self, returns: Float) -> Float:
        """See ``Law``."""
        return np.asarray(special.stdtr(self._finite, (returns - self.mean) / self._unit))

    @property
    def _finite(self) -> Float:
        # Beyond a million it is normal to the last digit, and its formulas lose theirs.
        return np.asarray(np.minimum(self.degrees, 1e6))

    @property
    def _unit(self) -> Float:
        return np.asarray(self.scale * np.sqrt((self._finite - 2) / self._finite))


@dataclass(frozen=True, eq=False)
class CornishFisher:
    """A normal quantile bent by skewness and kurtosis; NaN where it does not rise with the level everywhere.

    Source: Cornish and Fisher (1938); Maillard (2012), *A user's guide to the Cornish Fisher expansion*; for the
    shortfall Boudt, Peterson and Croux (2008), *Estimation and decomposition of downside risk*.
    """

    mean: Float
    scale: Float
    skew: Float
    kurtosis: Float
    """(D,) moments; the kurtosis is the excess."""

    @cached_property
    def rises(self) -> Bool:
        """(D,) True where it is a quantile."""
        # The slope of the expansion in z, as a quadratic that must have no root.
        square, linear = self.kurtosis / 8 - self.skew**2 / 6, self.skew / 3
        constant = 1 - self.kurtosis / 8 + 5 * self.skew**2 / 36
        return np.asarray((square >= 0) & (constant > 0) & (linear**2 <= 4 * square * constant))

    def var(self, level: float) -> Float:
        """See ``Law``."""
        return self._loss(self._bent(np.full_like(self.scale, normal_quantile(1 - level))))

    def shortfall(self, level: float) -> Float:
        """See ``Law``."""
        # Means of z, z^2 and z^3 below the quantile turn the expansion into its own mean there.
        z, steep = normal_quantile(1 - level), normal_shortfall(level)
        first, second, third = -steep, 1 - z * steep, -(z**2 + 2) * steep
        return self._loss(self._mixed(first, second, third))

    def rank(self, returns: Float) -> Float:
        """See ``Law``."""
        low, high = np.full_like(returns, -40.0), np.full_like(returns, 40.0)
        for _ in range(60):
            middle = (low + high) / 2
            above = self.mean + self._bent(middle) * self.scale > returns
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.where(self.rises, special.ndtr((low + high) / 2), np.nan)

    def _bent(self, z: Float) -> Float:
        return self._mixed(z, z**2, z**3)

    def _mixed(self, first: Float | float, second: Float | float, third: Float | float) -> Float:
        lean = (second - 1) * self.skew / 6 + (third - 3 * first) * self.kurtosis / 24
        return np.asarray(first + lean - (2 * third - 5 * first) * self.skew**2 / 36)

    def _loss(self, bent: Float) -> Float:
        return np.where(self.rises, -(self.mean + bent * self.scale), np.nan)


def moments(returns: Float) -> CornishFisher:
    """Mean, deviation, skewness and excess kurtosis of (..., W) returns along the last axis, with divisor W.

    Skewness and kurtosis are NaN where returns do not vary.
    """
    mean = returns.mean(axis=-1)
    apart = returns - mean[..., None]
    squares = apart**2
    variance = squares.mean(axis=-1)
    varies = variance > (1e-12 * np.abs(returns).max(axis=-1)) ** 2
    known = np.where(varies, variance, np.nan)
    skew, kurtosis = (squares * apart).mean(axis=-1) / known**1.5, (squares**2).mean(axis=-1) / known**2 - 3
    return CornishFisher(mean, np.sqrt(variance), skew, kurtosis)


def student_degrees(kurtosis: Float) -> Float:
    """Degrees of freedom of Student's t with an excess kurtosis: 4 + 6 / kurtosis, at most 100."""
    return np.minimum(100.0, 4 + 6 / np.maximum(kurtosis, 1e-9))
