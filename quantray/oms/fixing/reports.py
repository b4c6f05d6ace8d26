"""Reports as FIX 4.2 has them, and back: execution reports (8), and refusals to cancel (9).

Fees are Commission (12), absolute; the venue is LastMkt (30). Source: as ``orders``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from quantray.errors import InputError
from quantray.oms.fixing.fields import Fields, amount, field, fix_time, iso_time, read_amount, read_whole
from quantray.oms.fixing.orders import SIDES
from quantray.oms.messages import MONEY, NewOrder, Report, ReportKind, VenueOrder
from quantray.oms.states import ENDED, State
from quantray.oms.wire import checked_report

__all__ = [
    "STATES",
    "is_status",
    "read_reports",
    "refusal_fields",
    "report_fields",
    "standing_fills",
    "status_fields",
    "unknown_fields",
]

STATES = MappingProxyType(
    {
        "0": State.ACKED,
        "1": State.PARTIAL,
        "2": State.FILLED,
        "4": State.CANCELED,
        "5": State.ACKED,
        "8": State.REJECTED,
        "C": State.EXPIRED,
    }
)
"""Of OrdStatus (39)."""
_STATUS = MappingProxyType({state: text for text, state in STATES.items() if text != "5"})

_EXECUTIONS = MappingProxyType({ReportKind.FILL: "0", ReportKind.BUST: "1", ReportKind.CORRECT: "2"})
"""ExecTransType (20) of what has an id of its own."""
_ENDS = MappingProxyType({ReportKind.CANCELED: "4", ReportKind.REJECTED: "8", ReportKind.EXPIRED: "C"})
_KINDS = MappingProxyType({"0": ReportKind.ACKED, "5": ReportKind.ACKED, "3": ReportKind.EXPIRED}) | {
    text: kind for kind, text in _ENDS.items()
}
"""Of ExecType (150); what is pending is no news."""

_UNKNOWN, _DUPLICATE = "5", "6"
"""OrdRejReason (103): of both kinds, an order that may be there is not rejected."""


def report_fields(report: Report, order: NewOrder, executions: Sequence[Report], *, request: str = "") -> Fields:
    """A report of an order.

    Parameters
    ----------
    executions : of the order, up to this report at least.
    request : id of the request that this answers, if one was.
    """
    if report.kind is ReportKind.CANCEL_REJECTED:
        state = State.FILLED if report.filled >= order.quantity else State.CANCELED
        return refusal_fields(order.id, request or order.id, "0", report.text, state=state)
    ended = report.kind in _ENDS
    status = _ENDS.get(report.kind, _counted(report.filled, order.quantity))
    acked = report.kind is ReportKind.ACKED
    about = [(11, request), (41, order.id)] if request and ended else [(11, order.id)]
    if acked and order.replaces is not None:
        about.append((41, order.replaces))
    return [
        (35, "8"),
        (37, order.id),
        *about,
        (17, report.exec_id or f"{order.id}.{report.kind}.{report.sequence}"),
        (20, _EXECUTIONS.get(report.kind, "0")),
        (150, "5" if acked and order.replaces is not None else status),
        (39, status),
        *_of(order),
        *_traded(report),
        (151, "0" if ended else str(order.quantity - report.filled)),
        (14, str(report.filled)),
        (6, _average(executions, report.exec_id)),
        (60, fix_time(report.time)),
        (30, report.venue),
        *([(103, "0")] if report.kind is ReportKind.REJECTED else []),
        *([(58, report.text)] if report.text else []),
    ]


def status_fields(order: NewOrder, found: VenueOrder) -> Fields:
    """The answer to a request for an order's status."""
    left = 0 if found.state in ENDED else order.quantity - found.filled
    status = _STATUS[found.state]
    return [
        *((35, "8"), (37, order.id), (11, order.id), (17, "0"), (20, "3"), (150, status), (39, status)),
        *_of(order),
        *((151, str(left)), (14, str(found.filled)), (6, _average(found.executions, ""))),
    ]


def unknown_fields(fields: Fields, reason: str, text: str) -> Fields:
    """That a message is about an order that is not taken: to a question (H) of one that is not known, or an order.

    Parameters
    ----------
    reason : 5 of an order that is not known, 6 of an id that was used, 0 of another reason.
    """
    asked = field(fields, 35) == "H"
    name = field(fields, 11)
    kept = [(tag, value) for tag, value in fields if tag in (55, 54)]
    number = field(fields, 34, "0")
    return [
        *((35, "8"), (37, "NONE"), (11, name), (17, f"{name}.no.{number}"), (20, "3" if asked else "0")),
        *((150, "8"), (39, "8"), (103, reason), *kept, (151, "0"), (14, "0"), (6, "0"), (58, text)),
    ]


