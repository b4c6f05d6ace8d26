"""Forecasts and strategies of finished runs as MLflow models, which score a frame of prices by themselves.

MLflow loads a model through ``_load_pyfunc`` of this module, from the folder that was kept. Regressions and forecasters
of users' own are kept as pickles, networks and strategies without.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from quantray import __version__
from quantray.analytics.forecasts import ensemble_scores
from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext, Fitted
from quantray.models.keeping import keep_fit, kept_fit
from quantray.models.learned import torch_threads
from quantray.research.folder import RESULTS, Run, finished, read_run, written_file
from quantray.research.market import load_market
from quantray.research.own_code import folder_of, is_installed, modules_in, places_in
from quantray.research.results import ResultStore
from quantray.settings import checked, nearest
from quantray.strategies.rule import Rule
from quantray.studies.evaluation.strategy_settings import Strategy, entry_of, named
from quantray.studies.forecasts.settings import FeatureSettings, ForecastSettings, ModelSettings
from quantray.studies.forecasts.study import ForecastSource, read_forecasts, study_splits
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, fit_trial, scores_from
from quantray.studies.reports.inputs import run_table
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.settings import SweepSettings

__all__ = ["ForecastScorer", "StrategyScorer", "export_model"]

_TOLD = "model.json"
_SAME = 1e-5
"""Of the largest score; other threads sum in another order."""
_STRATEGY: TypeAdapter[Any] = TypeAdapter(Strategy)
_FEATURE: TypeAdapter[Any] = TypeAdapter(FeatureSettings)


@dataclass(frozen=True, eq=False)
class ForecastScorer:
    """The fits of one forecaster on the last fold of a run, one a seed."""

    fits: tuple[Fitted, ...]
    threads: int

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Scores of every date after the fits' data, as the study gave them: the mean of the standardised seeds.

        Parameters
        ----------
        frame : rows of date, symbol, close, and what else the features need; before the first such date as many days
            as features, graph and warm-up look back on. A column ``member`` says who is scored, by default all.

        Returns
        -------
        DataFrame
            date, symbol and score.

        Raises
        ------
        InputError, DataError
            The frame ends too early, begins too late, or lacks a column.
        """
        panel = Panel.from_long(frame)
        through = max(fit.data_through for fit in self.fits)
        dates = panel.dates[panel.dates > through]
        if len(dates) == 0:
            raise InputError(f"the frame ends on {panel.dates[-1]}, and the fits have seen data through {through}.")
        with torch_threads(self.threads):
            scores = [fit.predict(panel, dates).values for fit in self.fits]
        member = panel.member[panel.row(dates[0]) :]
        together = scores[0] if len(scores) == 1 else ensemble_scores(np.stack(scores), member)
        return _rows(panel, dates, together, "score")


@dataclass(frozen=True, eq=False)
class StrategyScorer:
    """One strategy with its parameters."""

    rule: Rule[Any]

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Target weights of the frame's last date: date, symbol and weight, shorts negative; see ``ForecastScorer``."""
        panel = Panel.from_long(frame)
        return _rows(panel, panel.dates[-1:], self.rule.weights(panel)[-1:], "weight")


def export_model(folder: Path, name: str, out: Path | None = None) -> Path:
    """Write a forecaster of a run of forecasts, or a strategy of a sweep, as an MLflow model; returns its folder.

    A forecaster is that of the last fold: a network with all seeds; anything else is fitted again, from the data of the
    run, and must forecast what it did. A strategy has the parameters that were chosen for the last fold on all days.

    Parameters
    ----------
    out : folder to write, which must not be there; by default one in the run folder.

    Raises
    ------
    DataError
        The run has not finished, a file of it is missing or damaged, what is fitted again forecasts something else, or
        ``out`` is there.
    InputError
        The run is of another kind, or holds no such forecaster or strategy, or one that cannot be kept.
    """
    run = read_run(folder)
    finished(run)
    place = folder / "export" / "mlflow" / name if out is None else out
    if place.exists():
        raise DataError(f"{place} is there already; remove it, or name another folder with --out.")
    with tempfile.TemporaryDirectory() as made:
        kept = Path(made) / "quantray"
        kept.mkdir()
        told, value = _keep(run, name, kept)
        (kept / _TOLD).write_text(json.dumps(told, indent=2), encoding="utf-8")
        metadata = {"run": finished(run).key, "name": name}
        given = [each["name"] for each in told.get("features", ()) if "values" in each]
        _save(place, kept, _signature(value, given), metadata, _own_code(told if run.kind == "sweep" else run.settings))
    return place


