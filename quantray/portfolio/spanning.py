"""Trees and neighbours among points without their matrix of distances: what single linkage needs of it.

Points are rows. Work is quadratic in their number, memory linear: distances exist for one block of points at a time.
Blocks are the same wherever they are worked on, so results do not depend on the number of workers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from quantray.arrays import Float, Int

__all__ = [
    "BLOCK",
    "Edges",
    "Nearest",
    "Spread",
    "Workers",
    "blocks",
    "lightest_tree",
    "nearest",
    "prim_steps",
    "single_linkage",
    "spanning_tree",
]

BLOCK = 512
"""Points whose distances to all others are held at once."""

Points = npt.NDArray[np.floating]
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class Workers(Protocol):
    """What an executor of ``research`` or ``distributed`` offers, of which this room knows nothing else."""

    def put(self, value: Any) -> Any:
        """Store a value once for several calls of ``map``."""
        ...

    def map(self, fn: Callable[[Any, Any], Any], items: Iterable[Any], *, shared: Any) -> Iterator[Any]:
        """``fn(shared, item)`` for each item, in the items' order; ``fn`` is a top-level function."""
        ...


class Spread(Generic[S]):
    """A value that functions of it and of items share, on workers or, without any, in this process."""

    def __init__(self, workers: Workers | None, value: S) -> None:
        self._workers, self._value = workers, value if workers is None else workers.put(value)

    def map(self, fn: Callable[[S, T], R], items: Iterable[T]) -> Iterator[R]:
        """See ``Workers.map``."""
        if self._workers is None:
            return (fn(self._value, item) for item in items)
        return self._workers.map(fn, items, shared=self._value)


@dataclass(frozen=True, eq=False)
class Edges:
    """E edges between points."""

    first: Int
    """(E,)."""
    second: Int
    """(E,)."""
    length: Points
    """(E,)."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The k nearest others of each of N points, in no order."""

    index: Int
    """(N, k)."""
    length: Points
    """(N, k) squared distances."""


def blocks(n_points: int, size: int) -> list[slice]:
    """The points in runs of a size."""
    return [slice(start, min(start + size, n_points)) for start in range(0, n_points, size)]


