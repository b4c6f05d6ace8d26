"""Settings that are expensive to try, searched with Ray Tune: Optuna suggests, ASHA stops what lags behind.

A search leaves everything in its folder. When its driver or a worker is lost, the same call goes on: trials that had
ended are kept, the others resume from their last round.
"""

import json
import logging
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import ray
from ray import tune
from ray.tune.logger import JsonLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from quantray.distributed.auto import on_ray
from quantray.distributed.environment import prepare_ray
from quantray.errors import ClusterError, InputError, QuantrayError
from quantray.research.background import begin
from quantray.research.executor import Executor
from quantray.research.kind import Kind
from quantray.research.progress import say
from quantray.research.space import SearchSpace
from quantray.research.tunable import Subject
from quantray.studies.tuning.findings import find_tuning
from quantray.studies.tuning.record import TuningRecord, TuningTrial
from quantray.studies.tuning.settings import TuningSettings
from quantray.studies.tuning.study import TuningSource, load_tuning

__all__ = ["TUNING", "search_settings", "tune_settings"]

_OBJECTIVE = "objective"
_ROUNDS = "rounds"
_DRAWS = 200
"""Points that are drawn in vain, because they were tried or cannot be used, before a space counts as exhausted."""
_FAILURES = 3
"""Times that a trial goes on from its last round after its worker or node was lost."""


def tune_settings(source: TuningSource, executor: Executor) -> TuningRecord:
    """Search, then measure the winner once on the dates held out.

    Raises
    ------
    InputError, ClusterError
        As ``search``, or no trial ran to its end.
    """
    start, prepared = time.monotonic(), source.prepared
    trials = search_settings(source, executor)
    record = TuningRecord(
        subject=source.prepared.name,
        measure=source.prepared.measure,
        maximise=source.prepared.maximise,
        trials=tuple(trials),
        held_out=None,
        seen_through=source.prepared.seen_through,
    )
    point = prepared.subject.space.point(record.best.values)
    say(f"best of {len(trials)} trials: {record.best.values}; now the dates held out")
    held = prepared.held_out(point, executor, source.settings.resampling.build())
    return replace(record, held_out=held, seconds=time.monotonic() - start)


def search_settings(source: TuningSource, executor: Executor) -> list[TuningTrial]:
    """All trials of a search, in the order in which they were suggested.

    Panels are stored once in the cluster's memory. Called again for the same settings and data, it continues what was
    interrupted or failed, and reads what was finished. With several trials at a time the sampler learns from whichever
    ended first, so two searches from scratch may differ; a trial's own numbers do not.

    Parameters
    ----------
    executor : of ``cluster.connect``, of any kind but serial; it starts Ray where it does not run yet.

    Raises
    ------
    InputError
        The executor works in this process.
    ClusterError
        Trials were lost more often than they are retried, or failed for another reason than their settings.

    Source: Bergstra et al. (2011), *Algorithms for hyper-parameter optimization*, NeurIPS 24, for the sampler; Li et
    al. (2020), *A system for massively parallel hyperparameter tuning*, MLSys 2, for stopping.
    """
    prepare_ray()
    stored = on_ray(executor, "a search needs it").put(source.prepared.subject).value
    if not isinstance(stored, ray.ObjectRef):
        raise InputError("a search needs Ray; set cluster.kind to auto, local or address.")
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    tuner = _tuner(source, stored)
    # So an interrupt ends the driver as everywhere else; called in the main thread, Tune would keep it for itself and
    # return as if the search were done.
    results: tune.ResultGrid = begin(tuner.fit, name="search").result()
    trials = {int(r.config["number"]): _found(source, r) for r in results if r.error is None}
    if results.errors:
        raise _reason(results.errors, len(results))
    return [trials[number] for number in sorted(trials)]


