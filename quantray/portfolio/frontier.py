"""Portfolios that need no preference or many: least variance, highest Sharpe ratio, and the frontier between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.solve import Solution

__all__ = ["FrontierPoint", "efficient_frontier", "maximum_sharpe", "minimum_variance"]

_STEP, _REACH = 3.0, 45.0
"""Of logarithms of risk aversions, between those that are tried and from the first to the last."""


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """A portfolio on the efficient frontier."""

    expected_return: float
    """Over one period of alpha."""
    volatility: float
    """Over one period of the model."""
    solution: Solution


def minimum_variance(
    limits: Limits, model: FactorModel, *, previous: Float | None = None, market: Market | None = None
) -> Solution:
    """The portfolio of least variance within the limits; costs count only through the limits."""
    free_of_cost = replace(market or Market(), cost=None, impact=None, borrow=None, tax=None)
    # Risk is scaled to order one, so that tolerances mean the same for daily and yearly covariances.
    aim = Objective(risk_aversion=1.0 / max(float(model.variances.mean()), 1e-300), cost_aversion=0.0)
    optimiser = MeanVariance(limits, model.n_assets, model.n_factors, objective=aim)
    return optimiser.solve(alpha=np.zeros(model.n_assets), model=model, previous=previous, market=free_of_cost)


def efficient_frontier(
    limits: Limits,
    *,
    alpha: Float,
    model: FactorModel,
    risk_aversions: Sequence[float],
    previous: Float | None = None,
    market: Market | None = None,
) -> tuple[FrontierPoint, ...]:
    """The best portfolios for several risk aversions, costs counted once.

    Raises
    ------
    InputError, InfeasibleError, SolverError
        As ``MeanVariance.solve``.
    """
    points = []
    for aversion in risk_aversions:
        aim = Objective(risk_aversion=float(aversion), cost_aversion=1.0)
        optimiser = MeanVariance(limits, model.n_assets, model.n_factors, objective=aim)
        solution = optimiser.solve(alpha=alpha, model=model, previous=previous, market=market)
        risk = float(np.sqrt(model.variance(solution.weights)))
        points.append(FrontierPoint(float(alpha @ solution.weights), risk, solution))
    return tuple(points)


def maximum_sharpe(
    limits: Limits,
    *,
    alpha: Float,
    model: FactorModel,
    risk_free: float = 0.0,
    previous: Float | None = None,
    market: Market | None = None,
) -> Solution:
    """The portfolio with the highest ratio of expected excess return to volatility, before costs.

    There an aversion to risk equals what the portfolio gains per unit of variance, and below and above it does not.

    Raises
    ------
    InputError
        No feasible portfolio has an expected return above the risk-free rate, or no asset has any risk.
    """
    free_of_cost = replace(market or Market(), cost=None, impact=None, borrow=None, tax=None)

    def at(log_aversion: float) -> FrontierPoint:
        (point,) = efficient_frontier(
            limits,
            alpha=alpha,
            model=model,
            risk_aversions=[float(np.exp(log_aversion))],
            previous=previous,
            market=free_of_cost,
        )
        return point

    def excess(log_aversion: float) -> float:
        """Of what risk costs over what it gains; it changes its sign once, where the ratio is highest."""
        point = at(log_aversion)
        return float(np.exp(log_aversion)) * point.volatility**2 - (point.expected_return - risk_free)

    variance = float(model.variances.mean())
    if not variance > 0:
        raise InputError("no asset has any risk, so no Sharpe ratio is highest.")
    # The guess is of one asset; the best portfolio may be far from it.
    low = high = float(np.log(max(float(np.abs(alpha).mean()) / variance, 1e-6)))
    least, most = low - _REACH, high + _REACH
    while (over := excess(high)) < 0 and high < most:
        low, high = high, high + _STEP
    while excess(low) > 0:
        low, high = low - _STEP, low
        if low < least:
            raise InputError("no portfolio within the limits has an expected return above the risk-free rate.")
    return at(brentq(excess, low, high, xtol=1e-6) if over > 0 else high).solution
