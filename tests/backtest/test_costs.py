"""Costs by hand: basis points, quoted spreads and what stands in for them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import CostsByDay, ImpactCosts, LinearCosts, MarketDay, from_bps, trading_costs
from quantray.errors import InputError
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw

SPREADS = {"half_spread_bps": np.array([[10.0, np.nan], [-1.0, 0.0]])}


def test_basis_points_are_fractions():
    assert_allclose(from_bps([1.0, 10_000.0]), [1e-4, 1.0])


def test_a_quoted_spread_stands_before_the_number():
    assert_array_equal(LinearCosts(40.0).bps(SPREADS), [[10.0, 40.0], [40.0, 0.0]])
    assert_array_equal(LinearCosts(40.0, 2.0).bps(SPREADS), [[12.0, 42.0], [42.0, 2.0]])
    assert LinearCosts(40.0, 2.0).bps({}) == 42.0


def test_all_names_together_by_hand():
    traded = np.array([[1.0, 3.0], [0.0, 2.0]])
    assert_allclose(trading_costs(traded, 50.0), [0.02, 0.01])
    assert_allclose(trading_costs(traded, np.array([[10.0, 20.0], [10.0, 30.0]])), [0.007, 0.006])
    assert_allclose(trading_costs(traded[0], np.array([10.0, 20.0])), 0.007)


def test_linear_costs_are_those_of_all_names_together():
    day = MarketDay(np.datetime64("2024-01-02"), 1.0, {"half_spread_bps": SPREADS["half_spread_bps"][0]})
    paid = LinearCosts(40.0, 1.0)(np.array([2.0, -3.0]), day)
    assert_allclose(paid, [2 * 11e-4, 3 * 41e-4])
    assert_allclose(paid.sum(), trading_costs(np.array([2.0, 3.0]), LinearCosts(40.0, 1.0).bps(day.fields)))


def test_accounts_pay_quoted_spreads(make_panel):
    panel = make_panel([[10.0, 20.0]] * 3, half_spread_bps=np.array([[10.0, np.nan]] * 3))
    decisions = Decisions(panel.dates[:1], panel.assets, np.array([[0.5, 0.5]]))
    record = backtest(panel, decisions, costs=LinearCosts(40.0, 1.0))
    assert_allclose(record.costs[0], record.trades[0] * np.array([11e-4, 41e-4]))


def test_words_say_whether_spreads_are_quoted():
    assert LinearCosts(5.0).described({}) == "5 bp of the money traded"
    quoted = "half of the quoted spread, where none is known 5 bp of the money traded"
    assert LinearCosts(5.0).described(SPREADS) == quoted
    assert LinearCosts(4.0, 1.0).described(SPREADS) == quoted.replace("spread,", "spread and 1 bp,")


def test_negative_costs_are_refused():
    with pytest.raises(InputError, match="must not be negative"):
        LinearCosts(-1.0)


def test_costs_change_on_their_days():
    days = np.array(["2024-01-03", "2024-01-10"], dtype="datetime64[D]")
    cheap, dear = (ImpactCosts(ImpactLaw(), LinearCosts(bps, 0.0), aum=1e6) for bps in (1.0, 9.0))
    both = CostsByDay(days, (cheap, dear))
    fields = {ADV: np.array([1e7]), DAILY_VOLATILITY: np.array([0.01])}
    for date, expected in (("2024-01-02", cheap), ("2024-01-09", cheap), ("2024-01-10", dear)):
        day = MarketDay(np.datetime64(date), 1e6, fields)
        assert both.on(day.date) is expected
        assert_allclose(both(np.array([1e5]), day), expected(np.array([1e5]), day))


def test_costs_by_day_must_rise():
    costs = (ImpactCosts(ImpactLaw(), LinearCosts()),)
    with pytest.raises(InputError, match="1 first days of 2 costs must rise"):
        CostsByDay(np.array(["2024-01-03"], dtype="datetime64[D]"), costs * 2)