def _load_pyfunc(path: str) -> ForecastScorer | StrategyScorer:
    """What MLflow calls."""
    told = json.loads((Path(path) / _TOLD).read_text(encoding="utf-8"))
    if "strategy" in told:
        return StrategyScorer(entry_of(_STRATEGY.validate_python(told["strategy"])).build(told["parameters"]))
    features = [_FEATURE.validate_python(each) for each in told["features"]]
    context = FitContext(own_features={each.name: each.build() for each in features}, sectors=told["sectors"])
    fits = tuple(_read_fit(Path(path) / file, context) for file in told["fits"])
    return ForecastScorer(fits, told["threads"])


def _read_fit(path: Path, context: FitContext) -> Fitted:
    return FittedNetwork.load(path, context) if path.suffix == ".pt" else kept_fit(path, context)


def _keep(run: Run, name: str, kept: Path) -> tuple[dict[str, Any], str]:
    """What is told of a model, and what its numbers are called; files go into a folder."""
    if run.kind == "forecasts":
        return _forecaster(run, name, kept), "score"
    if run.kind == "sweep":
        return _strategy(run, name), "weight"
    raise InputError(f"{run.folder} is of kind {run.kind}; models come of runs of forecasts and sweeps.")


def _forecaster(run: Run, name: str, kept: Path) -> dict[str, Any]:
    settings = checked(ForecastSettings, run.settings, str(run.folder / "settings.yaml"))
    models = {model.name: model for model in settings.all_models}
    if name not in models:
        hint = nearest(name, list(models)) or f" it has {', '.join(models)}."
        raise InputError(f"{run.folder} has no forecaster {name!r};{hint}")
    if models[name].kind == "network":
        sectors = load_market(settings.data, settings.exchange, ("close",)).sectors
        files = _keep_networks(run, models[name], kept)
    else:
        source = read_forecasts(settings)
        sectors = source.data.sectors
        files = [_keep_again(run, source, models[name], kept)]
    features = [each.model_dump(mode="json") for each in settings.features]
    return {"fits": files, "threads": settings.threads, "sectors": dict(sectors), "features": features}


def _keep_networks(run: Run, model: ModelSettings, kept: Path) -> list[str]:
    """Copy the checkpoints of a network's fits on the last fold; returns their names."""
    store, files = _results(run), []
    for place, key in enumerate(_last_results(run, model)):
        checkpoint = store.folder(key) / "checkpoint.pt"
        if not checkpoint.is_file():
            raise DataError(f"a checkpoint of {model.name} is missing; run {run.folder / 'settings.yaml'} again.")
        files.append(f"{place}.pt")
        shutil.copy(checkpoint, kept / files[-1])
    return files


def _keep_again(run: Run, source: ForecastSource, model: ModelSettings, kept: Path) -> str:
    """Fit on the last fold again what keeps no checkpoint, and write it; returns the file's name."""
    settings, panel = source.settings, source.panel
    split = study_splits(settings, panel)[-1]
    trial = ForecastTrial(
        model,
        split,
        0,
        before=settings.folds.warm_up_days,
        threads=settings.threads,
        numerics=settings.numerics,
        features=settings.features,
    )
    history = trial.history(panel)
    tested = split.rows(history.dates).test
    with torch_threads(settings.threads):
        fitted = fit_trial(ForecastData(panel, source.data.sectors, _results(run)), trial, history)
        found = fitted.predict(history, history.dates[tested]).values
    said = scores_from(_results(run), _last_results(run, model), history)[tested]
    if not np.allclose(found, said, rtol=0, atol=_SAME * np.nanmax(np.abs(said), initial=1e-300), equal_nan=True):
        raise DataError(
            f"{model.name}, fitted again, forecasts something else than in the run: its data, code or libraries have "
            f"changed; run {run.folder / 'settings.yaml'} again."
        )
    keep_fit(fitted, kept / "fit.pickle", model.name)
    return "fit.pickle"