def refusal_fields(order: str, request: str, reason: str, text: str, *, state: State | None = None) -> Fields:
    """That a request to cancel (F) came to nothing (9).

    Parameters
    ----------
    reason : 0 that it was too late, 1 that the order is not known.
    state : of the order, None where it is not known.
    """
    status = "8" if state is None else _STATUS[state]
    known = "NONE" if state is None else order
    named = [(37, known), (11, request), (41, order), (39, status), (434, "1"), (102, reason)]
    return [(35, "9"), *named, (58, text or "-")]


def is_status(fields: Fields) -> bool:
    """Whether a message answers a question."""
    return field(fields, 35) == "8" and field(fields, 20, "") == "3"


def read_reports(fields: Fields, sequence: int) -> list[Report]:
    """What a message reports: nothing, one thing, or of a replacement two.

    Raises
    ------
    InputError
        It makes no sense.
    """
    if field(fields, 35) == "9":
        # Of an order that is not known there, only asking tells more.
        if field(fields, 102, "") == "1":
            return []
        text = field(fields, 58, "")
        time = iso_time(field(fields, 52))
        refused = Report(kind=ReportKind.CANCEL_REJECTED, order=field(fields, 41), venue=field(fields, 49), text=text)
        return [checked_report(replace(refused, time=time, sequence=sequence))]
    if field(fields, 35) != "8" or is_status(fields) or field(fields, 103, "") in (_UNKNOWN, _DUPLICATE):
        return []
    kind = _kind(fields)
    if kind is None:
        return []
    executed = kind in _EXECUTIONS
    ends_other = kind is ReportKind.CANCELED
    report = Report(
        kind=kind,
        order=field(fields, 41, field(fields, 11)) if ends_other else field(fields, 11),
        venue=field(fields, 30, field(fields, 49)),
        exec_id=field(fields, 17) if executed else "",
        refers=field(fields, 19) if kind in (ReportKind.BUST, ReportKind.CORRECT) else "",
        quantity=read_whole(field(fields, 32, "0")) if executed else 0,
        price=read_amount(field(fields, 31, "0")) if executed else 0,
        fee=_fee(fields) if executed else 0,
        filled=read_whole(field(fields, 14)),
        time=iso_time(field(fields, 60, field(fields, 52))),
        text=field(fields, 58, ""),
        sequence=sequence,
    )
    reports = [report]
    if field(fields, 150) == "5":
        ended = replace(report, kind=ReportKind.CANCELED, order=field(fields, 41), filled=0)
        reports.insert(0, replace(ended, text=f"replaced by {report.order}"))
    return [checked_report(each) for each in reports]


def standing_fills(executions: Iterable[Report]) -> list[Report]:
    """The fills of an order as corrected, and without those that were taken back."""
    fills: dict[str, Report] = {}
    first: dict[str, str] = {}
    for each in executions:
        about = each.exec_id if each.kind is ReportKind.FILL else first.get(each.refers, each.refers)
        first[each.exec_id] = about
        if each.kind is ReportKind.BUST:
            fills.pop(about, None)
        else:
            fills[about] = each
    return list(fills.values())


def _kind(fields: Fields) -> ReportKind | None:
    trans = field(fields, 20)
    if trans == "1":
        return ReportKind.BUST
    if trans == "2":
        return ReportKind.CORRECT
    said = field(fields, 150)
    return ReportKind.FILL if said in ("1", "2") else _KINDS.get(said)


def _fee(fields: Fields) -> int:
    if field(fields, 12, "") and field(fields, 13, "3") != "3":
        raise InputError(f"a commission of type {field(fields, 13)} is none that can be booked.")
    return read_amount(field(fields, 12, "0"))


def _of(order: NewOrder) -> Fields:
    return [(1, order.account), (55, order.symbol), (54, SIDES[order.side]), (38, str(order.quantity))]


def _traded(report: Report) -> Fields:
    if report.kind not in _EXECUTIONS:
        return []
    fee = [(12, amount(report.fee)), (13, "3")] if report.fee else []
    refers = [(19, report.refers)] if report.refers else []
    return [*refers, (32, str(report.quantity)), (31, amount(report.price)), *fee]


def _counted(filled: int, quantity: int) -> str:
    return "0" if filled == 0 else "1" if filled < quantity else "2"


def _average(executions: Sequence[Report], last: str) -> str:
    """Price of what is filled, up to an execution or to the end."""
    ids = [each.exec_id for each in executions]
    fills = standing_fills(executions[: ids.index(last) + 1] if last in ids else executions)
    shares = sum(fill.quantity for fill in fills)
    paid = sum(fill.quantity * fill.price for fill in fills)
    return f"{round(Decimal(paid) / (shares * MONEY), 6):f}" if shares else "0"
