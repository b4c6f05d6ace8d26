"""The books as they are on disk; that they are as they were in memory is among the invariants."""

from desks import ANN, OPS, Clock, buy, set_up

from quantray.execution.orders import Side
from quantray.oms import controls
from quantray.oms.database import Database
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.loading import loaded
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.states import State


def test_everything_is_read_back(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(lambda books: controls.add_parent(books, ANN, "A1/P1", "A1", "AAA", Side.BUY, 300, "{}"))
        gate.submit([buy("A1/O1", parent="A1/P1"), buy("A1/O2", limit=None), buy("A1/O3", 0)], ANN)
        gate.do(lambda books: handed(books, [1], "fix"))
        report = Report(
            kind=ReportKind.FILL,
            order="A1/O1",
            venue="NYSE",
            exec_id="F1",
            quantity=60,
            price=50 * MONEY,
            fee=-3,
            sequence=9,
        )
        gate.do(lambda books: hear(books, [report], "fix"))
        gate.do(lambda books: controls.set_switch(books, OPS, "symbol", "BBB", on=True))
        gate.do(lambda books: controls.restrict(books, OPS, "CCC", on=True))
        head = gate.do(lambda books: (books.changes.chain.seq, books.changes.chain.head))
    database = Database(url)
    books = loaded(database, Clock())
    ledger = books.ledger
    states = {name: record.state for name, record in ledger.orders.items()}
    # The one that has ended is looked up when somebody asks for it.
    assert states == {"A1/O1": State.PARTIAL, "A1/O2": State.RESERVED}
    assert books.order("A1/O3").state is State.REJECTED
    assert books.parent("A1/P1") == ("A1", "AAA", "buy", 300)
    database.close()
    assert (books.changes.chain.seq, books.changes.chain.head) == head
    first = ledger.orders["A1/O1"]
    assert (first.order, first.route, first.filled, first.pm) == (buy("A1/O1", parent="A1/P1"), "fix", 60, "ann")
    assert ledger.accounts["A1"].cash == 1_000_000 * MONEY - 60 * 50 * MONEY + 3
    # 40 at the limit and 100 at the market: 5 % above the mark, and the fee.
    assert ledger.accounts["A1"].reserved == 40 * (50 * MONEY + 100) + 100 * (525_000 + 100)
    assert (ledger.switches, ledger.restrictions) == ({("symbol", "BBB")}, {("", "CCC")})
    assert ledger.parts == {"A1/P1": [first]}
    assert set(ledger.live) == {"A1/O1", "A1/O2"}
    assert books.cursors == {"fix": 9}
    assert [(out.seq, out.order.id, out.action) for out in books.outgoing.values()] == [(2, "A1/O2", "new")]
    assert books.last_outgoing == 2
    assert books.executions.take(report) is None
