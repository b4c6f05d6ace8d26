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
    m, n_assets = len(names), len(problem.linear)
    sums = [("turnover", problem.turnover, problem.previous), ("gross", problem.gross, np.zeros(n_assets))]
    sums = [entry for entry in sums if np.isfinite(entry[1])]
    free = [only is None or name in only for name in [*names, *(name for name, _, _ in sums)]]
    moves = _Moves.of(problem)
    # Variables: moves up and down from the anchor, one slack per limit.
    eye = np.eye(m, m + len(sums))
    blocks, right = [], []
    at_anchor, of_moves = problem.rows @ moves.anchor, moves.over(problem.rows)
    for sign, bound in ((1.0, problem.row_upper), (-1.0, -problem.row_lower)):
        finite = np.isfinite(bound)
        blocks.append(np.hstack([sign * of_moves[finite], -eye[finite]]))
        right.append((bound - sign * at_anchor)[finite])
    for k, (_, limit, centre) in enumerate(sums):
        slack = np.zeros(m + len(sums))
        slack[m + k] = -1.0
        blocks.append(np.concatenate([moves.away(centre), slack])[None])
        right.append(np.array([limit - np.abs(moves.anchor - centre).sum()]))
    most = np.concatenate([moves.most, np.where(free, np.inf, 0.0)])
    cost = np.concatenate([np.zeros(len(moves.most)), np.ones(m + len(sums))])
    bounds = np.column_stack([np.zeros(len(most)), most])
    matrix = sparse.csc_matrix(np.vstack(blocks))
    done = linprog(cost, matrix, np.concatenate(right), bounds=bounds, method="highs")  # type: ignore[call-overload]
    if done.status == 2:
        return None
    if done.status != 0:
        raise SolverError(f"the elastic problem could not be solved: {done.message}")
    weights, slack = moves.weights(done.x), done.x[len(moves.most) :]
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


@dataclass(frozen=True, eq=False)
class _Moves:
    """Weights as moves from an anchor within the bounds, near the holdings: up, down, and each once more beyond zero.

    Along each move the distances from the holdings and from zero change at one rate, and those further away rise
    faster: so bounds on the moves are all that a linear programme needs for absolute values, without a row per asset.
    """

    anchor: Float
    """(N,)."""
    most: Float
    """(4N,) of each move."""

    @classmethod
    def of(cls, problem: StructuredProblem) -> "_Moves":
        low = np.where(np.isfinite(problem.lower), problem.lower, -1e4)
        high = np.where(np.isfinite(problem.upper), problem.upper, 1e4)
        anchor = np.clip(problem.previous, low, high)
        up, down = np.maximum(high - anchor, 0.0), np.maximum(anchor - low, 0.0)
        up_to_zero, down_to_zero = np.minimum(up, np.maximum(-anchor, 0.0)), np.minimum(down, np.maximum(anchor, 0.0))
        return cls(anchor, np.concatenate([up_to_zero, up - up_to_zero, down_to_zero, down - down_to_zero]))

    def over(self, rows: Float) -> Float:
        """(M, 4N) what moves change of (M, N) rows."""
        return np.hstack([rows, rows, -rows, -rows])

    def away(self, centre: Float) -> Float:
        """(4N,) by how much moves go away from the holdings or from zero."""
        if centre.any():
            up = np.where(self.anchor >= centre, 1.0, -1.0)
            down = np.where(self.anchor <= centre, 1.0, -1.0)
            return np.concatenate([up, up, down, down])
        one = np.ones(len(centre))
        return np.concatenate([-one, one, -one, one])

    def weights(self, moves: Float) -> Float:
        """(N,) weights after moves."""
        up, more_up, down, more_down = moves[: len(self.most)].reshape(4, -1)
        return np.asarray(self.anchor + up + more_up - down - more_down)


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
