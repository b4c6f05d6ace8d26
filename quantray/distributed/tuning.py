"""Settings that are expensive to try, searched with Ray Tune: Optuna suggests, ASHA stops what lags behind.

A search leaves a journal in its folder. When its driver or a worker is lost, the same call goes on: trials that had
ended are kept, the others resume from their last round. What Tune itself leaves there is never read again, for it would
be executed.
"""

import json
import logging
import tempfile
import time
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import SimpleNamespace
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
from quantray.research.metering import Clock, Spent
from quantray.research.progress import say
from quantray.research.space import SearchSpace
from quantray.research.tunable import Subject
from quantray.research.units import note_work
from quantray.storage.files import make_folder
from quantray.storage.locks import alone
from quantray.studies.tuning.findings import find_tuning
from quantray.studies.tuning.journal import Asked, Journal, Known, Shown
from quantray.studies.tuning.record import TuningRecord, TuningTrial
from quantray.studies.tuning.settings import TuningSettings
from quantray.studies.tuning.sizing import TRIALS, TUNING_SIZING
from quantray.studies.tuning.study import TuningSource, load_tuning

__all__ = ["TUNING", "search_settings", "tune_settings"]

_OBJECTIVE = "objective"
_ROUND = "round"
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
    settings = source.settings
    place = Path(settings.runs).resolve() / "tune" / f"{settings.name}-{source.identity}"
    make_folder(place)
    with alone(place, lambda: say(f"another search in {place} is under way; waiting for its end")):
        journal = Journal(place, f"{settings.name}-{source.identity}")
        if journal.trials:
            say(f"continuing the search in {place}")
        left = settings.trials - sum(trial.ended for trial in journal.trials.values())
        if left > 0:
            # So an interrupt ends the driver as everywhere else; called in the main thread, Tune would keep it for
            # itself and return as if the search were done.
            results: tune.ResultGrid = begin(_tuner(source, stored, journal, left).fit, name="search").result()
            if results.errors:
                raise _reason(results.errors, len(results))
            _note(results)
    return [_found(source, trial) for _, trial in sorted(journal.trials.items()) if trial.ended]


class _Sampler(OptunaSearch):  # type: ignore[misc]
    """Suggests points that can be used, each once; the study's own settings first.

    What a journal holds is gone through again, so that sampler and scheduler go on as if nothing had interrupted them.
    """

    def __init__(
        self, space: SearchSpace[Any], settings: TuningSettings, mode: str, journal: Journal, scheduler: ASHAScheduler
    ) -> None:
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
            mode=mode,
            points_to_evaluate=None if start is None else [start],
            sampler=sampler,
        )
        self._allowed, self._taken, self._journal, self._scheduler = space, set[str](), journal, scheduler
        self._waiting = [number for number, trial in journal.trials.items() if not trial.ended]
        for event in journal.events:
            self._again(event)

    def suggest(self, trial_id: str) -> Any:
        """A point and its number, or the end of the search."""
        if self._waiting:
            number = self._waiting.pop(0)
            trial = self._journal.trials[number]
            self._ot_trials[trial_id] = self._ot_trials.pop(_before(number))
            self._tell_scheduler(trial_id, trial)
            return {"number": number, "point": dict(trial.point), "shown": len(trial.rounds)}
        point = self._drawn(trial_id)
        if point is None:
            return Searcher.FINISHED
        self._journal.asked(len(self._taken), point)
        return {"number": len(self._taken), "point": point, "shown": 0}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """The sampler learns from where trials end, and from nothing on the way."""

    def _drawn(self, trial_id: str) -> dict[str, Any] | None:
        for _ in range(_DRAWS):
            point: dict[str, Any] = super().suggest(trial_id)
            text = json.dumps(point, sort_keys=True)
            again = text in self._taken
            if not again and self._allowed.allows(point):
                self._taken.add(text)
                return point
            # What cannot be used counts as bad, so that the sampler learns to leave it; what was tried teaches nothing.
            state = optuna.trial.TrialState.FAIL if again else optuna.trial.TrialState.PRUNED
            self._ot_study.tell(self._ot_trials.pop(trial_id), state=state)
        return None

    def _again(self, event: Asked | Shown) -> None:
        name, trial = _before(event.number), self._journal.trials[event.number]
        if isinstance(event, Shown):
            if event is trial.rounds[-1] and trial.ended:
                self.on_trial_complete(name, {_OBJECTIVE: event.objective})
                self._tell_scheduler(name, trial)
        elif (drawn := self._drawn(name)) != event.point:
            # Another release of the sampler draws otherwise; what was tried stays tried.
            if drawn is not None:
                self._taken.remove(json.dumps(drawn, sort_keys=True))
                self._ot_study.tell(self._ot_trials.pop(name), state=optuna.trial.TrialState.FAIL)
            self._ot_study.enqueue_trial(event.point)
            super().suggest(name)
            self._taken.add(json.dumps(event.point, sort_keys=True))

    def _tell_scheduler(self, trial_id: str, trial: Known) -> None:
        known = SimpleNamespace(trial_id=trial_id)
        self._scheduler.on_trial_add(None, known)
        for shown in trial.rounds:
            self._scheduler.on_trial_result(None, known, {_ROUND: shown.round, _OBJECTIVE: shown.objective})


