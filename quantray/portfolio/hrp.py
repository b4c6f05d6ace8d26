"""Hierarchical risk parity for thousands of assets."""

import numpy as np

from quantray.arrays import Float, Int, finite_square
from quantray.portfolio.clusters import Distance, Linkage, leaf_order, merges

__all__ = ["Distance", "Linkage", "hrp_order", "hrp_weights"]

_ROWS = 64
"""Rows that are reordered and scaled at a time, while a processor's cache holds them."""

_FEW = 32
"""Assets up to which the blocks of all clusters of a level are summed at once: half of the clusters have one or two."""


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
    scaled = _scaled_halves(covariance, order, inverse)
    weights = np.ones(len(order))
    low, size = np.zeros(1, dtype=np.int64), np.array([len(order)])
    while (size > 1).any():
        low, size = _halved(low[size > 1], size[size > 1])
        variance = _variances(scaled, inverse, low, size)
        total = variance[::2] + variance[1::2]
        # A cluster without variance (a perfect hedge) takes the whole budget; two of them share it.
        left = np.divide(variance[1::2], total, out=np.full(len(total), 0.5), where=total > 0)
        position = np.repeat(low - np.cumsum(size) + size, size) + np.arange(size.sum())
        weights[position] *= np.repeat(np.column_stack([left, 1 - left]).ravel(), size)
    out = np.empty_like(weights)
    out[order] = weights
    return out


def _halved(low: Int, size: Int) -> tuple[Int, Int]:
    """Where the left and the right halves of clusters begin, one after the other, and their sizes."""
    left = size // 2
    return np.column_stack([low, low + left]).ravel(), np.column_stack([left, size - left]).ravel()


def _scaled_halves(covariance: Float, order: Int, inverse: Float) -> Float:
    """(N, N) covariance / (variance_i * variance_j) in the given order, within the two halves; elsewhere undefined.

    A cluster's inverse-variance portfolio then has variance sum(scaled block) / sum(inverse)^2, so that each level
    costs sums over its blocks and nothing else.
    """
    scaled = np.empty(covariance.shape)
    middle = len(order) // 2
    for half in (slice(0, middle), slice(middle, len(order))):
        for start in range(half.start, half.stop, _ROWS):
            rows = slice(start, min(start + _ROWS, half.stop))
            block = covariance.take(order[rows], axis=0).take(order[half], axis=1)
            block *= inverse[half]
            block *= inverse[rows, None]
            scaled[rows, half] = block
    return scaled


def _variances(scaled: Float, inverse: Float, low: Int, size: Int) -> Float:
    """(C,) variances of the inverse-variance portfolios of clusters."""
    sums, budgets = np.empty(len(low)), np.empty(len(low))
    for n_assets in np.unique(size).tolist():
        alike = np.flatnonzero(size == n_assets)
        if n_assets > _FEW:
            for number in alike.tolist():
                block = slice(low[number], low[number] + n_assets)
                sums[number], budgets[number] = scaled[block, block].sum(), inverse[block].sum()
        else:
            assets = low[alike, None] + np.arange(n_assets)
            blocks = scaled[assets[:, :, None], assets[:, None, :]]
            sums[alike] = blocks.reshape(len(alike), -1).sum(axis=1)
            budgets[alike] = inverse[assets].sum(axis=1)
    # One by one: an array is squared by a product, a number by the C library's power, whose last bit can differ.
    return np.asarray(sums / np.array([budget**2 for budget in budgets]))
