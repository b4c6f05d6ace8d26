"""Five lenses on the market, each a rule with hysteresis over measures that are known at the close."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Float, Int, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.market import (
    average_correlation,
    illiquidity,
    index_returns,
    member_returns,
    money_traded,
    quoted_spread,
    realised_volatility,
    sector_returns,
    trailing_rank,
    trailing_score,
)
from quantray.regimes.path import RegimePath

__all__ = [
    "CORRELATION",
    "LIQUIDITY",
    "MARKET",
    "SECTOR",
    "VOLATILITY",
    "Lens",
    "LensSettings",
    "Lenses",
    "banded",
    "correlation_lens",
    "five_lenses",
    "liquidity_lens",
    "market_lens",
    "sector_lens",
    "volatility_lens",
]

MARKET = ("bear", "neutral", "bull")
VOLATILITY = ("low", "medium", "high", "extreme")
LIQUIDITY = ("normal", "stressed")
CORRELATION = ("normal", "crisis")
SECTOR = ("broad", "concentrated")


@dataclass(frozen=True, kw_only=True)
class LensSettings:
    """Windows in trading days and the levels at which labels change.

    A label changes when its measure passes the level by the margin, and not back before it has passed it by the
    margin the other way.

    Parameters
    ----------
    weighting : of the index that the market and volatility lenses look at; see ``market.index_returns``.
    trend_days : moving average that the index is compared with.
    trend_band : fraction above it that begins a bull market, or below it a bear market; each ends at the average.
    bear_drawdown : fall from the highest close of a year that a bear market needs as well, a positive fraction.
    volatility_days : window of the realised volatility.
    volatility_cuts : shares of the trailing distribution where medium, high and extreme begin.
    correlation_days : window of the average correlation.
    correlation_cut : share of the trailing distribution where the crisis begins.
    margin : hysteresis of these shares on either side.
    liquidity_days : over which price impact, spread and money traded are averaged; money traded, which ebbs in
        every holiday season, over three times as many.
    stress, relief : scores, in deviations from the trailing median, at which stress begins and ends.
    sector_days : window of the sectors' returns.
    sector_cut : share of the trailing distribution of their dispersion where the market is concentrated.
    leaders : number of leading sectors to name.
    memory : window of the trailing distributions of volatility, correlation and dispersion.
    liquidity_memory : window of those of liquidity, shorter because money traded grows.
    warmup : known values that a trailing distribution needs.
    """

    weighting: Literal["equal", "traded"] = "equal"
    trend_days: int = 200
    trend_band: float = 0.02
    bear_drawdown: float = 0.10
    volatility_days: int = 21
    volatility_cuts: tuple[float, float, float] = (0.35, 0.75, 0.93)
    correlation_days: int = 42
    correlation_cut: float = 0.85
    margin: float = 0.03
    liquidity_days: int = 10
    stress: float = 2.0
    relief: float = 1.0
    sector_days: int = 63
    sector_cut: float = 0.80
    leaders: int = 3
    memory: int = 1260
    liquidity_memory: int = 504
    warmup: int = 252

    def __post_init__(self) -> None:
        for name in ("trend_days", "volatility_days", "liquidity_days", "sector_days", "leaders"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be 1 or more.")
        if self.correlation_days < 3:
            raise InputError(f"correlation_days {self.correlation_days} must be 3 or more.")
        if not 2 <= self.warmup <= min(self.memory, self.liquidity_memory):
            raise InputError(
                f"warmup {self.warmup} must be 2 or more and at most memory {self.memory} and "
                f"liquidity_memory {self.liquidity_memory}."
            )
        cuts = (0.0, *self.volatility_cuts, 1.0)
        if not all(a < b for a, b in pairwise(cuts)):
            raise InputError(f"volatility_cuts {self.volatility_cuts} must increase strictly between 0 and 1.")
        for name in ("correlation_cut", "sector_cut"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must lie between 0 and 1.")
        for name in ("trend_band", "bear_drawdown", "margin"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be 0 or more and below 1.")
        shares = (*self.volatility_cuts, self.correlation_cut, self.sector_cut)
        if max(shares) + self.margin > 1:
            raise InputError(f"margin {self.margin} carries the highest cut beyond 1: no day would ever pass it.")
        if min(shares) - self.margin <= 0:
            raise InputError(f"margin {self.margin} carries the lowest cut to 0: no day would ever fall below it.")
        if not -np.inf < self.relief <= self.stress < np.inf:
            raise InputError(f"relief {self.relief} must not exceed stress {self.stress}, and both be finite.")


@dataclass(frozen=True, eq=False)
class Lens:
    """One view: its path and the series behind it."""

    path: RegimePath
    indicators: Mapping[str, Float]
    """Name -> (T,); NaN where unknown."""


@dataclass(frozen=True, eq=False)
class Lenses:
    """All five views of one panel, over the same dates."""

    market: Lens
    volatility: Lens
    liquidity: Lens
    correlation: Lens
    sector: Lens
    leaders: Names
    """(T, k) sectors of the highest trailing returns, best first; empty text where unknown."""

    @property
    def labels(self) -> dict[str, Names]:
        """Lens -> (T,) names of its regimes, ``unknown`` before there is one."""
        return {name: getattr(self, name).path.named for name in _LENSES}

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
_MONTH, _YEAR = 21, 252


def five_lenses(panel: Panel, sectors: Mapping[str, str] | None = None, *, settings: LensSettings = _DEFAULT) -> Lenses:
    """The market through all five lenses.

    Parameters
    ----------
    panel : with close and volume; half_spread_bps, or high and low, tell the spreads.
    sectors : asset -> sector. Without them the sector lens is ``unknown`` throughout.

    Raises
    ------
    InputError
        Fewer than two sectors have an asset in the panel.
    DataError
        A field is missing.
    """
    if sectors is None:
        nothing = np.full(len(panel.dates), -1)
        rotation = Lens(RegimePath.certain(panel.dates, SECTOR, nothing), {})
        leaders = np.full((len(panel.dates), settings.leaders), "")
    else:
        rotation, leaders = sector_lens(panel, sectors, settings=settings)
    return Lenses(
        market_lens(panel, settings=settings),
        volatility_lens(panel, settings=settings),
        liquidity_lens(panel, settings=settings),
        correlation_lens(panel, settings=settings),
        rotation,
        leaders,
    )


def market_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Bull, bear or neutral: the index against its moving average and its highest close of a year.

    A bull market begins above a moving average that has risen over a month, a bear market below it and deep enough
    under the year's high. Known once the average is.

    Source: Faber (2007), "A Quantitative Approach to Tactical Asset Allocation",
    *Journal of Wealth Management* 9, for the average; the band and the drawdown keep it from switching often.
    """
    returns = index_returns(panel, weighting=settings.weighting)
    wealth = np.asarray(np.cumprod(1 + np.nan_to_num(returns)))
    # Without members there is no index; a flat line would pass for a neutral market.
    begun = np.append(np.maximum.accumulate(~np.isnan(returns))[1:], True)[: len(wealth)]
    wealth[~begun] = np.nan
    rolled = pd.Series(wealth).rolling(settings.trend_days).mean()
    rising = (rolled >= rolled.shift(_MONTH)).to_numpy()
    trend = np.asarray(wealth / rolled.to_numpy() - 1)
    drawdown = np.asarray(wealth / pd.Series(wealth).rolling(_YEAR, min_periods=1).max().to_numpy() - 1)
    labels = np.full(len(wealth), -1)
    state = -1
    for t in np.flatnonzero(~np.isnan(trend)):
        if trend[t] > settings.trend_band and rising[t]:
            state = 2
        elif trend[t] < -settings.trend_band and drawdown[t] <= -settings.bear_drawdown:
            state = 0
        elif state == -1 or (state == 2 and trend[t] < 0) or (state == 0 and trend[t] > 0):
            state = 1
        labels[t] = state
    return Lens(
        RegimePath.certain(panel.dates, MARKET, labels), {"index": wealth, "trend": trend, "drawdown": drawdown}
    )


