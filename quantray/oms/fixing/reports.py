"""Reports as FIX 4.2 has them, and back: execution reports (8), and refusals to cancel (9).

Fees are Commission (12), absolute; the venue is LastMkt (30). Source: as ``orders``.
"""

from collections.abc import Container, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from quantray.errors import InputError
from quantray.oms.executions import Executions
from quantray.oms.fixing.fields import Fields, amount, field, fix_time, iso_time, read_amount, read_whole
from quantray.oms.fixing.orders import SIDES
from quantray.oms.messages import MONEY, NewOrder, Report, ReportKind, VenueOrder
from quantray.oms.states import ENDED, State
from quantray.oms.wire import checked_report

__all__ = [
    "is_status",
    "read_reports",
    "refusal_fields",
    "report_fields",
    "standing_shares",
    "state_of",
    "status_fields",
    "unknown_fields",
]

_STATUS = MappingProxyType(
    {
        State.ACKED: "0",
        State.PARTIAL: "1",
        State.FILLED: "2",
        State.CANCELED: "4",
        State.REJECTED: "8",
        State.EXPIRED: "C",
    }
)
"""OrdStatus (39)."""
_DONE = "3", "B"
"""Of OrdStatus and ExecType: done for the day, or calculated after it, which is the end of an order for one session."""
_ENDED = MappingProxyType(
    {text: state for state, text in _STATUS.items() if state in ENDED} | dict.fromkeys(_DONE, State.EXPIRED)
)
_OPEN = ("0", "1", "5", "6", "7", "9", "A", "E")
"""Of OrdStatus: new, partially filled, replaced, and what is pending, stopped or suspended."""

_EXECUTIONS = MappingProxyType({ReportKind.FILL: "0", ReportKind.BUST: "1", ReportKind.CORRECT: "2"})
"""ExecTransType (20) of what has an id of its own."""
_ENDS = MappingProxyType({ReportKind.CANCELED: "4", ReportKind.REJECTED: "8", ReportKind.EXPIRED: "C"})
_KINDS = MappingProxyType(
    {"0": ReportKind.ACKED, "1": ReportKind.FILL, "2": ReportKind.FILL, "5": ReportKind.ACKED}
    | dict.fromkeys(_DONE, ReportKind.EXPIRED)
    | {text: kind for kind, text in _ENDS.items()}
)
"""Of ExecType (150); what is pending is no news."""

_UNKNOWN, _DUPLICATE = "5", "6"
"""OrdRejReason (103): of both kinds, an order that may be there is not rejected."""
_CANCEL, _REPLACE = "1", "2"
"""What a refusal (9) answers (434)."""
_LATE, _STRANGE, _PENDING = "0", "1", "3"
"""Why (102): too late, no such order is known, another request is under way."""


