"""Orders and reports that went through FIX are what they were; what other venues say is understood."""

from dataclasses import replace

import pytest
from paper_market import dollars, order

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.fixing.orders import order_fields, read_order
from quantray.oms.fixing.reports import read_reports, refusal_fields, report_fields, standing_shares, state_of
from quantray.oms.messages import Report, ReportKind, VenueOrder
from quantray.oms.states import State

TIME = "2024-03-28T13:30:00.123Z"
FILL = Report(
    kind=ReportKind.FILL,
    order="o",
    venue="NYSE",
    exec_id="o.1",
    quantity=5,
    price=dollars(50.0001),
    fee=-2,
    filled=5,
    time=TIME,
    sequence=3,
)
HEADER = [(49, "VENUE"), (52, "20240328-13:30:00.123")]
SAID = {35: "8", 37: "v7", 11: "o", 17: "x", 20: "0", 150: "0", 39: "0", 14: "0", 151: "100", 6: "0"}


def found(*executions, state=State.PARTIAL):
    return VenueOrder("o", state, standing_shares(executions), executions)


def said(**changes):
    """What a venue says of an order, with other fields, such as ``f41="p"``; None leaves one out."""
    fields = SAID | {int(name[1:]): value for name, value in changes.items()}
    return [*((tag, value) for tag, value in fields.items() if value is not None), *HEADER]


def told(orders=("o", "p"), **changes):
    """Kinds and orders of what it reports."""
    return [(report.kind.value, report.order) for report in read_reports(said(**changes), 1, orders)]


@pytest.mark.parametrize(
    "one", [order("o"), order("p", 7, Side.SELL_SHORT, limit=1, tif="IOC"), order("q", limit=dollars(9), replaces="o")]
)
def test_orders_come_through(one):
    assert read_order(order_fields(one)) == one


@pytest.mark.parametrize("kind", [ReportKind.FILL, ReportKind.CORRECT, ReportKind.BUST])
def test_executions_come_through(kind):
    one = replace(FILL, kind=kind, refers="" if kind is ReportKind.FILL else "o.0")
    assert read_reports([*report_fields(one, order("o", 100), found(one)), *HEADER], 3) == [one]


def test_an_amount_that_is_finer_than_money_is_none():
    fields = [(tag, "0.00001" if tag == 44 else value) for tag, value in order_fields(order("o", limit=1))]
    with pytest.raises(InputError, match="no multiple of 0.0001"):
        read_order(fields)


def test_what_is_pending_or_unknown_is_no_report():
    rejected = Report(kind=ReportKind.REJECTED, order="o", venue="V", time=TIME)
    fields = [*report_fields(rejected, order("o"), found()), *HEADER]
    assert [r.kind for r in read_reports(fields, 1)] == [ReportKind.REJECTED]
    assert read_reports([(t, "6" if t == 103 else v) for t, v in fields], 1) == []
    for pending in ("6", "7", "9", "A", "D", "E"):
        assert told(f150=pending, f39=pending) == []


def test_an_order_is_named_by_its_own_id_or_by_the_request_to_end_it():
    assert told(f150="4", f11="o~1", f41="o") == [("canceled", "o")]
    assert told(f150="C", f11="o~1", f41="o") == [("expired", "o")]
    # Ended unasked, an order that took the place of another, which venues go on to name.
    assert told(f150="4", f11="p", f41="o") == [("canceled", "p")]
    # Of a journal that is lost no order is known.
    assert told((), f150="4", f11="o~1", f41="o") == [("canceled", "o")]
    assert told((), f150="1", f11=None, f32="5", f31="50") == [("fill", "v7")]


@pytest.mark.parametrize("done", ["3", "B", "C"])
def test_what_is_done_for_the_day_has_ended(done):
    assert told(f150=done, f39=done) == [("expired", "o")]
    assert state_of(done, 5) is State.EXPIRED


def test_states_that_are_open_go_by_what_is_filled():
    assert {state_of(status, 0) for status in "01567 9AE" if status != " "} == {State.ACKED}
    assert {state_of(status, 5) for status in "0156"} == {State.PARTIAL}
    assert [state_of(status, 0) for status in ("2", "4", "8", "D")] == [
        State.FILLED,
        State.CANCELED,
        State.REJECTED,
        None,
    ]


def test_a_refused_replacement_never_came_and_the_order_stays():
    refused = [*refusal_fields("o", "p", "too late", State.FILLED, replaces=True), *HEADER]
    (report,) = read_reports(refused, 1)
    assert (report.kind, report.order, report.text) == (ReportKind.REJECTED, "p", "too late")


def test_a_refused_cancellation_leaves_the_order_unless_another_request_decides():
    refused = [*refusal_fields("o", "o~1", "too late", State.FILLED), *HEADER]
    assert [(r.kind, r.order) for r in read_reports(refused, 1)] == [(ReportKind.CANCEL_REJECTED, "o")]
    for undecided in ("1", "3"):
        assert read_reports([(t, undecided if t == 102 else v) for t, v in refused], 1) == []


def test_a_long_text_hides_no_fill():
    assert told(f150="1", f32="5", f31="50", f58="x" * 1000) == [("fill", "o")]


def test_a_correction_may_overtake_its_fill():
    fill = replace(FILL, quantity=100, filled=100)
    mended = replace(
        FILL, kind=ReportKind.CORRECT, exec_id="o.2", refers="o.1", quantity=90, time="2024-03-28T14:00:00Z"
    )
    assert standing_shares([mended, fill]) == standing_shares([fill, mended]) == 90
    assert standing_shares([fill, replace(mended, kind=ReportKind.BUST)]) == 0


@pytest.mark.parametrize(
    ("state", "status", "left"), [(State.FILLED, "3", "0"), (State.CANCELED, "4", "0"), (State.PARTIAL, "1", "95")]
)
def test_a_bust_of_an_order_that_has_ended_does_not_open_it(state, status, left):
    bust = replace(FILL, kind=ReportKind.BUST, exec_id="o.2", refers="o.1", filled=5)
    fields = dict(report_fields(bust, order("o"), found(FILL, bust, state=state)))
    assert (fields[39], fields[150], fields[151]) == (status, status, left)
