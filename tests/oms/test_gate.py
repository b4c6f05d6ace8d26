"""The gate: one writer, whose answers are on disk."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pg8000.core
import pytest
from desks import ANN, NOON, OPS, Clock, buy, gate_at, set_up
from sqlalchemy import create_engine, select

from quantray.errors import InputError
from quantray.oms import controls, schema
from quantray.oms.changes import Actor
from quantray.oms.database import FencedError, GateOpenError, StoreError
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.reading import moment
from quantray.oms.replay import replay_database
from quantray.oms.states import State
from quantray.oms.submission import cancel, submit


@pytest.fixture
def gate(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        yield gate


@pytest.fixture
def file_gate(tmp_path):
    with gate_at(tmp_path) as gate:
        yield gate


def url_in(folder):
    return f"sqlite:///{folder / 'orders.db'}"


def states(url):
    with moment(url) as connection:
        it = schema.child_orders.c
        return {row.id: row.state for row in connection.execute(select(it.id, it.state))}


def test_an_answer_is_on_disk(gate, url):
    assert gate.submit([buy("A1/O1"), buy("A1/O2", 0)], ANN)[0].accepted
    assert states(url) == {"A1/O1": "RESERVED", "A1/O2": "REJECTED"}


def test_what_was_accepted_is_there_after_a_restart(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        first = gate.submit([buy("A1/O1"), buy("A1/O2", 10**6)], ANN)
    with Gate(url, clock=Clock()) as again:
        assert again.epoch == gate.epoch + 1
        assert again.submit([buy("A1/O1"), buy("A1/O2", 10**6)], ANN) == first
        assert again.do(lambda books: [out.order.id for out in books.outgoing.values()]) == ["A1/O1"]
    assert replay_database(url).findings == ()


def test_concurrent_submitters_never_pass_a_limit(gate, url):
    """Eight desks at once want twice what the account's cash buys."""
    each, price = 10, 50 * MONEY + 100
    cash = 100 * each * price
    gate.do(lambda books: controls.transfer(books, OPS, "A1", cash - 1_000_000 * MONEY, {}, "redemption"))

    def submitted(desk):
        return [gate.submit([buy(f"A1/{desk}-{i}", each)], ANN)[0] for i in range(25)]

    with ThreadPoolExecutor(8) as desks:
        said = [one for answers in desks.map(submitted, range(8)) for one in answers]
    assert sum(one.accepted for one in said) == 100
    assert {one.code for one in said} == {"", "cash"}
    assert gate.do(lambda books: books.ledger.accounts["A1"].reserved) == cash
    assert replay_database(url).findings == ()


def test_a_command_that_cannot_be_leaves_the_others_of_its_group(file_gate):
    held = threading.Event()
    file_gate.later(lambda books: held.wait(60))
    wrong = file_gate.later(lambda books: cancel(books, "A1/O9", ANN))
    right = file_gate.later(lambda books: submit(books, [buy("A1/O1")], ANN))
    held.set()
    with pytest.raises(InputError, match="there is no order 'A1/O9' of yours"):
        wrong.result(5)
    assert right.result(5)[0].accepted


def test_a_request_that_was_canceled_is_not_done_and_the_gate_goes_on(file_gate):
    held = threading.Event()
    file_gate.later(lambda books: held.wait(60))
    canceled = file_gate.later(lambda books: submit(books, [buy("A1/O1")], ANN))
    assert canceled.cancel()
    held.set()
    assert file_gate.submit([buy("A1/O2")], ANN)[0].accepted
    assert file_gate.do(lambda books: list(books.ledger.orders)) == ["A1/O2"]


def test_a_second_gate_is_refused(gate, url):
    with pytest.raises(GateOpenError, match="there is one at a time"):
        Gate(url)
    assert gate.submit([buy("A1/O1")], ANN)[0].accepted


def test_a_gate_whose_lock_was_deleted_is_fenced(tmp_path):
    with gate_at(tmp_path) as first:
        assert first.submit([buy("A1/O1")], ANN)[0].accepted
        Path(tmp_path / "orders.db.lock").unlink()
        with gate_at(tmp_path) as second:
            with pytest.raises(FencedError, match="this one has stopped"):
                first.submit([buy("A1/O2")], ANN)
            with pytest.raises(ClosedError, match="the gate has ended; start it again"):
                first.submit([buy("A1/O3")], ANN)
            assert not first.open
            assert second.submit([buy("A1/O4")], ANN)[0].accepted
    assert states(url_in(tmp_path)) == {"A1/O1": "RESERVED", "A1/O4": "RESERVED"}
    assert replay_database(url_in(tmp_path)).findings == ()


def pages(gate, most):
    """Let the database grow to so many pages and no further; returns how many it has."""

    def bounded(books):
        connection = gate._database._connection
        with connection.begin():
            connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")
            return connection.exec_driver_sql("PRAGMA page_count").scalar()

    return gate.do(bounded)


def test_a_full_disk_refuses_orders_and_loses_nothing(file_gate, tmp_path):
    assert file_gate.submit([buy("A1/O1")], ANN)[0].accepted
    pages(file_gate, pages(file_gate, 10**6) + 2)
    taken, refused = ["A1/O1"], 0
    for i in range(40):
        many = [buy(f"A1/F{i}-{j}", 1) for j in range(20)]
        try:
            taken += [one.order for one in file_gate.submit(many, ANN) if one.accepted]
        except StoreError as error:
            refused += "database or disk is full" in str(error)
    assert refused > 30
    reserved = (100 + len(taken) - 1) * (50 * MONEY + 100)
    assert file_gate.do(lambda books: (set(books.ledger.orders), books.ledger.accounts["A1"].reserved)) == (
        set(taken),
        reserved,
    )
    pages(file_gate, 10**6)
    assert file_gate.submit([buy("A1/O2")], ANN)[0].accepted
    assert set(states(url_in(tmp_path))) == {*taken, "A1/O2"}
    assert replay_database(url_in(tmp_path)).findings == ()


