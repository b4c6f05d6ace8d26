"""What today's book would have gained through the past, and what a bad day loses by every method."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from quantray.arrays import Float, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.forecasting.history import enough, long_enough
from quantray.risk.forecasting.laws import Law
from quantray.risk.forecasting.ordered import OrderedReturns
from quantray.risk.forecasting.simulation import ScenarioLaw, driver_scenarios, simulate
from quantray.risk.forecasting.var_forecasts import AveragedHistory, FilteredHistory
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import revalue, revalue_book
from quantray.risk.positions.sensitivities import Sensitivities
from quantray.risk.reporting.sections import Simulation, TailLoss
from quantray.risk.stressing.moves import filled_moves
from quantray.risk.tail import (
    age_weights,
    averaged_returns,
    expansion_law,
    historical_var,
    rescaled_returns,
    student_law,
)

__all__ = ["DEFAULT", "LEVELS", "Past", "can_tell", "replayed", "simulated", "tail_losses", "worst_days"]

LEVELS = (0.95, 0.99)
DEFAULT = AveragedHistory().name
"""The method that is quoted where none is named."""
_ANY = 0.5
"""Level for which every history is long enough."""
_HALF_LIFE = 125.0
"""Days of the history by age."""


@dataclass(frozen=True, eq=False)
class Past:
    """Today's book on every day of the past."""

    changes: Float
    """(T, M) of the drivers, gaps filled."""
    gains: Float
    """(T,) of the book, fractions of today's NAV."""
    filled: Names
    """Positions that follow a driver whose gaps were filled."""


def replayed(holdings: Holdings, market: Market, model: FactorModel, seen: Sensitivities) -> Past:
    """Today's book on the days of the market's past; what a driver did on days without data, the factors say.

    Raises
    ------
    InputError
        As ``pricing.revalue_book``.
    """
    changes, filled = market.changes, np.zeros(0, dtype=np.str_)
    gains = changes @ seen.exposure
    # A gap anywhere makes the sum of its day unknown; looking at every number takes longer.
    if np.isnan(gains).any():
        gaps = np.asarray(np.isnan(changes).any(axis=0))
        filled = holdings.names[np.unique(seen.rows[gaps[seen.columns]])]
        changes = filled_moves(model, changes).drivers
        gains = changes @ seen.exposure
    if not seen.is_linear:
        gains = revalue_book(holdings, market, changes)
    return Past(changes, gains, filled)


def can_tell(gains: Float, level: float) -> bool:
    """Whether a past is long enough for a level."""
    try:
        long_enough(gains, level)
    except InputError:
        return False
    return True


def worst_days(holdings: Holdings, market: Market, past: Past, seen: Sensitivities, level: float) -> Float | None:
    """(N,) mean loss of each position on the days beyond the historical value-at-risk; None if the past is too short.

    They sum to the expected shortfall.
    """
    if not can_tell(past.gains, level):
        return None
    beyond = past.gains <= -historical_var(past.gains, level=level, predictive=True)
    worst = past.changes[beyond]
    if seen.is_linear:
        return -seen.by_position(worst.mean(axis=0))
    return np.asarray(-revalue(holdings, market, worst, priced=seen.pricing).mean(axis=0))


def tail_losses(gains: Float, by_model: Callable[[float], tuple[float, float]]) -> tuple[TailLoss, ...]:
    """Value-at-risk and expected shortfall by every method, at every level of ``LEVELS``.

    A method that refuses the history says why in its note.

    Parameters
    ----------
    gains : (T,) of today's book; no NaN.
    by_model : level -> value-at-risk and expected shortfall under normal moves.
    """
    return tuple(_estimate(method, level) for method in _methods(gains, by_model) for level in LEVELS)


def simulated(
    holdings: Holdings, market: Market, model: FactorModel, seen: Sensitivities, law: ScenarioLaw
) -> Simulation:
    """What today's book loses in scenarios from its risk model; where it is not linear, each values it again.

    Raises
    ------
    InputError
        As ``simulation.simulate`` and ``pricing.revalue_book``, or fewer scenarios than the levels need.
    """
    if seen.is_linear:
        gains = -simulate(seen.exposure, model, law).losses
    else:
        gains = np.concatenate([revalue_book(holdings, market, block) for block in driver_scenarios(model, law)])
    ordered = OrderedReturns.of(gains)
    estimates = tuple(
        TailLoss(method=law.name, level=level, var=var, es=es) for level in LEVELS for var, es in (ordered.tail(level),)
    )
    seed = law.seed if isinstance(law.seed, int) else law.seed[0]
    return Simulation(n_scenarios=law.n_scenarios, distribution=law.name, seed=seed, estimates=estimates)


@dataclass(frozen=True)
class _Method:
    name: str
    tail: Callable[[float], tuple[float, float]]
    """Level -> value-at-risk and expected shortfall."""


def _methods(gains: Float, by_model: Callable[[float], tuple[float, float]]) -> tuple[_Method, ...]:
    # Made for the first level and kept for the next; a refusal is made again, and so noted at both.
    averaged = cache(lambda: OrderedReturns.of(averaged_returns(gains), predictive=True))
    scaled = cache(lambda: OrderedReturns.of(rescaled_returns(gains), predictive=True))
    plain = cache(lambda: OrderedReturns.of(gains, predictive=True))
    recent = cache(lambda: OrderedReturns.of(gains, weights=age_weights(len(gains), half_life=_HALF_LIFE)))
    bent, student = cache(lambda: expansion_law(gains, _ANY)), cache(lambda: student_law(gains, _ANY))
    return (
        _Method(DEFAULT, lambda level: averaged().tail(level)),
        _Method(FilteredHistory().name, lambda level: scaled().tail(level)),
        _Method("history", lambda level: plain().tail(level)),
        _Method("history, recent days count more", lambda level: recent().tail(level)),
        _Method("normal, by the model", by_model),
        _Method("Cornish-Fisher", lambda level: _of_law(bent(), len(gains), level)),
        _Method("Student's t", lambda level: _of_law(student(), len(gains), level)),
    )


def _of_law(law: Law, n_days: int, level: float) -> tuple[float, float]:
    enough(n_days, level)
    return float(law.var(level)), float(law.shortfall(level))


def _estimate(method: _Method, level: float) -> TailLoss:
    try:
        var, es = method.tail(level)
    except InputError as error:
        return TailLoss(method=method.name, level=level, var=None, es=None, note=str(error))
    return TailLoss(method=method.name, level=level, var=var, es=es)
