"""The shape of a study of capacity: decisions once for every frequency, replays at every size."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TypeVar

from quantray.research.sizing import Outline, Part, Sizing
from quantray.studies.capacity.study import CapacityResult, CapacitySource
from quantray.studies.portfolios.sizing import decision_parts, shorter
from quantray.studies.portfolios.trial import study_trials

__all__ = ["CAPACITY_SIZING"]

V = TypeVar("V")


def _outline(source: CapacitySource, seen: CapacityResult | None) -> Outline:
    settings, panel = source.settings, source.panel
    parts: dict[str, Part] = {}
    days = 0
    for rebalance in settings.rebalances:
        cell = next(cell for cell in settings.cells if cell.rebalance == rebalance)
        trials = study_trials(settings.study(cell), panel)
        days = len(panel.dates) - next(iter(trials.values()))[0].split.rows(panel.dates).test.start
        for name, part in decision_parts(trials, panel).items():
            before = parts.get(name, Part(0, (0.0, 0.0), 0.0))
            size = (before.size[0] + part.size[0], before.size[1] + part.size[1])
            parts[name] = Part(before.units + part.units, size, max(before.largest, part.largest))
    replays = len(settings.cells) * len(settings.allocators)
    parts["replays"] = Part(replays, (float(days * replays),), float(len(panel.dates)))
    return Outline(parts, (float(days * replays),), tables=float(replays))


def _smaller(source: CapacitySource, share: float) -> CapacitySource:
    """Few days, sizes and days of execution, at every frequency."""
    settings = source.settings
    few = {"aums": _first(settings.aums, share), "execution_days": _first(settings.execution_days, share)}
    trials = study_trials(settings.study(settings.cells[0]), source.panel)
    panel = shorter(source.panel, next(iter(trials.values())), share)
    return replace(source, settings=settings.model_copy(update=few), data=replace(source.data, panel=panel))


def _first(values: Sequence[V], share: float) -> tuple[V, ...]:
    return tuple(values[: ceil(share * len(values))])


CAPACITY_SIZING = Sizing(outline=_outline, smaller=_smaller)
