"""The run folders of forecasting and scaling studies: forecasts, figures, reports."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from quantray import __version__
from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean
from quantray.analytics.figures import to_html
from quantray.analytics.forecast_figures import ScaleCurve, scale
from quantray.analytics.forecast_report import ForecastReportInput, ForecastRow, render_forecasts, verdict
from quantray.analytics.forecasts import quantile_returns
from quantray.analytics.pages import render_page
from quantray.arrays import digest
from quantray.data.files import write_atomically
from quantray.research.config import as_mapping, config_hash, to_yaml
from quantray.research.forecast_store import ForecastStore
from quantray.research.forecast_study import ForecastSource, ForecastStudy, ModelForecasts
from quantray.research.scaling import ScaleResult, SizeResult
from quantray.research.tracking import track_run

__all__ = ["ForecastRun", "write_forecast_run", "write_scale_run"]

_SURVIVORS = 0.01
_UNSTORED = ("zero",)


@dataclass(frozen=True)
class ForecastRun:
    """Where a finished study is."""

    folder: Path
    versions: dict[str, int]
    """Model -> version of the forecast store that holds its forecasts."""


def write_forecast_run(source: ForecastSource, study: ForecastStudy) -> ForecastRun:
    """Store the forecasts, write figures and the report; returns where.

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
    # Zero is no forecast; everything else can be traded on, controls included.
    stored = [model for model in study.models if model.skill is not None]
    versions = {m.name: store.write(m.name, study.dates, study.panel.assets, m.scores, notes) for m in stored}
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
        warnings=_warnings(source, settings.seeds),
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
    numbers = [_size_numbers(size) for size in result.sizes]
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "scale.json", json.dumps(numbers, indent=2))
    write_atomically(folder / "report.html", _scale_page(result))
    return folder


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


def _warnings(source: ForecastSource, seeds: int) -> list[str]:
    found = []
    if source.data.yearly_exits < _SURVIVORS and source.data.quality:
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
        "epochs": None if np.isnan(row.epochs) else row.epochs,
    }
    for control, found in row.differences.items():
        out |= {
            f"vs_{control}": found.mean,
            f"vs_{control}_low": found.interval.low,
            f"vs_{control}_high": found.interval.high,
        }
    return out


def _size_numbers(size: SizeResult) -> dict[str, object]:
    return {
        "size": size.size,
        "names": size.n_names,
        "costs": {name: vars(cost) for name, cost in size.costs.items()},
        "ic": {model.name: float(np.nanmean(model.ic)) for model in size.study.models},
        "nested_ic": {name: float(np.nanmean(np.nan_to_num(daily))) for name, daily in size.nested.items()},
        "nested_change": {name: _text(found) for name, found in size.nested_against_smallest.items()},
        "differences": {
            model.name: {control: _text(found) for control, found in model.differences.items()}
            for model in size.study.models
            if not model.is_control
        },
        "digest": size.study.digest,
        "seconds": size.study.seconds,
    }


def _scale_page(result: ScaleResult) -> str:
    settings, sizes = result.settings, result.sizes
    resampling, horizon = Resampling(level=settings.confidence), settings.folds.horizon

    def estimate(daily: np.ndarray) -> Estimate:
        return estimated_mean(np.nan_to_num(daily), overlap=horizon, resampling=resampling)

    order = [model.name for model in sizes[0].study.models]
    of = [{model.name: model for model in size.study.models} for size in sizes]
    ic = {name: [estimate(models[name].ic) for models in of] for name in order}
    nested = {name: [estimate(size.nested[name]) for size in sizes] for name in order}
    trained = list(sizes[0].costs)
    none = np.full(len(sizes), np.nan)
    curves = [
        ScaleCurve(
            name,
            np.array([float(size.n_names) for size in sizes]),
            np.array([size.costs[name].seconds for size in sizes]) if name in trained else none,
            np.array([size.costs[name].training_bytes / 1e9 for size in sizes]) if name in trained else none,
            ic[name],
            nested[name],
        )
        for name in order
        if name != "zero"
    ]
    picture = scale(curves)
    first = sizes[0].study
    about = {
        "sizes": ", ".join(f"{size.size:,}" for size in sizes),
        "data": "a market store" if settings.data.kind == "store" else "simulated markets",
        "first": str(first.dates[0]),
        "last": str(first.dates[-1]),
        "n_folds": int(np.ceil(len(first.dates) / settings.folds.test_days)),
        "seeds": settings.seeds,
        "train_days": settings.folds.train_days,
        "threads": max(1, int(settings.cluster.cpus_per_task)),
        "confidence": f"{settings.confidence:.0%}",
        "digest": digest([size.study.digest for size in sizes]),
        "seconds": sum(size.study.seconds for size in sizes),
    }
    units = (
        ("Seconds of an epoch", "seconds", 1.0, "{:.1f}"),
        ("Memory of training, GB", "training_bytes", 1e9, "{:.2f}"),
    )
    costs = [
        (
            title,
            [
                [
                    name,
                    *(form.format(getattr(s.costs[name], what) / unit) for s in sizes),
                    f"{result.slope(name, what):.2f}",
                ]
                for name in trained
            ],
        )
        for title, what, unit, form in units
    ]
    skills = [
        ("On all names", [[name, *(_text(found) for found in ic[name])] for name in order]),
        ("On the smallest universe", [[name, *(_text(found) for found in nested[name])] for name in order]),
        (
            "There, less the fit on the smallest universe",
            [[name, *(_text(s.nested_against_smallest[name]) for s in sizes)] for name in trained],
        ),
    ]
    judged = [name for name in order if not of[0][name].is_control]
    pairs = [
        [
            f"{name} − {control}",
            *(_marked(models[name].differences[control]) for models in of),
        ]
        for name in judged
        for control in of[0][name].differences
    ]
    largest = [verdict(name, of[-1][name].differences) for name in judged]
    return render_page(
        "scale.html.j2",
        {
            "title": settings.name,
            "about": about,
            "headline": f"On {sizes[-1].size:,} names: " + " ".join(largest),
            "charts": [("Scale", picture.note, to_html(picture, "scale"))],
            "sizes": [f"{size.size:,}" for size in sizes],
            "costs": costs,
            "skills": skills,
            "pairs": pairs,
        },
    )


def _text(found: Estimate) -> str:
    return f"{found.mean:.4f} ({found.interval.low:.4f} to {found.interval.high:.4f})"


def _marked(found: Estimate) -> tuple[str, bool]:
    """The difference and whether its interval leaves out zero."""
    return _text(found), found.interval.low > 0 or found.interval.high < 0
