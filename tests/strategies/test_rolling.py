import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import DataError
from quantray.strategies.rolling import (
    bridged_close,
    log_returns,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_sum,
    rolling_volatility,
    tradable,
    wilder_average,
)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 20, 63])
def test_windows_agree_with_pandas(window):
    values = np.random.default_rng(0).normal(size=(100, 4))
    values[30, 1] = np.nan
    rolled = pd.DataFrame(values).rolling(window)
    assert_allclose(rolling_sum(values, window), rolled.sum().to_numpy(), atol=1e-12)
    assert_allclose(rolling_mean(values, window), rolled.mean().to_numpy(), atol=1e-12)
    assert_array_equal(rolling_max(values, window), rolled.max().to_numpy())
    assert_array_equal(rolling_min(values, window), rolled.min().to_numpy())


def test_a_window_longer_than_the_panel_is_unknown():
    assert np.isnan(rolling_mean(np.ones((5, 1)), 6)).all()
    assert np.isnan(rolling_max(np.ones((5, 1)), 64)).all()


def test_sums_survive_a_crash_and_do_not_depend_on_where_the_panel_begins():
    values = np.concatenate([np.full(50, 1e12), np.full(50, 1e-6)])[:, None]
    assert_allclose(rolling_mean(values, 20)[-1], 1e-6, rtol=1e-14)
    noise = np.random.default_rng(1).normal(size=(200, 2))
    assert_array_equal(rolling_sum(noise, 21)[150:], rolling_sum(noise[100:], 21)[50:])


def test_volatility_of_a_steady_trend_is_its_return():
    close = 100 * 1.01 ** np.arange(30.0)[:, None]
    assert_allclose(rolling_volatility(log_returns(close), 10)[15], np.log(1.01))


def test_wilder_average_by_hand():
    values = np.array([1.0, 3.0, 5.0, 9.0, np.nan, 2.0, 4.0, 6.0])[:, None]
    # The mean of the first three, then a third of each new value; anew after the gap.
    expected = [np.nan, np.nan, 3.0, 5.0, np.nan, np.nan, np.nan, 4.0]
    assert_allclose(wilder_average(values, 3)[:, 0], expected)


def test_short_gaps_are_bridged_and_long_ones_are_not(make_panel):
    close = np.array([10.0, 11, np.nan, 12, *[np.nan] * 7, 13.0])
    panel = make_panel(close)
    bridged = bridged_close(panel)[:, 0]
    assert_array_equal(bridged[:4], [10, 11, 11, 12])
    assert_array_equal(bridged[4:], [*[12.0] * 5, np.nan, np.nan, 13.0])
    assert_array_equal(tradable(panel)[:, 0], ~np.isnan(close))


def test_prices_must_be_positive(make_panel):
    with pytest.raises(DataError, match=r"close of A000 on 2020-01-02 is 0\.0"):
        bridged_close(make_panel([1.0, 0.0]))
