"""Correlation stress: what diversification is worth once everything moves together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Float, finite_square
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.factor import checked_model
from quantray.risk.forecasting.history import checked_level
from quantray.risk.forecasting.second_order import normal_tail
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities

__all__ = ["CorrelationStress", "correlation_stress", "stressed_model"]


@dataclass(frozen=True, eq=False)
class CorrelationStress:
    """A book's risk before and after correlations and volatilities move."""

    model: FactorModel
    """Of the stressed covariance."""
    var_before: float
    """Of one period of the model under normal moves, curvature counted; a fraction of NAV."""
    var_after: float
    correlation_before: float
    """Mean over pairs of the drivers that the book follows; NaN for a single one."""
    correlation_after: float
    level: float


def correlation_stress(
    holdings: Holdings,
    market: Market,
    model: FactorModel,
    *,
    share: float = 0.5,
    towards: FactorModel | Float | None = None,
    volatility: npt.ArrayLike = 1.0,
    level: float = 0.99,
    seen: Sensitivities | None = None,
) -> CorrelationStress:
    """The value-at-risk of a book once correlations have moved towards one, or towards those of a crisis.

    Parameters
    ----------
    share, towards, volatility : see ``stressed_model``. By default prices move together and yields, volatilities and
        other absolute drivers keep their correlations among themselves.
    seen : ``sensitivities(holdings, market)``, where they are known already.

    Raises
    ------
    InputError
        As ``stressed_model`` and ``sensitivities.sensitivities``, or the level is out of range.
    """
    checked_model(model, market)
    seen = sensitivities(holdings, market) if seen is None else seen
    chosen = None if towards is not None else ~market.absolute
    stressed = stressed_model(model, share=share, towards=towards, volatility=volatility, chosen=chosen)
    followed = np.flatnonzero(seen.exposure)
    return CorrelationStress(
        stressed,
        normal_tail(model, seen.exposure, seen, level=checked_level(level)).var,
        normal_tail(stressed, seen.exposure, seen, level=level).var,
        _mean_correlation(model.select(followed)),
        _mean_correlation(stressed.select(followed)),
        level,
    )


def stressed_model(
    model: FactorModel,
    *,
    share: float,
    towards: FactorModel | Float | None = None,
    volatility: npt.ArrayLike = 1.0,
    chosen: Bool | None = None,
) -> FactorModel:
    """A covariance whose correlations have gone a share of the way to others; positive semidefinite as both are.

    Parameters
    ----------
    share : of the way, from 0 to 1.
    towards : (M, M) correlations, or a factor model whose correlations are meant, such as one fitted to a crisis; by
        default all are one.
    volatility : by which volatilities are multiplied, for all or (M,) for each.
    chosen : (M,) drivers whose correlations go to one; those with others shrink by ``sqrt(1 - share)``. By default all.

    Raises
    ------
    InputError
        The share is out of range, a multiple is not positive, the correlations do not fit or are not positive
        semidefinite, or ``chosen`` and ``towards`` are both given.
    """
    multiple = np.asarray(volatility, dtype=np.float64)
    if not 0 <= share <= 1 or multiple.shape not in ((), (model.n_assets,)) or not (multiple > 0).all():
        raise InputError(
            f"share {share} must lie between 0 and 1, and volatility be one positive number or {model.n_assets}."
        )
    if towards is not None and chosen is not None:
        raise InputError("chosen drivers go to a correlation of one; leave them out where towards is given.")
    size = np.sqrt(model.variances)
    moving = np.ones(model.n_assets, dtype=np.bool_) if chosen is None else np.asarray(chosen, dtype=np.bool_)
    other = _common(model.n_assets, moving) if towards is None else _correlations(towards, model.n_assets)
    kept, given = np.where(moving, np.sqrt(1 - share), 1.0), np.where(moving, np.sqrt(share), 0.0) * size
    loadings = np.hstack([model.loadings * kept[:, None], other.loadings * given[:, None]]) * multiple[..., None]
    k = model.n_factors
    covariance = np.zeros((k + other.n_factors, k + other.n_factors))
    covariance[:k, :k], covariance[k:, k:] = model.factor_covariance, other.factor_covariance
    specific = (model.specific_variance * kept**2 + other.specific_variance * given**2) * multiple**2
    names = [*np.asarray(model.factor_names).tolist(), *(f"stress: {i + 1}" for i in range(other.n_factors))]
    return FactorModel(loadings, covariance, specific, np.array(names), model.notes)


def _common(n_drivers: int, moving: Bool) -> FactorModel:
    """Correlations of one."""
    return FactorModel(moving.astype(np.float64)[:, None], np.eye(1), np.zeros(n_drivers))


def _correlations(towards: FactorModel | Float, n_drivers: int) -> FactorModel:
    """Those of a model or a matrix, as a model of unit variances."""
    if isinstance(towards, FactorModel):
        size = np.sqrt(towards.variances)
        if towards.n_assets != n_drivers or not (size > 0).all():
            raise InputError(f"towards is of {towards.n_assets} drivers; give {n_drivers}, all with variance.")
        return FactorModel(
            towards.loadings / size[:, None], towards.factor_covariance, towards.specific_variance / size**2
        )
    matrix = finite_square(towards, "towards")
    if len(matrix) != n_drivers or not np.allclose(np.diagonal(matrix), 1.0):
        raise InputError(
            f"towards is {matrix.shape}; give ({n_drivers}, {n_drivers}) correlations, ones on the diagonal."
        )
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-8:
        raise InputError(f"towards has an eigenvalue of {values[0]:.2g}; repair it with estimators.nearest_psd.")
    return FactorModel(vectors * np.sqrt(np.maximum(values, 0.0)), np.eye(n_drivers), np.zeros(n_drivers))


def _mean_correlation(model: FactorModel) -> float:
    """Over pairs of different drivers with variance."""
    size = np.sqrt(model.variances)
    unit = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    n = int((size > 0).sum())
    return float((model.variance(unit) - n) / (n * (n - 1))) if n > 1 else float("nan")
