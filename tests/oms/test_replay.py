"""The independent reader: what is right is found right, and what is wrong is named with its numbers."""

import json
import re
import shutil
import sqlite3
from hashlib import sha256

import pytest
from desks import ANN, NOON, OPS, Clock, buy, set_up
from order_books import order, sell, short, small_books
from order_logs import MARK, opened

from quantray.errors import DataError
from quantray.execution.orders import Side
from quantray.oms import checks, controls, schema
from quantray.oms.changes import Actor
from quantray.oms.exporting import write_log
from quantray.oms.gate import Gate
from quantray.oms.handing import handed, unsure
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, Report, ReportKind, Unreadable
from quantray.oms.replay import replay_database, replay_file
from quantray.oms.submission import cancel, submit


def busy(url):
    """A day with every kind of row."""
    clock = Clock()
    with Gate(url, clock=clock) as gate:
        gate.do(set_up)
        gate.do(lambda books: controls.add_parent(books, ANN, "A1/P1", "A1", "AAA", Side.BUY, 300, '{"slices": []}'))
        gate.submit([buy(f"A1/O{i}", parent="A1/P1") for i in range(6)], ANN)
        gate.submit([buy("A1/N1", 10**8), buy("B1/N2", account="B1")], ANN)

        def work(books):
            handed(books, [out.seq for out in books.outgoing.values() if out.order.id != "A1/O5"], "rest")
            hear(books, [report("acked", f"A1/O{i}") for i in range(5)])
            hear(
                books,
                [
                    report("fill", "A1/O0", "F0", 100),
                    report("fill", "A1/O1", "F1", 60),
                    report("fill", "A1/O2", "F2", 5),
                ],
            )
            hear(books, [report("correct", "A1/O1", "C1", 50, refers="F1"), report("bust", "A1/O2", "B2", refers="F2")])
            cancel(books, "A1/O3", ANN)
            cancel(books, "A1/O1", ANN)
            hear(books, [report("canceled", "A1/O3")])
            unsure(books, "A1/O4", "no answer")
            controls.set_marks(books, OPS, {"AAA": 51 * MONEY})
            controls.set_switch(books, OPS, "account", "B1", on=True)
            controls.restrict(books, OPS, "BBB", on=True)
            controls.transfer(books, OPS, "B1", -5 * MONEY, {"BBB": -10}, "redemption")
            books.note("break", "A1", "cash")
            hear(books, [Unreadable(raw='{"kind": "wine"}', why="kind", sequence=3)], "rest")

        gate.do(work)
    with Gate(url, clock=clock):
        pass


def report(kind, order, exec_id="", quantity=0, refers=""):
    return Report(
        kind=ReportKind(kind),
        order=order,
        venue="NYSE",
        exec_id=exec_id,
        quantity=quantity,
        price=50 * MONEY if quantity else 0,
        fee=7 if quantity else 0,
        refers=refers,
    )


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    path = tmp_path_factory.mktemp("day") / "orders.db"
    busy(f"sqlite:///{path}")
    return path


def test_a_busy_day_agrees(url):
    busy(url)
    replay = replay_database(url)
    assert replay.findings == ()
    assert replay.agrees
    assert (replay.orders, replay.executions, replay.rows) == (7, 5, replay.seq)


def test_hashes_of_rows_are_given_where_they_are_there(day):
    replay = replay_database(f"sqlite:///{day}", at=[3, 10**6])
    assert list(replay.heads) == [3]