def test_a_database_that_fails_in_between_answers_nothing_that_is_not_on_disk(gate, url, monkeypatch):
    def fails(rows):
        raise StoreError("nothing was written.")

    with monkeypatch.context() as patch:
        patch.setattr(gate._database, "write", fails)
        with pytest.raises(StoreError):
            gate.submit([buy("A1/O1")], ANN)
    assert gate.do(lambda books: (books.ledger.orders, books.ledger.accounts["A1"].reserved)) == ({}, 0)
    assert gate.submit([buy("A1/O1")], ANN)[0].accepted
    assert replay_database(url).findings == ()


def test_books_that_cannot_be_read_back_refuse_until_they_can(file_gate, tmp_path, monkeypatch):
    def unread(query):
        raise StoreError("it cannot be read.")

    def fails(rows):
        monkeypatch.undo()
        monkeypatch.setattr(file_gate._database, "select", unread)
        raise StoreError("nothing was written.")

    monkeypatch.setattr(file_gate._database, "write", fails)
    for said in ("nothing was written", "it cannot be read", "it cannot be read"):
        with pytest.raises(StoreError, match=said):
            file_gate.submit([buy("A1/O1")], ANN)
    monkeypatch.undo()
    assert file_gate.do(lambda books: (books.ledger.orders, books.ledger.accounts["A1"].reserved)) == ({}, 0)
    assert file_gate.submit([buy("A1/O1")], ANN)[0].accepted
    assert replay_database(url_in(tmp_path)).findings == ()


def test_alerts_are_told_when_they_are_on_disk(tmp_path):
    told, rows = [], []

    def tell(alerts):
        told.extend(alerts)
        with moment(url_in(tmp_path)) as connection:
            rows.append(connection.execute(select(schema.audit.c.line).order_by(schema.audit.c.seq.desc())).scalar())

    with gate_at(tmp_path, told=tell) as gate:
        gate.do(lambda books: books.note("break", "A1", "cash: 5 here and 6 at the venue"))
    assert [alert.text for alert in told] == ["cash: 5 here and 6 at the venue"]
    assert "6 at the venue" in rows[0]


def test_somebody_is_told_while_something_waits(tmp_path):
    seen = []
    with gate_at(tmp_path, changed=lambda: seen.append(1)) as gate:
        gate.submit([buy("A1/O1", 0)], ANN)
        assert seen == []
        gate.submit([buy("A1/O2")], ANN)
        assert seen == [1]


def test_after_its_end_it_takes_nothing(tmp_path):
    gate = gate_at(tmp_path)
    gate.close()
    with pytest.raises(ClosedError, match="start it again"):
        gate.submit([buy("A1/O1")], ANN)


def test_a_fault_of_its_own_ends_it_and_nothing_of_it_counts(tmp_path):
    gate = gate_at(tmp_path)
    failures = []
    old, threading.excepthook = threading.excepthook, lambda args: failures.append(args.exc_type)
    try:
        with pytest.raises(ClosedError, match="ended by a fault of its own"):
            gate.do(lambda books: (submit(books, [buy("A1/O1")], ANN), {}["A1/x"]))
        gate._thread.join(60)
    finally:
        threading.excepthook = old
    assert failures == [KeyError]
    assert states(url_in(tmp_path)) == {}
    with gate_at(tmp_path) as again:
        assert again.submit([buy("A1/O1")], ANN)[0].accepted


def test_hours_are_those_of_the_given_clock(tmp_path):
    clock = Clock()
    with gate_at(tmp_path, clock) as gate:
        clock.now = NOON + timedelta(hours=4)
        assert gate.submit([buy("A1/O1")], ANN)[0].code == "closed"
        clock.now -= timedelta(microseconds=1)
        assert gate.submit([buy("A1/O2")], ANN)[0].accepted


def test_a_manager_submits_for_his_own(file_gate):
    theirs = NewOrder(id="B1/O1", account="B1", symbol="BBB", side=buy("A1/x").side, quantity=1)
    assert file_gate.submit([theirs], ANN)[0].code == "account"
    assert file_gate.submit([theirs], Actor("bob", "bob"))[0].accepted
    assert file_gate.do(lambda books: books.ledger.orders["B1/O1"].state) is State.RESERVED


def test_a_lost_connection_loses_no_order(postgres):
    """The server ends the connection, as when it restarts: that group is refused, and the gate goes on."""
    url = postgres.empty()
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        assert gate.submit([buy("A1/O1")], ANN)[0].accepted
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            mine = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
            other.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
        engine.dispose()
        with pytest.raises(StoreError, match="nothing was written"):
            gate.submit([buy("A1/O2")], ANN)
        assert [one.accepted for one in gate.submit([buy("A1/O1"), buy("A1/O2")], ANN)] == [True, True]
    assert replay_database(url).findings == ()


def test_a_connection_that_the_system_resets_loses_no_order(postgres, monkeypatch):
    """The driver passes the system's error on as it comes."""
    url = postgres.empty()
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        read = pg8000.core._read

        def reset(*arguments):
            monkeypatch.setattr(pg8000.core, "_read", read)
            raise ConnectionResetError(104, "Connection reset by peer")

        monkeypatch.setattr(pg8000.core, "_read", reset)
        with pytest.raises(StoreError, match="nothing was written.*reset by peer"):
            gate.submit([buy("A1/O1")], ANN)
        assert gate.submit([buy("A1/O1")], ANN)[0].accepted
    assert replay_database(url).findings == ()
