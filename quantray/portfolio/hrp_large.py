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
from scipy.linalg import eigh

from quantray.arrays import Float, Int
from quantray.covariance.gaps import centred_returns
from quantray.errors import InputError
from quantray.portfolio.clusters import Distance, leaf_order
from quantray.portfolio.spanning import BLOCK, Points, lightest_tree, nearest, single_linkage, spanning_tree

__all__ = ["hrp_large_order", "hrp_large_weights"]

_CHUNK = 64
"""Assets whose neighbours' columns are gathered at once: few enough for a processor's cache."""


def hrp_large_weights(
    returns: Float, *, distance: Distance = "paper", neighbours: int = 16, directions: int = 256
) -> Float:
    """Weights by hierarchical risk parity with single linkage, in memory linear in the number of assets.

    They equal ``hrp.hrp_weights(sample_covariance(returns).matrix, distance=distance)`` to rounding errors; under
    ``paper`` if the proposed edges suffice, see above. Assets whose distances tie may stand in another order.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing. As for the sample covariance, an asset is centred on the days
        it has, other days count as zero, and its variance is rescaled to the days it has.
    distance : see ``hrp.hrp_weights``.
    neighbours : under ``paper``, nearest neighbours of each asset that edges are proposed to.
    directions : under ``paper``, principal components on which columns are projected; all there are if fewer.

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
    centred = _centred(returns, distance, neighbours, directions)
    return _bisected(centred, _order(centred, distance, neighbours, directions))


def hrp_large_order(
    returns: Float, *, distance: Distance = "paper", neighbours: int = 16, directions: int = 256
) -> Int:
    """(N,) assets from left to right in the dendrogram; takes and raises as ``hrp_large_weights``."""
    return _order(_centred(returns, distance, neighbours, directions), distance, neighbours, directions)


def _centred(returns: Float, distance: Distance, neighbours: int, directions: int) -> Float:
    """(N, T) centred returns, asset by asset, whose products over T - 1 are the sample covariance."""
    if distance not in ("paper", "correlation"):
        raise InputError(f"distance {distance!r} is unknown; see hrp_large_weights.")
    if neighbours < 1 or directions < 1:
        raise InputError(f"{neighbours} neighbours and {directions} directions; give at least one of each.")
    centred = np.ascontiguousarray(centred_returns(returns, "available").filled.T)
    flat = ~centred.any(axis=1)
    if flat.any():
        raise InputError(f"{int(flat.sum())} assets have no positive variance; drop them before clustering.")
    return centred


def _order(centred: Float, distance: Distance, neighbours: int, directions: int) -> Int:
    n_assets = len(centred)
    if n_assets == 1:
        return np.zeros(1, dtype=np.int64)
    unit = centred / np.sqrt(np.einsum("nt,nt->n", centred, centred))[:, None]
    if distance == "correlation":
        tree = spanning_tree(unit, np.ones(n_assets))
        # Squares are 2 - 2 rho; equal assets can come out a rounding error below zero.
        return leaf_order(single_linkage(replace(tree, length=np.sqrt(np.maximum(tree.length, 0.0)) / 2)))
    columns, squares = _projected(unit, directions)
    near = nearest(columns, squares, min(neighbours, n_assets - 1))
    tree = spanning_tree(columns, squares)
    # Every asset but one ends one edge of the tree; the one that began it proposes an edge a second time.
    beside = near[:, :1].copy()
    beside[tree.second, 0] = tree.first
    proposed = np.hstack([near, beside])
    return leaf_order(single_linkage(lightest_tree(proposed, _between_columns(unit, proposed))))


def _distances(unit: Points, start: int, stop: int) -> Points:
    """(N, stop - start) columns of the matrix of distances sqrt((1 - rho) / 2)."""
    out: Points = unit @ unit[start:stop].T
    np.clip(out, -1.0, 1.0, out=out)
    np.subtract(1.0, out, out=out)
    out *= 0.5
    np.sqrt(out, out=out)
    out[np.arange(start, stop), np.arange(stop - start)] = 0.0
    return out


def _projected(unit: Float, directions: int) -> tuple[Points, Points]:
    """Columns of the matrix of distances, (N, m + 1) on m principal directions and the mean, and their squares (N,).

    The directions span the correlations, and distances are close to linear in these. Single precision is enough to
    propose edges.
    """
    n_assets, n_days = unit.shape
    if n_days < n_assets:
        value, vector = eigh(unit.T @ unit, subset_by_index=[max(n_days - directions, 0), n_days - 1])
        used = value > 1e-10 * value[-1]
        basis = unit @ (vector[:, used] / np.sqrt(value[used]))
    else:
        basis = eigh(unit @ unit.T, subset_by_index=[max(n_assets - directions, 0), n_assets - 1])[1]
    basis = np.linalg.qr(np.column_stack([np.ones(n_assets), basis]))[0].astype(np.float32)
    single = unit.astype(np.float32)
    columns, squares = np.empty((n_assets, basis.shape[1]), np.float32), np.empty(n_assets, np.float32)
    for start in range(0, n_assets, BLOCK):
        stop = min(start + BLOCK, n_assets)
        distance = _distances(single, start, stop)
        columns[start:stop] = distance.T @ basis
        squares[start:stop] = np.einsum("nb,nb->b", distance, distance)
    return columns, squares


def _between_columns(unit: Float, others: Int) -> Float:
    """(N, k) Euclidean distances between an asset's column of the matrix of distances and those of k others each."""
    n_assets = len(unit)
    squares, products = np.zeros(n_assets), np.zeros(others.shape)
    for start in range(0, n_assets, BLOCK):
        # Distances are symmetric, so these are also rows of the columns in question.
        rows = _distances(unit, start, min(start + BLOCK, n_assets))
        squares += np.einsum("nb,nb->n", rows, rows)
        for low in range(0, n_assets, _CHUNK):
            part = slice(low, low + _CHUNK)
            products[part] += np.matmul(rows[others[part]], rows[part, :, None])[:, :, 0]
    # Equal columns can come out a rounding error below zero.
    return np.sqrt(np.maximum(squares[:, None] + squares[others] - 2 * products, 0.0))


def _bisected(centred: Float, order: Int) -> Float:
    """Split the budget of each contiguous half by the other's inverse-variance portfolio variance, top down."""
    n_assets, n_days = centred.shape
    inverse = (n_days - 1) / np.einsum("nt,nt->n", centred, centred)[order]
    # A cluster's inverse-variance portfolio has the returns sum(scaled rows) / sum(inverse).
    scaled = centred[order] * inverse[:, None]
    weights = np.ones(n_assets)
    begin = np.zeros(1, dtype=np.int64)
    while len(begin) < n_assets:
        size = np.diff(np.append(begin, n_assets))
        split = size > 1
        middle = begin[split] + size[split] // 2
        begin = np.sort(np.append(begin, middle))
        total = np.add.reduceat(scaled, begin, axis=0)
        risk = np.einsum("nt,nt->n", total, total) / np.add.reduceat(inverse, begin) ** 2
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
