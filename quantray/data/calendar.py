"""Trading days and rebalance dates, from the exchange's own calendar."""

from functools import lru_cache
from typing import Literal

import exchange_calendars as xcals
import numpy as np
import pandas as pd

from quantray.arrays import TRADING_DAYS, WEEKS, Bool, Dates, Int, as_day
from quantray.errors import DataError, InputError, first_line

__all__ = [
    "DEFAULT_EXCHANGE",
    "BarLength",
    "Frequency",
    "clock",
    "is_trading_day",
    "last_sessions_of_weeks",
    "next_session",
    "periods_per_year",
    "rebalance_dates",
    "session_hours",
    "sessions_within",
    "time_zone",
    "trading_days",
]

Frequency = Literal["daily", "weekly", "monthly", "quarterly"]

BarLength = Literal["daily", "weekly"]
"""How much time one row of bars spans."""

DEFAULT_EXCHANGE = "XNYS"
"""Whose calendar is meant where nothing says otherwise; simulated markets keep it."""

_ALL_DAYS = 365

_FIRST = "1971-01-01"
"""Before, exchange_calendars knows few of New York's holidays; some calendars begin later."""


@lru_cache(maxsize=8)
def _calendar(exchange: str) -> xcals.ExchangeCalendar:
    try:
        return _from_early_on(exchange)
    except xcals.errors.InvalidCalendarName as error:
        raise InputError(
            f"{exchange!r} is not an exchange calendar; use a MIC such as XNYS, XLON or XTKS, or 24/7."
        ) from error
    except (ValueError, NotImplementedError) as error:
        # Tables of special days in the library contradict each other, as those of Tel Aviv, or ask for what pandas has
        # not, as the Orthodox Easter of Athens.
        raise InputError(
            f"exchange_calendars cannot make the calendar {exchange} ({first_line(error)[:80]}...); name another "
            "calendar, such as 24/7, or update that package."
        ) from error


def _from_early_on(exchange: str) -> xcals.ExchangeCalendar:
    try:
        return xcals.get_calendar(exchange, start=_FIRST)
    except ValueError:
        # Only a calendar tells from when on it is known, and each takes a sixth of a second to make.
        earliest = xcals.get_calendar(exchange).bound_min()
        if earliest is None:
            raise
        return xcals.get_calendar(exchange, start=max(earliest, pd.Timestamp(_FIRST)))


@lru_cache(maxsize=64)
def _sessions(exchange: str) -> Dates:
    return np.asarray(_calendar(exchange).sessions.to_numpy(), dtype="datetime64[D]")


@lru_cache(maxsize=4)
def _hours(exchange: str) -> tuple[Dates, Dates]:
    calendar = _calendar(exchange)
    opens, closes = (
        pd.DatetimeIndex(times).tz_convert(calendar.tz).tz_localize(None).to_numpy().astype("datetime64[m]")
        for times in (calendar.opens, calendar.closes)
    )
    return opens, closes


def periods_per_year(exchange: str = DEFAULT_EXCHANGE, *, bars: BarLength = "daily") -> int:
    """Rows of bars in a year, by which returns, risk, costs and rates are made yearly.

    52 weekly bars; 365 daily ones on a calendar without a closed day, such as ``24/7``; 252 on every other, by the
    convention of exchanges, whose own calendars have between 240 and 262 days.

    Raises
    ------
    InputError
        Unknown exchange.
    """
    sessions = _sessions(exchange)
    if bars == "weekly":
        return WEEKS
    always_open = len(sessions) > int((sessions[-1] - sessions[0]).astype(np.int64))
    return _ALL_DAYS if always_open else TRADING_DAYS


def trading_days(start: object, end: object, *, exchange: str = DEFAULT_EXCHANGE) -> Dates:
    """Sessions of an exchange from ``start`` to ``end``, both included.

    Raises
    ------
    InputError
        Unknown exchange, start after end, or dates outside the calendar: most run from 1971 to about a year from now.
    """
    first, last = as_day(start), as_day(end)
    if first > last:
        raise InputError(f"start {first} is after end {last}.")
    sessions = _sessions(exchange)
    if first < sessions[0] - 7 or last > sessions[-1] + 7:
        raise InputError(
            f"the {exchange} calendar is known from {sessions[0]} to {sessions[-1]}, not {first} to {last}."
        )
    return sessions[np.searchsorted(sessions, first) : np.searchsorted(sessions, last, side="right")]


def sessions_within(first: np.datetime64, last: np.datetime64, *, exchange: str) -> Dates:
    """Sessions of an exchange from one day to another, made for that span alone: much sooner than its whole calendar.

    Raises
    ------
    InputError
        Unknown exchange, or its calendar does not hold the span.
    """
    try:
        calendar = xcals.get_calendar(exchange, start=pd.Timestamp(first), end=pd.Timestamp(last))
    except (ValueError, NotImplementedError, xcals.errors.CalendarError) as error:
        raise InputError(f"{exchange} has no calendar from {first} to {last} ({first_line(error)[:80]}...).") from error
    return np.asarray(calendar.sessions.to_numpy(), dtype="datetime64[D]")


