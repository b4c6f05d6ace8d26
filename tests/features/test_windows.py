import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.features.windows import (
    enough_days,
    lookback_windows,
    window_max,
    window_mean,
    window_median,
    window_sum,
)

NAN = np.nan


def gappy(seed=0, shape=(120, 7), share=0.3):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=shape)
    values[generator.random(shape) < share] = NAN
    values[:40, 2] = NAN
    return values


def test_lookback_windows_are_read_only_views():
    values = np.arange(24.0).reshape(4, 3, 2)
    windows = lookback_windows(values, 3)
    assert windows.shape == (2, 3, 3, 2)
    assert_array_equal(windows[0], values[:3])
    assert_array_equal(windows[1], values[1:])
    assert np.shares_memory(windows, values)
    assert not windows.flags.writeable


@pytest.mark.parametrize("length", [0, 5])
def test_lookback_windows_refuse_what_does_not_fit(length):
    with pytest.raises(InputError, match=f"windows of {length} rows do not fit 4 rows"):
        lookback_windows(np.zeros((4, 2)), length)


def test_sums_by_hand():
    values = np.array([[1.0], [2.0], [4.0], [8.0]])
    assert_array_equal(window_sum(values, 3)[:, 0], [1, 3, 7, 14])
    assert_array_equal(window_sum(values.astype(np.int16), 9)[:, 0], [1, 3, 7, 15])
    assert_array_equal(values[:, 0], [1, 2, 4, 8])


@pytest.mark.parametrize("length", [1, 2, 5, 21, 63, 64, 119, 120, 200])
def test_windows_equal_pandas(length):
    values = gappy()
    least = max(1, int(np.ceil(0.5 * length)))
    rolling = pd.DataFrame(values).rolling(length, min_periods=least)
    assert_allclose(window_mean(values, length, 0.5), rolling.mean(), rtol=0, atol=1e-14)
    assert_array_equal(window_median(values, length, 0.5), rolling.median())
    assert_array_equal(enough_days(~np.isnan(values), length, 0.5), rolling.count() >= least)
    assert_array_equal(window_max(values, length), pd.DataFrame(values).rolling(length, min_periods=1).max())


def test_means_without_gaps_equal_pandas():
    values = np.random.default_rng(3).normal(size=(50, 3))
    expected = pd.DataFrame(values).rolling(7, min_periods=1).mean()
    assert_allclose(window_mean(values, 7, 0.0), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("window", [window_mean, window_median])
def test_rows_depend_on_their_window_only_to_the_last_bit(window):
    values = gappy(1) * np.exp(10 * gappy(2, share=0.0))
    length = 21
    full = window(values, length, 0.4)
    for row in (21, 60, 119):
        assert_array_equal(window(values[: row + 1], length, 0.4)[-1], full[row])
        assert_array_equal(window(values[row - length + 1 : row + 1], length, 0.4)[-1], full[row])


def test_an_outlier_leaves_no_trace():
    values = np.full((60, 1), 0.1)
    values[3] = 1e18
    assert_array_equal(window_mean(values, 10, 1.0)[20:], window_mean(np.full((60, 1), 0.1), 10, 1.0)[20:])


def test_bad_windows_are_refused():
    with pytest.raises(InputError, match="a window of 0 rows is not possible"):
        window_sum(np.zeros((3, 1)), 0)
    with pytest.raises(InputError, match="a window of 0 rows is not possible"):
        window_max(np.zeros((3, 1)), 0)
    with pytest.raises(InputError, match=r"min_share 1\.5 is a share"):
        window_mean(np.zeros((3, 1)), 2, 1.5)
