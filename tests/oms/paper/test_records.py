import pytest
from paper_market import dollars, flat_bars, order, rules

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.messages import Holdings, Report, ReportKind
from quantray.oms.paper.accounts import Accounts
from quantray.oms.paper.records import Records
from quantray.oms.paper.stream import Said
from quantray.oms.states import State


@pytest.fixture
def records():
    return Records(Accounts([]), flat_bars(), rules())


def executed(records, kind, quantity, price, *, exec_id="o.1", refers="", taken=True):
    told = Report(kind=kind, order="o", venue="NYSE", exec_id=exec_id, refers=refers, quantity=quantity, price=price)
    records.executed(Said(told, 0, taken))


def test_an_order_as_it_was_written_is_the_order(records):
    one = order("o", 100, Side.SELL_SHORT, limit=7, tif="IOC", parent="p")
    made = records.add(one, State.ACKED, 2)
    made.left = 60
    other = Records(Accounts([]), flat_bars(), rules())
    other.read(made.row())
    assert other["o"] == made
    assert "o" in other.working


def test_executions_move_accounts_once(records):
    record = records.add(order("o", 100, Side.SELL), State.ACKED, 0)
    executed(records, ReportKind.FILL, 60, 50)
    records.settle(record)
    assert (record.state, record.filled) == (State.PARTIAL, 60)
    executed(records, ReportKind.CORRECT, 100, 40, exec_id="o.2", refers="o.1")
    records.settle(record)
    assert (record.state, record.filled, records.working) == (State.FILLED, 100, {})
    assert records.accounts.holdings("fund") == Holdings(4000, {"AAA": -100})
    executed(records, ReportKind.BUST, 0, 0, exec_id="o.3", refers="o.1")
    records.settle(record)
    assert (record.state, record.filled) == (State.FILLED, 0)
    assert records.accounts.holdings("fund") == Holdings(0)
    assert record.next_exec_id() == "o.4"
    with pytest.raises(InputError, match="no fill that stands"):
        records.fill("o.1")


def test_only_what_was_taken_moves_the_market(records):
    records.add(order("o", 100, Side.SELL), State.ACKED, 0)
    executed(records, ReportKind.FILL, 60, 50)
    executed(records, ReportKind.FILL, 10, 50, exec_id="o.2", taken=False)
    executed(records, ReportKind.BUST, 0, 0, exec_id="o.3", refers="o.1")
    assert records.taken_money == {"AAA": -60 * dollars(100)}