def volatility_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Low, medium, high or extreme: realised volatility of the index within its own trailing distribution."""
    returns = index_returns(panel, weighting=settings.weighting)
    volatility = realised_volatility(returns, settings.volatility_days, periods_per_year=panel.periods_per_year)
    rank = trailing_rank(volatility, settings.memory, settings.warmup)
    labels = banded(rank, settings.volatility_cuts, settings.margin)
    return Lens(RegimePath.certain(panel.dates, VOLATILITY, labels), {"volatility": volatility, "rank": rank})


def liquidity_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or stressed: price impact and spread above, or money traded below, what was usual lately.

    The score is the mean of the scores of log price impact and log spread, or that of the fall of the money traded
    where that is larger: in a panic much is traded at a high price, in a dry market little is traded at all.
    """
    days, memory, warmup = settings.liquidity_days, settings.liquidity_memory, settings.warmup
    measures = {"impact": illiquidity(panel), "spread": quoted_spread(panel), "money": money_traded(panel)}
    # Money traded falls every Christmas: a lack of it must last longer.
    spans = {"impact": days, "spread": days, "money": 3 * days}
    means = {name: _log_mean(values, spans[name]) for name, values in measures.items()}
    scores = {name: trailing_score(values, memory, warmup) for name, values in means.items()}
    # Two measures of one thing: where only one is known, it decides.
    known = np.array([scores["impact"], scores["spread"]])
    count = (~np.isnan(known)).sum(axis=0)
    illiquid = np.divide(np.nansum(known, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    score = np.fmax(illiquid, -scores["money"])
    middle, margin = (settings.stress + settings.relief) / 2, (settings.stress - settings.relief) / 2
    labels = banded(score, (middle,), margin)
    return Lens(RegimePath.certain(panel.dates, LIQUIDITY, labels), {**measures, "score": score})


def correlation_lens(panel: Panel, *, settings: LensSettings = _DEFAULT) -> Lens:
    """Normal or crisis: the average pairwise correlation within its own trailing distribution."""
    correlation = average_correlation(member_returns(panel), settings.correlation_days)
    rank = trailing_rank(correlation, settings.memory, settings.warmup)
    labels = banded(rank, (settings.correlation_cut,), settings.margin)
    return Lens(RegimePath.certain(panel.dates, CORRELATION, labels), {"correlation": correlation, "rank": rank})


def sector_lens(panel: Panel, sectors: Mapping[str, str], *, settings: LensSettings = _DEFAULT) -> tuple[Lens, Names]:
    """Broad or concentrated: how far apart the sectors' trailing returns are; and (T, k) the leading sectors.

    The indicator ``dispersion`` is the standard deviation of the sectors' log returns over ``sector_days``;
    ``persistence`` the correlation of their ranks with those of ``sector_days`` before: low while leaders rotate.
    """
    found = sector_returns(panel, sectors)
    days = settings.sector_days
    steps = pd.DataFrame(np.log1p(found.returns))
    trailing = steps.rolling(days, min_periods=int(np.ceil(0.8 * days))).sum().to_numpy()
    count = (~np.isnan(trailing)).sum(axis=1)
    dispersion = np.full(len(trailing), np.nan)
    dispersion[count > 1] = np.nanstd(trailing[count > 1], axis=1)
    rank = trailing_rank(dispersion, settings.memory, settings.warmup)
    labels = banded(rank, (settings.sector_cut,), settings.margin)
    shown = {"dispersion": dispersion, "rank": rank, "persistence": _persistence(trailing, days)}
    lens = Lens(RegimePath.certain(panel.dates, SECTOR, labels), shown)
    return lens, _leaders(found.names, trailing, settings.leaders)


def banded(values: Float, cuts: tuple[float, ...], margin: float) -> Int:
    """(T,) number of cuts that lie below each value, with hysteresis; -1 before the first known value.

    A cut is passed upwards at ``cut + margin`` or more and downwards below ``cut - margin``; an unknown value keeps
    the label.
    """
    labels = np.full(len(values), -1)
    state = -1
    for t in range(len(values)):
        value = values[t]
        if not np.isnan(value):
            if state == -1:
                state = sum(value >= cut for cut in cuts)
            while state < len(cuts) and value >= cuts[state] + margin:
                state += 1
            while state > 0 and value < cuts[state - 1] - margin:
                state -= 1
        labels[t] = state
    return labels


def _log_mean(values: Float, days: int) -> Float:
    logs = np.log(values, out=np.full(len(values), np.nan), where=values > 0)
    return np.asarray(pd.Series(logs).rolling(days, min_periods=max(days // 2, 1)).mean().to_numpy())


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
