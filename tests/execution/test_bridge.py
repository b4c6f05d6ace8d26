import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.bridge import day_paths, day_volumes


@given(st.lists(st.floats(5.0, 200.0), min_size=4, max_size=4), st.integers(4, 80), st.integers(0, 2**31))
def test_every_path_keeps_its_bar(prices, n_steps, seed):
    low, *inside, high = sorted(prices)
    bar = (inside[0], high, low, inside[1])
    paths = day_paths(bar, n_steps=n_steps, n_paths=20, seed=seed)
    assert_allclose(paths[:, 0], bar[0])
    assert_allclose(paths[:, -1], bar[3])
    assert_allclose(paths.max(axis=1), high)
    assert_allclose(paths.min(axis=1), low)


def test_a_day_that_only_rose_stays_between_its_ends():
    paths = day_paths((10.0, 12.0, 10.0, 12.0), n_steps=40, n_paths=50, seed=1)
    assert paths.min() >= 10.0
    assert paths.max() <= 12.0


def test_paths_differ_and_a_seed_makes_them_again():
    bar = (10.0, 11.0, 9.0, 10.5)
    first = day_paths(bar, n_steps=20, n_paths=3, seed=(1, 2))
    assert_allclose(first, day_paths(bar, n_steps=20, n_paths=3, seed=(1, 2)))
    assert not np.allclose(first[0], first[1])


@pytest.mark.parametrize("bar", [(10, 9, 8, 9), (10, 11, 10.5, 10.8), (10, 11, 0, 10), (10, 11, 9, np.nan)])
def test_a_bar_that_contradicts_itself_is_refused(bar):
    with pytest.raises(InputError, match="contradicts itself; mend it first"):
        day_paths(bar, n_steps=10, n_paths=1, seed=0)


def test_volumes_sum_to_the_day_and_follow_the_profile():
    profile = np.array([3.0, 1.0, 2.0])
    found = day_volumes(6000, profile, n_paths=4000, noise=0.3, seed=1)
    assert_allclose(found.sum(axis=1), 6000)
    assert_allclose(found.mean(axis=0) / 6000, profile / 6, rtol=0.02)
    assert_allclose(day_volumes(6000, profile, n_paths=1, noise=0.0, seed=1)[0], [3000, 1000, 2000])
    with pytest.raises(InputError, match="nor all zero"):
        day_volumes(1, np.zeros(3), n_paths=1, noise=0, seed=0)
