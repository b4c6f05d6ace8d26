"""The regimes of 5-minute, hourly, daily and weekly bars side by side, none known before its bar has closed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.data.synthetic import IntradayBars
from quantray.errors import InputError
from quantray.regimes.bars import (
    TIMEFRAMES,
    MarketBars,
    Timeframe,
    bar_observations,
    daily_bars,
    intraday_bars,
    resampled,
)
from quantray.regimes.classifier import ClassifierSettings, classifier_regimes
from quantray.regimes.clustering import ClusteringSettings, cluster_regimes
from quantray.regimes.ensemble import agreements, combine
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.observations import Observations, smoothed
from quantray.regimes.path import UNKNOWN, RegimePath, minimum_dwell
from quantray.regimes.schedule import RefitSchedule

__all__ = [
    "SCHEDULES",
    "TimeframeSettings",
    "Timeframes",
    "on_finer",
    "regimes_of",
    "timeframe_bars",
    "timeframe_regimes",
]

Method = Literal["hmm", "clustering", "classifier", "ensemble"]

SCHEDULES: Mapping[Timeframe, RefitSchedule] = {
    "5min": RefitSchedule(first=78 * 10, every=78 * 20, window=78 * 60),
    "1hour": RefitSchedule(first=7 * 60, every=7 * 21, window=7 * 504),
    "1day": RefitSchedule(first=504, every=126),
    "1week": RefitSchedule(first=156, every=26),
}
"""Two weeks of 5-minute bars, three months of hours, two years of days and three of weeks before the first fit."""


@dataclass(frozen=True, kw_only=True)
class TimeframeSettings:
    """One method on all timeframes.

    Parameters
    ----------
    method : hmm, clustering (a Gaussian mixture), classifier, or their ensemble in equal parts.
    states : 2 to 4, named by volatility relative to the timeframe's own past.
    schedules : timeframe -> when to fit, in bars.
    horizon : bars ahead that the classifier predicts.
    dwell_bars : bars running that a new regime must be seen for.
    seed : of all fits.

    Raises
    ------
    InputError
        An unknown method or a value out of range.
    """

    method: Method = "hmm"
    states: int = 3
    schedules: Mapping[Timeframe, RefitSchedule] = field(default_factory=lambda: SCHEDULES)
    horizon: int = 12
    dwell_bars: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("hmm", "clustering", "classifier", "ensemble"):
            raise InputError(f"method {self.method!r} is not one of hmm, clustering, classifier, ensemble.")
        if self.states not in (2, 3, 4) or self.horizon < 1 or self.dwell_bars < 1 or self.seed < 0:
            raise InputError(
                f"states {self.states} must be 2, 3 or 4, horizon {self.horizon} and dwell_bars {self.dwell_bars} 1 or "
                f"more, and seed {self.seed} not negative."
            )


@dataclass(frozen=True, eq=False)
class Timeframes:
    """The regimes of several timeframes, from the finest to the coarsest."""

    paths: Mapping[Timeframe, RegimePath]
    """On their own bars, stamped with their closing times."""
    aligned: Mapping[Timeframe, RegimePath]
    """On the bars of the finest timeframe."""
    agreement: Float
    """(K, K) share of the finest bars on which two timeframes name the same regime; NaN without common ones."""

    def at(self, moment: object) -> dict[Timeframe, str]:
        """The regime of each timeframe known at a time on the exchange's clock, ``unknown`` before there is one."""
        time = np.datetime64(str(moment))
        return {
            name: path.at(moment) if len(path.dates) and path.dates[0] <= time else UNKNOWN
            for name, path in self.paths.items()
        }


