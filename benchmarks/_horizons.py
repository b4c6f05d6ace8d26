"""Problems of several periods: random ones that have a plan, a basket to be traded, and a portfolio on fading alpha."""

import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from quantray.portfolio.chains import moves
from quantray.portfolio.horizon_problem import HorizonProblem


def random_horizon(seed: int) -> tuple[HorizonProblem, np.ndarray]:
    """A problem of up to five periods and thirty names, and a plan within its limits; terms and limits come and go."""
    generator = np.random.default_rng(seed)
    chosen = dict(zip(_CHOICES, generator.random(len(_CHOICES)) < list(_CHOICES.values()), strict=True))
    shape = n_periods, n_assets = int(generator.integers(1, 6)), int(generator.integers(2, 30))
    n_factors, scale = int(generator.integers(0, 4)), 10 ** generator.uniform(-3, 1)
    previous, path = _path(generator, shape, chosen["long only"])
    trade = np.abs(moves(path, previous))
    n_rows = int(generator.integers(0, 3))
    rows = generator.normal(1, 0.5, size=(n_periods, n_rows, n_assets))
    rows[:, :1] = 1.0
    rows = rows if chosen["rows of periods"] else rows[0]
    values = np.einsum("hmn,hn->hm", np.broadcast_to(rows, (n_periods, n_rows, n_assets)), path)
    below = generator.choice([0, 0.01, 0.1, np.inf], size=values.shape)
    above = np.where(below == 0, 0, generator.choice([0.01, 0.1, np.inf], size=values.shape))
    lower = np.zeros(shape) if chosen["long only"] else np.full(shape, -np.inf if chosen["no bounds"] else -0.3)
    upper = np.maximum(path + 0.01, generator.uniform(1.05, 8) / n_assets)
    if chosen["terminal"]:
        lower[-1] = upper[-1] = path[-1]
    fixed = chosen["fixed"] & (generator.random(shape) < 0.2)
    root = generator.normal(size=(n_periods, n_assets, n_factors)) * np.sqrt(scale) * 0.3
    tight = generator.choice([1.001, 1.3])
    terms = {
        "cost": np.full(shape, 10 ** generator.uniform(-5, -1) * scale),
        "quadratic": generator.uniform(0, 1, shape) * scale,
        "impact": generator.uniform(0, 0.1, shape) * scale,
        "short": np.full(shape, 0.01 * scale),
        "cap": trade * tight + 0.001,
        "turnover": trade.sum(axis=1) * tight,
        "gross": np.abs(path).sum(axis=1) * tight,
    }
    problem = HorizonProblem(
        linear=-generator.normal(size=shape) * 0.1 * scale,
        diagonal=generator.uniform(0.05, 0.2, shape) * scale,
        root=root if chosen["models of periods"] else root[0],
        previous=previous,
        lower=np.where(fixed, path, lower),
        upper=np.where(fixed, path, upper),
        rows=rows,
        row_lower=values - below,
        row_upper=values + above,
        **{name: values for name, values in terms.items() if chosen[name]},
    )
    return problem, path


_CHOICES = {
    "long only": 0.5,
    "rows of periods": 0.3,
    "models of periods": 0.3,
    "no bounds": 0.2,
    "terminal": 0.4,
    "fixed": 0.3,
    "cost": 0.7,
    "quadratic": 0.5,
    "impact": 0.4,
    "short": 0.2,
    "cap": 0.4,
    "turnover": 0.4,
    "gross": 0.3,
}


def _path(generator: np.random.Generator, shape: tuple[int, int], long_only: bool) -> tuple[np.ndarray, np.ndarray]:
    def portfolio() -> np.ndarray:
        return generator.dirichlet(np.ones(shape[1])) if long_only else generator.normal(size=shape[1]) * 0.05

    now = previous = portfolio()
    path = []
    for _ in range(shape[0]):
        now = now + 0.3 * (portfolio() - now)
        path.append(now)
    return previous, np.array(path)


def basket(n_assets: int, n_periods: int, n_factors: int, seed: int, *, power: bool) -> HorizonProblem:
    """Orders to buy and to sell, as shares of their value, to be done in the last period: spread, impact and risk.

    Participation is capped, no order turns round, and what is bought may run ahead of what is sold by 5 %.
    """
    generator = np.random.default_rng(seed)
    orders = generator.normal(size=n_assets)
    orders /= np.abs(orders).sum()
    deviation, root = _risk(generator, n_assets, n_factors)
    volume = np.abs(orders) * 10 ** generator.uniform(-0.3, 1.5, n_assets)
    every = np.ones((n_periods, 1))
    lower, upper = np.minimum(-orders, 0) * every, np.maximum(-orders, 0) * every
    lower[-1] = upper[-1] = 0.0
    strength = 0.15 * deviation * (volume**-0.5 if power else volume**-1.0)
    return HorizonProblem(
        linear=np.zeros((n_periods, n_assets)),
        diagonal=30.0 * (0.7 * deviation) ** 2 * every,
        root=root * np.sqrt(30.0),
        previous=-orders,
        lower=lower,
        upper=upper,
        rows=np.ones((1, n_assets)),
        row_lower=np.full((n_periods, 1), -0.05),
        row_upper=np.full((n_periods, 1), 0.05),
        cost=np.full((n_periods, n_assets), 3e-4),
        cap=np.maximum(0.3 * volume, 1.2 * np.abs(orders) / n_periods) * every,
        **{"impact" if power else "quadratic": strength * every},
    )


