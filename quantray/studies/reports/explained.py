"""A portfolio of a finished run, explained from what its folder holds and, where asked, the data that it read."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quantray.analytics.attribution.attribute import Attribution, Explanation, attribute, attribute_returns
from quantray.analytics.attribution.factor import Models
from quantray.analytics.attribution.strategies import StrategyShares
from quantray.analytics.reader import period_start
from quantray.analytics.track import TrackRecord
from quantray.arrays import TRADING_DAYS, Dates, Float
from quantray.backtest.costs import from_bps
from quantray.covariance.factor import fundamental_factors, statistical_factors
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, QuantrayError
from quantray.features.returns import DELIST_RETURN, simple_returns
from quantray.regimes.indicators import market_lens
from quantray.regimes.path import RegimePath
from quantray.research.folder import Run, finished, written_file
from quantray.research.market import MarketData, load_market
from quantray.settings import checked, nearest
from quantray.studies.combination.record import EQUAL, MIX
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.portfolios.benchmark import table_benchmark
from quantray.studies.portfolios.settings import PortfolioSettings

__all__ = ["Explained", "explain_run"]

_FIELDS = ("close", "volume", "dividend_yield", DELIST_RETURN)
_MODEL_DAYS = 760
"""Behind a factor model."""
_STATISTICAL = 5
"""Factors where no fundamental model can be had."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A portfolio of a run, since inception and in a period."""

    whole: Attribution
    recent: Attribution
    benchmark: str
    """Its name; empty without one."""
    risk_free: float | Float
    """Simple yearly rate of cash, or (T,) its returns on all days."""
    periods_per_year: int
    about: str
    """Of the data, in a line."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be had, and why."""


def explain_run(run: Run, *, portfolio: str | None, period: str, attribution: bool) -> Explained:
    """Explain a portfolio of a walk-forward or a combination run.

    Parameters
    ----------
    portfolio : by default the first that is not the benchmark; the mix of a combination.
    attribution : whether to read the data again for sectors, factors and regimes.

    Raises
    ------
    InputError
        The run is of another kind, or holds no such portfolio; the period is unknown.
    DataError
        The run has not finished, a file is missing or damaged, or the data are not those of the run.
    """
    finished(run)
    if run.kind == "portfolios":
        return _walk_forward(run, portfolio, period, attribution)
    if run.kind == "combination":
        return _combination(run, portfolio, period)
    raise InputError(f"{run.folder} is of kind {run.kind}; reports for readers are of portfolios and combinations.")


def _walk_forward(run: Run, portfolio: str | None, period: str, attribution: bool) -> Explained:
    settings = checked(PortfolioSettings, run.settings, str(run.folder))
    names = [allocator.name for allocator in settings.allocators]
    chosen = portfolio or next((name for name in names if name != settings.benchmark), names[0])
    _among(chosen, names)
    record = TrackRecord.read(run.folder / "tracks" / chosen)
    other, benchmark = _benchmark(run, settings, chosen, record)
    since = period_start(record.dates[1:], period)
    terms = (benchmark, _risk_free(run, settings, record.dates), record.periods_per_year, finished(run).data)
    if not attribution:
        costs = _costs(settings, record)
        given = Explanation(benchmark=other.returns if isinstance(other, TrackRecord) else other, costs=costs)
        whole, recent = (
            attribute_returns(
                chosen,
                record.dates[1:],
                record.returns,
                replace(given, since=start),
                periods_per_year=record.periods_per_year,
            )
            for start in (None, since)
        )
        return Explained(whole, recent, *terms)
    data = load_market(settings.data, settings.exchange, _FIELDS)
    found, notes = _explanation(data, record, other)
    given = replace(found, costs=_costs(settings, record))
    whole = attribute(record, given)
    recent = whole if period == "inception" else attribute(record, replace(given, since=since))
    warnings = data.survivors("returns of all portfolios are biased upward")
    return Explained(whole, recent, *terms, warnings, notes)


def _benchmark(
    run: Run, settings: PortfolioSettings, chosen: str, record: TrackRecord
) -> tuple[TrackRecord | Float | None, str]:
    """What the portfolio is measured against, and its name; nothing where it is itself that."""
    if not isinstance(settings.benchmark, str):
        kept = table_benchmark(_table(run, "benchmark"))
        return kept.returns_on(record.dates), kept.label
    if chosen == settings.benchmark:
        return None, ""
    return TrackRecord.read(run.folder / "tracks" / settings.benchmark), settings.benchmark


def _risk_free(run: Run, settings: PortfolioSettings, dates: Dates) -> float | Float:
    """What ratios are in excess of."""
    if settings.risk_free is None:
        return settings.accounting.cash_rate
    return table_benchmark(_table(run, "risk_free")).returns_on(dates)


def _costs(settings: PortfolioSettings, record: TrackRecord) -> dict[str, Float]:
    """What trading cost by kind: commission is so much of what was charged, and spread and impact are the rest."""
    # What ended with a delisting was sold without costs.
    traded = np.where(record.costs > 0, np.abs(record.trades), 0.0).sum(axis=1)
    commission = np.zeros(len(record.dates))
    commission[np.searchsorted(record.dates, record.trade_dates)] = from_bps(settings.costs.commission_bps) * traded
    rest = "spread" if settings.costs.impact is None else "spread and impact"
    paid = {rest: record.cost_series - commission, "commission": commission}
    return {kind: money[1:] / record.nav[:-1] for kind, money in paid.items()}


