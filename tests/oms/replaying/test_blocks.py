"""What blocks did is reckoned again: whatever is changed of it, in the tables or in the log, is named."""

import json
import re
import shutil
import sqlite3
from hashlib import sha256

import pytest
from desks import ANN, OPS, Clock, set_up

from quantray.execution.orders import Side
from quantray.institution.allocation import Rule
from quantray.oms import controls
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block, reallocate_block
from quantray.oms.exporting import write_log
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, NewOrder, Report, ReportKind
from quantray.oms.replay import replay_database, replay_file
from quantray.oms.submission import submit

PRICE = 50 * MONEY


def busy(url):
    """A purchase that is allocated, one of its fills busted, and allocated anew; and a sale that is open."""
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)

        def work(books):
            for name, shares in (("A2", 0), ("A3", 700), ("A4", 0)):
                controls.open_account(books, OPS, Account(name, "ann", 10**6 * MONEY), {"AAA": shares})
            controls.restrict(books, OPS, "AAA", on=True, account="A4")
            rule = Rule(method="custom", numbers={"A1": 3, "A2": 3, "A3": 1, "A4": 1})
            demands = dict.fromkeys(("A1", "A2", "A3", "A4"), 100)
            place_block(
                books,
                ANN,
                Block(id="ann.block/K1", symbol="AAA", side=Side.BUY, demands=demands, limit=PRICE, rule=rule),
            )
            trade(books, "ann.block/K1-0", "ann.block/K1", Side.BUY, 300, 121, 20)
            allocate_block(books, ANN, "ann.block/K1")
            hear(books, [said("bust", "ann.block/K1-0", "B1", refers="ann.block/K1-0 2")])
            reallocate_block(books, OPS, "ann.block/K1", "bust", onto="accounts")
            place_block(
                books, ANN, Block(id="ann.block/K2", symbol="AAA", side=Side.SELL, demands={"A3": 900, "A1": 50})
            )
            trade(books, "ann.block/K2-0", "ann.block/K2", Side.SELL, 100, 30, 30)

        gate.do(work)


def trade(books, name, block, side, quantity, *fills):
    order = NewOrder(
        id=name, account="ann.block", symbol="AAA", side=side, quantity=quantity, limit=PRICE, parent=block
    )
    assert submit(books, [order], ANN)[0].accepted
    handed(books, list(books.outgoing), "rest")
    hear(books, [said("fill", name, f"{name} {i}", shares) for i, shares in enumerate(fills, start=1)])
    hear(books, [said("canceled", name, "", filled=sum(fills))])


def said(kind, order, exec_id, quantity=0, **more):
    price = PRICE + 100 * (quantity % 7) if quantity else 0
    return Report(
        kind=ReportKind(kind),
        order=order,
        venue="NYSE",
        exec_id=exec_id,
        quantity=quantity,
        price=price,
        fee=quantity,
        **more,
    )


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    path = tmp_path_factory.mktemp("day") / "orders.db"
    busy(f"sqlite:///{path}")
    return path


def test_a_day_of_blocks_agrees(url):
    busy(url)
    assert replay_database(url).findings == ()


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE accounts SET cash = cash + 1 WHERE id = 'ann.block'", "accounts: ann.block has cash"),
        ("UPDATE accounts SET cash = cash - 1 WHERE id = 'ann.residual'", "accounts: ann.residual has cash"),
        ("UPDATE accounts SET cash = cash - 1 WHERE id = 'A2'", "accounts: A2 has cash"),
        ("UPDATE positions SET shares = 1 WHERE account = 'ann.block'", "positions: ann.block AAA has shares 1"),
        (
            "UPDATE blocks SET price = 1 WHERE id = 'ann.block/K1'",
            "blocks: ann.block/K1 has price 1, and by the log price 500,100",
        ),
        (
            "UPDATE blocks SET method = 'equal' WHERE id = 'ann.block/K1'",
            "ann.block/K1 has method equal, and by the log method custom",
        ),
        (
            "UPDATE demands SET shares = 99 WHERE account = 'A3'",
            "demands: ann.block/K1 A3 has shares 99, and by the log shares",
        ),
        (
            "UPDATE demands SET kept = 100, reason = '' WHERE account = 'A4'",
            "demands: ann.block/K1 A4 has kept 100, reason , and",
        ),
        ("DELETE FROM demands WHERE account = 'A4'", "demands: ann.block/K1 A4 is not there"),
        (
            "UPDATE allocations SET shares = 1 WHERE account = 'A1'",
            "allocations: ann.block/K1 1 A1 has shares 1, and by the log",
        ),
        ("DELETE FROM allocations WHERE revision = 2", "allocations: ann.block/K1 2 A1 is not there"),
        (
            "INSERT INTO allocations VALUES ('ann.block/K2', 1, 'A1', 30, 5, 0)",
            "allocations: ann.block/K2 1 A1 is there with shares 30",
        ),
    ],
)
def test_every_difference_of_a_table_is_named(day, tmp_path, statement, found):
    path = tmp_path / "orders.db"
    shutil.copy(day, path)
    connection = sqlite3.connect(path)
    for table in ("blocks", "demands", "allocations"):
        for what in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_no_{what}")
    connection.execute(statement)
    connection.commit()
    connection.close()
    findings = list(map(str, replay_database(f"sqlite:///{path}").findings))
    assert any(re.search(found, each) for each in findings), findings


