"""Closed forms and their long-only versions: minimum variance and maximum diversification."""

import numpy as np

from quantray.arrays import Float, finite_square
from quantray.errors import InputError, SolverError
from quantray.portfolio.contributions import Covariance, checked, product, variances, vector
from quantray.portfolio.nonnegative import nonnegative_minimum, unconstrained_minimum

__all__ = ["diversification_ratio", "maximum_diversification_weights", "minimum_variance_weights", "tangency_weights"]


def maximum_diversification_weights(covariance: Float, *, long_only: bool = True) -> Float:
    """The most diversified portfolio: the largest ratio of the assets' mean volatility to the portfolio's.

    Parameters
    ----------
    covariance : (N, N) of returns; every variance positive.
    long_only : otherwise shorts are not limited, and the covariance must be positive definite.

    Returns
    -------
    (N,) weights that sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, or a variance is not positive.
    SolverError
        The covariance is not positive semidefinite; or it is singular, or the weights sum to nothing, while shorts
        are allowed.

    Source: Choueifaty and Coignard (2008), *Toward maximum diversification*, Journal of Portfolio Management 35(1).
    """
    covariance = finite_square(covariance, "covariance")
    return tangency_weights(covariance, np.sqrt(np.maximum(np.diagonal(covariance), 0)), long_only=long_only)


def minimum_variance_weights(covariance: Float, *, long_only: bool = True) -> Float:
    """The portfolio of least variance; takes and raises as ``maximum_diversification_weights``.

    Without shorts identical assets share alike. Limits, costs and factor models are the matter of ``mean_variance``.

    Source: Markowitz (1952), *Portfolio selection*, Journal of Finance 7.
    """
    covariance = finite_square(covariance, "covariance")
    return tangency_weights(covariance, np.ones(len(covariance)), long_only=long_only)


def tangency_weights(covariance: Float, rewards: Float, *, long_only: bool = True) -> Float:
    """The portfolio of the largest reward per volatility, where the reward of a portfolio is ``weights @ rewards``.

    With expected excess returns it is the one of the largest Sharpe ratio, with volatilities the most diversified
    one, and with ones that of least variance.

    Parameters
    ----------
    covariance : (N, N) of returns; every variance positive.
    rewards : (N,); at least one positive if long only.
    long_only : otherwise shorts are not limited, and the covariance must be positive definite.

    Returns
    -------
    (N,) weights that sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, a variance is not positive, a reward is missing, or none
        is positive.
    SolverError
        The covariance is not positive semidefinite; or it is singular, or the weights do not sum to a positive
        number, while shorts are allowed.
    """
    covariance = finite_square(covariance, "covariance")
    rewards = vector(rewards, len(covariance), "rewards")
    variance = np.diagonal(covariance)
    if not (variance > 0).all():
        raise InputError(f"{int((variance <= 0).sum())} assets have no positive variance; drop them first.")
    if long_only and not (rewards > 0).any():
        raise InputError("no asset has a positive reward, so the best long-only portfolio is cash.")
    # In units of volatility: the solver sees a correlation matrix, whatever the sizes of the variances.
    deviation = np.sqrt(variance)
    correlation = covariance / deviation[:, None] / deviation
    relative = rewards / deviation
    size = float(np.abs(relative).max())
    solve = nonnegative_minimum if long_only else unconstrained_minimum
    weights = solve(correlation, relative / (size or 1.0)) / deviation
    total = float(weights.sum())
    if total <= 1e-10 * float(np.abs(weights).sum()):
        raise SolverError("the best portfolio sums to nothing or is net short, so weights cannot sum to one.")
    return np.asarray(weights / total)


def diversification_ratio(covariance: Covariance, weights: Float) -> float:
    """The weighted mean volatility of assets over the portfolio's; 1 for a single asset.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, the shapes disagree, or the portfolio has no risk.
    """
    covariance = checked(covariance)
    variance = variances(covariance)
    weights = vector(weights, len(variance), "weights")
    own = float(weights @ product(covariance, weights))
    if not own > 0:
        raise InputError(f"the portfolio's variance is {own:.3g}, so it has no diversification ratio.")
    return float(weights @ np.sqrt(variance) / np.sqrt(own))
