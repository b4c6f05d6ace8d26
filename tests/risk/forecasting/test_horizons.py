"""Horizons: by hand, paths that agree with the root of time where it holds, and know better where it does not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.risk.forecasting.horizons import overlapping_returns, path_returns, scaled_by_root
from quantray.risk.forecasting.volatility import Garch, exponential_weights, filtered_variances
from quantray.risk.tail import historical_var, rescaled_returns

CALM = np.random.default_rng(0).standard_normal(1500) / 100
STEADY = Garch(1e-4, 0.0, 0.0)
"""Variance of a day whatever came before."""


def test_by_hand():
    assert_allclose(scaled_by_root(0.02, 4), 0.04)
    assert_allclose(overlapping_returns(np.array([0.1, -0.1, 0.2]), 2), [1.1 * 0.9 - 1, 0.9 * 1.2 - 1])


def test_independent_returns_grow_with_the_root_of_time():
    found = path_returns(CALM - CALM.mean(), STEADY, days=9, n_paths=40_000)
    assert_allclose(historical_var(-found, level=0.95), scaled_by_root(historical_var(-CALM, level=0.95), 9), rtol=0.08)
    assert_allclose(found.std(), 0.03, rtol=0.04)


def test_one_day_is_the_history_at_todays_volatility():
    model = exponential_weights(0.94)
    found = path_returns(CALM, model, days=1, n_paths=100_000)
    assert set(np.round(found, 12)) <= set(np.round(rescaled_returns(CALM), 12))
    assert_allclose(historical_var(found, level=0.95), historical_var(rescaled_returns(CALM), level=0.95), rtol=0.02)


def test_after_a_shock_volatility_comes_back_and_after_calm_it_rises():
    model = Garch(5e-6, 0.1, 0.85)
    for last, direction in ((np.full(10, -0.05), -1), (np.full(60, 1e-4), 1)):
        returns = np.concatenate([CALM, last])
        variances = filtered_variances(returns, model)
        # The mean variance of the days ahead, by iterating the model's expectation.
        ahead = 1e-4 + 0.95 ** np.arange(20) * (variances[-1] - 1e-4)
        spread = path_returns(returns, model, days=20, n_paths=40_000).std()
        by_root = scaled_by_root(np.sqrt(variances[-1]), 20)
        assert direction * (spread / by_root - 1) > 0.1
        assert_allclose(spread, np.sqrt(ahead.sum()), rtol=0.15)


def test_a_seed_is_a_set_of_paths():
    first, again, other = (path_returns(CALM, STEADY, n_paths=50, seed=seed) for seed in (1, 1, (1, 2)))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: scaled_by_root(0.1, 0), "a horizon of 0 days must be positive"),
        (lambda: overlapping_returns(np.zeros(5), 6), "5 returns make no sum of 6 days; use 1 to 5"),
        (lambda: path_returns(CALM, STEADY, days=0), "10000 paths of 0 days"),
        (lambda: path_returns(np.full(30, np.nan), STEADY), "incomplete"),
    ],
)
def test_what_is_no_horizon_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
