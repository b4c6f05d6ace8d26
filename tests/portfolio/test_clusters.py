import numpy as np
import pytest
from grouped_assets import LINKAGES, random_covariance, two_groups

from quantray.portfolio.clusters import asset_clusters, dendrogram


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
