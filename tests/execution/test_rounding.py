"""Whole parts of a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.execution.rounding import apportioned


def test_the_largest_remainders_get_what_is_left():
    assert_array_equal(apportioned(1600, np.array([15_000, 10_000, 12_300])), [643, 429, 528])
    assert_array_equal(apportioned([5, 6], np.array([[10, 9, 2], [10, 9, 2]])), [[2, 2, 1], [3, 3, 0]])
    assert_array_equal(apportioned(10, np.ones(4)), [3, 3, 2, 2])
    assert_array_equal(apportioned(1_999_999_999, np.array([1e6, 5e-4])), [1_999_999_998, 1])


def test_odd_lots_come_with_the_last():
    assert_array_equal(apportioned(1050, np.ones(4), lot=100), [300, 300, 200, 250])
    assert_array_equal(apportioned(50, np.array([0.0, 1.0, 1.0]), lot=100), [0, 50, 0])


@settings(deadline=None, max_examples=40)
@given(
    total=st.integers(0, 10**12),
    shares=st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda s: sum(s) > 1e-3),
    lot=st.sampled_from([1, 10, 100]),
)
def test_parts_sum_to_the_whole_and_lie_near_their_share(total, shares, lot):
    parts = apportioned(total, np.array(shares), lot=lot)
    assert parts.sum() == total
    assert (parts >= 0).all()
    exact = total * np.array(shares) / np.sum(shares)
    assert (np.abs(parts - exact) < 2 * lot + 1e-9 * total + 1).all()


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(InputError, match="-3 is negative"):
        apportioned(-3, np.ones(2))
    with pytest.raises(InputError, match="not a whole number"):
        apportioned(1.5, np.ones(2))
    with pytest.raises(InputError, match="all shares of a schedule are zero"):
        apportioned(5, np.zeros(2))
    with pytest.raises(InputError, match="finite and not negative"):
        apportioned(5, np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="a lot of 0"):
        apportioned(5, np.ones(2), lot=0)
