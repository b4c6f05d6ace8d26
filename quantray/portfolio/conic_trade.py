"""Smallest trades through cvxpy: the least trade within caps, and the weights nearest to all of them."""

import warnings
from collections.abc import Sequence

import cvxpy as cp
import numpy as np

from quantray.arrays import Float
from quantray.errors import SolverError
from quantray.portfolio.smallest_trade import Cap

__all__ = ["conic_trade", "nearest_weights"]

_INSIDE = 1e-6
"""Part of a cap by which solutions keep away from it, for the solver's tolerance."""


def conic_trade(weights: Float, caps: Sequence[Cap], lower: Float, upper: Float, price: Float) -> Float | None:
    """(N,) weights within all caps at the least price of the trade to them; None where there are none."""
    w = cp.Variable(len(weights))
    limits: list[cp.Constraint] = [w >= lower, w <= upper]
    # In units of the caps: the solver stops at absolute residuals.
    limits += [_capped(cap, w) <= 1 - _INSIDE for cap in caps if cap.most > 0]
    limits += [_capped(cap, w) <= 0 for cap in caps if cap.most == 0]
    return _solved(cp.Minimize(cp.sum(cp.multiply(price, cp.abs(w - weights)))), limits, w)


def nearest_weights(caps: Sequence[Cap], lower: Float, upper: Float) -> Float | None:
    """(N,) weights at which the caps are exceeded least, in sum and relative to each; None where a solver fails."""
    w, slack = cp.Variable(len(lower)), cp.Variable(len(caps), nonneg=True)
    limits: list[cp.Constraint] = [w >= lower, w <= upper]
    limits += [_capped(cap, w) <= float(cap.most > 0) + slack[i] for i, cap in enumerate(caps)]
    return _solved(cp.Minimize(cp.sum(slack)), limits, w)


def _capped(cap: Cap, w: cp.Variable) -> cp.Expression:
    """In units of the cap, if that is not zero."""
    values = cap.matrix @ (w if cap.centre is None else w - cap.centre) / (cap.most if cap.most > 0 else 1.0)
    if cap.form == "sum":
        return cp.norm1(values)
    if cap.form == "root":
        return cp.norm2(values)
    return cp.max(values) if cap.form == "above" else cp.norm_inf(values)


def _solved(goal: cp.Minimize, limits: list[cp.Constraint], w: cp.Variable) -> Float | None:
    problem = cp.Problem(goal, limits)
    try:
        with warnings.catch_warnings():
            # An inaccurate solution is measured by the caps themselves.
            warnings.simplefilter("ignore", UserWarning)
            problem.solve(solver="CLARABEL")
    except cp.error.SolverError as error:
        raise SolverError(f"Clarabel failed: {error}") from error
    if problem.status not in ("optimal", "optimal_inaccurate"):
        return None
    return np.asarray(w.value, dtype=np.float64)
