"""The reports of a paper venue in the order in which listeners get them, each with the next number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from quantray.oms.messages import Report, ReportKind
from quantray.oms.paper.draws import drawn
from quantray.oms.paper.faults import Faults
from quantray.oms.paper.keeping import Changes, Row

__all__ = ["Said", "Stream", "said_before"]

_FIELDS = tuple(field.name for field in fields(Report))


@dataclass(frozen=True, slots=True)
class Said:
    """A report and what the book itself knows of it.

    Parameters
    ----------
    bar : in which it was made.
    taken : of a fill, whether it took liquidity at a lit venue.
    """

    report: Report
    bar: int
    taken: bool = False


class Stream:
    """All reports so far.

    Parameters
    ----------
    rows : as they are on disk, in order.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        numbered: dict[int, Report] = {}
        self._held: list[tuple[int, Report]] = []
        self._number = 0
        for row in rows:
            self._number = row["number"]
            if row["sequence"] is None:
                self._held.append((self._number, _report(row, 0)))
            else:
                numbered[row["sequence"]] = _report(row, row["sequence"])
        self._listed = [numbered[k] for k in sorted(numbered)]

    @property
    def last(self) -> int:
        """Number of the last report; 0 where there is none."""
        return len(self._listed)

    @property
    def holds_back(self) -> bool:
        """Whether reports wait to be overtaken."""
        return bool(self._held)

    def after(self, sequence: int, limit: int) -> Sequence[Report]:
        """The next reports after one."""
        return self._listed[sequence : sequence + limit]

    def add(self, said: Sequence[Said], changes: Changes, faults: Faults, seed: int) -> None:
        """Number some reports and write them; what was held back before comes after them."""
        overtaken, self._held = self._held, []
        for one in said:
            chosen = (seed, one.report.kind, one.report.order, one.report.exec_id or str(one.bar))
            if faults.overtake and drawn(*chosen, "overtake") < faults.overtake:
                self._held.append((self._number + 1, one.report))
                changes.reports.append(self._row(one, None, again=False))
                continue
            changes.reports.append(self._row(one, self._listing(one.report), again=False))
            if faults.duplicate and drawn(*chosen, "duplicate") < faults.duplicate:
                changes.reports.append(self._row(one, self._listing(one.report), again=True))
        changes.numbered.extend({"of": number, "as_": self._listing(report)} for number, report in overtaken)

    def _listing(self, report: Report) -> int:
        self._listed.append(replace(report, sequence=len(self._listed) + 1))
        return len(self._listed)

    def _row(self, said: Said, sequence: int | None, *, again: bool) -> Row:
        self._number += 1
        row = {name: getattr(said.report, name) for name in _FIELDS}
        row["kind"], row["sequence"] = said.report.kind.value, sequence
        return row | {"number": self._number, "again": again, "bar": said.bar, "taken": said.taken}


def said_before(row: Row) -> Said:
    """What a row on disk says, the report without its number."""
    return Said(_report(row, 0), row["bar"], bool(row["taken"]))


def _report(row: Row, sequence: int) -> Report:
    told = {name: row[name] for name in _FIELDS}
    told["kind"], told["sequence"] = ReportKind(row["kind"]), sequence
    return Report(**told)
