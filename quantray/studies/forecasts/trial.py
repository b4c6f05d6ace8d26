"""The unit of forecasting work: one model, with one seed, fitted on one fold and asked for its test dates."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, digest
from quantray.data.fingerprints import Window
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError
from quantray.features.catalogue import Feature
from quantray.models.controls import ControlRule
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext, Fitted, Forecaster
from quantray.models.layers import LayerSettings
from quantray.models.learned import NetworkForecaster, torch_threads, warm_settings
from quantray.models.linear import ElasticNet, Ridge
from quantray.models.networks import Attention
from quantray.models.own import OwnForecaster
from quantray.models.regression import hist_gradient_boosting, lightgbm
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings
from quantray.models.training import TrainingSettings
from quantray.own import made, own_path
from quantray.research.numerics import Numerics
from quantray.research.progress import say
from quantray.research.provenance import Origin, notes_of, unit_key
from quantray.research.results import Layout, ResultStore, places
from quantray.research.source import TableChoice, name_of
from quantray.research.units import Due, Unit
from quantray.studies.forecasts.settings import FeatureSettings, LayerChoice, ModelSettings, OwnFeatureSettings

__all__ = [
    "SCORES",
    "ForecastData",
    "ForecastTrial",
    "attention_of",
    "build_forecaster",
    "due_trials",
    "fit_seed",
    "fit_trial",
    "forecast_key",
    "forecast_origin",
    "forecast_units",
    "run_forecast",
    "scores_from",
]

_LIBRARIES = ("numpy", "torch")


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
    numerics: Numerics = "native"
    features: tuple[FeatureSettings, ...] = ()
    """Of the user's own."""

    @property
    def own_features(self) -> dict[str, Feature]:
        """Name -> what it is."""
        return {each.name: each.build() for each in self.features}

    def window(self, panel: Panel) -> Window:
        """All that the trial reads: its rows, and the names that are members on any of them.

        Members of the rows before training count as well: a market's return is the mean of its members, and must not
        depend on which of them will be members again.
        """
        rows = self.split.rows(panel.dates)
        start = max(rows.train.start - self.before, 0)
        members = np.logical_or.reduce(panel.member[start : rows.test.stop])
        if not members.any():
            raise DataError(f"nobody is a member between {self.split.train.first} and {self.split.test.last}.")
        return Window(slice(start, rows.test.stop), members)

    def history(self, panel: Panel) -> Panel:
        """The panel in the trial's window."""
        return panel.cut(self.window(panel))


@dataclass(frozen=True, eq=False)
class ForecastData:
    """What every trial of a study shares."""

    panel: Panel
    sectors: dict[str, str]
    results: ResultStore

    def folder(self, key: str) -> Path:
        """Where a trial keeps its checkpoint."""
        return self.results.folder(key)


def build_forecaster(model: ModelSettings, *, seed: int = 0, warm: bool = False) -> Forecaster:
    """The forecaster that settings describe; ``warm`` for one that goes on from an earlier fit.

    Parameters
    ----------
    seed : of a random graph, so that fits differ in it too.
    """
    return KINDS[_kind(model)].build(model, seed, warm)


def _kind(model: ModelSettings) -> str:
    return model.kind if model.own is None else "own"


def attention_of(model: ModelSettings) -> Attention | LayerSettings:
    """How names see one another in the network that settings describe."""
    chosen = model.attention
    return LayerSettings(chosen.layer, chosen.parameters) if isinstance(chosen, LayerChoice) else chosen


