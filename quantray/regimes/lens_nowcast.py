"""The regime of a day that is under way: what earlier days say of it, and what its bars have shown so far."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int
from quantray.errors import InputError
from quantray.regimes.lens_filter import Filtered, Learnt, StatePrior, log_density, taught
from quantray.regimes.schedule import Schedule

__all__ = ["DayStates", "nowcast"]

_TEMPERS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""How much of a bar counts: bars of a day err alike."""
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class DayStates:
    """What a filter of days told at each close.

    Raises
    ------
    InputError
        Days that do not increase, or shapes that differ.
    """

    days: Dates
    """(D,)."""
    filtered: Filtered
    """Of D rows; a day of which nothing was seen has what the day before told."""
    closed: Bool
    """(D,) days of which something was seen."""
    transition: Float
    """(K, K) from a day to the next."""

    def __post_init__(self) -> None:
        count, states = len(self.days), len(self.transition)
        found = self.filtered
        if found.states.shape != (count, states) or found.classes.shape[:2] != (count, states):
            raise InputError(f"states are {found.states.shape} for {count} days of {states} states.")
        if self.closed.shape != (count,) or not (self.days[1:] > self.days[:-1]).all():
            raise InputError("days must increase, each with whether anything was seen of it.")


def nowcast(values: Float, sessions: Dates, told: DayStates, prior: StatePrior, schedule: Schedule) -> Float:
    """(T, R) probabilities of the classes of each bar's day, from the days before it and the day's bars up to this one.

    A day begins with the states that the last day before it tells, a day on, and every bar of it multiplies them by
    the law of what is seen in each state, raised to a power. Laws are learnt from bars of earlier days and the states
    of these days as they look at the last close, which knows better than their own did that a regime had begun; the
    smoothing takes states for those of one chain with this transition, which is near. The power is the one by which
    the same bars tell these states best, and none where that is best; on other days bars may still mislead. Before the
    first fit a day is what the days before it tell.

    Parameters
    ----------
    values : (T, C) of the bars, NaN where unknown.
    sessions : (T,) day of each bar, in order.
    told : of the same states.
    prior : of the columns of the bars.
    schedule : when laws are learnt again, in bars that are known and whose day before tells something.

    Raises
    ------
    InputError
        Sessions that are not in order, or another number of bars, columns or states.

    Source: Giannone, Reichlin and Small (2008), "Nowcasting: The Real-Time Informational Content of Macroeconomic
    Data", *Journal of Monetary Economics* 55, for the word; Bissiri, Holmes and Walker (2016), "A General Framework for
    Updating Belief Distributions", *JRSS B* 78, for the power.
    """
    _refuse_bad(values, sessions, told, prior)
    before = np.searchsorted(told.days, sessions, side="left") - 1
    close = np.searchsorted(told.days, sessions, side="right") - 1
    begun = _of_days(told.filtered.states, before) @ told.transition
    _, number = np.unique(sessions, return_inverse=True)
    counted = np.flatnonzero(np.isfinite(values).all(axis=1) & np.isfinite(begun).all(axis=1))
    # Where nothing was seen of its day at the close a bar teaches nothing.
    own: Bool = (close[counted] > before[counted]) & told.closed[np.maximum(close[counted], 0)]
    chances = begun.copy()
    for segment in schedule.segments(len(counted)):
        stop = counted[segment.use.stop] if segment.use.stop < len(counted) else len(values)
        use = slice(int(counted[segment.use.start]), int(stop))
        # The last day of the past is under way.
        past = counted[segment.fit][own[segment.fit]]
        past = past[number[past] < number[counted[segment.fit.stop - 1]]]
        if len(past):
            days = slice(int(close[past[0]]), int(close[past[-1]]) + 1)
            states = _smoothed(told.filtered.states[days], told.transition)[close[past] - days.start]
            law = _Law.of(values[past], begun[past], number[past], states, prior)
            # A day that began before the fit is told from its first bar on.
            low = int(np.searchsorted(number, number[use.start]))
            chances[use] = law.told(values[low : use.stop], begun[low : use.stop], number[low : use.stop])[
                use.start - low :
            ]
    return np.asarray(np.einsum("tk,tkr->tr", chances, _of_days(told.filtered.classes, before)))


def _refuse_bad(values: Float, sessions: Dates, told: DayStates, prior: StatePrior) -> None:
    if values.ndim != 2 or values.shape[1] != len(prior.columns) or sessions.shape != (len(values),):
        raise InputError(
            f"values are {values.shape} for {len(sessions)} bars and {len(prior.columns)} columns of the prior."
        )
    if len(prior.stay) != len(told.transition):
        raise InputError(f"the prior has {len(prior.stay)} states, the days {len(told.transition)}.")
    if not (sessions[1:] >= sessions[:-1]).all():
        raise InputError("bars must be in order of time.")


@dataclass(frozen=True, eq=False)
class _Law:
    """What bars show in each state, and how much of that counts."""

    prior: StatePrior
    learnt: Learnt
    temper: float

    @classmethod
    def of(cls, values: Float, begun: Float, number: Int, states: Float, prior: StatePrior) -> Self:
        learnt = taught(values, states, prior)
        seen = _so_far(log_density(values, prior, learnt), number)
        scores = [(states * np.log(np.maximum(_mixed(begun, t * seen), _LEAST))).sum() for t in _TEMPERS]
        return cls(prior, learnt, _TEMPERS[int(np.argmax(scores))])

    def told(self, values: Float, begun: Float, number: Int) -> Float:
        """(T, K) of days from their first bars on; a bar that is missing shows nothing."""
        known = np.isfinite(values).all(axis=1)
        seen = np.zeros(begun.shape)
        seen[known] = log_density(values[known], self.prior, self.learnt)
        return _mixed(begun, self.temper * _so_far(seen, number))


def _of_days(values: Float, rows: Int) -> Float:
    """What some days have; NaN where there is none."""
    out = np.full((len(rows), *values.shape[1:]), np.nan)
    out[rows >= 0] = values[rows[rows >= 0]]
    return out


def _smoothed(states: Float, transition: Float) -> Float:
    """(D, K) what the last day tells of all, from what each told of itself; exact for one chain with this transition.

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
