import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import risk_contributions


def random_model(n_assets, n_factors=3, seed=0):
    """A market and weaker factors; every asset with a specific risk of its own."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0, 0.5, (n_assets, n_factors))
    loadings[:, 0] = generator.normal(1, 0.3, n_assets)
    root = generator.normal(0, 0.01, (n_factors, n_factors)) + 0.02 * np.eye(n_factors)
    return FactorModel(loadings, root @ root.T, generator.uniform(0.01, 0.03, n_assets) ** 2)


def test_contributions_sum_to_the_volatility():
    model = random_model(50, seed=2)
    weights = np.random.default_rng(2).normal(size=50)
    parts = risk_contributions(model, weights)
    assert parts.sum() == pytest.approx(np.sqrt(model.variance(weights)), rel=1e-12)
    assert_allclose(risk_contributions(model.dense(), weights), parts, rtol=1e-9, atol=1e-14)


def test_contributions_by_hand():
    # 60/40 in uncorrelated assets of 10 and 20 %: variances .0036 and .0064 of .01.
    assert_allclose(risk_contributions(np.diag([0.01, 0.04]), np.array([0.6, 0.4])), [0.036, 0.064], rtol=1e-14)


def test_a_portfolio_without_risk_has_no_contributions():
    with pytest.raises(InputError, match="no risk to split"):
        risk_contributions(np.eye(2), np.zeros(2))
