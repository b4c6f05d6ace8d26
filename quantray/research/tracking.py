"""MLflow or nothing: tracking never changes a result, never fails a run and never keeps it waiting."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantray.errors import first_line
from quantray.printable import masked, masked_content, printable
from quantray.research.background import begin
from quantray.research.probing import address_of, trouble_at
from quantray.research.progress import say
from quantray.research.terms import TrackingSettings

__all__ = ["TrackedRun", "announce_trouble", "track"]

_LONGEST = 500
"""Characters of a parameter or a tag that are kept."""
_LONGEST_NAME = 250
"""Characters of a name that MLflow takes."""
_PATIENCE = 30.0
"""Seconds for an answer from elsewhere before tracking is given up."""
_IN_ALL = 300.0
"""Seconds for all answers from elsewhere."""
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Of MLflow, which would try for minutes; what the environment says stands over them."""


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


def announce_trouble(settings: TrackingSettings) -> None:
    """Say before a study what would keep it from being tracked: an address that does not answer."""
    if settings.mlflow and settings.uri and (trouble := trouble_at(settings.uri)):
        say(f"tracking: {trouble}; the study goes on, and the address is tried again at its end")


def track(runs: Sequence[TrackedRun], settings: TrackingSettings, folder: Path) -> None:
    """Log finished runs once each; what is there is left alone, and what was cut off is completed.

    Only the driver calls this. Whatever goes wrong is said in one line. An address that gives no answer is waited for
    half a minute at most, and one that answers slowly five minutes in all.

    Parameters
    ----------
    folder : where the database and artifacts go, where the settings name no tracking address.
    """
    if not settings.mlflow:
        return
    try:
        steps = _logged(runs, settings, folder)
        if settings.uri is None or address_of(settings.uri) is None:
            for _ in steps:
                pass
        elif trouble := trouble_at(settings.uri):
            say(f"tracking was skipped: {trouble}; run the same command again to track what is finished")
        else:
            _follow(steps)
    except Exception as error:  # noqa: BLE001  (tracking is a courtesy: its failures are reported, not raised)
        say(f"tracking failed and was skipped: {type(error).__name__}: {masked(first_line(error))[:200]}")


def _follow(steps: Iterator[None]) -> None:
    """Take the steps in another thread, for as long as one follows upon the other and all of them end in time."""
    for name, value in _LIMITS.items():
        os.environ.setdefault(name, value)
    begun = time.monotonic()
    last = [begun]

    def take() -> None:
        for _ in steps:
            last[0] = time.monotonic()

    outcome = begin(take, name="tracking")
    while (end := min(last[0] + _PATIENCE, begun + _IN_ALL)) > time.monotonic():
        if wait([outcome], timeout=max(0.0, end - time.monotonic())).done:
            return outcome.result()
    told = f"not done in {_IN_ALL:.0f} s" if end == begun + _IN_ALL else f"no answer for {_PATIENCE:.0f} s"
    raise TimeoutError(f"{told}; run the same command again to complete it")


def _logged(runs: Sequence[TrackedRun], settings: TrackingSettings, folder: Path) -> Iterator[None]:
    """Log the runs, with a pause after each answer."""
    # Nothing is told to MLflow's makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # noqa: PLC0415  (seconds to import, and only for those who ask for it)

    yield
    client = mlflow.MlflowClient(settings.uri or f"sqlite:///{(folder / 'mlflow.db').resolve()}")
    found = client.get_experiment_by_name(settings.experiment)
    # An absolute place for artifacts: the default is relative to the folder that the driver happens to be in.
    place = None if settings.uri else (folder / "mlflow-artifacts").resolve().as_uri()
    experiment = (
        client.create_experiment(settings.experiment, artifact_location=place) if found is None else found.experiment_id
    )
    for run in runs:
        yield
        known = client.search_runs([experiment], f"tags.`quantray.key` = '{run.key}'")
        if any(one.info.status == "FINISHED" for one in known):
            continue
        yield
        made = (
            known[0]
            if known
            else client.create_run(experiment, tags={"quantray.key": run.key}, run_name=printable(run.name))
        )
        yield from _log(client, made.info.run_id, run)


def _log(client: Any, identity: str, run: TrackedRun) -> Iterator[None]:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

    now, settings = int(1000 * time.time()), masked_content(run.settings)
    params = [Param(_named(name), printable(str(value))[:_LONGEST]) for name, value in settings.items()]
    metrics = [
        Metric(_named(name), float(value), now, step)
        for name, values in run.metrics.items()
        for step, value in enumerate([values] if isinstance(values, int | float) else values)
    ]
    tags = [RunTag(_named(name), printable(masked(text))[:_LONGEST]) for name, text in run.tags.items()]
    for kind, entries, most in (("params", params, 100), ("metrics", metrics, 1000), ("tags", tags, 100)):
        for first in range(0, len(entries), most):
            client.log_batch(identity, **{kind: entries[first : first + most]})
            yield
    for path in run.artifacts:
        client.log_artifact(identity, str(path))
        yield
    client.set_terminated(identity, "FINISHED")


def _named(name: str) -> str:
    """A name that MLflow takes: it knows letters, digits and these marks."""
    return re.sub(r"[^\w .:/-]", "_", printable(name))[:_LONGEST_NAME]
