"""Every dimension at once: each sums to the record's return, and says why where it could not be computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.brinson import attribute_sectors
from quantray.analytics.attribution.currency import CurrencyBook, CurrencyMarkets, attribute_currencies
from quantray.analytics.attribution.execution import attribute_execution
from quantray.analytics.attribution.factor import (
    COSTS,
    FactorAttribution,
    Models,
    RegressedFactors,
    factor_attribution,
    regressed_factors,
)
from quantray.analytics.attribution.holdings import NO_SECTOR, Holdings, by_sector, held_days
from quantray.analytics.attribution.linking import Linking, compounded
from quantray.analytics.attribution.segments import (
    Calendar,
    SegmentAttribution,
    attribute_segments,
    calendar_labels,
    calendar_order,
    rebalance_labels,
    regime_labels,
)
from quantray.analytics.attribution.strategies import StrategyAttribution, StrategyShares, attribute_strategies
from quantray.analytics.attribution.weeks import TYPES, week_types
from quantray.analytics.track import TrackRecord
from quantray.arrays import TRADING_DAYS, Bool, Dates, Float, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.regimes.path import RegimePath

__all__ = ["Attribution", "Currencies", "Explanation", "attribute", "attribute_returns"]

_CALENDARS: tuple[Calendar, ...] = ("year", "quarter", "month", "month of the year", "weekday")


@dataclass(frozen=True, eq=False)
class Currencies:
    """What a book in several currencies held, and what a benchmark did."""

    markets: CurrencyMarkets
    book: CurrencyBook
    benchmark: CurrencyBook | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """What explains a record; each dimension takes what it needs, and is left out, with the reason, without it."""

    panel: Panel | None = None
    """Needed of a record that keeps holdings on days of trades only."""
    benchmark: Holdings | TrackRecord | Float | None = None
    """Holdings, a record, or (T,) returns, with which sectors cannot be told; on the days of the record."""
    sectors: Mapping[str, str] = field(default_factory=dict)
    models: Models | None = None
    """Of the record's assets in their order; see ``factor.factor_attribution``."""
    factor_returns: Float | None = None
    """(T, K) of the models, which else are estimated on the panel; or, without models, of factors to regress on."""
    factor_names: tuple[str, ...] = ()
    """Of factors to regress on."""
    strategies: StrategyShares | None = None
    regimes: RegimePath | None = None
    market: Float | None = None
    """(T,) returns that tell the types of weeks; by default those of the benchmark."""
    costs: Mapping[str, Float] | None = None
    """Kind -> (T,) fractions of NAV; by default one kind, what the accounts booked."""
    currencies: Currencies | None = None
    method: Linking = "carino"
    since: np.datetime64 | None = None
    """A close after which returns are explained; by default all."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """A record's return along every dimension."""

    name: str
    dates: Dates
    returns: Float
    """(T,) after costs."""
    total: float
    """What they compound to; the sum of every dimension that is not relative."""
    benchmark: Float | None
    """(T,)."""
    dimensions: Mapping[str, Breakdown]
    """By title; relative ones sum to ``total`` less the benchmark's."""
    absent: Mapping[str, str]
    """Title -> what was missing."""
    segments: Mapping[str, SegmentAttribution]
    factors: FactorAttribution | None = None
    regressed: RegressedFactors | None = None
    strategies: StrategyAttribution | None = None
    holdings: Holdings | None = None
    """None of returns alone."""

    @property
    def largest_gap(self) -> float:
        """Of all dimensions, by which a sum misses what it should be: rounding."""
        return max(abs(split.gap) for split in self.dimensions.values())


def attribute(record: TrackRecord, given: Explanation | None = None) -> Attribution:
    """Explain a record along every dimension that the inputs allow.

    Holdings, their sectors, execution and the calendar come from the record alone where it has holdings of every day.

    Raises
    ------
    InputError
        The record has one day, something given does not cover its days, or a value is missing.
    DataError
        A dimension does not sum to the record's return within 1e-10.
    """
    given = given or Explanation()
    holdings = held_days(record, given.panel)
    against, series = _benchmark(given, holdings.dates)
    days = _Days(
        record.name,
        holdings.dates,
        holdings.returns,
        series,
        record.periods_per_year,
        record.trade_dates,
        _weeks(given, holdings.dates, series),
    )
    if given.since is not None:
        keep = _kept(holdings.dates, given.since)
        days, holdings = days.on(keep), holdings.on(keep)
        against, given = None if against is None else against.on(keep), _cut(given, keep)
    return _explained(days, holdings, against, given)


