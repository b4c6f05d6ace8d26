"""An interior-point method for portfolios with factor risk (see ``problem``): linear in the number of assets.

Absolute values are split with one helper per asset: z >= |w - h| and g >= |w|. In a Newton step all that belongs to
one asset is then a block of at most 3 x 3 that is solved in closed form. Factors, rows and the two sums couple the
assets; they form one small symmetric system (Woodbury in its quasi-definite form, so that an active row, whose
weight in the normal equations grows without bound, is a zero on a diagonal). A step costs N (K + M)^2 operations for
K factors and M rows and never touches an N x N matrix.

Source: Mehrotra (1992), *On the implementation of a primal-dual interior point method*, SIAM J. Optim. 2(4);
Vanderbei (1995), *Symmetric quasidefinite matrices*, SIAM J. Optim. 5(1).
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from quantray.arrays import Bool, Float
from quantray.portfolio.dual_newton import has_unique_answers, solve_by_prices
from quantray.portfolio.newton import Move, longest_step
from quantray.portfolio.problem import NOTHING, Prices, StructuredProblem, StructuredResult, boxed, certified_gap

__all__ = ["solve_from_within", "solve_structured"]

_MOST_ITERATIONS = 80
_FREE = 1e-9
"""Assets whose bounds are nearer to each other than this are fixed and taken out."""


def solve_structured(
    problem: StructuredProblem, *, tolerance: float = 1e-8, start: Prices | None = None
) -> StructuredResult:
    """Solve a problem by its prices where answers to them are unique, and where that does not end, from within.

    ``converged`` is False where the iteration stalls, as it does on an infeasible problem.

    Parameters
    ----------
    tolerance : on the violation of limits in weights, and on the gap relative to the size of the objective.
    start : prices of a problem of the same shape, such as yesterday's, which save steps.
    """
    if has_unique_answers(problem):
        result = solve_by_prices(problem, tolerance=tolerance, start=start)
        if result.converged:
            return result
    return solve_from_within(problem, tolerance=tolerance)


def solve_from_within(problem: StructuredProblem, *, tolerance: float = 1e-8) -> StructuredResult:
    """Solve by the interior-point method alone; see ``solve_structured``."""
    low, high = boxed(problem)
    free = high - low > _FREE
    weights = np.where(free, 0.0, (low + high) / 2)
    if free.any():
        inner = _Iteration(problem, free, low, high, weights)
        converged = inner.run(tolerance)
        weights[free] = inner.w
        row_price, turnover, gross = inner.prices()
        iterations = inner.count
    else:
        converged, iterations = problem.violation(weights) <= tolerance, 0
        row_price, turnover, gross = np.zeros(len(problem.row_lower)), 0.0, 0.0
    weights = np.clip(weights, low, high)
    gap = certified_gap(problem, weights, row_price, turnover, gross)
    # The iteration measures itself by residuals; where it stopped short of these, the certificate has the last word.
    converged = converged or (gap <= 1e-6 * problem.size(weights) and problem.violation(weights) <= 10 * tolerance)
    converged = converged and not (low > high + tolerance).any()
    prices = Prices(row_price, turnover, gross, problem.root.T @ weights)
    return StructuredResult(weights, converged, iterations, prices, gap)


class _Iteration:
    """The state of the method on the free assets: primal w, z, g; slacks and multipliers of all inequalities.

    Inequalities of an asset, by row of (C, n) arrays: w <= high, -w <= -low, w - z <= h, -w - z <= -h, and with g
    also w - g <= 0, -w - g <= 0. Coupling inequalities: rows from above and from below, then the two sums.
    """

    def __init__(self, problem: StructuredProblem, free: Bool, low: Float, high: Float, fixed: Float) -> None:
        n_rows = len(problem.row_lower)
        away = fixed.copy()
        away[free] = 0.0
        self.low, self.high, self.h = low[free], high[free], problem.previous[free]
        self.d = problem.diagonal[free]
        self.root = problem.root[free]
        self.variance = self.d + (self.root**2).sum(axis=1)
        self.q = problem.linear[free] + self.root @ (problem.root.T @ away)
        self.impact = None if problem.impact is None else problem.impact[free]
        trades = (problem.cost > 0).any() or np.isfinite(problem.turnover) or self.impact is not None
        grosses = problem.short is not None or np.isfinite(problem.gross)
        self.cost = problem.cost[free] if trades else None
        self.short = (np.zeros(len(self.d)) if problem.short is None else problem.short[free]) if grosses else None
        if self.short is not None:
            # short max(-w, 0) = short (|w| - w) / 2
            self.q = self.q - self.short / 2
        moved = problem.rows @ away
        lower, upper = problem.row_lower - moved, problem.row_upper - moved
        equal = upper - lower <= 1e-13
        above, below = ~equal & np.isfinite(upper), ~equal & np.isfinite(lower)
        rows = problem.rows[:, free]
        self.index = (np.flatnonzero(equal), np.flatnonzero(above), np.flatnonzero(below))
        self.n_rows = n_rows
        self.eq, self.eq_rhs = rows[equal], (lower[equal] + upper[equal]) / 2
        self.ineq = np.vstack([rows[above], -rows[below]])
        self.ineq_rhs = np.concatenate([upper[above], -lower[below]])
        fixed_mask = ~free
        self.turnover = (
            problem.turnover - float(np.abs(away - problem.previous)[fixed_mask].sum())
            if trades and np.isfinite(problem.turnover)
            else None
        )
        self.gross = (
            problem.gross - float(np.abs(away)[fixed_mask].sum()) if grosses and np.isfinite(problem.gross) else None
        )
        self.count = 0
        self._start()

    def _start(self) -> None:
        width = self.high - self.low
        self.w = np.clip(self.h, self.low + 0.1 * width, self.high - 0.1 * width)
        size = max(0.1 / np.sqrt(len(self.w)), 1e-3)
        self.z = np.abs(self.w - self.h) + size if self.cost is not None else np.zeros(0)
        self.g = np.abs(self.w) + size if self.short is not None else np.zeros(0)
        self.y = np.zeros(len(self.eq))
        gradient = self.q + self.d * self.w + self.root @ (self.root.T @ self.w)
        scale = max(float(np.median(np.abs(gradient))), float(np.abs(gradient).max()) * 1e-2, 1e-12)
        # In cash and without alpha the gradient vanishes; what it becomes with weights on counts.
        scale = max(scale, float(np.median(self.variance)) / len(self.w))
        self.s = np.maximum(self._asset_slack(), 1e-4)
        self.t = np.maximum(self._row_slack(), 1e-1 * (1 + np.abs(self._rhs())))
        # Complementary pairs start with products of about one size; but what a helper costs, its two multipliers must
        # carry from the start, or a cost far above the rest would leave a dual residual that dwarfs them.
        self.m = np.clip(scale * float(np.median(self.s)) / self.s, 1e-3 * scale, 1e3 * scale)
        if self.cost is not None:
            self.m[2:4] = np.maximum(self.m[2:4], self.cost / 2)
        self.p = np.full(len(self.t), scale)

    def _asset_slack(self) -> Float:
        parts = [self.high - self.w, self.w - self.low]
        if self.cost is not None:
            parts += [self.z - self.w + self.h, self.z + self.w - self.h]
        if self.short is not None:
            parts += [self.g - self.w, self.g + self.w]
        return np.array(parts)

    def _rhs(self) -> Float:
        sums = [value for value in (self.turnover, self.gross) if value is not None]
        return np.concatenate([self.ineq_rhs, sums])

    def _row_values(self, w: Float, z: Float, g: Float) -> Float:
        sums = ([z.sum()] if self.turnover is not None else []) + ([g.sum()] if self.gross is not None else [])
        return np.concatenate([self.ineq @ w, sums])

    def _row_slack(self) -> Float:
        return np.asarray(self._rhs() - self._row_values(self.w, self.z, self.g))

    def prices(self) -> tuple[Float, float, float]:
        """Multipliers of the rows, the turnover and the gross sum."""
        out = np.zeros(self.n_rows)
        equal, above, below = self.index
        out[equal] = self.y
        out[above] += self.p[: len(above)]
        out[below] -= self.p[len(above) : len(above) + len(below)]
        rest = list(self.p[len(above) + len(below) :])
        turnover = float(rest.pop(0)) if self.turnover is not None else 0.0
        return out, turnover, float(rest.pop(0)) if self.gross is not None else 0.0

    def _sum_prices(self) -> tuple[float, float]:
        rest = list(self.p[len(self.ineq) :])
        turnover = rest.pop(0) if self.turnover is not None else 0.0
        return turnover, rest.pop(0) if self.gross is not None else 0.0

    def run(self, tolerance: float) -> bool:
        """Iterate until feasible and optimal, or until nothing moves any more."""
        stalled = 0
        while self.count < _MOST_ITERATIONS:
            self._residuals()
            if self._done(tolerance):
                return True
            self.count += 1
            # On problems without a solution multipliers grow without bound; that ends the run, not the program.
            with np.errstate(all="ignore"):
                step = self._step()
            if not np.isfinite(step):
                return False
            stalled = stalled + 1 if step < 1e-4 else 0
            if stalled == 5:
                return False
        self._residuals()
        return self._done(10 * tolerance)

    def _done(self, tolerance: float) -> bool:
        nothing = NOTHING / len(self.w)
        held = np.abs(self.w) + np.abs(self.h) + nothing
        linear = np.abs(self.q) if self.cost is None else np.abs(self.q) + self.cost
        risk = (self.exposure**2).sum() + self.d @ self.w**2 + nothing**2 * self.variance.sum()
        size = float(linear @ held + 0.5 * risk)
        primal = max(np.abs(self.r_s).max(), np.abs(self.r_t).max(initial=0.0), np.abs(self.r_eq).max(initial=0.0))
        dual = max(np.abs(self.r_w).max(), np.abs(self.r_z).max(initial=0.0), np.abs(self.r_g).max(initial=0.0))
        gap = float((self.s * self.m).sum() + self.t @ self.p)
        reference = float(linear.max()) + float(np.abs(self.root @ self.exposure + self.d * self.w).max())
        reference += nothing * float(self.variance.max())
        return bool(primal <= 0.1 * tolerance and dual <= tolerance * reference and gap <= tolerance * size)

    def _residuals(self) -> None:
        m = self.m
        self.exposure = self.root.T @ self.w
        self.r_w = self.q + self.d * self.w + self.root @ self.exposure + m[0] - m[1]
        if len(self.eq):
            self.r_w += self.eq.T @ self.y
        if len(self.ineq):
            self.r_w += self.ineq.T @ self.p[: len(self.ineq)]
        turnover, gross = self._sum_prices()
        self.r_z, self.r_g = np.zeros(0), np.zeros(0)
        next_row = 2
        if self.cost is not None:
            self.r_w += m[2] - m[3]
            self.r_z = self.cost + turnover - m[2] - m[3]
            if self.impact is not None:
                self.r_z = self.r_z + 1.5 * self.impact * np.sqrt(self.z)
            next_row = 4
        if self.short is not None:
            self.r_w += m[next_row] - m[next_row + 1]
            self.r_g = self.short / 2 + gross - m[next_row] - m[next_row + 1]
        self.r_s = self.s - self._asset_slack()
        self.r_t = self.t - self._row_slack()
        self.r_eq = self.eq @ self.w - self.eq_rhs

    def _step(self) -> float:
        """One predictor-corrector step; returns its length, NaN where the system could not be solved."""
        pairs = self.s.size + len(self.t)
        mu = (float((self.s * self.m).sum()) + float(self.t @ self.p)) / pairs
        if not self._factorise():
            return float("nan")
        # The predictor only says how far one can go; digits matter in the corrector.
        move = self._direction(self.s * self.m, self.t * self.p, refine=False)
        length = longest_step(self, move, 1.0)
        after = float(((self.s + length * move.s) * (self.m + length * move.m)).sum())
        after += float((self.t + length * move.t) @ (self.p + length * move.p))
        # The power 3/2 is curved: its linearisation holds over shorter steps, and complementarity must not run ahead
        # of the dual residual that each step leaves.
        least, share = (0.0, 0.995) if self.impact is None else (0.1, 0.9)
        sigma = min(max((max(after, 0.0) / pairs / mu) ** 3, least), 1.0)
        target = sigma * mu
        wanted_s, wanted_t = self.s * self.m + move.s * move.m - target, self.t * self.p + move.t * move.p - target
        move = self._direction(wanted_s, wanted_t, refine=True)
        length = longest_step(self, move, share)
        if not (np.isfinite(move.w).all() and np.isfinite(move.m).all()):
            return float("nan")
        self.w = self.w + length * move.w
        self.z = self.z + length * move.z
        self.g = self.g + length * move.g
        self.y = self.y + length * move.y
        self.s, self.m = self.s + length * move.s, self.m + length * move.m
        self.t, self.p = self.t + length * move.t, self.p + length * move.p
        return length

    def _factorise(self) -> bool:
        """Eliminate slacks, then each asset's z and g, then its w; factorise the small system that is left."""
        theta = self.m / self.s
        self.theta = theta
        diagonal = self.d + theta[0] + theta[1]
        next_row = 2
        if self.cost is not None:
            curvature = 0.0 if self.impact is None else 0.75 * self.impact / np.sqrt(self.z)
            self.zz = theta[2] + theta[3] + curvature
            self.wz = theta[3] - theta[2]
            # theta2 + theta3 - wz^2 / zz, multiplied out: as a difference it would lose all its digits.
            diagonal = diagonal + (4 * theta[2] * theta[3] + curvature * (theta[2] + theta[3])) / self.zz
            next_row = 4
        if self.short is not None:
            self.gg = theta[next_row] + theta[next_row + 1]
            self.wg = theta[next_row + 1] - theta[next_row]
            diagonal = diagonal + 4 * theta[next_row] * theta[next_row + 1] / self.gg
        self.ww = np.maximum(diagonal, 1e-14)
        # Coupling columns on w after elimination: factors, equalities, inequalities, and the sums seen through z, g.
        columns = [self.root.T, self.eq, self.ineq]
        corner = [np.ones(self.root.shape[1]), np.zeros(len(self.eq)), (self.t / self.p)[: len(self.ineq)]]
        tail = list((self.t / self.p)[len(self.ineq) :])
        if self.turnover is not None:
            columns.append((-self.wz / self.zz)[None, :])
            corner.append(np.array([tail.pop(0) + (1 / self.zz).sum()]))
        if self.gross is not None:
            columns.append((-self.wg / self.gg)[None, :])
            corner.append(np.array([tail.pop(0) + (1 / self.gg).sum()]))
        self.columns = np.vstack(columns)
        scaled = self.columns / np.sqrt(self.ww)
        small = scaled @ scaled.T
        self.corner = np.concatenate(corner)
        small.flat[:: len(small) + 1] += self.corner
        # A whisper of regularisation keeps redundant equalities from stopping the factorisation.
        small.flat[:: len(small) + 1] *= 1 + 1e-13
        self.small, info = dpotrf(small, lower=1)
        return info == 0 and bool(np.isfinite(self.ww).all())

    def _direction(self, product_s: Float, product_t: Float, *, refine: bool) -> Move:
        """The Newton direction towards complementary products of zero less ``product``."""
        theta = self.theta
        # Slack and multiplier of every inequality in terms of the move of (w, z, g):
        # dm = theta * (A d + r_s) - product / s, where A d is the move of the left-hand side.
        push = theta * self.r_s - product_s / self.s
        b_w = -(self.r_w + push[0] - push[1])
        b_z, b_g = np.zeros(0), np.zeros(0)
        next_row = 2
        if self.cost is not None:
            b_w -= push[2] - push[3]
            b_z = -(self.r_z - push[2] - push[3])
            b_w -= self.wz / self.zz * b_z
            next_row = 4
        if self.short is not None:
            b_w -= push[next_row] - push[next_row + 1]
            b_g = -(self.r_g - push[next_row] - push[next_row + 1])
            b_w -= self.wg / self.gg * b_g
        n_factors, n_eq, n_ineq = self.root.shape[1], len(self.eq), len(self.ineq)
        rhs = np.zeros(len(self.columns))
        rhs[n_factors : n_factors + n_eq] = -self.r_eq
        rhs[n_factors + n_eq :] = -self.r_t + product_t / self.p
        place = n_factors + n_eq + n_ineq
        if self.turnover is not None:
            rhs[place] -= (b_z / self.zz).sum()
            place += 1
        if self.gross is not None:
            rhs[place] -= (b_g / self.gg).sum()
        solved = self._coupled(self.columns @ (b_w / self.ww) - rhs)
        w = (b_w - self.columns.T @ solved) / self.ww
        if refine:
            # Where ww spans many decades, as without a quadratic term, elimination loses the rows.
            left_w = b_w - self.ww * w - self.columns.T @ solved
            left_rows = rhs - self.columns @ w + self.corner * solved
            more = self._coupled(self.columns @ (left_w / self.ww) - left_rows)
            solved = solved + more
            w = w + (left_w - self.columns.T @ more) / self.ww
        prices = solved[n_factors + n_eq :]
        place = n_ineq
        z, g = np.zeros(0), np.zeros(0)
        if self.cost is not None:
            lift = 0.0
            if self.turnover is not None:
                lift = prices[place]
                place += 1
            z = (b_z - lift - self.wz * w) / self.zz
        if self.short is not None:
            lift = prices[place] if self.gross is not None else 0.0
            g = (b_g - lift - self.wg * w) / self.gg
        parts = [w, -w]
        if self.cost is not None:
            parts += [w - z, -w - z]
        if self.short is not None:
            parts += [w - g, -w - g]
        left = np.array(parts)
        ds = -self.r_s - left
        dm = push + theta * left
        dt = -self.r_t - self._row_values(w, z, g)
        return Move(w, z, g, solved[n_factors : n_factors + n_eq], ds, dm, dt, prices)

    def _coupled(self, rhs: Float) -> Float:
        """Solve the small system; LAPACK itself, as scipy's wrapper costs several times the work."""
        return np.asarray(dpotrs(self.small, rhs, lower=1)[0]) if len(rhs) else rhs
