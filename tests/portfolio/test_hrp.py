import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.cluster.hierarchy import leaves_list
from scipy.cluster.hierarchy import linkage as linkage_of
from scipy.spatial.distance import pdist, squareform

from quantray.covariance.estimators import sample_covariance
from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.portfolio.hrp import hrp_order, hrp_weights
from quantray.portfolio.naive import equal_weights

DISTANCES = ("paper", "correlation")
LINKAGES = ("single", "complete", "average", "ward")


def random_returns(n_assets, n_days=250, seed=0):
    """Returns of one factor and noise, every asset with a volatility of its own."""
    generator = np.random.default_rng(seed)
    market = generator.normal(size=(n_days, 1)) * generator.normal(1, 0.3, n_assets)
    return (market + generator.normal(size=(n_days, n_assets))) * generator.uniform(0.005, 0.03, n_assets)


def random_covariance(n_assets, seed=0):
    return np.cov(random_returns(n_assets, 4 * n_assets + 50, seed), rowvar=False)


@pytest.fixture(scope="module")
def paper_covariance():
    """The numerical example of Lopez de Prado (2016): five columns, and five noisy copies of some of them."""
    generator = np.random.RandomState(12345)
    x = generator.normal(0, 1, (10_000, 5))
    y = x[:, [2, 0, 4, 1, 1]] + generator.normal(0, 0.25, (10_000, 5))
    return np.cov(np.hstack([x, y]), rowvar=False)


def test_weights_of_the_paper(paper_covariance):
    expected = [7.00, 7.59, 10.84, 19.03, 9.72, 10.19, 6.62, 9.10, 7.12, 12.79]
    assert_allclose(100 * hrp_weights(paper_covariance), expected, atol=0.0051)


def test_leaf_order_of_the_paper(paper_covariance):
    assert (hrp_order(paper_covariance) + 1).tolist() == [9, 2, 10, 1, 7, 3, 6, 4, 5, 8]


def test_the_paper_and_the_correlation_distance_differ(paper_covariance):
    assert np.abs(hrp_weights(paper_covariance) - hrp_weights(paper_covariance, distance="correlation")).max() > 0.01


