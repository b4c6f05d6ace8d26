"""An interior-point method for portfolios over several periods (see ``horizon_problem``).

As in ``structured``, absolute values are split with helpers, here z >= |trade| and g >= |w|, which are eliminated in
closed form. What is left in a Newton step is a chain over periods for every asset, coupled by the factors, rows and
sums of each period (see ``chains``); no matrix of all assets is ever formed.

Source: Mehrotra (1992), *On the implementation of a primal-dual interior point method*, SIAM J. Optim. 2(4).
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import ThreadpoolController

from quantray.arrays import Float
from quantray.portfolio.chains import ChainSystem, Columns, moves, moves_back
from quantray.portfolio.horizon_limits import HorizonLimits
from quantray.portfolio.horizon_problem import HorizonPrices, HorizonProblem, horizon_gap, within_reach
from quantray.portfolio.newton import Move, longest_step

__all__ = ["HorizonResult", "solve_horizon"]

_MOST_ITERATIONS = 100
_THREADS = ThreadpoolController()
"""On its small systems more threads wait for one another, on a busy machine for twenty times the work."""
_NEVER = 1e30
"""The corner of a row that limits nothing."""
_FREE = 1e-9
"""Weights whose bounds are nearer to each other than this are fixed."""


@dataclass(frozen=True, eq=False)
class HorizonResult:
    """Weights of all periods with their multipliers."""

    weights: Float
    """(H, N)."""
    converged: bool
    iterations: int
    prices: HorizonPrices
    gap: float
    """Certified distance of the objective from the optimum (see ``horizon_gap``)."""


def solve_horizon(problem: HorizonProblem, *, tolerance: float = 1e-8) -> HorizonResult:
    """Solve a problem; ``converged`` is False where the iteration stalls, as it does on an infeasible one.

    Parameters
    ----------
    tolerance : on the violation of limits in weights, and on the gap relative to the size of the objective.
    """
    low, high = within_reach(problem)
    inner = _Iteration(problem, low, high)
    with _THREADS.limit(limits=1, user_api="blas"):
        converged = inner.run(tolerance)
    weights, prices = inner.weights(), inner.prices()
    gap = horizon_gap(problem, weights, prices)
    # The iteration measures itself by residuals; where it stopped short of these, the certificate has the last word.
    converged = converged or gap <= 1e-6 * problem.size(weights)
    converged = converged and problem.violation(weights) <= 10 * tolerance
    return HorizonResult(weights, bool(converged), inner.count, prices, gap)


class _Iteration:
    """The state of the method: primal w, z, g; slacks and multipliers of all inequalities.

    Inequalities of an asset and period, by row of (C, H, N) arrays: w <= high, -w <= -low; with trades that cost or are
    limited t - z <= 0, -t - z <= 0, with caps z <= cap; with costs or limits of sizes w - g <= 0, -w - g <= 0.
    """

    def __init__(self, problem: HorizonProblem, low: Float, high: Float) -> None:
        self.previous, self.root = problem.previous, problem.root
        self.fixed = high - low <= _FREE
        middle = (low + high) / 2
        # A fixed weight lies within bounds that never bind.
        self.low, self.high = np.where(self.fixed, middle - 1, low), np.where(self.fixed, middle + 1, high)
        self.middle, self.problem = middle, problem
        self.q, self.d = problem.linear, problem.diagonal
        self.quadratic, self.impact = problem.quadratic, problem.impact
        none = np.zeros(problem.shape)
        self.limits = HorizonLimits.of(problem, self.fixed)
        capped = problem.cap is not None and bool(np.isfinite(problem.cap).any())
        priced = problem.cost is not None and bool((problem.cost > 0).any())
        self.trades = priced or capped or problem.impact is not None or bool(self.limits.turnover.any())
        self.cost = none if problem.cost is None else problem.cost
        self.cap = None
        if capped and problem.cap is not None:
            self.cap = np.minimum(problem.cap, 2 * float(np.maximum(np.abs(self.low), np.abs(self.high)).max()))
        self.sizes = problem.short is not None or bool(self.limits.gross.any())
        self.short = none if problem.short is None else problem.short
        # short max(-w, 0) = short (|w| - w) / 2
        self.q = self.q - self.short / 2
        self.size_row = 2 + (2 if self.trades else 0) + (0 if self.cap is None else 1)
        self.columns = self._columns()
        self.width = problem.root.shape[-1]
        self.count = 0
        self._start()

    def _columns(self) -> Columns:
        """Of factors and rows."""
        root, rows = np.swapaxes(self.problem.root, -1, -2), self.problem.rows
        if root.ndim == rows.ndim:
            return Columns(np.concatenate([root, rows], axis=-2))
        n_periods, n_assets = self.problem.shape
        parts = [np.broadcast_to(part, (n_periods, part.shape[-2], n_assets)) for part in (root, rows)]
        return Columns(np.concatenate(parts, axis=1))

    def _start(self) -> None:
        n_periods, n_assets = self.problem.shape
        width = self.high - self.low
        # Towards what is fixed at the end in equal steps.
        end = np.where(self.fixed[-1], self.middle[-1], self.previous)
        path = self.previous + np.arange(1, n_periods + 1)[:, None] / n_periods * (end - self.previous)
        self.w = np.where(self.fixed, self.middle, np.clip(path, self.low + 0.1 * width, self.high - 0.1 * width))
        size = float(np.abs(path).mean()) or 1 / n_assets
        self.z = np.abs(moves(self.w, self.previous)) + size
        self.g = np.abs(self.w) + size
        self.y = np.zeros((n_periods, self.columns.width - self.width))
        self.exposure = self.problem.exposures(self.w)
        gradient = np.abs(self.q + self.d * self.w + self._risk())
        variance = self.d + (self.root**2).sum(axis=-1)
        scale = max(float(np.median(gradient)), float(gradient.max()) * 1e-2, 1e-12)
        # In cash and without alpha the gradient vanishes; what it becomes with weights on counts.
        scale = max(scale, float(np.median(variance)) / n_assets)
        self.s = np.maximum(self._asset_slack(), size)
        right = self.limits.right
        self.t = np.maximum(right - self._limit_values(), 0.1 * (1 + np.abs(right)))
        # Complementary pairs start with products of about one size; but what a helper costs, its two multipliers must
        # carry from the start, or a cost far above the rest would leave a dual residual that dwarfs them.
        self.m = np.clip(scale * float(np.median(self.s)) / self.s, 1e-3 * scale, 1e3 * scale)
        if self.trades:
            self.m[2:4] = np.maximum(self.m[2:4], self.cost / 2)
        self.p = np.full(len(self.t), scale)

    def _risk(self) -> Float:
        """(H, N) of factors, per unit of weight."""
        if self.root.ndim == 2:
            return np.asarray(self.exposure @ self.root.T)
        return np.asarray((self.root @ self.exposure[..., None])[..., 0])

    def _asset_slack(self) -> Float:
        parts = [self.high - self.w, self.w - self.low]
        if self.trades:
            trade = moves(self.w, self.previous)
            parts += [self.z - trade, self.z + trade]
            if self.cap is not None:
                parts.append(self.cap - self.z)
        if self.sizes:
            parts += [self.g - self.w, self.g + self.w]
        return np.array(parts)

    def _limit_values(self) -> Float:
        return self.limits.values(self.problem.row_values(self.w), self.z, self.g)

    def prices(self) -> HorizonPrices:
        """Multipliers of the limits, and the price of trading."""
        above, below, turnover, gross = self.limits.split(self.p)
        return HorizonPrices(self.y + above - below, turnover, gross, self._trade_price())

    def _trade_price(self) -> Float:
        out = self.m[2] - self.m[3] if self.trades else np.zeros(self.w.shape)
        if self.quadratic is not None:
            out = out + 2 * self.quadratic * moves(self.w, self.previous)
        return np.asarray(out)

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
        """Whether the plan, moved within its bounds, is certified to be feasible and optimal."""
        primal = max(float(np.abs(each).max(initial=0.0)) for each in (self.r_s, self.r_t, self.r_eq))
        weights, size = self.weights(), self.problem.size(self.w)
        gap = float((self.s * self.m).sum() + self.t @ self.p)
        if primal > tolerance or gap > 1e2 * tolerance * size:
            return False
        certified = horizon_gap(self.problem, weights, self.prices())
        return certified <= tolerance * size and self.problem.violation(weights) <= tolerance

    def weights(self) -> Float:
        """(H, N) moved within bounds."""
        return np.where(self.fixed, self.middle, np.clip(self.w, self.low, self.high))

    def _residuals(self) -> None:
        m, rows = self.m, self.problem.row_values(self.w)
        prices = self.prices()
        self.exposure = self.problem.exposures(self.w)
        self.r_w = self.q + self.d * self.w + m[0] - m[1] + moves_back(prices.trade)
        self.r_w += self.columns.spread(np.hstack([self.exposure, prices.row]))
        self.r_z = self.r_g = np.zeros(self.w.shape)
        if self.trades:
            self.r_z = self.cost + prices.turnover[:, None] - m[2] - m[3]
            if self.impact is not None:
                self.r_z += 1.5 * self.impact * np.sqrt(self.z)
            if self.cap is not None:
                self.r_z += m[4]
        if self.sizes:
            more, less = m[self.size_row], m[self.size_row + 1]
            self.r_w += more - less
            self.r_g = self.short / 2 + prices.gross[:, None] - more - less
        self.r_w[self.fixed] = 0.0
        self.r_s = self.s - self._asset_slack()
        self.r_t = self.t - (self.limits.right - self.limits.values(rows, self.z, self.g))
        self.r_eq = np.where(self.limits.equal, rows - self.problem.row_upper, 0.0)

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
        least, share = (0.0, 0.995) if self.impact is None else (0.01, 0.98)
        target = mu * min(max((max(after, 0.0) / pairs / mu) ** 3, least), 1.0)
        move = self._direction(
            self.s * self.m + move.s * move.m - target, self.t * self.p + move.t * move.p - target, refine=True
        )
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
        """Eliminate slacks and helpers; factorise the system of chains and coupling columns that is left."""
        self.theta = theta = self.m / self.s
        node, link = self.d + theta[0] + theta[1], np.zeros(self.w.shape)
        if self.quadratic is not None:
            link = link + 2 * self.quadratic
        if self.trades:
            curvature = np.zeros(self.w.shape) if self.impact is None else 0.75 * self.impact / np.sqrt(self.z)
            if self.cap is not None:
                curvature = curvature + theta[4]
            both = theta[2] + theta[3]
            self.zz, self.tz = both + curvature, theta[3] - theta[2]
            # both - tz^2 / zz, multiplied out: as a difference it would lose all its digits.
            link = link + (4 * theta[2] * theta[3] + curvature * both) / self.zz
        if self.sizes:
            more, less = theta[self.size_row], theta[self.size_row + 1]
            self.gg, self.wg = more + less, less - more
            node = node + 4 * more * less / self.gg
        limits, above, below = self.limits, *self.limits.split(self.p / self.t)[:2]
        with_limit = above + below
        corner = np.divide(1.0, with_limit, out=np.full_like(with_limit, _NEVER), where=with_limit > 0)
        corner[limits.equal] = 0.0
        corner = np.hstack([np.ones((len(corner), self.width)), corner])
        extra, extra_corner = self._sums()
        self.system = ChainSystem(self.columns, np.maximum(node, 1e-14), link, self.fixed, corner, extra, extra_corner)
        return self.system.solvable

    def _sums(self) -> tuple[Float, Float]:
        """Columns and corner of the limited sums, seen through z and g."""
        columns, corner = [], []
        slack = self.limits.split(self.t / self.p)
        for mask, helper, part in ((self.limits.turnover, "z", slack[2]), (self.limits.gross, "g", slack[3])):
            for h in np.flatnonzero(mask):
                column = np.zeros(self.w.shape)
                column[h] = -self.tz[h] / self.zz[h] if helper == "z" else -self.wg[h] / self.gg[h]
                columns.append(moves_back(column) if helper == "z" else column)
                corner.append(part[h] + (1 / (self.zz if helper == "z" else self.gg)[h]).sum())
        return np.array(columns).reshape(len(columns), *self.w.shape), np.array(corner)

    def _direction(self, product_s: Float, product_t: Float, *, refine: bool) -> Move:
        """The Newton direction towards complementary products of zero less ``product``."""
        theta, limits = self.theta, self.limits
        # Slack and multiplier of every inequality in terms of the move of (w, z, g):
        # dm = theta * (A d + r_s) - product / s, where A d is the move of the left-hand side.
        push = theta * self.r_s - product_s / self.s
        push_t = (self.p * self.r_t - product_t) / self.t
        above, below, turnover, gross = limits.split(push_t)
        b_w = -(self.r_w + push[0] - push[1])
        b_z = b_g = np.zeros(self.w.shape)
        if self.trades:
            b_z = push[2] + push[3] - self.r_z
            if self.cap is not None:
                b_z = b_z - push[4]
            b_w -= moves_back(push[2] - push[3] + self.tz / self.zz * b_z)
        if self.sizes:
            more, less = push[self.size_row], push[self.size_row + 1]
            b_g = more + less - self.r_g
            b_w -= more - less + self.wg / self.gg * b_g
        right = np.where(limits.equal, -self.r_eq, 0.0)
        up, down = limits.split(self.p / self.t)[:2]
        right -= np.divide(above - below, up + down, out=np.zeros_like(above), where=up + down > 0)
        sums = []
        weight = limits.split(self.t / self.p)
        for mask, part, slack, b, curvature in (
            (limits.turnover, turnover, weight[2], b_z, "zz"),
            (limits.gross, gross, weight[3], b_g, "gg"),
        ):
            for h in np.flatnonzero(mask):
                sums.append(-part[h] * slack[h] - (b[h] / getattr(self, curvature)[h]).sum())
        none = np.zeros((len(right), self.width))
        c = np.concatenate([np.hstack([none, right]).ravel(), sums])
        w, x = self.system.solve(b_w, c, refine=refine)
        return self._unfolded(w, x, b_z, b_g, push, push_t)

    def _unfolded(self, w: Float, x: Float, b_z: Float, b_g: Float, push: Float, push_t: Float) -> Move:
        """The moves of everything that was eliminated."""
        limits, n_periods = self.limits, len(w)
        count = n_periods * self.columns.width
        net = x[:count].reshape(n_periods, -1)[:, self.width :]
        z = g = np.zeros(w.shape)
        parts = [w, -w]
        lift_z, lift_g = np.zeros(n_periods), np.zeros(n_periods)
        n_turnover = int(limits.turnover.sum())
        lift_z[limits.turnover], lift_g[limits.gross] = x[count : count + n_turnover], x[count + n_turnover :]
        if self.trades:
            trade = moves(w)
            z = (b_z - lift_z[:, None] - self.tz * trade) / self.zz
            parts += [trade - z, -trade - z]
            if self.cap is not None:
                parts.append(z)
        if self.sizes:
            g = (b_g - lift_g[:, None] - self.wg * w) / self.gg
            parts += [w - g, -w - g]
        left = np.array(parts)
        moved = limits.values(self.problem.row_values(w), z, g)
        dy = np.where(limits.equal, net, 0.0)
        dp = push_t + self.p / self.t * moved
        return Move(w, z, g, dy, -self.r_s - left, push + self.theta * left, -self.r_t - moved, dp)
