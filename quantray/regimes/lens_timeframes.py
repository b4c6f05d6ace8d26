"""The five lenses on 5-minute, hourly, daily and weekly bars side by side, none known before its bar has closed.

Bars within the day ask what regime the day is of, given the days before it: years of days know how bad a bad day is, of
which weeks of bars may never have seen one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.regimes.bars import ROWS_A_DAY, TIMEFRAMES, MarketBars, Timeframe
from quantray.regimes.ensemble import agreements
from quantray.regimes.indicators import Lenses, LensFilters, lenses_within_days
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.path import RegimePath
from quantray.regimes.timeframes import on_finer

__all__ = ["LENS_SETTINGS", "TimeframeLenses", "timeframe_lenses"]

LENS_SETTINGS: Mapping[Timeframe, LensSettings] = {
    "5min": LensSettings(warmup=78 * 10, every=78 * 20, memory=78 * 252),
    "1hour": LensSettings(warmup=7 * 21, every=7 * 21, memory=7 * 504),
    "1day": LensSettings(),
    "1week": LensSettings(warmup=104, every=26, memory=520),
}
"""A year of days and two of weeks before the first fit; two weeks of known 5-minute bars and a month of hours before
these count beside the days before them. Of a time of day five sessions must be known."""


@dataclass(frozen=True, eq=False)
class TimeframeLenses:
    """The lenses of several timeframes, from the finest to the coarsest."""

    lenses: Mapping[Timeframe, Lenses]
    """On their own bars, stamped with their closing times."""

    def aligned(self, lens: str) -> dict[Timeframe, RegimePath]:
        """One lens of every timeframe on the bars of the finest.

        Parameters
        ----------
        lens : market, volatility, liquidity, correlation or sector.
        """
        paths: dict[Timeframe, RegimePath] = {name: getattr(own, lens).path for name, own in self.lenses.items()}
        closes = next(iter(paths.values())).dates
        return {name: on_finer(path, closes) for name, path in paths.items()}

    def agreement(self, lens: str) -> Float:
        """(K, K) share of the finest bars on which two timeframes name the same regime; NaN without common ones."""
        return agreements(self.aligned(lens).values())


def timeframe_lenses(
    bars: Mapping[Timeframe, MarketBars],
    sectors: Mapping[str, str] | None = None,
    settings: Mapping[Timeframe, LensSettings] = LENS_SETTINGS,
) -> TimeframeLenses:
    """The lenses on the bars of every timeframe.

    On days and weeks a lens is its filter; on shorter bars it starts every day from what the filter of days told at the
    last close, and learns from earlier bars how much they tell of their days, see ``lens_nowcast``.
    Spells and drifts of the settings are in days whatever the bars; ``warmup``, ``every`` and ``memory`` are in bars.
    The index is equal-weight, and without quotes liquidity is impact alone.

    Parameters
    ----------
    bars : as ``timeframes.timeframe_bars`` gives them.
    sectors : asset -> sector. Without them the sector lens is ``unknown`` throughout.

    Raises
    ------
    InputError
        No bars, none of a timeframe, bars within the day without those of days, or a timeframe that is unknown or has
        no settings.
    """
    unknown = sorted(set(bars) - set(TIMEFRAMES))
    if not bars or unknown:
        raise InputError(f"timeframes {unknown or 'none'} must be some of {', '.join(TIMEFRAMES)}.")
    order = [name for name in TIMEFRAMES if name in bars]
    if "1day" not in order and any(ROWS_A_DAY[name] > 1 for name in order):
        raise InputError("bars within the day need 1day beside them; timeframe_bars gives both.")
    if missing := [name for name in order if name not in settings]:
        raise InputError(f"there are no settings for {', '.join(missing)}; give some to each timeframe.")
    if empty := [name for name in order if not len(bars[name].closes)]:
        raise InputError(f"there are no bars of {', '.join(empty)}; leave them out, or give data in which one closes.")
    longer = {
        name: LensFilters(MarketMeasures.of_bars(bars[name], name, sectors), settings[name])
        for name in order
        if ROWS_A_DAY[name] <= 1
    }

    def lenses(name: Timeframe) -> Lenses:
        if name in longer:
            return longer[name].lenses()
        days = longer["1day"]
        within = MarketMeasures.of_bars(bars[name], name, sectors, days=days.seen)
        return lenses_within_days(within, settings[name], days)

    return TimeframeLenses({name: lenses(name) for name in order})
