"""Clusters of assets: distances between them, the dendrogram, and where to cut it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import leaves_list
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.linalg.blas import dsyrk
from scipy.spatial.distance import squareform

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.portfolio.spanning import prim_steps, single_linkage

__all__ = ["Dendrogram", "Distance", "Linkage", "asset_clusters", "dendrogram", "leaf_order", "merges"]

Distance = Literal["paper", "correlation"]
Linkage = Literal["single", "complete", "average", "ward"]

_TILE = 192
"""Rows and columns of a matrix of distances that are made at a time."""


@dataclass(frozen=True, eq=False)
class Dendrogram:
    """The tree of clusters of N assets: nodes 0 to N - 1 are assets, later ones merge two earlier ones.

    In the order of the leaves every node is a contiguous block.
    """

    order: Int
    """(N,) assets from left to right."""
    low: Int
    """(2N - 1,) position in ``order`` where a node begins."""
    high: Int
    """(2N - 1,) position after its last asset."""
    children: Int
    """(N - 1, 2) the left and right part of node N + i."""

    @property
    def n_assets(self) -> int:
        """N."""
        return len(self.order)

    @property
    def root(self) -> int:
        """The node that holds all assets."""
        return len(self.low) - 1

    def assets(self, node: int) -> Int:
        """Assets of a node, from left to right."""
        return self.order[self.low[node] : self.high[node]]

    def parts(self, node: int) -> tuple[int, int]:
        """The two nodes that a node merges."""
        left, right = self.children[node - self.n_assets]
        return int(left), int(right)

    def cut(self, n_clusters: int) -> list[int]:
        """The nodes that are left when the last ``n_clusters - 1`` merges are undone."""
        nodes = [self.root]
        for node in range(self.root, self.root - n_clusters + 1, -1):
            nodes.remove(node)
            nodes += self.parts(node)
        return sorted(nodes, key=lambda node: int(self.low[node]))


def merges(covariance: Float, distance: Distance, linkage: Linkage) -> Float:
    """(N - 1, 4) merges of assets by their correlations, in scipy's form.

    Parameters
    ----------
    covariance : (N, N), checked to be square, symmetric and finite.
    distance, linkage : see ``hrp.hrp_weights``.

    Raises
    ------
    InputError
        A variance is not positive, or the distance or linkage is unknown.
    """
    variance = np.diagonal(covariance)
    if not (variance > 0).all():
        raise InputError(f"{int((variance <= 0).sum())} assets have no positive variance; drop them before clustering.")
    if distance not in ("paper", "correlation") or linkage not in ("single", "complete", "average", "ward"):
        raise InputError(f"distance {distance!r} or linkage {linkage!r} is unknown; see hrp_weights.")
    if len(variance) == 1:
        return np.zeros((0, 4))
    matrix = _distances(covariance)
    if distance == "paper":
        matrix = _between_columns(matrix)
    if linkage == "single":
        return single_linkage(prim_steps(matrix))
    return np.asarray(scipy_linkage(squareform(matrix, checks=False), method=linkage))


def leaf_order(tree: Float) -> Int:
    """(N,) assets from left to right, given the merges."""
    return leaves_list(tree).astype(np.int64) if len(tree) else np.zeros(1, dtype=np.int64)


def dendrogram(covariance: Float, distance: Distance, linkage: Linkage) -> Dendrogram:
    """Cluster assets by their correlations; takes and raises as ``merges``."""
    tree = merges(covariance, distance, linkage)
    low, high = _blocks(tree)
    return Dendrogram(leaf_order(tree), low, high, tree[:, :2].astype(np.int64))


def asset_clusters(covariance: Float, tree: Dendrogram, n_clusters: int | None = None) -> list[int]:
    """The nodes of a dendrogram that are its clusters, left to right; their number is given or found.

    It is found where the dispersion within clusters bends most: the largest second difference, among 1 to
    max(8, sqrt(N)) clusters, of the sum over clusters of the distances sqrt((1 - rho) / 2) between their assets over
    twice their number. (skfolio takes the mean distance instead, which small clusters distort.)

    Raises
    ------
    InputError
        The number of clusters is not between 1 and N.

    Source: Yue, Wang and Wei (2009), *Application of two-order difference to gap statistic*, Transactions of Tianjin
    University 15.
    """
    n_assets = tree.n_assets
    if n_clusters is not None:
        if not 1 <= n_clusters <= n_assets:
            raise InputError(f"{n_clusters} clusters of {n_assets} assets; give a number from 1 to {n_assets}.")
        return tree.cut(n_clusters)
    if n_assets <= 2:
        return tree.cut(n_assets)
    distances = _distances(covariance).take(tree.order, axis=0).take(tree.order, axis=1)
    most = min(n_assets, max(8, round(np.sqrt(n_assets))))
    within: dict[int, float] = {}
    dispersion = []
    for count in range(1, most + 1):
        nodes = tree.cut(count)
        for node in nodes:
            if node not in within:
                within[node] = _dispersion(distances, int(tree.low[node]), int(tree.high[node]))
        dispersion.append(sum(within[node] for node in nodes))
    return tree.cut(int(np.argmax(np.diff(dispersion, 2))) + 2)


def _dispersion(distances: Float, low: int, high: int) -> float:
    """Sum of the distances within a block over twice its size."""
    return float(distances[low:high, low:high].sum()) / (2 * (high - low))


def _blocks(tree: Float) -> tuple[Int, Int]:
    """Where each node begins and ends in the order of the leaves."""
    n_assets = len(tree) + 1
    sizes = np.r_[np.ones(n_assets), tree[:, 3]].astype(np.int64)
    low = np.zeros(2 * n_assets - 1, dtype=np.int64)
    for node in range(2 * n_assets - 2, n_assets - 1, -1):
        left, right = tree[node - n_assets, :2].astype(np.int64)
        low[left] = low[node]
        low[right] = low[node] + sizes[left]
    return low, low + sizes


def _distances(covariance: Float) -> Float:
    """(N, N) distances sqrt((1 - rho) / 2) between assets."""
    deviation = np.sqrt(np.diagonal(covariance))

    def values(rows: slice, columns: slice) -> Float:
        tile: Float = covariance[rows, columns] / deviation[rows, None]
        tile /= deviation[columns]
        np.clip(tile, -1.0, 1.0, out=tile)
        np.subtract(1.0, tile, out=tile)
        tile *= 0.5
        np.sqrt(tile, out=tile)
        return tile

    return _mirrored(values, np.empty(covariance.shape))


def _between_columns(matrix: Float) -> Float:
    """(N, N) Euclidean distances between the columns of a symmetric matrix."""
    squares = np.einsum("ij,ij->j", matrix, matrix)
    # A symmetric rank-k product does half the work of a general one. BLAS counts columns first, so its lower triangle,
    # transposed, is the upper one, from which the other half is mirrored.
    product = dsyrk(-2.0, matrix.T, trans=1, lower=1).T

    def values(rows: slice, columns: slice) -> Float:
        tile: Float = product[rows, columns] + squares[columns]
        tile += squares[rows, None]
        # Equal columns can come out a rounding error below zero.
        np.maximum(tile, 0.0, out=tile)
        np.sqrt(tile, out=tile)
        return tile

    return _mirrored(values, product)


def _mirrored(values: Callable[[slice, slice], Float], out: Float) -> Float:
    """Fill a symmetric matrix of zero diagonal from the values of tiles on and above it.

    At thousands of assets each pass over memory costs as much as the algebra, so a tile goes through all of its steps
    while a processor's cache holds it.
    """
    tiles = [slice(start, start + _TILE) for start in range(0, len(out), _TILE)]
    for number, rows in enumerate(tiles):
        for columns in tiles[number:]:
            tile = values(rows, columns)
            if rows == columns:
                tile = np.triu(tile, 1)
                tile += tile.T
            else:
                out[columns, rows] = tile.T
            out[rows, columns] = tile
    return out