def attribute_returns(
    name: str, dates: Dates, returns: Float, given: Explanation | None = None, *, periods_per_year: int = TRADING_DAYS
) -> Attribution:
    """Explain returns of which no holdings are known: by strategy, regressed factors, segments of time and costs.

    Parameters
    ----------
    dates, returns : (T,) after costs.

    Raises
    ------
    InputError, DataError
        As ``attribute``.
    """
    given = given or Explanation()
    returns = known(returns, dates, f"returns of {name}")
    _, series = _benchmark(given, dates)
    days = _Days(name, dates, returns, series, periods_per_year, None, _weeks(given, dates, series))
    if given.since is not None:
        keep = _kept(dates, given.since)
        days, given = days.on(keep), _cut(given, keep)
    return _explained(days, None, None, given)


@dataclass(frozen=True, eq=False)
class _Days:
    """What is explained."""

    name: str
    dates: Dates
    returns: Float
    benchmark: Float | None
    periods_per_year: int
    traded: Dates | None
    weeks: Mapping[str, Names]
    """Title -> (T,) types of the days' weeks, told from all days of the record; empty without a market."""

    def on(self, keep: Bool) -> "_Days":
        benchmark = None if self.benchmark is None else self.benchmark[keep]
        weeks = {title: labels[keep] for title, labels in self.weeks.items()}
        return replace(self, dates=self.dates[keep], returns=self.returns[keep], benchmark=benchmark, weeks=weeks)


def _explained(days: _Days, holdings: Holdings | None, against: Holdings | None, given: Explanation) -> Attribution:
    method, dates, returns = given.method, days.dates, days.returns
    found: dict[str, Breakdown] = {}
    absent: dict[str, str] = {}
    if holdings is not None:
        found["Contributions"] = _contributions(holdings, given.sectors, method)
    if holdings is not None and against is not None:
        found["Sectors"] = attribute_sectors(holdings, against, given.sectors, method=method)
    else:
        absent["Sectors"] = "no holdings" if holdings is None else "no benchmark with holdings"
    factors, regressed = _factors(days, holdings, given)
    for split in (factors, regressed):
        if split is not None:
            found[split.breakdown.title] = split.breakdown
    if factors is None and regressed is None:
        absent["Factors"] = "no factor model and no factor returns"
    strategies = None
    if given.strategies is not None:
        strategies = attribute_strategies(
            dates, given.strategies, total=returns, benchmark=days.benchmark, method=method
        )
        found["Strategies"] = strategies.breakdown
    else:
        absent["Strategies"] = "no strategies that share the capital"
    segments = _segments(days, given, absent)
    found |= {title: segment.breakdown for title, segment in segments.items()}
    costs = {COSTS: holdings.costs} if given.costs is None and holdings is not None else given.costs
    if costs is not None:
        found["Execution"] = attribute_execution(dates, returns, costs, method=method)
    else:
        absent["Execution"] = "no costs by day"
    if given.currencies is not None:
        of = given.currencies
        found["Currencies"] = attribute_currencies(
            dates, of.markets, of.book, benchmark=of.benchmark, returns=returns, method=method
        )
    else:
        absent["Currencies"] = "one currency"
    return Attribution(
        days.name,
        dates,
        returns,
        compounded(returns),
        days.benchmark,
        found,
        absent,
        segments,
        factors,
        regressed,
        strategies,
        holdings,
    )


def _weeks(given: Explanation, dates: Dates, benchmark: Float | None) -> dict[str, Names]:
    market = given.market if given.market is not None else benchmark
    if market is None:
        return {}
    return {
        "By week type, in hindsight": np.array(week_types(dates, market)),
        "By week type, known at its start": np.array(week_types(dates, market, known_at="start")),
    }


def _kept(dates: Dates, since: np.datetime64) -> Bool:
    keep = np.asarray(dates > since)
    if not keep.any():
        raise InputError(f"no day lies after {since}; the last is {dates[-1]}.")
    return keep


