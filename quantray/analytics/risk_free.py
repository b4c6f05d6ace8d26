"""What cash earned: yearly rates, constant or quoted from day to day, as returns of the days of an account."""

from typing import Literal, get_args

import numpy as np

from quantray.arrays import TRADING_DAYS, Dates, Float
from quantray.errors import InputError

__all__ = ["DayCount", "accrued", "rates_on"]

DayCount = Literal["actual/360", "actual/365", "periods"]
"""The part of a year between two dates: calendar days over 360 or 365, or one period whatever its days."""


def accrued(rates: float | Float, dates: Dates, day_count: DayCount, *, periods_per_year: int = TRADING_DAYS) -> Float:
    """(D - 1,) simple returns of cash from each date to the next, at the rate of the earlier one.

    Parameters
    ----------
    rates : simple yearly rates as fractions: one, or (D,) known on each date.
    dates : (D,) increasing.

    Raises
    ------
    InputError
        The day count is unknown, or there is not one rate for each date.

    Source: ISDA (2006), *Definitions*, section 4.16, for the day counts.
    """
    if day_count not in get_args(DayCount):
        raise InputError(f"day count {day_count!r} is unknown; take one of {', '.join(get_args(DayCount))}.")
    given = np.broadcast_to(np.asarray(rates, dtype=np.float64), (len(dates),)) if np.ndim(rates) == 0 else rates
    if np.shape(given) != (len(dates),):
        raise InputError(f"{np.size(given)} rates for {len(dates)} dates; give each date one, or one for all.")
    if day_count == "periods":
        return np.asarray(given)[:-1] / periods_per_year
    days = np.diff(np.asarray(dates).astype("datetime64[D]")).astype(np.float64)
    return np.asarray(given)[:-1] * days / float(day_count.removeprefix("actual/"))


def rates_on(quoted: Dates, rates: Float, dates: Dates, *, name: str, stale_days: int = 7) -> Float:
    """(D,) the last rate quoted on or before each date.

    Parameters
    ----------
    quoted, rates : (Q,) increasing dates of the quotes, and what was quoted.
    name : of the series, for errors.
    stale_days : calendar days for which a quote holds.

    Raises
    ------
    InputError
        A date lies before the first quote, or the last one before it is stale; the gap is named.
    """
    dates = np.asarray(dates).astype("datetime64[D]")
    place = np.searchsorted(quoted, dates, side="right") - 1
    age = dates - quoted[np.maximum(place, 0)]
    late = (place < 0) | (age > np.timedelta64(stale_days, "D"))
    if late.any():
        raise InputError(
            f"risk-free rate {name} is quoted from {quoted[0]} to {quoted[-1]} and unknown on {int(late.sum())} of "
            f"{len(dates)} days, first {dates[late][0]}, last {dates[late][-1]}; add quotes, or raise stale_days "
            f"above {stale_days}."
        )
    return np.asarray(rates, dtype=np.float64)[place]
