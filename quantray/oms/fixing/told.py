"""What a journal says: the reports for the gate, and what is known of each order."""

import json
import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from quantray.errors import InputError, first_line
from quantray.oms.fixing.fields import Fields, field, iso_time, read_whole
from quantray.oms.fixing.journal import Line
from quantray.oms.fixing.reports import is_status, read_reports, standing_shares, state_of
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.messages import Report, ReportKind, Unreadable, VenueOrder
from quantray.oms.wire import checked_report

__all__ = ["Told"]

_LOG = logging.getLogger("quantray.oms")


class Told:
    """All lines so far. A message that makes no sense is logged, and is a report that cannot be read."""

    def __init__(self) -> None:
        self.last = 0
        """Number of the last line."""
        self._reports: list[Report | Unreadable] = []
        self._numbers: list[int] = []
        self._orders: dict[str, tuple[str, str]] = {}
        self._sent: dict[int, tuple[str, str]] = {}
        """By number, since numbers began anew."""
        self._number = 0
        self._executions: dict[str, dict[str, Report]] = {}
        self._answers: dict[str, Line] = {}
        self._spoken_of: set[str] = set()
        """Orders since the last turn of the journal."""

    def take(self, line: Line) -> None:
        """One more line."""
        self.last = line.number
        try:
            self._take(line)
        except InputError as error:
            _LOG.error("line %d of the FIX journal makes no sense: %s", line.number, first_line(error))
            if line.way == "in":
                self._add([self._unreadable(line, first_line(error))])

    def after(self, number: int, most: int) -> Sequence[Report | Unreadable]:
        """The next reports after a line, those of a line together."""
        start = bisect_right(self._numbers, number)
        end = min(start + most, len(self._numbers))
        while end < len(self._numbers) and self._numbers[end] == self._numbers[end - 1]:
            end += 1
        return self._reports[start:end]

    def turn(self, booked: int) -> None:
        """Forget reports up to a line, which are booked, and orders that nothing was said of since the last turn."""
        start, kept = bisect_right(self._numbers, booked), self._spoken_of
        self._reports, self._numbers, self._spoken_of = self._reports[start:], self._numbers[start:], set()
        self._orders = {name: it for name, it in self._orders.items() if name in kept}
        self._executions = {name: it for name, it in self._executions.items() if name in kept}
        self._answers = {name: it for name, it in self._answers.items() if name in kept}

    def order(self, name: str) -> tuple[str, str] | None:
        """Symbol and side, as FIX has it, of an order that was to leave; None where none was."""
        return self._orders.get(name)

    def answered(self, name: str, after: int) -> bool:
        """Whether a question for an order was answered after a line."""
        return name in self._answers and self._answers[name].number > after

    def answer(self, name: str) -> VenueOrder | None:
        """What the last answer said of an order; None that it is not known.

        Raises
        ------
        UnsureError
            It counts other shares than were reported, or makes no sense.
        """
        fields = self._answers[name].fields
        if field(fields, 39) == "8" and field(fields, 103, "") == "5":
            return None
        executions = tuple(self._executions.get(name, {}).values())
        try:
            filled, known = read_whole(field(fields, 14)), standing_shares(executions)
        except InputError as error:
            raise UnsureError(f"what the venue says of {name} makes no sense: {first_line(error)}") from error
        state = state_of(field(fields, 39), filled)
        if state is None or filled != known:
            raise UnsureError(f"the venue counts {filled:,} shares of {name} and has reported {known:,}; ask again.")
        return VenueOrder(name, state, filled, executions)

    def _take(self, line: Line) -> None:
        fields = line.fields
        kind = field(fields, 35)
        if line.way == "out":
            self._left(kind, fields)
        elif kind in ("3", "j"):
            self._add(self._rejected(fields, line.number))
        elif is_status(fields):
            self._spoken_of.add(field(fields, 11))
            self._answers[field(fields, 11)] = line
        else:
            self._add(read_reports(fields, line.number, self._orders))

    def _left(self, kind: str, fields: Fields) -> None:
        name, number = field(fields, 11, ""), read_whole(field(fields, 34))
        if number <= self._number:
            self._sent.clear()
        self._number = number
        self._sent[number] = (kind, name)
        if kind in ("D", "G"):
            self._spoken_of.add(name)
            self._orders[name] = field(fields, 55), field(fields, 54)

    def _unreadable(self, line: Line, why: str) -> Unreadable:
        named = (field(line.fields, tag, "") for tag in (11, 41))
        order = next((name for name in named if name in self._orders), "")
        return Unreadable(raw=json.dumps(line.fields), why=why, order=order, sequence=line.number)

    def _add(self, reports: Sequence[Report | Unreadable]) -> None:
        for report in reports:
            self._reports.append(self._kept(report) if isinstance(report, Report) else report)
            self._numbers.append(report.sequence)

    def _kept(self, report: Report) -> Report:
        """A report that is noted with its order; what takes a fill back need not say where that was."""
        self._spoken_of.add(report.order)
        known = self._executions.setdefault(report.order, {})
        if report.refers in known:
            report = replace(report, venue=known[report.refers].venue)
        if report.exec_id:
            known[report.exec_id] = report
        return report

    def _rejected(self, fields: Fields, number: int) -> list[Report]:
        """That an order was refused as a message: it came to nothing. Of other messages only asking tells more."""
        kind, name = self._sent.get(read_whole(field(fields, 45)), ("", ""))
        text = field(fields, 58, "")
        _LOG.warning("%s refuses a message (%s) of %s: %s", field(fields, 49), kind, name or "no order", text)
        if kind not in ("D", "G") or field(fields, 372, kind) != kind:
            return []
        report = Report(
            kind=ReportKind.REJECTED,
            order=name,
            venue=field(fields, 49),
            time=iso_time(field(fields, 52)),
            text=text[:300],
            sequence=number,
        )
        return [checked_report(report)]
