"""Hierarchical risk parity for thousands of assets."""

import numpy as np

from quantray.arrays import Float, Int, finite_square
from quantray.portfolio.clusters import Distance, Linkage, leaf_order, merges

__all__ = ["Distance", "Linkage", "hrp_order", "hrp_weights"]


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
    return _bisect(covariance, leaf_order(merges(covariance, distance, linkage)))


def hrp_order(covariance: Float, *, distance: Distance = "paper", linkage: Linkage = "single") -> Int:
    """(N,) assets from left to right in the dendrogram (quasi-diagonalisation); takes and raises as ``hrp_weights``."""
    return leaf_order(merges(finite_square(covariance, "covariance"), distance, linkage))


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
