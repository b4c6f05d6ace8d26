"""The shape of a study of forecasters: fits in parallel, then evaluation."""

from dataclasses import replace
from math import ceil

from quantray.data.panel import Panel
from quantray.data.splits import Split, label_gap
from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import ForecastSource, ForecastStudy, study_splits

__all__ = ["FORECAST_SIZING", "fit_parts", "forecast_driver", "shorter_forecasts", "shorter_training"]

_QUADRATIC = ("dense",)
"""Attention whose time grows with the square of the number of names."""
_LEAST_TEST = 30
"""Test days of a miniature with known returns."""


def fit_parts(source: ForecastSource, epochs: dict[str, float]) -> dict[str, Part]:
    """The fits of a study, a model a part.

    Parameters
    ----------
    epochs : model -> epochs that its fits take, where that is known; otherwise as many as they may take.
    """
    settings, parts = source.settings, {}
    splits = study_splits(settings, source.panel)
    cells = [_cells(source.panel, split, settings.folds.warm_up_days) for split in splits]
    for model in settings.all_models:
        seeds = settings.seeds if model.kind == "network" else 1
        read = sum(history for history, _, _ in cells)
        trained = sum(
            taken * days * (names if model.attention in _QUADRATIC else 1)
            for (_, days, names), taken in zip(cells, _epochs(model, len(splits), epochs), strict=True)
        )
        sizes = (seeds * read, seeds * trained) if model.kind == "network" else (seeds * read,)
        at_once = seeds if model.warm_start else None
        parts[f"fits {model.name}"] = Part(seeds * len(splits), sizes, max(cell[0] for cell in cells), at_once)
    return parts


def forecast_driver(source: ForecastSource) -> tuple[float, ...]:
    """What the evaluation of a study grows with: scores, and days of models."""
    settings, panel = source.settings, source.panel
    splits = study_splits(settings, panel)
    days = splits[-1].rows(panel.dates).test.stop - splits[0].rows(panel.dates).test.start
    fits = sum(settings.seeds if model.kind == "network" else 1 for model in settings.all_models)
    return float(days * fits * len(panel.assets)), float(days * len(settings.all_models))


def shorter_forecasts(source: ForecastSource, share: float) -> ForecastSource:
    """One fold of one seed, with a share of its training days and epochs; with the share 1 a fold as it is."""
    settings, panel = source.settings, source.panel
    folds, gap = settings.folds, label_gap(settings.folds.horizon, settings.accounting.execution_lag)
    test = min(folds.test_days, max(_LEAST_TEST + gap, round(share * folds.test_days)))
    cut = folds.model_copy(
        update={
            "train_days": max(40, round(share * folds.train_days)),
            "valid_days": max(10, round(share * folds.valid_days)),
            "test_days": test,
            "most": 1,
        }
    )
    used = folds.warm_up_days + _days(cut) + 2 * (gap + folds.embargo)
    small: ForecastSettings = settings.model_copy(
        update={
            "folds": cut,
            "seeds": 1,
            "models": tuple(shorter_training(model, share) for model in settings.models),
            # By default in the runs folder, which is another one here.
            "forecasts": None,
        }
    )
    return replace(source, settings=small, data=replace(source.data, panel=last_days(panel, used)))


def shorter_training(model: ModelSettings, share: float) -> ModelSettings:
    """A model with a share of its epochs, none of which is left out; with the share 1 as it is."""
    if share >= 1 or model.kind != "network":
        return model
    epochs = ceil(share * model.training.epochs)
    training = model.training.model_copy(update={"epochs": epochs, "patience": epochs})
    return model.model_copy(update={"training": training})


def _outline(source: ForecastSource, seen: ForecastStudy | None) -> Outline:
    known = {} if seen is None else {model.name: model.epochs for model in seen.models if model.epochs > 0}
    networks = [model for model in source.settings.models if model.kind == "network"]
    early = [m.name for m in networks if m.name not in known and m.training.patience < m.training.epochs]
    notes = (f"{', '.join(early)}: all epochs are counted; fits that stop early take less.",) if early else ()
    driver = forecast_driver(source)
    return Outline(fit_parts(source, known), driver, tables=driver[1], notes=notes)


def _cells(panel: Panel, split: Split, before: int) -> tuple[float, float, float]:
    """Days times names that a fit reads, days times names that it trains and validates on, and names."""
    rows = split.rows(panel.dates)
    start = max(rows.train.start - before, 0)
    names = float(panel.member[start : rows.test.stop].any(axis=0).sum())
    trained = rows.train.stop - rows.train.start + (0 if rows.valid is None else rows.valid.stop - rows.valid.start)
    return (rows.test.stop - start) * names, trained * names, names


def _epochs(model: ModelSettings, folds: int, known: dict[str, float]) -> list[float]:
    """Of a fit of each fold."""
    if model.name in known:
        return [known[model.name]] * folds
    cold = float(model.training.epochs * len(model.training.stages))
    return [float(model.warm_epochs) if model.warm_start and fold else cold for fold in range(folds)]


def _days(folds: ForecastFolds) -> int:
    return folds.train_days + folds.valid_days + folds.test_days


FORECAST_SIZING = Sizing(outline=_outline, smaller=shorter_forecasts)
