"""The run folder: settings, records, metrics and the report of one study."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml

from quantray import __version__
from quantray.analytics.metrics import performance, relative, trading
from quantray.analytics.report import ReportInput, render
from quantray.analytics.snapshot import Snapshot, take_snapshot
from quantray.analytics.track import TrackRecord
from quantray.data.files import write_atomically
from quantray.data.quality import QualityReport
from quantray.errors import DataError, QuantrayError
from quantray.research.config import StudySettings
from quantray.research.progress import say
from quantray.research.settings import as_mapping, config_hash, to_yaml
from quantray.research.study import Source, StudyResult
from quantray.research.tracking import track_run

__all__ = ["render_run", "summary", "write_run"]


def summary(record: TrackRecord, benchmark: TrackRecord, cash_rate: float) -> dict[str, float]:
    """All metrics of a record by name; those relative to the benchmark carry the prefix ``vs_``."""
    periods = record.periods_per_year
    own = performance(record.returns, risk_free=cash_rate, periods_per_year=periods).as_dict()
    own |= trading(record).as_dict()
    against = relative(record.returns, benchmark.returns, periods_per_year=periods).as_dict()
    return own | {f"vs_{name}": value for name, value in against.items()}


def write_run(source: Source, result: StudyResult) -> Path:
    """Write the run folder: settings, records, metrics and the report. Returns the folder.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings = source.settings
    identity = config_hash(settings, exclude={"cluster", "tracking", "runs"})
    folder = Path(settings.runs).resolve() / f"{settings.name}-{identity}"
    days = result.records[0].dates
    about = {
        "name": settings.name,
        "config_hash": identity,
        "digest": result.digest,
        "data": source.data.description,
        "n_dates": len(source.panel.dates),
        "n_assets": len(source.panel.assets),
        "mean_members": float(source.panel.member[source.panel.dates >= days[0]].sum(axis=1).mean()),
        "first": str(days[0]),
        "last": str(days[-1]),
        "yearly_exits": source.data.yearly_exits,
        "units_computed": result.n_computed,
        "units_reused": result.n_reused,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
        "versions": {"quantray": __version__} | {n: version(n) for n in ("numpy", "scipy", "scikit-learn", "ray")},
    }
    quality = [report.model_dump(mode="json") for report in source.data.quality]
    try:
        (folder / "study.json").unlink(missing_ok=True)
        for record in result.records:
            record.write(folder / "tracks" / record.name)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; free space or set runs=.") from error
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "sectors.json", json.dumps(source.data.sectors))
    write_atomically(folder / "quality.json", json.dumps(quality))
    snapshot = None
    try:
        snapshot = take_snapshot(source.panel, result.records, source.data.sectors)
    except QuantrayError as error:
        say(f"the report has no view of the risk ahead: {error}")
    write_atomically(folder / "snapshot.json", "null" if snapshot is None else snapshot.model_dump_json())
    # Written last, it says that the rest is whole and belongs together.
    write_atomically(folder / "study.json", json.dumps(about, indent=2))
    report = render_run(folder)
    if settings.tracking.mlflow:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        flat = {f"{name}.{key}": v for name, values in metrics.items() for key, v in values.items() if v is not None}
        track_run(
            experiment=settings.tracking.experiment,
            name=settings.name,
            key=f"{identity}-{result.digest}",
            settings=as_mapping(settings),
            metrics={key.replace(" ", "_"): value for key, value in flat.items()},
            artifacts=(report, folder / "settings.yaml", folder / "metrics.json"),
            uri=settings.tracking.uri,
            folder=Path(settings.runs),
        )
    return folder


def render_run(folder: Path) -> Path:
    """Write ``metrics.json`` and ``report.html`` of a run folder from what it holds; returns the report.

    Raises
    ------
    DataError
        The folder is no run folder.
    """
    try:
        about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        settings = StudySettings.model_validate(yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8")))
        sectors = json.loads((folder / "sectors.json").read_text(encoding="utf-8"))
        quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        seen = json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
        snapshot = None if seen is None else Snapshot.model_validate(seen)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{folder} is not a finished run: {reason}; give a folder that a study wrote.") from error
    names = [allocator.name for allocator in settings.allocators]
    records = tuple(replace(TrackRecord.read(folder / "tracks" / name), name=name) for name in names)
    by_name = {record.name: record for record in records}
    benchmark = by_name[settings.benchmark]
    metrics = {name: summary(record, benchmark, settings.accounting.cash_rate) for name, record in by_name.items()}
    html = render(
        ReportInput(
            title=settings.name,
            about=about,
            settings={key: str(value) for key, value in as_mapping(settings).items()},
            records=records,
            metrics=metrics,
            benchmark=settings.benchmark,
            sectors=sectors,
            snapshot=snapshot,
            quality=tuple(QualityReport.model_validate(report) for report in quality),
            delisting_return=settings.accounting.delisting_return,
        )
    )
    # JSON has no NaN; what has no value is null.
    known = {name: {key: v if np.isfinite(v) else None for key, v in row.items()} for name, row in metrics.items()}
    write_atomically(folder / "metrics.json", json.dumps(known, indent=2))
    path = folder / "report.html"
    write_atomically(path, html)
    return path
