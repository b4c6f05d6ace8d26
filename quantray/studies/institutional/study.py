"""Five phases, walking forward: each is fitted on the training part of a fold, builds on those before, and is tested.

What is fitted is kept as units of work, each under a hash of its data, its settings and the results that it builds on.
So a study that was cut off goes on where it was, and the seven studies with and without a phase share all they can.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Dates, Float, Int
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.splits import Split
from quantray.errors import DataError
from quantray.execution.impact import with_liquidity
from quantray.regimes.ensemble import agreements
from quantray.regimes.observations import state_names
from quantray.regimes.path import RegimePath
from quantray.research.executor import Executor
from quantray.research.folds import walk_forward
from quantray.research.kind import Source
from quantray.research.market import read_market
from quantray.research.units import Unit, Workplace, complete
from quantray.studies.evaluation.door import try_strategies
from quantray.studies.evaluation.evaluations import Chosen, Evaluations, SweepData
from quantray.studies.evaluation.families import FIELDS, Family
from quantray.studies.institutional.book import PhaseData, decision_rows, read_book
from quantray.studies.institutional.execution import (
    ExecutionTask,
    Replay,
    ReplayTask,
    Way,
    execution_unit,
    last_change,
    plain_way,
    read_replay,
    replay_unit,
    run_execution,
    run_replay,
    ways,
)
from quantray.studies.institutional.objective import Choice
from quantray.studies.institutional.overlay import OverlayTask, overlay_unit, run_overlay
from quantray.studies.institutional.parameters import Searched, fold_task, held_sets, search_parameters
from quantray.studies.institutional.record import (
    ALL,
    VARIANTS,
    InstitutionalRecord,
    LastTrades,
    PhaseChoice,
    gains_of,
)
from quantray.studies.institutional.regimes import NONE, RegimeData, choose_path, regime_paths
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.weights import WeightTask, run_weights, weight_unit
from quantray.studies.sweep.regime_search import Regimes

__all__ = ["InstitutionalSource", "load_institutional", "run_institutional", "study_folds"]

InstitutionalSource = Source[InstitutionalSettings, None]


def load_institutional(settings: InstitutionalSettings) -> InstitutionalSource:
    """The panel of the study.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``, ``walk_forward``, ``InstitutionalSettings.families`` and ``door.try_strategies``, or
        the data are closes alone.
    """
    settings, data = read_market(settings, (*FIELDS, "open"))
    missing = [name for name in ("open", "high", "low", "volume") if name not in data.panel.fields]
    if missing:
        raise DataError(f"regimes and impact need {', '.join(missing)}; import bars with these columns.")
    study_folds(settings, data.panel.dates)
    settings.families()
    try_strategies(settings.strategies, data.panel, threads=settings.threads)
    return Source(settings, data, None)


def run_institutional(source: InstitutionalSource, executor: Executor) -> InstitutionalRecord:
    """Fit, test and compare.

    Raises
    ------
    DataError, InputError, SolverError
        As the phases' functions.
    """
    start, settings, panel = time.monotonic(), source.settings, source.panel
    place = _Place.of(source, executor)
    regimes = _regimes(place)
    searched = _parameters(place, regimes)
    books = _weights(place, regimes, searched)
    held = _risk(place, books)
    chosen, tasks, replays = _execution(place, held)
    choices = [PhaseChoice("regimes", fold, None, choice) for fold, choice in enumerate(regimes.choices)]
    choices += _noted(place, "weights", books[ALL.book]) + _noted(place, "risk", held[ALL.name])
    choices += [
        PhaseChoice("execution", fold, aum, choice)
        for (name, aum), each in chosen.items()
        if name == ALL.name
        for fold, choice in enumerate(each)
    ]
    first = replays[ALL.name, settings.aums[0]]
    labels, shares = _out_of_sample(place, regimes, books[ALL.book])
    return InstitutionalRecord(
        dates=first.dates,
        regimes=regimes.names,
        labels=labels,
        folds=tuple(str(split.test) for split in place.splits),
        choices=tuple(choices),
        parameters=tuple(choice for each in searched for choice in each.choices),
        strategies=tuple(family.name for family in place.families),
        shares=shares,
        agreement=agreements(regimes.paths.values()),
        paths=tuple(regimes.paths),
        replays=replays,
        gains=gains_of(
            replays,
            settings.aums,
            resampling=settings.resampling.build(),
            periods_per_year=panel.periods_per_year,
        ),
        last={aum: _last_trades(place, tasks[ALL.name, aum]) for aum in settings.aums},
        n_computed=place.counted.computed,
        n_reused=place.counted.reused,
        seconds=time.monotonic() - start,
        phase_seconds=place.counted.seconds,
        periods_per_year=panel.periods_per_year,
    )


@dataclass
class _Counted:
    """What was computed and found, and how long each phase took."""

    computed: int = 0
    reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def add(self, computed: int, reused: int) -> None:
        self.computed, self.reused = self.computed + computed, self.reused + reused

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.seconds[phase], self.begun = now - self.begun, now


@dataclass(frozen=True, eq=False)
class _Place:
    """What all phases share."""

    source: InstitutionalSource
    executor: Executor
    families: tuple[Family, ...]
    """The strategies."""
    splits: tuple[Split, ...]
    data: PhaseData
    workplace: Workplace[PhaseData]
    counted: _Counted = field(default_factory=_Counted)

    @classmethod
    def of(cls, source: InstitutionalSource, executor: Executor) -> "_Place":
        settings, panel = source.settings, source.panel
        data = PhaseData(
            settings=settings,
            panel=with_liquidity(panel, days=settings.impact.window_days),
            fingerprint=panel.fingerprint(),
            exchange=settings.exchange or DEFAULT_EXCHANGE,
            results=settings.results,
        )
        return cls(
            source, executor, settings.families(), study_folds(settings, panel.dates), data, Workplace(executor, data)
        )

    @property
    def settings(self) -> InstitutionalSettings:
        return self.source.settings

    def complete(self, run: Callable[[PhaseData, Any], str], units: Sequence[Unit[Any]], label: str) -> tuple[str, ...]:
        """The keys of units, in their order."""
        done = complete(self.workplace, run, units, label=label, announce=label)
        self.counted.add(done.n_computed, done.n_reused)
        return done.keys


@dataclass(frozen=True, eq=False)
class _Regimes:
    """Phase one."""

    names: tuple[str, ...]
    paths: dict[str, RegimePath]
    choices: tuple[Choice, ...]
    """Of each fold."""

    def labels(self, fold: int) -> Int:
        """(T,) of the path that a fold chose; -1 throughout where it chose none."""
        chosen, some = self.choices[fold].chosen, next(iter(self.paths.values()))
        return np.full(len(some.dates), -1) if chosen == NONE else self.paths[chosen].labels


def _regimes(place: _Place) -> _Regimes:
    settings, panel = place.settings, place.source.panel
    data = RegimeData(
        panel=panel,
        fingerprint=place.data.fingerprint,
        exchange=place.data.exchange,
        settings=settings.regimes,
        results=settings.results,
        numerics=settings.numerics,
        threads=settings.threads,
    )
    paths, done = regime_paths(data, place.executor)
    place.counted.add(done.n_computed, done.n_reused)
    lag = settings.accounting.execution_lag
    choices = (choose_path(paths, panel, split.rows(panel.dates).train, lag) for split in place.splits)
    found = _Regimes(tuple(state_names(settings.regimes.states).tolist()), paths, tuple(choices))
    place.counted.lap("regimes")
    return found


def _parameters(place: _Place, regimes: _Regimes) -> list[Searched]:
    settings, panel, data = place.settings, place.source.panel, place.data
    shared = SweepData(panel, data.fingerprint, place.families, settings.terms(), data.results)
    played, found = Evaluations(shared, place.executor, batch=settings.sets_per_unit), []
    for fold, split in enumerate(place.splits):
        known = Regimes(regimes.names, regimes.labels(fold))
        task = fold_task(settings, place.families, panel, known, split)
        found.append(search_parameters(task, settings, fold, played))
    place.counted.add(played.n_computed, played.n_reused)
    place.counted.lap("parameters")
    return found


Keys = dict[tuple[bool, bool, bool], tuple[str, ...]]
"""Which of the first three phases are on -> the key of each fold's book."""


