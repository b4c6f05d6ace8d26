"""What is kept of a combination: streams of portfolios and strategies, decisions, netting, and the report."""

import pyarrow as pa

from quantray.research.kind import Findings, Work
from quantray.strategies.catalogue import option_notes
from quantray.studies.combination.record import MIX, CombinationRecord
from quantray.studies.combination.report import (
    CombinationReportInput,
    account_metrics,
    combination_page,
    netting_summary,
)
from quantray.studies.combination.study import CombinationSource
from quantray.studies.evaluation.strategy_settings import catalogued

__all__ = ["find_combination"]


def find_combination(source: CombinationSource, record: CombinationRecord) -> Findings:
    """Streams, decisions and what netting did as tables, and all metrics by portfolio."""
    settings, panel = source.settings, source.panel
    tested = source.data.sample(record.dates)
    page = combination_page(
        CombinationReportInput(
            title=settings.name,
            meta=f"{len(record.members)} strategies in one portfolio, out of sample from {tested.first} to "
            f"{tested.last}, {len(record.decisions)} rebalances · {source.data.description} · {tested.names}",
            lookback_days=settings.lookback_days,
            method=settings.method.replace("_", " "),
            lag=settings.accounting.execution_lag,
            costs=settings.costs.build().described(panel.fields),
            record=record,
            data=source.data,
            options=tuple(option_notes(catalogued(dict.fromkeys(member.entry for member in record.members)), panel)),
        )
    )
    peaks = [round(peak / 2**30, 2) for peak in record.peak_workers]
    workers = f" and {', '.join(map(str, peaks))} GiB in {len(peaks)} worker{'' if len(peaks) == 1 else 's'}"
    driver = f"Peak memory {record.peak_driver / 2**30:.2f} GiB in the driver"
    return Findings(
        digest=record.digest,
        page=page,
        work=Work(record.n_computed, record.n_reused, record.seconds, called="strategies"),
        metrics={account.name: account_metrics(record, account) for account in record.accounts},
        tables=_tables(record),
        facts=tested.facts
        | {
            "n_effective_strategies": record.n_effective,
            "best_in_hindsight": record.members[record.best].name,
            "yearly_exits": source.data.yearly_exits,
            "netting": netting_summary(record, record.account(MIX)),
            "peak_driver_gib": round(record.peak_driver / 2**30, 2),
            "peak_workers_gib": peaks,
        },
        notes=(f"{driver}{f'{workers}, each counting the data that they share' if peaks else ''}.",),
    )


def _tables(record: CombinationRecord) -> dict[str, pa.Table]:
    """Streams of portfolios and of strategies, decisions and what netting did, as tables."""
    streams: dict[str, object] = {"date": record.dates}
    netting = []
    for account in record.accounts:
        streams[account.name] = account.returns
        streams[f"{account.name}, turnover"] = account.turnover
        streams[f"{account.name}, costs"] = account.costs
        netting.append(
            pa.table({"date": record.decided, **vars(account.netting)}).append_column(
                "portfolio", pa.array([account.name] * len(record.decided))
            )
        )
    own = {member.name: record.member_returns[:, i] for i, member in enumerate(record.members)}
    decisions = [
        {
            "date": date,
            "strategy": member.name,
            "family": member.family,
            "share": float(weight),
            "dropped": decision.dropped.get(member.name),
            "reduced": decision.reduced.get(member.name),
        }
        for date, decision in zip(record.decided.tolist(), record.decisions, strict=True)
        for member, weight in zip(record.members, decision.weights.tolist(), strict=True)
    ]
    return {
        "streams": pa.table(streams),
        "strategies": pa.table({"date": record.dates, **own}),
        "decisions": pa.Table.from_pylist(decisions),
        "netting": pa.concat_tables(netting),
    }
