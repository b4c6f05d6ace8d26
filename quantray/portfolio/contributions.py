"""What each asset adds to the risk of a portfolio, and the few products that optimisers need of a covariance.

A covariance is an (N, N) matrix or a ``FactorModel``; the latter is never turned into a matrix.
"""

import numpy as np

from quantray.arrays import Float, finite_square
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError

__all__ = ["Covariance", "checked", "product", "risk_contributions", "variances", "vector"]

Covariance = Float | FactorModel


def risk_contributions(covariance: Covariance, weights: Float) -> Float:
    """Split the volatility of a portfolio among its assets: weight times marginal volatility.

    Parameters
    ----------
    covariance : (N, N) of returns, or a factor model of N assets.
    weights : (N,); shorts negative.

    Returns
    -------
    (N,) that sum to the volatility; negative where an asset hedges.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, the shapes disagree, a weight is missing, or the
        portfolio has no risk to split.

    Source: Litterman (1996), *Hot spots and hedges*, Journal of Portfolio Management 23.
    """
    covariance = checked(covariance)
    weights = vector(weights, len(variances(covariance)), "weights")
    parts = weights * product(covariance, weights)
    variance = float(parts.sum())
    if not variance > 0:
        raise InputError(f"the portfolio's variance is {variance:.3g}, so there is no risk to split among its assets.")
    return np.asarray(parts / np.sqrt(variance))


def checked(covariance: Covariance) -> Covariance:
    """The covariance after checking that it is finite, square and symmetric; a factor model has checked itself.

    Raises
    ------
    InputError
        It is not.
    """
    return covariance if isinstance(covariance, FactorModel) else finite_square(covariance, "covariance")


def product(covariance: Covariance, weights: Float) -> Float:
    """The covariance times (N,) weights, or times each column of (N, M)."""
    return covariance.apply(weights) if isinstance(covariance, FactorModel) else np.asarray(covariance @ weights)


def variances(covariance: Covariance) -> Float:
    """(N,) variances of the assets."""
    return covariance.variances if isinstance(covariance, FactorModel) else np.diagonal(covariance)


def vector(values: Float, n_assets: int, name: str) -> Float:
    """The values as float64 after checking that there is a finite one for every asset.

    Raises
    ------
    InputError
        There is not.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (n_assets,) or not np.isfinite(values).all():
        raise InputError(f"{name} are {values.shape}; {n_assets} assets need ({n_assets},) finite numbers.")
    return values
