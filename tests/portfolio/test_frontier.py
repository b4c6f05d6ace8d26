from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_mandate import (
    ALPHA,
    FREE_BUDGET,
    HELD,
    MARKET,
    MODEL,
    N,
)

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits
from quantray.portfolio.diversification import tangency_weights
from quantray.portfolio.frontier import efficient_frontier, maximum_sharpe, minimum_variance


def test_minimum_variance_equals_the_closed_form():
    weights = minimum_variance(FREE_BUDGET, MODEL).weights
    expected = np.linalg.solve(MODEL.dense(), np.ones(N))
    assert_allclose(weights, expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 252.0, 1e-4])
def test_minimum_variance_has_no_unit(scale):
    model = FactorModel(MODEL.loadings, scale * MODEL.factor_covariance, scale * MODEL.specific_variance)
    assert_allclose(minimum_variance(Limits(), model).weights, minimum_variance(Limits(), MODEL).weights, atol=1e-6)


def test_minimum_variance_ignores_costs():
    expensive = replace(MARKET, cost=np.full(N, 0.1), impact=np.full(N, 0.1), borrow=np.full(N, 0.1))
    assert_allclose(
        minimum_variance(Limits(), MODEL, previous=HELD, market=expensive).weights,
        minimum_variance(Limits(), MODEL).weights,
        atol=1e-6,
    )


def frontier_of(bounds=(0.0, 1.0), alpha=ALPHA):
    from pypfopt import EfficientFrontier

    options = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    return EfficientFrontier(alpha * 252, MODEL.dense() * 252, bounds, solver="CLARABEL", solver_options=options)


@pytest.mark.parametrize("most", [1.0, 0.06])
def test_minimum_variance_equals_pyportfolioopt(most):
    theirs = frontier_of((0.0, most)).min_volatility()
    ours = minimum_variance(Limits(weight=(0.0, most)), MODEL).weights
    assert_allclose(ours, np.array(list(theirs.values())), atol=1e-6)


def test_minimum_variance_equals_skfolio():
    from skfolio.moments import BaseCovariance
    from skfolio.optimization import MeanRisk
    from skfolio.prior import EmpiricalPrior

    class Given(BaseCovariance):
        def fit(self, X, y=None):  # noqa: N803
            self._set_covariance(MODEL.dense())
            return self

    returns = np.random.default_rng(0).normal(0, 0.01, (40, N))
    peer = MeanRisk(
        prior_estimator=EmpiricalPrior(covariance_estimator=Given()),
        solver_params={"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12},
    ).fit(returns)
    assert_allclose(minimum_variance(Limits(), MODEL).weights, peer.weights_, atol=1e-6)


@pytest.mark.parametrize("risk_free", [0.0, 1e-4])
@pytest.mark.parametrize("most", [1.0, 0.15])
def test_maximum_sharpe_equals_pyportfolioopt(risk_free, most):
    theirs = np.array(list(frontier_of((0.0, most)).max_sharpe(risk_free_rate=risk_free * 252).values()))
    ours = maximum_sharpe(Limits(weight=(0.0, most)), alpha=ALPHA, model=MODEL, risk_free=risk_free).weights
    assert_allclose(ours, theirs, atol=1e-4)

    def ratio(weights):
        return (ALPHA @ weights - risk_free) / np.sqrt(MODEL.variance(weights))

    assert_allclose(ratio(ours), ratio(theirs), rtol=1e-6)


def test_maximum_sharpe_looks_as_far_as_the_best_portfolio():
    """Where volatilities differ a thousandfold, it is far calmer than the mean asset."""
    generator = np.random.default_rng(0)
    variance = 10 ** generator.uniform(-8, -2, 200)
    model = FactorModel(generator.normal(size=(200, 2)) * 1e-5, np.eye(2), variance)
    alpha = 0.05 * np.abs(generator.normal(size=200)) * np.sqrt(variance)
    best = tangency_weights(model.dense(), alpha)
    found = maximum_sharpe(Limits(), alpha=alpha, model=model).weights
    sharpe = alpha @ found / np.sqrt(model.variance(found))
    assert sharpe == pytest.approx(alpha @ best / np.sqrt(model.variance(best)), rel=1e-6)


def test_maximum_sharpe_needs_risk():
    with pytest.raises(InputError, match="no asset has any risk"):
        maximum_sharpe(Limits(), alpha=np.ones(2), model=FactorModel(np.zeros((2, 1)), np.eye(1), np.zeros(2)))


def test_maximum_sharpe_needs_a_gain():
    with pytest.raises(InputError, match="no portfolio within the limits has an expected return above"):
        maximum_sharpe(Limits(), alpha=-np.abs(ALPHA), model=MODEL)


def test_the_frontier_rises():
    points = efficient_frontier(
        Limits(weight=(0, 0.2)), alpha=ALPHA, model=MODEL, risk_aversions=np.geomspace(0.1, 1e4, 12)
    )
    risk = np.array([point.volatility for point in points])
    gain = np.array([point.expected_return for point in points])
    assert (np.diff(risk) <= 1e-9).all()
    assert (np.diff(gain) <= 1e-9).all()
    least = minimum_variance(Limits(weight=(0, 0.2)), MODEL)
    assert risk[-1] == pytest.approx(np.sqrt(MODEL.variance(least.weights)), rel=1e-4)
    for point in points:
        assert point.expected_return == pytest.approx(ALPHA @ point.solution.weights)
