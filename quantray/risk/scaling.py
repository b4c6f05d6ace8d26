"""Dynamic risk scaling: a book that exceeds its risk budget is cut until it lands on it, hedges last."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from quantray.arrays import Float, Names
from quantray.errors import InputError
from quantray.portfolio.contributions import vector
from quantray.risk.positions.book import Book

__all__ = ["ScaledPosition", "Scaling", "dynamic_scaling", "var_budget"]

_SHARE_OF_NAV = 0.02
"""Of the requirement: a full risk budget is a VaR of 2 % of the assets."""
_STEP = 0.05
"""Part of the VaR that a step takes off before rates are measured again."""
_LEAST = 0.05
"""Score that even what nobody can sell counts with, or a book of such positions could not be cut at all."""


@dataclass(frozen=True)
class ScaledPosition:
    """A row of the result."""

    name: str
    current_size: float
    scaled_size: float
    scaling_factor: float
    """What is left of the position, from 0 to 1."""
    risk_contribution: float
    """Its share of the VaR before scaling; negative where it hedges."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """What the risk budget leaves of each position."""

    budget: float
    """VaR that the book may have, a fraction of NAV."""
    var_before: float
    var_after: float
    """The budget, or what it was where the budget is enough."""
    factor: float
    """Budget over VaR, at most 1: what cutting all alike would leave."""
    names: Names
    sizes: Float
    """(N,) before."""
    factors: Float
    """(N,) what is left of each."""
    contributions: Float
    """(N,) shares of the VaR before; they sum to 1, or to nothing without risk."""

    @property
    def weights(self) -> Float:
        """(N,) sizes after."""
        return np.asarray(self.sizes * self.factors)

    def rows(self) -> tuple[ScaledPosition, ...]:
        """One for each position."""
        columns = (self.names, self.sizes, self.weights, self.factors, self.contributions)
        return tuple(ScaledPosition(*row) for row in zip(*(column.tolist() for column in columns), strict=True))


def var_budget(risk_budget: float = 1.0) -> float:
    """The VaR at 99 % that a book may have, a fraction of NAV: the risk budget times 2 %.

    Raises
    ------
    InputError
        The budget is not positive.
    """
    if not risk_budget > 0:
        raise InputError(f"a risk budget of {risk_budget} leaves nothing; give a share of it above 0, usually up to 1.")
    return _SHARE_OF_NAV * risk_budget


def dynamic_scaling(
    book: Book, *, risk_budget: float = 1.0, level: float = 0.99, scores: Float | None = None
) -> Scaling:
    """Cut the positions of a book whose VaR exceeds its budget, so that it equals the budget.

    Each position shrinks at a rate in proportion to what it adds to the VaR and to how easily it is sold, measured
    again as the book changes. So what adds most and is most liquid is cut most, and a hedge only once what it hedged
    is gone and it adds to risk itself. Nothing grows, and nothing changes within the budget.

    Parameters
    ----------
    book : with a model.
    risk_budget : share of a full budget, see ``var_budget``.
    level : of the VaR under normal moves, see ``Book.tail``.
    scores : (N,) from 0 to 1, as ``liquidity.liquidity_scores`` gives them; by default all alike.

    Raises
    ------
    InputError
        The book has no model, or scores or budget are out of range.
    """
    n = len(book.weights)
    book.needed("model", "dynamic scaling")
    if not 0.5 < level < 1:
        raise InputError(f"a level of {level} must be above 0.5 and below 1, such as 0.99.")
    ease = np.ones(n) if scores is None else vector(scores, n, "scores")
    if ((ease < 0) | (ease > 1)).any():
        raise InputError(f"scores run from {ease.min():g} to {ease.max():g}; they must lie between 0 and 1.")
    budget = var_budget(risk_budget)

    def parts(factors: Float) -> Float:
        return book.var_parts(level, factors)

    before = parts(np.ones(n))
    var = float(before.sum())
    factors = np.ones(n) if var <= budget else _cut(parts, np.maximum(ease, _LEAST), budget, n)
    return Scaling(
        budget=budget,
        var_before=var,
        var_after=float(parts(factors).sum()),
        factor=min(1.0, budget / var) if var > 0 else 1.0,
        names=book.names,
        sizes=book.weights,
        factors=factors,
        contributions=before / var if var > 0 else before,
    )


def _cut(parts: Callable[[Float], Float], ease: Float, budget: float, n: int) -> Float:
    """(N,) factors at which the parts of the VaR sum to the budget.

    The VaR falls along the way as the rates times the parts, all of them positive sums, so the budget is reached.
    """
    factors = np.ones(n)
    while True:
        added = parts(factors)
        var, rates = float(added.sum()), np.maximum(added, 0.0) * ease
        step = _STEP * var / float(added @ rates)
        after = factors * np.exp(-step * rates)
        if float(parts(after).sum()) <= budget:
            break
        factors = after
    start, speed = factors, rates

    def excess(share: float) -> float:
        return float(parts(start * np.exp(-share * step * speed)).sum()) - budget

    share = brentq(excess, 0.0, 1.0, xtol=1e-15, rtol=1e-14) if excess(0.0) > 0 else 0.0
    return np.asarray(start * np.exp(-share * step * speed))