def report_fields(report: Report, order: NewOrder, found: VenueOrder, *, request: str = "") -> Fields:
    """A report of an order.

    Parameters
    ----------
    found : what is known of the order, at this report or later.
    request : id of the request that this answers, if one was.
    """
    if report.kind is ReportKind.CANCEL_REJECTED:
        return refusal_fields(order.id, request or order.id, report.text, found.state)
    ended, status = report.kind in _ENDS, _ENDS.get(report.kind, _counted(report.filled, order.quantity))
    if report.kind in (ReportKind.BUST, ReportKind.CORRECT) and found.state in ENDED:
        # A filled order of which a fill is taken back trades no more.
        whole = report.filled >= order.quantity
        ended, status = True, "3" if found.state is State.FILLED and not whole else _STATUS[found.state]
    about = [(11, request), (41, order.id)] if request and ended else [(11, order.id)]
    if report.kind is ReportKind.ACKED and order.replaces is not None:
        about, status = [(11, order.id), (41, order.replaces)], "5"
    return [
        (35, "8"),
        (37, order.id),
        *about,
        (17, report.exec_id or f"{order.id}.{report.kind}.{report.sequence}"),
        (20, _EXECUTIONS.get(report.kind, "0")),
        (150, status),
        (39, status),
        *_of(order),
        *_traded(report),
        (151, "0" if ended else str(order.quantity - report.filled)),
        (14, str(report.filled)),
        (6, _average(found, report.exec_id)),
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
        *((151, str(left)), (14, str(found.filled)), (6, _average(found, ""))),
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


def refusal_fields(order: str, request: str, text: str, state: State | None, *, replaces: bool = False) -> Fields:
    """That a request to cancel an order (F), or to replace it (G), came to nothing (9).

    Parameters
    ----------
    state : of the order, None where it is not known.
    replaces : whether it was a request to replace.
    """
    known, status, reason = ("NONE", "8", _STRANGE) if state is None else (order, _STATUS[state], _LATE)
    named = [(37, known), (11, request), (41, order), (39, status), (434, _REPLACE if replaces else _CANCEL)]
    return [(35, "9"), *named, (102, reason), (58, text or "-")]


def is_status(fields: Fields) -> bool:
    """Whether a message answers a question."""
    return field(fields, 35) == "8" and field(fields, 20, "") == "3"


def state_of(status: str, filled: int) -> State | None:
    """The state that an OrdStatus (39) is, with so many shares filled; None where it is none of an order here."""
    if status in _OPEN:
        return State.PARTIAL if filled else State.ACKED
    return _ENDED.get(status)


def read_reports(fields: Fields, sequence: int, orders: Container[str] = ()) -> list[Report]:
    """What a message reports: nothing, one thing, or of a replacement two.

    Parameters
    ----------
    orders : ids that are known to be orders, not requests to cancel them.

    Raises
    ------
    InputError
        It makes no sense.
    """
    if field(fields, 35) == "9":
        return _refused(fields, sequence)
    if field(fields, 35) != "8" or is_status(fields) or field(fields, 103, "") in (_UNKNOWN, _DUPLICATE):
        return []
    kind = _kind(fields)
    if kind is None:
        return []
    executed = kind in _EXECUTIONS
    report = Report(
        kind=kind,
        order=_about(fields, kind, orders),
        venue=field(fields, 30, field(fields, 49)),
        exec_id=field(fields, 17) if executed else "",
        refers=field(fields, 19) if kind in (ReportKind.BUST, ReportKind.CORRECT) else "",
        quantity=read_whole(field(fields, 32, "0")) if executed else 0,
        price=read_amount(field(fields, 31, "0")) if executed else 0,
        fee=_fee(fields) if executed else 0,
        filled=read_whole(field(fields, 14)),
        time=iso_time(field(fields, 60, field(fields, 52))),
        text=_text(fields),
        sequence=sequence,
    )
    reports = [report]
    if field(fields, 150) == "5":
        ended = replace(report, kind=ReportKind.CANCELED, order=field(fields, 41), filled=0)
        reports.insert(0, replace(ended, text=f"replaced by {report.order}"))
    return [checked_report(each) for each in reports]


def standing_shares(executions: Sequence[Report]) -> int:
    """Shares of an order that its executions leave filled: as corrected, and without what was taken back."""
    return sum(fill.quantity for fill in _standing(executions))


def _standing(executions: Sequence[Report]) -> Sequence[Report]:
    return Executions.of(executions).standing(executions[0].order) if executions else []


def _refused(fields: Fields, sequence: int) -> list[Report]:
    """What a refusal (9) says: that a replacement came to nothing, or that an order stays."""
    replaces = field(fields, 434, _CANCEL) == _REPLACE
    # Of an order that is not known there only asking tells more; where another request is under way, that decides.
    if not replaces and field(fields, 102, "") in (_STRANGE, _PENDING):
        return []
    report = Report(
        kind=ReportKind.REJECTED if replaces else ReportKind.CANCEL_REJECTED,
        order=field(fields, 11 if replaces else 41),
        venue=field(fields, 49),
        time=iso_time(field(fields, 52)),
        text=_text(fields),
        sequence=sequence,
    )
    return [checked_report(report)]


def _about(fields: Fields, kind: ReportKind, orders: Container[str]) -> str:
    """The order that a report is about: a request to end it has an id of its own (11), and names it (41).

    An order that took another's place may name that one, too. One without our id goes by the venue's.
    """
    own, other = field(fields, 11, ""), field(fields, 41, "")
    if own in orders or other in orders:
        return own if own in orders else other
    return (kind is ReportKind.CANCELED and other) or own or other or field(fields, 37)


def _text(fields: Fields) -> str:
    return field(fields, 58, "")[:300]


def _kind(fields: Fields) -> ReportKind | None:
    trans = field(fields, 20)
    if trans == "1":
        return ReportKind.BUST
    if trans == "2":
        return ReportKind.CORRECT
    return _KINDS.get(field(fields, 150))


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


def _average(found: VenueOrder, last: str) -> str:
    """Price of what is filled, up to an execution or to the end."""
    ids = [each.exec_id for each in found.executions]
    fills = _standing(found.executions[: ids.index(last) + 1] if last in ids else found.executions)
    shares = sum(fill.quantity for fill in fills)
    paid = sum(fill.quantity * fill.price for fill in fills)
    return f"{round(Decimal(paid) / (shares * MONEY), 6):f}" if shares else "0"
