"""Costs of users' own models: what they say is paid, and what is no money is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import LinearCosts, MarketDay
from quantray.backtest.own_costs import OwnCosts
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError, SolverError

DAY = MarketDay(np.datetime64("2020-03-02"), 1e6, {"adv": np.array([1e6, 4e6, np.nan])})
TRADES = np.array([1e5, -1e5, 0.0])


def own(name, **parameters):
    return OwnCosts.of(f"own_costs:{name}", parameters)


def test_what_the_function_says_is_paid_for_what_is_traded():
    assert_array_equal(own("tiered")(TRADES, DAY), [100.0, 100.0, 0.0])
    assert_array_equal(own("tiered", bps=1e-3, minimum=7.0)(TRADES, DAY), [7.0, 7.0, 0.0])
    assert_allclose(own("of_volume")(TRADES, DAY), 100 * np.sqrt([0.1, 0.025, 0.0]))
    given = TRADES.copy()
    assert_array_equal(own("overwrites")(given, DAY), own("tiered")(TRADES, DAY))
    assert_array_equal(given, TRADES)


def test_an_optimiser_knows_what_a_trade_of_a_hundredth_costs():
    assert_allclose(own("tiered", bps=5.0, minimum=20.0).rate(DAY, 3), 2e-3)
    assert_allclose(own("tiered", bps=50.0).rate(DAY, 3), 5e-3)


def test_accounts_pay_it():
    """Ten basis points by a function are ten basis points."""
    panel = simulate_market(6, 60, seed=3).panel
    panel = panel.select(panel.assets[panel.member.all(axis=0)]).with_only("close")
    days = panel.dates[[20, 40]]
    decisions = Decisions(days, panel.assets, np.full((2, len(panel.assets)), 1 / len(panel.assets)))
    mine = backtest(panel, decisions, costs=own("tiered", minimum=0.0), name="x")
    assert_allclose(mine.nav, backtest(panel, decisions, costs=LinearCosts(10.0), name="x").nav, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing", "cost model 'own_costs:missing' gave nan for a trade of 100000 on 2020-03-02; costs are 0 or more"),
        ("negative", "gave -100 for a trade of 100000"),
        ("in_all", r"gave \(\); it must give \(3,\), money paid for each asset"),
        ("raises", "cost model 'own_costs:raises' raised ValueError: closed, on 2020-03-02"),
    ],
)
def test_what_is_no_money_is_refused_with_the_date(name, told):
    with pytest.raises(SolverError, match=told):
        own(name)(TRADES, DAY)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="'own_costs:Bare' is a class; name a function of trades and a day"):
        own("Bare")
    with pytest.raises(InputError, match=r"parameters do not fit \(.*\); its parameters are bps, minimum"):
        own("tiered", basis=3)(TRADES, DAY)
