"""What a path of regimes said at falls whose dates are known, and how often it gave an alarm between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from quantray.arrays import TRADING_DAYS, Bool, Dates
from quantray.errors import InputError
from quantray.regimes.path import RegimePath

__all__ = ["KNOWN_EPISODES", "Detection", "Episode", "FalseAlarms", "alarms", "detection", "false_alarms"]

_ALARMS = ("bear", "neutral", "high", "extreme", "stressed", "crisis", "concentrated")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A fall of the market, from the close of its peak to that of its trough.

    Raises
    ------
    InputError
        The trough is not after the peak.
    """

    name: str
    peak: date
    trough: date

    def __post_init__(self) -> None:
        if not self.peak < self.trough:
            raise InputError(f"episode {self.name}: the trough {self.trough} must be after the peak {self.peak}.")

    def rows(self, dates: Dates) -> slice:
        """Where its days lie among some increasing dates."""
        low = np.searchsorted(dates, np.datetime64(self.peak))
        return slice(int(low), int(np.searchsorted(dates, np.datetime64(self.trough), side="right")))


KNOWN_EPISODES = tuple(
    Episode(name=name, peak=date.fromisoformat(peak), trough=date.fromisoformat(trough))
    for name, peak, trough in (
        ("2000-02", "2000-03-24", "2002-10-09"),
        ("2008-09", "2007-10-09", "2009-03-09"),
        ("2011", "2011-07-22", "2011-10-03"),
        ("2015-16", "2015-08-10", "2016-02-11"),
        ("2018 Q4", "2018-10-03", "2018-12-24"),
        ("2020", "2020-02-19", "2020-03-23"),
        ("2022", "2022-01-03", "2022-10-12"),
        ("2025", "2025-02-19", "2025-04-08"),
    )
)
"""Falls of US stocks since 2000."""


@dataclass(frozen=True)
class Detection:
    """How a path saw an episode."""

    first: np.datetime64
    """The peak, or the first known day where that was later."""
    date: np.datetime64 | None
    """The first day with an alarm, the peak itself where it was on already; None where there was none."""
    days: int | None
    """Rows from ``first`` to it."""
    said: str
    """The regime then; without an alarm that at the trough."""
    held: float
    """Share of the rows from it to the trough with an alarm; 0 without one."""


@dataclass(frozen=True)
class FalseAlarms:
    """Alarms that began outside all episodes and the days after them."""

    a_year: float
    """NaN without such days."""
    share: float
    """Of those days on which an alarm was on."""


def alarms(path: RegimePath) -> Bool:
    """(T,) whether each row's regime is one to beware of.

    That is a market that is not bull, high or extreme volatility, stress, a crisis, or concentration.
    """
    return np.isin(path.named, _ALARMS)


def detection(path: RegimePath, episode: Episode) -> Detection | None:
    """How a path saw an episode; None where it knows nothing of it.

    Parameters
    ----------
    path : of days.
    """
    rows = np.arange(len(path.dates))[episode.rows(path.dates)]
    rows = rows[path.known[rows]]
    if len(rows) == 0:
        return None
    on = alarms(path)[rows]
    if not on.any():
        return Detection(path.dates[rows[0]], None, None, str(path.named[rows[-1]]), 0.0)
    at = int(on.argmax())
    return Detection(path.dates[rows[0]], path.dates[rows[at]], at, str(path.named[rows[at]]), float(on[at:].mean()))


def false_alarms(path: RegimePath, episodes: Sequence[Episode], *, after: int = 63) -> FalseAlarms:
    """Alarms where there was no episode.

    Parameters
    ----------
    after : rows after each trough that do not count either.
    """
    on, quiet = alarms(path), path.known.copy()
    for episode in episodes:
        rows = episode.rows(path.dates)
        if rows.stop > rows.start:
            quiet[rows.start : rows.stop + after] = False
    begun = on & ~np.append(False, on[:-1])
    days = int(quiet.sum())
    if days == 0:
        return FalseAlarms(np.nan, np.nan)
    return FalseAlarms(float((begun & quiet).sum()) * TRADING_DAYS / days, float(on[quiet].mean()))
