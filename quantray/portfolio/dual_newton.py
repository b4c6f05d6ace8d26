"""A Newton method in the prices of what couples assets (see ``problem``): some twenty numbers, however many assets.

Factor exposures, rows and the two sums couple assets; given a price for each, every asset answers for itself (see
``responses``). The right prices maximise a concave function whose gradient is what the answers leave: exposures
that differ from their price, rows and sums that are not met. Its second derivative counts the assets that give way
to a price, those not at a bound or a kink; it is piecewise constant without impact, so that Newton's method ends
after finitely many steps at the exact optimum, whatever N. Far from there, where few assets give way now but many
would on the way, the derivative is taken as a difference over a width of slopes that shrinks with the steps.

A step costs N (K + M)^2 operations for K factors and M rows, over the assets that give way, and a look along it some
ten operations on N-vectors. The prices of a day are a good start for the next.

Source: Qi and Sun (1993), *A nonsmooth version of Newton's method*, Mathematical Programming 58; Li, Sun and Toh
(2018), *A highly efficient semismooth Newton augmented Lagrangian method*, SIAM J. Optim. 28(1).
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from quantray.arrays import Float
from quantray.portfolio.problem import Prices, StructuredProblem, StructuredResult, certified_gap
from quantray.portfolio.responses import Responses

__all__ = ["has_unique_answers", "solve_by_prices"]

_MOST_STEPS = 40
_RIDGE = 1e-5
"""Of the derivative if all assets gave way, times what is not met: a price that nobody answers to moves, not far."""


def has_unique_answers(problem: StructuredProblem) -> bool:
    """Whether every asset has risk of its own or impact, which the method needs."""
    curvature = problem.diagonal if problem.impact is None else problem.diagonal + problem.impact
    return bool((curvature > 0).all())


def solve_by_prices(
    problem: StructuredProblem, *, tolerance: float = 1e-8, start: Prices | None = None
) -> StructuredResult:
    """Solve a problem with unique answers; ``converged`` is False where the certificate does not say so.

    Parameters
    ----------
    tolerance : on the violation of limits in weights, and on the certified gap relative to the size of the objective.
    start : prices of a problem of the same shape, such as yesterday's; by default exposures are priced at holdings.
    """
    search = _Search(problem, start)
    # On problems without a solution prices grow without bound; that ends the run, not the program.
    with np.errstate(all="ignore"):
        search.run(1e-2 * tolerance)
    prices, weights = search.prices(), search.w
    if not (np.isfinite(weights).all() and np.isfinite(prices.exposures).all()):
        return StructuredResult(np.clip(problem.previous, search.own.low, search.own.high), False, search.count, prices)
    gap = certified_gap(problem, weights, prices.rows, prices.turnover, prices.gross)
    certified = gap <= tolerance * problem.size(weights) and problem.violation(weights) <= tolerance
    return StructuredResult(weights, certified, search.count, prices, gap)


class _Search:
    """Prices in the order of ``columns``: factors, equalities, rows from above and from below, then the two sums."""

    def __init__(self, problem: StructuredProblem, start: Prices | None) -> None:
        self.own, self.h = Responses(problem), problem.previous
        equal = problem.row_upper - problem.row_lower <= 1e-13
        self._index = (
            np.flatnonzero(equal),
            np.flatnonzero(~equal & np.isfinite(problem.row_upper)),
            np.flatnonzero(~equal & np.isfinite(problem.row_lower)),
        )
        at, above, below = self._index
        self.columns = np.concatenate([problem.root.T, problem.rows[at], problem.rows[above], -problem.rows[below]])
        self.k, self.n_rows = problem.root.shape[1], len(equal)
        self.n_free = self.k + len(at)
        self.turnover, self.gross = bool(np.isfinite(problem.turnover)), bool(np.isfinite(problem.gross))
        sums = [value for value in (problem.turnover, problem.gross) if np.isfinite(value)]
        sides = [problem.row_upper[at], problem.row_upper[above], -problem.row_lower[below]]
        self.rhs = np.concatenate([np.zeros(self.k), *sides, sums])
        self.p = len(self.columns)
        self.half_short = np.zeros(len(self.h)) if problem.short is None else problem.short / 2
        self.cost = problem.cost
        # short max(-w, 0) = short (|w| - w) / 2
        self.q = problem.linear if problem.short is None else problem.linear - self.half_short
        self.v = self._started(problem, start)
        self.slope = self.q + self.v[: self.p] @ self.columns
        self.w = self._answer(self.v, self.slope)
        typical = self.own.typical
        # Exposures are priced at themselves, which is curvature enough.
        rows = self.columns[self.k :] ** 2 @ typical
        self.ridge = np.concatenate([np.zeros(self.k), rows, np.full(len(sums), typical.sum())])
        # The prices of another day are nearer than none.
        self.width = (0.5 if start is None else 0.2) * self._first_width(problem)
        self.size = problem.size(self.h)
        self._space = np.empty(len(self.rhs) * len(self.h))
        self.count = 0

    def _started(self, problem: StructuredProblem, start: Prices | None) -> Float:
        if start is None:
            return np.concatenate([problem.root.T @ self.h, np.zeros(len(self.rhs) - self.k)])
        at, above, below = self._index
        sums = [start.turnover] * self.turnover + [start.gross] * self.gross
        bounded = np.concatenate([start.rows[above], -start.rows[below], sums])
        return np.concatenate([start.exposures, start.rows[at], np.maximum(bounded, 0.0)])

    def _first_width(self, problem: StructuredProblem) -> float:
        """By how much slopes differ, and what it takes to pay for a trade."""
        spread = np.abs(self.slope - self.slope.mean()).mean()
        return float(spread + problem.cost.mean() + 1 / self.own.typical.sum())

    def prices(self) -> Prices:
        """In the form of results."""
        at, above, below = self._index
        rows = np.zeros(self.n_rows)
        rows[at] = self.v[self.k : self.n_free]
        end = self.n_free + len(above)
        rows[above] += self.v[self.n_free : end]
        rows[below] -= self.v[end : self.p]
        sums = list(self.v[self.p :])
        turnover = float(sums.pop(0)) if self.turnover else 0.0
        return Prices(rows, turnover, float(sums.pop(0)) if self.gross else 0.0, self.v[: self.k].copy())

    def _answer(self, v: Float, slope: Float) -> Float:
        charge = self.cost + v[self.p] if self.turnover else self.cost
        hold = self.half_short + v[-1] if self.gross else self.half_short
        return self.own.weights(slope, charge, hold)

    def run(self, tolerance: float) -> None:
        """Step until all is met, or nothing moves any more."""
        while True:
            left = self._left()
            unmet = self._unmet(left)
            away = left[: self.k]
            met = unmet <= tolerance and away @ away <= tolerance * self.size
            if met or self.count == _MOST_STEPS:
                return
            self.count += 1
            move = self._move(left, self._curvature(unmet))
            if move is None or not self._go(left, move):
                return

    def _left(self) -> Float:
        """The gradient: what is not met at the prices."""
        sums = [np.abs(self.w - self.h).sum()] * self.turnover + [np.abs(self.w).sum()] * self.gross
        left: Float = np.concatenate([self.columns @ self.w, sums]) - self.rhs
        left[: self.k] -= self.v[: self.k]
        return left

    def _unmet(self, left: Float) -> float:
        """By how much rows and sums are missed, weights' own unit."""
        bounded, priced = left[self.n_free :], self.v[self.n_free :] > 0
        missed = np.where(priced, np.abs(bounded), bounded).max(initial=0.0)
        return float(max(np.abs(left[self.k : self.n_free]).max(initial=0.0), missed))

    def _curvature(self, unmet: float) -> Float:
        """The second derivative, less its sign."""
        if self.width > 0:
            moved = [self._answer(self.v, self.slope + side * self.width) for side in (-1.0, 1.0)]
            give = (moved[0] - moved[1]) / (2 * self.width)
        else:
            give = self.own.give(self.w)
        giving = np.flatnonzero(give > 0)
        # One piece of memory for all steps: new pages would cost more than the arithmetic.
        columns = self._space[: len(self.rhs) * len(giving)].reshape(len(self.rhs), len(giving))
        self.columns.take(giving, axis=1, out=columns[: self.p], mode="clip")
        if self.turnover:
            columns[self.p] = np.sign(self.w[giving] - self.h[giving])
        if self.gross:
            columns[-1] = np.sign(self.w[giving])
        give = give[giving]
        columns *= np.sqrt(give)
        matrix = columns @ columns.T
        diagonal = matrix.ravel()[:: len(matrix) + 1]
        # Over a width, assets at a kink would answer on either side.
        diagonal[self.p :] = give.sum()
        diagonal += self.ridge * max(1e-13, _RIDGE * min(1.0, unmet))
        diagonal[: self.k] += 1.0
        return matrix

    def _move(self, left: Float, matrix: Float) -> Float | None:
        """To the maximum of the quadratic model where bounded prices stay positive; None where it has none."""
        low = np.full(len(left), -np.inf)
        low[self.n_free :] = -self.v[self.n_free :]
        held = (low >= 0) & (left <= 0)
        move = np.zeros(len(left))
        for _ in range(3 * len(left)):
            free = ~held
            move[held] = low[held]
            if free.any():
                rows = matrix[free]
                factor, info = dpotrf(rows[:, free], lower=1)
                if info != 0:
                    return None
                move[free] = dpotrs(factor, left[free] - rows[:, held] @ move[held], lower=1)[0]
            below = ~held & (move < low)
            if below.any():
                held |= below
                continue
            if not held.any():
                return move
            pull = np.where(held, left - matrix @ move, 0.0)
            if pull.max() <= 1e-12 * np.abs(left).max():
                return move
            held[np.argmax(pull)] = False
        return np.asarray(np.maximum(move, low))

    def _go(self, left: Float, move: Float) -> bool:
        """As far along a move as the function rises; False where that is nowhere."""
        change = move[: self.p] @ self.columns
        falling = (move[self.n_free :] < 0).nonzero()[0] + self.n_free
        most = float((-self.v[falling] / move[falling]).min()) if len(falling) else np.inf
        tried: dict[float, Float] = {}

        def rise(length: float) -> float:
            v = self.v + length * move
            w = self._answer(v, self.slope + length * change)
            tried[length] = w
            value = w @ change - self.rhs @ move - v[: self.k] @ move[: self.k]
            if self.turnover:
                value += move[self.p] * np.abs(w - self.h).sum()
            if self.gross:
                value += move[-1] * np.abs(w).sum()
            return float(value)

        length = _where_it_is_level(rise, float(left @ move), max(most, 1.0))
        if not np.isfinite(length) or length == 0:
            return False
        self.v = self.v + length * move
        self.v[self.n_free :] = np.maximum(self.v[self.n_free :], 0.0)
        self.slope = self.slope + length * change
        self.w = tried[length]
        self._narrow(length * float(np.abs(change).mean()))
        return True

    def _narrow(self, moved: float) -> None:
        """Assets that a step like the last would reach are those whose answers count."""
        self.width = min(0.5 * self.width, 0.3 * moved)
        if self.width < 1e-12 * np.abs(self.slope).max():
            self.width = 0.0


def _where_it_is_level(rise: Callable[[float], float], first: float, most: float) -> float:
    """A length, at most ``most``, where a derivative that falls from ``first`` is small; NaN where it is unknown."""
    if not first > 0:
        # Nothing rises along the move, but for rounding.
        return float("nan")
    low, at_low, high = 0.0, first, 1.0
    value = rise(high)
    while value > 0.3 * first and high < most:
        low, at_low = high, value
        high = min(most, 4 * high, 1e6)
        value = rise(high)
        if high >= 1e6:
            break
    if not np.isfinite(value) or value >= -0.5 * first:
        return high if np.isfinite(value) else float("nan")
    at_high = value
    for _ in range(40):
        # Regula falsi, kept off the ends, which it would approach for ever.
        middle = low + (high - low) * min(max(at_low / (at_low - at_high), 0.05), 0.95)
        value = rise(middle)
        if abs(value) <= 0.1 * first:
            break
        if value > 0:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return middle
