"""The shape of a search: trials of some rounds, most of which end early, and the dates held out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from quantray.research.executor import Executor
from quantray.research.metering import Clock
from quantray.research.sizing import Outline, Part, Sizing
from quantray.research.space import Choice, Point, SearchSpace
from quantray.research.tunable import Progress, Subject
from quantray.research.units import note_work
from quantray.studies.tuning.settings import StoppingSettings
from quantray.studies.tuning.study import TuningSource

__all__ = ["TRIALS", "TUNING_SIZING", "expected_rounds"]

TRIALS = "rounds of trials"
"""The part of a run in which settings are tried; its units are rounds."""


@dataclass(frozen=True, eq=False)
class _Begun:
    """A subject whose trials end after some rounds; see ``tunable.Subject``."""

    subject: Subject
    most_rounds: int

    @property
    def space(self) -> SearchSpace[Any]:
        return self.subject.space

    def rounds(self, point: Point) -> Iterator[Progress]:
        return islice(self.subject.rounds(point), self.most_rounds)

    def elsewhere(self, runs: Path) -> Subject:
        return replace(self, subject=self.subject.elsewhere(runs))


def expected_rounds(most: int, stopping: StoppingSettings) -> float:
    """Of a trial, if one in ``reduction`` goes on at each rung.

    Those that come first go on more easily than they should, for there is nobody to compare them with yet.
    """
    rounds, share, rung = float(min(most, stopping.grace)), 1.0, float(stopping.grace)
    while rung < most:
        share, after = share / stopping.reduction, min(most, rung * stopping.reduction)
        rounds, rung = rounds + share * (after - rung), after
    return rounds


def _outline(source: TuningSource, seen: object) -> Outline:
    settings, tunable = source.settings, source.prepared
    most = tunable.subject.most_rounds
    trials = settings.trials + tunable.held_out_trials
    rounds = settings.trials * expected_rounds(most, settings.stopping) + tunable.held_out_trials * most
    notes = (
        "Trials count as long as the study's own settings take, and one in "
        f"{settings.stopping.reduction:g} goes on at each rung; Ray's and Tune's own time is not counted.",
    )
    part = Part(ceil(rounds), (trials, rounds), at_once=settings.concurrent)
    return Outline({TRIALS: part}, tables=float(settings.trials), notes=notes)


def _smaller(source: TuningSource, share: float) -> TuningSource:
    """One trial of a share of its rounds, and nothing held out."""
    subject = source.prepared.subject
    rounds = max(1, round(share * subject.most_rounds))
    stopping = source.settings.stopping.model_copy(update={"grace": rounds})
    settings = source.settings.model_copy(update={"trials": 1, "stopping": stopping})
    prepared = replace(source.prepared, subject=_Begun(subject, rounds), held_out_trials=0.0)
    return replace(source, settings=settings, prepared=prepared)


def _run(source: TuningSource, executor: Executor) -> None:
    subject = source.prepared.subject.elsewhere(Path(source.settings.runs))
    point, rounds = _point(subject.space), 0
    clock = Clock()
    for _ in subject.rounds(point):
        rounds += 1
    note_work(TRIALS, rounds, clock.spent())


def _point(space: SearchSpace[Any]) -> Point:
    """The study's own settings or, where they lie outside, the lower ends of what is searched."""
    lower = {
        name: json.dumps(each.values[0]) if isinstance(each, Choice) else each.low
        for name, each in space.dimensions.items()
    }
    return space.start() or lower


TUNING_SIZING = Sizing(outline=_outline, smaller=_smaller, run=_run)
