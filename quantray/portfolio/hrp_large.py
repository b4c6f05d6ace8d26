"""Hierarchical risk parity straight from returns, for thousands to tens of thousands of assets.

No matrix of assets by assets is ever held: memory grows with the number of assets, and time with its square. The
weights are those of ``hrp`` on the sample covariance with single linkage.

* Risk is split by variances of weighted sums of returns, level by level of the bisection.
* On the distance ``correlation`` the dendrogram is a minimum spanning tree, found exactly from blocks of correlations.
* On the distance ``paper`` two assets are as far apart as their columns of the matrix of distances, and exact distances
  between all columns would cost the cube of the number of assets. Columns are therefore projected first on the
  directions of the largest principal components of returns, which nearly span them. The projection serves only
  to propose edges, from each asset to its nearest neighbours and along the projection's own spanning tree. The edges
  get exact distances, and the tree is made of these. It is the exact tree whenever that is made of proposed edges. On
  all real and simulated markets of ``benchmarks/bench_hrp_large.py`` it is; the hard case is pure noise over more days
  than ``directions``, whose components all weigh alike, and there more directions help.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import eigh, qr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from quantray.arrays import Float, Int
from quantray.covariance.gaps import centred_returns
from quantray.errors import InputError
from quantray.portfolio.clusters import Distance, leaf_order
from quantray.portfolio.spanning import (
    BLOCK,
    Edges,
    Points,
    Spread,
    Workers,
    blocks,
    lightest_tree,
    nearest,
    single_linkage,
    spanning_tree,
)

__all__ = ["hrp_large_order", "hrp_large_weights"]

_CHUNK = 64
"""Assets whose neighbours' columns are gathered at once: few enough for a processor's cache."""


def hrp_large_weights(
    returns: Float,
    *,
    distance: Distance = "paper",
    neighbours: int = 16,
    directions: int = 256,
    workers: Workers | None = None,
) -> Float:
    """Weights by hierarchical risk parity with single linkage, in memory linear in the number of assets.

    They equal ``hrp.hrp_weights(sample_covariance(returns).matrix, distance=distance)`` to rounding errors; under
    ``paper`` if the proposed edges suffice, see above. Assets whose distances tie may stand in another order.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing. As for the sample covariance, an asset is centred on the days
        it has, other days count as zero, and its variance is rescaled to the days it has.
    distance : see ``hrp.hrp_weights``.
    neighbours : nearest neighbours of each asset; under ``paper`` edges are proposed to them, under ``correlation``
        their number changes the time alone.
    directions : under ``paper``, principal components on which columns are projected; all there are if fewer.
    workers : an executor, of ``research.executor`` or ``distributed``, which blocks of assets are handed to; without
        one they are worked on here. Weights are the same bytes for any number of workers.

    Returns
    -------
    (N,) positive weights that sum to one.

    Raises
    ------
    InputError
        Not a (T, N) array, infinite values, an asset without variance, an unknown distance, or a number below one.
    DataError
        An asset has fewer than two returns.

    Source: Lopez de Prado (2016), *Building diversified portfolios that outperform out of sample*, Journal of
    Portfolio Management 42(4).
    """
    returns = np.asarray(returns, dtype=np.float64)
    order = hrp_large_order(returns, distance=distance, neighbours=neighbours, directions=directions, workers=workers)
    return _bisected(returns, order)


def hrp_large_order(
    returns: Float,
    *,
    distance: Distance = "paper",
    neighbours: int = 16,
    directions: int = 256,
    workers: Workers | None = None,
) -> Int:
    """(N,) assets from left to right in the dendrogram; takes and raises as ``hrp_large_weights``."""
    if distance not in ("paper", "correlation"):
        raise InputError(f"distance {distance!r} is unknown; see hrp_large_weights.")
    if neighbours < 1 or directions < 1:
        raise InputError(f"{neighbours} neighbours and {directions} directions; give at least one of each.")
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or (~np.isnan(returns)).sum(axis=0).min(initial=2) < 2:
        # Block by block, an error would name another asset.
        centred_returns(returns, "available")
    n_assets = returns.shape[1]
    if n_assets == 0:
        raise InputError(f"returns are {returns.shape}; give at least one asset.")
    if n_assets == 1:
        # An asset without variance is refused also where there is nothing to order.
        return np.zeros(len(_unit(returns)), dtype=np.int64)
    count = min(neighbours, n_assets - 1)
    if distance == "correlation":
        points: Spread[tuple[Points, Points]] = Spread(workers, (_unit(returns), np.ones(n_assets)))
        tree = spanning_tree(points, nearest(points, n_assets, count))
        # Squares are 2 - 2 rho; equal assets can come out a rounding error below zero.
        return leaf_order(single_linkage(replace(tree, length=np.sqrt(np.maximum(tree.length, 0.0)) / 2)))
    proposed = _proposed(workers, returns, count, directions)
    # Made again rather than kept beside the projection: it takes as much memory as the returns.
    return leaf_order(single_linkage(lightest_tree(proposed, _between_columns(workers, _unit(returns), proposed))))


def _centred(returns: Float, assets: Int) -> Float:
    """(N, T) centred returns of assets, whose products over T - 1 are the sample covariance.

    Made again where they are needed rather than kept: they take as much memory as the returns.
    """
    out = np.empty((len(assets), len(returns)))
    for start in range(0, len(assets), BLOCK):
        # Rows of days, as they came, or sums over days would be taken in another order.
        some = np.take(returns, assets[start : start + BLOCK], axis=1)
        out[start : start + BLOCK] = centred_returns(some, "available").filled.T
    return out


def _unit(returns: Float) -> Float:
    """(N, T) centred returns of length one.

    Raises
    ------
    InputError
        An asset has no variance.
    """
    out = _centred(returns, np.arange(returns.shape[1]))
    length = np.sqrt(np.einsum("nt,nt->n", out, out))
    if not length.all():
        flat = int((length == 0).sum())
        raise InputError(f"{flat} assets have no positive variance; drop them before clustering.")
    out /= length[:, None]
    return out


def _distances(unit: Points, start: int, stop: int) -> Points:
    """(N, stop - start) columns of the matrix of distances sqrt((1 - rho) / 2)."""
    out: Points = unit @ unit[start:stop].T
    np.clip(out, -1.0, 1.0, out=out)
    np.subtract(1.0, out, out=out)
    out *= 0.5
    np.sqrt(out, out=out)
    out[np.arange(start, stop), np.arange(stop - start)] = 0.0
    return out


def _proposed(workers: Workers | None, returns: Float, count: int, directions: int) -> Int:
    """(N, count + 1) assets that edges are proposed to: the nearest in the projection, and beside in its tree."""
    points = Spread(workers, _projected(workers, returns, directions))
    near = nearest(points, returns.shape[1], count)
    tree = spanning_tree(points, near)
    return np.hstack([near.index, _before(tree)[:, None]])


def _before(tree: Edges) -> Int:
    """(N,) the point before each on the way from the first in a tree; the first stands before one that it leads to."""
    n_points = len(tree.first) + 1
    matrix = coo_array((np.ones(n_points - 1), (tree.first, tree.second)), shape=(n_points, n_points)).tocsr()
    order, before = breadth_first_order(matrix, 0, directed=False)
    before[0] = order[1]
    return before.astype(np.int64)


def _projected(workers: Workers | None, returns: Float, directions: int) -> tuple[Points, Points]:
    """Columns of the matrix of distances, (N, m + 1) on m principal directions and the mean, and their squares (N,).

    The directions span the correlations, and distances are close to linear in these. Single precision is enough to
    propose edges.
    """
    unit = _unit(returns)
    loadings = _loadings(unit, directions)
    basis = np.ones((len(unit), loadings.shape[1] + 1), order="F")
    for rows in blocks(len(unit), BLOCK):
        basis[rows, 1:] = unit[rows] @ loadings
    basis = qr(basis, mode="economic", overwrite_a=True)[0].astype(np.float32)
    single = unit.astype(np.float32)
    del unit
    found = list(Spread(workers, (single, basis)).map(_projection, blocks(len(single), BLOCK)))
    return np.concatenate([columns for columns, _ in found]), np.concatenate([squares for _, squares in found])


def _projection(shared: tuple[Points, Points], columns: slice) -> tuple[Points, Points]:
    unit, basis = shared
    distance = _distances(unit, columns.start, columns.stop)
    return distance.T @ basis, np.einsum("nb,nb->b", distance, distance)


def _loadings(unit: Float, directions: int) -> Float:
    """(T, m) days' weights in the principal components of returns of length one, the largest."""
    few = min(unit.shape)
    wide = len(unit) > few
    value, vector = eigh(unit.T @ unit if wide else unit @ unit.T, subset_by_index=[max(few - directions, 0), few - 1])
    used = value > 1e-10 * value[-1]
    return np.asarray(vector[:, used] / np.sqrt(value[used]) if wide else unit.T @ (vector[:, used] / value[used]))


