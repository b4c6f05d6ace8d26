"""Fills, busts and corrections: each booked once, in whatever order they come."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from quantray.oms.messages import Report, ReportKind

__all__ = ["Effect", "Executions"]

Effect = tuple[int, int, int]
"""Shares, money a share and fee; negative shares and the fee negated take a trade back."""

_AMENDS = (ReportKind.BUST, ReportKind.CORRECT)
_MOST = 10**15


@dataclass(slots=True)
class Executions:
    """Every execution that was booked, by venue and its id there."""

    _known: dict[tuple[str, str], Report] = field(default_factory=dict)
    _amended: dict[tuple[str, str], Report] = field(default_factory=dict)
    """The last word on a fill, by the fill's id; may be here before the fill."""
    _of_order: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _strange: set[tuple[str, str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, reports: Iterable[Report]) -> "Executions":
        """Those that were booked, in any order of fills, then amendments in theirs."""
        made = cls()
        for report in reports:
            made._keep(report)
        return made

    def take(self, report: Report) -> list[Effect] | str | None:
        """What an execution changes; None where it was taken before, and a text where it cannot be."""
        key = report.venue, report.exec_id
        if (known := self._known.get(key)) is not None:
            return None if _content(known) == _content(report) else _differs(known, report)
        if wrong := _fault(report):
            return wrong
        if report.kind is ReportKind.FILL:
            self._keep(report)
            last = self._amended.get(key)
            return [] if last is not None and last.kind is ReportKind.BUST else [_effect(last or report)]
        return self._amend(report)

    def standing(self, order: str) -> list[Report]:
        """The fills of an order as they are now: as corrected, and without those that were taken back."""
        found = []
        for key in self._of_order.get(order, ()):
            last = self._amended.get(key, self._known[key])
            if last.kind is not ReportKind.BUST:
                found.append(last)
        return found

    def is_strange(self, report: Report) -> bool:
        """Whether a report of no order of ours is heard for the first time."""
        key = report.order, report.venue, report.exec_id or report.kind.value
        if key in self._strange:
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

    def _amend(self, report: Report) -> list[Effect] | str:
        key = report.venue, report.refers
        fill, last = self._known.get(key), self._amended.get(key)
        if fill is not None and fill.order != report.order:
            return f"{report.kind} {report.exec_id} is of another order than the fill {report.refers}"
        if last is not None and last.kind is ReportKind.BUST:
            return f"{report.kind} {report.exec_id} comes after the bust of {report.refers}"
        self._keep(report)
        if fill is None:
            return []
        quantity, price, fee = _effect(last or fill)
        undone = [(-quantity, price, -fee)]
        return undone if report.kind is ReportKind.BUST else [*undone, _effect(report)]

    def _keep(self, report: Report) -> None:
        key = report.venue, report.exec_id
        self._known[key] = report
        if report.kind in _AMENDS:
            self._amended[report.venue, report.refers] = report
        else:
            self._of_order.setdefault(report.order, []).append(key)


def _effect(report: Report) -> Effect:
    return report.quantity, report.price, report.fee


def _content(report: Report) -> tuple[object, ...]:
    return report.order, report.kind, report.refers, *_effect(report)


def _differs(known: Report, report: Report) -> str:
    return (
        f"{report.venue} says of {report.exec_id} {report.quantity:,} shares at {report.price:,} for {report.order}, "
        f"and said {known.quantity:,} at {known.price:,} for {known.order} before"
    )


def _fault(report: Report) -> str:
    if report.kind is not ReportKind.FILL and report.kind not in _AMENDS:
        return f"{report.kind} {report.exec_id} is no execution"
    if report.kind in _AMENDS and not report.refers:
        return f"{report.kind} {report.exec_id} names no fill"
    if report.kind is not ReportKind.BUST and not (
        0 < report.quantity < _MOST and 0 < report.price < _MOST and abs(report.fee) < _MOST
    ):
        return f"{report.exec_id} of {report.quantity} shares at {report.price} with the fee {report.fee} is no trade"
    return ""
