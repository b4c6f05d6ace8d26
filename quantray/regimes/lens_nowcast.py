"""The regime of a day that is under way: what earlier days say of it, and what its bars have shown so far."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int
from quantray.regimes.lens_filter import Filtered, StatePrior, log_density, taught
from quantray.regimes.schedule import Schedule

__all__ = ["DayStates", "nowcast"]

_TEMPERS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""How much of a bar counts: bars of a day err alike."""
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class DayStates:
    """What a filter of days told at each close."""

    days: Dates
    """(D,)."""
    filtered: Filtered
    """Of D rows; a day of which nothing was seen has what the day before told."""
    transition: Float
    """(K, K) from a day to the next."""


def nowcast(values: Float, sessions: Dates, told: DayStates, prior: StatePrior, schedule: Schedule) -> Float:
    """(T, R) probabilities of the classes of each bar's day, from the days before it and the day's bars up to this one.

    A day begins with the states that the days before tell, and every bar of it multiplies them by the law of what is
    seen in each state, raised to a power. Laws are learnt from bars of earlier days and the states of these days as
    they look at the last close, which knows better than their own did that a regime had begun. The power is the one by
    which bars of these days would have foretold these states best, and none where that is best. So bars add what they
    have been seen to know, and nothing else: before the first fit a day is what the days before it tell.

    Parameters
    ----------
    values : (T, C) of the bars, NaN where unknown.
    sessions : (T,) day of each bar.
    told : of the same states.
    prior : of the columns of the bars.
    schedule : when laws are learnt again, in bars.

    Source: Giannone, Reichlin and Small (2008), "Nowcasting: The Real-Time Informational Content of Macroeconomic
    Data", *Journal of Monetary Economics* 55, for the word; Grünwald (2012), "The Safe Bayesian", *ALT*, for the power.
    """
    before = np.searchsorted(told.days, sessions, side="left") - 1
    close = np.searchsorted(told.days, sessions, side="right") - 1
    begun = _of_days(told.filtered.states, before) @ told.transition
    _, number = np.unique(sessions, return_inverse=True)
    known: Bool = np.asarray(np.isfinite(values).all(axis=1))
    # Where its day has no close of its own, or the day before tells nothing, a bar teaches nothing.
    taught_by: Bool = known & (close > before) & np.isfinite(begun).all(axis=1)
    chances = begun.copy()
    for segment in schedule.segments(len(values)):
        # The last day of the past is under way.
        ended = slice(segment.fit.start, int(np.searchsorted(number, number[segment.fit.stop - 1])))
        rows = np.arange(len(values))[ended][taught_by[ended]]
        if not len(rows):
            continue
        days = slice(int(close[rows[0]]), int(close[rows[-1]]) + 1)
        truth = _smoothed(told.filtered.states[days], told.transition)[close[rows] - days.start]
        learnt = taught(values[rows], truth, prior)
        seen = log_density(values[rows], prior, learnt)
        tempers = [_mixed(begun[rows], temper * _so_far(seen, number[rows])) for temper in _TEMPERS]
        best = int(np.argmax([(truth * np.log(np.maximum(q, _LEAST))).sum() for q in tempers]))
        # A day that began before the fit is told from its first bar on.
        use = slice(int(np.searchsorted(number, number[segment.use.start])), segment.use.stop)
        seen = np.zeros((use.stop - use.start, len(prior.stay)))
        seen[known[use]] = log_density(values[use][known[use]], prior, learnt)
        now = _mixed(begun[use], _TEMPERS[best] * _so_far(seen, number[use]))
        chances[segment.use] = now[segment.use.start - use.start :]
    return np.asarray(np.einsum("tk,tkr->tr", chances, _of_days(told.filtered.classes, before)))


def _of_days(values: Float, rows: Int) -> Float:
    """What some days have; NaN where there is none."""
    out = np.full((len(rows), *values.shape[1:]), np.nan)
    out[rows >= 0] = values[rows[rows >= 0]]
    return out


def _smoothed(states: Float, transition: Float) -> Float:
    """(D, K) what the last day tells of all, from what each told of itself.

    Source: Kim (1994), "Dynamic linear models with Markov-switching", *Journal of Econometrics* 60.
    """
    out = states.copy()
    for day in range(len(out) - 2, -1, -1):
        ahead = out[day + 1] / np.maximum(states[day] @ transition, _LEAST)
        out[day] = states[day] * (transition @ ahead)
        out[day] /= out[day].sum()
    return out


def _so_far(seen: Float, number: Int) -> Float:
    """(T, K) sums from the first bar of each day on."""
    total = np.cumsum(seen, axis=0)
    first = np.searchsorted(number, number)
    return np.asarray(total - (total - seen)[first])


def _mixed(begun: Float, log_seen: Float) -> Float:
    chances = begun * np.exp(log_seen - log_seen.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))
