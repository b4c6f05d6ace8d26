"""Weights that need no correlations."""

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["equal_weights", "inverse_volatility_weights"]


def equal_weights(n_assets: int) -> Float:
    """(N,) weights of 1/N.

    Raises
    ------
    InputError
        There is no asset.
    """
    if n_assets < 1:
        raise InputError("equal weights need at least one asset.")
    return np.full(n_assets, 1.0 / n_assets)


def inverse_volatility_weights(covariance: Float) -> Float:
    """(N,) weights proportional to one over volatility, summing to one.

    Parameters
    ----------
    covariance : (N, N) of returns, or its diagonal (N,).

    Raises
    ------
    InputError
        A variance is not positive and finite.
    """
    covariance = np.asarray(covariance, dtype=np.float64)
    variance = np.diagonal(covariance) if covariance.ndim == 2 else covariance
    if variance.size == 0 or not (np.isfinite(variance) & (variance > 0)).all():
        raise InputError("inverse volatility needs a positive, finite variance for every asset; drop the others.")
    inverse = 1 / np.sqrt(variance)
    return np.asarray(inverse / inverse.sum())
