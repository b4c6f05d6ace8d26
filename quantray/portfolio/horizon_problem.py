"""The portfolio problem over several periods, and a certificate of how far a plan is from the best.

With w_h the (N,) weights of period h = 1..H, w_0 the holdings before and t_h = w_h - w_(h-1) the trades::

    minimise    sum_h linear_h'w_h + 1/2 w_h'diag(diagonal_h)w_h + 1/2 |root_h'w_h|^2 + sum short_h max(-w_h, 0)
                + sum cost_h|t_h| + sum quadratic_h t_h^2 + sum impact_h|t_h|^(3/2)
    subject to  lower_h <= w_h <= upper_h,  |t_h| <= cap_h,  row_lower_h <= rows_h w_h <= row_upper_h,
                sum|t_h| <= turnover_h,  sum|w_h| <= gross_h

An execution schedule is such a problem too: w are the shares of a basket's value still to be traded, which begin at
the orders and are fixed at zero in the last period. Money that trades leave or need adds up over periods, so a limit on
cash is a row on weights. Linear permanent impact costs ``(w_H - w_0)^2 / 2`` times its slope whatever the path.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.portfolio.chains import moves, moves_back
from quantray.portfolio.problem import NOTHING

__all__ = ["HorizonPrices", "HorizonProblem", "horizon_gap", "within_reach"]


@dataclass(frozen=True, eq=False, kw_only=True)
class HorizonProblem:
    """See the module; infinite bounds mean none, ``lower == upper`` fixes a weight.

    Raises
    ------
    InputError
        Shapes disagree, a value is missing, or a cost, variance or cap is negative.
    """

    linear: Float
    """(H, N)."""
    diagonal: Float
    """(H, N), not negative."""
    root: Float
    """(N, K) of all periods, or (H, N, K)."""
    previous: Float
    """(N,) holdings before."""
    lower: Float
    """(H, N)."""
    upper: Float
    """(H, N)."""
    rows: Float
    """(M, N) of all periods, or (H, M, N)."""
    row_lower: Float
    """(H, M); equal to ``row_upper`` for an equality."""
    row_upper: Float
    """(H, M)."""
    cost: Float | None = None
    """(H, N), not negative."""
    quadratic: Float | None = None
    """(H, N), not negative."""
    impact: Float | None = None
    """(H, N), not negative."""
    short: Float | None = None
    """(H, N), not negative: the cost of a unit sold short."""
    cap: Float | None = None
    """(H, N), not negative."""
    turnover: Float | None = None
    """(H,)."""
    gross: Float | None = None
    """(H,)."""

    def __post_init__(self) -> None:
        if self.linear.ndim != 2 or not self.linear.size:
            raise InputError(f"linear is {self.linear.shape}; it must be (H, N) with a period and an asset at least.")
        (n_periods, n_assets), n_rows = self.linear.shape, self.rows.shape[-2] if self.rows.ndim in (2, 3) else 0
        path, limits = (n_periods, n_assets), (n_periods, n_rows)
        shapes = dict.fromkeys(("linear", "diagonal", "lower", "upper"), path) | {"previous": (n_assets,)}
        shapes |= dict.fromkeys(("cost", "quadratic", "impact", "short", "cap"), path)
        shapes |= {"row_lower": limits, "row_upper": limits, "turnover": (n_periods,), "gross": (n_periods,)}
        for name, shape in shapes.items():
            self._check(name, shape)
        for name, wanted in (("root", (n_assets, -1)), ("rows", (-1, n_assets))):
            shape = getattr(self, name).shape
            fits = len(shape) == 2 or (len(shape) == 3 and shape[0] == n_periods)
            if not fits or any(w not in (-1, s) for w, s in zip(wanted, shape[-2:], strict=True)):
                raise InputError(f"{name} is {shape} for {n_periods} periods and {n_assets} assets.")
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"{name} holds NaN or infinite values.")

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        values = getattr(self, name)
        if values is None:
            return
        if values.shape != shape:
            raise InputError(f"{name} is {values.shape}; it must be {shape}.")
        if np.isnan(values).any() or (name in _FINITE and np.isinf(values).any()):
            raise InputError(f"{name} holds NaN or infinite values; leave those assets out or fill them.")
        if name in _POSITIVE and (values < 0).any():
            raise InputError(f"{name} holds negative values.")

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of periods and of assets."""
        return self.linear.shape[0], self.linear.shape[1]

    def objective(self, weights: Float) -> float:
        """The value that is minimised."""
        trade = np.abs(moves(weights, self.previous))
        value = (self.linear * weights).sum() + 0.5 * self._risk(weights)
        for coefficient, amount in (
            (self.cost, trade),
            (self.quadratic, trade**2),
            (self.impact, trade**1.5),
            (self.short, np.maximum(-weights, 0.0)),
        ):
            if coefficient is not None:
                value += (coefficient * amount).sum()
        return float(value)

    def size(self, weights: Float) -> float:
        """The size of the objective's terms at these weights and holdings, against which gaps are measured."""
        n_assets = self.shape[1]
        before = np.vstack([self.previous, weights[:-1]])
        held = np.abs(weights) + np.abs(before) + NOTHING / n_assets
        variance = self.diagonal + (self.root**2).sum(axis=-1)
        risk = self._risk(weights) + (NOTHING / n_assets) ** 2 * variance.sum()
        linear = np.abs(self.linear) if self.cost is None else np.abs(self.linear) + self.cost
        return float((linear * held).sum() + 0.5 * risk)

    def violation(self, weights: Float) -> float:
        """The largest amount by which weights break a bound, a cap, a row or a sum."""
        values, trade = self.row_values(weights), np.abs(moves(weights, self.previous))
        excess = [self.lower - weights, weights - self.upper, self.row_lower - values, values - self.row_upper]
        if self.cap is not None:
            excess.append(trade - self.cap)
        if self.turnover is not None:
            excess.append(trade.sum(axis=1) - self.turnover)
        if self.gross is not None:
            excess.append(np.abs(weights).sum(axis=1) - self.gross)
        return float(max(each.max(initial=0.0) for each in excess))

    def exposures(self, weights: Float) -> Float:
        """(H, K) to factors, for (H, N)."""
        if self.root.ndim == 2:
            return np.asarray(weights @ self.root)
        return np.asarray((weights[:, None, :] @ self.root)[:, 0])

    def row_values(self, weights: Float) -> Float:
        """(H, M) values of the rows."""
        if self.rows.ndim == 2:
            return np.asarray(weights @ self.rows.T)
        return np.asarray((self.rows @ weights[:, :, None])[..., 0])

    def _risk(self, weights: Float) -> float:
        return float((self.diagonal * weights**2).sum() + (self.exposures(weights) ** 2).sum())


