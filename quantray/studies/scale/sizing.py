"""The shape of a study of scale: the fits of every size, then epochs that are measured alone."""

from dataclasses import replace
from math import ceil
from typing import Any

from quantray.research.executor import Executor
from quantray.research.sizing import Outline, Part, Sizing
from quantray.studies.forecasts.sizing import fit_parts, forecast_driver, shorter_forecasts, shorter_training
from quantray.studies.forecasts.study import run_forecasts
from quantray.studies.scale.study import MEASURED, ScaleSource, measure_epoch

__all__ = ["SCALE_SIZING"]


def _outline(source: ScaleSource, seen: Any) -> Outline:
    settings = source.settings
    parts: dict[str, Part] = {}
    alone = [model for model in settings.models if model.kind == "network"]
    units, read = 0, 0.0
    for each in source.prepared:
        fits = fit_parts(each, {})
        for name, part in fits.items():
            before = parts.get(name, Part(0, (0.0,) * len(part.size), 0.0))
            size = tuple(a + b for a, b in zip(before.size, part.size, strict=True))
            parts[name] = Part(before.units + part.units, size, max(before.largest, part.largest))
        units += len(alone)
        read += len(alone) * max(part.largest for part in fits.values())
    if units:
        parts[MEASURED] = Part(units, (read,), at_once=1)
    driver = [forecast_driver(each) for each in source.prepared]
    early = [m.name for m in alone if m.training.patience < m.training.epochs]
    notes = (f"{', '.join(early)}: all epochs are counted; fits that stop early take less.",) if early else ()
    return Outline(parts, tuple(map(sum, zip(*driver, strict=True))), notes=notes)


def _smaller(source: ScaleSource, share: float) -> ScaleSource:
    """The smallest sizes, shorter each; epochs of one network are measured, for a process's start is most of it."""
    settings = source.settings
    count = ceil(share * len(settings.sizes))
    first = next((model for model in settings.models if model.kind == "network"), settings.models[0])
    update = {"sizes": settings.sizes[:count], "models": (shorter_training(first, share),)}
    prepared = tuple(shorter_forecasts(each, share) for each in source.prepared[:count])
    return replace(source, settings=settings.model_copy(update=update), prepared=prepared)


def _run(source: ScaleSource, executor: Executor) -> None:
    settings = source.settings
    for each in source.prepared:
        here = each.settings.model_copy(update={"runs": settings.runs, "cluster": settings.cluster})
        run_forecasts(replace(each, settings=here), executor)
        for network in settings.models:
            if network.kind == "network":
                measure_epoch(each, network, settings)


SCALE_SIZING = Sizing(outline=_outline, smaller=_smaller, run=_run)
