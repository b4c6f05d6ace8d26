import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.regression import mean_t, regress, usual_lags
from quantray.errors import InputError


def test_slopes_of_scipy_and_errors_of_white():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 300)
    y = 0.1 + 0.5 * x + rng.normal(0, 1, 300) * np.abs(x)
    found, known = regress(y, x, lags=0), stats.linregress(x, y)
    assert_allclose([found.intercept, found.slopes[0]], [known.intercept, known.slope])
    assert_allclose(found.r_squared, known.rvalue**2)
    centred = x - x.mean()
    white = np.sqrt((centred**2 * found.residuals**2).sum()) / (centred**2).sum()
    assert_allclose(found.errors[1], white)


def test_newey_west_by_the_plain_sum():
    rng = np.random.default_rng(1)
    y = np.convolve(rng.normal(0, 1, 203), np.ones(4) / 4, mode="valid")
    left, lags = y - y.mean(), 4
    total = sum(max(0.0, 1 - abs(i - j) / (lags + 1)) * left[i] * left[j] for i in range(len(y)) for j in range(len(y)))
    assert_allclose(mean_t(y, lags=lags), y.mean() / (np.sqrt(total) / len(y)))
    assert_allclose(regress(y, np.empty((len(y), 0)), lags=lags).t[0], mean_t(y, lags=lags))
    assert usual_lags(100) == 4


def test_a_series_that_does_not_vary_has_no_t():
    assert np.isnan(mean_t(np.zeros((10, 2)))).all()


def test_bad_input():
    with pytest.raises(InputError, match="depend on one another"):
        regress(np.arange(9.0), np.ones((9, 1)))
    with pytest.raises(InputError, match="2 periods for 1 slopes"):
        regress(np.zeros(2), np.ones((2, 1)))
