"""Baskets against single orders, their closed form and a conic solver."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.execution.almgren_chriss import TradingTerms, optimal_trajectory
from quantray.execution.basket import basket_cost, basket_trajectory, free_basket_trajectory
from quantray.execution.impact import linear_impact, square_root_impact

ORDERS = np.array([2e6, -1e6, 5e5])
ADV = np.array([4e7, 2e7, 8e6])
VOLATILITY = np.array([0.02, 0.015, 0.03])
SPREAD = np.array([2.0, 4.0, 8.0])
LINEAR = linear_impact(ADV, VOLATILITY, SPREAD)
ROOT = square_root_impact(ADV, VOLATILITY, SPREAD)
CORRELATION = np.array([[1, 0.7, 0.5], [0.7, 1, 0.4], [0.5, 0.4, 1]])
COVARIANCE = CORRELATION * np.outer(VOLATILITY, VOLATILITY)
PLAN = {"days": 2.0, "slices": 6, "risk_aversion": 3e-6}


def test_names_that_do_not_move_together_are_single_orders():
    diagonal = np.diag(VOLATILITY**2)
    terms = TradingTerms(
        volatility=VOLATILITY,
        temporary=LINEAR.temporary / ADV,
        permanent=LINEAR.permanent / ADV,
        half_spread=LINEAR.half_spread,
    )
    single = optimal_trajectory(ORDERS, terms, days=np.full(3, 2.0), slices=6, risk_aversion=np.full(3, 3e-6))
    for plan in (
        free_basket_trajectory(ORDERS, LINEAR, diagonal, **PLAN),
        basket_trajectory(ORDERS, LINEAR, diagonal, **PLAN),
        basket_trajectory(ORDERS, LINEAR, FactorModel(np.zeros((3, 0)), np.zeros((0, 0)), VOLATILITY**2), **PLAN),
    ):
        assert_allclose(plan.holdings.T, single.holdings, atol=1.0)
        assert_allclose(plan.costs, single.expected.cost, rtol=1e-6)
        assert_allclose(plan.variance, single.expected.variance.sum(), rtol=1e-5)


def test_the_closed_form_is_what_the_solver_finds():
    still = linear_impact(ADV, VOLATILITY, SPREAD)
    free = free_basket_trajectory(ORDERS, still, COVARIANCE, **PLAN)
    found = basket_trajectory(ORDERS, still, COVARIANCE, **PLAN, overshoot=True)
    assert found.utility <= free.utility * (1 + 1e-9)
    if (np.diff(np.abs(free.holdings), axis=0) <= 0).all():
        assert_allclose(found.holdings, free.holdings, atol=10.0)


@pytest.mark.parametrize("impact", [LINEAR, ROOT], ids=["linear", "root"])
@pytest.mark.parametrize("limits", [{}, {"participation": 0.05}, {"participation": 0.06, "cash": 1.55e6}], ids=str)
def test_within_limits_as_a_conic_solver_says(impact, limits):
    found = basket_trajectory(ORDERS, impact, COVARIANCE, **PLAN, **limits)
    scale, tau = 1e6, 2.0 / 6
    left = cp.Variable((7, 3))
    trades = cp.abs(cp.diff(left, axis=0))
    rules = [left[0] == ORDERS / scale, left[-1] == 0, left @ np.diag(np.sign(ORDERS)) >= 0]
    rules.append(cp.multiply(left, np.sign(ORDERS)) <= np.tile(np.abs(ORDERS) / scale, (7, 1)))
    if "participation" in limits:
        rules.append(trades <= np.tile(limits["participation"] * ADV * tau / scale, (6, 1)))
    if "cash" in limits:
        rules.append(cp.sum(left, axis=1) * scale >= ORDERS.sum() - limits["cash"])
    if impact is LINEAR:
        eta = (impact.temporary - impact.permanent * tau / 2) / ADV
        moved = cp.sum(cp.multiply(np.tile(eta / tau * scale**2, (6, 1)), trades**2))
    else:
        moved = cp.sum(cp.multiply(np.tile(impact.temporary / np.sqrt(ADV * tau) * scale**1.5, (6, 1)), trades**1.5))
    factor = np.linalg.cholesky(COVARIANCE)
    cost = cp.sum(trades @ impact.half_spread) * scale + moved
    cost += 3e-6 * tau * scale**2 * cp.sum_squares(left[1:] @ factor)
    problem = cp.Problem(cp.Minimize(cost / 1e3), rules)
    problem.solve(solver=cp.CLARABEL, canon_backend=cp.SCIPY_CANON_BACKEND)
    permanent = (impact.permanent / ADV / 2 * ORDERS**2).sum()
    assert_allclose(found.utility - permanent, problem.value * 1e3, rtol=1e-6)
    assert (np.diff(np.abs(found.holdings), axis=0) <= 1.0).all() or impact is LINEAR
    if "cash" in limits:
        assert (ORDERS.sum() - found.holdings.sum(axis=1) <= limits["cash"] + 1.0).all()


def test_a_hedged_basket_is_in_less_of_a_hurry():
    twins = np.array([[4e-4, 3.96e-4], [3.96e-4, 4e-4]])
    impact = linear_impact(np.full(2, 4e7), np.full(2, 0.02), np.full(2, 2.0))
    hedged, naked = (
        basket_trajectory(np.array([2e6, other]), impact, twins, days=1.0, slices=6, risk_aversion=1e-5)
        for other in (-2e6, 2e6)
    )
    assert hedged.trades[0, 0] < naked.trades[0, 0]
    assert_allclose(hedged.holdings[:, 0], -hedged.holdings[:, 1], atol=1.0)
    assert hedged.variance < naked.variance / 10


def test_a_plan_costs_what_its_holdings_cost():
    plan = basket_trajectory(ORDERS, ROOT, COVARIANCE, **PLAN)
    even = np.linspace(1, 0, 7)[:, None] * ORDERS
    assert plan.utility < basket_cost(even, ROOT, COVARIANCE, days=2.0, risk_aversion=3e-6).utility


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"participation": 0.02}, r"3 orders are larger .* number 2, needs 3.12"),
        ({"participation": 0.0}, "participation 0 to 0"),
        ({"cash": 1e6}, "buys 1,500,000 more than it sells, with 1,000,000"),
        ({"slices": 0}, "slices 0"),
        ({"orders": np.zeros(3)}, "nothing to schedule"),
        ({"orders": np.ones(2)}, "one amount for each name"),
        ({"risk": np.eye(2)}, "risk is of 2 names"),
        ({"impact": linear_impact(np.array([0.0, 1, 1]), VOLATILITY, SPREAD)}, "1 names of the basket"),
        ({"impact": linear_impact(ADV, VOLATILITY, SPREAD, permanent_share=1e-4)}, "not positive, in some name"),
    ],
)
def test_what_cannot_be_done_is_refused(changes, told):
    given = {"orders": ORDERS, "impact": LINEAR, "risk": COVARIANCE, **PLAN} | changes
    with pytest.raises(InputError, match=told):
        basket_trajectory(**given)


def test_a_root_has_no_closed_form():
    with pytest.raises(InputError, match="power 0.5 has no closed form"):
        free_basket_trajectory(ORDERS, ROOT, COVARIANCE)
