"""Returns by months, quarters and years: the grid of months, best and worst periods, and shares of gains."""

from dataclasses import dataclass

import numpy as np

from quantray.analytics.attribution.segments import Calendar, calendar_labels
from quantray.analytics.metrics import checked_series
from quantray.arrays import Dates, Float
from quantray.errors import InputError

__all__ = ["MonthGrid", "Period", "extremes", "month_grid", "period_returns", "rolling_volatility"]


@dataclass(frozen=True)
class Period:
    """A calendar period and what it returned."""

    label: str
    total: float


@dataclass(frozen=True, eq=False)
class MonthGrid:
    """Y years by twelve months; months without a day are NaN, those with some days are what these returned."""

    years: tuple[int, ...]
    months: Float
    """(Y, 12)."""
    totals: Float
    """(Y,) compounded."""


def period_returns(dates: Dates, returns: Float, by: Calendar = "month") -> tuple[Period, ...]:
    """Compounded return of each period, in order of time.

    Raises
    ------
    InputError
        There is not one date for each return, they do not increase, or a value is missing.
    """
    returns = checked_series(returns, "returns")
    dates = np.asarray(dates)
    if len(dates) != len(returns) or (np.diff(dates) <= np.timedelta64(0, "D")).any():
        raise InputError(f"{len(dates)} dates for {len(returns)} returns; give the day of each, in order of time.")
    labels = calendar_labels(dates, by)
    totals: dict[str, float] = {}
    for label, value in zip(labels, returns.tolist(), strict=True):
        totals[label] = totals.get(label, 1.0) * (1 + value)
    return tuple(Period(label, total - 1) for label, total in totals.items())


def month_grid(dates: Dates, returns: Float) -> MonthGrid:
    """Month by month and year by year; raises as ``period_returns``."""
    months, years = period_returns(dates, returns, "month"), period_returns(dates, returns, "year")
    names = tuple(int(year.label) for year in years)
    grid = np.full((len(names), 12), np.nan)
    for month in months:
        grid[names.index(int(month.label[:4])), int(month.label[5:]) - 1] = month.total
    return MonthGrid(names, grid, np.array([year.total for year in years]))


def extremes(dates: Dates, returns: Float, by: Calendar = "month", most: int = 5) -> tuple[list[Period], list[Period]]:
    """The best periods, best first, and the worst, worst first; raises as ``period_returns``."""
    found = sorted(period_returns(dates, returns, by), key=lambda each: each.total)
    return found[::-1][:most], found[:most]


def rolling_volatility(returns: Float, window: int, *, periods_per_year: int) -> Float:
    """(T,) yearly standard deviation (n - 1) of the last ``window`` returns, NaN before there are as many.

    Raises
    ------
    InputError
        The window is shorter than two periods.
    """
    returns = checked_series(returns, "returns")
    if window < 2:
        raise InputError(f"a window of {window} periods has no volatility; take 2 or more.")
    out = np.full(len(returns), np.nan)
    if window > len(returns):
        return out
    left = returns - returns.mean()
    running = np.vstack([np.zeros(2), np.cumsum(np.column_stack([left, left**2]), axis=0)])
    sums = running[window:] - running[:-window]
    variance = np.maximum(sums[:, 1] - sums[:, 0] ** 2 / window, 0.0) / (window - 1)
    out[window - 1 :] = np.sqrt(variance * periods_per_year)
    return out
