"""Portfolios of portfolios: hierarchical equal risk contribution and nested clusters, beside ``hrp``."""

from typing import Literal

import numpy as np

from quantray.arrays import Float, finite_square
from quantray.errors import InputError
from quantray.portfolio.clusters import Dendrogram, Distance, Linkage, asset_clusters, dendrogram
from quantray.portfolio.diversification import minimum_variance_weights

__all__ = ["RiskMeasure", "herc_weights", "nco_weights"]

RiskMeasure = Literal["variance", "volatility"]


def herc_weights(
    covariance: Float,
    *,
    risk: RiskMeasure = "variance",
    n_clusters: int | None = None,
    distance: Distance = "correlation",
    linkage: Linkage = "ward",
) -> Float:
    """Weights by hierarchical equal risk contribution: by inverse risk within clusters and, down the tree, between.

    Parameters
    ----------
    covariance : (N, N) of returns; every variance positive.
    risk : what a cluster's share is inverse to.
    n_clusters : by default where the dispersion within clusters bends most; see ``clusters.asset_clusters``.
    distance, linkage : of the clustering; see ``hrp.hrp_weights``.

    Returns
    -------
    (N,) positive weights that sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, a variance is not positive, or a setting is unknown or
        out of range.

    Source: Raffinot (2018), *The hierarchical equal risk contribution portfolio*.
    """
    covariance = finite_square(covariance, "covariance")
    if risk not in ("variance", "volatility"):
        raise InputError(f"risk {risk!r} is not one of variance, volatility.")
    tree = dendrogram(covariance, distance, linkage)
    clusters = asset_clusters(covariance, tree, n_clusters)
    power = 1.0 if risk == "variance" else 0.5
    weights = np.diagonal(covariance) ** -power
    cluster_risk = {}
    for node in clusters:
        assets = tree.assets(node)
        weights[assets] /= weights[assets].sum()
        variance = weights[assets] @ covariance[np.ix_(assets, assets)] @ weights[assets]
        cluster_risk[node] = max(float(variance), 0.0) ** power
    for node, share in _shares(tree, cluster_risk).items():
        weights[tree.assets(node)] *= share
    return weights


def nco_weights(
    covariance: Float,
    *,
    long_only: bool = True,
    n_clusters: int | None = None,
    distance: Distance = "correlation",
    linkage: Linkage = "ward",
) -> Float:
    """Weights by nested clustered optimisation: minimum variance within clusters, then between them.

    The paper finds clusters by k-means, whose result depends on a seed; here they are those of the dendrogram.

    Parameters
    ----------
    covariance : (N, N) of returns; every variance positive.
    long_only : at both levels; otherwise shorts are not limited, and the covariance must be positive definite.
    n_clusters : by default where the dispersion within clusters bends most; see ``clusters.asset_clusters``.
    distance, linkage : of the clustering; see ``hrp.hrp_weights``.

    Returns
    -------
    (N,) weights that sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, a variance is not positive, or a setting is unknown or
        out of range.
    SolverError
        The covariance is singular and shorts are allowed.

    Source: Lopez de Prado (2019), *A robust estimator of the efficient frontier*.
    """
    covariance = finite_square(covariance, "covariance")
    tree = dendrogram(covariance, distance, linkage)
    clusters = asset_clusters(covariance, tree, n_clusters)
    inner = np.zeros((len(covariance), len(clusters)))
    for column, node in enumerate(clusters):
        assets = tree.assets(node)
        block = covariance[np.ix_(assets, assets)]
        inner[assets, column] = minimum_variance_weights(block, long_only=long_only)
    between = inner.T @ covariance @ inner
    return np.asarray(inner @ minimum_variance_weights((between + between.T) / 2, long_only=long_only))


def _shares(tree: Dendrogram, cluster_risk: dict[int, float]) -> dict[int, float]:
    """What each cluster gets when every merge above it splits by the inverse of its parts' summed risks."""
    lows = sorted((int(tree.low[node]), value) for node, value in cluster_risk.items())
    total = np.r_[0.0, np.cumsum([value for _, value in lows])]
    starts = np.array([low for low, _ in lows])

    def summed(node: int) -> float:
        first, last = np.searchsorted(starts, [tree.low[node], tree.high[node]])
        return float(total[last] - total[first])

    shares, pending = {}, [(tree.root, 1.0)]
    while pending:
        node, share = pending.pop()
        if node in cluster_risk:
            shares[node] = share
            continue
        left, right = tree.parts(node)
        risk_left, risk_right = summed(left), summed(right)
        # A side without risk (a perfect hedge) takes the whole budget; two of them share it.
        to_left = risk_right / (risk_left + risk_right) if risk_left + risk_right > 0 else 0.5
        pending += [(left, share * to_left), (right, share * (1 - to_left))]
    return shares
