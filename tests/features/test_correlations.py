"""Correlations block by block equal those of pandas on the whole."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.features.correlations import BLOCK, eligible_assets, return_window

LEAST = 0.5


def window_of(returns, *, member=None, residual=False, min_history=LEAST, n_factors=0):
    n_days, n_assets = returns.shape
    dates = np.datetime64("2020-01-01") + np.arange(n_days)
    assets = np.array([f"S{i}" for i in range(n_assets)])
    return return_window(returns, assets, dates, member, residual, min_history, n_factors)


def random_returns(n_days=40, n_assets=30, seed=0, gaps=0.0):
    generator = np.random.default_rng(seed)
    returns = generator.normal(0, 0.01, (n_days, 1)) + generator.normal(0, 0.01, (n_days, n_assets))
    return np.where(generator.random(returns.shape) < gaps, np.nan, returns)


def whole(window):
    return np.vstack([block for _, block in window.correlation_blocks()])


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("n_assets", [5, BLOCK + 3])
def test_equals_pandas(gaps, n_assets):
    returns = random_returns(n_assets=n_assets, gaps=gaps)
    window = window_of(returns)
    frame = pd.DataFrame(returns[:, window.columns])
    assert_allclose(whole(window), frame.corr(min_periods=window.least_days), atol=1e-10)


def test_values_are_standardised_over_the_days_that_are_known():
    window = window_of(random_returns(gaps=0.2))
    days = window.known.sum(axis=0)
    assert_allclose(window.values.sum(axis=0) / days, 0, atol=1e-12)
    assert_allclose((window.values**2).sum(axis=0) / days, 1)
    assert (window.values[window.known == 0] == 0).all()


def test_residuals_sum_to_nothing_on_each_day():
    returns = random_returns()
    own = returns - returns.mean(axis=1, keepdims=True)
    assert_allclose(whole(window_of(returns, residual=True)), np.corrcoef(own, rowvar=False), atol=1e-10)


def test_the_leading_factor_explains_the_market():
    returns = random_returns(n_days=250)
    before, after = (whole(window_of(returns, n_factors=n))[np.triu_indices(30, 1)] for n in (0, 1))
    assert before.mean() > 0.4
    assert abs(after.mean()) < 0.05


def test_assets_without_history_membership_or_movement_are_left_out():
    returns = random_returns(n_assets=5)
    returns[:30, 1] = np.nan
    returns[:, 2] = 0.01
    member = np.array([True, True, True, False, True])
    window = window_of(returns, member=member)
    assert_array_equal(window.columns, [0, 4])
    assert_array_equal(window.among(np.array([False, True])).columns, [4])


def test_refused():
    assert eligible_assets(None, 3).all()
    with pytest.raises(InputError, match=r"member is \(2,\) for 3 assets"):
        eligible_assets(np.ones(2, dtype=np.bool_), 3)
    with pytest.raises(InputError, match="40 factors cannot be taken out of 40 dates"):
        window_of(random_returns(), n_factors=40)
    with pytest.raises(InputError, match="min_history 0"):
        window_of(random_returns(), min_history=0.0)
