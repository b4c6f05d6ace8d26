"""The run folder of a search: the best settings, the table of trials, the report, and the tracker's runs."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quantray import __version__
from quantray.analytics.bootstrap import Estimate
from quantray.data.files import write_atomically
from quantray.errors import DataError
from quantray.research.progress import say
from quantray.settings import as_mapping, to_yaml
from quantray.studies.tuning.record import TuningRecord, TuningTrial
from quantray.studies.tuning.report import TuningReportInput, render_tuning, verdict
from quantray.studies.tuning.settings import ForecastTarget
from quantray.studies.tuning.study import TuningSource, best_study

__all__ = ["track_trials", "write_tuning"]


def write_tuning(source: TuningSource, record: TuningRecord) -> Path:
    """Write ``best.yaml``, ``trials.parquet``, ``report.html`` and ``tuning.json``; returns the folder.

    ``best.yaml`` is the study's file with the best settings, for ``train_models.py`` or ``walk_forward.py``.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings, folder, panel = source.settings, source.folder, source.base.data.panel
    held = record.held_out
    about = {
        "name": settings.name,
        "subject": record.subject,
        "study": source.written.name,
        "config_hash": source.identity,
        "data": source.base.data.description,
        "n_assets": len(panel.assets),
        "measure": record.measure,
        "n_trials": len(record.trials),
        "n_finished": sum(trial.finished and not trial.note for trial in record.trials),
        "n_failed": sum(bool(trial.note) for trial in record.trials),
        "best": {"key": record.best.key, "objective": record.best.objective, "values": dict(record.best.values)},
        "expected_by_luck": None if record.lucky != record.lucky else record.lucky,
        "seen_through": str(record.seen_through),
        "first_held_out": None if held is None else str(held.first),
        "last_held_out": None if held is None else str(held.last),
        "held_out": None if held is None else {n: _plain(getattr(held, n)) for n in ("winner", "base", "difference")},
        "verdict": verdict(record),
        "confidence": f"{settings.confidence:.0%}",
        "versions": {"quantray": __version__} | {n: version(n) for n in ("numpy", "torch", "ray", "optuna")},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tuning.json").unlink(missing_ok=True)
        pq.write_table(_table(record), folder / "trials.parquet")
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; free space or set runs=.") from error
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "best.yaml", _best_yaml(source, record))
    flat = {key: str(value) for key, value in as_mapping(settings).items()}
    write_atomically(folder / "report.html", render_tuning(TuningReportInput(settings.name, about, flat, record)))
    # Written last, it says that the rest is whole and belongs together.
    write_atomically(folder / "tuning.json", json.dumps(about, indent=2))
    if settings.tracking.mlflow:
        track_trials(source, record)
    return folder


def track_trials(source: TuningSource, record: TuningRecord) -> None:
    """Log each trial as one finished run; those that are there are left alone, and what was cut off is completed.

    Only the driver calls this, once all trials have ended. Whatever goes wrong is said in one line.
    """
    tracking, runs = source.settings.tracking, Path(source.settings.runs).resolve()
    try:
        import mlflow  # noqa: PLC0415  (seconds to import, and only for those who ask for it)

        client = mlflow.MlflowClient(tracking.uri or f"sqlite:///{runs / 'mlflow.db'}")
        found = client.get_experiment_by_name(tracking.experiment)
        place = None if tracking.uri else (runs / "mlflow-artifacts").as_uri()
        experiment = (
            found.experiment_id
            if found is not None
            else client.create_experiment(tracking.experiment, artifact_location=place)
        )
        for number, trial in enumerate(record.trials, 1):
            key = f"{source.identity}-{trial.key}"
            known = client.search_runs([experiment], f"tags.`quantray.key` = '{key}'")
            if any(run.info.status == "FINISHED" for run in known):
                continue
            name = f"{source.settings.name} {number}"
            run = known[0] if known else client.create_run(experiment, tags={"quantray.key": key}, run_name=name)
            _log(client, run.info.run_id, record, trial)
    except Exception as error:  # noqa: BLE001  (tracking is a courtesy: its failures are reported, not raised)
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        say(f"tracking failed and was skipped: {type(error).__name__}: {reason[:200]}")


def _log(client: Any, run: str, record: TuningRecord, trial: TuningTrial) -> None:
    for name, value in trial.values.items():
        client.log_param(run, name, str(value)[:500])
    if trial.note:
        client.set_tag(run, "quantray.note", trial.note[:500])
    else:
        for step, value in enumerate(trial.curve.tolist(), 1):
            client.log_metric(run, "objective", value, step=step)
    client.set_tag(run, "quantray.ran", "to the end" if trial.finished else "stopped early")
    client.set_tag(run, "quantray.best", str(trial is record.best).lower())
    client.set_terminated(run, "FINISHED")


def _best_yaml(source: TuningSource, record: TuningRecord) -> str:
    trial = record.best
    program = "train_models.py" if isinstance(source.settings.target, ForecastTarget) else "walk_forward.py"
    values = ", ".join(f"{name} {value}" for name, value in trial.values.items())
    lines = [
        f"# {record.subject} with the best of {len(record.trials)} trials of {source.settings.name}: {values}.",
        f"# Its {record.measure} of {trial.objective:.4f} was the reason for the choice, so it is flattered.",
        f"# {verdict(record)}",
        f"# Chosen with data up to {record.seen_through}: only results on later dates are out of sample.",
        f"# Run it with workflows/{program}.",
    ]
    return "\n".join(lines) + "\n" + to_yaml(best_study(source, source.subject.space.point(trial.values)))


def _table(record: TuningRecord) -> pa.Table:
    """A row per trial."""
    columns: dict[str, list[object]] = {
        "number": list(range(1, len(record.trials) + 1)),
        "key": [trial.key for trial in record.trials],
        "objective": [None if trial.note else trial.objective for trial in record.trials],
        "rounds": [len(trial.curve) for trial in record.trials],
        "finished": [trial.finished for trial in record.trials],
        "best": [trial is record.best for trial in record.trials],
        "note": [trial.note for trial in record.trials],
        "curve": [trial.curve.tolist() for trial in record.trials],
    }
    for name in record.best.values:
        columns[f"setting {name}"] = _column([trial.values[name] for trial in record.trials])
    return pa.table(columns)


def _column(values: list[object]) -> list[object]:
    """Numbers as they are; where there is anything else, JSON texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values] if any(isinstance(v, float) for v in values) else values  # type: ignore[arg-type]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _plain(found: Estimate) -> Mapping[str, float]:
    return {
        "mean": found.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "p_value": found.p_value,
        "days": found.n_days,
    }
