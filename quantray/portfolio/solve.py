"""What a solver returns, and why a problem has no solution.

Every solution carries a certificate that does not depend on the solver: the largest violation of a limit, and a
bound on how far its objective is from the optimum. A problem without a solution is explained by an elastic problem
(a linear programme, by HiGHS) that finds the smallest relaxations which give it one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from quantray.arrays import Float
from quantray.errors import SolverError
from quantray.portfolio.problem import Prices, StructuredProblem

__all__ = ["Binding", "InfeasibleError", "Relaxation", "Residuals", "Solution", "eased", "smallest_relaxations"]


@dataclass(frozen=True)
class Residuals:
    """How well a solution satisfies the conditions of optimality; independent of the solver."""

    primal: float
    """Largest violation of any limit, in weights or in the limit's own unit."""
    gap: float
    """Certified bound on the distance of the objective from the optimum, relative to the size of its terms."""

    @property
    def worst(self) -> float:
        """The larger of the two."""
        return max(self.primal, self.gap)


@dataclass(frozen=True)
class Binding:
    """A limit that holds the objective back."""

    name: str
    side: Literal["lower", "upper"]
    limit: float
    price: float
    """Gain of the objective per unit by which the limit is eased; positive."""


@dataclass(frozen=True)
class Relaxation:
    """A limit and by how much it must give way."""

    name: str
    limit: float
    """As declared; 0 for sizes of single names, which differ from name to name."""
    needed: float
    """Nearest value that allows a solution; for sizes of single names, the most that one needs above its limit."""

    def __str__(self) -> str:
        return f"{self.name} {self.limit:.6g} -> {self.needed:.6g}"


class InfeasibleError(SolverError):
    """No weights satisfy all limits.

    ``conflicts`` are the smallest relaxations that would allow a solution.
    """

    def __init__(self, message: str, conflicts: tuple[Relaxation, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts

    def __reduce__(self) -> tuple[type, tuple[str, tuple[Relaxation, ...]]]:
        return type(self), (str(self), self.conflicts)


@dataclass(frozen=True, eq=False)
class Solution:
    """Optimal weights and what is known about them."""

    weights: Float
    """(N,) fractions of NAV."""
    status: Literal["optimal", "relaxed"]
    """``relaxed``: optimal after the limits in ``relaxed`` gave way, in the order that the settings declare."""
    objective: float
    """Utility that was maximised."""
    residuals: Residuals
    seconds: float
    iterations: int
    solver: str
    binding: tuple[Binding, ...]
    """Limits other than bounds on single names that bind, with their shadow prices."""
    prices: Prices
    """A start for the next solve under the same limits."""
    relaxed: tuple[Relaxation, ...] = ()
    notes: tuple[str, ...] = ()
    """Decisions taken on the way, such as trades left out for being too small."""


def smallest_relaxations(
    problem: StructuredProblem, names: Sequence[str], *, only: Sequence[str] | None = None
) -> tuple[Relaxation, ...] | None:
    """The relaxations of rows, turnover and gross, smallest in sum, that allow weights within their bounds.

    Parameters
    ----------
    names : (M,) names of the rows; the sums are called ``turnover`` (in one-way terms) and ``gross``.
    only : names that may be relaxed; by default all.

    Returns
    -------
    None when relaxing these does not help; empty when nothing needs to give way.

    Raises
    ------
    SolverError
        The linear programme failed for another reason than infeasibility.
    """
    n, m = len(problem.linear), len(names)
    sums = [("turnover", problem.turnover, problem.previous), ("gross", problem.gross, np.zeros(n))]
    sums = [entry for entry in sums if np.isfinite(entry[1])]
    free = [only is None or name in only for name in [*names, *(name for name, _, _ in sums)]]
    # Variables: w, one helper per asset and finite sum, one slack per limit.
    n_slack, width = m + len(sums), n + n * len(sums)
    blocks, right = [], []
    rows = sparse.csr_matrix(problem.rows)
    for sign, bound in ((1.0, problem.row_upper), (-1.0, -problem.row_lower)):
        finite = np.isfinite(bound)
        slack = sparse.csr_matrix(-np.eye(m, n_slack)[finite])
        blocks.append(sparse.hstack([sign * rows[finite], sparse.csr_matrix((finite.sum(), width - n)), slack]))
        right.append(bound[finite])
    eye = sparse.identity(n, format="csr")
    for k, (_, limit, centre) in enumerate(sums):
        helper = sparse.hstack([sparse.csr_matrix((n, n * k)), -eye, sparse.csr_matrix((n, n * (len(sums) - 1 - k)))])
        none = sparse.csr_matrix((n, n_slack))
        blocks += [sparse.hstack([eye, helper, none]), sparse.hstack([-eye, helper, none])]
        right += [centre, -centre]
        total = np.zeros(width + n_slack)
        total[n + n * k : n + n * (k + 1)] = 1.0
        total[width + m + k] = -1.0
        blocks.append(sparse.csr_matrix(total))
        right.append(np.array([limit]))
    low = np.where(np.isfinite(problem.lower), problem.lower, -1e4)
    high = np.where(np.isfinite(problem.upper), problem.upper, 1e4)
    bounds = [*zip(low, high, strict=True), *[(0, None)] * (width - n), *[(0, None if f else 0) for f in free]]
    cost = np.concatenate([np.zeros(width), np.ones(n_slack)])
    matrix = sparse.vstack(blocks).tocsc()
    done = linprog(cost, matrix, np.concatenate(right), bounds=bounds, method="highs")  # type: ignore[call-overload]
    if done.status == 2:
        return None
    if done.status != 0:
        raise SolverError(f"the elastic problem could not be solved: {done.message}")
    weights, slack = done.x[:n], done.x[width:]
    found = []
    for row in np.flatnonzero(slack[:m] > 1e-9).tolist():
        value = float(problem.rows[row] @ weights)
        limit = problem.row_upper[row] if value > problem.row_upper[row] else problem.row_lower[row]
        found.append(Relaxation(names[row], float(limit), value))
    for k, (name, limit, _) in enumerate(sums):
        if slack[m + k] > 1e-9:
            unit = 0.5 if name == "turnover" else 1.0
            found.append(Relaxation(name, unit * limit, unit * float(limit + slack[m + k])))
    return tuple(found)


def eased(problem: StructuredProblem, names: tuple[str, ...], needed: tuple[Relaxation, ...]) -> StructuredProblem:
    """The problem with limits moved to what is needed, and a hair more: interior points want an interior."""
    lower, upper = problem.row_lower.copy(), problem.row_upper.copy()
    turnover, gross = problem.turnover, problem.gross
    for relaxation in needed:
        room = 1e-6 * (1 + abs(relaxation.needed))
        if relaxation.name == "turnover":
            turnover = 2 * (relaxation.needed + room)
        elif relaxation.name == "gross":
            gross = relaxation.needed + room
        else:
            row = names.index(relaxation.name)
            upper[row] = max(upper[row], relaxation.needed + room)
            lower[row] = min(lower[row], relaxation.needed - room)
    return replace(problem, row_lower=lower, row_upper=upper, turnover=turnover, gross=gross)
