"""What is kept of a study of scale: numbers by size, and the report."""

import json

import numpy as np

from quantray.analytics.bootstrap import Estimate, estimated_mean
from quantray.arrays import digest
from quantray.research.kind import Findings, Work
from quantray.studies.forecasts.figures import ScaleCurve
from quantray.studies.forecasts.findings import few_seeds
from quantray.studies.scale.report import ScaleReportInput, ScaleRow, scale_page
from quantray.studies.scale.study import ScaleResult, ScaleSource, SizeResult

__all__ = ["find_scale"]


def find_scale(source: ScaleSource, result: ScaleResult) -> Findings:
    """``scale.json`` with all numbers by size, skill by model and size, and the report."""
    settings, studies = source.settings, [size.study for size in result.sizes]
    rows = _rows(source, result)
    numbers = [_size_numbers(size, rows, place) for place, size in enumerate(result.sizes)]
    first, last = studies[0].dates[[0, -1]]
    folds = int(np.ceil(len(studies[0].dates) / settings.folds.test_days))
    plural = ["" if number == 1 else "s" for number in (folds, settings.seeds, settings.threads)]
    sizes = ", ".join(f"{size.size:,}" for size in result.sizes)
    page = scale_page(
        ScaleReportInput(
            title=settings.name,
            meta=f"The same forecasts on universes of {sizes} names · {source.data.description} · {first} to {last} · "
            f"{folds} fold{plural[0]}, {settings.seeds} seed{plural[1]}",
            costs_note=f"One epoch over {settings.folds.train_days} training dates, validation included, alone in a "
            f"process with {settings.threads} thread{plural[2]}; memory is the most that the fit added to that "
            "process, its features, graphs and tensors included.",
            skill_note=f"Mean daily information coefficient with its {settings.resampling.confidence:.0%} interval; "
            "then the same on the names of the smallest universe alone, and what training on more names changed there, "
            "paired by day.",
            sizes=[size.size for size in result.sizes],
            rows=rows,
            warnings=source.data.survivors("skill on it is flattered") + few_seeds(settings.seeds),
        )
    )
    return Findings(
        digest=digest([study.digest for study in studies]),
        page=page,
        work=Work(sum(s.n_computed for s in studies), sum(s.n_reused for s in studies), result.seconds, called="fits"),
        metrics={row.curve.name: _metrics(row, result) for row in rows},
        files={"scale.json": json.dumps(numbers, indent=2)},
        facts={"first": str(first), "last": str(last), "sizes": list(settings.sizes), "n_folds": folds},
    )


def _metrics(row: ScaleRow, result: ScaleResult) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for size, ic, nested in zip(result.sizes, row.curve.ic, row.curve.nested, strict=True):
        for name, one in ((f"ic_{size.size}", ic), (f"nested_ic_{size.size}", nested)):
            found |= {name: one.mean, f"{name}_low": one.interval.low, f"{name}_high": one.interval.high}
    return found


def _rows(source: ScaleSource, result: ScaleResult) -> list[ScaleRow]:
    sizes, settings = result.sizes, source.settings
    resampling, horizon = settings.resampling.build(), settings.folds.horizon
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