def rewritten(day, folder, kind, entity, change):
    """The log with what is said of something otherwise, and the right chain: a gate that did something else."""
    connection = sqlite3.connect(day)
    rows, head = [], ""
    for (line,) in connection.execute("SELECT line FROM audit ORDER BY seq"):
        row = json.loads(line)
        if row[4:6] == [kind, entity]:
            row[3] = change(row[6]) or row[3]
        text = json.dumps(row, sort_keys=True, separators=(",", ":"))
        digest = sha256(f"{head}\n{text}".encode()).hexdigest()
        rows.append((row[0], text, head, digest))
        head = digest
    connection.close()
    write_log(folder / "log.jsonl", rows)
    return list(map(str, replay_file(folder / "log.jsonl").findings))


def moved(part, unit, *accounts):
    """So many units from one account's share to another's."""

    def change(body):
        for account, sign in zip(accounts, (1, -1), strict=True):
            body["shares"][account][part] += sign * unit

    return change


@pytest.mark.parametrize(
    ("kind", "entity", "change", "found"),
    [
        (
            "block",
            "ann.block/K1",
            lambda b: b.update(key="0" * 64),
            "ann.block/K1 is drawn by 000000000000, and the first row has",
        ),
        (
            "block",
            "ann.block/K1",
            lambda b: b.update(price=PRICE),
            "500,000 a share is put into ann.block/K1, not 500,100",
        ),
        (
            "block",
            "ann.block/K1",
            lambda b: b.update(limit=2 * PRICE, price=2 * PRICE + 100),
            "ann.block/K1 is further than 500 bps",
        ),
        ("block", "ann.block/K1", lambda b: b.update(lot=7), "ann.block/K1 has lots of 7, not 1"),
        ("block", "ann.block/K1", lambda b: b.update(account="A1"), "ann.block/K1 of ann is to buy by A1"),
        (
            "block",
            "ann.block/K1",
            lambda b: b.update(side="sell_short"),
            "ann.block/K1 of ann is to sell_short by ann.block",
        ),
        (
            "block",
            "ann.block/K1",
            lambda b: b["demands"]["A1"].update(kept=10**9, shares=10**9),
            "A1 puts in 500,100,000,000,000",
        ),
        (
            "block",
            "ann.block/K1",
            lambda b: b["demands"]["A4"].update(kept=100, reason=""),
            "A4 stays with AAA, and is halted or",
        ),
        ("block", "ann.block/K1", lambda b: b["demands"]["A2"].update(kept=50), "A2 is left out with 50 for ''"),
        (
            "block",
            "ann.block/K1",
            lambda b: b["demands"].update(B1=b["demands"]["A1"]),
            "B1 of bob wants 100 and keeps 100",
        ),
        ("block", "ann.block/K1", lambda b: "bob", "ann of bob places ann.block/K1, which is of ann"),
        (
            "block",
            "ann.block/K2",
            lambda b: b["demands"]["A3"].update(kept=900, reason=""),
            "A3 puts in 0 and 900 shares, and has",
        ),
        ("allocation", "ann.block/K1", moved(0, 1, "A1", "A3"), "allocation: A1 has"),
        ("allocation", "ann.block/K1", moved(1, 1, "A2", "ann.residual"), "allocation: A2 has"),
        ("allocation", "ann.block/K1", moved(2, 1, "ann.residual", "A3"), "allocation: ann.residual has"),
        (
            "allocation",
            "ann.block/K1",
            lambda b: b.update(filled=140),
            "ann.block/K1 has shares, money and fees of 141,",
        ),
        ("allocation", "ann.block/K1", lambda b: b.update(revision=2), "ann.block/K1 has revision 2 after 0"),
        ("allocation", "ann.block/K1", lambda b: "bob", "ann of bob allocates ann.block/K1, which is of ann"),
        (
            "order",
            "ann.block/K1-0",
            lambda b: b.update(quantity=301),
            "parts of ann.block/K1 come to 301 shares, of which it has 300",
        ),
        (
            "order",
            "ann.block/K1-0",
            lambda b: b.update(parent=None),
            "ann.block/K1-0 is part of None, which is no open block of ann.block",
        ),
        (
            "order",
            "ann.block/K1-0",
            lambda b: b.update(parent="ann.block/K9"),
            "ann.block/K1-0 is part of ann.block/K9, which is no open block of ann.block",
        ),
        (
            "order",
            "ann.block/K2-0",
            lambda b: b.update(parent="ann.block/K1"),
            "ann.block/K2-0 is part of ann.block/K1, which is no open block of ann.block",
        ),
        (
            "order",
            "ann.block/K1-0",
            lambda b: b.update(limit=PRICE + 200, price=PRICE + 300),
            "parts of ann.block/K1 may cost 150,090,000, and it has 150,030,000",
        ),
    ],
)
def test_a_gate_that_did_otherwise_is_seen(day, tmp_path, kind, entity, change, found):
    findings = rewritten(day, tmp_path, kind, entity, change)
    assert any(found in each for each in findings), findings


def test_a_block_that_is_allocated_while_a_part_is_open_is_named(day, tmp_path):
    def never_ended(body):
        if body["to"] == "CANCELED":
            body["to"] = "UNKNOWN"

    findings = rewritten(day, tmp_path, "state", "ann.block/K1-0", never_ended)
    assert any("ann.block/K1 is allocated while 1 orders of it are open" in each for each in findings), findings
    assert rewritten(day, tmp_path, "state", "ann.block/K1-0", lambda body: None) == []
