"""What an import found wrong with the data, as a section of a report."""

from collections.abc import Sequence

from quantray.analytics.page import Cell, Column, Note, Rows, Section, Table
from quantray.data.quality.findings import Finding, QualityReport

__all__ = ["quality_section"]

_MOST_LINES = 5
"""Departures and doubts that are shown of each kind."""
_MOST_EXAMPLES = 3


def quality_section(reports: Sequence[QualityReport]) -> Section:
    """What was read, what was flagged, and what was done about it, import by import."""
    parts: list[Note | Table] = []
    if not reports:
        parts.append(Note(text="Simulated data: nothing to check."))
    for report in reports:
        parts += [Note(text=line) for line in (*_readings(report), _understood(report))]
        if not report.findings:
            parts.append(Note(text="No check flagged anything."))
            continue
        parts.append(_checks(report.findings))
        if worst := report.worst_assets():
            rows = tuple(
                (symbol or "(no symbol)", ", ".join(f"{_words(check)}: {n}" for check, n in flags.items()))
                for symbol, flags in worst
            )
            columns = ("Symbol", Column(title="Flagged", text=True))
            parts.append(Table(columns=columns, groups=(Rows(rows=rows),), folded="Symbols with the most treated rows"))
    return Section(title="Data quality", parts=tuple(parts))


def _readings(report: QualityReport) -> list[str]:
    found = []
    for reading in report.readings:
        others = f" and {reading.files - 1:,} files like it" if reading.files > 1 else ""
        text = f"{reading.example}{others}: read as {reading.format}, {reading.stated}."
        if reading.ignored:
            text += f" Columns that were not used: {', '.join(reading.ignored)}."
        if reading.missing:
            text += f" Not there: {_words(', '.join(reading.missing))}."
        found.append(text)
    return found


def _understood(report: QualityReport) -> str:
    adjustment = report.adjustment
    found = [
        f"{report.n_rows_read:,} rows read, {report.n_rows_kept:,} kept, for {report.n_assets:,} symbols from "
        f"{report.first} to {report.last}. Prices {adjustment.prices}; {adjustment.n_splits:,} splits and "
        f"{adjustment.n_dividends:,} dividends from: {adjustment.source}."
    ]
    if adjustment.mismatched_days:
        found.append(f"On {adjustment.mismatched_days} days the vendor's adjusted close disagrees with them.")
    found += [f"{line[0].upper()}{line[1:]}." for line in adjustment.evidence]
    found += [f"Unlike the others, {line}." for line in adjustment.departures[:_MOST_LINES]]
    found += [f"Undecided: {line}." for line in adjustment.doubts[:_MOST_LINES]]
    return " ".join(found)


def _checks(findings: Sequence[Finding]) -> Table:
    rows = tuple(
        (
            Cell(text=_words(finding.check), below=finding.meaning),
            f"{finding.n_flagged:,}",
            f"{finding.n_assets:,}",
            _words(finding.treatment),
            f"{finding.n_changed:,}",
            Cell(
                text=", ".join(f"{number:,} {column}" for column, number in finding.cells.items()),
                below="; ".join(finding.examples[:_MOST_EXAMPLES]),
            ),
        )
        for finding in findings
    )
    columns = (
        "Check",
        "Flagged",
        "Symbols",
        Column(title="Treatment", text=True),
        "Changed",
        Column(title="Examples", text=True),
    )
    return Table(columns=columns, groups=(Rows(rows=rows),), dense=True)


def _words(name: str) -> str:
    return name.replace("_", " ")
