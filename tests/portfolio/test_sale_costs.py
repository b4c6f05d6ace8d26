import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.sale_costs import sale_costs

MODEL = FactorModel(np.zeros((2, 1)), np.eye(1), np.array([0.04, 0.04]))
AIM = Objective(risk_aversion=10, cost_aversion=1)
FREE = Limits(budget=(0.0, 1.0))


def solved(alpha, tax, *, previous=(0.5, 0.5), cost=0.01, limits=FREE, aim=AIM):
    market = Market(cost=np.full(2, cost), tax=np.array(tax))
    optimiser = MeanVariance(limits, 2, 1, objective=aim)
    return optimiser.solve(alpha=np.array(alpha), model=MODEL, previous=np.array(previous), market=market)


@pytest.mark.parametrize("trade", [-0.2, -0.05, 0.0, 0.1])
@pytest.mark.parametrize("tax", [0.05, 0.0, -0.01])
def test_a_sale_costs_its_tax_on_top(trade, tax):
    cost = np.array([0.01])
    found = sale_costs(cost, np.array([tax]), np.array([0.5]), np.zeros(1), np.ones(1))
    paid = found.cost * abs(trade) + found.slope * trade
    assert_allclose(paid, 0.01 * abs(trade) + tax * max(-trade, 0.0), atol=1e-15)


def test_a_loss_worth_more_than_a_round_trip_is_not_bought_back():
    found = sale_costs(np.array([0.01, 0.01]), np.array([-0.1, -0.1]), np.array([0.5, 0.0]), np.zeros(2), np.ones(2))
    # What is not held has no loss.
    assert_allclose(found.upper, [0.5, 1.0])
    assert_allclose(found.cost[0] * 0.2 + found.slope[0] * -0.2, (0.01 - 0.1) * 0.2)


def test_what_must_be_bought_is_bought():
    found = sale_costs(np.array([0.01]), np.array([-0.1]), np.array([0.2]), np.array([0.3]), np.ones(1))
    assert_allclose(found.upper, [1.0])
    assert found.cost[0] >= 0


def test_a_tax_above_the_gain_keeps_a_holding():
    # Alpha -0.1 at a weight of 0.5 pulls by 0.1 + 10 * 0.04 * 0.5 = 0.3 a unit.
    assert_allclose(solved([-0.1, -0.1], [0.3, 0.0]).weights[0], 0.5, atol=1e-9)
    # Half the tax leaves 0.3 - 0.01 - 0.15 = 0.4 * 0.35: w = 0.15.
    assert_allclose(solved([-0.1, -0.1], [0.15, 0.0]).weights[0], 0.15, atol=1e-9)
    averse = Objective(risk_aversion=10, cost_aversion=1, tax_aversion=2)
    assert_allclose(solved([-0.1, -0.1], [0.15, 0.0], aim=averse).weights[0], 0.5, atol=1e-9)


def test_utility_counts_what_is_paid():
    solution = solved([-0.1, 0.1], [0.15, -0.2])
    w, trade = solution.weights, solution.weights - 0.5
    paid = 0.01 * np.abs(trade).sum() + np.array([0.15, -0.2]) @ np.maximum(-trade, 0)
    expected = np.array([-0.1, 0.1]) @ w - 5 * 0.04 * (w**2).sum() - paid
    assert_allclose(solution.objective, expected, atol=1e-12)
