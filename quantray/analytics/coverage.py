"""How often an outlook was right: walked forward over a record, each forecast against what came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from quantray.analytics.bootstrap import Interval
from quantray.analytics.metrics import checked_series
from quantray.analytics.outlook import LEVELS, Horizon, OutlookSettings, Quantity, outlooks_at
from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = ["BANDS", "Coverage", "share_interval", "walk_outlook"]

BANDS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Coverage:
    """What came of the forecasts of one quantity over one horizon."""

    days: int
    quantity: Quantity
    n: int
    """Forecasts."""
    independent: float
    """As many forecasts that do not overlap would be; intervals are of so many."""
    covered: tuple[float, ...]
    """Share of outcomes inside each of ``BANDS``."""
    intervals: tuple[Interval, ...]
    """Of 95 %, around each share."""
    pinball: float
    """Mean loss over ``LEVELS``: low is good; in units of the quantity."""
    hit_rate: float
    """Share of forecasts whose likelier direction came; NaN of volatility and drawdown."""
    hit_interval: Interval | None
    base_rate: float
    """Share that always naming the more frequent direction would have hit, which only hindsight knows."""


def walk_outlook(returns: Float, settings: OutlookSettings | None = None, *, step: int = 5) -> tuple[Coverage, ...]:
    """Make the outlook again and again along a record, each from what was known, and count.

    Parameters
    ----------
    returns : (T,) simple daily returns.
    step : trading days from one forecast to the next.

    Raises
    ------
    InputError
        The record is too short for a single outcome of the shortest horizon, or as ``outlook``.

    Source: Christoffersen (1998), *Evaluating interval forecasts*, IER 39(4); Koenker and Bassett (1978) for the loss.
    """
    settings = settings or OutlookSettings()
    returns = checked_series(returns, "returns")
    shortest = min(settings.horizons)
    ends = np.arange(settings.least, len(returns) - shortest + 1, step, dtype=np.int64)
    if step < 1 or len(ends) == 0:
        raise InputError(
            f"{len(returns)} returns hold no forecast from {settings.least} days and its outcome; give a longer record."
        )
    made = outlooks_at(returns, ends, settings)
    found: list[Coverage] = []
    for horizon in made:
        known = ends[ends + horizon.days <= len(returns)]
        if len(known):
            found += _of_horizon(returns, known, horizon, settings, step)
    return tuple(found)


def share_interval(hits: float, n: float, level: float = 0.95) -> Interval:
    """Interval of a share of n independent trials.

    Source: Wilson (1927), *Probable inference, the law of succession, and statistical inference*, JASA 22.
    """
    z = float(special.ndtri((1 + level) / 2))
    centre = (hits + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(hits * (1 - hits) / n + z**2 / (4 * n**2))
    return Interval(float(centre - half), float(centre + half), level)


def _of_horizon(
    returns: Float, ends: Int, horizon: Horizon, settings: OutlookSettings, step: int
) -> Sequence[Coverage]:
    came = _outcomes(returns, ends, horizon.days, settings.periods_per_year)
    independent = max(len(ends) * min(1.0, step / horizon.days), 1.0)
    out = []
    for quantity, outcome in came.items():
        forecast = horizon.quantiles[quantity][: len(ends)]
        covered = tuple(
            float(((outcome >= forecast[:, i]) & (outcome <= forecast[:, -1 - i])).mean()) for i in (2, 1, 0)
        )
        error = outcome[:, None] - forecast
        pinball = float(np.mean(np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error)))
        hit = base = np.nan
        if quantity == "return":
            up = outcome > 0
            hit = float(((horizon.chance_of_gain[: len(ends)] > 0.5) == up).mean())
            base = float(max(up.mean(), 1 - up.mean()))
        out.append(
            Coverage(
                days=horizon.days,
                quantity=quantity,
                n=len(ends),
                independent=independent,
                covered=covered,
                intervals=tuple(share_interval(share, independent) for share in covered),
                pinball=pinball,
                hit_rate=hit,
                hit_interval=None if np.isnan(hit) else share_interval(hit, independent),
                base_rate=base,
            )
        )
    return out


def _outcomes(returns: Float, ends: Int, days: int, periods_per_year: int) -> dict[Quantity, Float]:
    """(D,) what came of each quantity."""
    ahead = returns[ends[:, None] + np.arange(days)]
    wealth = np.cumprod(1 + ahead, axis=1)
    high = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
    return {
        "return": wealth[:, -1] - 1,
        "volatility": np.sqrt((ahead**2).mean(axis=1) * periods_per_year),
        "drawdown": (1 - wealth / high).max(axis=1),
    }
