"""Intervals of estimates: they hold the truth as often as they say, and tell what was refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.bootstrap import Resampling
from quantray.errors import InputError
from quantray.risk.forecasting.intervals import with_interval
from quantray.risk.tail import cornish_fisher_var, expected_shortfall, historical_var


def high(past):
    return historical_var(past, level=0.95)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth, held = -stats.t(5).ppf(0.05), 0
    for seed in range(60):
        returns = np.random.default_rng([1, seed]).standard_t(5, 500)
        held += truth in with_interval(high, returns, resampling=Resampling(block=1, n_samples=150, level=0.9)).interval
    # 54 expected of 60; 45 is four standard errors below.
    assert held >= 45


def test_the_error_of_a_quantile_is_the_known_one():
    returns = np.random.default_rng(2).standard_normal(4000)
    found = with_interval(high, returns, resampling=Resampling(block=1, n_samples=400))
    quantile = stats.norm.ppf(0.95)
    assert_allclose(found.value, historical_var(returns, level=0.95))
    assert_allclose(found.error, np.sqrt(0.05 * 0.95 / 4000) / stats.norm.pdf(quantile), rtol=0.25)
    assert found.value in found.interval
    assert (found.n_days, found.n_refused) == (4000, 0)


def test_clusters_of_losses_widen_the_interval_of_blocks():
    calm = np.random.default_rng(3).standard_normal(1000)
    clustered = calm * np.where(np.arange(1000) // 100 % 5 == 4, 4, 1)
    errors = [
        with_interval(lambda past: expected_shortfall(past, level=0.95), clustered, resampling=resampling).error
        for resampling in (Resampling(block=1, n_samples=200), Resampling(block=100, n_samples=200))
    ]
    assert errors[1] > 1.5 * errors[0]


def test_refused_histories_are_counted():
    returns = np.random.default_rng(8).standard_t(5, 300)
    found = with_interval(cornish_fisher_var, returns, resampling=Resampling(n_samples=200))
    assert 0 < found.n_refused < 100

    def moody(past):
        if not np.array_equal(past, returns):
            raise InputError("no")
        return 0.1

    with pytest.raises(InputError, match="the estimator refuses 100 of 100 resampled histories"):
        with_interval(moody, returns, resampling=Resampling(n_samples=100))
