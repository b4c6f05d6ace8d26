import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.regimes.schedule import RefitSchedule, seed_of, spread_out


def test_fits_learn_from_the_past_and_are_used_until_the_next():
    found = RefitSchedule(first=20, every=10, window=25).segments(42)
    assert [(s.fit.start, s.fit.stop, s.use.start, s.use.stop) for s in found] == [
        (0, 20, 19, 29),
        (5, 30, 29, 39),
        (15, 40, 39, 42),
    ]
    assert RefitSchedule(first=20, every=10).segments(40)[-1].fit == slice(0, 40)
    assert RefitSchedule(first=20).segments(19) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(20, 60), st.integers(1, 30), st.integers(20, 200), st.integers(0, 50))
def test_each_row_is_labelled_once_by_a_fit_of_its_past(first, every, count, more):
    schedule = RefitSchedule(first=first, every=every)
    segments = schedule.segments(count)
    used = [t for s in segments for t in range(s.use.start, s.use.stop)]
    assert used == list(range(first - 1, count))
    assert all(s.fit.stop <= s.use.start + 1 for s in segments)
    assert [s.fit for s in schedule.segments(count + more)][: len(segments)] == [s.fit for s in segments]


def test_probabilities_are_held_until_the_next_row():
    out = spread_out(np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([1, 3]), 5)
    assert_array_equal(out[:, 0], [np.nan, 0.2, 0.2, 1.0, 1.0])


def test_seeds_come_from_identity():
    assert seed_of(1, 2) == seed_of(1, 2) != seed_of(2, 1)


def test_schedules_are_checked():
    with pytest.raises(InputError, match="first 5 must be 20"):
        RefitSchedule(first=5)
    with pytest.raises(InputError, match="window 30 must hold at least the 40 rows"):
        RefitSchedule(first=40, window=30)
