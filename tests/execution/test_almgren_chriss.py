"""The paper's tables, and laws that hold for any order."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from quantray.errors import InputError
from quantray.execution.almgren_chriss import (
    TradingTerms,
    cost_and_risk,
    efficient_frontier,
    optimal_trajectory,
    risk_aversion_of_urgency,
    trading_terms,
)
from quantray.execution.impact import linear_impact, square_root_impact

PAPER = TradingTerms(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, half_spread=0.0625)
WEEK = {"days": 5.0, "slices": 5}
AVERSIONS = st.floats(-9, -4).map(lambda power: 10**power)


def test_the_estimator_gives_the_papers_terms():
    impact = linear_impact(np.array([5e6]), np.array([0.30 / np.sqrt(250)]), np.array([25.0]))
    terms = trading_terms(impact, np.array([50.0]))
    assert_allclose(terms.volatility, 0.9487, atol=1e-4)
    for name in ("temporary", "permanent", "half_spread"):
        assert_allclose(getattr(terms, name), getattr(PAPER, name))


def test_without_risk_aversion_trade_evenly():
    best = optimal_trajectory(1e6, PAPER, **WEEK)
    assert_allclose(best.trades, 2e5)
    assert_allclose([best.expected.cost, best.expected.variance, best.kappa], [662_500, 1.083e12, 0])


def test_the_papers_schedule():
    best = optimal_trajectory(1e6, PAPER, **WEEK, risk_aversion=1e-6)
    assert_allclose(best.kappa, 0.6070762, rtol=1e-6)
    assert_allclose([best.expected.cost, best.expected.variance], [911_226.99, 3.641286e11], rtol=1e-6)
    assert_allclose(best.trades, [458_044.4, 252_101.3, 141_956.7, 85_755.7, 62_141.8], atol=0.06)


def test_all_at_once():
    now = cost_and_risk([1e6, 0, 0, 0, 0], PAPER, days=5.0)
    assert_allclose([now.cost, now.variance], [2_562_500, 0])
    hasty = optimal_trajectory(1e6, PAPER, **WEEK, risk_aversion=1e3)
    assert_allclose(hasty.trades[0], 1e6, rtol=1e-6)


def test_urgency_is_how_often_the_order_falls_by_e():
    aversion = risk_aversion_of_urgency([0.0, 2.0, 60.0], PAPER, **WEEK)
    best = optimal_trajectory(np.full(3, 1e6), PAPER, days=np.full(3, 5.0), slices=5, risk_aversion=aversion)
    assert_allclose(best.kappa * 5, [0, 2, 60])


@pytest.mark.parametrize("aversion", [0.0, 1e-6, 1e-14, -3e-7])
def test_no_other_schedule_is_better_with_drift(aversion):
    terms = TradingTerms(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, drift=0.02)

    def value(shares):
        found = cost_and_risk(1e6 * np.append(shares, 1 - np.sum(shares)), terms, days=5.0)
        return (found.cost + aversion * found.variance) / 1e5

    best = optimal_trajectory(1e6, terms, **WEEK, risk_aversion=aversion)
    found = minimize(value, np.full(4, 0.2), tol=1e-9)
    assert_allclose(best.trades[:4] / 1e6, found.x, atol=1e-3)
    assert value(best.trades[:4] / 1e6) <= found.fun + 1e-9


def test_the_drift_of_the_paper():
    """Section 4.1: with the drift 0.02 it holds some 11,080 shares (see its example; alpha / (2 lambda sigma^2))."""
    terms = TradingTerms(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, drift=0.02)
    long = optimal_trajectory(1e6, terms, days=200.0, slices=200, risk_aversion=1e-6)
    assert_allclose(long.holdings[100], 11_080, rtol=1e-3)


def test_finer_slices_near_the_continuous_schedule():
    aversion, kappa = 1e-6, np.sqrt(1e-6 * 0.95**2 / 2.5e-6)
    errors = []
    for slices in (10, 100, 1000):
        best = optimal_trajectory(1e6, PAPER, days=5.0, slices=slices, risk_aversion=aversion)
        exact = 1e6 * np.sinh(kappa * (5 - best.days)) / np.sinh(kappa * 5)
        errors.append(np.abs(best.holdings - exact).max())
    assert errors[0] > 7 * errors[1] > 63 * errors[2]


@settings(deadline=None, max_examples=40)
@given(shares=st.floats(1, 1e9), aversion=AVERSIONS, days=st.floats(0.1, 10), slices=st.integers(1, 40))
def test_a_buy_mirrors_a_sale_and_holdings_fall(shares, aversion, days, slices):
    sale = optimal_trajectory(shares, PAPER, days=days, slices=slices, risk_aversion=aversion)
    buy = optimal_trajectory(-shares, PAPER, days=days, slices=slices, risk_aversion=aversion)
    assert_allclose(buy.holdings, -sale.holdings)
    assert_allclose(buy.expected.cost, sale.expected.cost)
    assert (np.diff(sale.holdings) <= 0).all()
    assert_allclose(sale.trades.sum(), shares)


@settings(deadline=None, max_examples=40)
@given(aversion=AVERSIONS, drift=st.floats(-0.05, 0.05), done=st.integers(1, 8))
def test_to_plan_again_midway_is_to_go_on(aversion, drift, done):
    terms = TradingTerms(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, drift=drift)
    whole = optimal_trajectory(1e6, terms, days=5.0, slices=10, risk_aversion=aversion)
    rest = optimal_trajectory(
        whole.holdings[done], terms, days=5.0 - done / 2, slices=10 - done, risk_aversion=aversion
    )
    assert_allclose(rest.holdings, whole.holdings[done:], rtol=1e-7, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(slices=st.integers(2, 20), days=st.floats(0.5, 10))
def test_the_frontier_is_convex(slices, days):
    frontier = efficient_frontier(1e6, PAPER, np.logspace(-9, -5, 30), days=days, slices=slices)
    cost, variance = frontier.costs, frontier.deviations**2
    moved = np.diff(variance) < -1e-9 * variance[0]
    assume(moved.sum() > 2)
    assert (np.diff(cost) >= -1e-9 * cost[0]).all()
    slopes = np.diff(cost)[moved] / np.diff(variance)[moved]
    assert (np.diff(slopes) <= 1e-6 * np.abs(slopes[1:])).all()


def test_who_likes_risk_waits_but_not_for_ever():
    waits = optimal_trajectory(1e6, PAPER, **WEEK, risk_aversion=-5e-7)
    assert waits.trades[0] < 2e5 < waits.trades[-1]
    with pytest.raises(InputError, match="kappa T < pi"):
        optimal_trajectory(1e6, PAPER, **WEEK, risk_aversion=-1.2e-6)
    with pytest.raises(InputError, match="kappa T < pi"):
        optimal_trajectory(1e6, PAPER, **WEEK, risk_aversion=-1e-3)


def test_a_root_is_made_linear_where_it_costs_the_same():
    impact = square_root_impact(np.array([1e6]), np.array([0.02]))
    terms = trading_terms(impact, np.array([20.0]), at=0.1)
    spent = cost_and_risk(np.array([[1e5]]), terms, days=np.array([1.0]))
    assert_allclose(spent.cost, impact.cost(np.array([1e5])) * 20)


def test_what_is_wrong_is_named():
    with pytest.raises(InputError, match="eta - gamma tau / 2 is -"):
        optimal_trajectory(1e6, TradingTerms(volatility=1, temporary=1e-7, permanent=1e-6), **WEEK)
    with pytest.raises(InputError, match="positive number of days"):
        optimal_trajectory(1e6, PAPER, days=0.0)
    with pytest.raises(InputError, match="1 slice or more"):
        optimal_trajectory(1e6, PAPER, slices=0)
    with pytest.raises(InputError, match="urgency -1"):
        risk_aversion_of_urgency(-1.0, PAPER)
    with pytest.raises(InputError, match="temporary of an order's market"):
        TradingTerms(volatility=1.0, temporary=np.nan)
    with pytest.raises(InputError, match="must be known and positive"):
        trading_terms(square_root_impact(np.array([0.0]), np.array([0.02])), 10.0)
    with pytest.raises(InputError, match="must be finite"):
        optimal_trajectory(np.nan, PAPER)
