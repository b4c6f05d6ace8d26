"""Every schedule sums to its order; profiles, participation and urgency by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.execution.almgren_chriss import TradingTerms, optimal_trajectory
from quantray.execution.schedules import (
    implementation_shortfall,
    pov,
    pov_expected,
    twap,
    usual_profile,
    volume_profile,
    vwap,
)
from quantray.execution.sessions import session

PAPER = TradingTerms(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, half_spread=0.0625)


def test_by_hand():
    assert_array_equal(twap(10, 4), [3, 3, 2, 2])
    assert_array_equal(vwap([100, 10], np.array([0.5, 0.2, 0.3])), [[50, 20, 30], [5, 2, 3]])
    slices = implementation_shortfall(1_000_000, PAPER, risk_aversion=1e-6, days=5.0, slices=5)
    assert_allclose(slices, [458_044, 252_101, 141_957, 85_756, 62_142], atol=1)


@settings(deadline=None, max_examples=40)
@given(
    quantities=st.lists(st.integers(1, 10**8), min_size=1, max_size=4),
    urgency=st.floats(0, 20),
    slices=st.integers(1, 20),
    lot=st.sampled_from([1, 100]),
)
def test_slices_sum_to_orders_and_holdings_fall(quantities, urgency, slices, lot):
    profile = usual_profile(session("2024-03-15", slices, closing=True))
    for made in (
        twap(quantities, slices, lot=lot, jitter=0.5, seed=1),
        vwap(quantities, profile, lot=lot),
        implementation_shortfall(quantities, PAPER, urgency=urgency, slices=slices, lot=lot),
    ):
        assert_array_equal(made.sum(axis=1), quantities)
        assert (made >= 0).all()


def test_jitter_is_the_same_again():
    assert_array_equal(twap(1000, 8, jitter=0.3, seed=5), twap(1000, 8, jitter=0.3, seed=5))
    assert np.ptp(twap(1000, 8, jitter=0.3, seed=5)) > 10


def test_a_profile_is_the_median_share_and_forgets_a_wild_day():
    volume = np.array([[10, 20, 70]] * 19 + [[1e6, 0, 0]])
    assert_allclose(volume_profile(volume), [0.1, 0.2, 0.7])
    rare = np.array([[5.0, 0, 0], [0, 5, 0], [0, 0, 5], [0, 0, 0]])
    assert_allclose(volume_profile(rare), [1 / 3] * 3)


def test_the_usual_day_is_a_u():
    profile = usual_profile(session("2024-03-15", 13, opening=True, closing=True))
    assert_allclose(profile.sum(), 1)
    assert_allclose([profile[0], profile[-1]], [0.015, 0.08])
    inner = profile[1:-1]
    assert_allclose(inner, inner[::-1])
    assert 3 < inner[0] / inner[6] < 4


def test_participation_counts_our_own_shares():
    assert_array_equal(pov(1000, 0, 900, 0.1), 100)
    assert_array_equal(pov([1000, 50], [100, 0], [900, 900], 0.1), [0, 50])
    assert_array_equal(pov(1000, 0, 9000, 0.1, most=300), 300)
    made = pov_expected(250, np.full(4, 900.0), np.array(0.1))
    assert_array_equal(made, [100, 100, 50, 0])
    assert pov_expected(1000, np.full(4, 900.0), np.array(0.1)).sum() == 400


def test_urgent_orders_come_first():
    calm, urgent = (implementation_shortfall(10_000, PAPER, urgency=u) for u in (0.0, 5.0))
    assert_array_equal(calm, twap(10_000, 8))
    best = optimal_trajectory(10_000, PAPER, risk_aversion=0.0)
    assert urgent[0] > 2 * best.trades[0]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: twap(-5, 4), "-5 is negative"),
        (lambda: twap(5, 0), "0 slices"),
        (lambda: twap(5, 2, jitter=0.1), "needs a seed"),
        (lambda: vwap([5, 5], np.ones((3, 4))), "profile is"),
        (lambda: vwap(5, np.zeros(4)), "all shares of a schedule are zero"),
        (lambda: volume_profile(np.zeros((3, 4))), "never traded"),
        (lambda: volume_profile(np.full((3, 4), np.nan)), "not known"),
        (lambda: pov(10, 0, 5, 1.0), "rate 1 to 1"),
        (lambda: pov(10, 20, 5, 0.1), "more is done"),
        (lambda: pov_expected(10, np.array([np.nan]), 0.1), "must be known"),
        (lambda: pov_expected(10, np.ones(2), 0.0), "rate 0 to 0"),
    ],
)
def test_what_is_wrong_is_named(call, told):
    with pytest.raises(InputError, match=told):
        call()
