import json

import pytest
from paper_market import order

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.messages import Report, ReportKind, VenueOrder
from quantray.oms.states import State
from quantray.oms.wire import HoldingsSheet, OrderSheet, ReportSheet, StatusSheet, read_sheet, report_content

FILL = Report(
    kind=ReportKind.FILL,
    order="o",
    venue="NYSE",
    exec_id="o.1",
    quantity=5,
    price=7,
    fee=-2,
    filled=5,
    time="2024-03-28T13:30:00.400Z",
    sequence=3,
)


def test_orders_and_reports_come_through():
    one = order("o", 5, Side.SELL_SHORT, limit=7, tif="IOC", parent="p", replaces="q")
    assert read_sheet(OrderSheet, OrderSheet.of(one).model_dump_json().encode()).order() == one
    assert read_sheet(ReportSheet, json.dumps(report_content(FILL)).encode()).report() == FILL


def test_what_is_not_known_is_said():
    assert read_sheet(StatusSheet, b'{"order": "o", "known": false}').content() is None
    known = {"order": "o", "known": True, "state": "PARTIAL", "filled": 5, "executions": [report_content(FILL)]}
    told = read_sheet(StatusSheet, json.dumps(known).encode()).content()
    assert told == VenueOrder("o", State.PARTIAL, 5, (FILL,))


@pytest.mark.parametrize("name", ["", "o" * 65, "o\n", "\u202eo"])
def test_ids_that_cannot_travel(name):
    with pytest.raises(InputError, match="order "):
        OrderSheet.of(order(name))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "wine"},
        {"quantity": -1},
        {"price": 1.5},
        {"fee": 10**16},
        {"time": "yesterday"},
        {"sequence": None},
        {"text": "x" * 301},
        {"filled": "5"},
        {"more": 1},
    ],
)
def test_reports_of_nonsense(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        read_sheet(ReportSheet, json.dumps({**report_content(FILL), **change}).encode())


def test_holdings_leave_zeros_out():
    held = read_sheet(HoldingsSheet, b'{"account": "A", "cash": -5, "shares": {"X": 0, "Y": -2}}').content()
    assert (held.cash, held.shares) == (-5, {"Y": -2})
