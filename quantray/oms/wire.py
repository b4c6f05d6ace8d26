"""Orders and reports as JSON between a gateway and a venue: strict both ways, so that nonsense is refused at once."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.messages import (
    Holdings,
    NewOrder,
    Report,
    ReportKind,
    TimeInForce,
    Unreadable,
    VenueOrder,
    is_name,
)
from quantray.oms.states import State

__all__ = [
    "BATCH",
    "AnswerSheet",
    "Answered",
    "HoldingsSheet",
    "OrderSheet",
    "OrdersSheet",
    "ReportSheet",
    "ReportsSheet",
    "StatusSheet",
    "checked_report",
    "read_sheet",
    "report_content",
    "unreadable",
]

BATCH = 1000
"""Most orders, or reports, at once."""

_MOST = 10**15

Whole = Annotated[int, Field(ge=0, le=_MOST)]


def _named(text: str) -> str:
    if not is_name(text):
        raise ValueError("1 to 64 letters that can be printed are needed")
    return text


Name = Annotated[str, AfterValidator(_named)]
Text = Annotated[str, Field(max_length=300)]
ExecId = Annotated[str, Field(max_length=80)]

S = TypeVar("S", bound=BaseModel)

_ORDER = tuple(field.name for field in fields(NewOrder))
_REPORT = tuple(field.name for field in fields(Report))


class _Sheet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class OrderSheet(_Sheet):
    """An order on its way; quantities and limits that no venue takes are for the venue to reject."""

    id: Name
    account: Name
    symbol: Name
    side: Side
    quantity: Annotated[int, Field(ge=-_MOST, le=_MOST)]
    limit: Annotated[int, Field(ge=-_MOST, le=_MOST)] | None = None
    tif: TimeInForce = "DAY"
    venue: Name = "NYSE"
    parent: Name | None = None
    replaces: Name | None = None

    @classmethod
    def of(cls, order: NewOrder) -> "OrderSheet":
        """An order that is to be sent; raises ``InputError`` where an id or a name cannot travel."""
        try:
            return cls.model_validate({name: getattr(order, name) for name in _ORDER})
        except ValidationError as error:
            raise InputError(f"order {order.id!r}: {_first_fault(error)}.") from error

    def order(self) -> NewOrder:
        """The order itself."""
        return NewOrder(**{name: getattr(self, name) for name in type(self).model_fields})


class OrdersSheet(_Sheet):
    """Orders that are sent at once, each for itself."""

    orders: Annotated[list[OrderSheet], Field(min_length=1, max_length=BATCH)]


class AnswerSheet(_Sheet):
    """What became of an order on arrival; ``refused`` is said of what the book never saw."""

    order: Annotated[str, Field(max_length=64)]
    code: Literal["taken", "rejected", "duplicate", "void", "refused", "unknown"]
    text: Text = ""


class Answered(_Sheet):
    """The answers to a batch, in its order."""

    answers: Annotated[list[AnswerSheet], Field(max_length=BATCH)]


class ReportSheet(_Sheet):
    """A report on its way."""

    kind: ReportKind
    order: Name
    venue: Name
    exec_id: ExecId
    refers: ExecId
    quantity: Whole
    price: Whole
    fee: Annotated[int, Field(ge=-_MOST, le=_MOST)]
    filled: Whole
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")]
    text: Text
    sequence: Whole

    def report(self) -> Report:
        """The report itself."""
        return Report(**{name: getattr(self, name) for name in type(self).model_fields})


class ReportsSheet(_Sheet):
    """The next reports, and the number of the last that there is; one that is none keeps no other away."""

    last: Whole
    reports: Annotated[
        list[Annotated[ReportSheet | JsonValue, Field(union_mode="left_to_right")]], Field(max_length=BATCH)
    ]

    def content(self) -> list[Report | Unreadable]:
        """The reports themselves, in the order in which they came."""
        return [one.report() if isinstance(one, ReportSheet) else unreadable(one) for one in self.reports]


class StatusSheet(_Sheet):
    """What a venue knows of an order; that it knows none is said in so many words, for a missing page says nothing."""

    order: Name
    known: bool
    state: State | None = None
    filled: Whole = 0
    executions: Annotated[list[ReportSheet], Field(max_length=100_000)] = []

    def content(self) -> VenueOrder | None:
        """What was said, if the order is known."""
        if not self.known or self.state is None:
            return None
        return VenueOrder(self.order, self.state, self.filled, tuple(one.report() for one in self.executions))


class HoldingsSheet(_Sheet):
    """What a venue holds for an account."""

    account: Name
    cash: Annotated[int, Field(ge=-(10**18), le=10**18)]
    shares: dict[Name, Annotated[int, Field(ge=-_MOST, le=_MOST)]]

    def content(self) -> Holdings:
        """The holdings themselves."""
        return Holdings(self.cash, {symbol: n for symbol, n in self.shares.items() if n})


def report_content(report: Report) -> Mapping[str, Any]:
    """A report as ``ReportSheet`` reads it; faster than by the model."""
    return {name: getattr(report, name) for name in _REPORT}


def read_sheet(sheet: type[S], content: bytes) -> S:
    """A sheet from JSON; raises ``ValueError`` with one line where it is none."""
    try:
        return sheet.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(_first_fault(error)) from error


def checked_report(report: Report) -> Report:
    """A report that has travelled some other way; raises ``InputError`` where it is none."""
    try:
        return ReportSheet.model_validate(report_content(report)).report()
    except ValidationError as error:
        raise InputError(f"report of {report.order[:64]!r}: {_first_fault(error)}.") from error


def unreadable(said: JsonValue) -> Unreadable:
    """What stands in place of a report that is none: as much of it as can be told."""
    raw = json.dumps(said)
    why = "no report"
    try:
        ReportSheet.model_validate_json(raw)
    except ValidationError as error:
        why = _first_fault(error)
    entries = said if isinstance(said, dict) else {}
    number, order = entries.get("sequence"), entries.get("order")
    return Unreadable(
        raw=raw,
        why=why,
        order=order if isinstance(order, str) and is_name(order) else "",
        sequence=number if isinstance(number, int) and 0 < number <= _MOST else 0,
    )


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{first['msg']}"
