"""The execution steps of the requirements on institutional assets, in this API: plan a rebalance, then work it."""

import numpy as np
import pytest

from quantray.execution.almgren_chriss import trading_terms
from quantray.execution.impact import square_root_impact
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import plan_execution
from quantray.execution.schedules import implementation_shortfall, twap, usual_profile, vwap
from quantray.execution.selection import OrderFacts
from quantray.execution.sessions import session
from quantray.execution.simulate import execute, simulated_market
from quantray.execution.trade_list import PlanTerms, TradeList, trades_of_weights

AUM, NAMES, DAY, SLICES = 5e9, 400, "2024-03-15", 8
TERMS = PlanTerms(slices=SLICES, participation=0.10)


@pytest.fixture(scope="module")
def trades():
    """A tenth of five billion moves among 400 large companies, of which a billion is traded in a usual day."""
    draw = np.random.default_rng(11)
    price = draw.uniform(20, 400, NAMES)
    adv = draw.lognormal(np.log(1e9), 0.5, NAMES) / price
    held = draw.dirichlet(np.full(NAMES, 20.0))
    target = held * np.exp(draw.normal(0, 0.1, NAMES))
    shares = trades_of_weights(target / target.sum(), held, price, AUM)
    kept = shares != 0
    impact = square_root_impact(adv[kept], draw.uniform(0.01, 0.03, NAMES)[kept], 2.0)
    return TradeList(
        symbols=np.array([f"C{i:03d}" for i in range(NAMES)])[kept],
        shares=shares[kept],
        price=price[kept],
        impact=impact,
    )


@pytest.fixture(scope="module")
def plan(trades):
    return plan_execution(trades, DAY, TERMS)


def worked(plan, order, n_paths):
    """The order's children on paths of a market of its own."""
    rows, children, trades = plan.children.rows(order), plan.children, plan.trades
    times, at = np.unique(children.time[rows], return_inverse=True)
    slices = np.bincount(at, weights=children.quantity[rows], minlength=len(times))
    market = simulated_market(
        float(trades.price[order]),
        float(trades.impact.volatility[order]),
        n_intervals=len(times),
        interval_days=1 / SLICES,
        n_paths=n_paths,
        seed=(5, order),
    )
    return execute(np.sign(trades.shares[order]) * slices, market, trades.impact.select(np.array([order])))


def test_the_plan_trades_what_was_decided_and_nothing_else(plan, trades):
    for order in range(len(trades.symbols)):
        schedule = plan.schedule(order)
        assert (
            sum(child.quantity for child in schedule.children) == schedule.parent.quantity == abs(trades.shares[order])
        )
        assert all(child.quantity > 0 for child in schedule.children)
    assert 0.05 < trades.value.sum() / AUM < 0.15


def test_execution_costs_less_than_ten_basis_points(plan, trades):
    """Expected, and when it is worked on simulated paths."""
    assert plan.total_cost_bps < 10
    paid, variance = 0.0, 0.0
    n_paths = 200
    for order in range(len(trades.symbols)):
        done = worked(plan, order, n_paths)
        assert np.abs(done.unfilled).max() == 0
        paid, variance = paid + done.cost.mean(), variance + done.cost.var() / n_paths
    bps, error = 1e4 * paid / trades.value.sum(), 1e4 * np.sqrt(variance) / trades.value.sum()
    assert bps < 10
    assert bps == pytest.approx(plan.total_cost_bps, abs=4 * error)


def test_each_of_the_five_algorithms_is_there_to_be_chosen(trades):
    """By what the orders are: measured against VWAP, urgent, of uncertain volume, averse to risk, or none of these."""
    n_orders = len(trades.symbols)
    kind = np.arange(n_orders) % 5
    facts = OrderFacts(
        adv_share=np.abs(trades.shares) / trades.impact.adv,
        volatility=trades.impact.volatility,
        urgency=np.where(kind == 1, 3.0, 1.0),
        risk_aversion=np.where(kind == 2, 1e-6, np.nan),
        volume_uncertainty=np.where(kind == 3, 5.0, 0.0),
        against_vwap=kind == 4,
    )
    chosen = plan_execution(trades, DAY, TERMS, facts=facts).selection
    assert {chosen.name(k) for k in range(n_orders)} == set(ALGORITHMS) == {"TWAP", "VWAP", "POV", "IS", "AC"}


def test_schedules_of_the_requirement(trades):
    """``slices=8`` of TWAP and of VWAP, ``slices=6`` of implementation shortfall."""
    shares = np.abs(trades.shares)
    even = twap(shares, 8)
    assert even.shape == (len(shares), 8)
    assert (even.sum(axis=1) == shares).all()
    assert np.ptp(even, axis=1).max() <= 1
    by_volume = vwap(shares, usual_profile(session(DAY, 8)))
    assert (by_volume.sum(axis=1) == shares).all()
    # Volume is largest at the ends of a day.
    assert (by_volume[:, 3] <= by_volume[:, 0]).all()
    early = implementation_shortfall(shares, trading_terms(trades.impact, trades.price), urgency=3.0, slices=6)
    assert (early.sum(axis=1) == shares).all()
    assert (np.diff(early, axis=1) <= 1).all()
