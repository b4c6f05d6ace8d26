import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.portfolio.naive import equal_weights, inverse_volatility_weights


def test_equal_weights():
    assert equal_weights(4).tolist() == [0.25] * 4
    assert equal_weights(1).tolist() == [1.0]
    with pytest.raises(InputError, match="equal weights need at least one asset"):
        equal_weights(0)


def test_inverse_volatility_by_hand():
    # Volatilities of 10, 20 and 40 %: 4 to 2 to 1.
    variance = np.array([0.01, 0.04, 0.16])
    assert_allclose(inverse_volatility_weights(variance), np.array([4, 2, 1]) / 7)


def test_correlations_and_scale_do_not_matter():
    covariance = np.array([[0.01, 0.015], [0.015, 0.04]])
    assert_allclose(inverse_volatility_weights(covariance), [2 / 3, 1 / 3])
    assert_allclose(inverse_volatility_weights(1e-9 * covariance), [2 / 3, 1 / 3])


def test_weights_follow_their_assets():
    variance = np.random.default_rng(0).uniform(0.01, 0.09, 30)
    order = np.random.default_rng(1).permutation(30)
    assert_allclose(inverse_volatility_weights(variance[order]), inverse_volatility_weights(variance)[order])


@pytest.mark.parametrize("bad", [0.0, -0.01, np.nan, np.inf])
def test_a_variance_that_is_none(bad):
    for covariance in (np.array([0.01, bad]), np.diag([0.01, bad])):
        with pytest.raises(InputError, match="needs a positive, finite variance for every asset; drop the others"):
            inverse_volatility_weights(covariance)


def test_no_assets():
    with pytest.raises(InputError, match="needs a positive, finite variance"):
        inverse_volatility_weights(np.empty(0))
