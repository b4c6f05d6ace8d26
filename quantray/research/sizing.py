"""What a kind of study must say of its shape so that what a run takes is known before it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quantray.data.panel import Panel

__all__ = ["Outline", "Part", "Sizing", "last_days"]


@dataclass(frozen=True)
class Part:
    """Units of a study that are alike but for their size."""

    units: int
    size: tuple[float, ...] = ()
    """Sums over the units of what their time grows with in proportion, such as decisions times names squared."""
    largest: float = 1.0
    """What the memory of the largest unit grows with in proportion, beyond the data that all share."""
    at_once: int | None = None
    """Units that can be worked on at a time, where some wait for others; by default all."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The shape of a study: what its units are, and what its driver does besides."""

    parts: Mapping[str, Part]
    """By the names under which runs note them; see ``units.Unit.part``."""
    driver: tuple[float, ...] = ()
    """What the driver's own time grows with in proportion, beyond what every run of the kind takes."""
    tables: float = 1.0
    """What the files of a run grow with in proportion."""
    notes: tuple[str, ...] = field(default=())
    """What the shape takes for granted, such as trainings that nothing stops early; sentences."""


@dataclass(frozen=True)
class Sizing:
    """How the runs of a kind are planned: miniatures of a study run, and their shapes carry over what they took."""

    outline: Callable[[Any, Any], Outline]
    """A ``Source`` of the kind, and what its run found or None where nobody knows yet, to its shape."""
    smaller: Callable[[Any, float], Any]
    """A ``Source`` and a share above 0 and at most 1 to a source that is about so much of its work, on as many names.
    It must run, however small the share, and in the same parts."""
    run: Callable[[Any, Any], Any] | None = None
    """Runs a miniature on an executor instead of the kind, whose own way would take long however small it is."""


def last_days(panel: Panel, days: float) -> Panel:
    """The last days of a panel, or all of it where it has no more."""
    return panel.between(panel.dates[max(0, len(panel.dates) - round(days))], panel.dates[-1])
