"""When the market is open, cut into slices: half-days are shorter, and auctions stand at the ends."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Dates, Float
from quantray.data.calendar import DEFAULT_EXCHANGE, is_trading_day, session_hours, time_zone
from quantray.errors import InputError

__all__ = ["Session", "in_utc", "session"]

_MINUTES = 390
"""Of a usual session in New York, which counts as one day in volatility and volume."""


@dataclass(frozen=True, eq=False)
class Session:
    """The (B,) slices of a part of a day, in order."""

    times: Dates
    """(B,) datetime64[m] at which each begins, on the exchange's clock; auctions at their moment."""
    minutes: Float
    """(B,) that each lasts; zero for an auction."""
    opens: Bool
    """(B,) the opening auction."""
    closes: Bool
    """(B,) the closing auction."""
    place: Float
    """(B + 1,) edges of the slices as shares of the whole session."""
    length: float
    """Minutes of the whole session, as a share of a usual day."""

    @property
    def days(self) -> float:
        """Length of the part, in usual days."""
        return float(self.minutes.sum()) / _MINUTES

    @property
    def continuous(self) -> Bool:
        """(B,) slices that are no auction."""
        return np.asarray(~(self.opens | self.closes))


def session(
    date: object,
    slices: int = 8,
    *,
    start: str | None = None,
    end: str | None = None,
    opening: bool = False,
    closing: bool = False,
    exchange: str = DEFAULT_EXCHANGE,
) -> Session:
    """Equal slices of a day's session, by the exchange's own calendar.

    Parameters
    ----------
    date : a trading day.
    slices : of continuous trading, 1 or more.
    start, end : ``HH:MM`` on the exchange's clock, within the session; by default all of it.
    opening, closing : whether to trade in the auctions, too, as a first and a last slice of no length.

    Raises
    ------
    InputError
        The exchange is closed that day, or the part is empty or outside the session.
    """
    if slices < 1:
        raise InputError(f"{slices} slices are none; give 1 or more.")
    day = np.asarray([date], dtype="datetime64[D]")
    if not is_trading_day(day, exchange=exchange)[0]:
        raise InputError(f"{exchange} is closed on {day[0]}; choose a trading day.")
    opens, closes = (times[0] for times in session_hours(day, exchange=exchange))
    first = opens if start is None else _at(day[0], start)
    last = closes if end is None else _at(day[0], end)
    if not opens <= first < last <= closes:
        raise InputError(
            f"{str(first)[11:]} to {str(last)[11:]} is not within the session of {day[0]}, {str(opens)[11:]} to "
            f"{str(closes)[11:]}; begin later or end earlier."
        )
    if (opening and first != opens) or (closing and last != closes):
        raise InputError("an auction needs the part of the session that it begins or ends; leave out start or end.")
    span, whole = float((last - first).astype(int)), float((closes - opens).astype(int))
    edges = np.linspace(0.0, span, slices + 1)
    begins = float((first - opens).astype(int)) + edges
    heads, tails = [True] * opening, [True] * closing
    inner = [False] * slices
    opened = np.array([*heads, *inner, *(not tail for tail in tails)])
    closed = np.array([*(not head for head in heads), *inner, *tails])
    offsets = np.concatenate([begins[:1][: len(heads)], begins[:-1], begins[-1:][: len(tails)]])
    minutes = np.concatenate([np.zeros(len(heads)), np.diff(edges), np.zeros(len(tails))])
    times = opens + np.floor(offsets).astype("timedelta64[m]")
    place = np.concatenate([begins[:1][: len(heads)], begins, begins[-1:][: len(tails)]]) / whole
    return Session(times, minutes, opened, closed, place, whole / _MINUTES)


def in_utc(times: Dates, exchange: str = DEFAULT_EXCHANGE) -> Dates:
    """Times on an exchange's clock as datetime64[s] in UTC."""
    local = pd.DatetimeIndex(times.astype("datetime64[s]")).tz_localize(time_zone(exchange))
    return np.asarray(local.tz_convert("UTC").tz_localize(None).to_numpy(), dtype="datetime64[s]")


def _at(day: np.datetime64, clock: str) -> np.datetime64:
    try:
        return np.datetime64(f"{day}T{clock}", "m")
    except ValueError:
        raise InputError(f"{clock!r} is no time of the day; write HH:MM.") from None