def timeframe_bars(
    intraday: IntradayBars | None, panel: Panel | None, *, exchange: str = "XNYS"
) -> dict[Timeframe, MarketBars]:
    """The bars of every timeframe: 5 minutes and hours from intraday data, days and weeks from the longer panel.

    Parameters
    ----------
    intraday : bars of 5 minutes or less; None for days and weeks only.
    panel : daily bars; None to make days and weeks of the intraday bars.

    Raises
    ------
    InputError
        Neither is given, or the intraday bars are longer than 5 minutes.
    DataError
        A bar on a day on which the exchange was closed.
    """
    if intraday is None and panel is None:
        raise InputError("no bars: give intraday bars, a daily panel, or both.")
    out: dict[Timeframe, MarketBars] = {}
    if intraday is not None:
        fine = intraday_bars(intraday, exchange=exchange)
        out["5min"] = resampled(fine, "5min", exchange=exchange)
        out["1hour"] = resampled(fine, "1hour", exchange=exchange)
    days = daily_bars(panel, exchange=exchange) if panel is not None else None
    out["1day"] = days if days is not None else resampled(out["5min"], "1day", exchange=exchange)
    out["1week"] = resampled(out["1day"], "1week", exchange=exchange)
    return out


def timeframe_regimes(bars: Mapping[Timeframe, MarketBars], settings: TimeframeSettings | None = None) -> Timeframes:
    """The same method on the bars of every timeframe, brought together on those of the finest.

    Raises
    ------
    InputError
        No bars, or a timeframe that is unknown or has no schedule.
    DataError
        The bars of a timeframe have no returns, or do not vary.
    """
    settings = settings or TimeframeSettings()
    unknown = sorted(set(bars) - set(TIMEFRAMES))
    if not bars or unknown:
        raise InputError(f"timeframes {unknown or 'none'} must be some of {', '.join(TIMEFRAMES)}.")
    order = [name for name in TIMEFRAMES if name in bars]
    missing = [name for name in order if name not in settings.schedules]
    if missing:
        raise InputError(f"there is no schedule for {', '.join(missing)}; give one to each timeframe.")
    paths = {name: regimes_of(bar_observations(bars[name]), settings, settings.schedules[name]) for name in order}
    closes = paths[order[0]].dates
    aligned = {name: on_finer(path, closes) for name, path in paths.items()}
    return Timeframes(paths, aligned, agreements(aligned.values()))


def regimes_of(observations: Observations, settings: TimeframeSettings, schedule: RefitSchedule) -> RegimePath:
    """One method on one timeframe: the hidden Markov model on the bars, the others on their trailing means."""
    methods = ("hmm", "clustering", "classifier") if settings.method == "ensemble" else (settings.method,)
    states, seed = settings.states, settings.seed
    paths = {}
    for method in methods:
        if method == "hmm":
            paths[method] = hmm_regimes(observations, HmmSettings(states=(states,), schedule=schedule, seed=seed)).path
        elif method == "clustering":
            clusters = ClusteringSettings(states=states, schedule=schedule, seed=seed)
            paths[method] = cluster_regimes(smoothed(observations), clusters).path
        else:
            ahead = ClassifierSettings(states=states, schedule=schedule, horizon=settings.horizon, seed=seed)
            paths[method] = classifier_regimes(smoothed(observations), ahead).path
    return minimum_dwell(combine(paths), settings.dwell_bars)


def on_finer(path: RegimePath, closes: Dates) -> RegimePath:
    """A coarser path on finer bars: each takes the last coarse bar that has closed when it closes itself.

    Parameters
    ----------
    path : stamped with the closing times of its bars.
    closes : (T,) increasing closing times of the finer bars.
    """
    at = np.searchsorted(path.dates, closes, side="right") - 1
    seen = at >= 0
    if len(path.dates) == 0:
        labels, chances = np.full(len(closes), -1), np.full((len(closes), len(path.names)), np.nan)
    else:
        labels = np.where(seen, path.labels[np.maximum(at, 0)], -1)
        chances = np.where(seen[:, None], path.probabilities[np.maximum(at, 0)], np.nan)
    return RegimePath(closes, path.names, labels, chances)
