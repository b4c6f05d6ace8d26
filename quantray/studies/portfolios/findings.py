"""What is kept of a study of portfolios: records, metrics with intervals, and the report."""

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.metrics import over_cash, performance, relative, trading, varies
from quantray.analytics.selection import SharpeEstimate, minimum_track_record
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.analytics.snapshot import take_snapshot
from quantray.analytics.track import TrackRecord
from quantray.arrays import Float
from quantray.errors import QuantrayError
from quantray.research.kind import Findings, Work
from quantray.research.progress import say
from quantray.studies.portfolios.benchmark import benchmark_table
from quantray.studies.portfolios.report import ReportInput, portfolio_page
from quantray.studies.portfolios.risk.sections import (
    last_day_section,
    level_changes,
    overlay_effects,
    overlay_metrics,
    overlay_section,
)
from quantray.studies.portfolios.risk.settings import overlay_name
from quantray.studies.portfolios.study import PortfolioSource, StudyResult

__all__ = ["find_portfolios", "summary"]


def find_portfolios(source: PortfolioSource, result: StudyResult) -> Findings:
    """Records as tables below ``tracks``, all metrics by portfolio, and the report."""
    settings, panel = source.settings, source.panel
    outside = source.prepared.benchmark
    benchmark: TrackRecord | Float
    if outside is None:
        benchmark = next(record for record in result.records if record.name == settings.benchmark)
        called = benchmark.name
    else:
        benchmark, called = outside.returns_on(result.records[0].dates), outside.label
    resampling, cash = settings.resampling.build(), source.prepared.risk_free
    rate: float | Float = settings.accounting.cash_rate
    if cash is not None:
        rate = cash.returns_on(result.records[0].dates)
    metrics = {record.name: summary(record, benchmark, rate, resampling) for record in result.records}
    snapshot = None
    try:
        snapshot = take_snapshot(panel, result.records, source.data.sectors)
    except QuantrayError as error:
        say(f"the report has no view of the risk ahead: {error}")
    tested = source.data.sample(result.records[0].dates)
    effects = overlay_effects(result.records, result.overlays, resampling)
    for effect in effects:
        metrics[overlay_name(effect.use.name)] |= overlay_metrics(effect)
    risk = [overlay_section(effects, metrics)] if effects else []
    if settings.risk is not None:
        spread = settings.costs.half_spread_bps
        risk.append(last_day_section(source.data, result.records, settings.risk, spread))
    page = portfolio_page(
        ReportInput(
            title=settings.name,
            meta=f"Walk-forward study, {tested.first} to {tested.last} · {source.data.description} · {tested.names}",
            span=f"{tested.first} to {tested.last}",
            records=result.records,
            metrics=metrics,
            benchmark=called,
            data=source.data,
            snapshot=snapshot,
            delisting_return=settings.accounting.delisting_return,
            risk_free="" if cash is None else cash.name,
            risk=tuple(risk),
        )
    )
    return Findings(
        digest=result.digest,
        page=page,
        work=Work(result.n_computed, result.n_reused, result.seconds),
        metrics=metrics,
        tables={
            f"tracks/{record.name}/{name}": table
            for record in result.records
            for name, table in record.tables().items()
        }
        | ({} if outside is None else {"benchmark": benchmark_table(outside)})
        | ({} if source.prepared.risk_free is None else {"risk_free": benchmark_table(source.prepared.risk_free)})
        | ({"limit_levels": level_changes(result.overlays)} if any(use.changes for use in result.overlays) else {}),
        facts=tested.facts | {"n_dates": len(panel.dates), "yearly_exits": source.data.yearly_exits},
        notes=tuple(f"{note}." for note in result.notes),
    )


def summary(
    record: TrackRecord, benchmark: TrackRecord | Float, risk_free: float | Float, resampling: Resampling | None = None
) -> dict[str, float]:
    """All metrics of a record by name; those relative to the benchmark carry the prefix ``vs_``.

    Parameters
    ----------
    benchmark : a record on the same days, or returns on them.
    risk_free : what ratios are in excess of: a simple yearly rate, or (T,) returns of cash.
    resampling : for the intervals of the Sharpe ratio and of its difference to the benchmark's.
    """
    periods = record.periods_per_year
    other = benchmark.returns if isinstance(benchmark, TrackRecord) else benchmark
    own = performance(record.returns, risk_free=risk_free, periods_per_year=periods).as_dict()
    own |= trading(record).as_dict()
    against = relative(record.returns, other, periods_per_year=periods).as_dict()
    found = own | {f"vs_{name}": value for name, value in against.items()}
    excess, base = (over_cash(returns, risk_free, periods_per_year=periods) for returns in (record.returns, other))
    if varies(excess):
        sharpe = sharpe_interval(excess, resampling=resampling, periods_per_year=periods)
        found |= {"sharpe_low": sharpe.interval.low, "sharpe_high": sharpe.interval.high}
        told = SharpeEstimate.of(excess, periods_per_year=periods)
        found["minimum_track_record"] = minimum_track_record(told) / periods
    if record is not benchmark and (varies(excess) or varies(base)):
        gain = sharpe_difference(excess, base, resampling=resampling, periods_per_year=periods)
        found |= {
            "vs_sharpe_difference": gain.mean,
            "vs_sharpe_difference_low": gain.interval.low,
            "vs_sharpe_difference_high": gain.interval.high,
        }
    return found
