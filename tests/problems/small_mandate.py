"""Thirty names, a model of their risk, and the utility that a mandate maximises, from its definition."""

import numpy as np

from quantray.covariance.factor import FactorModel
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective

N, K = 30, 3

FREE = Limits(budget=(-100.0, 100.0), weight=(-50.0, 50.0))


def random_model(n_assets=N, n_factors=K, seed=0):
    """Daily covariance of a market, weaker factors and specific risk."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0, 1, (n_assets, n_factors))
    loadings[:, :1] = generator.normal(1, 0.3, (n_assets, min(1, n_factors)))
    deviation = np.r_[0.01, np.full(n_factors, 0.004)][:n_factors]
    return FactorModel(loadings, np.diag(deviation**2), generator.uniform(0.01, 0.03, n_assets) ** 2)


MODEL = random_model()

ALPHA = np.random.default_rng(1).normal(0, 1e-3, N)

HELD = np.random.default_rng(2).dirichlet(np.full(N, 3.0))

SECTORS = np.array(["banks", "energy", "tech"])[np.arange(N) % 3]

MARKET = Market(
    cost=np.full(N, 2e-4),
    beta=MODEL.loadings[:, 0],
    sectors=SECTORS,
    adv=np.random.default_rng(3).uniform(0.2, 2.0, N),
    benchmark=np.full(N, 1 / N),
)


def solve(limits, *, alpha=ALPHA, model=MODEL, previous=HELD, market=MARKET, objective=None, used_turnover=0.0):
    optimiser = MeanVariance(limits, model.n_assets, model.n_factors, objective=objective)
    solution = optimiser.solve(alpha=alpha, model=model, previous=previous, market=market, used_turnover=used_turnover)
    assert solution.residuals.worst <= 1e-6
    return solution


def utility(weights, *, alpha=ALPHA, model=MODEL, previous=HELD, market=MARKET, aim=Objective()):  # noqa: B008
    """Alpha less risk and costs, from the dense covariance."""
    trade = np.abs(weights - previous)
    value = alpha @ weights - aim.risk_aversion / 2 * weights @ model.dense() @ weights
    if market.cost is not None:
        value -= aim.cost_aversion * market.cost @ trade
    if market.impact is not None:
        value -= aim.cost_aversion * market.impact @ trade**1.5
    if market.borrow is not None:
        value -= market.borrow @ np.maximum(-weights, 0)
    return value


def binding(solution, name):
    (found,) = [limit for limit in solution.binding if limit.name == name]
    return found


FREE_BUDGET = Limits(budget=(1.0, 1.0), weight=(-50.0, 50.0))