def _weights(place: _Place, regimes: _Regimes, searched: Sequence[Searched]) -> Keys:
    settings, panel, data = place.settings, place.source.panel, place.data
    none, kinds = np.full(len(panel.dates), -1), list(dict.fromkeys(variant.book for variant in VARIANTS))
    sets = {
        (kind, fold): held_sets(found if kind[1] else None, place.families, len(regimes.names) if kind[0] else 0)
        for kind in kinds
        for fold, found in enumerate(searched)
    }
    kept = tuple(decision_rows(settings, panel, data.exchange).tolist())
    shared = SweepData(panel, data.fingerprint, place.families, settings.terms(), data.results, kept)
    played = Evaluations(shared, place.executor, batch=settings.sets_per_unit)
    used = dict.fromkeys(chosen for each in sets.values() for strategy in each for chosen in strategy)
    played.need(used)
    place.counted.add(played.n_computed, played.n_reused)
    keys: dict[Chosen, str] = {chosen: played.key(chosen) for chosen in used}
    tasks = []
    for (kind, fold), each in sets.items():
        own = {chosen: keys[chosen] for strategy in each for chosen in strategy}
        labels = regimes.labels(fold) if kind[0] else none
        tasks.append(weight_unit(data, WeightTask(place.splits[fold], labels, each, own, on=kind[2])))
    found = iter(place.complete(run_weights, tasks, "books"))
    made = {kind: tuple(next(found) for _ in searched) for kind in kinds}
    place.counted.lap("weights")
    return made


