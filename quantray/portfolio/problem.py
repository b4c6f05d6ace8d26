"""The portfolio problem with factor risk, costs and limits, and a certificate of how far a solution is from the best.

With w the (N,) weights and h the holdings before::

    minimise    linear'w + 1/2 w'diag(diagonal)w + 1/2 |root'w|^2
                + sum cost|w - h| + sum impact|w - h|^(3/2) + sum short max(-w, 0)
    subject to  lower <= w <= upper,  row_lower <= rows w <= row_upper,
                sum|w - h| <= turnover,  sum|w| <= gross
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from quantray.arrays import Float

__all__ = ["NOTHING", "Prices", "StructuredProblem", "StructuredResult", "boxed", "certified_gap"]

NOTHING = 0.01
"""Weights that count as no portfolio at all: where all of it vanishes, gaps are measured against this much of NAV."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StructuredProblem:
    """See the module; infinite bounds mean none."""

    linear: Float
    """(N,)."""
    diagonal: Float
    """(N,), not negative."""
    root: Float
    """(N, K)."""
    previous: Float
    """(N,) holdings h."""
    lower: Float
    """(N,)."""
    upper: Float
    """(N,)."""
    rows: Float
    """(M, N)."""
    row_lower: Float
    """(M,); equal to ``row_upper`` for an equality."""
    row_upper: Float
    """(M,)."""
    cost: Float
    """(N,), not negative."""
    impact: Float | None = None
    """(N,), not negative."""
    short: Float | None = None
    """(N,), not negative: the cost of a unit sold short."""
    turnover: float = np.inf
    gross: float = np.inf

    def objective(self, weights: Float) -> float:
        """The value that is minimised."""
        trade = np.abs(weights - self.previous)
        value = self.linear @ weights + 0.5 * (self.diagonal @ weights**2) + 0.5 * ((self.root.T @ weights) ** 2).sum()
        value += self.cost @ trade
        if self.impact is not None:
            value += self.impact @ trade**1.5
        if self.short is not None:
            value += self.short @ np.maximum(-weights, 0.0)
        return float(value)

    def size(self, weights: Float) -> float:
        """The size of the objective's terms at these weights and holdings, against which gaps are measured."""
        held = np.abs(weights) + np.abs(self.previous) + NOTHING / len(weights)
        variances = self.diagonal.sum() + np.vdot(self.root, self.root)
        risk = self.diagonal @ weights**2 + ((self.root.T @ weights) ** 2).sum()
        risk += (NOTHING / len(weights)) ** 2 * variances
        return float((np.abs(self.linear) + self.cost) @ held + 0.5 * risk)

    def violation(self, weights: Float) -> float:
        """The largest amount by which weights break a bound, a row or a sum."""
        values = self.rows @ weights
        excess = [
            (self.lower - weights).max(initial=0.0),
            (weights - self.upper).max(initial=0.0),
            (self.row_lower - values).max(initial=0.0),
            (values - self.row_upper).max(initial=0.0),
            np.abs(weights - self.previous).sum() - self.turnover,
            np.abs(weights).sum() - self.gross,
        ]
        return float(max(excess))


@dataclass(frozen=True, eq=False)
class Prices:
    """Of what couples assets: by how much the objective falls per unit that a limit is eased."""

    rows: Float
    """(M,) positive at an upper limit, negative at a lower one."""
    turnover: float
    gross: float
    exposures: Float
    """(K,) ``root'w``: what a unit of exposure adds to the objective."""


@dataclass(frozen=True, eq=False)
class StructuredResult:
    """Weights with their prices."""

    weights: Float
    converged: bool
    iterations: int
    prices: Prices
    gap: float = np.inf
    """Certified distance of the objective from the optimum (see ``certified_gap``)."""


