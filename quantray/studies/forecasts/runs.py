"""The run folders of forecasting and scaling studies: forecasts, figures, reports."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from quantray import __version__
from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean
from quantray.analytics.forecasts import quantile_returns
from quantray.arrays import digest
from quantray.data.files import write_atomically
from quantray.research.market import MarketData
from quantray.research.tracking import track_run
from quantray.settings import as_mapping, config_hash, to_yaml
from quantray.studies.forecasts.figures import ScaleCurve
from quantray.studies.forecasts.report import ForecastReportInput, ForecastRow, render_forecasts
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import ForecastSource, ForecastStudy, ModelForecasts
from quantray.studies.scale.report import ScaleReportInput, ScaleRow, render_scale
from quantray.studies.scale.study import ScaleResult, SizeResult

__all__ = ["ForecastRun", "write_forecast_run", "write_scale_run"]

_SURVIVORS = 0.01
"""Share of names leaving in a year below which the data must be of survivors."""


@dataclass(frozen=True)
class ForecastRun:
    """Where a finished study is."""

    folder: Path
    versions: dict[str, int]
    """Model -> version of the forecast store that holds its forecasts."""


def write_forecast_run(source: ForecastSource, study: ForecastStudy) -> ForecastRun:
    """Store the forecasts, write figures and the report; returns where.

    Forecasts that the store holds already as the model's latest keep their version.

    Raises
    ------
    DataError
        The folder or the forecast store cannot be written.
    """
    settings = source.settings
    identity = config_hash(settings, exclude={"cluster", "tracking", "runs", "forecasts"})
    runs = Path(settings.runs).resolve()
    folder = runs / f"{settings.name}-{identity}"
    store = ForecastStore(settings.forecasts or runs / "forecasts")
    notes = {"study": f"{settings.name}-{identity}", "digest": study.digest, "data": source.data.description}
    versions = _stored(store, study, notes)
    rows = [_row(source, study, model) for model in study.models]
    about = _about(source, study, identity)
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "metrics.json", json.dumps({row.name: _numbers(row) for row in rows}, indent=2))
    write_atomically(folder / "forecasts.json", json.dumps({"store": store.uri, "versions": versions}, indent=2))
    report = folder / "report.html"
    content = ForecastReportInput(
        title=settings.name,
        about=about,
        settings={key: str(value) for key, value in as_mapping(settings).items()},
        dates=study.dates,
        rows=rows,
        horizon=settings.folds.horizon,
        warnings=_warnings(source.data, settings.seeds),
    )
    write_atomically(report, render_forecasts(content))
    write_atomically(folder / "study.json", json.dumps(about, indent=2))
    if settings.tracking.mlflow:
        flat = {f"{row.name}.{key}": value for row in rows for key, value in _numbers(row).items() if value is not None}
        track_run(
            experiment=settings.tracking.experiment,
            name=settings.name,
            key=f"{identity}-{study.digest}",
            settings=as_mapping(settings),
            metrics=flat,
            artifacts=(report, folder / "settings.yaml", folder / "metrics.json"),
            uri=settings.tracking.uri,
            folder=runs,
        )
    return ForecastRun(folder, versions)


def write_scale_run(result: ScaleResult) -> Path:
    """Write the numbers and the report of a scaling study; returns its folder.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings = result.settings
    identity = config_hash(settings, exclude={"cluster", "runs"})
    folder = Path(settings.runs).resolve() / f"{settings.name}-{identity}"
    rows = _scale_rows(result)
    numbers = [_size_numbers(size, rows, place) for place, size in enumerate(result.sizes)]
    page = ScaleReportInput(
        title=settings.name,
        about=_scale_about(result),
        sizes=[size.size for size in result.sizes],
        rows=rows,
        warnings=_warnings(result.data, settings.seeds),
    )
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "scale.json", json.dumps(numbers, indent=2))
    write_atomically(folder / "report.html", render_scale(page))
    return folder


def _stored(store: ForecastStore, study: ForecastStudy, notes: dict[str, str]) -> dict[str, int]:
    """Model -> version of the store with its forecasts."""
    latest = {found.model: found for found in store.versions()} if store.exists() else {}
    versions = {}
    for model in study.models:
        # Zero is no forecast; everything else can be traded on, controls included.
        if model.skill is None:
            continue
        found = latest.get(model.name)
        if found is not None and found.notes == notes:
            versions[model.name] = found.number
        else:
            versions[model.name] = store.write(model.name, study.dates, study.panel.assets, model.scores, notes)
    return versions


def _row(source: ForecastSource, study: ForecastStudy, model: ModelForecasts) -> ForecastRow:
    horizon = source.settings.folds.horizon
    resampling = Resampling(level=source.settings.confidence)
    skill, deciles = model.skill, None
    if skill is not None and np.nanmean((~np.isnan(model.scores)).sum(axis=1)) >= 40:
        deciles = quantile_returns(model.scores, study.forward, horizon=horizon, resampling=resampling).mean
    return ForecastRow(
        name=model.name,
        is_control=model.is_control,
        ic=estimated_mean(model.ic, overlap=horizon, resampling=resampling),
        rank_ic=None if skill is None else skill.mean_rank_ic,
        icir=None if skill is None else skill.icir,
        positive_days=None if skill is None else skill.positive_days,
        seed_ic=model.seed_ic,
        epochs=model.epochs,
        daily=model.ic,
        deciles=deciles,
        differences=model.differences,
    )


