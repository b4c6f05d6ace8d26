"""Trees and neighbours without a matrix of distances, against scipy's that need one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from quantray.portfolio import spanning
from quantray.portfolio.spanning import Edges, Spread, lightest_tree, nearest, prim_steps, single_linkage, spanning_tree


@pytest.fixture(params=[3, 16, 512])
def block(request, monkeypatch):
    monkeypatch.setattr(spanning, "BLOCK", request.param)


def random_points(n_points, seed=0):
    points = np.random.default_rng(seed).normal(size=(n_points, 3))
    return points, (points**2).sum(axis=1)


def tree_of(points, squares, count=4):
    """The tree from as many nearest neighbours: with few, much is left to comparisons with all points."""
    shared = Spread(None, (points, squares))
    return spanning_tree(shared, nearest(shared, len(points), min(count, len(points) - 1)))


def pairs(edges):
    return {(min(i, j), max(i, j)) for i, j in zip(edges.first.tolist(), edges.second.tolist(), strict=True)}


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("count", [1, 4, 59])
@pytest.mark.parametrize("n_points", [2, 3, 16, 17, 60])
def test_the_tree_is_scipys(n_points, count):
    points, squares = random_points(n_points, seed=n_points)
    tree = tree_of(points, squares, count)
    expected = minimum_spanning_tree(squareform(pdist(points))).tocoo()
    assert pairs(tree) == {(min(i, j), max(i, j)) for i, j in zip(expected.row, expected.col, strict=True)}
    assert_allclose(np.sort(np.sqrt(tree.length)), np.sort(expected.data))


@pytest.mark.usefixtures("block")
def test_two_clusters_whose_nearest_are_all_inside_are_joined_where_they_are_nearest():
    points, _ = random_points(60, seed=7)
    points[::2, 0] += 50
    tree = tree_of(points, (points**2).sum(axis=1), 2)
    distance = squareform(pdist(points))
    expected = minimum_spanning_tree(distance).tocoo()
    assert pairs(tree) == {(min(i, j), max(i, j)) for i, j in zip(expected.row, expected.col, strict=True)}
    assert np.sqrt(tree.length.max()) == pytest.approx(distance[::2, 1::2].min())


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("n_points", [2, 9, 80])
def test_merges_are_scipys(n_points):
    points, squares = random_points(n_points, seed=n_points)
    tree = tree_of(points, squares)
    tree = Edges(tree.first, tree.second, np.sqrt(tree.length))
    expected = linkage(pdist(points), "single")
    found = single_linkage(tree)
    np.testing.assert_array_equal(found[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    assert_allclose(found[:, 2], expected[:, 2])


@pytest.mark.parametrize("n_points", [1, 2, 9, 80])
def test_steps_of_prim_merge_as_scipy_does(n_points):
    points, _ = random_points(n_points, seed=n_points)
    found = single_linkage(prim_steps(squareform(pdist(points))))
    np.testing.assert_array_equal(found, linkage(pdist(points), "single") if n_points > 1 else np.empty((0, 4)))


def test_equal_distances_are_merged_in_scipys_order():
    points = np.random.default_rng(0).integers(0, 4, size=(60, 2)).astype(float)
    np.testing.assert_array_equal(
        single_linkage(prim_steps(squareform(pdist(points)))), linkage(pdist(points), "single")
    )


@pytest.mark.usefixtures("block")
def test_nearest_are_the_nearest():
    points, squares = random_points(40)
    distance = squareform(pdist(points)) + np.diag(np.full(40, np.inf))
    shared = Spread(None, (points, squares))
    found = nearest(shared, 40, 5)
    np.testing.assert_array_equal(np.sort(found.index, axis=1), np.sort(np.argsort(distance, axis=1)[:, :5], axis=1))
    assert_allclose(np.sqrt(found.length), np.take_along_axis(distance, found.index, axis=1))
    assert (nearest(shared, 40, 39).index != np.arange(40)[:, None]).all()


def test_one_point_has_no_edges():
    assert single_linkage(prim_steps(np.zeros((1, 1)))).shape == (0, 4)


def test_points_that_coincide_are_joined_first():
    points = np.array([[0.0], [5.0], [0.0], [2.0]])
    tree = tree_of(points, points[:, 0] ** 2)
    assert pairs(tree) == {(0, 2), (1, 3)} | (pairs(tree) & {(0, 3), (2, 3)})
    assert np.sort(tree.length).tolist() == [0.0, 4.0, 9.0]
    assert single_linkage(tree)[0, :2].tolist() == [0, 2]


def test_the_lightest_tree_of_proposed_edges_by_hand():
    # A square 0-1-2-3 whose edges 0-1 and 2-3 have length zero, and a diagonal that is never needed.
    neighbours = np.array([[1, 2], [2, 0], [3, 1], [0, 2]])
    length = np.array([[0.0, 9.0], [2.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    tree = lightest_tree(neighbours, length)
    assert pairs(tree) == {(0, 1), (1, 2), (2, 3)}
    assert sorted(tree.length.tolist()) == [0.0, 0.0, 2.0]
