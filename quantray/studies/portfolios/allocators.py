"""Allocation rules by the names that settings use: from a window of returns to weights."""

from collections.abc import Callable

import numpy as np

from quantray.arrays import Float
from quantray.covariance.estimators import ESTIMATORS
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.covariance.own import own_covariance
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits
from quantray.portfolio.diversification import maximum_diversification_weights, minimum_variance_weights
from quantray.portfolio.frontier import minimum_variance
from quantray.portfolio.hierarchy import herc_weights, nco_weights
from quantray.portfolio.hrp import hrp_weights
from quantray.portfolio.hrp_large import hrp_large_weights
from quantray.portfolio.naive import equal_weights, inverse_volatility_weights
from quantray.portfolio.own import own_weights
from quantray.portfolio.risk_parity import risk_parity_weights
from quantray.portfolio.tail import minimum_cvar
from quantray.research.source import TableChoice, name_of
from quantray.studies.portfolios.settings import AllocatorSettings

__all__ = ["DUST", "allocate", "choices_of", "own_code", "weight_cap"]

DUST = 1e-7
"""Weights below ten times the optimiser's tolerance."""


def allocate(returns: Float, settings: AllocatorSettings) -> Float:
    """(N,) weights from (T, N) simple returns with NaN where missing: long-only that sum to one, or as own rules say.

    Raises
    ------
    InputError, DataError, SolverError
        As the rule or its covariance estimator does.
    """
    if settings.alpha is not None:
        raise InputError(f"{settings.name}: {settings.rule} acts on forecasts; run it with alpha.alpha_decisions.")
    return WAYS[_way(settings)](returns, settings)


def choices_of(settings: AllocatorSettings) -> tuple[TableChoice, ...]:
    """What ``allocate`` takes from tables, so that results follow the code of their own rule and estimator alone."""
    way, model = _way(settings), _model(settings)
    taken = [(allocate, "WAYS", way), (_covariance, "MODELS", model)]
    if way == "known":
        taken.append((_known_rule, "RULES", settings.rule))
    if model == "matrix":
        taken.append((_estimated, "ESTIMATORS", settings.estimator))
    return tuple(TableChoice(name_of(reader), table, key) for reader, table, key in taken)


def own_code(settings: AllocatorSettings) -> tuple[str, ...]:
    """``module:name`` of what the user brings to an allocator."""
    return tuple(path for path in (settings.own_rule, settings.own_estimator) if path is not None)


def _way(settings: AllocatorSettings) -> str:
    return "known" if settings.own_rule is None else "own"


def _model(settings: AllocatorSettings) -> str:
    if settings.own_estimator is not None:
        return "own"
    return "factors" if settings.estimator == "statistical" else "matrix"


def _known_rule(returns: Float, settings: AllocatorSettings) -> Float:
    return RULES[settings.rule](returns, settings)


def _own_rule(returns: Float, settings: AllocatorSettings) -> Float:
    return own_weights(
        settings.rule,
        returns,
        settings.parameters,
        covariance=lambda: _matrix(returns, settings),
        invested=settings.invested,
    )


def _covariance(returns: Float, settings: AllocatorSettings) -> Float | FactorModel:
    return MODELS[_model(settings)](returns, settings)


def _own_matrix(returns: Float, settings: AllocatorSettings) -> Float:
    return own_covariance(settings.estimator, returns, settings.estimator_parameters)


def _estimated(returns: Float, settings: AllocatorSettings) -> Float:
    return ESTIMATORS[settings.estimator](returns).matrix


def _factors(returns: Float, settings: AllocatorSettings) -> FactorModel:
    return statistical_factors(returns, settings.n_factors)


def _matrix(returns: Float, settings: AllocatorSettings) -> Float:
    covariance = _covariance(returns, settings)
    return covariance.dense() if isinstance(covariance, FactorModel) else covariance


def _equal_weight(returns: Float, settings: AllocatorSettings) -> Float:
    return equal_weights(returns.shape[1])


def _inverse_volatility(returns: Float, settings: AllocatorSettings) -> Float:
    covariance = _covariance(returns, settings)
    return inverse_volatility_weights(covariance.variances if isinstance(covariance, FactorModel) else covariance)


def _hrp(returns: Float, settings: AllocatorSettings) -> Float:
    return hrp_weights(_matrix(returns, settings), distance=settings.distance, linkage=settings.linkage)


def _hrp_large(returns: Float, settings: AllocatorSettings) -> Float:
    return hrp_large_weights(returns, distance=settings.distance)


def _herc(returns: Float, settings: AllocatorSettings) -> Float:
    return herc_weights(_matrix(returns, settings))


def _nco(returns: Float, settings: AllocatorSettings) -> Float:
    return nco_weights(_matrix(returns, settings))


def _risk_parity(returns: Float, settings: AllocatorSettings) -> Float:
    return risk_parity_weights(_covariance(returns, settings))


def _maximum_diversification(returns: Float, settings: AllocatorSettings) -> Float:
    return maximum_diversification_weights(_matrix(returns, settings))


def _minimum_cvar(returns: Float, settings: AllocatorSettings) -> Float:
    # Scenarios are days; a return that is missing counts as none.
    return minimum_cvar(np.nan_to_num(returns), weight=(0.0, weight_cap(settings, returns.shape[1]))).weights


def _minimum_variance(returns: Float, settings: AllocatorSettings) -> Float:
    covariance = _covariance(returns, settings)
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


Step = Callable[[Float, AllocatorSettings], Float]

RULES: dict[str, Step] = {
    "equal_weight": _equal_weight,
    "inverse_volatility": _inverse_volatility,
    "hrp": _hrp,
    "hrp_large": _hrp_large,
    "herc": _herc,
    "nco": _nco,
    "risk_parity": _risk_parity,
    "maximum_diversification": _maximum_diversification,
    "minimum_variance": _minimum_variance,
    "minimum_cvar": _minimum_cvar,
}
"""Rules by the names that settings use."""

MODELS: dict[str, Callable[[Float, AllocatorSettings], Float | FactorModel]] = {
    "matrix": _estimated,
    "factors": _factors,
    "own": _own_matrix,
}
"""What a rule is given: a matrix, or a model of factors."""

WAYS: dict[str, Step] = {"known": _known_rule, "own": _own_rule}
"""To weights: by a rule of quantray's, or by one of the user's own."""
