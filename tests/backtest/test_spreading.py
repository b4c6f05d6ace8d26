"""Large trades over several days: by hand, by the laws of accounts, and as schedules and optimisers have them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError
from small_accounts import conserved, decide, monthly, panel_of

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import CostsByDay, ImpactCosts, LinearCosts
from quantray.backtest.spreading import OpenOrders
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, with_liquidity
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList
from quantray.studies.portfolios.settings import demo_settings

FREE = LinearCosts(0.0, 0.0)
NOTHING = ImpactLaw("square_root", temporary=0.0)
HUNDRED = Accounting(initial_nav=100.0)


def free(participation, aum=None):
    return ImpactCosts(NOTHING, FREE, aum=aum, unknown_bps=0.0, participation=participation)


def liquid(close, adv=100.0, **fields):
    """Names of which as much money is traded every day."""
    panel = panel_of(close, **fields)
    shape = panel.field("close").shape
    return panel.with_fields(
        **{ADV: np.broadcast_to(np.asarray(adv, dtype=float), shape), DAILY_VOLATILITY: np.full(shape, 0.02)}
    )


def test_a_purchase_of_two_and_a_half_days_takes_three_by_hand():
    panel = liquid([[10.0]] * 7)
    record = backtest(panel, decide(panel, [0], [[0.25]]), costs=free(0.1), accounting=HUNDRED)
    assert_allclose(record.trades[:, 0], [25 / 3] * 3, rtol=1e-14)
    assert_array_equal(record.trade_dates, panel.dates[1:4])
    assert_allclose(record.weights[:, 0], [0, 25 / 300, 50 / 300, 0.25, 0.25, 0.25, 0.25], rtol=1e-14)


def test_an_order_is_for_shares_and_its_parts_sum_to_it():
    panel = liquid([[10], [10], [11], [9], [12], [12]])
    record = backtest(panel, decide(panel, [0], [[0.4]]), costs=free(0.15), accounting=HUNDRED)
    # 4 shares in three days, though prices move.
    assert_allclose(record.trades[:, 0] / panel.field("close")[1:4, 0], 4 / 3, rtol=1e-14)
    dear = liquid([[10], [10], [16], [20], [12], [12]])
    record = backtest(dear, decide(dear, [0], [[0.4]]), costs=free(0.15), accounting=HUNDRED)
    # At 16 and at 20 the cap buys less of them, and the fourth day the rest.
    assert_allclose(record.trades[:3, 0], [40 / 3, 15, 15], rtol=1e-14)
    assert_allclose((record.trades[:, 0] / dear.field("close")[1:5, 0]).sum(), 4.0, rtol=1e-14)
    assert conserved(record) < 1e-12


def test_the_size_of_the_accounts_is_that_of_the_money_managed():
    panel = liquid([[10.0]] * 6, adv=1e9)
    record = backtest(panel, decide(panel, [0], [[0.25]]), costs=free(0.1, aum=1e9), accounting=HUNDRED)
    # 250 million at 100 million a day.
    assert_allclose(record.trades[:, 0], [25 / 3] * 3, rtol=1e-14)


def test_a_sale_ends_at_nothing():
    panel = liquid([[10], [10], [10.7], [9.3], [11.1], [11.1], [13.0], [12.7]])
    decisions = decide(panel, [0, 2], [[0.1], [0.0]])
    record = backtest(panel, decisions, costs=free(0.03), accounting=HUNDRED)
    assert (record.weights[-1] == 0).all()
    assert conserved(record) < 1e-12


def test_a_new_decision_replaces_what_is_left_of_the_old():
    panel = liquid([[10.0, 10.0]] * 8)
    decisions = decide(panel, [0, 2], [[0.5, 0.0], [0.2, 0.05]])
    record = backtest(panel, decisions, costs=free(0.1), accounting=HUNDRED)
    # Two tenths were bought before the second decision is traded, which wants no more of the first name.
    assert_allclose(record.trades, [[10, 0], [10, 0], [0, 5]], atol=1e-12)


def test_volume_that_falls_takes_longer_and_is_never_exceeded():
    adv = np.array([100, 100, 100, 40, 40, 40, 40, 40])[:, None]
    panel = liquid([[10.0]] * 8, adv=adv)
    record = backtest(panel, decide(panel, [0], [[0.3]]), costs=free(0.1), accounting=HUNDRED)
    # What was usual is known at the close before: 10 until the day after it fell, then 4 a day.
    assert_allclose(record.trades[:, 0], 10, rtol=1e-14)
    late = liquid([[10.0]] * 9, adv=np.concatenate([adv[2:], adv[-3:]]))
    record = backtest(late, decide(late, [0], [[0.3]]), costs=free(0.1), accounting=HUNDRED)
    assert_allclose(record.trades[:, 0], [10, 4, 4, 4, 4, 4], rtol=1e-14)


def test_where_no_volume_is_known_all_is_traded_at_once():
    panel = liquid([[10.0, 10.0]] * 5, adv=[np.nan, 100.0])
    record = backtest(panel, decide(panel, [0], [[0.5, 0.2]]), costs=free(0.1), accounting=HUNDRED)
    assert_allclose(record.trades, [[50, 10], [0, 10]])


def test_a_day_without_a_price_is_waited_for():
    panel = liquid([[10], [10], [np.nan], [12], [12], [12]])
    record = backtest(panel, decide(panel, [0], [[0.2]]), costs=free(0.1), accounting=HUNDRED)
    assert_array_equal(record.trade_dates, panel.dates[[1, 3, 4]])
    assert_allclose(record.trades[:, 0], [10, 10, 2], rtol=1e-12)
    assert record.unfilled[2] == pytest.approx(0.1)


@pytest.mark.parametrize("start", [0.0, 0.3])
def test_a_name_that_is_gone_takes_its_order_along(start):
    close = [[10, 10], [10, 10], [10, 10], *[[np.nan, 10]] * 4, [30, 10], [30, 10]]
    panel = liquid(close)
    # A purchase that has hardly begun, or a sale of what is held.
    decisions = decide(panel, [0, 1], [[start, 0.0], [0.3 - start, 0.0]])
    accounting = Accounting(initial_nav=100.0, delist_after=2)
    record = backtest(panel, decisions, costs=free(0.05), accounting=accounting)
    assert (record.trade_dates <= panel.dates[4]).all()
    assert_allclose(record.nav, 100.0, rtol=1e-14)
    assert (record.weights[4:] == 0).all()


def test_a_cap_that_binds_nowhere_changes_no_bit():
    market = simulate_market(20, 200, seed=4, delisting_share=0.3)
    panel, decisions = with_liquidity(market.panel), monthly(market.panel)
    at_once, capped = (
        backtest(panel, decisions, costs=ImpactCosts(ImpactLaw(), LinearCosts(), aum=1e6, participation=share))
        for share in (None, 1.0)
    )
    assert capped.digest() == at_once.digest()


@pytest.fixture(scope="module")
def tight():
    """Accounts of a market with listings and delistings, far too large for it."""
    market = simulate_market(25, 320, seed=8, delisting_share=0.4, listing_share=0.3)
    paid = np.where((np.arange(320)[:, None] % 63 == 5) & market.panel.member, 0.004, 0.0)
    panel = with_liquidity(market.panel.with_fields(dividend_yield=paid))
    return panel, monthly(panel), ImpactCosts(ImpactLaw(), LinearCosts(4.0), aum=1e8, participation=0.05)


@pytest.mark.parametrize("dividends", ["reinvest", "cash"])
def test_every_dollar_is_conserved_and_every_part_keeps_to_the_cap(tight, dividends):
    panel, decisions, costs = tight
    record = backtest(panel, decisions, costs=costs, accounting=Accounting(dividends=dividends, cash_rate=0.02))
    assert conserved(record) < 1e-12
    held = record.weights * record.nav[:, None]
    assert_allclose(held.sum(axis=1) + record.cash, record.nav, rtol=1e-12)
    assert len(record.trade_dates) > 3 * len(decisions.dates)
    rows = np.searchsorted(panel.dates, record.trade_dates)
    before = np.nan_to_num(panel.field(ADV)[rows - 1], nan=np.inf)
    day = np.searchsorted(record.dates, record.trade_dates)
    nav = (record.nav + record.cost_series)[day]
    # What is gone is paid out whole.
    priced = ~np.isnan(panel.field("close")[rows])
    most = np.where(priced, 0.05 * before * (nav / 1e8)[:, None], np.inf)
    assert (np.abs(record.trades) <= most * (1 + 1e-9)).all()


def test_truncating_the_future_changes_nothing(tight):
    panel, decisions, costs = tight
    whole = backtest(panel, decisions, costs=costs)
    for row in (100, 187, 250):
        known = decisions.dates <= panel.dates[row]
        cut = Decisions(decisions.dates[known], panel.assets, decisions.weights[known])
        part = backtest(panel.until(row), cut, costs=costs)
        assert_array_equal(part.nav, whole.nav[: len(part.nav)])
        assert_array_equal(part.trades, whole.trades[: len(part.trades)])


@settings(max_examples=25, deadline=None)
@given(st.floats(-50, 50), st.lists(st.tuples(st.floats(0.7, 1.4), st.floats(0.5, 30)), min_size=60, max_size=60))
def test_parts_sum_to_the_order_whatever_prices_and_volumes_do(order, days):
    orders, level, shares = OpenOrders.of(np.array([order]), np.array([7.0])), 1.0, 0.0
    for growth, most in days:
        bought = orders.parts(np.array([most]))
        assert abs(bought[0]) <= most
        shares += bought[0] / level
        orders = orders.after(bought)
        if not orders.some:
            break
        level *= growth
        orders = orders.moved(np.array([growth]), np.array([False]))
    left = orders.left[0] / level
    assert shares + left == pytest.approx(order, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "law",
    [ImpactLaw("linear"), ImpactLaw("three_fifths"), ImpactLaw("square_root", permanent=0.3)],
    ids=lambda law: law.name,
)
def test_accounts_optimiser_and_schedule_charge_one_spread_trade_alike(law):
    """A sale of two and a half days at 10 % of the volume, so of three even days."""
    price, adv = 50.0, 4e8
    panel = liquid([[price]] * 40, adv=adv)
    costs = ImpactCosts(law, LinearCosts(4.0), participation=0.1)
    # A tenth of a billion, bought long before it is sold.
    decisions = decide(panel, [0, 25], [[0.1], [0.0]])
    record = backtest(panel, decisions, costs=costs, accounting=Accounting(initial_nav=1e9))
    nav, sold = record.nav[25], record.weights[25, 0] * record.nav[25]
    sale = record.trade_dates > panel.dates[25]
    assert_allclose(record.trades[sale, 0], [-sold / 3] * 3, rtol=1e-12)
    paid = record.costs[sale, 0].sum()

    model = costs.model({name: values[25] for name, values in panel.fields.items()}, 1)
    optimised = model.terms(nav, days=3, at=sold / 3 / adv).cost(np.array([sold / nav]))
    assert_allclose(nav * optimised[0], paid, rtol=1e-12)

    shares = np.array([-round(sold / price)])
    impact = model.in_shares(np.array([price]))
    trades = TradeList(symbols=panel.assets, shares=shares, price=np.array([price]), impact=impact)
    plan = plan_execution(trades, "2024-03-18", PlanTerms(participation=0.1))
    assert plan.days[0] == 3
    made = plan.schedule(0).children
    sold_by_day = [sum(child.quantity for child in made if child.time.day == day) for day in (18, 19, 20)]
    assert_allclose(sold_by_day, -shares[0] / 3, atol=1)
    # Following the volume is trading at an even share of it, which is what a day's cost is of.
    assert_allclose(plan.candidate_cost_bps[0, ALGORITHMS.index("VWAP")], 1e4 * paid / sold, rtol=1e-6)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(InputError, match="participation 2 must be above 0"):
        ImpactCosts(ImpactLaw(), FREE, participation=2.0)
    panel = panel_of([[10.0]] * 4)
    with pytest.raises(InputError, match="pass the panel to with_liquidity"):
        backtest(panel, decide(panel, [0], [[0.5]]), costs=free(0.1))
    said = demo_settings().model_dump() | {"risk": {"overlay": {"risk_budget": 0.1}}}
    said["costs"]["impact"] = {"aum": 1e9, "participation": 0.1}
    with pytest.raises(ValidationError, match="leave out one of them"):
        type(demo_settings())(**said)


def test_a_share_of_the_volume_may_change_on_the_way():
    """And orders that were spread are over once a later decision is traded at once."""
    panel = liquid([[10.0]] * 7)
    decided, first = decide(panel, [0, 2], [[0.5], [0.3]]), panel.dates[[1, 3]]
    slow, fast = free(0.1), free(None)
    whole = backtest(panel, decided, costs=slow, accounting=HUNDRED)
    twice = backtest(panel, decided, costs=CostsByDay(first, (slow, slow)), accounting=HUNDRED)
    assert twice.digest() == whole.digest()
    record = backtest(panel, decided, costs=CostsByDay(first, (slow, fast)), accounting=HUNDRED)
    assert_allclose(record.weights[:, 0], [0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3])
    # What is left of an order when the limit falls away, is still spread over its days.
    freed = backtest(panel, decide(panel, [0], [[0.35]]), costs=CostsByDay(first, (slow, fast)), accounting=HUNDRED)
    assert_allclose(freed.trades[:, 0], 35 / 4, rtol=1e-12)
