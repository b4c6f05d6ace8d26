"""The five lenses on 5-minute, hourly, daily and weekly bars side by side, none known before its bar has closed."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.regimes.bars import TIMEFRAMES, MarketBars, Timeframe
from quantray.regimes.ensemble import agreements
from quantray.regimes.indicators import Lenses, lenses_of
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.path import RegimePath
from quantray.regimes.timeframes import on_finer

__all__ = ["LENS_SETTINGS", "TimeframeLenses", "timeframe_lenses"]

LENS_SETTINGS: Mapping[Timeframe, LensSettings] = {
    "5min": LensSettings(warmup=78 * 10, every=78 * 20, memory=78 * 60),
    "1hour": LensSettings(warmup=7 * 60, every=7 * 21, memory=7 * 504),
    "1day": LensSettings(),
    "1week": LensSettings(warmup=104, every=26, memory=520),
}
"""Two weeks of 5-minute bars, three months of hours, a year of days and two of weeks before the first fit."""


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

    Spells and drifts of the settings are in days whatever the bars; ``warmup``, ``every`` and ``memory`` are in bars.
    The index is equal-weight, and without quotes liquidity is impact alone.

    Parameters
    ----------
    bars : as ``timeframes.timeframe_bars`` gives them.
    sectors : asset -> sector. Without them the sector lens is ``unknown`` throughout.

    Raises
    ------
    InputError
        No bars, or a timeframe that is unknown or has no settings.
    """
    unknown = sorted(set(bars) - set(TIMEFRAMES))
    if not bars or unknown:
        raise InputError(f"timeframes {unknown or 'none'} must be some of {', '.join(TIMEFRAMES)}.")
    order = [name for name in TIMEFRAMES if name in bars]
    if missing := [name for name in order if name not in settings]:
        raise InputError(f"there are no settings for {', '.join(missing)}; give some to each timeframe.")
    return TimeframeLenses(
        {name: lenses_of(MarketMeasures.of_bars(bars[name], name, sectors), settings[name]) for name in order}
    )