def changed(day, folder, *statements):
    """A copy of the day in which somebody who knows SQL changed something."""
    path = folder / "orders.db"
    shutil.copy(day, path)
    connection = sqlite3.connect(path)
    for name in ("update", "delete"):
        connection.execute(f"DROP TRIGGER audit_no_{name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE accounts SET cash = cash + 5 WHERE id = 'A1'",
            "accounts: A1 has cash 9,924,999,991, and by the log cash 9,924,999,986",
        ),
        ("UPDATE positions SET shares = 1 WHERE symbol = 'AAA'", "positions: A1 AAA has shares 1, .* log shares 1,150"),
        (
            "DELETE FROM positions WHERE account = 'A1'",
            "positions: A1 AAA is not there, and by the log is shares 1,150",
        ),
        (
            "UPDATE child_orders SET price = 1 WHERE id = 'A1/O4'",
            "reservations: A1/O4 has cash 100, and by the log cash 50,010,000",
        ),
        (
            "UPDATE child_orders SET state = 'EXPIRED' WHERE id = 'A1/O4'",
            "reservations: A1/O4 is not there, and by the log is account A1",
        ),
        (
            "UPDATE child_orders SET state = 'SENT', filled = 0 WHERE id = 'A1/O0'",
            "reservations: A1/O0 is there with .*, and the log does not have it",
        ),
        (
            "UPDATE child_orders SET filled = 99 WHERE id = 'A1/O0'",
            "child_orders: A1/O0 has filled 99, and by the log filled 100",
        ),
        (
            "UPDATE child_orders SET state = 'FILLED' WHERE id = 'A1/O4'",
            "A1/O4 has state FILLED, and by the log state UNKNOWN",
        ),
        (
            "UPDATE child_orders SET quantity = 7 WHERE id = 'A1/O5'",
            "O5 has quantity 7, and by the log quantity 100",
        ),
        ("UPDATE executions SET price = 1 WHERE exec_id = 'F0'", "executions: NYSE F0 has price 1, and by the log"),
        ("DELETE FROM executions WHERE exec_id = 'B2'", "executions: NYSE B2 is not there"),
        ("UPDATE limits SET value = 10 WHERE name = 'gross'", "limits: firm  gross has value 10, and by the log value"),
        ("DELETE FROM switches", "switches: account B1 is not there"),
        ("INSERT INTO switches VALUES ('firm', '')", "switches: firm is there with nothing more, and the log does not"),
        ("DELETE FROM restrictions", "restrictions: BBB is not there"),
        ("UPDATE sessions SET closes = 'z'", "sessions: 1 has closes z, and by the log"),
        ("UPDATE instruments SET mark = 3", "instruments: AAA has mark 3, and by the log mark 510,000"),
        ("UPDATE parents SET schedule = ''", "parents: A1/P1 has schedule e3b0c.*, and by the log schedule"),
        ("UPDATE outbox SET done = 1", "outbox: A1/O5 waits 0 times while it is RESERVED"),
        ("DELETE FROM outbox WHERE \"order\" = 'A1/O5'", "outbox: A1/O5 was put out 0 times, and by the log 1"),
        ("DELETE FROM outbox WHERE action = 'cancel'", "outbox: the end of A1/O1 was asked for 0 times, not 1"),
        ("UPDATE gate SET epoch = 1", "gate: the epoch is 1, and the log has 2"),
    ],
)
def test_every_difference_of_a_table_is_named_with_both_numbers(day, tmp_path, statement, said):
    replay = replay_database(changed(day, tmp_path, statement))
    assert {finding.row for finding in replay.findings} == {0}
    assert any(re.search(said, str(finding)) for finding in replay.findings), replay.findings


def test_an_altered_row_is_one_finding(day, tmp_path):
    url = changed(day, tmp_path, "UPDATE audit SET line = replace(line, '\"ops\"', '\"oop\"') WHERE seq = 5")
    (finding,) = replay_database(url).findings
    assert (finding.row, finding.subject) == (5, "chain")
    assert "is not that of its text" in finding.text


def test_rows_that_are_gone_are_named(day, tmp_path):
    url = changed(day, tmp_path, "DELETE FROM audit WHERE seq IN (8, 9)")
    found = [str(finding) for finding in replay_database(url).findings]
    assert found[0] == "row 10: numbering: rows 8 to 9 are missing before it"
    assert "row 10: chain" in found[1]


def test_a_log_whose_end_was_cut_off_does_not_lead_to_the_tables(day, tmp_path):
    replay = replay_database(changed(day, tmp_path, "DELETE FROM audit WHERE seq > 30"))
    assert replay.seq == 30
    assert not replay.agrees
    assert all(finding.row == 0 for finding in replay.findings)