class _Sampler(OptunaSearch):  # type: ignore[misc]
    """Suggests points that can be used, each once; the study's own settings first."""

    def __init__(self, space: SearchSpace[Any], settings: TuningSettings, *, maximise: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        first = max(settings.concurrent, min(settings.trials // 3, 20))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=settings.seed, n_startup_trials=first, multivariate=True, constant_liar=True
            )
        start = space.start()
        super().__init__(
            space.distributions(),
            metric=_OBJECTIVE,
            mode="max" if maximise else "min",
            points_to_evaluate=None if start is None else [start],
            sampler=sampler,
        )
        self._allowed, self._taken = space, set[str]()

    def suggest(self, trial_id: str) -> Any:
        """A point and its number, or the end of the search."""
        for _ in range(_DRAWS):
            point = super().suggest(trial_id)
            text = json.dumps(point, sort_keys=True)
            again = text in self._taken
            if not again and self._allowed.allows(point):
                self._taken.add(text)
                return {"number": len(self._taken), "point": point}
            # What cannot be used counts as bad, so that the sampler learns to leave it; what was tried teaches nothing.
            state = optuna.trial.TrialState.FAIL if again else optuna.trial.TrialState.PRUNED
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=state)
        return Searcher.FINISHED


class _Teller(tune.Callback):  # type: ignore[misc]
    """One line for each trial that ends."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """See ``tune.Callback``."""
        last = trial.last_result
        note = f"; {last['note']}" if last.get("note") else "" if last.get("finished") else ", stopped early"
        value = f"{last[_OBJECTIVE]:.4f} after {last['training_iteration']} rounds" if _OBJECTIVE in last else "read"
        say(f"trial {trial.config['number']}: {value}{note}")


def _tuner(source: TuningSource, stored: ray.ObjectRef) -> tune.Tuner:
    settings, folder = source.settings, Path(source.settings.runs).resolve() / "tune"
    # Wrapped, since Ray would resolve a bare reference before the trial asks for it.
    trainable = tune.with_resources(
        tune.with_parameters(_trial, stored=(stored,)),
        {"cpu": settings.cluster.cpus_per_task, "gpu": settings.cluster.gpus_per_task},
    )
    place = folder / f"{settings.name}-{source.identity}"
    if tune.Tuner.can_restore(str(place)) and any(place.glob("experiment_state-*.json")):
        say(f"continuing the search in {place}")
        return tune.Tuner.restore(str(place), trainable, resume_unfinished=True, resume_errored=True)
    most = source.prepared.subject.most_rounds
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            metric=_OBJECTIVE,
            mode="max" if source.prepared.maximise else "min",
            search_alg=_Sampler(source.prepared.subject.space, settings, maximise=source.prepared.maximise),
            # One more than there are, so that a trial that reaches its last round ends by itself.
            scheduler=ASHAScheduler(
                max_t=max(most, settings.stopping.grace) + 1,
                grace_period=settings.stopping.grace,
                reduction_factor=settings.stopping.reduction,
            ),
            num_samples=settings.trials,
            max_concurrent_trials=settings.concurrent,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name=place.name,
            storage_path=str(folder),
            failure_config=tune.FailureConfig(max_failures=_FAILURES),
            # All of a trial's checkpoints stay, each of a few bytes: with a limit Tune may delete one that the state
            # of the search, written a moment ago, still names, and a killed search could not go on.
            callbacks=[JsonLoggerCallback(), _Teller()],
            verbose=0,
        ),
    )


def _trial(config: Mapping[str, Any], stored: tuple[ray.ObjectRef]) -> None:
    """A trial on a worker: every round is reported with a checkpoint of how many there were."""
    subject: Subject = ray.get(stored[0])
    kept, shown = tune.get_checkpoint(), 0
    if kept is not None:
        with kept.as_directory() as folder:
            shown = int((Path(folder) / _ROUNDS).read_text())
    for number, progress in enumerate(subject.rounds(config["point"]), 1):
        if number <= shown:
            continue
        figures = {_OBJECTIVE: progress.objective, "finished": progress.finished, "note": progress.note}
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / _ROUNDS).write_text(str(number))
            tune.report(figures, checkpoint=tune.Checkpoint.from_directory(folder))


def _folder_name(trial: Any) -> str:
    return f"{trial.config['number']:04d}-{trial.trial_id}"


def _found(source: TuningSource, result: tune.Result) -> TuningTrial:
    last, point = result.metrics, result.config["point"]
    rounds = result.metrics_dataframe
    curve = np.array([last[_OBJECTIVE]])
    if rounds is not None and _OBJECTIVE in rounds:
        # A round that was lost with its driver may stand there twice.
        curve = rounds.drop_duplicates("training_iteration", keep="last")[_OBJECTIVE].to_numpy(dtype=np.float64)
    return TuningTrial(
        key=source.prepared.trial_key(point),
        values=source.prepared.subject.space.values(point),
        curve=curve,
        finished=bool(last["finished"]),
        note=last["note"],
    )


def _reason(errors: list[Exception], count: int) -> QuantrayError:
    """What to tell the user of trials that failed."""
    cause = getattr(errors[0], "cause", None) or errors[0]
    lines = [line for line in str(cause).strip().splitlines() if line.strip()] or ["no reason given"]
    return ClusterError(
        f"{len(errors)} of {count} trials failed ({type(cause).__name__}: {lines[-1].strip()}); run the same command "
        "again to continue them from their last round."
    )


TUNING = Kind(
    name="tuning",
    question="Which settings of another study are better?",
    settings=TuningSettings,
    load=load_tuning,
    run=tune_settings,
    findings=find_tuning,
    renamed={
        "target.model": "target.subject",
        "target.allocator": "target.subject",
        "target.kind": "nothing, for the study's file says its kind",
        "confidence": "resampling.confidence",
    },
)
