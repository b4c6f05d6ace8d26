"""The shape of a combination: strategies that are played once through all days, and capital shared among them."""

from dataclasses import replace
from itertools import groupby

from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.combination.record import CombinationRecord
from quantray.studies.combination.settings import StrategyChoice
from quantray.studies.combination.study import CombinationSource, decision_rows
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.sizing import family_part

__all__ = ["COMBINATION_SIZING"]

_LEAST_DAYS = 30
"""Days of accounts in a miniature."""


def _outline(source: CombinationSource, seen: CombinationRecord | None) -> Outline:
    settings, days = source.settings, len(source.panel.dates)
    rows, members = decision_rows(source.panel.dates, settings.design()), settings.members()
    families = {family.name: family for family in settings.families()}
    parts = {}
    for name, group in groupby(sorted(members, key=lambda one: one.entry), key=lambda one: one.entry):
        sets = tuple(member.parameters for member in group)
        parts[f"strategies {name}"] = family_part(families[name], sets, days, kept=len(rows))
    if settings.ensemble:
        parts[f"strategies {EnsembleFamily.name}"] = Part(1, (float(days),), float(days))
    count, tested = len(members), days - int(rows[0])
    driver = (float(len(rows) * count), float(tested * count), float(len(rows) * count**2))
    return Outline(parts, driver, tables=driver[1])


def _smaller(source: CombinationSource, share: float) -> CombinationSource:
    """The last rebalances, with few sets of each strategy."""
    settings, panel = source.settings, source.panel
    rows = decision_rows(panel.dates, settings.design())
    lag = settings.accounting.execution_lag
    begun = int(rows[-max(2, round(share * len(rows)))]) if len(rows) > 1 else int(rows[-1])
    before = settings.warm_up_days + settings.lookback_days
    used = before + max(len(panel.dates) - begun, _LEAST_DAYS) + lag
    few = tuple(_fewer(choice, share, len(settings.strategies)) for choice in settings.strategies)
    small = settings.model_copy(update={"strategies": few})
    return replace(source, settings=small, data=replace(source.data, panel=last_days(panel, used)))


def _fewer(choice: StrategyChoice, share: float, entries: int) -> StrategyChoice:
    """A share of the sets of a choice, so many at least that two strategies are left."""
    whole = choice.count or len(choice.sets or ())
    count = min(whole, max(1 if entries > 1 else 2, round(share * whole)))
    return choice.model_copy(update={"sets": choice.sets[:count]} if choice.sets else {"count": count})


COMBINATION_SIZING = Sizing(outline=_outline, smaller=_smaller)
