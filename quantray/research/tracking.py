"""MLflow or nothing: tracking never changes a result and never fails a run."""

from collections.abc import Mapping
from pathlib import Path

from quantray.research.progress import say

__all__ = ["track_run"]


def track_run(
    *,
    experiment: str,
    name: str,
    key: str,
    settings: Mapping[str, object],
    metrics: Mapping[str, float],
    artifacts: tuple[Path, ...],
    uri: str | None,
    folder: Path,
) -> None:
    """Log a finished run once; a run with the same key that is already there is left alone.

    Only the driver calls this. Whatever goes wrong is said in one line.

    Parameters
    ----------
    key : identity of the run's content, kept as the tag ``quantray.key``.
    uri : tracking address; by default a database in ``folder``.
    """
    try:
        import mlflow  # noqa: PLC0415  (seconds to import, and only for those who ask for it)

        mlflow.set_tracking_uri(uri or f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        found = mlflow.get_experiment_by_name(experiment)
        identity = (
            found.experiment_id
            if found is not None
            # An absolute place for artifacts: the default is relative to the folder that the driver happens to be in.
            else mlflow.create_experiment(
                experiment, artifact_location=None if uri else (folder / "mlflow-artifacts").resolve().as_uri()
            )
        )
        # A run that was cut off in the middle does not count.
        same = f"tags.`quantray.key` = '{key}' and attributes.status = 'FINISHED'"
        known = mlflow.search_runs([identity], same, max_results=1, output_format="list")
        if known:
            return
        with mlflow.start_run(experiment_id=identity, run_name=name, tags={"quantray.key": key}):
            mlflow.log_params({k: str(v)[:500] for k, v in settings.items()})
            mlflow.log_metrics(dict(metrics))
            for path in artifacts:
                mlflow.log_artifact(str(path))
    except Exception as error:  # noqa: BLE001  (tracking is a courtesy: its failures are reported, not raised)
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        say(f"tracking failed and was skipped: {type(error).__name__}: {reason[:200]}")