def _network(model: ModelSettings, seed: int, warm: bool) -> Forecaster:
    choice = model.training
    training = TrainingSettings(
        reading=TimeReading(
            mode=choice.mode, steps=choice.steps, warm_up=choice.warm_up_days, precision=choice.precision
        ),
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
        attention=attention_of(model),
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


def _elastic_net(model: ModelSettings, *_: object) -> Forecaster:
    return made(ElasticNet, model.parameters, f"{model.name}: elastic_net")  # type: ignore[no-any-return]


def _hist_gradient_boosting(model: ModelSettings, *_: object) -> Forecaster:
    return hist_gradient_boosting(model.name, model.parameters)


def _lightgbm(model: ModelSettings, *_: object) -> Forecaster:
    return lightgbm(model.name, model.parameters)


def _own(model: ModelSettings, *_: object) -> Forecaster:
    return OwnForecaster(model.name, model.kind, model.parameters)


SCORES = Layout(pa.schema([("date", pa.date32()), ("symbol", pa.string()), ("score", pa.float64())]))
"""Of the result of a fit."""


def forecast_key(data: ForecastData, trial: ForecastTrial) -> str:
    """Hash of the data slice, the settings and the origin that the trial's numbers depend on."""
    return _key(next(due_trials(data, [trial])))


def forecast_units(data: ForecastData, trials: Iterable[ForecastTrial]) -> list[Unit[Due[ForecastTrial]]]:
    """The trials as units of work."""
    return [
        Unit(_key(due), due, forecast_origin(due.item), SCORES, due.item.model.name) for due in due_trials(data, trials)
    ]


def due_trials(data: ForecastData, trials: Iterable[ForecastTrial]) -> Iterator[Due[ForecastTrial]]:
    """Each with the fingerprint of its history and sectors, which is made once for all that read the same."""
    fingerprints = data.panel.fingerprints()
    read: dict[tuple[Split, int], str] = {}
    for trial in trials:
        what = (trial.split, trial.before)
        if what not in read:
            window = trial.window(data.panel)
            names = data.panel.assets[window.columns].tolist()
            sectors = [f"{name}={data.sectors[name]}" for name in names if name in data.sectors]
            read[what] = digest([fingerprints.of(window), "\n".join(sectors)])
        yield Due(trial, read[what])


def _key(due: Due[ForecastTrial]) -> str:
    """See ``forecast_key``."""
    trial = due.item
    settings: dict[str, object] = {
        "model": trial.model.model_dump(mode="json", exclude={"name", "reference", "trial_seconds"}),
        "split": [str(part) for part in (trial.split.train, trial.split.valid, trial.split.test)],
        "labels": [trial.split.horizon, trial.split.lag, trial.split.purge],
        "seed": trial.seed,
        "threads": trial.threads,
        "parent": trial.parent,
    }
    if trial.features:
        # Values are in the panel, wherever they were read.
        idle = {"trial_seconds", "values"}
        settings["features"] = [each.model_dump(mode="json", exclude=idle) for each in trial.features]
    return unit_key([due.read], settings, origin=forecast_origin(trial))


def forecast_origin(trial: ForecastTrial) -> Origin:
    """The code, libraries and kernels that the trial's numbers depend on."""
    kind, own, layer = _kind(trial.model), trial.model.own, attention_of(trial.model)
    choices = tuple(TableChoice(name_of(reader), "KINDS", kind) for reader in (build_forecaster, _forecast))
    theirs = [own] if own is not None else [layer.path] if isinstance(layer, LayerSettings) else []
    functions = (each.feature for each in trial.features if isinstance(each, OwnFeatureSettings))
    theirs += [own_path(function, "features") or function for function in functions]
    return Origin((name_of(_forecast), *theirs), (*_LIBRARIES, *KINDS[kind].libraries), choices, trial.numerics)


def run_forecast(data: ForecastData, due: Due[ForecastTrial]) -> str:
    """Fit, predict every test date, write the scores, and return the trial's key.

    An interrupted fit goes on from its last epoch, here or on another machine that sees the same folder.
    """
    key, trial = _key(due), due.item
    if data.results.has(key, SCORES):
        return key
    with torch_threads(trial.threads):
        table, notes = _forecast(data, trial, key)
    data.results.put(key, table, notes | notes_of(forecast_origin(trial)))
    return key


def scores_from(results: ResultStore, keys: list[str], panel: Panel) -> Float:
    """(T, N) scores on the panel's rows from the trials of consecutive folds; NaN elsewhere."""
    values = np.full(panel.shape, np.nan)
    for key in keys:
        table = results.get(key, SCORES)
        values[places(table, panel.dates, panel.assets)] = table["score"].to_numpy()
    return values


def fit_trial(
    data: ForecastData, trial: ForecastTrial, history: Panel, *, init: Any = None, folder: Path | None = None
) -> Fitted:
    """The fit of a trial on its history.

    Parameters
    ----------
    init : an earlier fit that it starts from.
    folder : for its checkpoint.
    """
    context = FitContext(
        own_features=trial.own_features,
        sectors=data.sectors,
        seed=fit_seed(trial),
        threads=trial.threads,
        folder=folder,
        say=say,
    )
    forecaster = build_forecaster(trial.model, seed=trial.seed, warm=init is not None)
    return forecaster.fit(history, trial.split, init=init, context=context)


def _forecast(data: ForecastData, trial: ForecastTrial, key: str) -> tuple[pa.Table, dict[str, str]]:
    """The scores of the test dates, date, symbol and score a row, and what to note of the fit."""
    kind, history = KINDS[_kind(trial.model)], trial.history(data.panel)
    init = None
    if trial.parent is not None:
        assert kind.load is not None, "only networks have parents"
        init = kind.load(data.folder(trial.parent) / "checkpoint.pt")
    fitted = fit_trial(data, trial, history, init=init, folder=data.folder(key))
    scores = fitted.predict(history, history.dates[trial.split.rows(history.dates).test])
    row, column = np.nonzero(~np.isnan(scores.values))
    table = pa.table(
        {
            "date": pa.array(scores.dates[row]),
            "symbol": pa.array(scores.assets[column].tolist(), pa.string()),
            "score": pa.array(scores.values[row, column]),
        }
    )
    return table, {"model": trial.model.model_dump_json(), "test": str(trial.split.test)} | kind.notes(fitted)


def _epochs(fitted: FittedNetwork) -> dict[str, str]:
    """What is noted of a network's training."""
    progress = fitted.checkpoint.progress
    return {"epochs": str(len(progress.history)), "valid_ic": f"{progress.best_ic:.6f}"}


def _validation(fitted: Any) -> dict[str, str]:
    """What is noted of a fit at once."""
    found = getattr(fitted, "valid_ic", None)
    return {} if found is None else {"valid_ic": f"{found:.6f}"}


def _nothing(fitted: object) -> dict[str, str]:
    """What is noted of a fit without epochs."""
    return {}


@dataclass(frozen=True)
class _Kind:
    """How the forecasters of one kind are made, found again and described."""

    build: Callable[[ModelSettings, int, bool], Forecaster]
    """From the settings, the seed, and whether it goes on from an earlier fit."""
    libraries: tuple[str, ...] = ()
    """Besides those of all kinds, whose releases may change results."""
    load: Callable[[Path], Any] | None = None
    notes: Callable[[Any], dict[str, str]] = _nothing


KINDS = {
    "network": _Kind(_network, load=FittedNetwork.load, notes=_epochs),
    "ridge": _Kind(lambda *_: Ridge(), notes=_validation),
    "elastic_net": _Kind(_elastic_net, ("scikit-learn",), notes=_validation),
    "hist_gradient_boosting": _Kind(_hist_gradient_boosting, ("scikit-learn",), notes=_validation),
    "lightgbm": _Kind(_lightgbm, ("lightgbm",), notes=_validation),
    "own": _Kind(_own, notes=_validation),
    "reversal": _Kind(lambda *_: ControlRule("reversal")),
    "reversal_gap": _Kind(lambda *_: ControlRule("reversal_gap")),
    "zero": _Kind(lambda *_: ControlRule("zero")),
}
"""Forecasters by the names that settings use; a trial's key follows its own entry alone."""


def fit_seed(trial: ForecastTrial) -> int:
    """Of everything random in a fit: from the fold and the number of the fit, never from when or where it runs.

    The same for all settings, so that these are compared on the same draws.
    """
    fold = int(trial.split.test.first.astype(np.int64))
    return int(np.random.SeedSequence([fold, trial.seed]).generate_state(1)[0])
