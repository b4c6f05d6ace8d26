"""Bars of any length within the sessions of an exchange, and what they tell of the market."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int, Names, frozen
from quantray.data.calendar import last_sessions_of_weeks, session_hours
from quantray.data.panel import Panel
from quantray.data.synthetic import IntradayBars
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns
from quantray.regimes.market import day_dispersion, median_range
from quantray.regimes.observations import Observations, log_or_nan, refuse_without_dispersion

__all__ = [
    "ROWS_A_DAY",
    "TIMEFRAMES",
    "MarketBars",
    "Timeframe",
    "bar_observations",
    "daily_bars",
    "intraday_bars",
    "resampled",
    "usual_course",
]

Timeframe = Literal["5min", "1hour", "1day", "1week"]
TIMEFRAMES: tuple[Timeframe, ...] = ("5min", "1hour", "1day", "1week")
ROWS_A_DAY: Mapping[Timeframe, float] = {"5min": 78, "1hour": 7, "1day": 1, "1week": 0.2}
"""Bars in a usual session."""

_MINUTES: dict[str, int] = {"5min": 5, "1hour": 60, "1day": 1440, "1week": 10080}
_KNOWN_SESSIONS = 5
"""Earlier sessions that the usual course of a day is taken from, at least."""
_FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, eq=False)
class MarketBars:
    """T bars of N assets in time order; fields are (T, N), NaN where an asset did not trade.

    Times are ``datetime64[m]`` on the exchange's clock. A bar is known from its closing time on.

    Raises
    ------
    InputError
        Shapes disagree, or the bars overlap or are not in order.
    """

    opens: Dates
    """(T,) when each bar begins."""
    closes: Dates
    """(T,) when each bar is complete."""
    assets: Names
    open: Float
    high: Float
    low: Float
    close: Float
    volume: Float

    def __post_init__(self) -> None:
        opens, closes = (np.asarray(times).astype("datetime64[m]") for times in (self.opens, self.closes))
        if opens.shape != closes.shape or not (opens < closes).all() or not (opens[1:] >= closes[:-1]).all():
            raise InputError("bars must be in order, each closing after it opens and before the next one opens.")
        for name in _FIELDS:
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != (len(closes), len(self.assets)):
                raise InputError(f"{name} is {values.shape} for {len(closes)} bars of {len(self.assets)} assets.")
            object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "opens", frozen(opens))
        object.__setattr__(self, "closes", frozen(closes))

    @property
    def sessions(self) -> Dates:
        """(T,) the day in which each bar ends: one that closes at midnight ends the day before."""
        return (self.closes - np.timedelta64(1, "m")).astype("datetime64[D]")


def intraday_bars(bars: IntradayBars, *, exchange: str = "XNYS") -> MarketBars:
    """Bars of equal length, one after the other; those outside the hours of the exchange are left out.

    On days that close early nothing counts after the close.

    Raises
    ------
    InputError
        Fewer than two bars a day, of which the length could be told.
    DataError
        A day on which the exchange was closed.
    """
    if bars.times.shape[1] < 2:
        raise InputError("a day has one bar; make daily bars of a panel with daily_bars.")
    times = bars.times.astype("datetime64[m]")
    opens, closes = times.ravel(), (times + (times[0, 1] - times[0, 0])).ravel()
    begin, end = session_hours(opens.astype("datetime64[D]"), exchange=exchange)
    inside = (opens >= begin) & (closes <= end)
    values = {name: getattr(bars, name).reshape(len(opens), -1)[inside] for name in _FIELDS}
    return MarketBars(opens[inside], closes[inside], bars.assets, **values)


def daily_bars(panel: Panel, *, exchange: str = "XNYS") -> MarketBars:
    """One bar a session; an asset counts while it is a member.

    Raises
    ------
    DataError
        A date on which the exchange was closed, or a missing field.
    """
    begin, end = session_hours(panel.dates, exchange=exchange)
    values = {name: np.where(panel.member, panel.field(name), np.nan) for name in _FIELDS}
    return MarketBars(begin, end, panel.assets, **values)


def resampled(bars: MarketBars, timeframe: Timeframe, *, exchange: str = "XNYS") -> MarketBars:
    """Longer bars: hours counted from the session's open, whole sessions, or weeks of sessions.

    No bar reaches across the night, so the last hour of a day may be short; a week closes with its last session of
    the calendar, which is known in advance. A bar that has not closed yet is left out.

    Raises
    ------
    InputError
        Another timeframe, or bars longer than it.
    DataError
        A bar on a day on which the exchange was closed.
    """
    if timeframe not in TIMEFRAMES:
        raise InputError(f"timeframe {timeframe!r} is not one of {', '.join(TIMEFRAMES)}.")
    ends = _bucket_ends(bars, timeframe, exchange)
    most = np.timedelta64(_MINUTES[timeframe], "m")
    if (bars.closes - bars.opens > most).any():
        row = int(np.argmax(bars.closes - bars.opens > most))
        raise InputError(f"the bar that closes at {bars.closes[row]} is longer than {timeframe}; use finer bars.")
    if len(ends) == 0:
        return bars
    starts = np.flatnonzero(np.append(True, ends[1:] != ends[:-1]))
    if bars.closes[-1] < ends[-1]:
        starts, kept = starts[:-1], int(starts[-1])
    else:
        kept = len(ends)
    if len(starts) == 0:
        nothing = {name: getattr(bars, name)[:0] for name in _FIELDS}
        return MarketBars(bars.opens[:0], bars.closes[:0], bars.assets, **nothing)
    rows = np.arange(kept)[:, None]
    known = ~np.isnan(bars.close[:kept])
    first = np.minimum.reduceat(np.where(known, rows, kept), starts, axis=0)
    last = np.maximum.reduceat(np.where(known, rows, -1), starts, axis=0)
    traded: Bool = last >= 0
    values = {
        "open": np.take_along_axis(bars.open, np.minimum(first, kept - 1), axis=0),
        "high": np.fmax.reduceat(bars.high[:kept], starts, axis=0),
        "low": np.fmin.reduceat(bars.low[:kept], starts, axis=0),
        "close": np.take_along_axis(bars.close, np.maximum(last, 0), axis=0),
        "volume": np.add.reduceat(np.nan_to_num(bars.volume[:kept]), starts, axis=0),
    }
    values = {name: np.where(traded, value, np.nan) for name, value in values.items()}
    return MarketBars(bars.opens[starts], ends[starts], bars.assets, **values)


def bar_observations(bars: MarketBars) -> Observations:
    """Return of the equal-weight index, log volatility and log dispersion of each bar, known at its close.

    Trading is wilder at the open and the close of every day. So within the day volatility and dispersion are taken
    relative to what was usual at that time of day in earlier sessions, and returns are scaled likewise; the first
    bar's return also holds the night's. Rows are unknown until five earlier sessions had such a bar.

    Raises
    ------
    DataError
        No bar has a return, or none has two.
    """
    returns_tn = simple_returns(bars.close)
    known = ~np.isnan(returns_tn)
    count = known.sum(axis=1)
    if not count.any():
        raise DataError("no bar has a return; two neighbouring closes of an asset are needed.")
    total = np.nan_to_num(returns_tn).sum(axis=1)
    returns = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    volatility = log_or_nan(median_range(bars.high, bars.low, known))
    dispersion = log_or_nan(day_dispersion(returns_tn))
    refuse_without_dispersion(dispersion)
    scaled = returns / np.exp(usual_course(log_or_nan(np.abs(returns)), bars))
    volatility, dispersion = (values - usual_course(values, bars) for values in (volatility, dispersion))
    values = np.column_stack([scaled, volatility, dispersion])
    return Observations(bars.closes, ("return", "volatility", "dispersion"), values, returns)


def usual_course(values: Float, bars: MarketBars) -> Float:
    """(T,) how much each bar's time of day usually differs from the whole day, from earlier sessions only.

    NaN until five earlier sessions had such a bar; 0 for bars of a whole session or longer.

    Parameters
    ----------
    values : (T,) in logarithms; NaN where unknown.
    """
    session, slot = _slots(bars)
    return _usual(values, session, slot) if slot.max() > 0 else np.zeros(len(values))


def _slots(bars: MarketBars) -> tuple[Int, Int]:
    """(T,) number of each bar's session, and (T,) its place within the day by the clock."""
    _, session = np.unique(bars.sessions, return_inverse=True)
    # A day that closes early cuts a bar short; by the time it opens it stands where it always does. A week opens on
    # another day than it closes: its place is the only one.
    opened = (bars.opens - bars.opens.astype("datetime64[D]")).astype(np.int64)
    _, slot = np.unique(opened, return_inverse=True)
    return session, slot


