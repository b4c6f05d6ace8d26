"""MLflow or nothing: tracking never changes a result and never fails a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantray.research.progress import say
from quantray.research.terms import TrackingSettings

__all__ = ["TrackedRun", "track"]

_LONGEST = 500
"""Characters of a parameter or a tag that are kept."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of one run."""

    name: str
    key: str
    """Identity of the run's content, kept as the tag ``quantray.key``."""
    settings: Mapping[str, object]
    metrics: Mapping[str, float | Sequence[float]]
    """Name -> value, or values after one step and the next."""
    artifacts: tuple[Path, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def track(runs: Sequence[TrackedRun], settings: TrackingSettings, folder: Path) -> None:
    """Log finished runs once each; what is there is left alone, and what was cut off is completed.

    Only the driver calls this. Whatever goes wrong is said in one line.

    Parameters
    ----------
    folder : where the database and artifacts go, where the settings name no tracking address.
    """
    if not settings.mlflow:
        return
    try:
        import mlflow  # noqa: PLC0415  (seconds to import, and only for those who ask for it)

        client = mlflow.MlflowClient(settings.uri or f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        found = client.get_experiment_by_name(settings.experiment)
        # An absolute place for artifacts: the default is relative to the folder that the driver happens to be in.
        place = None if settings.uri else (folder / "mlflow-artifacts").resolve().as_uri()
        experiment = (
            client.create_experiment(settings.experiment, artifact_location=place)
            if found is None
            else found.experiment_id
        )
        for run in runs:
            known = client.search_runs([experiment], f"tags.`quantray.key` = '{run.key}'")
            if any(one.info.status == "FINISHED" for one in known):
                continue
            made = (
                known[0] if known else client.create_run(experiment, tags={"quantray.key": run.key}, run_name=run.name)
            )
            _log(client, made.info.run_id, run)
    except Exception as error:  # noqa: BLE001  (tracking is a courtesy: its failures are reported, not raised)
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        say(f"tracking failed and was skipped: {type(error).__name__}: {reason[:200]}")


def _log(client: Any, identity: str, run: TrackedRun) -> None:
    for name, value in run.settings.items():
        client.log_param(identity, name, str(value)[:_LONGEST])
    for name, values in run.metrics.items():
        for step, value in enumerate([values] if isinstance(values, int | float) else values):
            client.log_metric(identity, name, float(value), step=step)
    for name, text in run.tags.items():
        client.set_tag(identity, name, text[:_LONGEST])
    for path in run.artifacts:
        client.log_artifact(identity, str(path))
    client.set_terminated(identity, "FINISHED")