def test_three_assets_by_hand():
    # The first two are close; the third hedges them. The halves are {third} and {first, second}.
    deviation = np.array([0.1, 0.2, 0.1])
    correlation = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]])
    covariance = correlation * np.outer(deviation, deviation)
    inner = np.array([0.8, 0.2])
    pair = inner @ covariance[:2, :2] @ inner
    third = pair / (pair + 0.01)
    for distance in DISTANCES:
        assert hrp_order(covariance, distance=distance).tolist() == [2, 0, 1]
        assert_allclose(hrp_weights(covariance, distance=distance), [*(1 - third) * inner, third], rtol=1e-14)


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_method_as_written_down(distance):
    """Three hundred assets, so that clusters of all sizes split: scipy's tree, and halves one by one."""
    covariance = random_covariance(300)
    deviation = np.sqrt(np.diagonal(covariance))
    matrix = np.sqrt(np.clip(1 - covariance / np.outer(deviation, deviation), 0, 2) / 2)
    np.fill_diagonal(matrix, 0)
    between = pdist(matrix) if distance == "paper" else squareform(matrix, checks=False)
    order = leaves_list(linkage_of(between, "single"))
    weights, clusters = np.ones(300), [order]
    while clusters:
        cluster = clusters.pop()
        halves = np.split(cluster, [len(cluster) // 2])
        variance = [inverse_variance_portfolio_variance(covariance[np.ix_(half, half)]) for half in halves]
        for half, other in zip(halves, variance[::-1], strict=True):
            weights[half] *= other / sum(variance)
        clusters += [half for half in halves if len(half) > 1]
    assert hrp_order(covariance, distance=distance).tolist() == order.tolist()
    assert_allclose(hrp_weights(covariance, distance=distance), weights, rtol=1e-10)


def inverse_variance_portfolio_variance(covariance):
    inner = 1 / np.diagonal(covariance)
    inner /= inner.sum()
    return inner @ covariance @ inner


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("n_assets", [2, 7, 60])
def test_equals_pyportfolioopt(n_assets, linkage):
    from pypfopt import HRPOpt

    returns = pd.DataFrame(random_returns(n_assets, seed=n_assets))
    theirs = HRPOpt(returns).optimize(linkage_method=linkage)
    ours = hrp_weights(returns.cov().to_numpy(), distance="correlation", linkage=linkage)
    assert_allclose(ours, [theirs[name] for name in returns], rtol=1e-10)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_equals_skfolio(linkage):
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.seriation import HierarchicalSeriation

    returns = random_returns(40, seed=3)
    # Its own default turns leaves so that neighbours are close; the paper leaves them as they are.
    clustering = HierarchicalClustering(linkage_method=LinkageMethod(linkage))
    seriation = HierarchicalSeriation(hierarchical_clustering_estimator=clustering, optimal_ordering=False)
    theirs = HierarchicalRiskParity(seriation_estimator=seriation).fit(returns).weights_
    ours = hrp_weights(np.cov(returns, rowvar=False), distance="correlation", linkage=linkage)
    assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=40, deadline=None)
@given(n_assets=st.integers(1, 25), seed=st.integers(0, 10_000), linkage=st.sampled_from(LINKAGES))
def test_weights_are_positive_and_sum_to_one(distance, n_assets, seed, linkage):
    weights = hrp_weights(np.atleast_2d(random_covariance(n_assets, seed)), distance=distance, linkage=linkage)
    assert weights.shape == (n_assets,)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weights_follow_their_assets(distance, seed):
    # Permuting may swap the two sides of a cluster, and halves of an odd cluster are not symmetric;
    # so the law holds where every cluster splits into its own two halves: pairs of pairs of pairs.
    deviation = np.random.default_rng(seed).uniform(0.01, 0.03, 8)
    level = np.array([[0.9 - 0.02 * (i // 2), 0.6 - 0.02 * (i // 4), 0.3] for i in range(8)])
    correlation = np.eye(8)
    for i in range(8):
        for j in range(i):
            correlation[i, j] = correlation[j, i] = level[i][0 if i // 2 == j // 2 else 1 if i // 4 == j // 4 else 2]
    covariance = correlation * np.outer(deviation, deviation)
    order = np.random.default_rng(seed).permutation(8)
    permuted = hrp_weights(covariance[np.ix_(order, order)], distance=distance, linkage="average")
    assert_allclose(permuted, hrp_weights(covariance, distance=distance, linkage="average")[order], rtol=1e-10)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("linkage", LINKAGES)
def test_the_order_names_every_asset_once(distance, linkage):
    assert sorted(hrp_order(random_covariance(30), distance=distance, linkage=linkage)) == list(range(30))


@pytest.mark.parametrize("seed", range(5))
def test_the_closest_two_assets_stand_side_by_side(seed):
    covariance = random_covariance(30, seed)
    deviation = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(deviation, deviation) - 2 * np.eye(30)
    one, other = np.unravel_index(correlation.argmax(), correlation.shape)
    order = hrp_order(covariance, distance="correlation").tolist()
    assert abs(order.index(one) - order.index(other)) == 1


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("scale", [1e-10, 252.0, 1e8])
def test_scale_does_not_matter(distance, scale):
    covariance = random_covariance(20)
    assert_allclose(
        hrp_weights(scale * covariance, distance=distance), hrp_weights(covariance, distance=distance), rtol=1e-9
    )


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n_assets", [1, 2, 3, 8, 13])
def test_uncorrelated_assets_get_inverse_variance(distance, n_assets):
    # Whatever the order and the halves: without correlations, each split is by inverse variance.
    variance = np.random.default_rng(n_assets).uniform(1e-4, 9e-4, n_assets)
    weights = hrp_weights(np.diag(variance), distance=distance)
    assert_allclose(weights, (1 / variance) / (1 / variance).sum(), rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_asset_has_everything(distance):
    assert hrp_weights(np.array([[0.04]]), distance=distance).tolist() == [1.0]
    assert hrp_order(np.array([[0.04]]), distance=distance).tolist() == [0]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.9, 1.0])
def test_two_assets_split_by_variance_whatever_their_correlation(distance, correlation):
    covariance = np.array([[0.04, correlation * 0.02], [correlation * 0.02, 0.01]])
    assert_allclose(hrp_weights(covariance, distance=distance), [0.2, 0.8], rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n_assets", [4, 8])
def test_identical_assets_share_alike(distance, n_assets):
    assert_allclose(hrp_weights(np.full((n_assets, n_assets), 0.04), distance=distance), 1 / n_assets, rtol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_copy_of_an_asset_stands_beside_it(distance):
    covariance = random_covariance(9, seed=5)
    twice = np.r_[np.arange(9), 4]
    order = hrp_order(covariance[np.ix_(twice, twice)], distance=distance).tolist()
    assert abs(order.index(4) - order.index(9)) == 1


@pytest.mark.parametrize("distance", DISTANCES)
def test_fewer_days_than_assets_work(distance):
    weights = hrp_weights(sample_covariance(random_returns(60, 20)).matrix, distance=distance)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("distance", DISTANCES)
def test_twelve_hundred_assets(distance):
    weights = hrp_weights(sample_covariance(random_returns(1200, 500)).matrix, distance=distance)
    assert weights.shape == (1200,)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("distance", DISTANCES)
def test_risk_out_of_sample_is_below_that_of_equal_weights(market, distance):
    returns = simple_returns(market.panel.field("close"))[1:]
    returns = returns[:, ~np.isnan(returns).any(axis=0)]
    weights = hrp_weights(sample_covariance(returns[:350]).matrix, distance=distance)
    future = returns[350:]
    assert (future @ weights).std() < (future @ equal_weights(len(weights))).std()


def test_the_input_is_not_changed():
    covariance = random_covariance(10)
    covariance.flags.writeable = False
    before = covariance.copy()
    hrp_weights(covariance)
    np.testing.assert_array_equal(covariance, before)


GOOD = np.array([[0.04, 0.01], [0.01, 0.09]])


@pytest.mark.parametrize("function", [hrp_weights, hrp_order])
@pytest.mark.parametrize(
    ("covariance", "text"),
    [
        (np.array([[0.04, np.nan], [np.nan, 0.09]]), "covariance has NaN or infinite values in 2 of 2 rows"),
        (np.array([[0.04, 0.01], [0.02, 0.09]]), "covariance is not symmetric"),
        (np.array([[0.04, 0.0], [0.0, 0.0]]), "1 assets have no positive variance; drop them before clustering"),
        (np.array([[0.04, 0.0], [0.0, -0.01]]), "1 assets have no positive variance"),
        (np.ones((2, 3)), r"covariance is \(2, 3\); it must be square"),
        (np.empty((0, 0)), "with at least one asset"),
    ],
    ids=["unknown", "asymmetric", "zero variance", "negative variance", "shape", "empty"],
)
def test_covariances_that_are_none(function, covariance, text):
    with pytest.raises(InputError, match=text):
        function(covariance)


@pytest.mark.parametrize("change", [{"distance": "euclid"}, {"linkage": "median"}], ids=str)
def test_unknown_names(change):
    with pytest.raises(InputError, match=f"{next(iter(change.values()))!r}.* is unknown; see hrp_weights"):
        hrp_weights(GOOD, **change)
