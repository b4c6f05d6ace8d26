"""``quantray oms``: what operations say to a running gate, and what they hear where there is none."""

import re

import pytest
from command_line import quantray, refused
from desks import ANN, MONEY, OPS, Market, Way, buy, gate_at, listening

from quantray.execution.orders import Side
from quantray.oms.block_records import Block
from quantray.oms.desk import LocalDesk
from quantray.oms.door import Door
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import Report, ReportKind, VenueOrder
from quantray.oms.reconcile import Reconciler
from quantray.oms.states import State


@pytest.fixture
def gate(tmp_path):
    market = Market(fill=lambda order: 0)
    with gate_at(tmp_path) as gate:
        way = listening(gate, Way(market))
        reconciler = Reconciler(gate, {"rest": way})
        door = Door(gate, tmp_path / "orders.door", compare=reconciler.compare, settle=reconciler.settle)
        gate.market, gate.way = market, way
        yield gate
        door.close()


def test_status_halt_and_resume(gate, tmp_path):
    gate.submit([buy("A1/a"), buy("B1/b", account="B1", symbol="BBB")], ANN)
    gate.submit([buy("A1/c")], ANN)
    done = quantray("oms", "status", cwd=tmp_path)
    assert "gate 1: 2 waiting to be handed over" in done.stdout
    assert "halted: nothing" in done.stdout
    assert "RESERVED" in done.stdout
    assert quantray("oms", "kill", "account", "A1", cwd=tmp_path).stdout == "halted: account A1\n"
    assert gate.do(lambda books: books.ledger.orders["A1/a"].state) is State.CANCELED
    assert "halted: account A1" in quantray("oms", "status", cwd=tmp_path).stdout
    assert quantray("oms", "resume", "account", "A1", cwd=tmp_path).stdout == "resumed: account A1\n"
    refused(quantray("oms", "kill", "moon", cwd=tmp_path), 2, "a kill switch is of the firm")
    refused(quantray("oms", "kill", "firm", "A1", cwd=tmp_path), 2, "a kill switch is of the firm")


def test_breaks_are_shown_and_are_an_exit_code(gate, tmp_path):
    done = quantray("oms", "reconcile", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "positions and cash are those of the venue\n")
    gate.market.cash["A1"] -= MONEY
    done = quantray("oms", "reconcile", cwd=tmp_path)
    assert done.returncode == 1
    assert "9,999,990,000" in done.stdout


def test_what_the_venue_does_not_settle_is_settled_by_hand(gate, tmp_path):
    gate.submit([buy("A1/a")], ANN)
    gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    gate.way.status = lambda order, *, void: VenueOrder(order, State.CANCELED, 60)
    given = ("oms", "settle", "A1/a", "--filled", "60", "--reason", "statement of 2 March")
    refused(quantray(*given, cwd=tmp_path), 2, "60 shares are to be booked; give a price of each")
    done = quantray(*given, "--price", "49.95", cwd=tmp_path)
    assert done.stdout == "settled: A1/a is CANCELED with 60 shares filled\n"
    assert gate.do(lambda books: books.ledger.accounts["A1"].cash) == (1_000_000 * 10_000 - 60 * 499_500)


def test_blocks_are_shown_and_allocated_and_anew(gate, tmp_path):
    LocalDesk(gate, OPS).place_block(Block(id="ann.block/K1", symbol="AAA", side=Side.BUY, demands={"A1": 100}))
    gate.submit([buy("ann.block/K1-0", account="ann.block", parent="ann.block/K1")], ANN)
    shown = quantray("oms", "blocks", cwd=tmp_path).stdout
    assert re.search(r"ann\.block/K1\W+ann\W+buy AAA\W+100\W+0\W+1\W+0\W+0\W", shown), shown
    refused(
        quantray("oms", "allocate", "ann.block/K1", cwd=tmp_path),
        2,
        "block 'ann.block/K1' has 1 orders that have not ended",
    )
    gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    fills = [
        Report(kind=ReportKind.FILL, order="ann.block/K1-0", venue="NYSE", exec_id=f"E{n}", quantity=n, price=499_999)
        for n in (40, 60)
    ]
    gate.do(lambda books: hear(books, fills))
    shown = quantray("oms", "allocate", "ann.block/K1", cwd=tmp_path).stdout
    assert re.search(r"A1\W+100\W+4,999\.9900\W+0\.0000", shown), shown
    bust = Report(kind=ReportKind.BUST, order="ann.block/K1-0", venue="NYSE", exec_id="X1", refers="E40")
    gate.do(lambda books: hear(books, [bust]))
    again = ("oms", "allocate", "ann.block/K1", "--again")
    for onto, why in (("moon", "bust"), ("accounts", "")):
        refused(quantray(*again, onto, "--reason", why, cwd=tmp_path), 2, "onto accounts or residual")
    shown = quantray(*again, "accounts", "--reason", "bust of E40", cwd=tmp_path).stdout
    assert re.search(r"A1\W+60\W+2,999\.9940", shown), shown


def test_where_there_is_no_gate_a_line_says_so(tmp_path):
    for words in (["status"], ["kill", "firm"], ["reconcile"]):
        refused(quantray("oms", *words, cwd=tmp_path), 1, "there is no gate at orders.door")


def test_files_that_are_none_are_named(gate, tmp_path):
    refused(quantray("oms", "start", "none.yaml", cwd=tmp_path), 2, "none.yaml does not exist")
    refused(quantray("oms", "work", "none.json", cwd=tmp_path), 2, "none.json does not exist")
    (tmp_path / "works.json").write_text('{"works": [1]}')
    refused(quantray("oms", "work", "works.json", cwd=tmp_path), 2, "no Works: works.0")
    (tmp_path / "works.json").write_text('{"works": []}')
    refused(quantray("oms", "work", "works.json", cwd=tmp_path), 2, "there are no orders")
    refused(quantray("oms", "work", "works.json", "--clip-minutes", "0", cwd=tmp_path), 2, "clips of 0 minutes")
