"""The class of the week, known at its start: bull, bear, choppy or wild."""

import numpy as np

from quantray.errors import InputError
from quantray.regimes.path import RegimePath

__all__ = ["WEEK", "week_classes"]

WEEK = ("bear", "choppy", "bull", "wild")
_WILD = ("high", "extreme")


def week_classes(market: RegimePath, volatility: RegimePath, *, wild: tuple[str, ...] = _WILD) -> RegimePath:
    """The class of each date's week, by the two lenses at the last close of an earlier week.

    A week is wild if volatility was; else it is bull or bear as the market was, and choppy if that was neutral.

    Parameters
    ----------
    market, volatility : of the same dates, as ``indicators.market_lens`` and ``volatility_lens`` give them.
    wild : regimes of volatility that make a week wild.

    Returns
    -------
    A path of the same dates, unknown until both lenses were known before a week began.

    Raises
    ------
    InputError
        The paths are of other dates or regimes.
    """
    if not np.array_equal(market.dates, volatility.dates) or set(market.names.tolist()) != {"bear", "neutral", "bull"}:
        raise InputError(
            f"market {market!r} and volatility {volatility!r} must be of the same dates, the first of bear, neutral "
            "and bull."
        )
    if lost := set(wild) - set(volatility.names.tolist()):
        raise InputError(f"{sorted(lost)[0]!r} is no regime of volatility; they are {', '.join(volatility.names)}.")
    named = {"bear": 0, "neutral": 1, "bull": 2}
    of_market = np.array([named[name] for name in market.names.tolist()])
    at_close = np.where(np.isin(volatility.named, wild), 3, of_market[market.labels])
    at_close = np.where(market.known & volatility.known, at_close, -1)
    # Day 0 of the epoch is a Thursday; three days later a Monday begins the count of weeks.
    week = (market.dates.astype("datetime64[D]").astype(np.int64) + 3) // 7
    before = np.searchsorted(week, week, side="left") - 1
    labels = np.where(before >= 0, at_close[np.maximum(before, 0)], -1)
    return RegimePath.certain(market.dates, WEEK, labels)
