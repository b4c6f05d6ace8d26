"""The report of a scaling study: what more names cost, and what they bring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import to_html
from quantray.analytics.page import render_page
from quantray.arrays import Float
from quantray.studies.forecasts.figures import ScaleCurve, scale
from quantray.studies.forecasts.report import verdict

__all__ = ["ScaleReportInput", "ScaleRow", "render_scale"]


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
    about: Mapping[str, object]
    sizes: Sequence[int]
    """(U,) names asked for, ascending."""
    rows: Sequence[ScaleRow]
    warnings: Sequence[str]


def render_scale(content: ScaleReportInput) -> str:
    """The report as HTML."""
    rows = content.rows
    judged = [row for row in rows if not row.is_control]
    # A forecast of zero has no skill to draw.
    drawn = [row.curve for row in rows if any(found.mean for found in row.curve.ic)]
    picture = scale(drawn)
    largest = " ".join(verdict(row.curve.name, row.differences[-1]) for row in judged)
    return render_page(
        "scale.html.j2",
        {
            "title": content.title,
            "about": content.about,
            "headline": f"On {content.sizes[-1]:,} names: {largest}",
            "warnings": content.warnings,
            "charts": [("Scale", picture.note, to_html(picture, "scale"))],
            "sizes": [f"{size:,}" for size in content.sizes],
            "costs": _costs([row for row in rows if row.slopes is not None]),
            "skills": _skills(rows),
            "pairs": [
                [f"{row.curve.name} − {control}", *(_marked(found[control]) for found in row.differences)]
                for row in judged
                for control in row.differences[0]
            ],
        },
    )


def _costs(trained: Sequence[ScaleRow]) -> list[tuple[str, list[list[str]]]]:
    def line(row: ScaleRow, values: Float, form: str, slope: float) -> list[str]:
        return [row.curve.name, *(form.format(value) for value in values), "–" if np.isnan(slope) else f"{slope:.2f}"]

    slopes = [row.slopes or (np.nan, np.nan) for row in trained]
    return [
        (
            "Seconds of an epoch",
            [line(row, row.curve.seconds, "{:.1f}", slope[0]) for row, slope in zip(trained, slopes, strict=True)],
        ),
        (
            "Memory of training, GB",
            [line(row, row.curve.gigabytes, "{:.2f}", slope[1]) for row, slope in zip(trained, slopes, strict=True)],
        ),
    ]


def _skills(rows: Sequence[ScaleRow]) -> list[tuple[str, list[list[str]]]]:
    trained = [row for row in rows if row.slopes is not None]
    return [
        ("On all names", [[row.curve.name, *map(_text, row.curve.ic)] for row in rows]),
        ("On the smallest universe", [[row.curve.name, *map(_text, row.curve.nested)] for row in rows]),
        (
            "There, less the fit on the smallest universe",
            [[row.curve.name, *map(_text, row.gains)] for row in trained],
        ),
    ]


def _text(found: Estimate) -> str:
    return f"{found.mean:.4f} ({found.interval.low:.4f} to {found.interval.high:.4f})"


def _marked(found: Estimate) -> tuple[str, bool]:
    """The difference and whether its interval leaves out zero."""
    return _text(found), found.interval.low > 0 or found.interval.high < 0
