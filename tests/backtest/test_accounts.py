"""A portfolio's accounts: hand-checkable cases and the laws that accounts obey."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from small_accounts import conserved, decide, monthly, panel_of

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts, MarketDay
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.portfolio.rebalance import NoTradeZone, Threshold

FREE = LinearCosts(0.0, 0.0)


def test_one_asset_by_hand():
    panel = panel_of([[10], [10], [11], [11], [5.5]])
    record = backtest(panel, decide(panel, [0], [[1.0]]), costs=FREE, accounting=Accounting(initial_nav=100.0))
    # Decided on day 0 and bought at the close of day 1, so it earns +10 % on day 2 and -50 % on day 4.
    assert_allclose(record.nav, [100, 100, 110, 110, 55])
    assert_allclose(record.weights[:, 0], [0, 1, 1, 1, 1])
    assert_allclose(record.turnover, [0, 0.5, 0, 0, 0])


@pytest.mark.parametrize(("lag", "nav"), [(0, [100, 100, 110, 121, 121]), (1, [100, 100, 110, 110]), (2, [100] * 4)])
def test_the_lag_decides_which_returns_are_earned(lag, nav):
    panel = panel_of([[10], [10], [11], [12.1], [12.1]])
    accounting = Accounting(lag=lag, initial_nav=100.0)
    assert_allclose(backtest(panel, decide(panel, [1], [[1.0]]), costs=FREE, accounting=accounting).nav, nav)


def test_without_a_lag_the_first_cost_is_part_of_the_returns():
    panel = panel_of([[10.0]] * 3)
    accounting = Accounting(lag=0, initial_nav=100.0)
    record = backtest(panel, decide(panel, [1], [[1.0]]), costs=LinearCosts(100.0), accounting=accounting)
    assert_allclose(record.returns, [1 / 1.01 - 1, 0.0])
    assert conserved(record) < 1e-14
    with pytest.raises(InputError, match="accounts begin before 2024-01-02"):
        backtest(panel, decide(panel, [0], [[1.0]]), accounting=accounting)


def test_what_a_policy_leaves_alone_is_not_traded():
    panel = panel_of([[10, 7, 3], [10, 7, 3], [10.9, 7.1, 3], [10.9, 7.1, 2.9], [11, 7.1, 2.9]])
    decisions = decide(panel, [0, 2], [[0.3, 0.3, 0.4], [0.31, 0.29, 0.4]])
    for policy, still in ((Threshold(0.4), slice(3)), (NoTradeZone(0.1), slice(2))):
        record = backtest(panel, decisions, policy=policy)
        assert (record.trades[0] > 0).all()
        later = record.trade_dates > panel.dates[1]
        assert_array_equal(record.trades[later][:, still], 0.0)
        assert_array_equal(record.costs[later][:, still], 0.0)


def test_costs_by_hand_leave_the_asked_weights():
    panel = panel_of([[10, 20], [10, 20], [10, 20]])
    decisions = decide(panel, [0], [[0.6, 0.4]])
    record = backtest(panel, decisions, costs=LinearCosts(50.0), accounting=Accounting(initial_nav=1000.0))
    # All of the NAV after costs is bought: nav = 1000 / 1.005.
    assert_allclose(record.nav[1:], 1000 / 1.005, rtol=1e-14)
    assert_allclose(record.weights[1], [0.6, 0.4], rtol=1e-14)
    assert_allclose(record.costs[0], np.array([0.6, 0.4]) * 0.005 * 1000 / 1.005, rtol=1e-12)
    assert abs(record.cash[1]) < 1e-10


def test_a_cost_model_may_be_any_function_of_the_day():
    seen = []

    def flat_fee(trades: np.ndarray, day: MarketDay) -> np.ndarray:
        seen.append((str(day.date), sorted(day.fields)))
        return np.where(trades != 0, 1.0, 0.0)

    panel = panel_of([[10, 20]] * 4)
    record = backtest(panel, decide(panel, [0, 2], [[0.5, 0.5], [1.0, 0.0]]), costs=flat_fee)
    assert_allclose(record.cost_series, [0, 2, 0, 2])
    assert {day for day, _ in seen} == {"2024-01-03", "2024-01-05"}
    assert seen[0][1] == ["close"]


def test_drift_then_rebalance_by_hand():
    panel = panel_of([[10, 10], [10, 10], [20, 10], [20, 10]])
    accounting = Accounting(initial_nav=100.0)
    record = backtest(panel, decide(panel, [0, 2], [[0.5, 0.5], [0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert_allclose(record.weights[2], [2 / 3, 1 / 3])
    assert_allclose(record.trades[1], [-25, 25])
    assert_allclose(record.turnover[3], 25 / 150)
    assert_allclose(record.nav, [100, 100, 150, 150])


def test_short_positions_and_cash():
    panel = panel_of([[10, 10], [10, 10], [11, 9]])
    accounting = Accounting(initial_nav=100.0)
    record = backtest(panel, decide(panel, [0], [[0.5, -0.5]]), costs=FREE, accounting=accounting)
    assert_allclose(record.cash[1], 100.0)
    assert_allclose(record.nav[2], 100 + 5 + 5)


def test_interest_on_cash():
    panel = panel_of([[10]] * 4)
    accounting = Accounting(initial_nav=100.0, cash_rate=0.0252)
    record = backtest(panel, decide(panel, [0], [[0.0]]), costs=FREE, accounting=accounting)
    assert_allclose(record.nav, 100 * 1.0001 ** np.arange(4))
    assert_allclose(record.interest[1:], 100 * 0.0001 * 1.0001 ** np.arange(3))


def test_dividends_in_cash_or_reinvested():
    # The quoted price falls from 100 to 98 as 2 are paid: the total return is nil, and so it stays for the price.
    panel = panel_of([[100.0], [100.0], [100.0], [110.0]], dividend_yield=np.array([[0], [0], [0.02], [0]]))
    decisions = decide(panel, [0], [[1.0]])
    reinvested = backtest(panel, decisions, costs=FREE, accounting=Accounting(initial_nav=100.0))
    assert_allclose(reinvested.nav, [100, 100, 100, 110])
    assert_allclose(reinvested.dividends, 0)
    cash = backtest(panel, decisions, costs=FREE, accounting=Accounting(initial_nav=100.0, dividends="cash"))
    assert_allclose(cash.dividends, [0, 0, 2, 0])
    assert_allclose(cash.cash, [100, 0, 2, 2])
    assert_allclose(cash.nav, [100, 100, 100, 98 * 1.1 + 2])
    assert conserved(cash) < 1e-12


def test_an_asset_without_a_price_is_neither_traded_nor_lost():
    panel = panel_of([[10, 10], [10, 10], [np.nan, 12], [np.nan, 12], [15, 12]])
    accounting = Accounting(initial_nav=100.0)
    decisions = decide(panel, [0, 1], [[0.5, 0.5], [0.0, 1.0]])
    record = backtest(panel, decisions, costs=FREE, accounting=accounting)
    # On day 2 A cannot be sold; B is bought up to all of the NAV, so the money is borrowed and the gap is on record.
    assert_allclose(record.weights[2] * record.nav[2], [50, 110])
    assert_allclose(record.cash[2], -50)
    assert_allclose(record.unfilled[2], 50 / 110)
    # The catch-up move of A arrives with its next price.
    assert_allclose(record.nav[4], 110 + 25)
    # A policy that would trade it cannot either.
    eager = backtest(panel, decisions, costs=FREE, accounting=accounting, policy=Threshold(0.0))
    assert_array_equal(eager.trades[1, 0], 0.0)
    assert_allclose(eager.weights[2] * eager.nav[2], [50, 110])


@pytest.mark.parametrize(("haircut", "left"), [(0.0, 50.0), (-0.3, 35.0)])
def test_a_delisted_holding_is_sold_at_its_last_price(haircut, left):
    close = [[10, 10], [10, 10], *[[np.nan, 10]] * 4]
    panel = panel_of(close)
    accounting = Accounting(initial_nav=100.0, delist_after=3, delisting_return=haircut)
    record = backtest(panel, decide(panel, [0], [[0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert_allclose(record.weights[:, 0] * record.nav, [0, 50, 50, 50, 0, 0])
    assert_allclose(record.cash, [100, 0, 0, 0, left, left])
    assert conserved(record) < 1e-14


def test_a_relisted_asset_earns_nothing_for_its_absence():
    panel = panel_of([[10, 10], [10, 10], *[[np.nan, 10]] * 3, [90, 10], [90, 10]])
    accounting = Accounting(initial_nav=100.0, delist_after=2)
    record = backtest(panel, decide(panel, [0], [[0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert_allclose(record.nav, 100.0)


@pytest.mark.parametrize("dividends", ["reinvest", "cash"])
def test_every_dollar_is_conserved(market, dividends):
    paid = np.where((np.arange(700)[:, None] % 63 == 5) & market.panel.member, 0.004, 0.0)
    panel = market.panel.with_fields(dividend_yield=paid)
    accounting = Accounting(dividends=dividends, cash_rate=0.03, delisting_return=-0.3)
    record = backtest(panel, monthly(panel), costs=LinearCosts(7.0, 1.0), accounting=accounting)
    assert conserved(record) < 1e-10
    held = record.weights * record.nav[:, None]
    assert_allclose(held.sum(axis=1) + record.cash, record.nav, rtol=1e-12)
    assert (record.costs >= 0).all()
    assert record.cost_series.sum() > 0


def test_turnover_by_name_adds_up_to_the_total(market):
    record = backtest(market.panel, monthly(market.panel))
    years = (len(record.dates) - 1) / 252
    money = np.abs(record.trades).sum() / 2
    assert_allclose(record.turnover_by_asset.sum(), money / record.nav.mean() / years)
    before_costs = record.nav + record.cost_series
    assert_allclose((record.turnover * before_costs).sum(), money)


def test_truncating_the_future_changes_nothing(market):
    panel = market.panel
    whole = backtest(panel, monthly(panel))
    for row in (200, 333, 512):
        cut = panel.until(row)
        decisions = monthly(panel)
        known = decisions.dates <= cut.dates[-1]
        part = backtest(cut, Decisions(decisions.dates[known], decisions.assets, decisions.weights[known]))
        days = len(part.dates)
        assert_array_equal(part.nav, whole.nav[:days])
        assert_array_equal(part.weights, whole.weights[:days])
        assert_array_equal(part.costs, whole.costs[: len(part.trade_dates)])


def test_permuting_assets_permutes_holdings(market):
    panel, order = market.panel, np.random.default_rng(5).permutation(60)
    whole = backtest(panel, monthly(panel))
    turned = panel.select(panel.assets[order])
    other = backtest(turned, monthly(turned))
    assert_allclose(other.nav, whole.nav, rtol=1e-12)
    assert_allclose(other.weights, whole.weights[:, order], rtol=1e-9, atol=1e-14)


def test_listings_and_delistings_equal_the_hand_reduced_problem(market):
    """Assets that nobody holds any more, or not yet, might as well not be there."""
    panel = market.panel
    rows = (350, 371, 392)
    present = ~np.isnan(panel.field("close")[340:500]).any(axis=0)
    assert 10 < present.sum() < 60
    weights = np.where(present, 1.0, 0.0) / present.sum()
    whole = backtest(panel, Decisions(panel.dates[list(rows)], panel.assets, np.tile(weights, (3, 1))))
    small = panel.select(panel.assets[present]).between(panel.dates[340], panel.dates[-1])
    equal = np.full((3, int(present.sum())), 1.0 / present.sum())
    reduced = backtest(small, Decisions(panel.dates[list(rows)], small.assets, equal))
    assert_allclose(whole.nav, reduced.nav, rtol=1e-12)
    assert_allclose(whole.weights[:, present], reduced.weights, rtol=1e-10, atol=1e-15)
    assert (whole.weights[:, ~present] == 0).all()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    gross=st.floats(0.1, 2.0),
    spread=st.floats(0.0, 80.0),
    cash_rate=st.floats(-0.05, 0.2),
)
def test_books_balance_for_any_weights(seed, gross, spread, cash_rate):
    panel = simulate_market(8, 40, seed=seed, delisting_share=0.5, listing_share=0.5).panel
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(4, 8))
    weights *= gross / np.abs(weights).sum(axis=1, keepdims=True)
    record = backtest(
        panel,
        Decisions(panel.dates[[2, 9, 17, 30]], panel.assets, weights),
        costs=LinearCosts(spread),
        accounting=Accounting(cash_rate=cash_rate, delist_after=2),
    )
    assert conserved(record) < 1e-10


def test_a_portfolio_without_money_stops_with_a_reason():
    panel = panel_of([[10.0], [10.0], [25.0], [25.0]])
    decisions = decide(panel, [0, 2], [[-1.0], [-1.0]])
    with pytest.raises(InputError, match="no money left on 2024-01-04"):
        backtest(panel, decisions, costs=FREE, accounting=Accounting(initial_nav=100.0))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"weights": np.array([[np.nan, 1.0]])}, "NaN or infinite"),
        ({"weights": np.ones((2, 2))}, "for 1 dates and 2 assets"),
        ({"assets": np.array(["A", "Z"])}, "not in the panel, such as Z"),
        ({"dates": np.array(["2023-01-01"], "datetime64[D]")}, "on no date of the panel"),
        ({"dates": np.empty(0, "datetime64[D]"), "weights": np.empty((0, 2))}, "no decision to replay"),
    ],
)
def test_bad_decisions_are_refused(change, text):
    panel = panel_of([[10, 20]] * 3)
    good = decide(panel, [0], [[0.5, 0.5]])
    with pytest.raises(InputError, match=text):
        backtest(panel, replace(good, **change))


def test_bad_books_are_refused():
    with pytest.raises(InputError, match="initial_nav positive"):
        Accounting(initial_nav=0)
    with pytest.raises(InputError, match="lose more than all"):
        Accounting(delisting_return=-1.5)
    with pytest.raises(InputError, match="must not be negative"):
        LinearCosts(-1.0)
    panel = panel_of([[10.0]] * 3)
    with pytest.raises(InputError, match="negative or unknown cost"):
        backtest(panel, decide(panel, [0], [[1.0]]), costs=lambda trades, day: -np.abs(trades))


def delisted(*, on):
    """A name whose last close is on row 1; half of the money is in it until it is sold on row 4."""
    delist = np.full((6, 2), np.nan)
    delist[on, 0] = -0.4
    return panel_of([[10, 10], [10, 10], *[[np.nan, 10]] * 4], delist_return=delist)


@pytest.mark.parametrize(("on", "left", "counted"), [(1, 30.0, (1, 0)), (3, 30.0, (1, 0)), (5, 35.0, (0, 1))])
def test_a_delisting_return_stands_in_for_the_setting_once_it_is_known(on, left, counted):
    panel, accounting = delisted(on=on), Accounting(initial_nav=100.0, delist_after=3, delisting_return=-0.3)
    record = backtest(panel, decide(panel, [0], [[0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert_allclose(record.weights[:, 0] * record.nav, [0, 50, 50, 50, 0, 0])
    assert_allclose(record.cash, [100, 0, 0, 0, left, left])
    assert (record.delistings.recorded, record.delistings.assumed) == counted
    assert conserved(record) < 1e-14


def test_a_short_sale_gains_from_a_delisting():
    panel, accounting = delisted(on=1), Accounting(initial_nav=100.0, delist_after=3)
    record = backtest(panel, decide(panel, [0], [[-0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert record.nav[-1] == pytest.approx(120.0)


def test_a_loss_of_all_is_booked_and_nothing_is_counted_that_was_not_held():
    panel, accounting = delisted(on=1), Accounting(initial_nav=100.0, delist_after=3)
    panel = panel.with_fields(delist_return=np.where(np.isnan(panel.field("delist_return")), np.nan, -1.0))
    record = backtest(panel, decide(panel, [0], [[0.5, 0.5]]), costs=FREE, accounting=accounting)
    assert record.nav[-1] == pytest.approx(50.0)
    other = backtest(panel, decide(panel, [0], [[0.0, 1.0]]), costs=FREE, accounting=accounting)
    assert other.delistings.total == 0


def test_costs_may_not_know_a_delisting_return():
    """It stands on the day of the last close."""
    seen = []

    def costs(trades, day):
        seen.append(set(day.fields))
        return np.zeros_like(trades)

    panel = delisted(on=1)
    backtest(panel, decide(panel, [0], [[0.5, 0.5]]), costs=costs)
    assert seen
    assert all(fields == {"close"} for fields in seen)


def test_truncating_the_future_changes_nothing_with_delistings(market):
    close = market.panel.field("close")
    delist = np.full(close.shape, np.nan)
    delist[:-1][~np.isnan(close[:-1]) & np.isnan(close[1:])] = -0.5
    panel, decisions = market.panel.with_fields(delist_return=delist), monthly(market.panel)
    whole = backtest(panel, decisions)
    assert whole.delistings.recorded > 0
    assert whole.delistings.assumed == 0
    assert whole.nav[-1] < backtest(market.panel, decisions).nav[-1]
    for row in (200, 333, 512):
        known = decisions.dates <= panel.dates[row]
        part = backtest(panel.until(row), Decisions(decisions.dates[known], panel.assets, decisions.weights[known]))
        assert_array_equal(part.nav, whole.nav[: len(part.nav)])


@pytest.mark.parametrize("periods", [52, 252, 365])
def test_cash_earns_its_yearly_rate_by_the_calendar_of_the_panel(periods):
    panel = replace(panel_of([[10.0]] * 4), periods_per_year=periods)
    accounting = Accounting(initial_nav=100.0, cash_rate=0.365)
    record = backtest(panel, decide(panel, [0], [[0.0]]), costs=FREE, accounting=accounting)
    assert_allclose(record.nav, 100 * (1 + 0.365 / periods) ** np.arange(4))
    assert record.periods_per_year == periods
