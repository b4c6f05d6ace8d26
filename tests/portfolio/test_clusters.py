import numpy as np
import pytest

from quantray.portfolio.clusters import asset_clusters, dendrogram

LINKAGES = ("single", "complete", "average", "ward")


def random_returns(n_assets, n_days=300, seed=0):
    """Returns of a market, of groups of assets and of noise."""
    generator = np.random.default_rng(seed)
    groups = generator.normal(size=(n_days, 5))[:, generator.integers(0, 5, n_assets)]
    market = generator.normal(size=(n_days, 1))
    noise = generator.normal(size=(n_days, n_assets))
    return (0.5 * market + groups + noise) * generator.uniform(0.005, 0.03, n_assets)


def random_covariance(n_assets, n_days=300, seed=0):
    return np.atleast_2d(np.cov(random_returns(n_assets, n_days, seed), rowvar=False))


def two_groups(inside=0.8, across=0.1):
    """Two assets that go together, and three others; every volatility its own."""
    group = np.array([0, 1, 0, 1, 1])
    correlation = np.where(group[:, None] == group, inside, across)
    np.fill_diagonal(correlation, 1.0)
    deviation = np.array([0.1, 0.2, 0.15, 0.25, 0.3])
    return correlation * np.outer(deviation, deviation), group


def groups_of(tree, nodes):
    return {frozenset(tree.assets(node).tolist()) for node in nodes}


@pytest.mark.parametrize("linkage", LINKAGES)
def test_the_clusters_are_found(linkage):
    covariance, _ = two_groups()
    tree = dendrogram(covariance, "correlation", linkage)
    assert groups_of(tree, asset_clusters(covariance, tree)) == {frozenset({0, 2}), frozenset({1, 3, 4})}


@pytest.mark.parametrize("sizes", [(5, 5), (10, 10, 10, 10), (20,) * 8])
def test_as_many_clusters_as_there_are(sizes):
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(len(sizes)), sizes)
    returns = generator.normal(size=(500, len(sizes)))[:, group] + generator.normal(size=(500, len(group)))
    covariance = np.cov(returns, rowvar=False)
    tree = dendrogram(covariance, "correlation", "ward")
    found = asset_clusters(covariance, tree)
    assert groups_of(tree, found) == {frozenset(np.flatnonzero(group == k).tolist()) for k in set(group.tolist())}


def test_a_cut_has_as_many_clusters_as_asked():
    covariance = random_covariance(20)
    tree = dendrogram(covariance, "paper", "average")
    for count in (1, 2, 7, 20):
        nodes = asset_clusters(covariance, tree, count)
        assert len(nodes) == count
        assert sorted(np.concatenate([tree.assets(node) for node in nodes])) == list(range(20))


def test_clusters_equal_those_of_scipy():
    from scipy.cluster.hierarchy import fcluster

    from quantray.portfolio.clusters import merges

    covariance = random_covariance(40, seed=2)
    tree = dendrogram(covariance, "correlation", "ward")
    labels = fcluster(merges(covariance, "correlation", "ward"), 6, criterion="maxclust")
    theirs = {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)}
    assert groups_of(tree, tree.cut(6)) == theirs
