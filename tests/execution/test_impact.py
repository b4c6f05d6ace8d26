"""Impact against the papers' numbers; and one trade, of which schedule, backtest and optimiser say the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.backtest.costs import ImpactCosts, LinearCosts, MarketDay
from quantray.errors import InputError
from quantray.execution.impact import (
    ImpactLaw,
    ImpactModel,
    linear_impact,
    square_root_impact,
    three_fifths_impact,
    with_liquidity,
)
from quantray.portfolio.constraints import Market

LAWS = [ImpactLaw("linear"), ImpactLaw("three_fifths"), ImpactLaw("square_root", permanent=0.3)]


def one(*values):
    return [np.array([value]) for value in values]


def test_ibm_in_a_tenth_a_fifth_and_half_a_day():
    model = three_fifths_impact(*one(6.561e6, 0.0157), turnover=6.561 / 1728)
    order = np.array([0.656e6])
    assert_allclose(model.permanent * order / model.adv * 1e4, 19.86, atol=0.01)
    assert_allclose([model.fraction(order, days=d)[0] * 1e4 for d in (0.1, 0.2, 0.5)], [32, 25, 18], atol=0.5)


def test_the_square_root_of_a_day():
    assert_allclose(square_root_impact(*one(6e6, 0.02)).fraction(np.array([540_000.0])) * 1e4, 60.0)


def test_the_estimator_of_almgren_and_chriss():
    model = linear_impact(*one(5e6, 0.30 / np.sqrt(250), 25.0))
    assert_allclose([model.half_spread[0] * 50, model.temporary[0] * 50 / 5e6], [0.0625, 2.5e-6])
    assert_allclose(model.permanent * 50 / 5e6, 2.5e-7)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_backtest_optimiser_and_schedule_agree_on_a_trade(law):
    nav, adv, volatility, half_spread = 2e8, 4e7, 0.018, 6.0
    trade = np.array([-1.5e6])
    model = law.model(*one(adv, volatility, 2 * half_spread))
    day = MarketDay(
        np.datetime64("2024-01-02"), nav, {"adv": np.array([adv]), "daily_volatility": np.array([volatility])}
    )
    booked = ImpactCosts(law, LinearCosts(half_spread))(trade, day)
    terms = model.terms(nav, at=float(-trade[0] / adv))
    assert_allclose(booked, model.cost(trade))
    assert_allclose(terms.cost(trade / nav) * nav, booked)
    charged = ImpactCosts(law, LinearCosts(half_spread)).market(Market(), day, at=float(-trade[0] / adv))
    market = model.market(Market(), nav, at=float(-trade[0] / adv))
    size = np.abs(trade) / nav
    assert_allclose([charged.cost, charged.impact], [market.cost, market.impact])
    assert_allclose((market.cost * size + market.impact * size**1.5) * nav, booked)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@settings(deadline=None, max_examples=40)
@given(shares=st.lists(st.floats(-3, 3), min_size=2, max_size=6), days=st.floats(0.05, 5))
def test_no_round_trip_earns(law, shares, days):
    model = law.model(*one(1e6, 0.02, 10.0))
    trades = np.append(shares, -np.sum(shares)) * 1e6
    # What trades before have moved the price by for good is gained or paid by those after.
    moved = model.permanent * (np.cumsum(trades) - trades) / model.adv
    paid = sum(model.cost(trade, days=days)[0] for trade in trades[:, None]) + (moved * trades).sum()
    assert paid >= -1e-6


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("days", [1, 2, 5])
def test_even_parts_of_an_order_cost_what_the_order_does_over_their_days(law, days):
    model, order = law.model(*one(4e7, 0.018, 12.0)), 3e6
    part = np.array([order / days])
    paid = sum(model.cost(part, before=k * part) for k in range(days))
    assert_allclose(paid, model.cost(np.array([order]), days=days), rtol=1e-12)


def test_money_becomes_shares_at_the_same_cost():
    model = square_root_impact(*one(4e7, 0.018, 12.0))
    assert_allclose(model.in_shares(np.array([25.0])).fraction(np.array([1e4])), model.fraction(np.array([2.5e5])))


def test_money_at_a_stated_size_costs_as_much_more_as_it_is_larger():
    fields = {"adv": np.array([1e7]), "daily_volatility": np.array([0.02])}
    day = MarketDay(np.datetime64("2024-01-02"), 1e7, fields)
    law, linear, trade = ImpactLaw("square_root"), LinearCosts(5.0), np.array([1e5])
    spread = linear(trade, day)
    small, large = (ImpactCosts(law, linear, aum=aum)(trade, day) - spread for aum in (None, 1e9))
    assert_allclose(large, 10 * small)


def test_a_name_that_nobody_knows_pays_what_was_agreed():
    day = MarketDay(np.datetime64("2024-01-02"), 1e7, {"adv": np.array([np.nan]), "daily_volatility": np.array([0.02])})
    assert_allclose(ImpactCosts(ImpactLaw(), LinearCosts(), unknown_bps=80.0)(np.array([1e5]), day), 800.0)


def test_trailing_parameters_know_nothing_of_tomorrow(market):
    whole, early = with_liquidity(market.panel), with_liquidity(market.panel.until(200))
    for field in ("adv", "daily_volatility"):
        assert_allclose(early.field(field), whole.field(field)[:201])
    model = ImpactLaw("three_fifths").of_panel(whole, 10.0)
    assert model.known[-1].sum() > 50
    assert not model.known[0].any()


def test_what_is_wrong_is_named():
    model = square_root_impact(np.array([0.0, 1e6]), np.array([0.02, 0.02]))
    assert_allclose(model.cost(np.array([0.0, 1e4])), [0.0, 1e4 * 0.002])
    with pytest.raises(InputError, match=r"1 traded names have no known volume.*number 0"):
        model.cost(np.array([1.0, 1.0]))
    with pytest.raises(InputError, match="positive number of days, not 0"):
        model.cost(np.array([0.0, 1.0]), days=0.0)
    with pytest.raises(InputError, match="not one of linear, three_fifths, square_root"):
        ImpactLaw("cubic")
    with pytest.raises(InputError, match="adv holds negative"):
        square_root_impact(*one(-1.0, 0.02))
    with pytest.raises(InputError, match="power 0.6"):
        three_fifths_impact(*one(1e6, 0.02)).terms(1e6)
    with pytest.raises(InputError, match="power 2"):
        ImpactModel(adv=1.0, volatility=0.1, half_spread=0.0, temporary=0.1, permanent=0.0, power=2)
    with pytest.raises(InputError, match="with_liquidity"):
        ImpactCosts(ImpactLaw(), LinearCosts())(np.ones(1), MarketDay(np.datetime64("2024-01-02"), 1e7, {}))