def certified_gap(problem: StructuredProblem, weights: Float, row_price: Float, turnover: float, gross: float) -> float:
    """Primal less dual objective: no feasible weights are better than these by more.

    The dual function at the given prices, with the factor exposures priced at their value, separates into one
    piecewise problem per asset. Its minimum is found exactly by trying the bounds, the kinks and, between them, the
    stationary points. So the certificate does not depend on how the weights were found.

    Parameters
    ----------
    weights : (N,).
    row_price, turnover, gross : multipliers as in ``Prices``; the two sums' must not be negative.

    Returns
    -------
    Infinite where the prices say nothing: one is on a limit that does not exist, or without bounds, risk of its own
    and impact an asset would gain for ever (by more than 1e-7 of its terms, which rounding may leave).
    """
    exposure = problem.root.T @ weights
    slope = problem.linear + problem.root @ exposure + problem.rows.T @ row_price
    cost = problem.cost + turnover
    # Without a price of gross and short costs nothing is about |w|: its terms are zero, and its signs are alike.
    sized = gross != 0 or problem.short is not None
    short = np.zeros_like(cost) if problem.short is None else problem.short
    low, high = boxed(problem)
    reach = _implied(problem)
    lower, upper = np.maximum(problem.lower, -reach), np.minimum(problem.upper, reach)
    impact = np.zeros_like(cost) if problem.impact is None else problem.impact
    curved = problem.diagonal > 0
    free = ~curved & (impact == 0)
    if free.any():
        gain = np.maximum(
            np.where(np.isinf(upper), -slope - cost - gross, 0.0),
            np.where(np.isinf(lower), slope - cost - gross - short, 0),
        )
        priced = np.abs(problem.rows.T) @ np.abs(row_price)
        terms = np.abs(problem.linear) + np.abs(problem.root @ exposure) + priced + cost
        if (gain > 1e-7 * terms)[free].any():
            return float("inf")

    def value(w: Float) -> Float:
        trade = np.abs(w - problem.previous)
        total = slope * w + half * w**2 + cost * trade
        if sized:
            total = total + gross * np.abs(w)
        if problem.impact is not None:
            total = total + problem.impact * trade**1.5
        return np.asarray(total + short * np.maximum(-w, 0.0) if sized else total)

    half = 0.5 * problem.diagonal
    candidates = [low, high, np.clip(problem.previous, low, high), np.clip(np.zeros_like(low), low, high)]
    if problem.impact is None:
        diagonal = np.where(curved, problem.diagonal, np.inf)
        for side in (-1.0, 1.0):
            for sign in (-1.0, 1.0) if sized else (1.0,):
                force = slope + side * cost + sign * gross - (short if sign < 0 else 0.0)
                # Not within the box of the iteration: the best may lie beyond it.
                candidates.append(np.clip(-force / diagonal, lower, upper))
        least = np.min([value(c) for c in candidates], axis=0)
    else:
        if np.isinf(lower).any() or np.isinf(upper).any():
            # Costs draw the best weight from where impact or risk alone would leave it towards the kinks.
            pull = np.divide(slope, 1.5 * impact, out=np.zeros_like(slope), where=impact > 0)
            candidates.append(np.clip(problem.previous - np.sign(pull) * pull**2, lower, upper))
            bare = np.divide(-slope, problem.diagonal, out=np.zeros_like(slope), where=curved & (impact == 0))
            candidates.append(np.clip(bare, lower, upper))
        least = _least_by_section(value, np.array(candidates))
    # A price on a limit that does not exist is worth infinitely much: it certifies nothing.
    high_priced, low_priced = row_price > 0, row_price < 0
    dual = least.sum() - 0.5 * exposure @ exposure
    dual -= row_price[high_priced] @ problem.row_upper[high_priced]
    dual -= row_price[low_priced] @ problem.row_lower[low_priced]
    dual -= turnover * problem.turnover if turnover > 0 else 0.0
    dual -= gross * problem.gross if gross > 0 else 0.0
    return float(problem.objective(weights) - dual)


def _least_by_section(value: Callable[[Float], Float], kinks: Float) -> Float:
    """Minimum of a convex function per asset: golden section between neighbouring kinks."""
    ordered = np.sort(kinks, axis=0)
    least = np.min([value(point) for point in ordered], axis=0)
    ratio = (np.sqrt(5.0) - 1) / 2
    for left, right in pairwise(ordered):
        a, b = left.copy(), right.copy()
        for _ in range(60):
            c, d = b - ratio * (b - a), a + ratio * (b - a)
            smaller = value(c) < value(d)
            a, b = np.where(smaller, a, c), np.where(smaller, d, b)
        least = np.minimum(least, value((a + b) / 2))
    return np.asarray(least)


def boxed(problem: StructuredProblem) -> tuple[Float, Float]:
    """Bounds with a wide box where there are none, which a feasible solution of sensible size never reaches."""
    reach = min(1e3 * (1.0 + float(np.abs(problem.previous).max(initial=0.0))), _implied(problem))
    return np.maximum(problem.lower, -reach), np.minimum(problem.upper, reach)


def _implied(problem: StructuredProblem) -> float:
    """A size that the sums let no weight reach; infinite where they are."""
    held = float(np.abs(problem.previous).max(initial=0.0))
    return min(1.5 * problem.gross + 1.0, held + 1.5 * problem.turnover + 1.0)
