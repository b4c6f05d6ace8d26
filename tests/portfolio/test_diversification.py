import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio.diversification import (
    diversification_ratio,
    maximum_diversification_weights,
    minimum_variance_weights,
    tangency_weights,
)
from quantray.portfolio.naive import equal_weights, inverse_volatility_weights


def random_returns(n_assets, n_days=300, seed=0):
    generator = np.random.default_rng(seed)
    market = generator.normal(size=(n_days, 1)) * generator.normal(1, 0.3, n_assets)
    return (market + generator.normal(size=(n_days, n_assets))) * generator.uniform(0.005, 0.03, n_assets)


def random_covariance(n_assets, n_days=300, seed=0):
    return np.atleast_2d(np.cov(random_returns(n_assets, n_days, seed), rowvar=False))


def assert_optimal(covariance, rewards, weights, atol=1e-6):
    """The conditions of the largest reward per risk without shorts, independent of how the weights were found."""
    # At the optimum every asset held has the same ratio of marginal variance to reward, and others at least that.
    deviation = np.sqrt(np.diagonal(covariance))
    price = (weights @ covariance @ weights) / (weights @ rewards)
    excess = (covariance @ weights - price * rewards) / deviation
    size = weights @ deviation
    assert weights.min() >= 0
    assert np.abs(excess[weights > 0]).max() <= atol * size
    assert excess.min() >= -atol * size


def test_three_assets_by_hand():
    # Two equally correlated pairs: without shorts the noisy third asset is left out of minimum variance.
    covariance = np.array([[1.0, 0.2, 1.0], [0.2, 1.0, 1.0], [1.0, 1.0, 4.0]])
    assert_allclose(minimum_variance_weights(covariance), [0.5, 0.5, 0], atol=1e-12)
    raw = np.linalg.inv(covariance).sum(axis=1)
    assert_allclose(minimum_variance_weights(covariance, long_only=False), raw / raw.sum(), rtol=1e-12)


def test_constant_correlation_is_diversified_by_inverse_volatility():
    deviation = np.array([0.1, 0.2, 0.05, 0.4])
    correlation = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
    covariance = correlation * np.outer(deviation, deviation)
    for long_only in (True, False):
        weights = maximum_diversification_weights(covariance, long_only=long_only)
        assert_allclose(weights, inverse_volatility_weights(covariance), rtol=1e-10)
    # Its ratio is the root of N / (1 + (N - 1) rho), as for equal weights in units of volatility.
    assert diversification_ratio(covariance, weights) == pytest.approx(np.sqrt(4 / 1.9))


def test_equals_skfolio():
    from skfolio.optimization import MaximumDiversification, MeanRisk

    returns = random_returns(25, seed=7)
    covariance = np.cov(returns, rowvar=False)
    # Their conic solver leaves errors of this size, so that our objectives are a little better.
    theirs = MaximumDiversification().fit(returns).weights_
    ours = maximum_diversification_weights(covariance)
    assert_allclose(ours, theirs, atol=5e-4)
    assert 1 <= diversification_ratio(covariance, ours) / diversification_ratio(covariance, theirs) < 1 + 1e-5
    theirs, ours = MeanRisk().fit(returns).weights_, minimum_variance_weights(covariance)
    assert_allclose(ours, theirs, atol=5e-4)
    assert 1 - 1e-5 < (ours @ covariance @ ours) / (theirs @ covariance @ theirs) <= 1


def test_equals_pyportfolioopt():
    from pypfopt import EfficientFrontier

    covariance = random_covariance(20, seed=8)
    rewards = np.random.default_rng(8).normal(0.05, 0.1, 20)
    frontier = EfficientFrontier(rewards, 252 * covariance)
    frontier.max_sharpe(risk_free_rate=0)
    assert_allclose(tangency_weights(covariance, rewards), frontier.weights, atol=2e-5)


@settings(max_examples=50, deadline=None)
@given(n_assets=st.integers(1, 40), n_days=st.integers(5, 100), seed=st.integers(0, 10_000))
def test_long_only_weights_are_optimal(n_assets, n_days, seed):
    covariance = random_covariance(n_assets, n_days, seed)
    for rewards in (np.ones(n_assets), np.sqrt(np.diagonal(covariance)), np.r_[1.0, np.full(n_assets - 1, -0.5)]):
        weights = tangency_weights(covariance, rewards)
        assert weights.sum() == pytest.approx(1, abs=1e-9)
        assert_optimal(covariance, rewards, weights)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-12, 8), long_only=st.booleans())
