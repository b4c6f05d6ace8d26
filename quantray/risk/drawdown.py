"""Falls below an earlier high: how deep, how long, how bad the worst of them, and a rule that holds less in one."""

from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import checked_series
from quantray.arrays import Float
from quantray.errors import InputError
from quantray.risk.tail import expected_shortfall, historical_var

__all__ = [
    "Episode",
    "Protection",
    "conditional_drawdown_at_risk",
    "drawdown_at_risk",
    "drawdowns",
    "episodes",
    "protected_exposure",
]


@dataclass(frozen=True)
class Episode:
    """One fall below a high, from the first day below it to the day that reaches it again."""

    start: int
    """Row of the first day below."""
    trough: int
    """Row of the lowest day."""
    end: int | None
    """Row of the day back at the high; None while it lasts."""
    depth: float
    """At the trough, a positive fraction of the high."""
    length: int
    """Days below the high."""

    @property
    def recovery(self) -> int | None:
        """Days from the trough back to the high; None while it lasts."""
        return None if self.end is None else self.end - self.trough


def drawdowns(returns: Float, *, peak_days: int | None = None) -> Float:
    """(T,) fall of each day below the highest value so far, positive fractions.

    Parameters
    ----------
    returns : (T,) simple returns; no NaN.
    peak_days : days back to which a high counts; by default all of them.

    Raises
    ------
    InputError
        As ``metrics.checked_series``, or ``peak_days`` below 1.
    """
    returns = checked_series(returns, "returns")
    if peak_days is not None and peak_days < 1:
        raise InputError(f"peak_days {peak_days} must be 1 or more; leave it out for all days.")
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    if peak_days is None or peak_days >= len(returns):
        peak = np.maximum.accumulate(wealth)
    else:
        padded = np.concatenate([np.full(peak_days, -np.inf), wealth])
        peak = np.lib.stride_tricks.sliding_window_view(padded, peak_days + 1).max(axis=1)
    return np.asarray(1 - wealth / peak)[1:]


def episodes(returns: Float) -> tuple[Episode, ...]:
    """Every fall below a high, in order of time; takes and raises as ``drawdowns``."""
    below = drawdowns(returns)
    under = np.concatenate([[False], below > 0, [False]])
    starts, ends = np.flatnonzero(~under[:-1] & under[1:]), np.flatnonzero(under[:-1] & ~under[1:])
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(below[start:end].argmax())
        back = None if end == len(below) else end
        found.append(Episode(start, trough, back, float(below[trough]), end - start))
    return tuple(found)


def drawdown_at_risk(returns: Float, *, level: float = 0.95) -> float:
    """The fall below the high that is exceeded on ``1 - level`` of the days.

    Raises
    ------
    InputError
        As ``drawdowns``, and as ``tail.historical_var`` for levels and too few days.

    Source: Chekhlov, Uryasev and Zabarankin (2005), *Drawdown measure in portfolio optimization*, International Journal
    of Theoretical and Applied Finance 8.
    """
    return historical_var(-drawdowns(returns), level=level)


def conditional_drawdown_at_risk(returns: Float, *, level: float = 0.95) -> float:
    """The mean fall on days as bad as ``drawdown_at_risk`` or worse; takes and raises as that does."""
    return expected_shortfall(-drawdowns(returns), level=level)


@dataclass(frozen=True, kw_only=True)
class Protection:
    """Hold less the deeper a strategy has fallen, and more again once it has recovered by a margin.

    Parameters
    ----------
    depths : falls below the high at which exposure is cut, rising.
    exposures : what is held from each of them on, falling, from 0 to below 1.
    margin : by which the fall must come back under a depth before its cut is undone.
    peak_days : days back to which a high counts; by default all of them.
    lag : days between what is known and what is held beyond the one that trading takes.

    Raises
    ------
    InputError
        Depths and exposures do not fit or are out of order, or a margin or number is out of range.
    """

    depths: tuple[float, ...] = (0.05, 0.10, 0.15)
    exposures: tuple[float, ...] = (0.75, 0.50, 0.25)
    margin: float = 0.02
    peak_days: int | None = None
    lag: int = 0

    def __post_init__(self) -> None:
        steps, held = (0.0, *self.depths, 1.0), (1.0, *self.exposures, -1e-300)
        if len(self.depths) != len(self.exposures) or not (np.diff(steps) > 0).all() or not (np.diff(held) < 0).all():
            raise InputError(
                f"depths {self.depths} must rise within 0 and 1 and exposures {self.exposures} fall from below 1 to 0, "
                "one for each depth."
            )
        if not 0 <= self.margin < min(self.depths, default=1.0) or self.lag < 0:
            raise InputError(
                f"margin {self.margin} must be 0 or more and below the first depth, and lag {self.lag} not negative."
            )


def protected_exposure(returns: Float, rule: Protection | None = None) -> Float:
    """(T,) exposure of each day by the rule: row t knows the returns up to t - 1 - lag.

    The fall is that of the strategy at full size, so that one that recovers comes back.

    Parameters
    ----------
    returns : (T,) simple returns of the strategy at full size; no NaN.

    Raises
    ------
    InputError
        As ``drawdowns``.
    """
    rule = rule or Protection()
    below, step = drawdowns(returns, peak_days=rule.peak_days), 0
    held = (1.0, *rule.exposures)
    out = np.ones(len(below))
    for day in range(len(below) - 1 - rule.lag):
        while step < len(rule.depths) and below[day] >= rule.depths[step]:
            step += 1
        while step > 0 and below[day] < rule.depths[step - 1] - rule.margin:
            step -= 1
        out[day + 1 + rule.lag] = held[step]
    return out
