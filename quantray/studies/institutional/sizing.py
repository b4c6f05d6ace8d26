"""The shape of the five phases: regime paths, sets that are searched, books, overlays, ways to trade and replays."""

from dataclasses import replace

from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.evaluation.families import Family
from quantray.studies.evaluation.sizing import distinct
from quantray.studies.institutional.record import VARIANTS, InstitutionalRecord
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.study import InstitutionalSource, study_folds

__all__ = ["INSTITUTIONAL_SIZING"]

_LEAST_DAYS = 45
"""Days out of sample in a miniature."""
_GRID = 20_000
"""Combinations of parameters that are counted one by one."""


def _outline(source: InstitutionalSource, seen: InstitutionalRecord | None) -> Outline:
    settings, days = source.settings, len(source.panel.dates)
    splits = study_folds(settings, source.panel.dates)
    folds, tested = len(splits), days - splits[0].rows(source.panel.dates).test.start
    books = folds * len({variant.book for variant in VARIANTS})
    overlays = folds * sum("risk" in variant for variant in VARIANTS)
    tried = len(settings.aums) * folds * sum("execution" in variant for variant in VARIANTS)
    replays = len(settings.aums) * len(VARIANTS)
    learned, looks = settings.folds.train_days, len(settings.regimes.methods) * len(settings.regimes.timeframes)
    # Each fit is on all that is past.
    fitted = looks * days**2 / settings.regimes.refit_days
    parts = {"regimes": Part(looks, (fitted, float(looks * days)), float(days))}
    for family in settings.families():
        sets = _sets(family, settings, folds)
        parts[f"strategies {family.name}"] = Part(round(sets), (days * sets,), float(days))
    parts["books"] = Part(books, (float(books * learned + (books // folds) * tested),), float(learned))
    parts["overlays"] = Part(overlays, (float(overlays * learned + (overlays // folds) * tested),), float(learned))
    parts["ways to trade"] = Part(tried, (float(tried * learned),), float(learned))
    parts["replays"] = Part(replays, (float(replays * tested),), float(days))
    driver = (float(folds * len(settings.families())), float(tested * replays))
    notes = ("Searches are counted as if their sets were drawn at random.",)
    return Outline(parts, driver, tables=float(tested * replays), notes=notes)


def _smaller(source: InstitutionalSource, share: float) -> InstitutionalSource:
    """The last days, with few sets of each strategy and the least money."""
    settings, panel = source.settings, source.panel
    begun = study_folds(settings, panel.dates)[0].rows(panel.dates).test.start
    tested = len(panel.dates) - begun
    used = begun + max(min(_LEAST_DAYS, tested), share * tested)
    phase = settings.parameters
    few = phase.model_copy(update={"trials": max(1, round(share * phase.trials))})
    aums = settings.aums[: max(1, round(share * len(settings.aums)))]
    small = settings.model_copy(update={"parameters": few, "aums": aums})
    return replace(source, settings=small, data=replace(source.data, panel=last_days(panel, used)))


def _sets(family: Family, settings: InstitutionalSettings, folds: int) -> float:
    """Sets of a strategy that are played: those that searches ask for, and once more those that are held."""
    phase, scopes = settings.parameters, settings.regimes.states + 1
    space = family.space
    among = len(space.all()) if space.size <= _GRID else space.size
    draws = 0
    for method in phase.methods:
        # What does not learn from scores asks for the same in every fold and regime.
        cells = folds * scopes if method == "tpe" else 1
        draws += among if method == "grid" else phase.starts * min(phase.trials, among) * cells
    searched = distinct(1 + draws, among)
    return searched + distinct(1 + folds * scopes, max(1, round(searched)))


INSTITUTIONAL_SIZING = Sizing(outline=_outline, smaller=_smaller)
