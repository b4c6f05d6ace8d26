import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.portfolio.rebalance import (
    FullMove,
    NoTradeZone,
    PartialMove,
    Threshold,
    cost_zone,
    unnecessary_turnover,
    whole_shares,
)

CURRENT, TARGET = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.33, 0.27])


def test_policies_by_hand():
    assert_array_equal(FullMove()(CURRENT, TARGET), TARGET)
    assert_array_equal(Threshold(0.1)(CURRENT, TARGET), CURRENT)
    assert_array_equal(Threshold(0.09)(CURRENT, TARGET), TARGET)
    assert_allclose(PartialMove(0.5)(CURRENT, TARGET), [0.45, 0.315, 0.235])
    assert_allclose(NoTradeZone(0.05)(CURRENT, TARGET), [0.45, 0.3, 0.22])
    assert_allclose(NoTradeZone(np.array([0.2, 0.0, 0.0]))(CURRENT, TARGET), [0.5, 0.33, 0.27])


def test_a_leaver_is_sold_out_of_a_zone():
    assert_array_equal(NoTradeZone(0.5)(np.array([0.01, 0.99]), np.array([0.0, 1.0])), [0.0, 0.99])


def test_a_zone_neither_hoards_cash_nor_borrows():
    zone, target = NoTradeZone(0.005), np.full(100, 0.01)
    bought = zone(np.zeros(100), target)
    assert bought.sum() == pytest.approx(0.995)
    assert_allclose(bought, bought[0])
    # A name far below its target is bought; the others lie within their bands and must pay for it.
    current = np.full(100, 0.0104)
    current[0] = 1 - current[1:].sum()
    after = zone(current, target)
    assert after.sum() == pytest.approx(1.005)
    assert (np.abs(after - target) <= 0.005 + 1e-15).all()
    # Cash within its band moves nothing.
    assert_array_equal(zone(target - 4e-5, target), target - 4e-5)


def test_the_cost_zone_is_where_trading_does_not_pay():
    """Utility of moving to x from the zone's outside is highest at its edge."""
    cost, variance, aversion = 0.001, 0.04, 5.0
    width = float(cost_zone(np.array([cost]), np.array([variance]), risk_aversion=aversion)[0])
    assert width == pytest.approx(0.005)
    start = 0.03
    moves = np.linspace(0, start, 3001)
    utility = -0.5 * aversion * variance * (start - moves) ** 2 - cost * moves
    assert start - moves[utility.argmax()] == pytest.approx(width, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 30), lot=st.sampled_from([1, 10, 100]))
def test_whole_shares_conserve_money(seed, n, lot):
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(n)) * generator.uniform(0, 1)
    weights[generator.random(n) < 0.2] *= -1
    prices = generator.lognormal(3, 1, n)
    held = generator.integers(-50, 50, n)
    done = whole_shares(weights, prices, 1e6, held=held, lot=lot)
    assert (done.shares % lot == 0).all()
    assert_array_equal(done.shares, held + done.trades)
    assert done.cash + done.shares @ prices == pytest.approx(1e6, rel=1e-12)
    # Never more spent than the weights say, and no name off by a lot or more.
    assert done.shares @ prices <= (weights * 1e6).sum() + 1e-6
    assert (np.abs(done.shares - weights * 1e6 / prices) < lot).all()


def test_whole_shares_by_hand():
    done = whole_shares(np.array([0.5, 0.5]), np.array([30.0, 70.0]), 1000.0)
    # 16.7 and 7.1 shares: cut to 16 and 7, and the 30 left over buy one more of the first.
    assert_array_equal(done.shares, [17, 7])
    assert done.cash == pytest.approx(0.0)
    assert_allclose(done.weights, [0.51, 0.49])


def test_whole_positions_are_not_traded_for_a_rounding_error():
    assert whole_shares(np.array([0.29]), np.array([1.0]), 100.0).shares.tolist() == [29]
    generator = np.random.default_rng(0)
    for _ in range(200):
        prices, shares = generator.uniform(5, 300, 10).round(2), generator.integers(-500, 1000, 10)
        nav = float(np.abs(prices * shares).sum())
        assert not whole_shares(shares * prices / nav, prices, nav, held=shares).trades.any()


def test_unnecessary_turnover_by_hand():
    there_and_back = np.array([[0.1], [-0.1], [0.0], [0.0]])
    assert unnecessary_turnover(there_and_back, window=2) == pytest.approx(0.2 / 0.3)
    one_way = np.array([[0.1, -0.1], [0.05, -0.05], [0.1, -0.1]])
    assert unnecessary_turnover(one_way) == 0.0
    assert unnecessary_turnover(np.zeros((5, 2))) == 0.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Threshold(3.0), "between 0 and 2"),
        (lambda: PartialMove(0.0), "above 0"),
        (lambda: NoTradeZone(-0.1), "not negative"),
        (
            lambda: cost_zone(np.array([0.1]), np.array([0.0]), risk_aversion=1.0),
            "variances and risk aversion positive",
        ),
        (lambda: whole_shares(np.ones(2), np.ones(3), 1.0), "both must be"),
        (lambda: whole_shares(np.ones(1), np.zeros(1), 1.0), "must be positive"),
        (lambda: whole_shares(np.ones(2), np.ones(2), 1.0, held=np.ones(3, dtype=np.int64)), "whole number for each"),
        (lambda: whole_shares(np.ones(1), np.ones(1), 1.0, held=np.array([0.5])), "whole number for each"),
        (lambda: unnecessary_turnover(np.ones(3)), "at least 2"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(InputError, match=text):
        call()