def _results(run: Run) -> ResultStore:
    return ResultStore(run.folder.resolve().parent / "results")


def _last_results(run: Run, model: ModelSettings) -> list[str]:
    """Keys of the fits of a model on the last fold, in the order of the run's results."""
    store, asked = _results(run), _identity(model)
    found: dict[str, list[str]] = {}
    for key in written_file(run.folder, finished(run), RESULTS).decode().split():
        notes = store.notes(key)
        if "model" in notes and _identity(ModelSettings.model_validate_json(notes["model"])) == asked:
            found.setdefault(notes["test"], []).append(key)
    if not found:
        raise DataError(f"the results of {model.name} are missing; run {run.folder / 'settings.yaml'} again.")
    return found[max(found)]


def _identity(model: ModelSettings) -> dict[str, Any]:
    """What of a model its numbers depend on; two of one are fitted once, under the name of the first."""
    return model.model_dump(mode="json", exclude={"name", "reference"})


def _strategy(run: Run, name: str) -> dict[str, Any]:
    settings = checked(SweepSettings, run.settings, str(run.folder / "settings.yaml"))
    strategies = {named(each): each for each in settings.strategies}
    if name not in strategies:
        hint = nearest(name, list(strategies)) or f" it has {', '.join(strategies) or 'none'}."
        raise InputError(f"{run.folder} has no strategy {name!r};{hint}")
    choices = run_table(run, "choices").to_pylist()
    last = max((row for row in choices if (row["strategy"], row["regime"]) == (name, ALL)), key=lambda row: row["fold"])
    return {
        "strategy": _STRATEGY.dump_python(strategies[name], mode="json"),
        "parameters": json.loads(last["parameters"]),
    }


def _own_code(settings: Mapping[str, Any]) -> list[str]:
    """Files and folders of users' code that settings name, and those beside it."""
    tops = {place.partition(":")[0].partition(".")[0] for place in places_in([settings])}
    found = {top: folder_of(top, Path()) for top in sorted(tops)}
    edited = [(top, folder) for top, folder in found.items() if folder is not None and not is_installed(folder)]
    return [str(path) for path in dict.fromkeys(path for top, folder in edited for path in modules_in(top, folder))]


def _save(place: Path, kept: Path, signature: Any, metadata: dict[str, str], code: list[str]) -> None:
    with warnings.catch_warnings():
        # Of its own annotations, as it is imported, which takes seconds and is for those who ask for it; and of a
        # missing example, which would be prices of a user's.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: PLC0415

        mlflow.pyfunc.save_model(
            str(place),
            loader_module=__name__,
            data_path=str(kept),
            code_paths=code or None,
            signature=signature,
            pip_requirements=[f"quantray=={__version__}"],
            metadata=metadata,
        )


def _signature(value: str, given: Sequence[str]) -> Any:
    """Of a frame of prices, with features that come as values, to a column of numbers."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415

    keys = [ColSpec(DataType.datetime, "date"), ColSpec(DataType.string, "symbol")]
    names = ("close", "open", "high", "low", "volume")
    fields = [ColSpec(DataType.double, name, required=name == "close") for name in names]
    fields += [ColSpec(DataType.double, name) for name in given]
    member = ColSpec(DataType.boolean, "member", required=False)
    return ModelSignature(Schema([*keys, *fields, member]), Schema([*keys, ColSpec(DataType.double, value)]))


def _rows(panel: Panel, dates: Any, values: Float, title: str) -> pd.DataFrame:
    row, column = np.nonzero(~np.isnan(values))
    return pd.DataFrame({"date": dates[row], "symbol": panel.assets[column], title: values[row, column]})
