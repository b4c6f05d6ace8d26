"""The files of a report for a reader: one page, its numbers as CSV and JSON, and on paper where that is asked for."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantray.analytics.attribution.attribute import Attribution
from quantray.analytics.coverage import Coverage, walk_outlook
from quantray.analytics.drawdowns import drawdown_table
from quantray.analytics.measures import Basis, measures
from quantray.analytics.outlook import LEVELS, Outlook, OutlookSettings, outlook
from quantray.analytics.pdf import print_pdf
from quantray.analytics.periods import period_returns
from quantray.analytics.reader import PERIODS, READERS, ReaderInput, reader_page
from quantray.arrays import WEEKS
from quantray.errors import InputError
from quantray.printable import csv_text
from quantray.research.folder import finished, read_run
from quantray.settings import flattened, nearest
from quantray.storage.files import write_atomically
from quantray.studies.reports.explained import explain_run
from quantray.studies.reports.inputs import Explained

__all__ = ["ReportFiles", "ReportTerms", "write_files", "write_report"]


@dataclass(frozen=True, kw_only=True)
class ReportTerms:
    """What a report is asked to be.

    Raises
    ------
    InputError
        The reader or the period is unknown.
    """

    reader: str = "client"
    period: str = "inception"
    portfolio: str | None = None
    attribution: bool = False
    pdf: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("reader", READERS), ("period", PERIODS)):
            value = getattr(self, name)
            if value not in choices:
                raise InputError(
                    f"{name} {value!r} is unknown;{nearest(value, list(choices))} take {', '.join(choices)}."
                )


@dataclass(frozen=True)
class ReportFiles:
    """What was written."""

    page: Path
    numbers: tuple[Path, ...]
    paper: Path | None
    notes: tuple[str, ...]
    """What could not be had, and why."""


def write_report(folder: Path, terms: ReportTerms) -> ReportFiles:
    """Write the report of a portfolio of a finished run beside its ``report.html``.

    Raises
    ------
    InputError, DataError
        As ``explain_run`` and ``print_pdf``, or the record is too short for a report.
    """
    run = read_run(folder)
    about = finished(run)
    found = explain_run(run, portfolio=terms.portfolio, period=terms.period, attribution=terms.attribution)
    made = f"From the run with digest {about.digest}, settings {about.config_hash}."
    shown = {} if terms.reader == "client" else {key: str(v) for key, v in flattened(run.settings).items()}
    return write_files(folder, about.name, found, terms, reproduction=(made,), settings=shown)


def write_files(
    folder: Path,
    study: str,
    found: Explained,
    terms: ReportTerms,
    *,
    reproduction: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> ReportFiles:
    """Write the page and the numbers of what was explained, and print it where that is asked for.

    Parameters
    ----------
    study : its name.
    reproduction : sentences on how it came to be.
    settings : of the study, flattened; shown where given.

    Raises
    ------
    InputError, DataError
        The record is too short, or as ``print_pdf``.
    """
    ahead, covered, more = _outlook(found)
    notes = (*found.notes, *more)
    page = reader_page(
        ReaderInput(
            title=f"{study}: {found.whole.name}",
            meta=f"For the {_SAID[terms.reader]} · {_when(found.recent)} · {found.about}",
            reader=terms.reader,
            period=terms.period,
            whole=found.whole,
            recent=found.recent,
            benchmark=found.benchmark,
            risk_free=found.risk_free,
            periods_per_year=found.periods_per_year,
            outlook=ahead,
            coverage=covered,
            warnings=found.warnings,
        )
    )
    stem = f"report-{terms.reader}-{terms.period}"
    html = folder / f"{stem}.html"
    write_atomically(html, page.html((*reproduction, *notes), settings or {}).encode())
    numbers = []
    for name, text in _numbers(found, ahead, covered):
        path = folder / f"{stem}-{name}"
        write_atomically(path, text.encode())
        numbers.append(path)
    paper = print_pdf(html, folder / f"{stem}.pdf") if terms.pdf else None
    return ReportFiles(html, tuple(numbers), paper, notes)


_SAID = {"client": "client", "manager": "portfolio manager", "risk": "risk officer"}


def _when(of: Attribution) -> str:
    return f"{of.dates[0]} to {of.dates[-1]}"


def _outlook(found: Explained) -> tuple[Outlook | None, tuple[Coverage, ...], tuple[str, ...]]:
    """The outlook, what was measured of it, and why there is none where a record is shorter than a year."""
    returns, year = found.whole.returns, found.periods_per_year
    if len(returns) <= year:
        return None, (), (f"there is no outlook: {len(returns)} returns are less than a year",)
    terms = OutlookSettings(periods_per_year=year, least=year, window=10 * year)
    if year <= WEEKS:
        terms = replace(terms, horizons=(1, 4, 13, 26, 52))
    measured = walk_outlook(returns, replace(terms, n_paths=250), step=max(year // 12, 1))
    return outlook(returns, terms), measured, ()


def _numbers(found: Explained, ahead: Outlook | None, covered: tuple[Coverage, ...]) -> Iterator[tuple[str, str]]:
    """Name of a file and its text."""
    basis = Basis(
        risk_free=found.risk_free,
        benchmark=found.whole.benchmark,
        dates=found.whole.dates,
        periods_per_year=found.periods_per_year,
    )
    parts = [
        {"dimension": split.title, "row": row, "effect": effect, "return": value}
        for split in found.recent.dimensions.values()
        for row, effect, value in zip(split.rows, split.effects, split.linked.tolist(), strict=True)
    ]
    values = measures(found.whole.returns, basis)
    months = [{"month": m.label, "return": m.total} for m in period_returns(found.whole.dates, found.whole.returns)]
    falls = [
        {name: None if value is None else (value if isinstance(value, float | int) else str(value))
         for name, value in vars(each).items()}
        for each in drawdown_table(found.whole.dates, found.whole.returns)
    ]  # fmt: skip
    quantiles = [
        {"days": horizon.days, "quantity": quantity, "level": level, "value": value}
        for horizon in (ahead.horizons if ahead is not None else ())
        for quantity, grid in horizon.quantiles.items()
        for level, value in zip(LEVELS, grid[-1].tolist(), strict=True)
    ]
    rows = {
        "attribution": parts,
        "measures": [{"measure": name, "value": value} for name, value in values.items()],
        "months": months,
        "drawdowns": falls,
        "outlook": quantiles,
    }
    for name, table in rows.items():
        if table:
            yield f"{name}.csv", _csv(table)
    whole = {"portfolio": found.whole.name, "from": str(found.recent.dates[0]), "to": str(found.recent.dates[-1])}
    totals = {"return": found.recent.total, "largest_gap": found.recent.largest_gap}
    measured = [
        {"days": c.days, "quantity": c.quantity, "forecasts": c.n, "covered": c.covered, "pinball": c.pinball}
        for c in covered
    ]
    yield "numbers.json", json.dumps(_finite(whole | totals | rows | {"coverage": measured}), indent=1)


def _csv(rows: list[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{k: csv_text(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows])
    return out.getvalue()


def _finite(value: object) -> object:
    """JSON has no NaN; what has no value is null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
