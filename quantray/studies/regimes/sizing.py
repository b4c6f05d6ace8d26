"""The shape of a study of regimes: paths by method, on days, on weeks, and once more by later fits."""

from dataclasses import replace

from quantray.regimes.schedule import Segment
from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.regimes.study import RegimesResult, RegimesSource, View, study_views

__all__ = ["REGIMES_SIZING"]

_WEEK = 5


def _outline(source: RegimesSource, seen: RegimesResult | None) -> Outline:
    settings, data = source.settings, source.data
    dates, names = data.panel.dates, data.panel.shape[1]
    views = study_views(settings, data.sectors, dates)
    parts: dict[str, Part] = {}
    for view in views:
        days = int((dates <= (dates[-1] if view.refit is None else view.refit)).sum())
        fits = _fits(view, days)
        learnt = sum(each.fit.stop - each.fit.start for each in fits)
        before = parts.get(f"regimes {view.part}", Part(0, (0.0, 0.0, 0.0), 0.0))
        own = (1.0 + len(fits), float(days + learnt), float(days * names))
        size = tuple(a + b for a, b in zip(before.size, own, strict=True))
        parts[f"regimes {view.part}"] = Part(before.units + 1, size, max(before.largest, own[2]))
    paths = float(len(views) * len(dates))
    return Outline(parts, (paths,), tables=paths)


def _fits(view: View, days: int) -> list[Segment]:
    """What is learnt from so many days."""
    if view.choice.by_rule:
        return []
    schedule = view.choice.schedule if view.refit is None else view.choice.once()
    return schedule.segments(days if view.timeframe == "1day" else days // _WEEK)


def _smaller(source: RegimesSource, share: float) -> RegimesSource:
    """The days up to the first fits, and a share of those that follow."""
    panel, settings = source.panel, source.settings
    first = max(settings.choice(method).first for method in settings.chosen(source.data.sectors))
    days = first + max(settings.refits + 1, share * (len(panel.dates) - first))
    return replace(source, data=replace(source.data, panel=last_days(panel, days)))


REGIMES_SIZING = Sizing(outline=_outline, smaller=_smaller)
