"""The shape of a sweep: sets that are played once through all days, replays of what was chosen, and statistics."""

from dataclasses import replace
from math import comb

import numpy as np

from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.evaluation.families import Family
from quantray.studies.evaluation.search import Parameters
from quantray.studies.evaluation.sizing import distinct, family_part
from quantray.studies.sweep.record import POLICIES, SweepRecord
from quantray.studies.sweep.regime_search import Design, Regimes, Task, settled_sets
from quantray.studies.sweep.study import SweepSource

__all__ = ["SWEEP_SIZING"]


def _outline(source: SweepSource, seen: SweepRecord | None) -> Outline:
    settings, design, path = source.settings, source.settings.design(), source.prepared
    families, days = settings.families(), len(source.panel.dates)
    task = Task.of(source.panel, Regimes(tuple(path.names.tolist()), path.labels), families, design)
    sets = {family.name: _sets(family, design, task) for family in families}
    parts = {f"strategies {f.name}": family_part(f, sets[f.name], days) for f in families}
    folds, scopes = len(task.splits), len(task.scopes)
    choices = {n: 1 + distinct(folds, len(s)) + distinct(folds * scopes, len(s)) for n, s in sets.items()}
    best = float(np.mean(list(choices.values()))) if len(families) > 1 else 0.0
    replayed = sum(choices.values()) + best
    parts["replays"] = Part(len(POLICIES) * len(task.strategies), (days * replayed,), float(days))
    tried = sum(map(len, sets.values())) * (2 if len(families) > 1 else 1)
    tested = task.out_of_sample.stop - task.out_of_sample.start
    driver = (
        float(folds * scopes * tried * design.train_days),
        float(scopes * tried * comb(design.blocks, design.blocks // 2)),
        float(len(POLICIES) * len(task.strategies) * scopes * tested),
    )
    notes = ("A search by tpe is counted as if no two of its cells asked for the same set.",)
    return Outline(parts, driver, tables=driver[2], notes=notes if design.method == "tpe" else ())


def _smaller(source: SweepSource, share: float) -> SweepSource:
    """The first folds of few days, with few sets of each strategy."""
    settings, folds, path = source.settings, source.settings.folds, source.prepared
    before = len(source.panel.dates) - _tested(source)
    tested = max(min(40, folds.test_days), round(share * _tested(source)))
    panel = last_days(source.panel, before + tested)
    rows = slice(len(path.labels) - len(panel.dates), None)
    cut = replace(path, dates=path.dates[rows], labels=path.labels[rows], probabilities=path.probabilities[rows])
    method = settings.search.method if share >= 1 else "random"
    trials = settings.search.trials if share >= 1 else max(1, round(share * _most_sets(source)))
    search = settings.search.model_copy(update={"method": method, "trials": trials})
    small = settings.model_copy(update={"search": search})
    return replace(source, settings=small, data=replace(source.data, panel=panel), prepared=cut)


def _tested(source: SweepSource) -> int:
    """Days since the first test range began."""
    design, path = source.settings.design(), source.prepared
    regimes = Regimes(tuple(path.names.tolist()), path.labels)
    task = Task.of(source.panel, regimes, source.settings.families(), design)
    return len(source.panel.dates) - int(task.decisions(0).start)


def _most_sets(source: SweepSource) -> int:
    settings = source.settings
    if settings.search.method != "grid":
        return settings.search.trials
    return max(len(family.space.all()) for family in settings.families())


def _sets(family: Family, design: Design, task: Task) -> tuple[Parameters, ...]:
    """What a sweep plays of a family; of a search that learns, as many as it may ask for."""
    if design.method != "tpe":
        return settled_sets(design, family)
    most = min(design.trials * len(task.splits) * len(task.scopes), family.space.size)
    return family.space.draw(most, 0)


SWEEP_SIZING = Sizing(outline=_outline, smaller=_smaller)