_FINITE = ("linear", "diagonal", "previous", "cost", "quadratic", "impact", "short")
_POSITIVE = ("diagonal", "cost", "quadratic", "impact", "short", "cap")


@dataclass(frozen=True, eq=False)
class HorizonPrices:
    """Multipliers: by how much the objective falls per unit that a limit is eased."""

    row: Float
    """(H, M) positive at an upper limit, negative at a lower one."""
    turnover: Float
    """(H,)."""
    gross: Float
    """(H,)."""
    trade: Float
    """(H, N) the marginal cost of trading; of a purchase positive."""


def within_reach(problem: HorizonProblem) -> tuple[Float, Float]:
    """(H, N) bounds with a wide box where there are none, which a plan of sensible size never reaches."""
    held = float(np.abs(problem.previous).max(initial=0.0))
    reach = 1e3 * (1.0 + held)
    if problem.gross is not None:
        reach = min(reach, 1.5 * float(problem.gross.max()) + 1.0)
    return np.maximum(problem.lower, -reach), np.minimum(problem.upper, reach)


def horizon_gap(problem: HorizonProblem, weights: Float, prices: HorizonPrices) -> float:
    """Primal less dual objective: no plan within the limits (and ``within_reach``) is better by more.

    With exposures to factors priced at their value and trades at ``prices.trade``, the dual function separates into a
    problem of one weight and one of one trade for each asset and period, whose least values have closed forms. So the
    certificate does not depend on how the plan was found.

    Returns
    -------
    Infinite where a limit that does not exist is priced.
    """
    turnover, gross = np.maximum(prices.turnover, 0.0), np.maximum(prices.gross, 0.0)
    cost = turnover[:, None] + (0.0 if problem.cost is None else problem.cost)
    trade = _bounded(problem, prices.trade, cost)
    exposure = problem.exposures(weights)
    dual = -0.5 * float((exposure**2).sum()) - float(trade[0] @ problem.previous)
    dual += float(_least_of_weights(problem, exposure, prices.row, gross, trade).sum())
    dual += float(_least_of_trades(problem, cost, trade).sum())
    for price, limit in (
        (np.maximum(prices.row, 0.0), problem.row_upper),
        (np.minimum(prices.row, 0.0), problem.row_lower),
        (turnover, problem.turnover),
        (gross, problem.gross),
    ):
        priced = price != 0
        if priced.any():
            dual -= float(np.inf if limit is None else price[priced] @ limit[priced])
    return float(problem.objective(weights) - dual)


