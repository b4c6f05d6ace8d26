"""Why no plan over several periods keeps to all limits, and what would have to give way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from quantray.arrays import Float, Int
from quantray.errors import SolverError
from quantray.portfolio.chains import moves
from quantray.portfolio.horizon_problem import HorizonProblem, within_reach
from quantray.portfolio.solve import InfeasibleError, Relaxation

__all__ = ["TRADE_SIZE", "check_reachable", "horizon_relaxations", "in_period"]

TRADE_SIZE = "trade size"
_SAME = 1e-9


def in_period(name: str, period: int) -> str:
    """What a limit is called in one period, counted from 1."""
    return f"{name} in period {period}"


def check_reachable(problem: HorizonProblem) -> None:
    """See that each weight can stay within its bounds when it moves by no more than its cap in each period.

    Raises
    ------
    InfeasibleError
        One cannot; names the first period, the asset that misses most, and by what factor its caps are too small.
    """
    low = high = problem.previous
    for h in range(problem.shape[0]):
        cap = np.inf if problem.cap is None else problem.cap[h]
        low, high = np.maximum(low - cap, problem.lower[h]), np.minimum(high + cap, problem.upper[h])
        missing = low - high
        worst = int(missing.argmax())
        if missing[worst] > _SAME:
            raise _unreachable(problem, h, worst, float(missing[worst]), int((missing > _SAME).sum()))


def _unreachable(problem: HorizonProblem, h: int, asset: int, missing: float, count: int) -> InfeasibleError:
    low, high, start = problem.lower[h, asset], problem.upper[h, asset], problem.previous[asset]
    where = f"asset {asset} must be between {low:.6g} and {high:.6g} in period {h + 1}"
    if problem.cap is None or low > high:
        return InfeasibleError(f"{where}; its bounds exclude each other, so ease one of them by {missing:.6g}.")
    cap = float(problem.cap[: h + 1, asset].sum())
    return InfeasibleError(
        f"{where}, which caps on trades of {cap:.6g} together do not reach from {start:.6g}, as for {count} assets; "
        f"allow {missing:.6g} more, or more periods.",
        (Relaxation(in_period(TRADE_SIZE, h + 1), cap, cap + missing),),
    )


def horizon_relaxations(
    problem: HorizonProblem, names: Sequence[str], *, only: Sequence[str] | None = None
) -> tuple[Relaxation, ...] | None:
    """The relaxations of rows, sums and caps, smallest in sum, that allow a plan within the bounds of single names.

    Parameters
    ----------
    names : (M,) names of the rows; the sums are called ``turnover`` (in one-way terms) and ``gross``, and what all caps
        must be multiplied by ``trade size``.
    only : names that may be relaxed; by default all.

    Returns
    -------
    None when relaxing these does not help; empty when nothing needs to give way.

    Raises
    ------
    SolverError
        The linear programme failed for another reason than infeasibility.
    """
    elastic = _Elastic(problem, names, only)
    low, high = within_reach(problem)
    size = problem.linear.size
    bounds = [*zip(low.ravel(), high.ravel(), strict=True), *[(0, None)] * (elastic.width - size), *elastic.slacks]
    cost = np.concatenate([np.zeros(elastic.width), np.ones(len(elastic.slacks))])
    matrix, right = sparse.vstack(elastic.blocks).tocsc(), np.concatenate(elastic.right)
    done = linprog(cost, matrix, right, bounds=bounds, method="highs")
    if done.status == 2:
        return None
    if done.status != 0:
        raise SolverError(f"the elastic problem could not be solved: {done.message}")
    found = np.asarray(done.x, dtype=np.float64)
    return elastic.needed(found[:size].reshape(problem.shape), found[elastic.width :])


class _Elastic:
    """Rows of the linear programme in weights, a helper for each trade and weight, and a slack for each limit."""

    def __init__(self, problem: HorizonProblem, names: Sequence[str], only: Sequence[str] | None) -> None:
        self.problem, self.names = problem, names
        (n_periods, n_assets), size = problem.shape, problem.linear.size
        sums = [("turnover", problem.turnover), ("gross", problem.gross)]
        self.sums = [(name, limit) for name, limit in sums if limit is not None]
        self.width = size * (1 + len(self.sums))
        allowed = [only is None or name in only for name in (*names, *(name for name, _ in self.sums), TRADE_SIZE)]
        n_rows = len(names)
        self.slacks = [(0, None if free else 0) for free in allowed[:n_rows]] * n_periods
        for free in allowed[n_rows:-1]:
            self.slacks += [(0, None if free else 0)] * n_periods
        self.slacks.append((0, None if allowed[-1] else 0))
        self.blocks: list[Any] = []
        self.right: list[Float] = []
        every = problem.rows if problem.rows.ndim == 3 else [problem.rows] * n_periods
        rows = sparse.block_diag([sparse.csr_matrix(row) for row in every]).tocsr()
        for sign, bound in ((1.0, problem.row_upper.ravel()), (-1.0, -problem.row_lower.ravel())):
            finite = np.flatnonzero(np.isfinite(bound))
            self._add({0: sign * rows[finite]}, -self._picked(finite), bound[finite])
        eye = sparse.identity(size, format="csr")
        step = (eye - sparse.eye(size, k=-n_assets, format="csr")).tocsr()
        start = np.concatenate([problem.previous, np.zeros(size - n_assets)])
        if problem.cap is not None:
            finite = np.flatnonzero(np.isfinite(problem.cap.ravel()))
            cap = problem.cap.ravel()[finite]
            last = sparse.csr_matrix(
                (-cap, (np.arange(len(cap)), np.full(len(cap), len(self.slacks) - 1))), (len(cap), len(self.slacks))
            )
            for sign in (1.0, -1.0):
                self._add({0: sign * step[finite]}, last, cap + sign * start[finite])
        total: Any = sparse.block_diag([np.ones((1, n_assets))] * n_periods).tocsr()
        for number, (name, limit) in enumerate(self.sums, 1):
            values, origin = (step, start) if name == "turnover" else (eye, np.zeros(size))
            for sign in (1.0, -1.0):
                self._add({0: sign * values, number: -eye}, None, sign * origin)
            finite = np.flatnonzero(np.isfinite(limit))
            place = n_periods * (n_rows + number - 1) + finite
            self._add({number: total[finite]}, -self._picked(place), limit[finite])

    def _picked(self, columns: Int) -> Any:
        ones, rows = np.ones(len(columns)), np.arange(len(columns))
        return sparse.csr_matrix((ones, (rows, columns)), (len(columns), len(self.slacks)))

    def _add(self, parts: dict[int, Any], slack: Any, right: Float) -> None:
        size = self.problem.linear.size
        empty = sparse.csr_matrix((len(right), size))
        blocks = [parts.get(number, empty) for number in range(1 + len(self.sums))]
        slack = sparse.csr_matrix((len(right), len(self.slacks))) if slack is None else slack
        self.blocks.append(sparse.hstack([*blocks, slack]).tocsr())
        self.right.append(right)

    def needed(self, weights: Float, slack: Float) -> tuple[Relaxation, ...]:
        """What the slacks say."""
        problem, found = self.problem, []
        values, n_periods, n_rows = problem.row_values(weights), problem.shape[0], len(self.names)
        for h, row in np.argwhere(slack[: n_periods * n_rows].reshape(n_periods, n_rows) > _SAME).tolist():
            above = values[h, row] > problem.row_upper[h, row]
            limit = (problem.row_upper if above else problem.row_lower)[h, row]
            found.append(Relaxation(in_period(self.names[row], h + 1), float(limit), float(values[h, row])))
        sums = {"turnover": np.abs(moves(weights, problem.previous)), "gross": np.abs(weights)}
        for number, (name, limit) in enumerate(self.sums):
            unit, start = (0.5 if name == "turnover" else 1.0), n_periods * (n_rows + number)
            for h in np.flatnonzero(slack[start : start + n_periods] > _SAME).tolist():
                total = unit * float(sums[name][h].sum())
                found.append(Relaxation(in_period(name, h + 1), unit * float(limit[h]), total))
        if slack[-1] > _SAME:
            found.append(Relaxation(f"{TRADE_SIZE} in multiples of every cap", 1.0, 1.0 + float(slack[-1])))
        return tuple(found)