def _usual(values: Float, session: Int, slot: Int) -> Float:
    """(T,) how much a time of day usually differs from the whole day, from earlier sessions only."""
    grid = np.full((int(session.max()) + 1, int(slot.max()) + 1), np.nan)
    grid[session, slot] = values
    known = ~np.isnan(grid)
    sums, counts = (np.cumsum(part, axis=0) for part in (np.nan_to_num(grid), known.astype(np.float64)))
    earlier = np.vstack([np.zeros((1, grid.shape[1])), sums[:-1]])
    seen = np.vstack([np.zeros((1, grid.shape[1])), counts[:-1]])
    own = np.divide(earlier, seen, out=np.full(grid.shape, np.nan), where=seen >= _KNOWN_SESSIONS)
    all_seen = seen.sum(axis=1, keepdims=True)
    whole = np.divide(
        earlier.sum(axis=1, keepdims=True), all_seen, out=np.full((len(grid), 1), np.nan), where=all_seen > 0
    )
    return np.asarray((own - whole)[session, slot])


def _bucket_ends(bars: MarketBars, timeframe: Timeframe, exchange: str) -> Dates:
    """(T,) the closing time of the longer bar that each bar belongs to."""
    begin, end = session_hours(bars.sessions, exchange=exchange)
    if timeframe in ("5min", "1hour"):
        length = np.timedelta64(_MINUTES[timeframe], "m")
        return np.minimum(begin + -(-(bars.closes - begin) // length) * length, end)
    if timeframe == "1day":
        return end
    last = last_sessions_of_weeks(bars.sessions, exchange=exchange)
    return session_hours(last, exchange=exchange)[1]
