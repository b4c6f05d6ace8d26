"""Checks of rows: whose they are, of which day, and whether they say one thing."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd

from quantray.arrays import Dates
from quantray.data.calendar import is_trading_day, sessions_within
from quantray.data.quality.bars import Market, SortedBars
from quantray.data.quality.check import Flags
from quantray.errors import InputError

__all__ = [
    "both_readings",
    "conflicting",
    "doubtful",
    "duplicates",
    "fitting_calendar",
    "foreign_days",
    "future",
    "gaps",
    "listings",
    "nameless",
    "not_daily",
    "off_calendar",
    "priceless",
    "thin",
]


def nameless(bars: SortedBars) -> Flags:
    """Rows without a symbol."""
    empty = bars.block.texts["symbol"].categories == ""
    # A missing symbol has the code -1.
    return Flags(np.append(empty, False)[bars.code])


def listings(bars: SortedBars) -> Flags:
    """Conflicting rows of symbols whose closes stand on two levels day after day."""
    differs, apart = bars.conflicts
    codes = bars.code[differs]
    if len(codes) == 0:
        return Flags(differs)
    typical = pd.Series(apart[differs]).groupby(codes).median()
    count = pd.Series(codes).value_counts()
    two = typical.index[(typical > np.log(1.1)) & (count.reindex(typical.index) >= 6)]
    return Flags(differs & np.isin(bars.code, two.to_numpy()), apart)


def conflicting(bars: SortedBars) -> Flags:
    """Rows of a symbol and date whose prices another row contradicts, all but the last."""
    differs, apart = bars.conflicts
    # The last row of each day is the one that may stand.
    return Flags(differs & bars.repeated[1], apart)


def duplicates(bars: SortedBars) -> Flags:
    """Rows of a symbol and date that come again, all but the last."""
    return Flags(bars.repeated[1])


def doubtful(bars: SortedBars) -> Flags:
    """Rows of events that may or may not be in the prices."""
    if "doubt" not in bars.block:
        return Flags(np.zeros(len(bars), dtype=np.bool_))
    return Flags((bars.block.written("doubt").fillna("") != "").to_numpy())


def both_readings(market: Market, flagged: Mapping[int, Flags]) -> str:
    """The two readings of the symbols flagged, and how to choose."""
    told = dict.fromkeys(
        text for number, flags in flagged.items() for text in market.blocks[number].written("doubt")[flags.rows]
    )
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return "; ".join([*list(told)[:3]]) + f"{more}. Say which with --adjusted none, splits or 'splits and dividends'"


def future(bars: SortedBars) -> Flags:
    """Bars dated after today."""
    today = bars.settings.today or date.today()
    return Flags(bars.day > np.datetime64(today, "D"))


_COMMON = ("XNYS", "XLON", "XETR", "XPAR", "XTSE", "XTKS", "XHKG", "XASX", "XSHG", "XBOM", "24/7")
_RARER = (
    *("XSTO", "XSWX", "XAMS", "XMIL", "XMAD", "XBRU", "XHEL", "XCSE", "XOSL", "XWAR", "XLIS", "XDUB", "XWBO", "XIST"),
    *("XJSE", "BVMF", "XMEX", "XBUE", "XSGO", "XTAI", "XSES", "XNZE", "XIDX", "XBKK", "XKLS", "XPHS", "CMES"),
)
_SEOUL = "XKRX"
_CANDIDATES = (_COMMON, _RARER, (_SEOUL,))
"""A calendar takes a tenth of a second to make, Seoul's, which follows the moon, as long as all others together."""
_SEOUL_RESTS = ("01-01", "03-01", "05-05", "08-15", "10-03", "12-25")
"""Days on which Seoul rests every year: bars of others give themselves away by them."""
_FITS = 0.995


def foreign_days(bars: SortedBars) -> Flags:
    """Days off the calendar that hold as many rows as others: the bars follow another calendar."""
    rows = np.zeros(len(bars), dtype=np.bool_)
    if bars.settings.bars == "weekly":
        return Flags(rows)
    days, count = bars.market.days
    closed = bars.market.closed & (count >= 0.5 * np.median(count))
    # A few holidays on which prices were filled in are dropped one by one; another exchange's days are not.
    several = closed.sum() >= 3 and closed.mean() > 0.01
    foreign = several and (closed.mean() > 0.05 or max(_fitting(days.tobytes()).values()) > _FITS)
    return Flags(bars.each(closed) if foreign else rows, by_day=True)


