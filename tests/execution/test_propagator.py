"""Decay by hand, and no round trip that earns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.impact import linear_impact, square_root_impact
from quantray.execution.propagator import Propagator, decaying

ONE = np.array([1.0])
PLAIN = Propagator(adv=ONE, scale=ONE, permanent=0 * ONE, half_spread=0 * ONE, half_life=1.0)


def test_half_is_left_after_a_half_life():
    trades = np.array([[1.0], [0.0], [0.0]])
    assert_allclose(PLAIN.displacement(trades, np.array([0.0, 1.0, 3.0]))[:, 0], [1, 0.5, 0.125])
    slower = replace(PLAIN, kernel="power").displacement(trades, np.array([0.0, 1.0, 5.0]))
    assert_allclose(slower[:, 0], [1, 0.5, 0.25])


def test_what_two_trades_pay():
    paid = PLAIN.cost(np.array([[1.0], [1.0]]), np.array([0.0, 1.0]))
    assert_allclose(paid, 0.5 + 0.5 + 0.5)
    lasting = replace(PLAIN, scale=0 * ONE, permanent=ONE)
    assert_allclose(lasting.cost(np.array([[1.0], [1.0]]), np.array([0.0, 1.0])), 2.0)


def test_many_schedules_are_priced_at_once():
    trades, times = np.random.default_rng(0).normal(size=(5, 3, 1)), np.array([0.0, 0.2, 0.7])
    assert_allclose(PLAIN.cost(trades, times), [PLAIN.cost(one, times) for one in trades])


@pytest.mark.parametrize("kernel", ["exponential", "power"])
@settings(deadline=None, max_examples=40)
@given(
    trades=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8),
    gaps=st.lists(st.floats(0, 3), min_size=9, max_size=9),
    half_life=st.floats(0.01, 10),
)
def test_no_round_trip_earns(kernel, trades, gaps, half_life):
    impact = linear_impact(np.array([1e6]), np.array([0.02]), np.array([10.0]))
    trip = np.append(trades, -np.sum(trades))[:, None]
    paid = decaying(impact, half_life, kernel=kernel).cost(trip, np.cumsum(gaps[: len(trip)]))
    assert paid[0] >= -1e-9 * (1 + np.abs(trip).sum())


@pytest.mark.parametrize("make", [linear_impact, square_root_impact])
def test_even_trading_moves_prices_as_temporary_impact_does(make):
    impact = make(np.array([1e6]), np.array([0.02]), np.array([10.0]))
    steps = 4000
    trades = np.full((steps, 1), 0.05 * 1e6 * 2 / steps)
    moved = replace(decaying(impact, 0.05), permanent=0 * ONE).displacement(trades, np.linspace(0, 2, steps))
    assert_allclose(moved[-1], impact.temporary * 0.05**impact.power, rtol=0.02)


def test_what_is_wrong_is_named():
    with pytest.raises(InputError, match="half_life 0"):
        replace(PLAIN, half_life=0.0)
    with pytest.raises(InputError, match=r"trades are \(2, 1\) for 3 times"):
        PLAIN.cost(np.ones((2, 1)), np.zeros(3))
    with pytest.raises(InputError, match="not negative"):
        replace(PLAIN, scale=-ONE)
    with pytest.raises(InputError, match="must be known"):
        decaying(square_root_impact(np.array([0.0]), np.array([0.02])), 1.0)
