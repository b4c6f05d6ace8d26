"""Fills, busts and corrections: each booked once, in whatever order they come."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from quantray.oms.messages import Report, ReportKind, is_name

__all__ = ["Effect", "Executions"]

_Key = tuple[str, str]

Effect = tuple[int, int, int]
"""Shares, money a share and fee; negative shares and the fee negated take a trade back."""

_AMENDS = (ReportKind.BUST, ReportKind.CORRECT)
_MOST_STRANGE = 10_000
"""Reports of no order of ours that are told of."""
_MOST = 10**15
_MOST_MONEY = 10**17
_LONGEST = 64


@dataclass(slots=True)
class Executions:
    """Every execution that was booked, by venue and its id there."""

    _known: dict[_Key, Report] = field(default_factory=dict)
    _amended: dict[tuple[str, str, str], Report] = field(default_factory=dict)
    """The latest that amends an execution, by venue, its id there and the order; may be here before it."""
    _of_order: dict[str, list[_Key]] = field(default_factory=dict)
    _strange: set[tuple[str, str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, reports: Iterable[Report]) -> "Executions":
        """Those that were booked, in the order in which they were."""
        made = cls()
        for report in reports:
            made._keep(report)
        return made

    def recall(self, reports: Iterable[Report]) -> None:
        """Take in what was booked of an order before, in the order in which it was."""
        for report in reports:
            if not self.knows((report.venue, report.exec_id)):
                self._keep(report)

    def take(self, report: Report) -> list[Effect] | str | None:
        """What an execution changes; None where it was taken before, and a text where it cannot be."""
        if (known := self._known.get((report.venue, report.exec_id))) is not None:
            return None if _content(known) == _content(report) else _differs(known, report)
        if wrong := _fault(report) or self._misplaced(report):
            return wrong
        fill = self._fill_of(report)
        before = self._last(fill)
        self._keep(report)
        after = self._last(fill)
        if before is after:
            return []
        undone = [(-quantity, price, -fee) for quantity, price, fee in _effects(before)]
        return [*undone, *_effects(after)]

    def forget(self, order: str) -> None:
        """Let go of what was booked of an order, and can be recalled."""
        for venue, exec_id in self._of_order.pop(order, ()):
            amended: _Key | None = (venue, exec_id)
            while amended is not None:
                self._known.pop(amended, None)
                after = self._amended.pop((*amended, order), None)
                amended = None if after is None else (after.venue, after.exec_id)

    def knows(self, key: tuple[str, str]) -> bool:
        """Whether an execution was booked, by its venue and its id there."""
        return key in self._known

    def standing(self, order: str) -> list[Report]:
        """The fills of an order as they are now: as corrected, and without those that were taken back."""
        found = (self._last(key) for key in self._of_order.get(order, ()))
        return [last for last in found if last is not None and last.kind is not ReportKind.BUST]

    def is_strange(self, report: Report) -> bool:
        """Whether a report of no order of ours is heard for the first time."""
        key = report.order, report.venue, report.exec_id or report.kind.value
        if key in self._strange or len(self._strange) >= _MOST_STRANGE:
            return False
        self._strange.add(key)
        return True

    def row(self, report: Report) -> dict[str, Any]:
        """As the table of executions has it."""
        return {
            "venue": report.venue,
            "exec_id": report.exec_id,
            "order": report.order,
            "kind": report.kind.value,
            "refers": report.refers,
            "quantity": report.quantity,
            "price": report.price,
            "fee": report.fee,
            "time": report.time[:40],
        }

    def _misplaced(self, report: Report) -> str:
        """Why an amendment cannot be of what it refers to; empty where it can."""
        if report.kind is ReportKind.FILL:
            return ""
        fill = self._fill_of(report)
        about, last = self._known.get((report.venue, report.refers)), self._last(fill)
        if about is not None and about.order != report.order:
            return f"{report.kind} {report.exec_id} is of another order than {report.refers}"
        if fill == (report.venue, report.exec_id):
            return f"{report.kind} {report.exec_id} refers to itself"
        if last is not None and last.kind is ReportKind.BUST and not report.time < last.time:
            return f"{report.kind} {report.exec_id} comes after the bust of {report.refers}"
        return ""

    def _fill_of(self, report: Report) -> _Key:
        """The fill that an execution is about in the end, or the first on the way there that is not known yet."""
        venue, name = report.venue, report.exec_id
        at: Report | None = report
        while at is not None and at.kind is not ReportKind.FILL:
            name = at.refers
            at = None if name == report.exec_id else self._known.get((venue, name))
        return venue, name

    def _last(self, fill: _Key) -> Report | None:
        """The last word on a fill: itself, or what amends it, or what amends that; None where it is not known yet."""
        last = self._known.get(fill)
        if last is None or last.kind is not ReportKind.FILL:
            return None
        while (after := self._amended.get((last.venue, last.exec_id, last.order))) is not None:
            last = after
        return last

    def _keep(self, report: Report) -> None:
        key = report.venue, report.exec_id
        self._known[key] = report
        if report.kind is ReportKind.FILL:
            self._of_order.setdefault(report.order, []).append(key)
            return
        about = report.venue, report.refers, report.order
        before = self._amended.get(about)
        # Of two that amend the same, the later one counts, whichever is heard first.
        if before is None or before.time <= report.time:
            self._amended[about] = report


def _effects(report: Report | None) -> list[Effect]:
    if report is None or report.kind is ReportKind.BUST:
        return []
    return [(report.quantity, report.price, report.fee)]


def _content(report: Report) -> tuple[object, ...]:
    return report.order, report.kind, report.refers, report.quantity, report.price, report.fee


def _differs(known: Report, report: Report) -> str:
    return (
        f"{report.venue} says of {report.exec_id} {report.quantity:,} shares at {report.price:,} for {report.order}, "
        f"and said {known.quantity:,} at {known.price:,} for {known.order} before"
    )


def _fault(report: Report) -> str:
    name = f"{report.kind} {report.exec_id[:_LONGEST]!r}"
    if report.kind not in (ReportKind.FILL, *_AMENDS):
        return f"{name} is no execution"
    amends = report.kind in _AMENDS
    if not (is_name(report.exec_id) and is_name(report.venue, 32) and (not amends or is_name(report.refers))):
        return f"{name} of {report.venue[:32]!r} has no name, or names no fill"
    numbers = report.quantity, report.price, report.fee
    # A bust may say what it takes back, or leave it out.
    least = 0 if report.kind is ReportKind.BUST else 1
    if (
        not all(type(number) is int and abs(number) < _MOST for number in numbers)
        or min(report.quantity, report.price) < least
        or report.quantity * report.price >= _MOST_MONEY
        or not report.time.isprintable()
    ):
        return f"{name} of {report.quantity} shares at {report.price} with the fee {report.fee} is no trade"
    return ""