@lru_cache(maxsize=1)
def _fitting(held: bytes) -> dict[str, float]:
    """Share of the days, by their bytes, that each calendar was open on, or of its own days that are there, if less."""
    days, found = np.frombuffer(held, dtype="datetime64[D]"), dict[str, float]()
    for group in _CANDIDATES:
        for name in group:
            if name == _SEOUL and _closed_in_seoul(days) > 1 - _FITS:
                continue
            try:
                sessions = sessions_within(days[0], days[-1], exchange=name)
            except InputError:
                # Some calendars begin after the bars, or end before.
                continue
            found[name] = float(min(np.isin(days, sessions).mean(), np.isin(sessions, days).mean()))
        if max(found.values(), default=0.0) > _FITS:
            break
    return found


def _closed_in_seoul(days: Dates) -> float:
    """Share of days on which Seoul was surely closed."""
    of_year = [str(day)[5:] for day in days]
    return float((~np.is_busday(days) | np.isin(of_year, _SEOUL_RESTS)).mean())


def fitting_calendar(market: Market, _: Mapping[int, Flags]) -> str:
    """The calendar that fits the days of the bars best."""
    days = market.days[0]
    fitting = _fitting(days.tobytes())
    best = max(fitting, key=lambda name: fitting[name])
    chosen = market.settings.exchange
    known = f"{best} fits best, {fitting[best]:.0%} of the days: " if fitting[best] > 0.98 else ""
    held = is_trading_day(days, exchange=chosen).mean()
    return (
        f"{held:.0%} of the days are days of {chosen}; {known}name the calendar "
        "as `exchange` in the file of --quality, or set the treatment calendar_mismatch: drop_row"
    )


_MONTH = 20
"""Days between bars from which they are not weekly ones."""


def not_daily(bars: SortedBars) -> Flags:
    """All rows, where most bars lie a week or more apart, or share their day with several others."""
    if bars.market.several_a_day:
        return Flags(bars.repeated[0])
    limit = 6 if bars.settings.bars == "daily" else _MONTH
    return Flags(np.full(len(bars), bars.market.spacing >= limit, dtype=np.bool_))


def priceless(bars: SortedBars) -> Flags:
    """Rows without a close, and without an event."""
    # A split, a dividend or what a delisting left counts without a close.
    event = (bars.column("dividend") > 0) | ((bars.column("split") != 1) & ~np.isnan(bars.column("split")))
    event |= ~np.isnan(bars.column("delist_return"))
    return Flags(np.isnan(bars.column("close")) & ~event)


def daily_or_weekly(market: Market, _: Mapping[int, Flags]) -> str:
    """What to do with bars that are not daily."""
    if market.several_a_day:
        return "several bars of a day: give one, such as the last close with the day's high, low and volume"
    if market.spacing >= _MONTH:
        return "bars of a month or longer: only daily and weekly bars are supported; give one of these"
    return "say `bars: weekly` in the file of --quality, or give daily bars"


def off_calendar(bars: SortedBars) -> Flags:
    """Rows on days when the exchange was closed."""
    if bars.settings.bars == "weekly":
        return Flags(np.zeros(len(bars), dtype=np.bool_))
    return Flags(bars.each(bars.market.closed))


def gaps(bars: SortedBars) -> Flags:
    """The first rows after trading days, or weeks, that are missing."""
    if bars.settings.bars == "weekly":
        weeks = np.zeros(len(bars))
        weeks[1:] = np.where(bars.code[1:] == bars.code[:-1], np.round(bars.apart / 7) - 1, 0)
        return Flags(weeks > 0, weeks)
    place, code = bars.each(np.searchsorted(bars.market.sessions, bars.market.days[0])), bars.code
    missing = np.zeros(len(bars))
    missing[1:] = np.where(code[1:] == code[:-1], np.diff(place) - 1, 0)
    return Flags(missing > 0, missing)


def thin(bars: SortedBars) -> Flags:
    """All rows of trading days that hold far fewer rows than the month around them."""
    if bars.settings.bars == "weekly":
        return Flags(np.zeros(len(bars), dtype=np.bool_))
    (days, count_of), sessions = bars.market.days, bars.market.sessions
    place = np.searchsorted(sessions, days)
    inside = place < len(sessions)
    count = np.bincount(place[inside], weights=count_of[inside], minlength=len(sessions))
    usual = pd.Series(count).rolling(21, center=True, min_periods=5).median().fillna(np.median(count)).to_numpy()
    share = np.where(usual > 0, count / np.maximum(usual, 1), 1.0)
    few, value = np.zeros(len(days), dtype=np.bool_), np.full(len(days), np.nan)
    few[inside] = share[place[inside]] < bars.settings.thin_share
    value[inside] = count[place[inside]]
    return Flags(bars.each(few), bars.each(value), by_day=True)