def _explanation(
    data: MarketData, record: TrackRecord, other: TrackRecord | Float | None
) -> tuple[Explanation, tuple[str, ...]]:
    """What the data of a run explain of a record, and what they do not."""
    notes: list[str] = []
    models = _models(data.panel, record, data.sectors, notes)
    given = Explanation(
        panel=data.panel,
        benchmark=other,
        sectors=data.sectors,
        models=models,
        regimes=_regimes(data.panel, notes),
    )
    return given, tuple(notes)


def _models(panel: Panel, record: TrackRecord, sectors: Mapping[str, str], notes: list[str]) -> Models | None:
    """A factor model of the record's assets for each year, from the days before it."""
    held = panel.select(record.assets)
    close = held.field("close")
    volume = held.fields.get("volume")
    labels = [sectors.get(name) for name in record.assets.tolist()]
    first = panel.row(record.dates[0])
    years = panel.dates[first:].astype("datetime64[Y]")
    starts = [first, *(first + np.flatnonzero(years[1:] != years[:-1])).tolist()]
    try:
        if volume is None:
            raise DataError("the data have no volume")
        return [
            (
                panel.dates[row],
                fundamental_factors(
                    close[max(0, row + 1 - _MODEL_DAYS) : row + 1],
                    volume[max(0, row + 1 - _MODEL_DAYS) : row + 1],
                    sectors=labels,
                ),
            )
            for row in dict.fromkeys(starts)
        ]
    except QuantrayError as error:
        notes.append(f"factors are statistical: {error}")
    try:
        past = simple_returns(close[max(0, first + 1 - _MODEL_DAYS) : first + 1])[1:]
        return [(panel.dates[first], statistical_factors(past, _STATISTICAL))]
    except QuantrayError as error:
        notes.append(f"there is no factor model: {error}")
    return None


def _regimes(panel: Panel, notes: list[str]) -> RegimePath | None:
    try:
        return market_lens(panel).path
    except QuantrayError as error:
        notes.append(f"there are no regimes: {error}")
    return None


def _combination(run: Run, portfolio: str | None, period: str) -> Explained:
    settings = checked(CombinationSettings, run.settings, str(run.folder))
    streams, strategies, decisions, netting = (
        _table(run, n) for n in ("streams", "strategies", "decisions", "netting")
    )
    names = [name for name in streams.column_names if name != "date" and not name.endswith(", turnover")]
    chosen = portfolio or MIX
    _among(chosen, names)
    dates = streams["date"].to_numpy().astype("datetime64[D]")
    returns, other = (np.asarray(streams[name].to_numpy()) for name in (chosen, EQUAL if EQUAL in names else chosen))
    shares = None
    if chosen == MIX:
        shares = _shares(dates, strategies, decisions, netting, settings.accounting.execution_lag)
    since = period_start(dates, period)
    whole, recent = (
        attribute_returns(chosen, dates, returns, Explanation(benchmark=other, strategies=shares, since=start))
        for start in (None, since)
    )
    benchmark = EQUAL if chosen != EQUAL else ""
    return Explained(whole, recent, benchmark, 0.0, TRADING_DAYS, finished(run).data)


def _shares(dates: Dates, strategies: pa.Table, decisions: pa.Table, netting: pa.Table, lag: int) -> StrategyShares:
    """Capital of each strategy day by day, as it drifted between rebalances; see ``combination.study.hold_shares``."""
    names = [name for name in strategies.column_names if name != "date"]
    earned = np.column_stack([strategies[name].to_numpy() for name in names])
    decided = np.unique(decisions["date"].to_numpy().astype("datetime64[D]"))
    share = np.asarray(decisions["share"].to_numpy()).reshape(len(decided), len(names))
    mine = netting.filter(pc.equal(netting["portfolio"], MIX))
    gross, net = (np.asarray(mine[f"moving_cost_{kind}"].to_numpy()) for kind in ("gross", "net"))
    starts = np.maximum(np.searchsorted(dates, decided) + lag + 1, 0)
    starts[0] = 0
    weights, moving, saved = np.zeros_like(earned), np.zeros(len(dates)), np.zeros(len(dates))
    for k, start in enumerate(starts.tolist()):
        end = int(starts[k + 1]) if k + 1 < len(starts) else len(dates)
        growth = np.vstack([np.ones(len(names)), np.cumprod(1 + earned[start:end], axis=0)[:-1]])
        money = share[k] * growth
        weights[start:end] = money / (money.sum(axis=1) + 1 - share[k].sum())[:, None]
        first = 1 + float(weights[start] @ earned[start])
        moving[start], saved[start] = gross[k] * first, (gross[k] - net[k]) * first
    return StrategyShares(names=names, weights=weights, returns=earned, netting=saved, moving=moving)


def _table(run: Run, name: str) -> pa.Table:
    content = written_file(run.folder, finished(run), f"{name}.parquet")
    return pq.read_table(io.BytesIO(content))


def _among(chosen: str, names: list[str]) -> None:
    if chosen not in names:
        raise InputError(f"the run has no portfolio {chosen!r};{nearest(chosen, names)} it has {', '.join(names)}.")
