"""Reverse stress: the most likely moves of the market that lose so much."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.factor import checked_model
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities
from quantray.risk.stress import StressResult, valued
from quantray.risk.stressing.moves import Moves

__all__ = ["ReverseStress", "most_likely_loss", "reverse_stress"]

_STEPS = 200
_STARTS = 6
"""Drivers whose curvature weighs most, along which the search starts as well."""


@dataclass(frozen=True, eq=False)
class ReverseStress:
    """The most likely moves that lose so much, to second order."""

    asked: float
    """Loss as a fraction of NAV."""
    distance: float
    """Mahalanobis distance from no move: how many standard deviations away the loss is."""
    probability: float
    """Of losing so much or more over the horizon under the model; exact for linear books, else to first order."""
    factor_moves: Float
    """(K,) of the model's factors."""
    factor_deviations: Float
    """(K,) in standard deviations of each; zero where it has none."""
    result: StressResult
    """The book valued again under these moves; its loss differs from ``asked`` by what is beyond second order."""


def reverse_stress(
    holdings: Holdings,
    market: Market,
    model: FactorModel,
    loss: float,
    *,
    horizon_days: float = 1.0,
    seen: Sensitivities | None = None,
) -> ReverseStress:
    """The moves of least Mahalanobis distance that lose so much.

    For a linear book of deltas d under a covariance S these are ``-loss * S d / (d' S d)``; with gammas they are
    searched for from several starts.

    Parameters
    ----------
    model : of the market's drivers, for one day.
    loss : fraction of NAV, positive.
    horizon_days : over which it is lost; the covariance grows with it.
    seen : ``sensitivities(holdings, market)``, where they are known already.

    Raises
    ------
    InputError
        The loss or horizon is not positive, the book has no risk in the model or cannot lose so much, a price would
        have to fall below zero for it, or as ``sensitivities.sensitivities``.

    Source: Glasserman, Kang and Kang (2015), *Stress scenario selection by empirical likelihood*, Quantitative Finance
    15; for the search, Hasofer and Lind (1974), *Exact and invariant second-moment code format*, Journal of the
    Engineering Mechanics Division 100, and Zhang and Der Kiureghian (1995), *Two improved algorithms for reliability
    analysis*.
    """
    checked_model(model, market)
    if not (np.isfinite(loss) and loss > 0 and np.isfinite(horizon_days) and horizon_days > 0):
        raise InputError(f"a loss of {loss} over {horizon_days} days: both must be positive, such as 0.1 and 1.")
    seen = sensitivities(holdings, market) if seen is None else seen
    longer = replace(
        model,
        factor_covariance=model.factor_covariance * horizon_days,
        specific_variance=model.specific_variance * horizon_days,
    )
    weights = most_likely_loss(seen, longer, loss)
    changes = longer.apply(weights)
    _possible(changes, market, loss)
    factors = longer.factor_covariance @ (longer.loadings.T @ weights)
    distance = float(np.sqrt(weights @ changes))
    size = np.sqrt(np.diagonal(longer.factor_covariance))
    result = valued(
        holdings,
        market,
        Moves(changes[None, :], factors[None, :]),
        model,
        names=[f"most likely loss of {loss:.1%}"],
        sources=[f"the risk model, {horizon_days:g} days"],
        notes=[()],
        seen=seen,
    )[0]
    deviations = np.divide(factors, size, out=np.zeros_like(factors), where=size > 0)
    return ReverseStress(loss, distance, float(ndtr(-distance)), factors, deviations, result)


def _possible(changes: Float, market: Market, loss: float) -> None:
    below = np.where(market.absolute, 0.0, changes)
    if below[least := int(below.argmin())] < -1:
        raise InputError(
            f"a loss of {loss:.1%} would take a change of {below[least]:.0%} of {market.drivers[least]}, and no price "
            "falls by more than 100%; ask for less."
        )


def most_likely_loss(seen: Sensitivities, model: FactorModel, loss: float) -> Float:
    """(M,) weights whose covariances with the drivers are the most likely moves; raises as ``reverse_stress``."""
    exposure = seen.exposure
    variance = model.variance(exposure)
    if seen.is_linear and variance > 0:
        return np.asarray(-loss / variance * exposure)
    if not variance > 0 and not (seen.bent(np.sqrt(model.variances)) != 0).any():
        raise InputError("the book has no risk in the model, so no move of it loses anything; fit the model to it.")
    found = [
        weights for start in _starts(seen, model, loss) if (weights := _search(seen, model, loss, start)) is not None
    ]
    if not found:
        raise InputError(
            f"no move was found that loses {loss:.1%} to second order: the book's gains of second order may stop its "
            "losses before; ask for less."
        )
    return min(found, key=model.variance)


def _starts(seen: Sensitivities, model: FactorModel, loss: float) -> list[Float]:
    """Moves to search from: the linear answer, along every factor, and along the drivers that bend the book most."""
    exposure = seen.exposure
    variance = model.variance(exposure)
    starts = [-loss / variance * model.apply(exposure)] if variance > 0 else []
    bends = np.abs(seen.bent(np.ones(seen.n_drivers))) + np.abs(seen.curvature)
    lines = list((model.loadings * np.sqrt(np.diagonal(model.factor_covariance))).T)
    for driver in np.argsort(-bends * model.variances, kind="stable")[:_STARTS].tolist():
        if bends[driver] * model.variances[driver] > 0:
            alone = np.zeros(seen.n_drivers)
            alone[driver] = 1 / np.sqrt(model.variances[driver])
            lines.append(model.apply(alone))
    return [*starts, *(sign * 3 * line for line in lines for sign in (1.0, -1.0))]


def _search(seen: Sensitivities, model: FactorModel, loss: float, start: Float) -> Float | None:
    """Weights of the nearest point of the loss near a start; None where the search does not end there."""
    exposure, weights, move = seen.exposure, None, start
    for _ in range(_STEPS):
        slope = exposure + seen.bent(move)
        with_slope = model.apply(slope)
        variance = float(slope @ with_slope)
        if not variance > 0:
            return None
        short = _short(seen, move, loss)
        scale = (float(slope @ move) - short) / variance
        target = scale * slope
        if weights is None:
            weights, move = target, scale * with_slope
            continue
        step = target - weights
        # Merit: half the squared distance, and a penalty for the loss that is missed.
        penalty = 2 * max(np.sqrt(max(float(weights @ move), 0.0) / variance), abs(scale)) + 1e-12
        before = float(weights @ move) / 2 + penalty * abs(short)
        size = 1.0
        for _ in range(30):
            tried = weights + size * step
            moved = model.apply(tried)
            if float(tried @ moved) / 2 + penalty * abs(_short(seen, moved, loss)) <= before:
                break
            size /= 2
        change = float((tried - weights) @ (moved - move))
        weights, move = tried, moved
        if change <= 1e-20 * float(weights @ move) and abs(_short(seen, move, loss)) <= 1e-9 * loss:
            return weights
    return weights if weights is not None and abs(_short(seen, move, loss)) <= 1e-6 * loss else None


def _short(seen: Sensitivities, move: Float, loss: float) -> float:
    """By how much a move loses less than asked for."""
    return float(move @ seen.exposure + move @ seen.bent(move) / 2) + loss
