"""Orders and reports that went through FIX are what they were."""

import pytest
from paper_market import dollars, order

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.fixing.orders import order_fields, read_order
from quantray.oms.fixing.reports import read_reports, report_fields, standing_fills
from quantray.oms.messages import Report, ReportKind

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


@pytest.mark.parametrize(
    "one", [order("o"), order("p", 7, Side.SELL_SHORT, limit=1, tif="IOC"), order("q", limit=dollars(9), replaces="o")]
)
def test_orders_come_through(one):
    assert read_order(order_fields(one)) == one


@pytest.mark.parametrize("kind", [ReportKind.FILL, ReportKind.CORRECT, ReportKind.BUST])
def test_executions_come_through(kind):
    refers = "" if kind is ReportKind.FILL else "o.0"
    one = Report(**{name: getattr(FILL, name) for name in FILL.__slots__} | {"kind": kind, "refers": refers})
    assert read_reports([*report_fields(one, order("o", 100), [one]), *HEADER], 3) == [one]


def test_an_amount_that_is_finer_than_money_is_none():
    fields = [(tag, "0.00001" if tag == 44 else value) for tag, value in order_fields(order("o", limit=1))]
    with pytest.raises(InputError, match="no multiple of 0.0001"):
        read_order(fields)


def test_what_is_pending_or_unknown_is_no_report():
    rejected = Report(kind=ReportKind.REJECTED, order="o", venue="V", time=TIME)
    fields = [*report_fields(rejected, order("o"), []), *HEADER]
    assert [r.kind for r in read_reports(fields, 1)] == [ReportKind.REJECTED]
    assert read_reports([(t, "6" if t == 103 else v) for t, v in fields], 1) == []
    assert standing_fills([FILL]) == [FILL]