def fading(n_assets: int, n_periods: int, n_factors: int, seed: int, *, power: bool = True) -> HorizonProblem:
    """A long portfolio, fully invested, on weekly alpha of which half is left after four weeks."""
    generator = np.random.default_rng(seed)
    held = generator.dirichlet(np.ones(n_assets))
    deviation, root = (part * np.sqrt(5) for part in _risk(generator, n_assets, n_factors))
    volume = 10 ** generator.uniform(-2, 0.5, n_assets)
    every = np.ones((n_periods, 1))
    left = 0.5 ** (np.arange(n_periods) / 4)[:, None]
    return HorizonProblem(
        linear=-generator.normal(size=n_assets) * deviation * 0.05 * left,
        diagonal=10.0 * (0.7 * deviation) ** 2 * every,
        root=root * np.sqrt(10.0),
        previous=held,
        lower=np.zeros((n_periods, n_assets)),
        upper=np.maximum(5 / n_assets, held) * every,
        rows=np.ones((1, n_assets)),
        row_lower=every,
        row_upper=every,
        cost=np.full((n_periods, n_assets), 3e-4),
        cap=0.05 * volume * every,
        **{"impact" if power else "quadratic": 0.5 * deviation / np.sqrt(volume) * every},
    )


def _risk(generator: np.random.Generator, n_assets: int, n_factors: int) -> tuple[np.ndarray, np.ndarray]:
    deviation = generator.uniform(0.01, 0.03, n_assets)
    root = 0.3 * generator.normal(size=(n_assets, n_factors)) * deviation[:, None]
    root[:, 0] = 0.6 * deviation
    return deviation, root


@dataclass(frozen=True)
class Conic:
    """What Clarabel made of a problem through cvxpy."""

    weights: np.ndarray | None
    """None where it found no plan."""
    seconds: float
    """Of the solver alone, without cvxpy."""


def by_clarabel(problem: HorizonProblem) -> Conic:
    """The same problem through cvxpy, its objective scaled to a size of about one, as solvers stop at absolute gaps."""
    (n_periods, n_assets), none = problem.shape, np.zeros(problem.shape)
    w = cp.Variable(problem.shape)
    trade = w - cp.vstack([problem.previous[None], w[:-1]]) if n_periods > 1 else w - problem.previous[None]
    value = cp.sum(cp.multiply(problem.linear, w)) + 0.5 * cp.sum_squares(cp.multiply(np.sqrt(problem.diagonal), w))
    for coefficient, amount in (
        (problem.cost, cp.abs(trade)),
        (problem.quadratic, cp.square(trade)),
        (problem.impact, cp.power(cp.abs(trade), 1.5)),
        (problem.short, cp.neg(w)),
    ):
        if coefficient is not None:
            value += cp.sum(cp.multiply(coefficient, amount))
    limits = []
    for sign, bound in ((1.0, problem.upper), (-1.0, -problem.lower)):
        finite = np.isfinite(bound)
        limits.append(sign * w[finite] <= bound[finite])
    if problem.cap is not None:
        limits.append(cp.abs(trade) <= problem.cap)
    for h in range(n_periods):
        root = problem.root if problem.root.ndim == 2 else problem.root[h]
        rows = problem.rows if problem.rows.ndim == 2 else problem.rows[h]
        if root.shape[1]:
            value += 0.5 * cp.sum_squares(root.T @ w[h])
        for sign, bound in ((1.0, problem.row_upper[h]), (-1.0, -problem.row_lower[h])):
            finite = np.isfinite(bound)
            if finite.any():
                limits.append(sign * (rows[finite] @ w[h]) <= bound[finite])
        for most, amount in ((problem.turnover, trade[h]), (problem.gross, w[h])):
            if most is not None:
                limits.append(cp.norm1(amount) <= most[h])
    scale = problem.size(none + 1 / n_assets)
    task = cp.Problem(cp.Minimize(value / scale), limits)
    with warnings.catch_warnings():
        # An inaccurate solution is measured by its objective.
        warnings.simplefilter("ignore", UserWarning)
        task.solve(solver="CLARABEL")
    seconds = float(task.solver_stats.solve_time) if task.solver_stats is not None else float("nan")
    return Conic(None if w.value is None else np.asarray(w.value), seconds)
