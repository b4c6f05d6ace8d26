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
    returns = np.asarray(returns, dtype=np.float64)
    return _bisected(returns, hrp_large_order(returns, distance=distance, neighbours=neighbours, directions=directions))


def hrp_large_order(
    returns: Float, *, distance: Distance = "paper", neighbours: int = 16, directions: int = 256
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
    _refuse_flat(returns)
    n_assets = returns.shape[1]
    if n_assets == 1:
        return np.zeros(1, dtype=np.int64)
    if distance == "correlation":
        tree = spanning_tree(_unit(returns, np.arange(n_assets)), np.ones(n_assets))
        # Squares are 2 - 2 rho; equal assets can come out a rounding error below zero.
        return leaf_order(single_linkage(replace(tree, length=np.sqrt(np.maximum(tree.length, 0.0)) / 2)))
    columns, squares = _projected(returns, directions)
    near = nearest(columns, squares, min(neighbours, n_assets - 1))
    tree = spanning_tree(columns, squares)
    # Every asset but one ends one edge of the tree; the one that began it proposes an edge a second time.
    beside = near[:, :1].copy()
    beside[tree.second, 0] = tree.first
    proposed = np.hstack([near, beside])
    del columns, squares, near
    return leaf_order(
        single_linkage(lightest_tree(proposed, _between_columns(_unit(returns, np.arange(n_assets)), proposed)))
    )


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


def _unit(returns: Float, assets: Int) -> Float:
    """(N, T) the same, of length one."""
    out = _centred(returns, assets)
    out /= np.sqrt(np.einsum("nt,nt->n", out, out))[:, None]
    return out


def _refuse_flat(returns: Float) -> None:
    n_assets = returns.shape[1]
    moving = sum(
        int(_centred(returns, np.arange(start, min(start + BLOCK, n_assets))).any(axis=1).sum())
        for start in range(0, n_assets, BLOCK)
    )
    if moving < n_assets:
        raise InputError(f"{n_assets - moving} assets have no positive variance; drop them before clustering.")


def _distances(unit: Points, start: int, stop: int) -> Points:
    """(N, stop - start) columns of the matrix of distances sqrt((1 - rho) / 2)."""
    out: Points = unit @ unit[start:stop].T
    np.clip(out, -1.0, 1.0, out=out)
    np.subtract(1.0, out, out=out)
    out *= 0.5
    np.sqrt(out, out=out)
    out[np.arange(start, stop), np.arange(stop - start)] = 0.0
    return out


def _projected(returns: Float, directions: int) -> tuple[Points, Points]:
    """Columns of the matrix of distances, (N, m + 1) on m principal directions and the mean, and their squares (N,).

    The directions span the correlations, and distances are close to linear in these. Single precision is enough to
    propose edges.
    """
    n_assets = returns.shape[1]
    single, loadings = np.empty((n_assets, len(returns)), np.float32), _loadings(returns, directions)
    basis = np.ones((n_assets, loadings.shape[1] + 1), order="F")
    for start in range(0, n_assets, BLOCK):
        stop = min(start + BLOCK, n_assets)
        single[start:stop] = unit = _unit(returns, np.arange(start, stop))
        basis[start:stop, 1:] = unit @ loadings
    basis = qr(basis, mode="economic", overwrite_a=True)[0].astype(np.float32)
    columns, squares = np.empty((n_assets, basis.shape[1]), np.float32), np.empty(n_assets, np.float32)
    for start in range(0, n_assets, BLOCK):
        stop = min(start + BLOCK, n_assets)
        distance = _distances(single, start, stop)
        columns[start:stop] = distance.T @ basis
        squares[start:stop] = np.einsum("nb,nb->b", distance, distance)
    return columns, squares


def _loadings(returns: Float, directions: int) -> Float:
    """(T, m) days' weights in the principal components of returns of length one, the largest."""
    n_days, n_assets = returns.shape
    if n_assets <= n_days:
        unit = _unit(returns, np.arange(n_assets))
        value, vector = eigh(unit @ unit.T, subset_by_index=[max(n_assets - directions, 0), n_assets - 1])
        used = value > 1e-10 * value[-1]
        return np.asarray(unit.T @ (vector[:, used] / value[used]))
    products = np.zeros((n_days, n_days))
    for start in range(0, n_assets, BLOCK):
        unit = _unit(returns, np.arange(start, min(start + BLOCK, n_assets)))
        products += unit.T @ unit
    value, vector = eigh(products, subset_by_index=[max(n_days - directions, 0), n_days - 1])
    used = value > 1e-10 * value[-1]
    return np.asarray(vector[:, used] / np.sqrt(value[used]))


def _between_columns(unit: Float, others: Int) -> Float:
    """(N, k) Euclidean distances between an asset's column of the matrix of distances and those of k others each."""
    n_assets = len(unit)
    squares, products = np.zeros(n_assets), np.zeros(others.shape)
    # In double precision, half as many take the memory of a block.
    few = BLOCK // 2
    for start in range(0, n_assets, few):
        # Distances are symmetric, so these are also rows of the columns in question.
        rows = _distances(unit, start, min(start + few, n_assets))
        squares += np.einsum("nb,nb->n", rows, rows)
        for low in range(0, n_assets, _CHUNK):
            part = slice(low, low + _CHUNK)
            products[part] += np.matmul(rows[others[part]], rows[part, :, None])[:, :, 0]
        # Or the next ones would be made beside them.
        del rows
    # Equal columns can come out a rounding error below zero.
    return np.sqrt(np.maximum(squares[:, None] + squares[others] - 2 * products, 0.0))


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
