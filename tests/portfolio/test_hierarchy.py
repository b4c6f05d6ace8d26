import numpy as np
import pytest
from grouped_assets import LINKAGES, random_covariance, random_returns, two_groups
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.errors import InputError, SolverError
from quantray.portfolio.diversification import minimum_variance_weights
from quantray.portfolio.hierarchy import herc_weights, nco_weights


@pytest.mark.parametrize("risk", ["variance", "volatility"])
def test_herc_of_two_groups_by_hand(risk):
    covariance, group = two_groups()
    power = {"variance": 1.0, "volatility": 0.5}[risk]
    inner, risks = np.zeros((5, 2)), np.zeros(2)
    for k in range(2):
        inner[group == k, k] = np.diagonal(covariance)[group == k] ** -power
        inner[:, k] /= inner[:, k].sum()
        risks[k] = (inner[:, k] @ covariance @ inner[:, k]) ** power
    expected = inner @ (risks[::-1] / risks.sum())
    assert_allclose(herc_weights(covariance, risk=risk), expected, rtol=1e-12)


@pytest.mark.parametrize("long_only", [True, False])
def test_nco_of_two_groups_by_hand(long_only):
    covariance, group = two_groups()
    inner = np.zeros((5, 2))
    for k in range(2):
        block = covariance[np.ix_(group == k, group == k)]
        inner[group == k, k] = minimum_variance_weights(block, long_only=long_only)
    outer = minimum_variance_weights(inner.T @ covariance @ inner, long_only=long_only)
    assert_allclose(nco_weights(covariance, long_only=long_only), inner @ outer, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("risk", ["variance", "volatility"])
@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("n_assets", [2, 3, 10, 50])
def test_herc_equals_skfolio(n_assets, linkage, risk):
    from skfolio import RiskMeasure
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.optimization import HierarchicalEqualRiskContribution

    returns = random_returns(n_assets, seed=n_assets)
    measure = {"variance": RiskMeasure.VARIANCE, "volatility": RiskMeasure.STANDARD_DEVIATION}[risk]
    clustering = HierarchicalClustering(linkage_method=LinkageMethod(linkage))
    model = HierarchicalEqualRiskContribution(risk_measure=measure, hierarchical_clustering_estimator=clustering)
    theirs = model.fit(returns).weights_
    n_clusters = model.hierarchical_clustering_estimator_.n_clusters_
    ours = herc_weights(np.cov(returns, rowvar=False), risk=risk, n_clusters=n_clusters, linkage=linkage)
    assert_allclose(ours, theirs, rtol=1e-9)


def test_nco_equals_skfolio():
    from skfolio.optimization import NestedClustersOptimization

    returns = random_returns(20, seed=5)
    model = NestedClustersOptimization(cv="ignore").fit(returns)
    n_clusters = model.clustering_estimator_.n_clusters_
    # Their conic solver leaves errors of this size.
    assert_allclose(nco_weights(np.cov(returns, rowvar=False), n_clusters=n_clusters), model.weights_, atol=5e-5)


@settings(max_examples=40, deadline=None)
@given(n_assets=st.integers(1, 25), seed=st.integers(0, 10_000), linkage=st.sampled_from(LINKAGES))
def test_weights_are_not_negative_and_sum_to_one(n_assets, seed, linkage):
    covariance = random_covariance(n_assets, seed=seed)
    for weights in (herc_weights(covariance, linkage=linkage), nco_weights(covariance, linkage=linkage)):
        assert weights.shape == (n_assets,)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-10, 6))
def test_weights_follow_their_assets_and_ignore_scale(seed, power):
    covariance = random_covariance(15, seed=seed)
    order = np.random.default_rng(seed).permutation(15)
    for method in (herc_weights, nco_weights):
        weights = method(covariance, n_clusters=4)
        assert_allclose(method(covariance[np.ix_(order, order)], n_clusters=4), weights[order], atol=1e-9)
        assert_allclose(method(covariance * 10.0**power, n_clusters=4), weights, atol=1e-9)


def test_one_cluster_or_as_many_as_assets_nest_nothing():
    covariance = random_covariance(8)
    for n_clusters in (1, 8):
        for long_only in (True, False):
            nested = nco_weights(covariance, n_clusters=n_clusters, long_only=long_only)
            assert_allclose(nested, minimum_variance_weights(covariance, long_only=long_only), atol=1e-9)


@pytest.mark.parametrize("n_assets", [1, 2, 3, 8])
def test_identical_assets_share_their_cluster_alike(n_assets):
    covariance = np.full((n_assets, n_assets), 0.04)
    for weights in (herc_weights(covariance, n_clusters=1), nco_weights(covariance, n_clusters=1)):
        assert_allclose(weights, 1 / n_assets, rtol=1e-5)


def test_fewer_days_than_assets_and_a_thousand_names():
    covariance = random_covariance(1000, 250)
    for weights in (herc_weights(covariance), nco_weights(covariance)):
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", [herc_weights, nco_weights])
@pytest.mark.parametrize(
    ("covariance", "arguments", "text"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), {}, "NaN or infinite"),
        (np.diag([1.0, 0.0]), {}, "1 assets have no positive variance"),
        (np.eye(3), {"n_clusters": 0}, "0 clusters of 3 assets"),
        (np.eye(3), {"n_clusters": 4}, "4 clusters of 3 assets"),
        (np.eye(3), {"linkage": "median"}, "linkage 'median' is unknown"),
    ],
)
def test_wrong_input_says_what_to_do(method, covariance, arguments, text):
    with pytest.raises(InputError, match=text):
        method(covariance, **arguments)


def test_herc_knows_two_risks():
    with pytest.raises(InputError, match="risk 'drawdown' is not one of"):
        herc_weights(np.eye(2), risk="drawdown")


def test_shorts_need_a_regular_covariance():
    with pytest.raises(SolverError, match="singular"):
        nco_weights(np.full((4, 4), 0.04), long_only=False)
