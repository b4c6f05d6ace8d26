"""What each lens looks at, and what it holds beforehand of the states behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from quantray.arrays import TRADING_DAYS, Bool, Float, Names
from quantray.regimes.lens_filter import ColumnPrior, Learnt, StatePrior
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import CORRELATION, LIQUIDITY, MARKET, SECTOR, VOLATILITY, LensSettings
from quantray.regimes.market import realised_volatility

__all__ = ["VIEWS", "View", "leading_sectors"]

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


@dataclass(frozen=True, eq=False)
class View:
    """What a lens looks at, and what it holds beforehand."""

    names: tuple[str, ...]
    columns: list[Float]
    prior: StatePrior
    called: Callable[[Learnt], Float]
    """What was learnt -> (K, R) class of each state."""
    shown: Mapping[str, Float]

    @property
    def values(self) -> Float:
        """(T, C)."""
        return np.column_stack(self.columns)


def _by_drift(seen: MarketMeasures, settings: LensSettings) -> View:
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

    return View(MARKET, [seen.steps], _prior(seen, settings, (column,)), called, {"index": seen.level})


def _volatility(seen: MarketMeasures, settings: LensSettings) -> View:
    realised = realised_volatility(seen.index, _MONTH, periods_per_year=round(TRADING_DAYS * seen.rows_a_day))
    shown = {"volatility": realised, "range": seen.log_volatility}
    prior = _prior(seen, settings, (_levels(settings.volatility_levels, 0.12),))
    return View(VOLATILITY, [seen.log_volatility], prior, _always(np.eye(4)), shown)


def _liquidity(seen: MarketMeasures, settings: LensSettings) -> View:
    columns, priors = [seen.log_impact], [_levels(settings.impact_levels, 0.12)]
    if seen.log_spread is not None:
        columns, priors = [*columns, seen.log_spread], [*priors, _levels(settings.spread_levels, 0.08)]
    shown = dict(zip(("impact", "spread"), columns, strict=False))
    return View(LIQUIDITY, columns, _prior(seen, settings, tuple(priors)), _always(_UPPER_TWO), shown)


def _correlation(seen: MarketMeasures, settings: LensSettings) -> View:
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
    crisis = np.eye(2)[[0, 0, 0, 0, 1, 1]]
    return View(CORRELATION, [seen.log_dispersion, seen.pull], prior, _always(crisis), shown)


def _sector(seen: MarketMeasures, settings: LensSettings) -> View:
    prior = _prior(seen, settings, (_levels(settings.sector_levels, 0.25),))
    shown = {"dispersion": seen.log_sector_dispersion, "persistence": _persistence(_trailing(seen), _QUARTER)}
    return View(SECTOR, [seen.log_sector_dispersion], prior, _always(_UPPER_TWO), shown)


VIEWS: Mapping[str, Callable[[MarketMeasures, LensSettings], View]] = {
    "market": _by_drift,
    "volatility": _volatility,
    "liquidity": _liquidity,
    "correlation": _correlation,
    "sector": _sector,
}
"""Lens -> what it looks at on days or bars; sectors raise as ``indicators.sector_lens``."""


def leading_sectors(seen: MarketMeasures, count: int) -> Names:
    """(T, count) the sectors of the highest trailing returns, best first; empty text where unknown."""
    return _leaders(seen.by_sector.names, _trailing(seen), count)


def _always(classes: Float) -> Callable[[Learnt], Float]:
    return lambda _: classes


def _trailing(seen: MarketMeasures) -> Float:
    """(T, S) returns of the sectors over a quarter."""
    steps = pd.DataFrame(np.log1p(seen.by_sector.returns))
    return np.asarray(steps.rolling(_QUARTER, min_periods=int(np.ceil(0.8 * _QUARTER))).sum())


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
