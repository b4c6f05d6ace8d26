"""Hierarchical risk parity for thousands of assets."""

from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import leaves_list
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.linalg.blas import dsyrk
from scipy.spatial.distance import squareform

from quantray.arrays import Float, Int, finite_square
from quantray.errors import InputError

__all__ = ["Distance", "Linkage", "hrp_order", "hrp_weights"]

Distance = Literal["paper", "correlation"]
Linkage = Literal["single", "complete", "average", "ward"]


def hrp_weights(covariance: Float, *, distance: Distance = "paper", linkage: Linkage = "single") -> Float:
    """Weights by hierarchical risk parity: order assets by clustering, then bisect risk from the top down.

    Which of two merged clusters stands left is arbitrary in a dendrogram, and bisection by position makes weights
    depend on it. As in the libraries that use SciPy, it follows the order of the assets.

    Parameters
    ----------
    covariance : (N, N) of returns; every variance positive.
    distance : ``correlation`` clusters on d = sqrt((1 - rho) / 2), as PyPortfolioOpt, Riskfolio-Lib and skfolio do;
        ``paper`` clusters on the Euclidean distance between the columns of d, as published.
    linkage : method of agglomeration.

    Returns
    -------
    (N,) positive weights that sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, or a variance is not positive.

    Source: Lopez de Prado (2016), *Building diversified portfolios that outperform out of sample*, Journal of
    Portfolio Management 42(4).
    """
    covariance = finite_square(covariance, "covariance")
    return _bisect(covariance, _order(covariance, distance, linkage))


def hrp_order(covariance: Float, *, distance: Distance = "paper", linkage: Linkage = "single") -> Int:
    """(N,) assets from left to right in the dendrogram (quasi-diagonalisation); takes and raises as ``hrp_weights``."""
    return _order(finite_square(covariance, "covariance"), distance, linkage)


def _order(covariance: Float, distance: Distance, linkage: Linkage) -> Int:
    variance = np.diagonal(covariance)
    if not (variance > 0).all():
        raise InputError(f"{int((variance <= 0).sum())} assets have no positive variance; drop them before HRP.")
    if distance not in ("paper", "correlation") or linkage not in ("single", "complete", "average", "ward"):
        raise InputError(f"distance {distance!r} or linkage {linkage!r} is unknown; see hrp_weights.")
    n_assets = len(variance)
    if n_assets == 1:
        return np.zeros(1, dtype=np.int64)
    return leaves_list(scipy_linkage(_condensed(covariance, variance, distance), method=linkage)).astype(np.int64)


def _condensed(covariance: Float, variance: Float, distance: Distance) -> Float:
    """Distances between assets as scipy's condensed vector, row by row of the upper triangle."""
    deviation = np.sqrt(variance)
    # One scratch matrix, changed in place: at thousands of assets each pass over memory costs as much as the algebra.
    matrix = covariance / deviation[:, None]
    matrix /= deviation
    np.clip(matrix, -1.0, 1.0, out=matrix)
    np.subtract(1.0, matrix, out=matrix)
    matrix *= 0.5
    np.sqrt(matrix, out=matrix)
    np.fill_diagonal(matrix, 0.0)
    if distance == "paper":
        matrix = _between_columns(matrix)
    return np.asarray(squareform(matrix, checks=False))


def _between_columns(matrix: Float) -> Float:
    """Euclidean distances between the columns of a symmetric matrix, in the upper triangle of the result."""
    squares = np.einsum("ij,ij->j", matrix, matrix)
    # A symmetric rank-k product does half the work of a general one. BLAS counts columns first, so its lower triangle,
    # transposed, is the upper one that scipy's condensed form reads; the other half stays unused.
    product = dsyrk(-2.0, matrix.T, trans=1, lower=1).T
    product += squares
    product += squares[:, None]
    # Equal columns can come out a rounding error below zero.
    np.maximum(product, 0.0, out=product)
    return np.sqrt(product, out=product)


def _bisect(covariance: Float, order: Int) -> Float:
    """Split the budget of each contiguous half by the other's inverse-variance portfolio variance, top down."""
    inverse = 1.0 / np.diagonal(covariance)[order]
    # scaled[i, j] = covariance / (variance_i * variance_j): a cluster's inverse-variance portfolio then has variance
    # sum(scaled block) / sum(inverse)^2, so that each level costs sums over its blocks and nothing else.
    scaled = covariance.take(order, axis=0).take(order, axis=1)
    scaled *= inverse
    scaled *= inverse[:, None]
    weights = np.ones(len(order))
    clusters = [(0, len(order))]
    while clusters:
        halves = []
        for low, high in clusters:
            if high - low > 1:
                middle = low + (high - low) // 2
                left = scaled[low:middle, low:middle].sum() / inverse[low:middle].sum() ** 2
                right = scaled[middle:high, middle:high].sum() / inverse[middle:high].sum() ** 2
                # A cluster without variance (a perfect hedge) takes the whole budget; two of them share it.
                share = right / (left + right) if left + right > 0 else 0.5
                weights[low:middle] *= share
                weights[middle:high] *= 1 - share
                halves += [(low, middle), (middle, high)]
        clusters = halves
    out = np.empty_like(weights)
    out[order] = weights
    return out