def _bounded(problem: HorizonProblem, price: Float, cost: Float) -> Float:
    """Trades without cap and curvature gain for ever above their cost, so their price stays within it."""
    free = np.ones(problem.shape, dtype=np.bool_) if problem.cap is None else np.isinf(problem.cap)
    for curvature in (problem.quadratic, problem.impact):
        free = free if curvature is None else free & (curvature == 0)
    return np.where(free, np.clip(price, -cost, cost), price)


def _least_of_weights(problem: HorizonProblem, exposure: Float, row: Float, gross: Float, trade: Float) -> Float:
    """(H, N) least of ``slope w + diagonal w^2 / 2 + gross|w| + short max(-w, 0)`` within bounds."""
    by_factor = exposure @ problem.root.T if problem.root.ndim == 2 else (problem.root @ exposure[..., None])[..., 0]
    by_row = row @ problem.rows if problem.rows.ndim == 2 else (row[:, None, :] @ problem.rows)[:, 0]
    slope = problem.linear + by_factor + by_row + moves_back(trade)
    low, high = within_reach(problem)
    short = np.zeros_like(slope) if problem.short is None else problem.short
    curvature = np.where(problem.diagonal > 0, problem.diagonal, np.inf)
    long_side, short_side = slope + gross[:, None], slope - gross[:, None] - short
    candidates = (low, high, np.zeros_like(low), -long_side / curvature, -short_side / curvature)

    def value(w: Float) -> Float:
        w = np.clip(w, low, high)
        return np.where(w > 0, long_side, short_side) * w + 0.5 * problem.diagonal * w**2

    return np.asarray(np.min([value(candidate) for candidate in candidates], axis=0))


def _least_of_trades(problem: HorizonProblem, cost: Float, price: Float) -> Float:
    """(H, N) least of ``cost|t| + quadratic t^2 + impact|t|^(3/2) - price t`` within caps: a root of a quadratic."""
    gain = np.maximum(np.abs(price) - cost, 0.0)
    none = np.zeros_like(gain)
    quadratic = none if problem.quadratic is None else problem.quadratic
    impact = none if problem.impact is None else problem.impact
    # 2 quadratic x^2 + 3/2 impact x = gain with x the root of the trade.
    below = 1.5 * impact + np.sqrt(2.25 * impact**2 + 8 * quadratic * gain)
    root = np.divide(2 * gain, below, out=np.full_like(gain, np.inf), where=below > 0)
    amount = np.where(gain > 0, root**2, 0.0)
    if problem.cap is not None:
        amount = np.minimum(amount, problem.cap)
    return np.asarray(quadratic * amount**2 + impact * amount**1.5 - gain * amount)