def _cut(given: Explanation, keep: Bool) -> Explanation:
    """The inputs on some days."""
    cut: dict[str, Any] = {}
    if given.factor_returns is not None:
        cut["factor_returns"] = given.factor_returns[keep]
    if given.costs is not None:
        cut["costs"] = {kind: values[keep] for kind, values in given.costs.items()}
    if given.strategies is not None:
        cut["strategies"] = given.strategies.on(keep)
    if given.currencies is not None:
        raise InputError("currencies are given for all days; cut them first, or leave since out.")
    return replace(given, **cut)


def _benchmark(given: Explanation, dates: Dates) -> tuple[Holdings | None, Float | None]:
    """Holdings of the benchmark, if there are any, and its (T,) returns."""
    against = given.benchmark
    if against is None:
        return None, None
    if isinstance(against, np.ndarray):
        return None, known(against, dates, "benchmark returns")
    if isinstance(against, TrackRecord):
        against = held_days(against, given.panel)
    absent = dates[~np.isin(dates, against.dates)]
    if len(absent) or len(against.dates) != len(dates):
        first = absent[0] if len(absent) else dates[0]
        raise InputError(
            f"benchmark {against.name} has {len(against.dates)} days for {len(dates)} of the record and lacks "
            f"{len(absent)} of them, first {first}; give it on the same days."
        )
    return against, against.returns


def _contributions(holdings: Holdings, sectors: Mapping[str, str], method: Linking) -> Breakdown:
    """What each sector added to the return, and what trading took."""
    parts = by_sector(holdings, sectors)
    notes = (f"{parts.unlabelled} of the names held have no sector; they are the row {NO_SECTOR!r}.",)
    return break_down(
        "Contributions",
        holdings.dates,
        [*parts.sectors, COSTS],
        "contribution",
        np.column_stack([parts.contributions, -holdings.costs]),
        holdings.returns,
        method=method,
        notes=notes if parts.unlabelled else (),
    )


def _factors(
    days: _Days, holdings: Holdings | None, given: Explanation
) -> tuple[FactorAttribution | None, RegressedFactors | None]:
    if given.models is not None and holdings is not None:
        estimated = given.factor_returns is None
        if estimated and given.panel is None:
            raise InputError("factor returns are estimated on a panel; give one, or factor_returns of the models.")
        return factor_attribution(
            holdings,
            given.models,
            asset_returns=_asset_returns(given.panel, holdings) if estimated and given.panel is not None else None,
            factor_returns=given.factor_returns,
            method=given.method,
            periods_per_year=days.periods_per_year,
        ), None
    if given.factor_returns is None:
        return None, None
    names = given.factor_names or tuple(f"factor {k + 1}" for k in range(given.factor_returns.shape[1]))
    return None, regressed_factors(days.dates, days.returns, given.factor_returns, names, method=given.method)


def _asset_returns(panel: Panel, holdings: Holdings) -> Float:
    """(T, N) simple returns of the holdings' assets on their days."""
    chosen = panel.select(holdings.assets)
    rows = np.searchsorted(chosen.dates, holdings.dates)
    return np.asarray(simple_returns(chosen.field("close"))[rows])


def _segments(days: _Days, given: Explanation, absent: dict[str, str]) -> dict[str, SegmentAttribution]:
    dates = days.dates
    labels: dict[str, tuple[list[str], tuple[str, ...] | None]] = {
        f"By {by}": (calendar_labels(dates, by), calendar_order(by)) for by in _CALENDARS
    }
    if days.traded is not None:
        labels["By rebalancing period"] = (rebalance_labels(dates, days.traded), None)
    if given.regimes is not None:
        labels["By regime"] = (regime_labels(given.regimes, dates), None)
    else:
        absent["By regime"] = "no path of regimes"
    labels |= {title: (types.tolist(), TYPES) for title, types in days.weeks.items()}
    if not days.weeks:
        absent["By week type"] = "no market or benchmark whose weeks have types"
    return {
        title: attribute_segments(
            title,
            dates,
            days.returns,
            each,
            order=order,
            method=given.method,
            periods_per_year=days.periods_per_year,
        )
        for title, (each, order) in labels.items()
    }
