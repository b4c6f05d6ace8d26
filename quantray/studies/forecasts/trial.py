"""The unit of forecasting work: one model, with one seed, fitted on one fold and asked for its test dates."""

import json
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, digest
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError
from quantray.models.controls import Ridge, Rule
from quantray.models.forecaster import FitContext, Forecaster, Scores
from quantray.models.learned import FittedNetwork, NetworkForecaster, torch_threads, warm_settings
from quantray.models.scoring import Reading
from quantray.models.structures import GraphSettings
from quantray.models.training import TrainingSettings
from quantray.research.results import ResultStore
from quantray.studies.forecasts.settings import ModelSettings

__all__ = [
    "ForecastData",
    "ForecastTrial",
    "build_forecaster",
    "fit_seed",
    "forecast_key",
    "run_forecast",
    "scores_from",
]

_VERSIONS = {name: version(name) for name in ("numpy", "torch")}
"""Libraries whose releases may change results in the last digits."""

_GENERATION = 2
"""Raise this when a change in ``features`` or ``models`` changes numbers."""


@dataclass(frozen=True)
class ForecastTrial:
    """One model, one fold, one seed."""

    model: ModelSettings
    split: Split
    seed: int
    before: int
    """Trading days before the training range that the trial may read."""
    threads: int = 1
    parent: str | None = None
    """Key of the earlier fold's trial that this one starts from."""

    def history(self, panel: Panel) -> Panel:
        """All that the trial reads: its rows, and the names that are members on any of them.

        Members of the rows before training count as well: a market's return is the mean of its members, and must not
        depend on which of them will be members again.
        """
        rows = self.split.rows(panel.dates)
        start = max(rows.train.start - self.before, 0)
        members = panel.assets[panel.member[start : rows.test.stop].any(axis=0)]
        if len(members) == 0:
            raise DataError(f"nobody is a member between {self.split.train.first} and {self.split.test.last}.")
        return panel.between(panel.dates[start], panel.dates[rows.test.stop - 1]).select(members)


@dataclass(frozen=True, eq=False)
class ForecastData:
    """What every trial of a study shares."""

    panel: Panel
    sectors: dict[str, str]
    results: ResultStore

    def folder(self, key: str) -> Path:
        """Where a trial keeps its checkpoint."""
        return self.results.root / "checkpoints" / key[:2] / key


def build_forecaster(model: ModelSettings, *, seed: int = 0, warm: bool = False) -> Forecaster:
    """The forecaster that settings describe; ``warm`` for one that goes on from an earlier fit.

    Parameters
    ----------
    seed : of a random graph, so that fits differ in it too.
    """
    if model.kind == "ridge":
        return Ridge()
    if model.kind != "network":
        return Rule(model.kind)
    choice = model.training
    training = TrainingSettings(
        reading=Reading(mode=choice.mode, steps=choice.steps, warm_up=choice.warm_up_days, precision=choice.precision),
        batch=choice.batch,
        accumulate=choice.accumulate,
        epochs=choice.epochs,
        patience=choice.patience,
        stages=choice.stages,
        learning_rate=choice.learning_rate,
        weight_decay=choice.weight_decay,
        clip=choice.clip,
        loss=choice.loss,
    )
    return NetworkForecaster(
        name=model.name,
        attention=model.attention,
        width=model.width,
        layers=model.layers,
        heads=model.heads,
        dropout=model.dropout,
        recompute=model.recompute,
        graph=GraphSettings(**model.graph.model_dump(), seed=seed),
        training=warm_settings(training, epochs=model.warm_epochs) if warm else training,
        shuffled_labels=model.shuffled_labels,
        device=model.device,
    )


def forecast_key(data: ForecastData, trial: ForecastTrial) -> str:
    """Hash of the data slice, the settings and the versions that the trial's numbers depend on."""
    history = trial.history(data.panel)
    settings = {
        "model": trial.model.model_dump(mode="json", exclude={"name", "reference"}),
        "split": [str(part) for part in (trial.split.train, trial.split.valid, trial.split.test)],
        "labels": [trial.split.horizon, trial.split.lag, trial.split.purge],
        "seed": trial.seed,
        "threads": trial.threads,
        "parent": trial.parent,
        "versions": _VERSIONS | {"generation": _GENERATION},
    }
    sectors = [f"{name}={data.sectors[name]}" for name in history.assets.tolist() if name in data.sectors]
    return digest([history.fingerprint(), json.dumps(settings, sort_keys=True), "\n".join(sectors)])


def run_forecast(data: ForecastData, trial: ForecastTrial) -> str:
    """Fit, predict every test date, write the scores, and return the trial's key.

    An interrupted fit goes on from its last epoch, here or on another machine that sees the same folder.
    """
    key = forecast_key(data, trial)
    if data.results.has(key):
        return key
    with torch_threads(trial.threads):
        scores, notes = _forecast(data, trial, key)
    row, column = np.nonzero(~np.isnan(scores.values))
    table = pa.table(
        {
            "date": pa.array(scores.dates[row]),
            "symbol": pa.array(scores.assets[column].tolist(), pa.string()),
            "score": pa.array(scores.values[row, column]),
        }
    )
    data.results.put(key, table, notes)
    return key


def scores_from(results: ResultStore, keys: list[str], panel: Panel) -> Float:
    """(T, N) scores on the panel's rows from the trials of consecutive folds; NaN elsewhere."""
    values = np.full(panel.shape, np.nan)
    column = {asset: i for i, asset in enumerate(panel.assets.tolist())}
    for key in keys:
        table = results.get(key)
        rows = np.searchsorted(panel.dates, table["date"].to_numpy().astype("datetime64[D]"))
        values[rows, [column[symbol] for symbol in table["symbol"].to_pylist()]] = table["score"].to_numpy()
    return values


def _forecast(data: ForecastData, trial: ForecastTrial, key: str) -> tuple[Scores, dict[str, str]]:
    history = trial.history(data.panel)
    context = FitContext(
        sectors=data.sectors,
        seed=fit_seed(trial),
        folder=data.folder(key),
        say=lambda line: print(line, file=sys.stderr),
    )
    init = None
    if trial.parent is not None:
        init = FittedNetwork.load(data.folder(trial.parent) / "checkpoint.pt")
    forecaster = build_forecaster(trial.model, seed=trial.seed, warm=init is not None)
    fitted = forecaster.fit(history, trial.split, init=init, context=context)
    rows = trial.split.rows(history.dates).test
    scores = fitted.predict(history, history.dates[rows])
    notes = {"model": trial.model.model_dump_json(), "test": str(trial.split.test)}
    if isinstance(fitted, FittedNetwork):
        progress = fitted.checkpoint.progress
        notes["epochs"] = str(len(progress.history))
        notes["valid_ic"] = f"{progress.best_ic:.6f}"
    return replace(scores, state=None), notes


def fit_seed(trial: ForecastTrial) -> int:
    """Of everything random in a fit: from the fold and the number of the fit, never from when or where it runs.

    The same for all settings, so that these are compared on the same draws.
    """
    fold = int(trial.split.test.first.astype(np.int64))
    return int(np.random.SeedSequence([fold, trial.seed]).generate_state(1)[0])