Held = dict[str, tuple[str, ...]]
"""Variant -> the key of each fold's book as it is held, with the overlay or without."""


def _risk(place: _Place, books: Keys) -> Held:
    with_overlay = [variant for variant in VARIANTS if "risk" in variant]
    units = [
        overlay_unit(place.data, OverlayTask(split, key))
        for variant in with_overlay
        for split, key in zip(place.splits, books[variant.book], strict=True)
    ]
    found = iter(place.complete(run_overlay, units, "overlays"))
    made = {variant.name: tuple(next(found) for _ in place.splits) for variant in with_overlay}
    place.counted.lap("risk")
    return {variant.name: made.get(variant.name, books[variant.book]) for variant in VARIANTS}


Cell = tuple[str, float]
"""Name of a variant, and money."""


def _execution(
    place: _Place, held: Held
) -> tuple[dict[Cell, tuple[Choice, ...]], dict[Cell, ReplayTask], dict[Cell, Replay]]:
    """The choices of all folds where the phase is on, what is replayed out of sample, and what that leaves."""
    data, cells = place.data, [(variant, aum) for aum in place.settings.aums for variant in VARIANTS]
    trying = [(variant, aum) for variant, aum in cells if "execution" in variant]
    units = [
        execution_unit(data, ExecutionTask(split, key, aum))
        for variant, aum in trying
        for split, key in zip(place.splits, held[variant.name], strict=True)
    ]
    found = iter(place.complete(run_execution, units, "ways to trade"))
    choices = {
        (variant.name, aum): tuple(Choice.of_notes(data.results.notes(next(found))) for _ in place.splits)
        for variant, aum in trying
    }
    named: dict[str, Way] = {way.name: way for way in ways(data)}
    tasks = {}
    for variant, aum in cells:
        chosen = choices.get((variant.name, aum))
        taken = (plain_way(data),) * len(place.splits)
        taken = taken if chosen is None else tuple(named[choice.chosen] for choice in chosen)
        tasks[variant.name, aum] = ReplayTask(place.splits, held[variant.name], taken, aum)
    keys = place.complete(run_replay, [replay_unit(data, task) for task in tasks.values()], "replays")
    left = {cell: read_replay(data, key) for cell, key in zip(tasks, keys, strict=True)}
    place.counted.lap("execution")
    return choices, tasks, left


def _last_trades(place: _Place, task: ReplayTask) -> LastTrades:
    row, change = last_change(place.data, task)
    participation = task.ways[-1].participation
    assert participation is not None, "all phases are on"
    return LastTrades(place.source.panel.dates[row], change, participation)


def _noted(place: _Place, phase: str, keys: Sequence[str]) -> list[PhaseChoice]:
    notes = (place.data.results.notes(key) for key in keys)
    return [PhaseChoice(phase, fold, None, Choice.of_notes(each)) for fold, each in enumerate(notes)]


def _out_of_sample(place: _Place, regimes: _Regimes, books: Sequence[str]) -> tuple[Int, Float]:
    """(D,) regime in force and (D, S) shares with all phases on each day out of sample."""
    panel, gap = place.source.panel, place.settings.accounting.execution_lag + 1
    labels, shares = [], []
    for fold, (split, key) in enumerate(zip(place.splits, books, strict=True)):
        test, book = split.rows(panel.dates).test, read_book(place.data, key)
        labels.append(regimes.labels(fold)[test.start - gap : test.stop - gap])
        shares.append(book.shares[test.start - book.rows[0] : test.stop - book.rows[0]])
    # The first day of the first test range is one of decision; returns begin on the next.
    return np.concatenate(labels)[1:], np.concatenate(shares)[1:]


def study_folds(settings: InstitutionalSettings, dates: Dates) -> tuple[Split, ...]:
    """The folds of a study, in order of time; raises as ``walk_forward``."""
    folds = settings.folds
    return walk_forward(
        dates[folds.warm_up_days :],
        train_days=folds.train_days,
        test_days=folds.test_days,
        horizon=1,
        lag=settings.accounting.execution_lag,
        embargo=folds.embargo,
        kind=folds.kind,
    )