def is_trading_day(dates: Dates, *, exchange: str = DEFAULT_EXCHANGE) -> Bool:
    """True for each date (of any order) on which the exchange was open.

    Raises
    ------
    InputError
        Unknown exchange, or a date before its calendar begins.
    """
    sessions, days = _sessions(exchange), dates.astype("datetime64[D]")
    if len(days) and days.min() < sessions[0] - 7:
        raise InputError(
            f"{days.min()} is before the {exchange} calendar, which begins on {sessions[0]}; leave out earlier rows."
        )
    return np.isin(days, sessions)


def session_hours(dates: Dates, *, exchange: str = DEFAULT_EXCHANGE) -> tuple[Dates, Dates]:
    """(T,) opening and (T,) closing times of sessions, datetime64[m] on the exchange's clock.

    Raises
    ------
    DataError
        A date is no session of the exchange, or outside its calendar.
    InputError
        Unknown exchange.
    """
    sessions, days = _sessions(exchange), dates.astype("datetime64[D]")
    opens, closes = _hours(exchange)
    position = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
    closed = sessions[position] != days
    if closed.any():
        bad = days[int(np.argmax(closed))]
        outside = bad < sessions[0] or bad > sessions[-1]
        why = f"is outside the hours known, {sessions[0]} to {sessions[-1]}" if outside else "has no session"
        raise DataError(f"{bad} {why} at {exchange}; drop its rows or name another exchange.")
    return opens[position], closes[position]


def next_session(day: np.datetime64, *, exchange: str = DEFAULT_EXCHANGE) -> np.datetime64:
    """The first session after a day.

    Raises
    ------
    InputError
        Unknown exchange, or its calendar is not known so far.
    """
    sessions = _sessions(exchange)
    place = int(np.searchsorted(sessions, day, side="right"))
    if place == len(sessions):
        raise InputError(f"the sessions of {exchange} are known up to {sessions[-1]}; update exchange_calendars.")
    return np.datetime64(sessions[place])


def clock(exchange: str = DEFAULT_EXCHANGE) -> str:
    """The time zone of an exchange, such as America/New_York; raises ``InputError`` for an unknown one."""
    return str(_calendar(exchange).tz)


def time_zone(exchange: str = DEFAULT_EXCHANGE) -> str:
    """Name of the zone of an exchange's clock, such as America/New_York; raises ``InputError`` for an unknown one."""
    return str(_calendar(exchange).tz)


def last_sessions_of_weeks(dates: Dates, *, exchange: str = DEFAULT_EXCHANGE) -> Dates:
    """(T,) the last session of each date's week; raises ``InputError`` for an unknown exchange."""
    sessions = _sessions(exchange)
    # Day 0 of the epoch is a Thursday; three days later a Monday begins the count of weeks.
    week, weeks = ((days.astype("datetime64[D]").astype(np.int64) + 3) // 7 for days in (dates, sessions))
    return sessions[np.searchsorted(weeks, week, side="right") - 1]


def _period(dates: Dates, frequency: Frequency) -> Int:
    if frequency == "daily":
        return dates.astype(np.int64)
    if frequency == "weekly":
        # Day 0 of the epoch is a Thursday; three days later a Monday begins the count of weeks.
        return (dates.astype(np.int64) + 3) // 7
    months = dates.astype("datetime64[M]").astype(np.int64)
    return months if frequency == "monthly" else months // 3


def rebalance_dates(dates: Dates, frequency: Frequency, *, exchange: str = DEFAULT_EXCHANGE) -> Dates:
    """The last trading day of every week, month or quarter that ``dates`` completes.

    Whether a date ends its period is read from the exchange calendar, which is known in advance; where the last
    trading day is absent from ``dates``, the next date there stands in for it. So every rebalance date is known on
    the day: cutting off the future leaves those before the cut as they are.

    Parameters
    ----------
    dates : (T,) increasing trading days.

    Raises
    ------
    InputError
        No dates, or a frequency that is not daily, weekly, monthly or quarterly.
    """
    if len(dates) == 0:
        raise InputError("no dates to rebalance on; check the start and the end.")
    if frequency not in ("daily", "weekly", "monthly", "quarterly"):
        raise InputError(f"frequency {frequency!r} is not one of daily, weekly, monthly, quarterly.")
    sessions = _sessions(exchange)
    days = dates.astype("datetime64[D]")
    following = np.append(sessions, np.datetime64("NaT"))[np.searchsorted(sessions, days, side="right")]
    outside = (days < sessions[0]) | np.isnat(following)
    following = np.where(outside, np.busday_offset(days, 1, roll="backward"), following)
    period = _period(days, frequency)
    ends = _period(following, frequency) != period
    ends[1:] |= (period[1:] != period[:-1]) & ~ends[:-1]
    chosen: Dates = dates[ends]
    return chosen
