"""Laws of many days at once: against quadrature, the estimates of one history, and uniform ranks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from quantray.risk.forecasting.laws import CornishFisher, Normal, Sample, Student, moments, student_degrees
from quantray.risk.tail import age_weights, expected_shortfall, historical_var

LAWS = {
    "normal": Normal(np.array([0.01, 0.02]), 0.001),
    "student": Student(np.array([0.01, 0.02]), np.array([4.0, 1e9]), 0.001),
    "bent": CornishFisher(np.full(2, 0.001), np.array([0.01, 0.02]), np.array([-0.3, 0.0]), np.array([1.0, 0.0])),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_shortfall_is_the_mean_of_var_beyond_and_ranks_invert_var(law):
    for level in (0.95, 0.99):
        for day in range(2):
            beyond = integrate.quad(lambda a, day=day: law.var(a)[day], level, 1, epsabs=1e-9)[0] / (1 - level)
            assert_allclose(law.shortfall(level)[day], beyond, rtol=1e-3)
        assert_allclose(law.rank(-law.var(level)), 1 - level, rtol=1e-6)


def test_laws_against_scipy():
    assert_allclose(LAWS["normal"].var(0.99), -stats.norm.ppf(0.01, 0.001, [0.01, 0.02]))
    assert_allclose(LAWS["student"].var(0.99)[0], -stats.t.ppf(0.01, 4, 0.001, 0.01 / np.sqrt(2)))
    for method in ("var", "shortfall"):
        straight = getattr(LAWS["normal"], method)(0.99)[1]
        assert_allclose(getattr(LAWS["student"], method)(0.99)[1], straight, rtol=1e-5)
        assert_allclose(getattr(LAWS["bent"], method)(0.99)[1], straight)


@pytest.mark.parametrize("weights", [None, age_weights(300, half_life=50)])
def test_a_sample_of_many_days_is_the_history_of_each(weights):
    windows = np.random.default_rng(0).standard_normal((5, 300)) / 100
    law = Sample(windows, weights)
    for level in (0.9, 0.95, 0.99):
        assert_allclose(law.var(level), [historical_var(row, level=level, weights=weights) for row in windows])
        assert_allclose(
            law.shortfall(level), [expected_shortfall(row, level=level, weights=weights) for row in windows]
        )


def test_predictive_quantiles_are_those_of_one_history_and_ranks_agree_with_them():
    windows = np.random.default_rng(2).standard_normal((3, 199))
    law = Sample(windows, predictive=True)
    assert_allclose(law.var(0.95), [historical_var(row, level=0.95, predictive=True) for row in windows])
    assert_allclose(law.shortfall(0.95), [expected_shortfall(row, level=0.95, predictive=True) for row in windows])
    assert_allclose(law.rank(-law.var(0.95)), 0.05, atol=0.5 / 200 + 1e-9)


@pytest.mark.parametrize(("predictive", "share"), [(True, 0.05), (False, (0.05 * 99 + 1) / 101)])
def test_one_more_day_exceeds_a_predictive_quantile_as_often_as_the_level_says(predictive, share):
    days = np.random.default_rng(8).standard_normal((20_000, 101))
    hits = -days[:, 100] > Sample(days[:, :100], predictive=predictive).var(0.95)
    assert hits.mean() == pytest.approx(share, abs=0.0045)


def test_ranks_in_a_sample_are_uniform_by_hand():
    law = Sample(np.tile([0.1, 0.2, 0.3], (4, 1)))
    assert_allclose(law.rank(np.array([0.0, 0.15, 0.25, 0.9])), [0.125, 0.375, 0.625, 0.875])


def test_moments_against_scipy_and_where_there_are_none():
    returns = np.random.default_rng(1).standard_t(5, (3, 400))
    seen = moments(returns)
    assert_allclose(seen.skew, stats.skew(returns, axis=1))
    assert_allclose(seen.kurtosis, stats.kurtosis(returns, axis=1))
    flat = moments(np.ones((1, 50)))
    assert np.isnan(flat.skew)
    assert not flat.rises
    assert np.isnan(flat.var(0.99))
    assert np.isnan(flat.rank(np.zeros(1)))
    assert_allclose(student_degrees(np.array([3.0, -1.0])), [6, 100])
