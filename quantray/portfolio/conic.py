"""The same problems through cvxpy: the second opinion, and the way out where the structured method stalls.

Solvers by problem class, as measured on this class (2,000 names, 20 factors; see ``benchmarks/bench_mvo.py``):
Clarabel solves every problem that has a solution, powers of 3/2 included, and is the default; PIQP is faster on the
quadratic ones; OSQP needs thousands of iterations for six digits and is here for comparison.
"""

import warnings
from typing import Literal

import cvxpy as cp
import numpy as np

from quantray.errors import InputError, SolverError
from quantray.portfolio.problem import Prices, StructuredProblem, StructuredResult, certified_gap

__all__ = ["ConicSolver", "solve_conic"]

ConicSolver = Literal["clarabel", "piqp", "osqp"]

_OPTIONS: dict[str, dict[str, object]] = {
    "clarabel": {},
    "piqp": {},
    "osqp": {"eps_abs": 1e-7, "eps_rel": 1e-7, "max_iter": 20_000, "polishing": True},
}


def solve_conic(problem: StructuredProblem, *, solver: ConicSolver = "clarabel") -> StructuredResult:
    """Solve a problem with a general solver; ``converged`` is False where it finds no solution.

    Raises
    ------
    InputError
        PIQP or OSQP is asked to solve a problem with 3/2 impact, which is not quadratic.
    SolverError
        The solver failed otherwise.
    """
    if problem.impact is not None and solver != "clarabel":
        raise InputError(f"{solver} solves quadratic problems only; use clarabel for 3/2 impact.")
    w = cp.Variable(len(problem.linear))
    trade = w - problem.previous
    cost = problem.linear @ w + 0.5 * cp.sum_squares(cp.multiply(np.sqrt(problem.diagonal), w))
    cost += cp.sum(cp.multiply(problem.cost, cp.abs(trade)))
    if problem.root.shape[1]:
        cost += 0.5 * cp.sum_squares(problem.root.T @ w)
    if problem.impact is not None:
        cost += cp.sum(cp.multiply(problem.impact, cp.power(cp.abs(trade), 1.5)))
    if problem.short is not None:
        cost += cp.sum(cp.multiply(problem.short, cp.neg(w)))
    limits: list[cp.Constraint] = []
    for sign, bound in ((1.0, problem.upper), (-1.0, -problem.lower)):
        finite = np.isfinite(bound)
        if finite.any():
            limits.append(sign * w[finite] <= bound[finite])
    equal = problem.row_upper - problem.row_lower <= 1e-13
    above, below = ~equal & np.isfinite(problem.row_upper), ~equal & np.isfinite(problem.row_lower)
    priced = [
        problem.rows[equal] @ w == problem.row_upper[equal],
        problem.rows[above] @ w <= problem.row_upper[above],
        problem.rows[below] @ w >= problem.row_lower[below],
    ]
    used = [row for row, mask in zip(priced, (equal, above, below), strict=True) if mask.any()]
    turnover = cp.norm1(trade) <= problem.turnover if np.isfinite(problem.turnover) else None
    gross = cp.norm1(w) <= problem.gross if np.isfinite(problem.gross) else None
    used += [limit for limit in (turnover, gross) if limit is not None]
    # Solvers stop at absolute gaps as well, so the objective comes to them at a size of about one.
    n_assets = len(problem.linear)
    scale = problem.size(np.full(n_assets, 1 / n_assets)) or 1.0
    task = cp.Problem(cp.Minimize(cost / scale), limits + used)
    try:
        with warnings.catch_warnings():
            # An inaccurate solution is measured by its certified gap.
            warnings.simplefilter("ignore", UserWarning)
            task.solve(solver=solver.upper(), **_OPTIONS[solver])
    except cp.error.SolverError as error:
        raise SolverError(f"{solver} failed: {error}") from error
    if w.value is None or task.status not in ("optimal", "optimal_inaccurate"):
        empty = np.zeros(len(problem.row_lower))
        return StructuredResult(
            np.zeros(len(problem.linear)), False, 0, Prices(empty, 0.0, 0.0, np.zeros(problem.root.shape[1]))
        )
    price = np.zeros(len(problem.row_lower))
    for row, mask, sign in zip(priced, (equal, above, below), (1.0, 1.0, -1.0), strict=True):
        if mask.any():
            price[mask] += scale * sign * np.asarray(row.dual_value)
    weights = np.clip(np.asarray(w.value, dtype=np.float64), problem.lower, problem.upper)
    sums = [0.0 if limit is None else scale * max(float(limit.dual_value), 0.0) for limit in (turnover, gross)]
    gap = certified_gap(problem, weights, price, *sums)
    count = int(task.solver_stats.num_iters or 0)
    prices = Prices(price, sums[0], sums[1], problem.root.T @ weights)
    return StructuredResult(weights, True, count, prices, _known(gap))


def _known(gap: float) -> float:
    return gap if np.isfinite(gap) else float("inf")
