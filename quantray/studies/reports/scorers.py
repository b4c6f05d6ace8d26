"""Forecasts and strategies of finished runs as MLflow models, which score a frame of prices by themselves.

MLflow loads a model through ``_load_pyfunc`` of this module, from the folder that was kept: no code is pickled.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
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
from quantray.models.forecaster import FitContext
from quantray.models.learned import torch_threads
from quantray.research.folder import RESULTS, Run, finished, read_run, written_file
from quantray.research.market import load_market
from quantray.research.own_code import folder_of, is_installed, modules_in, places_in
from quantray.research.results import ResultStore
from quantray.settings import checked, nearest
from quantray.strategies.rule import Rule
from quantray.studies.evaluation.strategy_settings import Strategy, entry_of, named
from quantray.studies.forecasts.settings import FeatureSettings, ForecastSettings, ModelSettings
from quantray.studies.reports.inputs import run_table
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.settings import SweepSettings

__all__ = ["ForecastScorer", "StrategyScorer", "export_model"]

_TOLD = "model.json"
_STRATEGY: TypeAdapter[Any] = TypeAdapter(Strategy)
_FEATURE: TypeAdapter[Any] = TypeAdapter(FeatureSettings)


@dataclass(frozen=True, eq=False)
class ForecastScorer:
    """The fits of one network on the last fold of a run, one a seed."""

    fits: tuple[FittedNetwork, ...]
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
    """Write a network of a run of forecasts, or a strategy of a sweep, as an MLflow model; returns its folder.

    A network is that of the last fold, with all seeds; a strategy has the parameters that were chosen for the last fold
    on all days.

    Parameters
    ----------
    out : folder to write, which must not be there; by default one in the run folder.

    Raises
    ------
    DataError
        The run has not finished, a file of it is missing or damaged, or ``out`` is there.
    InputError
        The run is of another kind, or holds no such network or strategy.
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
        _save(place, kept, value, metadata, _own_code(told if run.kind == "sweep" else run.settings))
    return place


def _load_pyfunc(path: str) -> ForecastScorer | StrategyScorer:
    """What MLflow calls."""
    told = json.loads((Path(path) / _TOLD).read_text(encoding="utf-8"))
    if "strategy" in told:
        return StrategyScorer(entry_of(_STRATEGY.validate_python(told["strategy"])).build(told["parameters"]))
    features = [_FEATURE.validate_python(each) for each in told["features"]]
    context = FitContext(own_features={each.name: each.build() for each in features}, sectors=told["sectors"])
    fits = tuple(FittedNetwork.load(Path(path) / file, context) for file in told["fits"])
    return ForecastScorer(fits, told["threads"])


def _keep(run: Run, name: str, kept: Path) -> tuple[dict[str, Any], str]:
    """What is told of a model, and what its numbers are called; files go into a folder."""
    if run.kind == "forecasts":
        return _network(run, name, kept), "score"
    if run.kind == "sweep":
        return _strategy(run, name), "weight"
    raise InputError(f"{run.folder} is of kind {run.kind}; models come of runs of forecasts and sweeps.")


def _network(run: Run, name: str, kept: Path) -> dict[str, Any]:
    settings = checked(ForecastSettings, run.settings, str(run.folder / "settings.yaml"))
    networks = {model.name: model for model in settings.all_models if model.kind == "network"}
    if name not in networks:
        hint = nearest(name, list(networks)) or f" it has {', '.join(networks) or 'none'}."
        raise InputError(f"{run.folder} has no network {name!r};{hint}")
    sources = _last_fits(run, networks[name])
    for place, source in enumerate(sources):
        shutil.copy(source, kept / f"{place}.pt")
    sectors = load_market(settings.data, settings.exchange, ("close",)).sectors
    files = [f"{place}.pt" for place in range(len(sources))]
    features = [each.model_dump(mode="json") for each in settings.features]
    return {"fits": files, "threads": settings.threads, "sectors": dict(sectors), "features": features}


def _last_fits(run: Run, model: ModelSettings) -> list[Path]:
    """Checkpoints of the fits of a model on the last fold, in the order of the run's results."""
    keys = written_file(run.folder, finished(run), RESULTS).decode().split()
    store, asked = ResultStore(run.folder.resolve().parent / "results"), _identity(model)
    found: dict[str, list[Path]] = {}
    for key in keys:
        notes = store.notes(key)
        if "model" in notes and _identity(ModelSettings.model_validate_json(notes["model"])) == asked:
            found.setdefault(notes["test"], []).append(store.folder(key) / "checkpoint.pt")
    fits = found[max(found)] if found else []
    missing = [path for path in fits if not path.is_file()]
    if missing or not fits:
        raise DataError(f"a checkpoint of {model.name} is missing; run {run.folder / 'settings.yaml'} again.")
    return fits


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


def _save(place: Path, kept: Path, value: str, metadata: dict[str, str], code: list[str]) -> None:
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
            signature=_signature(value),
            pip_requirements=[f"quantray=={__version__}"],
            metadata=metadata,
        )


def _signature(value: str) -> Any:
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415

    keys = [ColSpec(DataType.datetime, "date"), ColSpec(DataType.string, "symbol")]
    names = ("close", "open", "high", "low", "volume")
    fields = [ColSpec(DataType.double, name, required=name == "close") for name in names]
    member = ColSpec(DataType.boolean, "member", required=False)
    return ModelSignature(Schema([*keys, *fields, member]), Schema([*keys, ColSpec(DataType.double, value)]))


def _rows(panel: Panel, dates: Any, values: Float, title: str) -> pd.DataFrame:
    row, column = np.nonzero(~np.isnan(values))
    return pd.DataFrame({"date": dates[row], "symbol": panel.assets[column], title: values[row, column]})