def test_another_form_of_the_same_content_is_named(tmp_path):
    for text, said in (
        (lambda line: line.replace(",", ", ", 1), "is not written in the one form"),
        (lambda line: line.replace('"epoch":1', '"epoch":1.0'), "cannot be read: 1.0 is no whole number"),
        (lambda line: line.replace('"epoch":1', '"epoch":NaN'), "cannot be read: NaN is no whole number"),
        (lambda line: line.replace('"epoch":1', '"epoch":2,"epoch":1'), "is not written in the one form"),
        (lambda line: line[:-1], "cannot be read"),
        (lambda line: line.replace("[1,", "[2,", 1), "says that it is row 2"),
    ):
        log = opened()
        seq, line, before, _ = log.rows[0]
        log.rows = []
        altered = text(line)
        digest = sha256(f"\n{altered}".encode()).hexdigest()
        log.rows.append((seq, altered, before, digest))
        found = log.found(tmp_path)
        assert len(found) == 1, found
        assert said in found[0]


GOOD = {
    "filled": lambda log: log.order().sent().state("SENT", "ACKED").execution("ACKED", "FILLED", 100),
    "at the limits": lambda log: (
        log.limit("firm", "", "gross", 1_100 * MARK).limit("pm", "ann", "capital", 1_100 * MARK).order()
    ),
    "short": lambda log: log.order("A1/O2", 50, symbol="BBB", side="sell_short"),
    "a bust before its fill": lambda log: (
        log.order()
        .sent()
        .execution("SENT", "ACKED", 0, "B1", kind="bust", refers="F1")
        .execution("ACKED", "ACKED", 100)
        .state("ACKED", "CANCELED")
    ),
    "a correction of a correction, before both": lambda log: (
        log.order()
        .sent()
        .execution("SENT", "ACKED", 40, "C2", kind="correct", refers="C1")
        .execution("ACKED", "ACKED", 50, "C1", kind="correct", refers="F1")
        .execution("ACKED", "PARTIAL", 60)
        .execution("PARTIAL", "FILLED", 60, "F2")
    ),
    "put out again": lambda log: log.order().sent().state("SENT", "RESERVED").sent().state("SENT", "ACKED"),
    "at the market": lambda log: log.order(limit=None, price=1_050_100).state(
        "RESERVED", "SENT", route="rest", limit=1_050_000
    ),
    "refused": lambda log: log.order(to="REJECTED", code="cash", price=0, quantity=10**9),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_may_be_is_no_finding(tmp_path, name):
    assert GOOD[name](opened()).found(tmp_path) == []


BAD = [
    (
        lambda log: log.order(quantity=101),
        {"gross": 1_100 * MARK},
        "firm gross is 1,101,000,000 and may be 1,100,000,000",
    ),
    (lambda log: log.order(quantity=101), {"capital": 1_100 * MARK}, "pm ann capital is 1,101,000,000 and may be"),
    (lambda log: log.order(quantity=101), {"net": 1_100 * MARK}, "firm net is 1,101,000,000 and may be 1,100,000,000"),
    (lambda log: log.order(quantity=101), {"single_name": 1_100 * MARK}, "firm single_name is 1,101,000,000"),
    (
        lambda log: log.order(quantity=101),
        {"order_shares": 100},
        "firm order_shares is 101 and may be 100 with buy 101",
    ),
    (lambda log: log.order(quantity=101), {"order_value": 100 * MARK}, "firm order_value is 101,010,100"),
    (lambda log: log.order(account="B1", pm="bob", by="bob"), {}, "cash is 100,010,000 and may be 0"),
    (
        lambda log: log.order(side="sell", quantity=1_000).order("A1/O2", side="sell"),
        {},
        "position is 1,100 and may be 1,000",
    ),
    (lambda log: log.order(side="sell_short"), {}, "A1 may not sell AAA short, or has some to sell"),
    (lambda log: log.order(side="sell_short", quantity=60, symbol="BBB"), {}, "A1:BBB locate is 60 and may be 50"),
    (lambda log: log.order(quantity=15, symbol="BBB"), {}, "15 shares of BBB are no whole lots of 10"),
    (lambda log: log.order(limit=MARK + 1, price=MARK + 101), {}, "the limit 1,000,001 of AAA is no multiple of 100"),
    (
        lambda log: log.order(limit=900_000, price=900_100),
        {},
        "the limit 900,000 is further than 500 bps from 1,000,000",
    ),
    (lambda log: log.order(price=MARK), {}, "1,000,000 a share is set aside for A1/O1, not 1,000,100"),
    (
        lambda log: log.order().sent().execution("SENT", "PARTIAL", 60, venue="BY HAND"),
        {},
        "A1/O1 has 60 filled by hand, and nobody said that it had",
    ),
    (
        lambda log: log.order().sent().add("settlement", "A1/O1", filled=101, price=MARK, reason="so", venue=""),
        {},
        "A1/O1 of 100 shares was settled as 101 filled",
    ),
    (
        lambda log: log.order().sent().add("settlement", "A1/O1", filled=10, price=MARK, reason="", venue=""),
        {},
        "A1/O1 was settled by ops without a reason",
    ),
    (
        lambda log: log.order(limit=None, price=1_050_100).state("RESERVED", "SENT", route="rest", limit=1_050_100),
        {},
        "A1/O1 left with the limit 1,050,100 and the fee 100, beyond 1,050,100",
    ),
    (
        lambda log: log.order().state("RESERVED", "SENT", route="rest", limit=MARK),
        {},
        "A1/O1 left with the limit 1,000,000, and is no purchase at the market",
    ),
    (lambda log: log.order(limit=None), {}, "1,000,100 a share is set aside for A1/O1, not 1,050,100"),
    (lambda log: log.add("switch", "", scope="pm", key="ann", on=True).order(), {}, "accepted while pm ann was halted"),
    (
        lambda log: log.add("restriction", "", account="", symbol="AAA", on=True).order(),
        {},
        "of AAA was accepted while",
    ),
    (lambda log: log.order(at="2026-03-02T21:00:00"), {}, "A1/O1 was accepted outside 2026-03-02T14:30:00 to"),
    (lambda log: log.order(account="B1"), {}, "A1/O1 of ann is for B1, which is another's"),
    (lambda log: log.order(by="bob"), {}, "bob of bob acts on A1/O1, which is of ann"),
    (lambda log: log.order().order(), {}, "order: A1/O1 was there before"),
    (lambda log: log.order(to="REJECTED"), {}, "A1/O1 is REJECTED with the code ''"),
    (lambda log: log.order().state("RESERVED", "ACKED"), {}, "an order that is RESERVED cannot become ACKED"),
    (lambda log: log.order().state("SENT", "ACKED"), {}, "leaves SENT, and the order is RESERVED"),
    (lambda log: log.order().sent().state("SENT", "UNKNOWN").sent(), {}, "an order that is UNKNOWN cannot become SENT"),
    (lambda log: log.order().state("RESERVED", "CANCELED", by="bob"), {}, "bob of bob acts on A1/O1, which is of ann"),
    (lambda log: log.order().execution("RESERVED", "FILLED", 100), {}, "F1 is of A1/O1, which was never handed over"),
    (
        lambda log: log.order().sent().execution("SENT", "PARTIAL", 5).execution("PARTIAL", "PARTIAL", 5),
        {},
        "NYSE F1 was booked before, at row 19",
    ),
    (
        lambda log: log.order().sent().execution("SENT", "FILLED", 5),
        {},
        "from SENT to FILLED, and should from SENT to PARTIAL",
    ),
    (
        lambda log: (
            log.order()
            .sent()
            .execution("SENT", "PARTIAL", 5)
            .execution("PARTIAL", "ACKED", 0, "B1", kind="bust", refers="F1")
            .execution("ACKED", "ACKED", 5, "C1", kind="correct", refers="F1")
        ),
        {},
        "NYSE C1 amends NYSE F1, which was busted at row 20",
    ),
    (lambda log: log.add("epoch", epoch=1), {}, "epoch: 1 comes after 1"),
    (lambda log: log.add("account", "A1", pm="ann", cash=1, may_short=True, shares={}), {}, "A1 was opened before"),
    (lambda log: log.add("wine", "x"), {}, "rows of kind 'wine' are not known to this reader"),
    (lambda log: log.add("transfer", "A9", cash=1, shares={}, reason="in"), {}, "transfer A9 cannot be read: KeyError"),
    (lambda log: log.add("refused", "A1/O9", code="", account=""), {}, "A1/O9 was refused without a code"),
]


@pytest.mark.parametrize(("rows", "limits", "said"), BAD, ids=[said[:40] for _, _, said in BAD])
def test_what_may_not_be_is_named(tmp_path, rows, limits, said):
    found = rows(opened(**limits)).found(tmp_path)
    assert any(said in each for each in found), found


def halted(books):
    controls.set_switch(books, OPS, "pm", "ann", on=True)


def restricted(books):
    controls.restrict(books, OPS, "AAA", on=True)


def closed(books):
    books.clock.forward(hours=9)


@pytest.mark.parametrize(
    ("check", "prepare", "limits", "given", "said"),
    [
        ("halted", halted, {}, order(), "accepted while pm ann was halted"),
        ("restricted", restricted, {}, order(), "accepted while it was listed"),
        ("closed", closed, {}, order(), "was accepted outside"),
        ("side", None, {"A2:AAA_locate": 100}, short(account="A2"), "may not sell AAA short"),
        ("locate", None, {}, short(symbol="BBB"), "locate is 100 and may be 0"),
        ("size", None, {"firm_order_shares": 99}, order(), "firm order_shares is 100 and may be 99"),
        ("tick", None, {}, order(limit=MARK + 50), "is no multiple of 100"),
        ("collar", None, {"firm_collar_bps": 0}, order(limit=MARK + 100), "is further than 0 bps"),
        (
            "cash",
            None,
            {"firm_order_value": 10**11},
            order(quantity=10_000),
            "cash is 10,001,000,000 and may be 10,000",
        ),
        ("position", None, {}, sell(quantity=1_001), "position is 1,001 and may be 1,000"),
        ("capital", None, {"ann_capital": 1_099 * MARK}, order(), "pm ann capital is 1,100,000,000 and may be"),
        ("gross", None, {"firm_gross": 1_099 * MARK}, order(), "firm gross is 1,100,000,000 and may be"),
        ("net", None, {"firm_net": 1_099 * MARK}, order(), "firm net is 1,100,000,000 and may be"),
        ("single_name", None, {"firm_single_name": 1_099 * MARK}, order(), "firm single_name is 1,100,000,000"),
    ],
)
def test_a_gate_that_forgot_a_check_is_seen(tmp_path, monkeypatch, check, prepare, limits, given, said):
    books = small_books(**limits)
    if prepare is not None:
        prepare(books)
    with monkeypatch.context() as patched:
        patched.setattr(checks, "CHECKS", tuple(each for each in checks.CHECKS if each[0] != check))
        assert submit(books, [given], Actor("ann", "ann"))[0].accepted
    rows = books.changes.rows.added[schema.audit]
    write_log(tmp_path / "log.jsonl", rows)
    found = list(map(str, replay_file(tmp_path / "log.jsonl").findings))
    assert len(found) == 1, found
    assert said in found[0]


def test_what_covers_a_short_was_held_to_no_limit_of_exposure(tmp_path):
    books = small_books(firm_net=0, firm_single_name=0, firm_gross=0, ann_capital=0)
    controls.open_account(books, OPS, Account("A3", "ann", 10**10, True), {"AAA": -100})
    submit(books, [order("A3/O1", 100, account="A3"), sell("A1/O2", 1_000)], Actor("ann", "ann"))
    rows = books.changes.rows.added[schema.audit]
    write_log(tmp_path / "log.jsonl", rows)
    assert replay_file(tmp_path / "log.jsonl").findings == ()
    assert [record.code for record in books.ledger.orders.values()] == ["", ""]


def test_a_limit_is_the_one_that_was_in_force_then(tmp_path):
    log = opened().order().limit("firm", "", "gross", 1)
    assert log.found(tmp_path) == []
    # And the price that was known then.
    assert opened(gross=1_100 * MARK).order().add("marks", AAA=2 * MARK).found(tmp_path) == []
    (found,) = opened(gross=1_100 * MARK).add("marks", AAA=MARK + 100).order(limit=MARK).found(tmp_path)
    assert "firm gross is 1,100,110,000 and may be 1,100,000,000" in found


def test_thousands_of_findings_are_counted_and_the_first_are_kept(tmp_path):
    log = opened()
    for _ in range(500):
        log.add("wine")
    replay = log.replay(tmp_path)
    assert (replay.found, len(replay.findings)) == (500, 200)


def test_a_gate_may_be_at_work(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.submit([buy("A1/O1")], ANN)
        assert replay_database(url).findings == ()
        gate.submit([buy("A1/O2")], ANN)
        assert replay_database(url).orders == 2


def test_a_file_that_is_no_log_is_a_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"a": 1}))
    with pytest.raises(DataError, match="is no exported log; make one with `quantray audit export`"):
        replay_file(path)


def test_the_time_of_the_last_row_is_told(day):
    assert replay_database(f"sqlite:///{day}").time == NOON.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