def _about(source: ForecastSource, study: ForecastStudy, identity: str) -> dict[str, object]:
    settings = source.settings
    rows = np.searchsorted(study.panel.dates, study.dates)
    return {
        "name": settings.name,
        "config_hash": identity,
        "digest": study.digest,
        "data": source.data.description,
        "delistings": source.data.delistings,
        "first": str(study.dates[0]),
        "last": str(study.dates[-1]),
        "n_assets": len(study.panel.assets),
        "mean_members": float(study.panel.member[rows].sum(axis=1).mean()),
        "n_folds": int(np.ceil(len(study.dates) / settings.folds.test_days)),
        "horizon": settings.folds.horizon,
        "lag": settings.folds.lag,
        "confidence": f"{settings.confidence:.0%}",
        "units_computed": study.n_computed,
        "units_reused": study.n_reused,
        "seconds": round(study.seconds, 3),
        "versions": {"quantray": __version__} | {n: version(n) for n in ("numpy", "torch", "ray")},
    }


def _warnings(data: MarketData, seeds: int) -> list[str]:
    found = []
    if data.yearly_exits < _SURVIVORS and data.quality:
        found.append("Almost no name leaves this universe, so it holds survivors: skill on it is flattered.")
    if seeds < 5:
        found.append(
            f"Only {seeds} seed{'' if seeds == 1 else 's'}: differences between networks may be luck of the draw."
        )
    return found


def _numbers(row: ForecastRow) -> dict[str, float | None]:
    out: dict[str, float | None] = {
        "ic": row.ic.mean,
        "ic_low": row.ic.interval.low,
        "ic_high": row.ic.interval.high,
        "rank_ic": None if row.rank_ic is None else row.rank_ic.mean,
        "icir": row.icir,
        "positive_days": row.positive_days,
        "seed_deviation": row.seed_deviation,
        "epochs": row.epochs,
        "spread": row.spread,
    }
    for control, found in row.differences.items():
        out |= {
            f"vs_{control}": found.mean,
            f"vs_{control}_low": found.interval.low,
            f"vs_{control}_high": found.interval.high,
        }
    # What cannot be told is none, for JSON knows no NaN.
    return {name: None if value is None or np.isnan(value) else value for name, value in out.items()}


def _scale_rows(result: ScaleResult) -> list[ScaleRow]:
    sizes, settings = result.sizes, result.settings
    resampling, horizon = Resampling(level=settings.confidence), settings.folds.horizon
    none = np.full(len(sizes), np.nan)
    rows = []
    for models in zip(*(size.study.models for size in sizes), strict=True):
        name = models[0].name
        costs = [size.costs[name] for size in sizes if name in size.costs]
        curve = ScaleCurve(
            name,
            np.array([float(size.n_names) for size in sizes]),
            np.array([cost.seconds for cost in costs]) if costs else none,
            np.array([cost.training_bytes / 1e9 for cost in costs]) if costs else none,
            [estimated_mean(model.ic, overlap=horizon, resampling=resampling) for model in models],
            [estimated_mean(size.nested[name], overlap=horizon, resampling=resampling) for size in sizes],
        )
        rows.append(
            ScaleRow(
                curve=curve,
                is_control=models[0].is_control,
                slopes=(result.slope(name, "seconds"), result.slope(name, "training_bytes")) if costs else None,
                gains=[size.nested_against_smallest[name] for size in sizes],
                differences=[model.differences for model in models],
            )
        )
    return rows


def _scale_about(result: ScaleResult) -> dict[str, object]:
    settings, first = result.settings, result.sizes[0].study
    return {
        "sizes": ", ".join(f"{size.size:,}" for size in result.sizes),
        "data": result.data.description,
        "first": str(first.dates[0]),
        "last": str(first.dates[-1]),
        "n_folds": int(np.ceil(len(first.dates) / settings.folds.test_days)),
        "seeds": settings.seeds,
        "train_days": settings.folds.train_days,
        "threads": max(1, int(settings.cluster.cpus_per_task)),
        "confidence": f"{settings.confidence:.0%}",
        "digest": digest([size.study.digest for size in result.sizes]),
        "seconds": sum(size.study.seconds for size in result.sizes),
    }


def _size_numbers(size: SizeResult, rows: list[ScaleRow], place: int) -> dict[str, object]:
    """What the report shows of one size; ``place`` is the size's among all."""
    return {
        "size": size.size,
        "names": size.n_names,
        "costs": {name: vars(cost) for name, cost in size.costs.items()},
        "ic": {row.curve.name: _estimate(row.curve.ic[place]) for row in rows},
        "nested_ic": {row.curve.name: _estimate(row.curve.nested[place]) for row in rows},
        "nested_change": {row.curve.name: _estimate(row.gains[place]) for row in rows},
        "differences": {
            row.curve.name: {control: _estimate(found) for control, found in row.differences[place].items()}
            for row in rows
            if not row.is_control
        },
        "digest": size.study.digest,
        "seconds": size.study.seconds,
    }


def _estimate(found: Estimate) -> dict[str, float]:
    return {"mean": found.mean, "low": found.interval.low, "high": found.interval.high}
