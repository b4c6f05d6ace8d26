"""The shape of a study of portfolios: decisions in parallel, accounts in parallel, the report in sequence."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quantray.data.panel import Panel
from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.portfolios.alpha import forecast_store
from quantray.studies.portfolios.replays import are_units
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.study import PortfolioSource, StudyResult
from quantray.studies.portfolios.trial import Trial, study_trials

__all__ = ["PORTFOLIO_SIZING", "decision_parts", "shorter"]

_LEAST_DAYS = 25
"""Test days of a miniature, so that its report has something to say."""


def decision_parts(trials: dict[str, list[Trial]], panel: Panel) -> dict[str, Part]:
    """The units of ``decide_all``, an allocator a part; time grows with decisions times days times names squared."""
    parts: dict[str, Part] = {}
    for name, group in trials.items():
        counts, cells = [], []
        for trial in group:
            rows = trial.split.rows(panel.dates)
            days = rows.test.start - rows.train.start if trial.expanding else trial.schedule.lookback_days
            counts.append(len(trial.decision_dates(panel.dates)))
            cells.append(days * float(panel.member[rows.test].sum(axis=1).max(initial=0)) ** 2)
        size = (float(sum(counts)), float(np.dot(counts, cells)))
        if group[0].allocator.alpha is None or not any(part.startswith("decisions") for part in parts):
            parts[f"decisions {name}"] = Part(len(group), size, max(cells))
    return parts


def shorter(panel: Panel, trials: Sequence[Trial], share: float) -> Panel:
    """The last days of a panel: a share of those since the first test range began, and what the first of them needs.

    Two decisions at least are among them, where there are two.
    """
    begun = trials[0].split.rows(panel.dates).test.start
    decided = np.concatenate([trial.decision_dates(panel.dates) for trial in trials])
    tested = len(panel.dates) - begun
    least = len(panel.dates) - panel.row(decided[-min(2, len(decided))])
    return last_days(panel, begun + max(least, _LEAST_DAYS, share * tested))


def _outline(source: PortfolioSource, seen: StudyResult | None) -> Outline:
    settings, panel = source.settings, source.panel
    trials = study_trials(settings, panel)
    first = next(iter(trials.values()))
    days = float(len(panel.dates) - first[0].split.rows(panel.dates).test.start)
    overlaid = 2 if settings.risk is not None and settings.risk.overlay is not None else 1
    solved = sum(allocator.alpha is not None for allocator in settings.allocators)
    decided = sum(len(trial.decision_dates(panel.dates)) for trial in first)
    accounts, solutions = days * len(trials) * overlaid, float(solved * decided)
    parts = decision_parts(trials, panel)
    if units := are_units(settings):
        parts["backtests"] = Part(len(trials), (accounts, solutions), days * overlaid)
    return Outline(parts, (accounts, 0.0 if units else solutions), tables=accounts)


def _smaller(source: PortfolioSource, share: float) -> PortfolioSource:
    settings, trials = source.settings, study_trials(source.settings, source.panel)
    panel = shorter(source.panel, next(iter(trials.values())), share)
    allocators = tuple(_with_store(allocator, settings.runs) for allocator in settings.allocators)
    settings = settings.model_copy(update={"allocators": allocators})
    return replace(source, settings=settings, data=replace(source.data, panel=panel))


def _with_store(allocator: AllocatorSettings, runs: str) -> AllocatorSettings:
    """The allocator with the place of its forecasts, which a run in another folder would not find."""
    if allocator.alpha is None or allocator.alpha.forecasts.model is None:
        return allocator
    place = str(forecast_store(allocator.alpha.forecasts, runs).uri)
    forecasts = allocator.alpha.forecasts.model_copy(update={"store": place})
    return allocator.model_copy(update={"alpha": allocator.alpha.model_copy(update={"forecasts": forecasts})})


PORTFOLIO_SIZING = Sizing(outline=_outline, smaller=_smaller)
