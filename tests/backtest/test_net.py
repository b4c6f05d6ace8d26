"""Net returns by hand, and against the accounts that keep every dollar."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import net_of_costs, net_returns, strategy_returns
from quantray.errors import InputError
from quantray.strategies.crisis import TailHedge
from quantray.strategies.rule import StrategyResult
from quantray.strategies.trend import MovingAverageCross


def test_net_returns_by_hand():
    """Half in A from the close of day 1 on, sold at the close of day 3: it earns days 2 and 3."""
    close = np.array([[10.0], [10.0], [11.0], [12.1], [24.2]])
    weights = np.array([[0.5], [0.5], [0.0], [0.0], [0.0]])
    earned = net_returns(weights, close, costs_bps=10, lag=1, drift=False)
    assert_allclose(earned.returns, [0, 0, 0.05 - 0.0005, 0.05, -0.0005])
    assert_allclose(earned.turnover, [0, 0, 0.25, 0, 0.25])
    assert_allclose(earned.costs, [0, 0, 0.0005, 0, 0.0005])
    assert_allclose(net_returns(-weights, close, costs_bps=0, lag=1).returns, [0, 0, -0.05, -0.05, 0])
    assert_allclose(net_returns(weights, close, costs_bps=0, lag=0).returns, [0, 0, 0.05, 0, 0])


def test_drift_is_traded_back():
    """Half in a name that doubles is two thirds of NAV: a sixth is sold."""
    close = np.array([[1.0], [2.0], [2.0], [2.0]])
    earned = net_returns(np.full((4, 1), 0.5), close, costs_bps=10, lag=0)
    assert_allclose(earned.turnover, [0, 0.25, 1 / 12, 0])
    assert_allclose(earned.returns, [0, 0.5 - 0.0005, -0.001 / 6, 0])


def test_two_names_by_hand():
    close = np.array([[100.0, 50], [110, 50], [110, 55], [99, 55]])
    weights = np.array([[1.0, 0], [0, 0.5], [0, 0], [0, 0]])
    free, expensive = (net_returns(weights, close, costs_bps=bps, lag=0) for bps in (0.0, 100.0))
    # The first day's weight earns 10 %, and then half of 10 %.
    assert_allclose(free.returns, [0, 0.10, 0.05, 0])
    # Bought 1; sold 1 and bought 0.5; sold the 0.5 that had grown to 0.55 of a NAV of 1.05.
    assert_allclose(expensive.costs, [0, 0.01, 0.015, 0.01 * 0.55 / 1.05])
    assert_allclose(expensive.returns, free.returns - expensive.costs)


def test_every_trade_pays_the_spread_of_its_day_and_name():
    """Each name is bought at the close of day 1 and sold at that of day 2, at different spreads."""
    close, weights = np.full((5, 2), 10.0), np.zeros((5, 2))
    weights[0] = 0.5, 0.25
    spreads = np.full((5, 2), 9999.0)
    spreads[1], spreads[2] = (10.0, 20.0), (40.0, 0.0)
    net = net_returns(weights, close, costs_bps=spreads, lag=1)
    assert_allclose(net.costs, [0, 0, 0.5 * 10e-4 + 0.25 * 20e-4, 0.5 * 40e-4, 0])
    assert_allclose(net.returns, -net.costs)


@pytest.mark.parametrize("quoted", [False, True])
def test_returns_agree_with_the_accounts(market, quoted):
    """The accounts charge at the close of the trade, a day before the position that it made first earns."""
    panel = market.panel.between("2023-01-01", "2024-06-30")
    panel = panel.select(panel.assets[panel.member.all(axis=0)])
    if not quoted:
        fields = {name: values for name, values in panel.fields.items() if name != "half_spread_bps"}
        panel = type(panel)(panel.dates, panel.assets, fields, panel.member)
    weights = MovingAverageCross().weights(panel)
    net = net_of_costs(StrategyResult(weights, np.zeros(len(weights))), panel, costs=LinearCosts(5.0))
    record = backtest(
        panel, Decisions(panel.dates, panel.assets, weights), costs=LinearCosts(5.0), accounting=Accounting()
    )
    gross = net.returns + net.costs
    assert_allclose(gross[1:-1] - net.costs[2:], record.returns[:-1], atol=2e-6)
    assert_allclose(net.costs[1:], (record.cost_series / (record.nav + record.cost_series))[:-1], atol=1e-6)


def test_quoted_spreads_are_paid_and_the_number_where_none_is(make_panel):
    close, weights = [[10.0, 10.0]] * 4, np.full((4, 2), 0.5)
    quoted = make_panel(close, half_spread_bps=np.array([[2.0, np.nan]] * 4))
    net = net_of_costs(StrategyResult(weights, np.zeros(4)), quoted, costs=LinearCosts(10.0), lag=0)
    assert_allclose(net.costs, [0, 0.5 * 2e-4 + 0.5 * 10e-4, 0, 0])


def test_a_name_without_a_close_earns_on_its_next_one():
    close = np.array([[10.0], [10.0], [np.nan], [12.0], [12.0]])
    assert_allclose(net_returns(np.ones((5, 1)), close, costs_bps=0, lag=0).returns, [0, 0, 0, 0.2, 0])


def test_a_delisting_is_earned_by_what_is_held_on_the_day_after_the_last_close():
    close = np.array([[10.0], [10.0], [11.0], [np.nan], [np.nan]])
    delist = np.where(np.arange(5)[:, None] == 2, -0.6, np.nan)
    weights = np.array([[0.5], [0.5], [0.5], [0.0], [0.0]])
    net = net_returns(weights, close, costs_bps=0, lag=0, delist_tn=delist)
    assert_allclose(net.returns, [0, 0, 0.05, -0.3, 0])
    assert_allclose(net_returns(weights, close, costs_bps=0, lag=0).returns, [0, 0, 0.05, 0, 0])


def test_delistings_of_a_panel_are_earned(make_panel):
    delist = np.array([np.nan, -0.5, np.nan, np.nan])[:, None]
    panel = make_panel([100.0, 110, np.nan, np.nan], delist_return=delist)
    net = net_of_costs(StrategyResult(np.ones((4, 1)), np.zeros(4)), panel, costs=LinearCosts(0.0), lag=0)
    assert_allclose(net.returns, [0, 0.1, -0.5, 0])


def test_overlays_count(make_panel):
    close = 100 * np.cumprod(1 + np.random.default_rng(0).normal(0, 0.02, size=(200, 5)), axis=0)
    panel, hedge = make_panel(close), TailHedge()
    assert_array_equal(strategy_returns(hedge, panel), hedge.run(panel).overlay_returns)
    assert np.abs(hedge.run(panel).overlay_returns).sum() > 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: net_returns(np.zeros((3, 2)), c, costs_bps=5), "take both from one panel"),
        (lambda c: net_returns(np.full(c.shape, np.nan), c, costs_bps=5), "weight of 0"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=-1), "costs_bps -1 must lie"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=np.full(c.shape, np.nan)), "from nan to nan must lie"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=np.ones(2)), r"costs_bps are \(2,\) for \(260, 2\)"),
        (lambda c: net_returns(np.zeros(c.shape), c, costs_bps=5, lag=300), "days are too few for a lag of 300"),
        (lambda c: net_returns(np.full(c.shape, -500.0), c, costs_bps=5), "lower the gross exposure"),
    ],
)
def test_wrong_input_is_refused(call, text):
    rising = np.linspace(10.0, 20.0, 520).reshape(260, 2) ** 2
    with pytest.raises(InputError, match=text):
        call(rising)
