"""Trust in forecasts of value-at-risk: whole while losses exceed them no more often than they should."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError
from quantray.risk.backtests import kupiec

__all__ = ["Trust", "TrustRule", "trust", "trust_scores"]


@dataclass(frozen=True, kw_only=True)
class TrustRule:
    """How trust is measured.

    Parameters
    ----------
    probability : of a hit, one less the level of the value-at-risk; at 0.05 there are enough to tell early.
    windows : days back over which hits are counted; the window of the smallest p-value decides.
    doubt : p-value from which on trust is whole; below, it is in proportion.
    falls, rises : days in which trust makes half of its way down and up.

    Raises
    ------
    InputError
        A value is out of range.
    """

    probability: float = 0.05
    windows: tuple[int, ...] = (20, 60, 250)
    doubt: float = 0.05
    falls: float = 2.0
    rises: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.probability < 0.5 or not self.windows or min(self.windows) < 1:
            raise InputError(
                f"probability {self.probability} must be above 0 and below 0.5, and windows {self.windows} be days."
            )
        if not 0 < self.doubt <= 1 or not (self.falls > 0 and self.rises > 0):
            raise InputError(
                f"doubt {self.doubt} must be above 0 and at most 1, falls {self.falls} and rises {self.rises} positive."
            )


@dataclass(frozen=True)
class Trust:
    """The trust after the last day, and why."""

    score: float
    """From 0 to 1."""
    why: str


def trust_scores(hits: Bool, rule: TrustRule | None = None) -> Float:
    """(T,) trust from 0 to 1 at the close of each day; row t knows the hits up to t.

    Whether hits come too often is asked of Kupiec's test over each window. Too few are no reason for doubt: forecasts
    that are too high do no harm. Windows that are not full yet count as far as they are.

    Parameters
    ----------
    hits : (T,) days whose loss exceeded its forecast, in order of time.

    Raises
    ------
    InputError
        The hits are no series.
    """
    hits, rule = _series(hits), rule or TrustRule()
    counted = np.concatenate([[0], np.cumsum(hits)])
    down, up = 1 - 0.5 ** (1 / rule.falls), 1 - 0.5 ** (1 / rule.rises)
    out, score = np.empty(len(hits)), 1.0
    for day in range(len(hits)):
        least = min(
            _chance(int(counted[day + 1] - counted[max(day + 1 - days, 0)]), min(days, day + 1), rule.probability)
            for days in rule.windows
        )
        wanted = min(least / rule.doubt, 1.0)
        score += (wanted - score) * (down if wanted < score else up)
        out[day] = score
    return out


def trust(hits: Bool, rule: TrustRule | None = None) -> Trust:
    """The trust after the last day in words; whole without any day. Takes and raises as ``trust_scores``."""
    hits, rule = _series(hits), rule or TrustRule()
    if not len(hits):
        return Trust(1.0, "no forecast has been put to the test yet")
    spans = [min(days, len(hits)) for days in rule.windows]
    found = [(_chance(int(hits[-days:].sum()), days, rule.probability), days) for days in spans]
    value, days = min(found)
    count, due = int(hits[-days:].sum()), days * rule.probability
    score = float(trust_scores(hits, rule)[-1])
    why = f"of the last {days} days {count} exceeded their forecast where {due:.3g} were due (p = {value:.2g})"
    return Trust(score, why if value < rule.doubt else f"it comes back: {why}" if score < 0.99 else f"whole: {why}")


@lru_cache(maxsize=4096)
def _chance(hits: int, days: int, probability: float) -> float:
    """The p-value of so many hits; 1 where they are no more than due."""
    return 1.0 if hits <= days * probability else kupiec(hits, days, probability).p_value


def _series(hits: Bool) -> Bool:
    hits = np.asarray(hits)
    if hits.ndim != 1 or hits.dtype != np.bool_:
        raise InputError(f"hits are {hits.shape} {hits.dtype}; give (T,) True where a loss exceeded its forecast.")
    return hits
