"""Allocation rules by the names that settings use: from a window of returns to weights."""

import numpy as np

from quantray.arrays import Float
from quantray.covariance.estimators import ESTIMATORS
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits
from quantray.portfolio.diversification import maximum_diversification_weights, minimum_variance_weights
from quantray.portfolio.frontier import minimum_variance
from quantray.portfolio.hierarchy import herc_weights, nco_weights
from quantray.portfolio.hrp import hrp_weights
from quantray.portfolio.hrp_large import hrp_large_weights
from quantray.portfolio.naive import equal_weights, inverse_volatility_weights
from quantray.portfolio.risk_parity import risk_parity_weights
from quantray.portfolio.tail import minimum_cvar
from quantray.studies.portfolios.settings import AllocatorSettings

__all__ = ["DUST", "allocate", "weight_cap"]

DUST = 1e-7
"""Weights below ten times the optimiser's tolerance."""


def allocate(returns: Float, settings: AllocatorSettings) -> Float:
    """(N,) long-only weights that sum to one, from (T, N) simple returns with NaN where missing.

    Raises
    ------
    InputError, DataError, SolverError
        As the rule or its covariance estimator does.
    """
    n_assets = returns.shape[1]
    if settings.alpha is not None:
        raise InputError(f"{settings.name}: {settings.rule} acts on forecasts; run it with alpha.alpha_decisions.")
    if settings.rule == "equal_weight":
        return equal_weights(n_assets)
    if settings.rule == "minimum_cvar":
        # Scenarios are days; a return that is missing counts as none.
        return minimum_cvar(np.nan_to_num(returns), weight=(0.0, weight_cap(settings, n_assets))).weights
    if settings.rule == "hrp_large":
        return hrp_large_weights(returns, distance=settings.distance)
    covariance = _covariance(returns, settings)
    if settings.rule == "risk_parity":
        return risk_parity_weights(covariance)
    if settings.rule == "minimum_variance":
        return _minimum_variance(covariance, settings)
    if settings.rule == "inverse_volatility":
        return inverse_volatility_weights(covariance.variances if isinstance(covariance, FactorModel) else covariance)
    matrix = covariance.dense() if isinstance(covariance, FactorModel) else covariance
    if settings.rule == "hrp":
        return hrp_weights(matrix, distance=settings.distance, linkage=settings.linkage)
    if settings.rule == "herc":
        return herc_weights(matrix)
    if settings.rule == "nco":
        return nco_weights(matrix)
    return maximum_diversification_weights(matrix)


def _covariance(returns: Float, settings: AllocatorSettings) -> Float | FactorModel:
    if settings.estimator == "statistical":
        return statistical_factors(returns, settings.n_factors)
    return ESTIMATORS[settings.estimator](returns).matrix


def _minimum_variance(covariance: Float | FactorModel, settings: AllocatorSettings) -> Float:
    if not isinstance(covariance, FactorModel):
        return minimum_variance_weights(covariance)
    weights = minimum_variance(Limits(weight=(0.0, weight_cap(settings, covariance.n_assets))), covariance).weights
    # The iteration stays inside its bounds, so it leaves dust on names that it does not hold.
    held = np.where(weights > DUST, weights, 0.0)
    return np.asarray(held / held.sum())


def weight_cap(settings: AllocatorSettings, n_assets: int, when: str = "") -> float:
    """The largest weight, after checking that so many names can be fully invested under it.

    Parameters
    ----------
    when : for the message, such as `` on 2020-01-31``.

    Raises
    ------
    InputError
        They cannot.
    """
    if settings.max_weight * n_assets < 1:
        raise InputError(
            f"{settings.name}: max_weight {settings.max_weight:g} invests at most {settings.max_weight * n_assets:.0%} "
            f"in {n_assets} names{when}; raise it to {1 / n_assets:.3g} or more, or widen the universe."
        )
    return settings.max_weight
