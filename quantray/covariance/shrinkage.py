"""Linear shrinkage of a sample covariance to a structured target, with the intensity of least expected error.

All functions take (T, N) returns of mean zero and use the divisor T. The intensity is ``(pi - rho) / (gamma T)``
within 0 and 1: pi sums the variances of the sample's entries, rho their covariances with the target's entries, and
gamma is the squared distance between target and sample.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float

__all__ = ["Shrunk", "to_constant_correlation", "to_single_factor"]


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A sample covariance mixed with a target."""

    matrix: Float
    """(N, N)."""
    target: Float
    """(N, N)."""
    intensity: float
    """Weight of the target, 0 to 1; 0 where the target is the sample."""


def to_constant_correlation(centred: Float) -> Shrunk:
    """Shrink to the sample's variances with the average correlation between every two assets.

    Assets without variance take no part in the average.

    Source: Ledoit and Wolf (2004), *Honey, I shrunk the sample covariance matrix*, Journal of Portfolio
    Management 30, appendices A and B.
    """
    n_days, n_assets = centred.shape
    sample = centred.T @ centred / n_days
    deviation = np.sqrt(np.diagonal(sample))
    inverse = np.divide(1.0, deviation, out=np.zeros(n_assets), where=deviation > 0)
    alive = int((deviation > 0).sum())
    pairs = max(alive * (alive - 1), 1)
    mean = float(inverse @ sample @ inverse - alive) / pairs if alive > 1 else 0.0
    target = mean * np.outer(deviation, deviation)
    np.fill_diagonal(target, np.diagonal(sample))
    spread = _entry_variances(centred, sample)
    # theta_ij: the asymptotic covariance of the variance of i with the covariance of i and j.
    theta = (centred**3).T @ centred / n_days - np.diagonal(sample)[:, None] * sample
    np.fill_diagonal(theta, 0.0)
    rho = float(np.trace(spread) + mean * (inverse @ theta @ deviation))
    return _mixed(sample, target, float(spread.sum()) - rho, n_days)


def to_single_factor(centred: Float) -> Shrunk:
    """Shrink to a one-factor model whose market is the equally weighted mean of all assets.

    Source: Ledoit and Wolf (2003), *Improved estimation of the covariance matrix of stock returns with an
    application to portfolio selection*, Journal of Empirical Finance 10.
    """
    n_days = len(centred)
    sample = centred.T @ centred / n_days
    market = centred.mean(axis=1)
    variance = float(market @ market) / n_days
    with_market = centred.T @ market / n_days
    # A market that does not move explains nothing: the target is then the diagonal of the sample.
    beta = with_market / variance if variance > 1e-14 * np.trace(sample) / len(sample) else np.zeros_like(with_market)
    target = variance * np.outer(beta, beta)
    np.fill_diagonal(target, np.diagonal(sample))
    spread = _entry_variances(centred, sample)
    product = centred * market[:, None]
    first = (centred**2).T @ product / n_days - with_market[:, None] * sample
    third = product.T @ product / n_days - variance * sample
    rows = float((first @ beta).sum() - np.diagonal(first) @ beta)
    both = float(beta @ third @ beta - np.diagonal(third) @ beta**2)
    rho = float(np.trace(spread)) + 2 * rows - both
    return _mixed(sample, target, float(spread.sum()) - rho, n_days)


def _entry_variances(centred: Float, sample: Float) -> Float:
    """(N, N) variance of each product of two returns about its mean."""
    squares = centred**2
    return np.asarray(squares.T @ squares / len(centred) - sample**2)


def _mixed(sample: Float, target: Float, numerator: float, n_days: int) -> Shrunk:
    gamma = float(((sample - target) ** 2).sum())
    if gamma <= 1e-24 * float((sample**2).sum()):
        return Shrunk(sample, target, 0.0)
    intensity = min(max(numerator / gamma / n_days, 0.0), 1.0)
    return Shrunk(intensity * target + (1 - intensity) * sample, target, intensity)
