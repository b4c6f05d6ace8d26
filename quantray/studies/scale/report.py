"""The report of a scaling study: what more names cost, and what they bring."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.page import Cell, Page, Rows, Section, Table, chart, ranged, shown
from quantray.arrays import Float
from quantray.studies.forecasts.figures import ScaleCurve, scale
from quantray.studies.forecasts.report import verdict

__all__ = ["ScaleReportInput", "ScaleRow", "scale_page"]


@dataclass(frozen=True, eq=False)
class ScaleRow:
    """One model over universes of U sizes."""

    curve: ScaleCurve
    is_control: bool
    slopes: tuple[float, float] | None
    """Exponents of seconds and memory in the number of names, NaN where they cannot be told; none where nothing is
    trained."""
    gains: Sequence[Estimate]
    """(U,) skill on the names of the smallest universe less that of the same model fitted there."""
    differences: Sequence[Mapping[str, Estimate]]
    """(U,) of control -> paired difference."""


@dataclass(frozen=True, eq=False)
class ScaleReportInput:
    """All that the report shows."""

    title: str
    meta: str
    costs_note: str
    skill_note: str
    sizes: Sequence[int]
    """(U,) names asked for, ascending."""
    rows: Sequence[ScaleRow]
    warnings: tuple[str, ...]


def scale_page(content: ScaleReportInput) -> Page:
    """The report."""
    rows, sizes = content.rows, tuple(f"{size:,} names" for size in content.sizes)
    compared = [row for row in rows if not row.is_control]
    # A forecast of zero has no skill to draw.
    drawn = [row.curve for row in rows if any(found.mean for found in row.curve.ic)]
    largest = " ".join(verdict(row.curve.name, row.differences[-1]) for row in compared)
    costs = _costs([row for row in rows if row.slopes is not None])
    pairs = tuple(
        (f"{row.curve.name} − {control}", *(_marked(found[control]) for found in row.differences))
        for row in compared
        for control in row.differences[0]
    )
    against = Table(columns=("Pair", *sizes), groups=(Rows(rows=pairs),))
    note = "Model less control on the same days; bold where the interval leaves out zero."
    skills = Table(columns=("Forecast", *sizes), groups=_skills(rows))
    return Page(
        title=content.title,
        meta=content.meta,
        headline=f"On {content.sizes[-1]:,} names: {largest}",
        warnings=content.warnings,
        sections=(
            chart("Scale", scale(drawn)),
            Section(
                title="Costs",
                note=content.costs_note,
                parts=(Table(columns=("Model", *sizes, "Slope"), groups=costs),),
            ),
            Section(title="Skill", note=content.skill_note, parts=(skills,)),
            Section(title="Against the controls", note=note, parts=(against,)),
        ),
        summary=_summary(content, sizes),
    )


def _summary(content: ScaleReportInput, sizes: tuple[str, ...]) -> Table:
    """What a forecast of each size was worth and, of a network, what an epoch took."""
    rows = []
    for row in content.rows:
        cells = [shown(found.mean, ".3f") for found in row.curve.ic]
        if row.slopes is not None:
            costs = zip(cells, row.curve.seconds, row.curve.gigabytes, strict=True)
            cells = [f"{skill}; {seconds:.1f} s, {memory:.2f} GB" for skill, seconds, memory in costs]
        rows.append((row.curve.name, *cells))
    title = f"{content.title}: information coefficient; seconds and memory of one epoch alone in a process"
    return Table(title=title, columns=("forecast", *sizes), groups=(Rows(rows=tuple(rows)),))


def _costs(trained: Sequence[ScaleRow]) -> tuple[Rows, ...]:
    def line(row: ScaleRow, values: Float, form: str, slope: float) -> tuple[str, ...]:
        return (row.curve.name, *(format(value, form) for value in values), shown(slope, ".2f"))

    slopes = [row.slopes or (math.nan, math.nan) for row in trained]
    both = list(zip(trained, slopes, strict=True))
    seconds = tuple(line(row, row.curve.seconds, ".1f", slope[0]) for row, slope in both)
    memory = tuple(line(row, row.curve.gigabytes, ".2f", slope[1]) for row, slope in both)
    return Rows(title="Seconds of an epoch", rows=seconds), Rows(title="Memory of training, GB", rows=memory)


def _skills(rows: Sequence[ScaleRow]) -> tuple[Rows, ...]:
    shown_for = {
        "On all names": [(row, row.curve.ic) for row in rows],
        "On the smallest universe": [(row, row.curve.nested) for row in rows],
        "There, less the fit on the smallest universe": [(row, row.gains) for row in rows if row.slopes is not None],
    }
    return tuple(
        Rows(title=title, rows=tuple((row.curve.name, *map(_text, found)) for row, found in lines))
        for title, lines in shown_for.items()
    )


def _text(found: Estimate) -> str:
    return f"{found.mean:.4f} ({ranged(found, '.4f')})"


def _marked(found: Estimate) -> Cell:
    """The difference, marked where its interval leaves out zero."""
    return Cell(text=_text(found), best=found.interval.low > 0 or found.interval.high < 0)
