"""Five lenses on the market, each a small filter of what it sees: probabilities, and labels by what mistakes cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.lens_filter import Filtered, filtered_states
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_nowcast import DayStates, nowcast
from quantray.regimes.lens_settings import LENS_NAMES, MARKET, SECTOR, LensSettings
from quantray.regimes.lens_views import VIEWS, View, leading_sectors
from quantray.regimes.path import RegimePath, by_costs
from quantray.regimes.schedule import Schedule, spread_out
from quantray.regimes.trend import trend_labels

__all__ = [
    "Lens",
    "LensFilters",
    "Lenses",
    "correlation_lens",
    "five_lenses",
    "lens_of",
    "lenses_of",
    "lenses_within_days",
    "liquidity_lens",
    "market_lens",
    "sector_lens",
    "volatility_lens",
]


@dataclass(frozen=True, eq=False)
class Lens:
    """One view: its path and the series behind it."""

    path: RegimePath
    indicators: Mapping[str, Float]
    """Name -> (T,); NaN where unknown."""


@dataclass(frozen=True, eq=False)
class Lenses:
    """All five views of one market, over the same dates."""

    market: Lens
    volatility: Lens
    liquidity: Lens
    correlation: Lens
    sector: Lens
    leaders: Names
    """(T, k) sectors of the highest trailing returns, best first; empty text where unknown."""

    @property
    def paths(self) -> dict[str, RegimePath]:
        """Lens -> its path."""
        return {name: getattr(self, name).path for name in _LENSES}

    @property
    def labels(self) -> dict[str, Names]:
        """Lens -> (T,) names of its regimes, ``unknown`` before there is one."""
        return {name: path.named for name, path in self.paths.items()}

    def fingerprint(self, date: object) -> tuple[str, str, str, str, str]:
        """The five labels known on a date, such as ``("bull", "high", "normal", "crisis", "broad")``.

        Raises
        ------
        DataError
            The date is before the first one.
        """
        row = self.market.path.row(date)
        market, volatility, liquidity, correlation, sector = (str(self.labels[name][row]) for name in _LENSES)
        return market, volatility, liquidity, correlation, sector


_LENSES = tuple(f.name for f in fields(Lenses) if f.name != "leaders")
_DEFAULT = LensSettings()


def five_lenses(panel: Panel, sectors: Mapping[str, str] | None = None, *, settings: LensSettings = _DEFAULT) -> Lenses:
    """The market through all five lenses.

    Parameters
    ----------
    panel : with close and volume; high and low, and half_spread_bps, sharpen what is seen.
    sectors : asset -> sector. Without them the sector lens is ``unknown`` throughout.

    Raises
    ------
    InputError
        Fewer than two sectors have an asset in the panel.
    DataError
        A field is missing.
    """
    return lenses_of(MarketMeasures.of_panel(panel, sectors, weighting=settings.weighting), settings)


def lenses_of(seen: MarketMeasures, settings: LensSettings = _DEFAULT) -> Lenses:
    """All five lenses on days or longer bars; raises as ``five_lenses``."""
    return LensFilters(seen, settings).lenses()


@dataclass(frozen=True, eq=False)
class LensFilters:
    """The filters of the lenses on days or longer bars, each of which runs once."""

    seen: MarketMeasures
    settings: LensSettings
    _found: dict[str, tuple[View, Filtered]] = field(default_factory=dict, init=False, repr=False)

    def of(self, name: str) -> tuple[View, Filtered]:
        """What a lens looks at, and what its filter tells of all rows; market by drift."""
        if name not in self._found:
            view = VIEWS[name](self.seen, self.settings)
            self._found[name] = view, _filtered(view, self.settings.schedule)
        return self._found[name]

    def lenses(self) -> Lenses:
        """All five; raises as ``five_lenses``."""

        def lens(name: str) -> Lens:
            if name == "market" and self.settings.market_by == "trend":
                return _by_trend(self.seen, self.settings)
            view, found = self.of(name)
            return _labelled(self.seen, self.settings, view, found.chances)

        return _all_of(self.seen, self.settings, lens)


def lenses_within_days(seen: MarketMeasures, settings: LensSettings, days: LensFilters) -> Lenses:
    """All five lenses on the bars of days that are under way; see ``lens_nowcast.nowcast``.

    The rule ``market_by: trend`` looks at the bars alone.

    Parameters
    ----------
    seen, settings : of bars shorter than a day.
    days : of whole days, which may begin long before.
    """

    def within(name: str) -> Lens:
        if name == "market" and settings.market_by == "trend":
            return _by_trend(seen, settings)
        view = VIEWS[name](seen, settings)
        whole, told = days.of(name)
        closed = np.isfinite(whole.values).all(axis=1)
        states = DayStates(days.seen.sessions, told, np.asarray(closed), whole.prior.transition)
        return _labelled(
            seen, settings, view, nowcast(view.values, seen.sessions, states, view.prior, settings.schedule)
        )

    return _all_of(seen, settings, within)


def lens_of(
    name: str, seen: MarketMeasures, settings: LensSettings = _DEFAULT, schedule: Schedule | None = None
) -> Lens:
    """One lens on days or bars.

    Parameters
    ----------
    name : market, volatility, liquidity, correlation or sector; or trend, the market lens by ``market_by: trend``.
    schedule : when to fit; by default as the settings say.

    Raises
    ------
    InputError
        There is no lens of that name; or as ``sector_lens``.
    DataError
        A field is missing.
    """
    if name not in LENS_NAMES:
        raise InputError(f"lens {name!r} is not one of {', '.join(LENS_NAMES)}.")
    if name == "trend" or (name == "market" and settings.market_by == "trend"):
        return _by_trend(seen, settings)
    view = VIEWS[name](seen, settings)
    return _labelled(seen, settings, view, _filtered(view, schedule or settings.schedule).chances)


def market_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Bull, bear or neutral: states of the index's returns, each called by the drift that it has shown.

    Four states differ in volatility and drift. Drifts are seen slowly, so each state is bear, neutral or bull with the
    probability that its Sharpe ratio lies below, between or above two levels, given its returns and the prior.
    """
    return lens_of("market", MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def volatility_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Low, medium, high or extreme: four levels of the members' median range."""
    return lens_of("volatility", MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def liquidity_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or stressed: the upper two of four levels of impact, and of quoted spreads where there are any."""
    return lens_of("liquidity", MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def correlation_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or crisis: whether assets move together more than usual in the present state of their dispersion.

    One day's correlation is hardly seen, the dispersion of returns well. So states are told by both: each of two wide
    ones is there twice, as one in which assets go their own ways and as a crisis, in which the index moves by
    ``crisis_multiple`` as much against the dispersion of its members.
    """
    return lens_of("correlation", MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def sector_lens(panel: Panel, sectors: Mapping[str, str], *, settings: LensSettings = _DEFAULT) -> tuple[Lens, Names]:
    """Broad or concentrated: levels of the dispersion of sectors' returns; and (T, k) the leading sectors.

    The indicator ``persistence`` is the correlation of the sectors' ranks with those of a quarter before: low
    while leaders rotate.

    Raises
    ------
    InputError
        Fewer than two sectors have an asset in the panel.
    """
    seen = MarketMeasures.of_panel(panel, sectors, weighting=settings.weighting)
    return lens_of("sector", seen, settings), leading_sectors(seen, settings.leaders)


def _all_of(seen: MarketMeasures, settings: LensSettings, lens: Callable[[str], Lens]) -> Lenses:
    if seen.sectors:
        rotation, leaders = lens("sector"), leading_sectors(seen, settings.leaders)
    else:
        nothing = np.full((len(seen.times), len(SECTOR)), np.nan)
        rotation = Lens(RegimePath.likeliest(seen.times, SECTOR, nothing), {})
        leaders = np.full((len(seen.times), settings.leaders), "")
    return Lenses(lens("market"), lens("volatility"), lens("liquidity"), lens("correlation"), rotation, leaders)


def _by_trend(seen: MarketMeasures, settings: LensSettings) -> Lens:
    index, rule = seen.level, settings
    labels = trend_labels(
        index,
        days=rule.trend_days,
        band=rule.trend_band,
        bear_drawdown=rule.bear_drawdown,
        rows_a_day=seen.rows_a_day,
    )
    return Lens(RegimePath.certain(seen.times, MARKET, labels), {"index": index})


def _labelled(seen: MarketMeasures, settings: LensSettings, view: View, chances: Float) -> Lens:
    path = by_costs(seen.times, view.names, chances, settings.costs(view.names), settings.hysteresis)
    return Lens(path, view.shown)


def _filtered(view: View, schedule: Schedule) -> Filtered:
    """Of all rows."""
    values = view.values
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    found = filtered_states(values[rows], view.prior, schedule, view.called)
    known: Bool = np.asarray(~np.isnan(found.chances).any(axis=1))
    return Filtered(*(_spread(part, known, rows, len(values)) for part in (found.chances, found.states, found.classes)))


def _spread(part: Float, known: Bool, rows: Int, count: int) -> Float:
    if not known.any():
        return np.full((count, *part.shape[1:]), np.nan)
    return spread_out(part[known], rows[known], count)
