import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls

from quantray.errors import SolverError
from quantray.portfolio import nonnegative
from quantray.portfolio.diversification import minimum_variance_weights
from quantray.portfolio.nonnegative import nonnegative_minimum, unconstrained_minimum


def random_returns(n_assets, n_days=300, seed=0):
    generator = np.random.default_rng(seed)
    market = generator.normal(size=(n_days, 1)) * generator.normal(1, 0.3, n_assets)
    return (market + generator.normal(size=(n_days, n_assets))) * generator.uniform(0.005, 0.03, n_assets)


def random_covariance(n_assets, n_days=300, seed=0):
    return np.atleast_2d(np.cov(random_returns(n_assets, n_days, seed), rowvar=False))


def test_the_slow_method_finds_the_same(monkeypatch):
    covariance = random_covariance(40, 60, seed=3)
    expected = minimum_variance_weights(covariance)
    monkeypatch.setattr(nonnegative, "MOST_EXCHANGES", 0)
    assert_allclose(minimum_variance_weights(covariance), expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_equals_nonnegative_least_squares(seed):
    generator = np.random.default_rng(seed)
    design, target = generator.normal(size=(60, 12)), generator.normal(size=60)
    design /= np.linalg.norm(design, axis=0)
    expected, _ = nnls(design, target)
    assert_allclose(nonnegative_minimum(design.T @ design, design.T @ target), expected, atol=1e-7)


def test_two_assets_by_hand():
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert_allclose(unconstrained_minimum(matrix, np.array([1.0, 0.0])), [4 / 3, -2 / 3])
    assert_allclose(nonnegative_minimum(matrix, np.array([1.0, 0.0])), [1.0, 0.0], atol=1e-8)


def test_a_singular_matrix_has_no_single_minimum():
    with pytest.raises(SolverError, match="singular"):
        unconstrained_minimum(np.ones((2, 2)), np.ones(2))
