"""Falls below earlier highs: the table of drawdowns, and what they say of a series in one number.

Depths are positive fractions of the high. ``metrics.drawdown`` has the deepest one and the longest time below a high.
"""

import math
from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import checked_series
from quantray.arrays import TRADING_DAYS, Dates, Float
from quantray.errors import InputError

__all__ = [
    "Drawdown",
    "average_drawdown",
    "average_drawdown_days",
    "burke_ratio",
    "drawdown_table",
    "drawdowns",
    "martin_ratio",
    "pain_index",
    "pain_ratio",
    "recovery_factor",
    "sterling_ratio",
    "time_under_water",
    "ulcer_index",
    "underwater",
]


@dataclass(frozen=True)
class Drawdown:
    """A fall below a high, from the period of the high until wealth is back there."""

    start: np.datetime64
    """Of the high; the day before the first return where that is the high."""
    trough: np.datetime64
    recovery: np.datetime64 | None
    """None while it lasts."""
    depth: float
    periods: int
    """From the high to the recovery, or to the end."""
    periods_to_trough: int


def underwater(returns: Float) -> Float:
    """(T,) depth below the highest wealth so far, the beginning included; zero at a new high."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + checked_series(returns, "returns"))])
    return np.asarray(1 - wealth / np.maximum.accumulate(wealth))[1:]


def drawdown_table(dates: Dates, returns: Float, *, most: int = 10) -> tuple[Drawdown, ...]:
    """The deepest drawdowns, deepest first.

    Parameters
    ----------
    dates : (T,) of the returns, or (T + 1,) with that of the beginning.

    Raises
    ------
    InputError
        The dates are neither as many as the returns nor one more.

    Source: Bacon (2008), ch. 4.
    """
    depth = underwater(returns)
    dates = np.asarray(dates)
    if len(dates) == len(depth):
        dates = np.concatenate([[dates[0] - np.timedelta64(1, "D")], dates])
    if len(dates) != len(depth) + 1:
        raise InputError(f"{len(dates)} dates for {len(depth)} returns; give the day of each.")
    found = [_drawdown(dates, depth, first, end) for first, end in _spells(depth)]
    return tuple(sorted(found, key=lambda each: -each.depth)[:most])


def drawdowns(returns: Float) -> Float:
    """(D,) depth of each drawdown in order of time; the last one may still go on."""
    depth = underwater(returns)
    return np.array([depth[first:end].max() for first, end in _spells(depth)])


def average_drawdown(returns: Float) -> float:
    """Mean depth of all drawdowns; zero without one.

    Source: Bacon (2008), ch. 4.
    """
    depths = drawdowns(returns)
    return float(depths.mean()) if len(depths) else 0.0


def average_drawdown_days(returns: Float) -> float:
    """Mean number of periods from high to recovery, or to the end; zero without a drawdown.

    Source: Bacon (2008), ch. 4.
    """
    lengths = [end - first + 1 for first, end in _spells(underwater(returns))]
    return float(np.mean(lengths)) if lengths else 0.0


def time_under_water(returns: Float) -> float:
    """Share of periods that end below an earlier high.

    Source: Bacon (2008), ch. 4.
    """
    return float((underwater(returns) > 0).mean())


def pain_index(returns: Float) -> float:
    """Mean depth below the high over all periods, ``mean(D)``.

    Source: Becker (2006), *The pain index and pain ratio*, Zephyr Associates; Bacon (2008), ch. 4.
    """
    return float(underwater(returns).mean())


def ulcer_index(returns: Float) -> float:
    """Root mean square of the depth, ``sqrt(mean(D^2))``.

    Source: Martin and McCann (1987), *The Investor's Guide to Fidelity Funds*.
    """
    return float(np.sqrt((underwater(returns) ** 2).mean()))


def pain_ratio(returns: Float, *, risk_free: float = 0.0, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly geometric return over the rate, over the pain index.

    Source: Becker (2006), *The pain index and pain ratio*, Zephyr Associates.
    """
    return _over(_yearly(returns, periods_per_year) - risk_free, pain_index(returns))


def martin_ratio(returns: Float, *, risk_free: float = 0.0, periods_per_year: int = TRADING_DAYS) -> float:
    """Yearly geometric return over the rate, over the ulcer index: the ulcer performance index.

    Source: Martin and McCann (1987), *The Investor's Guide to Fidelity Funds*.
    """
    return _over(_yearly(returns, periods_per_year) - risk_free, ulcer_index(returns))


def burke_ratio(
    returns: Float, *, risk_free: float = 0.0, periods_per_year: int = TRADING_DAYS, modified: bool = False
) -> float:
    """Yearly geometric return over the rate, over the root of the sum of squared drawdowns.

    Parameters
    ----------
    modified : divide the sum by the number of periods, so that a longer record does not lower the ratio.

    Source: Burke (1994), *A sharper Sharpe ratio*, Futures 23(3); Bacon (2008), ch. 4.
    """
    squares = float((drawdowns(returns) ** 2).sum()) / (len(returns) if modified else 1)
    return _over(_yearly(returns, periods_per_year) - risk_free, math.sqrt(squares))


def sterling_ratio(
    returns: Float, *, risk_free: float = 0.0, periods_per_year: int = TRADING_DAYS, most: int = 5
) -> float:
    """Yearly geometric return over the rate, over the mean of the ``most`` deepest drawdowns.

    Source: Bacon (2008), ch. 4 (the Sterling-Calmar form, without the tenth that Kestner adds).
    """
    deepest = np.sort(drawdowns(returns))[::-1][:most]
    return _over(_yearly(returns, periods_per_year) - risk_free, float(deepest.mean()) if len(deepest) else 0.0)


def recovery_factor(returns: Float) -> float:
    """Total return over the deepest drawdown.

    Source: Kaufman (2013), *Trading Systems and Methods*, ch. 21.
    """
    returns = checked_series(returns, "returns")
    return _over(float(np.prod(1 + returns)) - 1, float(underwater(returns).max()))


def _spells(depth: Float) -> list[tuple[int, int]]:
    """First row below a high and the row of the recovery (T while it lasts) of each drawdown."""
    below = np.concatenate([[False], depth > 0, [False]])
    edges = np.flatnonzero(below[1:] != below[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _drawdown(dates: Dates, depth: Float, first: int, end: int) -> Drawdown:
    """``dates`` are one more than the depths: row t of the depths is row t + 1 of the dates."""
    worst = first + int(np.argmax(depth[first:end]))
    recovered = end < len(depth)
    return Drawdown(
        start=dates[first],
        trough=dates[worst + 1],
        recovery=dates[end + 1] if recovered else None,
        depth=float(depth[worst]),
        periods=(end + 1 if recovered else end) - first,
        periods_to_trough=worst + 1 - first,
    )


def _yearly(returns: Float, periods_per_year: int) -> float:
    wealth = float(np.prod(1 + checked_series(returns, "returns")))
    return wealth ** (periods_per_year / len(returns)) - 1 if wealth > 0 else -1.0


def _over(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
