"""Five lenses on the market, each a small filter of what it sees: probabilities, and labels by what mistakes cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr

from quantray.arrays import TRADING_DAYS, Bool, Float, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.lens_filter import ColumnPrior, Learnt, StatePrior, filtered_states
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import CORRELATION, LENS_NAMES, LIQUIDITY, MARKET, SECTOR, VOLATILITY, LensSettings
from quantray.regimes.market import realised_volatility
from quantray.regimes.path import RegimePath, by_costs
from quantray.regimes.schedule import Schedule, spread_out
from quantray.regimes.trend import trend_labels

__all__ = [
    "Lens",
    "Lenses",
    "correlation_lens",
    "five_lenses",
    "lens_of",
    "lenses_of",
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
_MONTH, _QUARTER = 21, 63
"""Rows of the indicators that are shown beside the lenses, which themselves need none."""
_MANY = 1e6
"""Rows of a prior that data do not move."""
_SHARES = np.array([0.35, 0.47, 0.08, 0.10])
"""Of the days in each state, before the data."""
_CRISIS_SHARES = np.array([0.35, 0.47, 0.03, 0.03, 0.06, 0.06])
"""The same where the two wide states are there without a crisis and with one."""
_FOUR = (0, 1, 2, 3)
_UPPER_TWO = np.eye(2)[[0, 0, 1, 1]]


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
    """All five lenses on days or bars; raises as ``five_lenses``."""
    if seen.sectors:
        rotation, leaders = _sector(seen, settings)
    else:
        nothing = np.full((len(seen.times), len(SECTOR)), np.nan)
        rotation = Lens(RegimePath.likeliest(seen.times, SECTOR, nothing), {})
        leaders = np.full((len(seen.times), settings.leaders), "")
    return Lenses(
        _market(seen, settings),
        _volatility(seen, settings),
        _liquidity(seen, settings),
        _correlation(seen, settings),
        rotation,
        leaders,
    )


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
    if name == "trend":
        return _market(seen, replace(settings, market_by="trend"))
    if name == "sector":
        return _sector(seen, settings, schedule)[0]
    views = {"market": _market, "volatility": _volatility, "liquidity": _liquidity, "correlation": _correlation}
    if name not in views:
        raise InputError(f"lens {name!r} is not one of {', '.join(LENS_NAMES)}.")
    return views[name](seen, settings, schedule)


def market_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Bull, bear or neutral: states of the index's returns, each called by the drift that it has shown.

    Four states differ in volatility and drift. Drifts are seen slowly, so each state is bear, neutral or bull with the
    probability that its Sharpe ratio lies below, between or above two levels, given its returns and the prior.
    """
    return _market(MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def volatility_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Low, medium, high or extreme: four levels of the members' median range."""
    return _volatility(MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def liquidity_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or stressed: the upper two of four levels of impact, and of quoted spreads where there are any."""
    return _liquidity(MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def correlation_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or crisis: whether assets move together more than usual in the present state of their dispersion.

    One day's correlation is hardly seen, the dispersion of returns well. So states are told by both: each of two wide
    ones is there twice, as one in which assets go their own ways and as a crisis, in which the index moves by
    ``crisis_multiple`` as much against the dispersion of its members.
    """
    return _correlation(MarketMeasures.of_panel(panel, weighting=settings.weighting), settings)


def sector_lens(panel: Panel, sectors: Mapping[str, str], *, settings: LensSettings = _DEFAULT) -> tuple[Lens, Names]:
    """Broad or concentrated: levels of the dispersion of sectors' returns; and (T, k) the leading sectors.

    The indicator ``persistence`` is the correlation of the sectors' ranks with those of a quarter before: low
    while leaders rotate.

    Raises
    ------
    InputError
        Fewer than two sectors have an asset in the panel.
    """
    return _sector(MarketMeasures.of_panel(panel, sectors, weighting=settings.weighting), settings)


def _market(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> Lens:
    return _by_drift(seen, settings, schedule) if settings.market_by == "drift" else _by_trend(seen, settings)


def _by_drift(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> Lens:
    year = TRADING_DAYS * seen.rows_a_day
    column = ColumnPrior(
        kind="widths",
        location=np.array(settings.market_drifts) / np.sqrt(year),
        width=np.array(settings.market_widths),
        tails=5.0,
        location_rows=settings.drift_days * seen.rows_a_day,
        width_rows=300.0,
    )

    def called(learnt: Learnt) -> Float:
        # The width of a Student-t of 5 degrees of freedom is 0.77 of its deviation.
        sharpe = learnt.location[:, 0] / learnt.width[:, 0] * np.sqrt(3 / 5 * year)
        error = np.sqrt(year / (learnt.rows + column.location_rows))
        below, above = (ndtr((cut - sharpe) / error) for cut in (settings.bear_sharpe, settings.bull_sharpe))
        return np.column_stack([below, above - below, 1 - above])

    prior = _prior(seen, settings, (column,))
    return _lens(seen, settings, schedule, MARKET, {"index": seen.level}, [seen.steps], prior, called)


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


def _volatility(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> Lens:
    realised = realised_volatility(seen.index, _MONTH, periods_per_year=round(TRADING_DAYS * seen.rows_a_day))
    shown = {"volatility": realised, "range": seen.log_volatility}
    prior = _prior(seen, settings, (_levels(settings.volatility_levels, 0.12),))
    return _lens(seen, settings, schedule, VOLATILITY, shown, [seen.log_volatility], prior, np.eye(4))


def _liquidity(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> Lens:
    columns, priors = [seen.log_impact], [_levels(settings.impact_levels, 0.12)]
    if seen.log_spread is not None:
        columns, priors = [*columns, seen.log_spread], [*priors, _levels(settings.spread_levels, 0.08)]
    shown = dict(zip(("impact", "spread"), columns, strict=False))
    prior = _prior(seen, settings, tuple(priors))
    return _lens(seen, settings, schedule, LIQUIDITY, shown, columns, prior, _UPPER_TWO)


def _correlation(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> Lens:
    four = np.array(settings.volatility_levels)
    apart = _levels((*four, *four[2:]), 0.12)
    pull = ColumnPrior(
        kind="widths",
        location=np.zeros(6),
        width=np.array([1.0, 1.0, 1.0, 1.0, settings.crisis_multiple, settings.crisis_multiple]),
        tails=6.0,
        location_rows=_MANY,
        width_rows=300.0,
    )
    prior = _prior(seen, settings, (apart, pull), (0, 1, 2, 3, 2, 3), _CRISIS_SHARES)
    shown = {"dispersion": seen.log_dispersion, "pull": seen.pull}
    columns = [seen.log_dispersion, seen.pull]
    return _lens(seen, settings, schedule, CORRELATION, shown, columns, prior, np.eye(2)[[0, 0, 0, 0, 1, 1]])


def _sector(seen: MarketMeasures, settings: LensSettings, schedule: Schedule | None = None) -> tuple[Lens, Names]:
    found, days = seen.by_sector, _QUARTER
    steps = pd.DataFrame(np.log1p(found.returns))
    trailing = steps.rolling(days, min_periods=int(np.ceil(0.8 * days))).sum().to_numpy()
    prior = _prior(seen, settings, (_levels(settings.sector_levels, 0.25),))
    shown = {"dispersion": seen.log_sector_dispersion, "persistence": _persistence(trailing, days)}
    lens = _lens(seen, settings, schedule, SECTOR, shown, [seen.log_sector_dispersion], prior, _UPPER_TWO)
    return lens, _leaders(found.names, trailing, settings.leaders)


def _lens(
    seen: MarketMeasures,
    settings: LensSettings,
    schedule: Schedule | None,
    names: tuple[str, ...],
    shown: Mapping[str, Float],
    columns: list[Float],
    prior: StatePrior,
    called: Float | Callable[[Learnt], Float],
) -> Lens:
    """Filter the rows where all columns are known, and label them; the others hold the last probabilities.

    Parameters
    ----------
    called : (K, R) class of each state, or what gives it from what was learnt.
    """
    values = np.column_stack(columns)
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    classes = called if callable(called) else lambda _: np.asarray(called)
    found = filtered_states(values[rows], prior, schedule or settings.schedule, classes)
    known = ~np.isnan(found).any(axis=1)
    chances = np.full((len(values), len(names)), np.nan)
    if known.any():
        chances = spread_out(found[known], rows[known], len(values))
    return Lens(by_costs(seen.times, names, chances, settings.costs(names), settings.hysteresis), shown)


def _prior(
    seen: MarketMeasures,
    settings: LensSettings,
    columns: tuple[ColumnPrior, ...],
    spells: tuple[int, ...] = _FOUR,
    share: Float = _SHARES,
) -> StatePrior:
    """Of states that last as those at ``spells`` of the settings' four do."""
    days = np.array(settings.spells)[list(spells)]
    stay = 1 - 1 / np.maximum(days * seen.rows_a_day, 1.5)
    return StatePrior(columns=columns, stay=stay, share=share, rows=250.0 * seen.rows_a_day)


def _levels(levels: tuple[float, ...], width: float) -> ColumnPrior:
    return ColumnPrior(
        kind="levels",
        location=np.log(levels),
        width=np.full(len(levels), width),
        tails=10.0,
        location_rows=30.0,
        width_rows=60.0,
    )


def _leaders(names: Names, trailing: Float, count: int) -> Names:
    """(T, count) the best sectors of each row; ties in alphabetical order."""
    order = np.argsort(-np.where(np.isnan(trailing), -np.inf, trailing), axis=1, kind="stable")[:, :count]
    known: Bool = ~np.isnan(np.take_along_axis(trailing, order, axis=1))
    found = np.where(known, names[order], "")
    empty = np.full((len(trailing), count - found.shape[1]), "")
    return np.hstack([found, empty])


def _persistence(trailing: Float, days: int) -> Float:
    """(T,) rank correlation of each row with the one ``days`` before; NaN unless all sectors are known in both."""
    ranks = pd.DataFrame(trailing).rank(axis=1).to_numpy()
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    out = np.full(len(ranks), np.nan)
    now, then = centred[days:], centred[:-days]
    scale = np.sqrt((now**2).sum(axis=1) * (then**2).sum(axis=1))
    out[days:] = np.divide((now * then).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0)
    return out
