"""What each asset holds at given prices of all that couples assets: in closed form, one pass over assets.

Coupled by nothing, an asset's part of ``StructuredProblem`` is to minimise over its bounds::

    slope w + 1/2 diagonal w^2 + charge |w - h| + impact |w - h|^(3/2) + hold |w|

Its best weight falls as the slope rises, and stays where it is at a kink (h and 0) or at a bound.
"""

import numpy as np

from quantray.arrays import Bool, Float
from quantray.portfolio.problem import StructuredProblem, boxed

__all__ = ["Responses"]


class Responses:
    """Best weights of single assets, and how far they give way to a slope.

    Every asset needs risk of its own or impact, or its best weight would not be unique.
    """

    def __init__(self, problem: StructuredProblem) -> None:
        self.low, self.high = boxed(problem)
        self.h, self._diagonal = problem.previous, problem.diagonal
        self._impact = problem.impact
        curvature = self._diagonal if self._impact is None else self._diagonal + self._stiffness(1 / len(self.h))
        self.typical = 1 / curvature
        """(N,) weight per unit of slope, of a trade of an equal weight's size."""
        self._charged = bool((problem.cost > 0).any()) or np.isfinite(problem.turnover)
        self._held = problem.short is not None or bool(np.isfinite(problem.gross))
        self._long = self.h > 0
        self._first, self._last = np.minimum(self.h, 0.0), np.maximum(self.h, 0.0)

    def weights(self, slope: Float, charge: Float, hold: Float) -> Float:
        """(N,) best weights; ``charge`` and ``hold`` are not negative, and zero where the problem has none."""
        if self._held:
            best = self._stationary(-charge - hold - slope)
            # Right of both kinks, between them, left of both: each stationary point counts up to the next kink.
            between = np.where(self._long, charge - hold, hold - charge)
            np.maximum(best, self._last, out=best)
            np.minimum(best, self._stationary(between - slope), out=best)
            np.maximum(best, self._first, out=best)
            np.minimum(best, self._stationary(charge + hold - slope), out=best)
        elif self._charged:
            best = self._stationary(-charge - slope)
            np.maximum(best, self.h, out=best)
            np.minimum(best, self._stationary(charge - slope), out=best)
        else:
            best = self._stationary(-slope)
        np.maximum(best, self.low, out=best)
        return np.minimum(best, self.high, out=best)

    def give(self, weights: Float) -> Float:
        """(N,) by how much weights fall per unit of slope: nothing at bounds and kinks."""
        inside = (weights > self.low) & (weights < self.high) & self._smooth(weights)
        if self._impact is None:
            return np.where(inside, self.typical, 0.0)
        trade = np.where(inside, np.abs(weights - self.h), 1.0)
        with np.errstate(divide="ignore"):
            return np.where(inside, 1 / (self._diagonal + self._stiffness(trade)), 0.0)

    def _smooth(self, weights: Float) -> Bool:
        smooth = np.ones(len(weights), dtype=np.bool_)
        if self._charged or self._impact is not None:
            smooth &= weights != self.h
        if self._held:
            smooth &= weights != 0
        return smooth

    def _stationary(self, force: Float) -> Float:
        """Where risk and impact alone balance a force."""
        if self._impact is None:
            return force * self.typical
        # diagonal t + 3/2 impact sign(t) sqrt|t| = rest, for the trade t; in a form that loses no digits.
        rest = force - self._diagonal * self.h
        size, b = np.abs(rest), 1.5 * self._impact
        root = 2 * size / np.maximum(b + np.sqrt(b**2 + 4 * self._diagonal * size), 1e-300)
        return self.h + np.sign(rest) * root**2

    def _stiffness(self, trade: Float | float) -> Float:
        assert self._impact is not None, "called with impact only"
        return np.asarray(0.75 * self._impact / np.sqrt(trade))