def test_weights_follow_their_assets_and_ignore_scale(seed, power, long_only):
    covariance = random_covariance(15, seed=seed)
    order = np.random.default_rng(seed).permutation(15)
    for method in (minimum_variance_weights, maximum_diversification_weights):
        weights = method(covariance, long_only=long_only)
        permuted = method(covariance[np.ix_(order, order)], long_only=long_only)
        assert_allclose(permuted, weights[order], atol=1e-9)
        assert_allclose(method(covariance * 10.0**power, long_only=long_only), weights, atol=1e-9)


@pytest.mark.parametrize("n_assets", [2, 5, 30])
def test_identical_assets_share_alike(n_assets):
    for method in (minimum_variance_weights, maximum_diversification_weights):
        assert_allclose(method(np.full((n_assets, n_assets), 0.04)), 1 / n_assets, rtol=1e-5)


def test_a_perfect_hedge_has_no_variance():
    covariance = np.array([[0.01, -0.02], [-0.02, 0.04]])
    weights = minimum_variance_weights(covariance)
    assert_allclose(weights, [2 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize("n_days", [250, 2000])
def test_a_thousand_names(n_days):
    covariance = random_covariance(1000, n_days)
    assert_optimal(covariance, np.ones(1000), minimum_variance_weights(covariance))
    assert_optimal(covariance, np.sqrt(np.diagonal(covariance)), maximum_diversification_weights(covariance))


def test_a_thousand_uncorrelated_names_are_all_held():
    variance = np.random.default_rng(0).uniform(1e-4, 9e-4, 1000)
    assert_allclose(minimum_variance_weights(np.diag(variance)), (1 / variance) / (1 / variance).sum(), rtol=1e-8)


def test_no_portfolio_is_more_diversified():
    covariance = random_covariance(30, seed=1)
    best = diversification_ratio(covariance, maximum_diversification_weights(covariance))
    generator = np.random.default_rng(1)
    for weights in (equal_weights(30), inverse_volatility_weights(covariance), *generator.dirichlet(np.ones(30), 50)):
        assert diversification_ratio(covariance, weights) <= best + 1e-12


def test_the_ratio_of_a_factor_model_is_that_of_its_matrix():
    model = FactorModel(np.array([[1.0], [0.5]]), np.array([[0.04]]), np.array([0.01, 0.02]))
    weights = np.array([0.4, 0.6])
    assert diversification_ratio(model, weights) == pytest.approx(diversification_ratio(model.dense(), weights))


def test_wrong_input_says_what_to_do():
    with pytest.raises(InputError, match="1 assets have no positive variance"):
        minimum_variance_weights(np.diag([1.0, 0.0]))
    with pytest.raises(InputError, match="1 assets have no positive variance"):
        maximum_diversification_weights(np.diag([1.0, -1.0]))
    with pytest.raises(InputError, match="NaN or infinite"):
        minimum_variance_weights(np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="best long-only portfolio is cash"):
        tangency_weights(np.eye(2), np.array([-1.0, 0.0]))
    with pytest.raises(InputError, match="rewards"):
        tangency_weights(np.eye(2), np.array([1.0, np.nan]))
    with pytest.raises(SolverError, match="singular"):
        minimum_variance_weights(np.ones((3, 3)), long_only=False)
    with pytest.raises(SolverError, match="singular"):
        minimum_variance_weights(random_covariance(30, 10), long_only=False)
    with pytest.raises(SolverError, match="sums to nothing or is net short"):
        tangency_weights(np.eye(2), np.array([1.0, -1.0]), long_only=False)
    with pytest.raises(SolverError, match="nearest_psd"):
        minimum_variance_weights(np.array([[1.0, -2.0], [-2.0, 1.0]]))
    with pytest.raises(InputError, match="no diversification ratio"):
        diversification_ratio(np.eye(2), np.zeros(2))
