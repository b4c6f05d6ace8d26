"""The run folder of a combination: settings, tables, metrics and the report."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quantray import __version__
from quantray.backtest.costs import described
from quantray.data.files import write_atomically
from quantray.errors import DataError
from quantray.research.executor import Executor
from quantray.research.market import MarketData, load_market
from quantray.research.results import ResultStore
from quantray.research.tracking import track_run
from quantray.settings import as_mapping, config_hash, to_yaml
from quantray.strategies.catalogue import option_notes
from quantray.studies.combination.record import MIX, CombinationRecord
from quantray.studies.combination.report import (
    CombinationReportInput,
    account_metrics,
    netting_summary,
    render_combination,
    verdict,
)
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.combination.study import decision_rows, run_combination
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.sweep.settings import FIELDS

__all__ = ["CombinationSource", "combine", "load_combination", "write_combination"]


@dataclass(frozen=True, eq=False)
class CombinationSource:
    """The data of a combination."""

    settings: CombinationSettings
    """With the store's version filled in."""
    data: MarketData


def load_combination(settings: CombinationSettings) -> CombinationSource:
    """The panel of a combination.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load`` and ``CombinationSettings.members``, or there are too few days for a rebalance.
    """
    settings.members()
    data = load_market(settings.data, settings.exchange, FIELDS)
    settings = settings.model_copy(update={"data": data.settings, "exchange": data.exchange})
    decision_rows(data.panel.dates, settings.design())
    return CombinationSource(settings, data)


def combine(source: CombinationSource, executor: Executor) -> CombinationRecord:
    """Run the combination; what it computes is kept under ``runs/results`` by content.

    Raises
    ------
    InputError, DataError, SolverError
        As ``studies.combination.study.run_combination``.
    """
    settings = source.settings
    return run_combination(
        source.data.panel,
        settings.members(),
        settings.families(),
        executor,
        ResultStore(Path(settings.runs).resolve() / "results"),
        design=settings.design(),
        ensemble=EnsembleFamily(source.data.sectors) if settings.ensemble else None,
    )


def write_combination(source: CombinationSource, record: CombinationRecord) -> Path:
    """Write settings, tables, metrics and the report. Returns the folder.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings = source.settings
    identity = config_hash(settings, exclude={"cluster", "tracking", "runs"})
    folder = Path(settings.runs).resolve() / f"{settings.name}-{identity}"
    options = option_notes(dict.fromkeys(member.entry for member in record.members), source.data.panel)
    about = _about(source, record, identity) | {"options": options}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "study.json").unlink(missing_ok=True)
        for name, table in _tables(record).items():
            pq.write_table(table, folder / f"{name}.parquet")
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; free space or set runs=.") from error
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    metrics = {account.name: account_metrics(record, account) for account in record.accounts}
    # JSON has no NaN; what has no value is null.
    known = {name: {key: v if np.isfinite(v) else None for key, v in row.items()} for name, row in metrics.items()}
    write_atomically(folder / "metrics.json", json.dumps(known, indent=2))
    flat = {key: str(value) for key, value in as_mapping(settings).items()}
    report = folder / "report.html"
    write_atomically(report, render_combination(CombinationReportInput(settings.name, about, flat, record, options)))
    # Written last, it says that the rest is whole and belongs together.
    write_atomically(folder / "study.json", json.dumps(about, indent=2))
    if settings.tracking.mlflow:
        track_run(
            experiment=settings.tracking.experiment,
            name=settings.name,
            key=f"{identity}-{record.digest}",
            settings=as_mapping(settings),
            metrics={
                f"{name}.{key}".replace(" ", "_"): value
                for name, row in known.items()
                for key, value in row.items()
                if value is not None
            },
            artifacts=(report, folder / "settings.yaml", folder / "metrics.json"),
            uri=settings.tracking.uri,
            folder=Path(settings.runs),
        )
    return folder


def _about(source: CombinationSource, record: CombinationRecord, identity: str) -> dict[str, object]:
    """Facts of the run."""
    settings, panel = source.settings, source.data.panel
    return {
        "name": settings.name,
        "config_hash": identity,
        "digest": record.digest,
        "data": source.data.description,
        "delistings": source.data.delistings,
        "n_strategies": len(record.members),
        "n_effective_strategies": record.n_effective,
        "best_in_hindsight": record.members[record.best].name,
        "method": settings.method.replace("_", " "),
        "lookback_days": settings.lookback_days,
        "lag": settings.execution_lag,
        "costs_bps": settings.costs_bps,
        "costs": described(panel.fields, settings.costs_bps),
        "n_dates": len(panel.dates),
        "n_assets": len(panel.assets),
        "mean_members": float(panel.member[panel.dates >= record.dates[0]].sum(axis=1).mean()),
        "first": str(record.dates[0]),
        "last": str(record.dates[-1]),
        "yearly_exits": source.data.yearly_exits,
        "verdict": verdict(record),
        "netting": netting_summary(record, record.account(MIX)),
        "units_computed": record.n_computed,
        "units_reused": record.n_reused,
        "seconds": round(record.seconds, 3),
        "peak_driver_gib": round(record.peak_driver / 2**30, 2),
        "peak_workers_gib": [round(peak / 2**30, 2) for peak in record.peak_workers],
        "versions": {"quantray": __version__} | {n: version(n) for n in ("numpy", "scipy", "scikit-learn", "ray")},
    }


def _tables(record: CombinationRecord) -> dict[str, pa.Table]:
    """Streams of portfolios and of strategies, decisions and what netting did, as tables."""
    streams: dict[str, object] = {"date": record.dates}
    netting = []
    for account in record.accounts:
        streams[account.name] = account.returns
        streams[f"{account.name}, turnover"] = account.turnover
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