def nearest(points: Spread[tuple[Points, Points]], n_points: int, count: int) -> Nearest:
    """The nearest others of each point.

    Parameters
    ----------
    points : (N, d) coordinates p, and (N,) a, so that the squared distance is a_i + a_j - 2 p_i p_j: squared lengths of
        the points, or more where coordinates leave something out. Sums are taken in their precision.
    count : at most N - 1.
    """
    # Beside the distances stand their places, of twice the bytes.
    found = list(points.map(_nearest_of, [(rows, count) for rows in blocks(n_points, -(-BLOCK // 4))]))
    return Nearest(np.concatenate([some.index for some in found]), np.concatenate([some.length for some in found]))


def spanning_tree(points: Spread[tuple[Points, Points]], near: Nearest) -> Edges:
    """The tree of least total length that connects all points; its lengths are squared distances.

    Components grow, each by the shortest edge that leaves it. That is an edge to one of the nearest points, unless some
    point of the component has its nearest all inside and none farther away than that edge is long; such points are
    compared with all points outside. Only the largest component may wait for the others instead. The tree is exact.

    Parameters
    ----------
    points : as of ``nearest``.
    near : what it finds.

    Source: Nesetril, Milkova and Nesetrilova (2001), *Otakar Boruvka on minimum spanning tree problem*, Discrete
    Mathematics 233.
    """
    n_points = len(near.index)
    known, component, above = _Known(near), np.arange(n_points), list(range(n_points))
    edges: list[tuple[int, int]] = []
    lengths: list[np.floating] = []
    while len(edges) < n_points - 1:
        leaving = known.shortest(points, component)
        ends = zip(leaving.first.tolist(), leaving.second.tolist(), leaving.length, strict=True)
        for first, second, length in ends:
            one, other = _top(above, first), _top(above, second)
            # Two components can choose the same edge, or several ones as long.
            if one != other:
                above[one] = other
                edges.append((first, second))
                lengths.append(length)
        component = np.unique([_top(above, point) for point in range(n_points)], return_inverse=True)[1]
    first, second = np.reshape(np.array(edges, dtype=np.int64), (-1, 2)).T
    return Edges(first, second, np.array(lengths, dtype=near.length.dtype))


class _Known:
    """The points known to be near each, and how near one that is not known can be."""

    def __init__(self, near: Nearest) -> None:
        # The last column is for what a comparison with all points finds; until then it says nothing new.
        self._index = np.hstack([near.index, near.index[:, :1]])
        self._length = np.hstack([near.length, near.length[:, :1]])
        self._bound = near.length.max(axis=1)

    def shortest(self, points: Spread[tuple[Points, Points]], component: Int) -> Edges:
        """The shortest edge that leaves each component; that of the largest only where it is known."""
        away = np.where(component[self._index] != component[:, None], self._length, np.inf)
        unsure = self._bound < _least(component, away.min(axis=1))[component]
        largest = int(np.bincount(component).argmax())
        some = np.flatnonzero(unsure & (component != largest))
        if len(some):
            self._index[some, -1], self._length[some, -1] = _outside(points, some, component)
            self._bound[some] = away[some, -1] = self._length[some, -1]
        column = away.argmin(axis=1)
        reach = away[np.arange(len(away)), column]
        ends = np.flatnonzero(reach == _least(component, reach)[component])
        if unsure[component == largest].any():
            ends = ends[component[ends] != largest]
        ends = ends[np.unique(component[ends], return_index=True)[1]]
        return Edges(ends, self._index[ends, column[ends]], reach[ends])


def _least(component: Int, values: Points) -> Points:
    """(C,) the least value in each component."""
    out = np.full(int(component.max()) + 1, np.inf, dtype=values.dtype)
    np.minimum.at(out, component, values)
    return out


def _outside(points: Spread[tuple[Points, Points]], some: Int, component: Int) -> tuple[Int, Points]:
    """The nearest point outside its component for each of some points, and the squared distance."""
    found = list(points.map(_outside_of, [(some[part], component) for part in blocks(len(some), BLOCK)]))
    return np.concatenate([index for index, _ in found]), np.concatenate([length for _, length in found])


def _outside_of(shared: tuple[Points, Points], item: tuple[Int, Int]) -> tuple[Int, Points]:
    (points, squares), (some, component) = shared, item
    distance = _squared_distances(points[some], squares[some], points, squares)
    distance[component[some][:, None] == component] = np.inf
    index = distance.argmin(axis=1)
    return index, distance[np.arange(len(some)), index]


def _nearest_of(shared: tuple[Points, Points], item: tuple[slice, int]) -> Nearest:
    (points, squares), (rows, count) = shared, item
    distance = _squared_distances(points[rows], squares[rows], points, squares)
    distance[np.arange(len(distance)), np.arange(rows.start, rows.stop)] = np.inf
    index = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return Nearest(index.copy(), np.take_along_axis(distance, index, axis=1))


def prim_steps(distances: Float) -> Edges:
    """The N - 1 steps of Prim's method on an (N, N) symmetric matrix, each as long as its point was from the tree.

    A step begins at the point that joined before it, not at the point of the tree that is nearest. So steps make a
    path instead of the tree, but single linkage merges both alike: points that hang together up to a distance join one
    after the other by steps up to that distance. And no step has to remember which point was the nearest.

    Source: Prim (1957), *Shortest connection networks and some generalizations*, Bell System Technical Journal 36;
    Gower and Ross (1969), *Minimum spanning trees and single linkage cluster analysis*, Applied Statistics 18.
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


def _squared_distances(some: Points, some_squares: Points, points: Points, squares: Points) -> Points:
    """(M, N) squared distances of some points to all."""
    out: Points = some @ points.T
    out *= -2
    out += squares
    out += some_squares[:, None]
    return out