def _between_columns(workers: Workers | None, unit: Float, others: Int) -> Float:
    """(N, k) Euclidean distances between an asset's column of the matrix of distances and those of k others each."""
    squares, products = np.zeros(len(unit)), np.zeros(others.shape)
    for some_squares, some_products in Spread(workers, (unit, others)).map(_column_products, blocks(len(unit), BLOCK)):
        squares += some_squares
        products += some_products
    # Equal columns can come out a rounding error below zero.
    return np.sqrt(np.maximum(squares[:, None] + squares[others] - 2 * products, 0.0))


def _column_products(shared: tuple[Float, Int], columns: slice) -> tuple[Float, Float]:
    """What a block of rows of the columns adds to their squares (N,) and their products with others (N, k)."""
    unit, others = shared
    squares, products = np.zeros(len(unit)), np.zeros(others.shape)
    # In double precision, half as many take the memory of a block.
    for part in blocks(columns.stop - columns.start, BLOCK // 2):
        # Distances are symmetric, so these are also rows of the columns in question.
        rows = _distances(unit, columns.start + part.start, columns.start + part.stop)
        squares += np.einsum("nb,nb->n", rows, rows)
        for few in blocks(len(unit), _CHUNK):
            products[few] += np.matmul(rows[others[few]], rows[few, :, None])[:, :, 0]
        # Or the next ones would be made beside them.
        del rows
    return squares, products


def _bisected(returns: Float, order: Int) -> Float:
    """Split the budget of each contiguous half by the other's inverse-variance portfolio variance, top down."""
    n_days, n_assets = returns.shape
    scaled = _centred(returns, order)
    inverse = (n_days - 1) / np.einsum("nt,nt->n", scaled, scaled)
    # A cluster's inverse-variance portfolio has the returns sum(scaled rows) / sum(inverse).
    scaled *= inverse[:, None]
    weights = np.ones(n_assets)
    begin = np.zeros(1, dtype=np.int64)
    while len(begin) < n_assets:
        size = np.diff(np.append(begin, n_assets))
        split = size > 1
        middle = begin[split] + size[split] // 2
        begin = np.sort(np.append(begin, middle))
        risk = _squared_sums(scaled, begin) / np.add.reduceat(inverse, begin) ** 2
        right = np.searchsorted(begin, middle)
        left_risk, right_risk = risk[right - 1], risk[right]
        both = left_risk + right_risk
        # A cluster without variance (a perfect hedge) takes the whole budget; two of them share it.
        share = np.divide(right_risk, both, out=np.full(len(both), 0.5), where=both > 0)
        factor = np.ones(len(begin))
        factor[right - 1], factor[right] = share, 1 - share
        weights *= np.repeat(factor, np.diff(np.append(begin, n_assets)))
    out = np.empty(n_assets)
    out[order] = weights
    return out


def _squared_sums(rows: Float, begin: Int) -> Float:
    """(C,) squared lengths of the sums of clusters of neighbouring rows, which begin where they say."""
    out = np.empty(len(begin))
    for start in range(0, len(begin), BLOCK):
        some = begin[start : start + BLOCK]
        end = begin[start + BLOCK] if start + BLOCK < len(begin) else len(rows)
        total = np.add.reduceat(rows[some[0] : end], some - some[0], axis=0)
        out[start : start + BLOCK] = np.einsum("nt,nt->n", total, total)
    return out