def _before(number: int) -> str:
    """What a trial of an earlier call is known by to the sampler and the scheduler."""
    return f"before-{number}"


class _Writer(tune.Callback):  # type: ignore[misc]
    """Keeps the journal, and says one line for each trial that ends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """See ``tune.Callback``."""
        self._journal.shown(
            Shown(
                number=trial.config["number"],
                round=result[_ROUND],
                objective=float(result[_OBJECTIVE]),
                note=str(result["note"]),
                finished=bool(result["finished"]),
                # As Tune marks a result after which it stops the trial.
                stopped=bool(result["done"]) and not result["finished"],
            )
        )

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """See ``tune.Callback``."""
        number = trial.config["number"]
        last = self._journal.trials[number].rounds[-1]
        note = f"; {last.note}" if last.note else "" if last.finished else ", stopped early"
        say(f"trial {number}: {last.objective:.4f} after {last.round} rounds{note}")


def _tuner(source: TuningSource, stored: ray.ObjectRef, journal: Journal, left: int) -> tune.Tuner:
    settings, subject = source.settings, source.prepared.subject
    mode = "max" if source.prepared.maximise else "min"
    scheduler = ASHAScheduler(
        time_attr=_ROUND,
        metric=_OBJECTIVE,
        mode=mode,
        # One more than there are, so that a trial that reaches its last round ends by itself.
        max_t=max(subject.most_rounds, settings.stopping.grace) + 1,
        grace_period=settings.stopping.grace,
        reduction_factor=settings.stopping.reduction,
    )
    # Wrapped, since Ray would resolve a bare reference before the trial asks for it.
    trainable = tune.with_resources(
        tune.with_parameters(_trial, stored=(stored,)),
        {"cpu": settings.cluster.cpus_per_task, "gpu": settings.cluster.gpus_per_task},
    )
    return tune.Tuner(
        trainable,
        # What is measured is known to sampler and scheduler, which have seen some of it already.
        tune_config=tune.TuneConfig(
            search_alg=_Sampler(subject.space, settings, mode, journal, scheduler),
            scheduler=scheduler,
            num_samples=left,
            max_concurrent_trials=settings.concurrent,
            # A worker that has ended a trial takes the next one: a new one would load libraries for seconds.
            reuse_actors=True,
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            # A folder that nobody could know of beforehand: Tune executes what it reads there.
            name=f"ray-{uuid.uuid4().hex}",
            storage_path=str(journal.path.parent),
            failure_config=tune.FailureConfig(max_failures=_FAILURES),
            # All of a trial's checkpoints stay, each of a few bytes: with a limit Tune may delete one that a worker,
            # lost a moment later, would go on from.
            callbacks=[JsonLoggerCallback(), _Writer(journal)],
            verbose=0,
        ),
    )


def _trial(config: Mapping[str, Any], stored: tuple[ray.ObjectRef]) -> None:
    """A trial on a worker: every round is reported with a checkpoint of how many there were."""
    clock = Clock()
    subject: Subject = ray.get(stored[0])
    kept, shown = tune.get_checkpoint(), config["shown"]
    if kept is not None:
        with kept.as_directory() as folder:
            shown = int((Path(folder) / _ROUNDS).read_text())
    for number, progress in enumerate(subject.rounds(config["point"]), 1):
        if number <= shown:
            continue
        figures = asdict(clock.spent()) | {
            _ROUND: number,
            _OBJECTIVE: progress.objective,
            "finished": progress.finished,
            "note": progress.note,
        }
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / _ROUNDS).write_text(str(number))
            tune.report(figures, checkpoint=tune.Checkpoint.from_directory(folder))


def _note(results: tune.ResultGrid) -> None:
    """What the trials of this call took, where somebody meters it; of one that was lost, since it went on."""
    for result in results:
        if result.metrics and _ROUND in result.metrics:
            spent = Spent(**{each.name: result.metrics[each.name] for each in fields(Spent)})
            note_work(TRIALS, int(result.metrics[_ROUND]), spent)


def _folder_name(trial: Any) -> str:
    return f"{trial.config['number']:04d}-{trial.trial_id}"


def _found(source: TuningSource, trial: Known) -> TuningTrial:
    last = trial.rounds[-1]
    return TuningTrial(
        key=source.prepared.trial_key(trial.point),
        values=source.prepared.subject.space.values(trial.point),
        curve=np.array([shown.objective for shown in trial.rounds]),
        finished=last.finished,
        note=last.note,
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
    sizing=TUNING_SIZING,
    renamed={
        "target.model": "target.subject",
        "target.allocator": "target.subject",
        "target.kind": "nothing, for the study's file says its kind",
        "confidence": "resampling.confidence",
    },
)
