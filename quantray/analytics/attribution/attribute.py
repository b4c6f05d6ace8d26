"""Every dimension at once: each sums to the record's return, and says why where it could not be computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.regimes.path import RegimePath

__all__ = ["Attribution", "Currencies", "Explanation", "attribute"]

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
    dates, returns, method = holdings.dates, holdings.returns, given.method
    against, series = _benchmark(given, dates)
    found: dict[str, Breakdown] = {"Contributions": _contributions(holdings, given.sectors, method)}
    absent: dict[str, str] = {}
    if against is not None:
        found["Sectors"] = attribute_sectors(holdings, against, given.sectors, method=method)
    else:
        absent["Sectors"] = "no benchmark with holdings"
    factors, regressed = _factors(holdings, given)
    if factors is not None:
        found["Factors"] = factors.breakdown
    elif regressed is not None:
        found["Factors by regression"] = regressed.breakdown
    else:
        absent["Factors"] = "no factor model and no factor returns"
    strategies = None
    if given.strategies is not None:
        strategies = attribute_strategies(dates, given.strategies, total=returns, benchmark=series, method=method)
        found["Strategies"] = strategies.breakdown
    else:
        absent["Strategies"] = "no strategies that share the capital"
    segments = _segments(record, given, holdings, series, absent)
    found |= {title: segment.breakdown for title, segment in segments.items()}
    costs = {COSTS: holdings.costs} if given.costs is None else given.costs
    found["Execution"] = attribute_execution(dates, returns, costs, method=method)
    if given.currencies is not None:
        of = given.currencies
        found["Currencies"] = attribute_currencies(
            dates,
            of.markets,
            of.book,
            benchmark=of.benchmark,
            returns=returns,
            method=method,
        )
    else:
        absent["Currencies"] = "one currency"
    return Attribution(
        record.name,
        dates,
        returns,
        compounded(returns),
        series,
        found,
        absent,
        segments,
        factors,
        regressed,
        strategies,
    )


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


def _factors(holdings: Holdings, given: Explanation) -> tuple[FactorAttribution | None, RegressedFactors | None]:
    if given.models is not None:
        estimated = given.factor_returns is None
        if estimated and given.panel is None:
            raise InputError("factor returns are estimated on a panel; give one, or factor_returns of the models.")
        return factor_attribution(
            holdings,
            given.models,
            asset_returns=_asset_returns(given.panel, holdings) if estimated and given.panel is not None else None,
            factor_returns=given.factor_returns,
            method=given.method,
        ), None
    if given.factor_returns is None:
        return None, None
    names = given.factor_names or tuple(f"factor {k + 1}" for k in range(given.factor_returns.shape[1]))
    return None, regressed_factors(holdings.dates, holdings.returns, given.factor_returns, names, method=given.method)


def _asset_returns(panel: Panel, holdings: Holdings) -> Float:
    """(T, N) simple returns of the holdings' assets on their days."""
    chosen = panel.select(holdings.assets)
    rows = np.searchsorted(chosen.dates, holdings.dates)
    return np.asarray(simple_returns(chosen.field("close"))[rows])


def _segments(
    record: TrackRecord, given: Explanation, holdings: Holdings, benchmark: Float | None, absent: dict[str, str]
) -> dict[str, SegmentAttribution]:
    dates, returns = holdings.dates, holdings.returns
    labels: dict[str, tuple[list[str], tuple[str, ...] | None]] = {
        f"By {by}": (calendar_labels(dates, by), calendar_order(by)) for by in _CALENDARS
    }
    labels["By rebalancing period"] = (rebalance_labels(dates, record.trade_dates), None)
    if given.regimes is not None:
        labels["By regime"] = (regime_labels(given.regimes, dates), None)
    else:
        absent["By regime"] = "no path of regimes"
    market = given.market if given.market is not None else benchmark
    if market is not None:
        labels["By week type, in hindsight"] = (week_types(dates, market), TYPES)
        labels["By week type, known at its start"] = (week_types(dates, market, known_at="start"), TYPES)
    else:
        absent["By week type"] = "no market or benchmark whose weeks have types"
    return {
        title: attribute_segments(
            title,
            dates,
            returns,
            each,
            order=order,
            method=given.method,
            periods_per_year=record.periods_per_year,
        )
        for title, (each, order) in labels.items()
    }
