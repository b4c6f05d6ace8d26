"""The shape of a study of regimes: paths by method, on days, on weeks, and once more by later fits."""

from dataclasses import replace

from quantray.research.sizing import Outline, Part, Sizing, last_days
from quantray.studies.regimes.study import RegimesResult, RegimesSource, study_views

__all__ = ["REGIMES_SIZING"]


def _outline(source: RegimesSource, seen: RegimesResult | None) -> Outline:
    settings, data = source.settings, source.data
    dates, names = data.panel.dates, data.panel.shape[1]
    views = study_views(settings, data.sectors, dates)
    parts: dict[str, Part] = {}
    for view in views:
        before = parts.get(f"regimes {view.part}", Part(0, (0.0, 0.0), 0.0))
        until = view.refit if view.refit is not None else dates[-1]
        days = float((dates <= until).sum())
        size = (before.size[0] + days, before.size[1] + days * names)
        parts[f"regimes {view.part}"] = Part(before.units + 1, size, max(before.largest, days * names))
    paths = float(len(views) * len(dates))
    return Outline(parts, (paths,), tables=paths)


def _smaller(source: RegimesSource, share: float) -> RegimesSource:
    """The days up to the first fits, and a share of those that follow."""
    panel, settings = source.panel, source.settings
    first = max(settings.choice(method).first for method in settings.chosen(source.data.sectors))
    days = first + max(settings.refits + 1, share * (len(panel.dates) - first))
    return replace(source, data=replace(source.data, panel=last_days(panel, days)))


REGIMES_SIZING = Sizing(outline=_outline, smaller=_smaller)
