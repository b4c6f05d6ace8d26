"""Which assets listen to which: sparse graphs and capped clusters from past returns, in memory linear in assets.

Edges point from a source to a listener. A graph knows the last date whose data made it, and refuses to serve an
earlier decision. Assets with too little history stay in the graph as nodes without edges.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from quantray.arrays import Bool, Dates, Float, Int, Names, as_day, frozen
from quantray.errors import InputError
from quantray.features.correlations import BLOCK, ReturnWindow, eligible_assets, return_window

__all__ = [
    "Clusters",
    "Listeners",
    "NeighbourGraph",
    "capped_clusters",
    "random_graph",
    "sector_graph",
    "top_k_graph",
    "transposed",
]

Int32 = npt.NDArray[np.int32]

# Directions that a cut of a cluster may try before it is taken as it stands.
_TURNS = 10


@dataclass(frozen=True, eq=False)
class Listeners:
    """A neighbour list by source instead of by listener, in compressed rows.

    The listeners of node j stand at ``edges[offsets[j]:offsets[j + 1]]``, each as the flat position
    ``listener * k + slot`` of its edge in ``neighbours``.
    """

    offsets: Int32
    """(N + 1,)."""
    edges: Int32
    """(E,) sorted by source, then by listener."""


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Up to k sources that each of N assets listens to.

    Raises
    ------
    InputError
        Shapes disagree, a neighbour is no node, or a node listens to itself.
    """

    assets: Names
    """(N,)."""
    neighbours: Int32
    """(N, k) sources of each node, best first, never itself; -1 pads."""
    listeners: Listeners
    """The same edges by source."""
    window_end: np.datetime64
    """Last date whose data made the graph."""
    kind: str

    def __post_init__(self) -> None:
        n_assets = len(self.assets)
        if self.neighbours.ndim != 2 or len(self.neighbours) != n_assets:
            raise InputError(f"neighbours are {self.neighbours.shape} for {n_assets} assets; give (N, k).")
        if ((self.neighbours < -1) | (self.neighbours >= n_assets)).any():
            raise InputError(f"a neighbour is no node; they run from 0 to {n_assets - 1}, and -1 pads.")
        if (self.neighbours == np.arange(n_assets)[:, None]).any():
            raise InputError("a node is its own neighbour; leave it out, its own features reach it anyway.")
        object.__setattr__(self, "window_end", as_day(self.window_end))

    def check(self, date: object) -> None:
        """Refuse a graph made of data after a decision.

        Raises
        ------
        InputError
            The window ends after the date.
        """
        _check_window(self.window_end, date, "graph")

    def degree(self) -> Int:
        """(N,) number of sources each node listens to."""
        return np.asarray((self.neighbours >= 0).sum(axis=1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Assets in groups of at most ``cap``."""

    assets: Names
    """(N,)."""
    labels: Int32
    """(N,) cluster of each asset; -1 without enough history."""
    members: Int32
    """(C, cap) assets of each cluster, ascending; -1 pads."""
    window_end: np.datetime64
    """Last date whose data made the clusters."""

    def check(self, date: object) -> None:
        """Refuse clusters made of data after a decision.

        Raises
        ------
        InputError
            The window ends after the date.
        """
        _check_window(self.window_end, date, "clustering")


def transposed(neighbours: Int32) -> Listeners:
    """The edges of (N, k) neighbours by source."""
    flat = neighbours.ravel()
    used = np.flatnonzero(flat >= 0)
    edges = used[np.argsort(flat[used], kind="stable")]
    counts = np.bincount(flat[used], minlength=len(neighbours))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Listeners(frozen(offsets.astype(np.int32)), frozen(edges.astype(np.int32)))


def top_k_graph(
    returns_tn: Float,
    assets: Names,
    dates: Dates,
    *,
    k: int = 10,
    threshold: float = 0.0,
    member: Bool | None = None,
    residual: bool = True,
    min_history: float = 0.5,
    absolute: bool = False,
    n_factors: int = 0,
) -> NeighbourGraph:
    """Each asset listens to the k others whose returns correlate most with its own.

    Correlations are pairwise complete: over the days on which both assets have a return. Memory is
    O(N * 256 + N * k): the correlation matrix is made and used in blocks of rows. Time is O(T * N^2).

    Parameters
    ----------
    returns_tn : (T, N) simple returns of the window; NaN where unknown.
    assets, dates : (N,) and (T,) of the window; the graph may serve decisions from the last date on.
    k : most neighbours of a node.
    threshold : correlations must exceed it.
    member : (N,) assets that may have edges; by default all.
    residual : take out each date's mean over the linked assets first, so that the market does not make the edges.
    min_history : share of the window's days that an asset, and a pair in common, must have.
    absolute : rank and threshold by the size of the correlation, whatever its sign.
    n_factors : leading principal components to take out first, so that sectors and styles do not make the edges
        either.

    Raises
    ------
    InputError
        Shapes disagree, returns are infinite, or a setting is out of range.
    """
    if k < 1 or not -1 <= threshold < 1:
        raise InputError(f"k {k} must be 1 or more and threshold {threshold} lie in [-1, 1).")
    window = return_window(returns_tn, assets, dates, member, residual, min_history, n_factors)
    neighbours = np.full((len(assets), k), -1, dtype=np.int32)
    _link(neighbours, window, threshold, absolute)
    return _graph(assets, neighbours, dates[-1], "residual correlation" if residual else "correlation")


def sector_graph(
    sectors_n: npt.NDArray[np.integer],
    assets: Names,
    dates: Dates,
    *,
    k: int = 10,
    returns_tn: Float | None = None,
    seed: int | None = None,
    member: Bool | None = None,
    min_history: float = 0.5,
) -> NeighbourGraph:
    """Each asset listens to k others of its own sector.

    Parameters
    ----------
    sectors_n : (N,) sector codes; -1 unknown, which leaves the asset without edges.
    assets, dates : (N,) and (T,); the sectors (and returns) must be known on the last date.
    returns_tn : (T, N) simple returns; the k most correlated are chosen, after each date's mean is taken out.
    seed : without returns, the k are drawn at random.
    member : (N,) assets that may have edges; by default all.

    Raises
    ------
    InputError
        Shapes disagree, or not exactly one of ``returns_tn`` and ``seed`` is given.
    """
    if (returns_tn is None) == (seed is None):
        raise InputError("give either returns_tn, to choose by correlation, or seed, to choose at random.")
    if k < 1 or sectors_n.shape != (len(assets),) or len(dates) == 0:
        raise InputError(f"k {k}, sectors {sectors_n.shape} and {len(dates)} dates do not fit {len(assets)} assets.")
    neighbours = np.full((len(assets), k), -1, dtype=np.int32)
    if returns_tn is not None:
        window = return_window(returns_tn, assets, dates, member, True, min_history)
        codes = sectors_n[window.columns]
        for code in np.unique(codes[codes >= 0]):
            _link(neighbours, window.among(codes == code), -1.0, absolute=False)
        return _graph(assets, neighbours, dates[-1], "sector by correlation")
    eligible = eligible_assets(member, len(assets)) & (sectors_n >= 0)
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    for code in np.unique(sectors_n[eligible]):
        pool = np.flatnonzero(eligible & (sectors_n == code))
        _draw(neighbours, pool, np.full(len(pool), min(k, len(pool) - 1)), generator)
    return _graph(assets, neighbours, dates[-1], "sector at random")


def random_graph(like: NeighbourGraph, *, seed: int) -> NeighbourGraph:
    """The control: every node keeps its number of neighbours, which are drawn anew among the nodes that have edges."""
    n_assets, k = like.neighbours.shape
    linked = (like.degree() > 0) | (np.diff(like.listeners.offsets) > 0)
    pool = np.flatnonzero(linked)
    neighbours = np.full((n_assets, k), -1, dtype=np.int32)
    _draw(neighbours, pool, like.degree()[pool], np.random.default_rng(np.random.SeedSequence(seed)))
    return _graph(like.assets, neighbours, like.window_end, f"random like {like.kind}")


def capped_clusters(
    returns_tn: Float,
    assets: Names,
    dates: Dates,
    *,
    cap: int = 50,
    member: Bool | None = None,
    residual: bool = True,
    min_history: float = 0.5,
) -> Clusters:
    """Clusters of correlated assets, none larger than ``cap``.

    A cluster above the cap is cut in two, as by k-means but at the widest gap within the middle third, until none is
    left; so clusters hold between a third of ``cap`` and ``cap`` names. The cut starts along the principal direction
    of the standardised returns and depends on neither a seed nor the order of assets.
    Time and memory are O(T * N log N) and O(T * N + min(T, N)^2). Gaps count as zero.

    Parameters
    ----------
    returns_tn, assets, dates, member, residual, min_history : see ``top_k_graph``.
    cap : most assets in a cluster.

    Raises
    ------
    InputError
        Shapes disagree, returns are infinite, or a setting is out of range.

    Source: Boley (1998), *Principal direction divisive partitioning*, Data Mining and Knowledge Discovery 2.
    """
    if cap < 1:
        raise InputError(f"cap {cap} must be 1 or more.")
    window = return_window(returns_tn, assets, dates, member, residual, min_history)
    leaves = [np.sort(window.columns[leaf]) for leaf in _bisected(window.values, cap)]
    labels = np.full(len(assets), -1, dtype=np.int32)
    members = np.full((len(leaves), cap), -1, dtype=np.int32)
    for number, leaf in enumerate(leaves):
        labels[leaf] = number
        members[number, : len(leaf)] = leaf
    return Clusters(assets, frozen(labels), frozen(members), as_day(dates[-1]))


def _link(neighbours: Int32, window: ReturnWindow, threshold: float, absolute: bool) -> None:
    """Write the best sources of the window's assets into ``neighbours``."""
    k = min(neighbours.shape[1], len(window.columns) - 1)
    if k < 1:
        return
    for rows, correlation in window.correlation_blocks():
        score = np.abs(correlation) if absolute else correlation
        score = np.where(score > threshold, score, -np.inf)
        score[np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop)] = -np.inf
        # Candidates in the order of assets first, so that ties go to the earlier asset.
        best = np.sort(np.argpartition(score, -k, axis=1)[:, -k:], axis=1)
        value = np.take_along_axis(score, best, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        linked = np.isfinite(np.take_along_axis(value, order, axis=1))
        sources = window.columns[np.take_along_axis(best, order, axis=1)]
        neighbours[window.columns[rows], :k] = np.where(linked, sources, -1)


def _draw(neighbours: Int32, pool: Int, degree: Int, generator: np.random.Generator) -> None:
    """Write ``degree`` distinct random others of the pool into the rows of ``neighbours``."""
    most = int(degree.max(initial=0))
    if most < 1:
        return
    for start in range(0, len(pool), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(pool)))
        key = generator.random((len(rows), len(pool)))
        key[np.arange(len(rows)), rows] = np.inf
        best = np.argsort(key, axis=1)[:, :most]
        kept = np.arange(most) < degree[rows, None]
        neighbours[pool[rows], :most] = np.where(kept, pool[best], -1)


def _bisected(values: Float, cap: int) -> Iterator[Int]:
    """Columns of each final cluster, from left to right through the tree of cuts."""
    waiting = [np.arange(values.shape[1])] if values.shape[1] else []
    while waiting:
        cluster = waiting.pop()
        if len(cluster) <= cap:
            yield cluster
            continue
        below, above = _cut(values[:, cluster])
        waiting += [cluster[above], cluster[below]]


def _cut(values: Float) -> tuple[Int, Int]:
    """Two groups of columns, cut along the principal direction, then along that from one group's mean to the other.

    The first may pass through the middle of a group; each later direction turns away from it.
    """
    score, below = _principal_scores(values), np.empty(0, dtype=np.int64)
    low = max(1, len(score) // 3)
    for _ in range(_TURNS):
        order = np.argsort(score, kind="stable")
        cut = low + int(np.argmax(np.diff(score[order])[low - 1 : len(order) - low]))
        before, below, above = below, np.sort(order[:cut]), np.sort(order[cut:])
        if np.array_equal(before, below):
            break
        score = (values[:, above].mean(axis=1) - values[:, below].mean(axis=1)) @ values
    return below, above


def _principal_scores(values: Float) -> Float:
    """(n,) place of each column of (T, n) values along the direction in which columns differ most."""
    centred = values - values.mean(axis=1, keepdims=True)
    n_days, n_assets = centred.shape
    gram = centred @ centred.T if n_days < n_assets else centred.T @ centred
    last = len(gram) - 1
    vector = np.asarray(eigh(gram, subset_by_index=[last, last])[1])[:, 0]
    direction = vector if n_days < n_assets else centred @ vector
    # The sign of an eigenvector is arbitrary; fixed on a day, it does not depend on the order of assets.
    sign = np.sign(direction[np.argmax(np.abs(direction))]) or 1.0
    return np.asarray(sign * (direction @ centred))


def _graph(assets: Names, neighbours: Int32, window_end: object, kind: str) -> NeighbourGraph:
    neighbours = frozen(neighbours)
    return NeighbourGraph(np.asarray(assets), neighbours, transposed(neighbours), as_day(window_end), kind)


def _check_window(window_end: np.datetime64, date: object, what: str) -> None:
    day = as_day(date)
    if window_end > day:
        raise InputError(f"the {what} uses data up to {window_end}, after the decision on {day}; make it from earlier.")
