"""A portfolio of a finished run, explained from what its folder holds and, where asked, the data that it read."""

from dataclasses import replace

import numpy as np

from quantray.analytics.attribution.attribute import Explanation, attribute, attribute_returns
from quantray.analytics.reader import period_start
from quantray.analytics.track import TrackRecord
from quantray.arrays import Dates, Float
from quantray.backtest.costs import from_bps
from quantray.errors import InputError
from quantray.research.folder import Run, finished
from quantray.research.market import MarketData, load_market
from quantray.settings import checked
from quantray.studies.portfolios.benchmark import table_benchmark
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.reports.combinations import explain_combination
from quantray.studies.reports.inputs import (
    DATA_FIELDS,
    Explained,
    check_among,
    factor_models,
    market_regimes,
    run_table,
)

__all__ = ["explain_run"]


def explain_run(run: Run, *, portfolio: str | None, period: str, attribution: bool) -> Explained:
    """Explain a portfolio of a walk-forward or a combination run.

    Parameters
    ----------
    portfolio : by default the first that is not the benchmark; the mix of a combination.
    attribution : whether to read the data again for sectors, factors and regimes; of a combination, for factors that it
        moved with and regimes.

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
        return explain_combination(run, portfolio, period, attribution)
    raise InputError(f"{run.folder} is of kind {run.kind}; reports for readers are of portfolios and combinations.")


def _walk_forward(run: Run, portfolio: str | None, period: str, attribution: bool) -> Explained:
    settings = checked(PortfolioSettings, run.settings, str(run.folder))
    names = [allocator.name for allocator in settings.allocators]
    chosen = portfolio or next((name for name in names if name != settings.benchmark), names[0])
    check_among(chosen, names)
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
    data = load_market(settings.data, settings.exchange, DATA_FIELDS)
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
        kept = table_benchmark(run_table(run, "benchmark"))
        return kept.returns_on(record.dates), kept.label
    if chosen == settings.benchmark:
        return None, ""
    return TrackRecord.read(run.folder / "tracks" / settings.benchmark), settings.benchmark


def _risk_free(run: Run, settings: PortfolioSettings, dates: Dates) -> float | Float:
    """What ratios are in excess of."""
    if settings.risk_free is None:
        return settings.accounting.cash_rate
    return table_benchmark(run_table(run, "risk_free")).returns_on(dates)


def _costs(settings: PortfolioSettings, record: TrackRecord) -> dict[str, Float]:
    """What trading cost by kind: commission is so much of what was charged, and spread and impact are the rest."""
    if settings.costs.model is not None:
        return {settings.costs.model: record.cost_series[1:] / record.nav[:-1]}
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
    models = factor_models(data.panel, record.assets, data.sectors, record.dates[0], notes)
    given = Explanation(
        panel=data.panel,
        benchmark=other,
        sectors=data.sectors,
        models=models,
        regimes=market_regimes(data.panel, record.dates[1:], notes),
    )
    return given, tuple(notes)
