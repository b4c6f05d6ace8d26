"""What is kept of the five phases: streams with and without each, all choices and searches, and the report."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from quantray.analytics.page import money
from quantray.execution.day_orders import PARENTS
from quantray.execution.reporting.schedules import DaySchedule
from quantray.regimes.market import index_returns
from quantray.research.kind import Findings, Work
from quantray.strategies.catalogue import option_notes
from quantray.studies.evaluation.strategy_settings import catalogued
from quantray.studies.institutional.record import VARIANTS, InstitutionalRecord
from quantray.studies.institutional.report import InstitutionalReportInput, institutional_page, left_metrics
from quantray.studies.institutional.schedule import last_schedules, schedule_section
from quantray.studies.institutional.study import InstitutionalSource

__all__ = ["find_institutional"]


def find_institutional(source: InstitutionalSource, record: InstitutionalRecord) -> Findings:
    """Streams, candidates and searches as tables, and metrics of every variant at every size of money."""
    settings, panel = source.settings, source.panel
    tested = source.data.sample(record.dates)
    schedules = last_schedules(source, record)
    law = settings.impact.law().name.replace("_", " ")
    index = np.cumprod(1 + np.nan_to_num(index_returns(panel)))[np.searchsorted(panel.dates, record.dates)]
    page = institutional_page(
        InstitutionalReportInput(
            title=settings.name,
            meta=f"{len(record.strategies)} strategies in five phases, out of sample from {tested.first} to "
            f"{tested.last} in {len(record.folds)} folds · {source.data.description} · {tested.names}",
            costs=f"{settings.costs.build().described(panel.fields)}, and {law} impact",
            objectives=settings.objectives,
            record=record,
            index=np.asarray(index, dtype=np.float64),
            schedule=schedule_section(schedules),
            warnings=source.data.survivors("returns of long positions are biased upward. Compare the phases"),
            options=tuple(option_notes(catalogued(settings.strategies), panel)),
        )
    )
    return Findings(
        digest=record.digest,
        page=page,
        work=Work(record.n_computed, record.n_reused, record.seconds, called="results"),
        metrics={
            f"{variant.name} at {money(aum)}": left_metrics(record, variant.name, aum)
            for aum in record.aums
            for variant in VARIANTS
        },
        tables=_tables(record) | {"orders": _orders(schedules)},
        facts=tested.facts
        | {
            "yearly_exits": source.data.yearly_exits,
            "strategies": len(record.strategies),
            "seconds_by_phase": {phase: round(seconds, 3) for phase, seconds in record.phase_seconds.items()},
        },
    )


def _orders(schedules: Sequence[DaySchedule]) -> pa.Table:
    """The last trades as orders, by the money that is managed."""
    return pa.concat_tables(
        [
            each.orders.parents.append_column("aum", pa.array([each.aum] * each.orders.parents.num_rows, pa.float64()))
            for each in schedules
        ]
        or [PARENTS.empty_table()]
    )


def _tables(record: InstitutionalRecord) -> dict[str, pa.Table]:
    streams: dict[str, object] = {"date": record.dates, "regime": record.labels}
    for (variant, aum), replay in record.replays.items():
        for name in ("net", "cost", "turnover", "gross", "exposure", "options"):
            streams[f"{variant} at {money(aum)}, {name}"] = getattr(replay, name)
    candidates = [
        {"phase": each.phase, "fold": each.fold, "aum": each.aum, **vars(c), "chosen": c.name == each.choice.chosen}
        for each in record.choices
        for c in each.choice.candidates
    ]
    searches = [
        {
            "strategy": choice.strategy,
            "fold": choice.fold,
            "scope": choice.scope,
            "method": run.method,
            "start": run.start,
            "parameters": ", ".join(f"{name} {value}" for name, value in run.parameters),
            "score": run.score,
            "chosen": run.parameters == choice.parameters,
        }
        for choice in record.parameters
        for run in choice.runs
    ]
    shares = {name: record.shares[:, i] for i, name in enumerate(record.strategies)}
    return {
        "streams": pa.table(streams),
        "candidates": pa.Table.from_pylist(candidates),
        "searches": pa.Table.from_pylist(searches),
        "shares": pa.table({"date": record.dates, **shares}),
    }
