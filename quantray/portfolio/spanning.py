"""Trees and neighbours among points without their matrix of distances: what single linkage needs of it.

Points are rows. Work is quadratic in their number, memory linear: distances exist for one block of points at a time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from quantray.arrays import Float, Int

__all__ = ["BLOCK", "Edges", "lightest_tree", "nearest", "prim_steps", "single_linkage", "spanning_tree"]

BLOCK = 512
"""Points whose distances to all others are held at once."""

Points = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Edges:
    """E edges between points."""

    first: Int
    """(E,)."""
    second: Int
    """(E,)."""
    length: Points
    """(E,)."""


def spanning_tree(points: Points, squares: Points) -> Edges:
    """The tree of least total length that connects all points; its lengths are squared distances.

    Points come block by block. A block changes the tree of those before it only by edges that touch the block, so
    Prim's method on the old tree and the block's distances finds the new one; it is exact.

    Parameters
    ----------
    points : (N, d) coordinates p; sums are taken in their precision.
    squares : (N,) a, so that the squared distance is a_i + a_j - 2 p_i p_j. Squared lengths of the points, or more
        where coordinates leave something out.

    Source: Prim (1957), *Shortest connection networks and some generalizations*, Bell System Technical Journal 36.
    """
    none = np.empty(0, dtype=np.int64)
    tree = Edges(none, none, np.empty(0, dtype=points.dtype))
    for start in range(0, len(points), BLOCK):
        tree = _grown(tree, _squared_distances(points, squares, start, min(start + BLOCK, len(points))), start)
    return tree


def prim_steps(distances: Float) -> Edges:
    """The N - 1 steps of Prim's method on an (N, N) symmetric matrix, each as long as its point was from the tree.

    A step begins at the point that joined before it, not at the point of the tree that is nearest. So steps make a
    path instead of the tree, but single linkage merges both alike: points that hang together up to a distance join one
    after the other by steps up to that distance. And no step has to remember which point was the nearest.

    Source: Prim (1957), see ``spanning_tree``; Gower and Ross (1969), *Minimum spanning trees and single linkage
    cluster analysis*, Applied Statistics 18.
    """
    n_points = len(distances)
    reach, gone, away = np.full(n_points, np.inf), np.zeros(n_points), np.empty(n_points)
    joined, lengths = [0], []
    for _ in range(n_points - 1):
        gone[joined[-1]] = np.inf
        np.minimum(reach, distances[joined[-1]], out=reach)
        np.add(reach, gone, out=away)
        joined.append(int(away.argmin()))
        lengths.append(away[joined[-1]])
    points = np.array(joined)
    return Edges(points[:-1], points[1:], np.array(lengths))


def nearest(points: Points, squares: Points, count: int) -> Int:
    """(N, count) the other points nearest to each, in no order; takes ``spanning_tree``'s and at most N - 1."""
    n_points = len(points)
    out = np.empty((n_points, count), dtype=np.int64)
    # Beside the distances stand their places, of twice the bytes.
    few = -(-BLOCK // 4)
    for start in range(0, n_points, few):
        stop = min(start + few, n_points)
        distance = points[start:stop] @ points.T
        distance *= -2
        distance += squares
        distance[np.arange(stop - start), np.arange(start, stop)] = np.inf
        out[start:stop] = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return out


def lightest_tree(neighbours: Int, length: Float) -> Edges:
    """The tree of least total length among the edges from each of N points to its (N, k) neighbours, which connect."""
    n_points, count = neighbours.shape
    points = np.repeat(np.arange(n_points), count)
    first, second = np.minimum(points, neighbours.ravel()), np.maximum(points, neighbours.ravel())
    _, once = np.unique(first * n_points + second, return_index=True)
    first, second, kept = first[once], second[once], length.ravel()[once]
    # Only the order of lengths matters, and a sparse matrix would take a length of zero for no edge.
    place = np.empty(len(kept))
    place[np.argsort(kept, kind="stable")] = np.arange(1.0, len(kept) + 1)
    tree = minimum_spanning_tree(coo_array((place, (first, second)), shape=(n_points, n_points)).tocsr()).tocoo()
    sorted_lengths = np.sort(kept)
    return Edges(tree.row.astype(np.int64), tree.col.astype(np.int64), sorted_lengths[tree.data.astype(np.int64) - 1])


def single_linkage(tree: Edges) -> Float:
    """(N - 1, 4) merges by single linkage, in scipy's form and order of sides, given a spanning tree of N points."""
    order = np.argsort(tree.length, kind="stable")
    n_points = len(order) + 1
    above, size, sides = list(range(2 * n_points - 1)), [1] * n_points, []
    ends = zip(tree.first[order].tolist(), tree.second[order].tolist(), strict=True)
    for node, (first, second) in enumerate(ends, n_points):
        one, other = _top(above, first), _top(above, second)
        above[one] = above[other] = node
        size.append(size[one] + size[other])
        sides.append((one, other) if one < other else (other, one))
    return np.column_stack([np.reshape(sides, (-1, 2)), tree.length[order], size[n_points:]])


def _top(above: list[int], node: int) -> int:
    """The cluster that a node belongs to; the path to it is halved on the way."""
    while above[node] != node:
        above[node] = node = above[above[node]]
    return node


def _squared_distances(points: Points, squares: Points, start: int, stop: int) -> Points:
    """(stop, stop - start) squared distances of the points of a block and all before them to those of the block."""
    out: Points = points[:stop] @ points[start:stop].T
    out *= -2
    out += squares[start:stop]
    out += squares[:stop, None]
    return out


def _grown(tree: Edges, distances: Points, start: int) -> Edges:
    """The tree of the points before ``start``, and those from it on, by Prim's method."""
    n_points = len(distances)
    ends = np.concatenate([tree.first, tree.second])
    order = np.argsort(ends, kind="stable")
    others = np.concatenate([tree.second, tree.first])[order]
    lengths = np.concatenate([tree.length, tree.length])[order]
    begin = np.searchsorted(ends[order], np.arange(start + 1)).tolist()
    # Distance to the growing tree: of those outside, the next is the least; those inside can never come nearer.
    outside = np.full(n_points, np.inf, dtype=distances.dtype)
    reach = outside.copy()
    link = np.zeros(n_points, dtype=np.int64)
    first, second = np.empty(n_points - 1, dtype=np.int64), np.empty(n_points - 1, dtype=np.int64)
    length = np.empty(n_points - 1, dtype=distances.dtype)
    point = start
    reach[start] = -np.inf
    for step in range(n_points - 1):
        row = distances[point]
        closer = np.flatnonzero(row < reach[start:])
        outside[start + closer] = reach[start + closer] = row[closer]
        link[start + closer] = point
        if point < start:
            near, there = lengths[begin[point] : begin[point + 1]], others[begin[point] : begin[point + 1]]
        else:
            near, there = distances[:start, point - start], np.arange(start)
        better = near < reach[there]
        there = there[better]
        outside[there] = reach[there] = near[better]
        link[there] = point
        point = int(outside.argmin())
        first[step], second[step], length[step] = link[point], point, outside[point]
        outside[point], reach[point] = np.inf, -np.inf
    return Edges(first, second, length)
