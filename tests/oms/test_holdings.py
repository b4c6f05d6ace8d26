"""Lines, exposures and trades read from the tables are those of the gate's books."""

from desks import ANN, OPS, Clock, buy, set_up

from quantray.execution.orders import Side
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block, reallocate_block
from quantray.oms.changes import Actor
from quantray.oms.controls import set_limits
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.holdings import exposed_parts, exposures, held_lines, traded_lines
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.reading import moment
from quantray.oms.submission import submit
from quantray.oms.walls import behind_wall

BOB = Actor("bob", "bob")


def heard(books, kind, name, exec_id, quantity, price=50, **more):
    given = {"quantity": quantity, "price": price * MONEY, "venue": "NYSE", "time": "2026-03-02T17:00:00Z"} | more
    hear(books, [Report(kind=kind, order=name, exec_id=exec_id, **given)])


def day(books):
    """Ann sells 100 and buys a block of 10, of which a fill is busted later; bob has an open sale."""
    block = {"account": "ann.block", "parent": "ann.block/1"}
    place_block(books, ANN, Block(id="ann.block/1", symbol="AAA", side=Side.BUY, demands={"A1": 10}, limit=50 * MONEY))
    orders = [buy("A1/1", side=Side.SELL, tif="DAY"), buy("ann.block/1-1", 10, **block)]
    assert all(it.accepted for it in submit(books, orders, ANN))
    assert submit(books, [buy("B1/1", 40, account="B1", symbol="BBB", side=Side.SELL)], BOB)[0].accepted
    set_limits(books, OPS, {("account", "A1:CCC", "locate"): 10})
    assert submit(books, [buy("A1/2", 7, symbol="CCC", side=Side.SELL_SHORT)], ANN)[0].accepted
    handed(books, [out.seq for out in books.outgoing.values() if out.order.id not in ("A1/2", "B1/1")], "rest")
    heard(books, ReportKind.FILL, "A1/1", "E1", 60, 51, fee=200)
    heard(books, ReportKind.CORRECT, "A1/1", "E2", 60, 52, fee=200, refers="E1")
    heard(books, ReportKind.FILL, "A1/1", "E3", 40, 51)
    heard(books, ReportKind.FILL, "ann.block/1-1", "E4", 6, 49)
    heard(books, ReportKind.FILL, "ann.block/1-1", "E5", 4, 49)
    allocate_block(books, ANN, "ann.block/1")
    heard(books, ReportKind.BUST, "ann.block/1-1", "E6", 4, 49, refers="E5")
    reallocate_block(books, OPS, "ann.block/1", "busted", onto="accounts")


def test_what_is_read_is_what_the_gate_holds(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.do(day)
        ledger = gate.do(lambda books: books.ledger)
        with moment(url) as connection:
            lines, traded = held_lines(connection), traded_lines(connection)
            parts, sold = exposed_parts(connection), held_lines(connection, sold=True)
        by_pm = {it.name: it for it in exposures(parts, lambda it: it.pm)}
        (firm,) = exposures(parts, lambda it: "firm")
        assert {name: it.gross for name, it in by_pm.items()} == dict(ledger.gross_of_pm)
        assert (firm.gross, firm.net) == (ledger.gross, ledger.long)
        found = {(it.account, it.symbol): (it.shares, it.buying, it.selling) for it in lines}
        assert found == {("A1", "AAA"): (906, 0, 0), ("A1", "CCC"): (0, 0, 7), ("B1", "BBB"): (1000, 0, 40)}
        assert [(it.account, it.symbol) for it in sold] == [("A1", "CCC")]
    rows = {it.account: it for it in traded}
    sale = rows["A1"]
    assert (sale.sold, sale.received, sale.fees) == (100, (60 * 52 + 40 * 51) * MONEY, 200)
    # As allocated anew after the bust: 6 at 49.
    assert (sale.bought, sale.paid) == (6, 6 * 49 * MONEY)
    assert rows["ann.block"].gain(50 * MONEY) == 0
    assert sale.gain(50 * MONEY) == (6 * 1 + 60 * 2 + 40 * 1) * MONEY - 200
    with behind_wall(url, "ann") as connection:
        assert held_lines(connection) == [it for it in lines if it.pm == "ann"]
        assert exposed_parts(connection) == [it for it in parts if it.pm == "ann"]
        assert traded_lines(connection) == traded
