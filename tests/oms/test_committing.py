"""Groups written while the next ones are done: what is on top of nothing that is on disk does not count."""

import threading
from contextlib import suppress

import pytest
from desks import ANN, buy, gate_at

from quantray.oms.database import FencedError, StoreError
from quantray.oms.gate import ClosedError
from quantray.oms.replay import replay_database
from quantray.oms.submission import submit


class Disk:
    """Where a group stays until the test lets it through, or has it fail."""

    def __init__(self, gate, monkeypatch):
        self.reached, self.through, self.failure = threading.Event(), threading.Event(), None
        self._write = gate._database.write
        monkeypatch.setattr(gate._database, "write", self)

    def __call__(self, rows):
        self.reached.set()
        assert self.through.wait(60)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self._write(rows)


@pytest.fixture
def gate(tmp_path):
    with gate_at(tmp_path) as gate:
        yield gate


def on_top_of(gate, disk):
    """An order that is being written, and another that is done meanwhile, with what it has seen."""
    first = gate.later(lambda books: submit(books, [buy("A1/O1")], ANN))
    assert disk.reached.wait(60)
    done = threading.Event()

    def follows(books):
        (decision,) = submit(books, [buy("A1/O2")], ANN)
        done.set()
        return decision.accepted, list(books.ledger.orders)

    second = gate.later(follows)
    assert done.wait(60), "it is done while the first is being written"
    return first, second


def test_what_is_done_on_top_of_what_is_being_written_is_answered_after_it(gate, tmp_path, monkeypatch):
    disk = Disk(gate, monkeypatch)
    first, second = on_top_of(gate, disk)
    assert not first.done()
    assert not second.done()
    disk.through.set()
    assert first.result(10)[0].accepted
    assert second.result(10) == (True, ["A1/O1", "A1/O2"])
    assert replay_database(f"sqlite:///{tmp_path / 'orders.db'}").findings == ()


def test_what_was_done_on_top_of_what_was_not_written_is_refused_with_it(gate, tmp_path, monkeypatch):
    disk = Disk(gate, monkeypatch)
    disk.failure = StoreError("nothing was written: the disk is full.")
    first, second = on_top_of(gate, disk)
    disk.through.set()
    for each in (first, second):
        with pytest.raises(StoreError, match="the disk is full"):
            each.result(10)
    assert gate.do(lambda books: (books.ledger.orders, books.ledger.accounts["A1"].reserved)) == ({}, 0)
    assert gate.submit([buy("A1/O2")], ANN)[0].accepted
    assert replay_database(f"sqlite:///{tmp_path / 'orders.db'}").findings == ()


def test_what_only_reads_is_told_nothing_that_is_not_on_disk(gate, monkeypatch):
    disk = Disk(gate, monkeypatch)
    disk.failure = StoreError("nothing was written.")
    gate.later(lambda books: submit(books, [buy("A1/O1")], ANN))
    assert disk.reached.wait(60)
    seen = gate.later(lambda books: list(books.ledger.orders))
    disk.through.set()
    # Whether it was done before the failure was known or after.
    with suppress(StoreError):
        assert seen.result(10) == []
    assert gate.do(lambda books: list(books.ledger.orders)) == []


def test_a_gate_that_lost_its_database_ends_without_being_asked(gate, monkeypatch):
    disk = Disk(gate, monkeypatch)
    disk.failure = FencedError("another gate took it over.")
    first, second = on_top_of(gate, disk)
    disk.through.set()
    for each in (first, second):
        with pytest.raises(FencedError, match="took it over"):
            each.result(10)
    gate._thread.join(60)
    assert not gate.open
    with pytest.raises(ClosedError, match="start it again"):
        gate.submit([buy("A1/O3")], ANN)


def test_books_that_cannot_be_read_back_refuse_until_they_can(gate, monkeypatch):
    disk = Disk(gate, monkeypatch)
    disk.through.set()
    disk.failure = StoreError("nothing was written.")

    def unread(query):
        raise StoreError("it cannot be read.")

    with monkeypatch.context() as patch:
        patch.setattr(gate._database, "select", unread)
        with pytest.raises(StoreError, match="nothing was written"):
            gate.submit([buy("A1/O1")], ANN)
        with pytest.raises(StoreError, match="it cannot be read"):
            gate.submit([buy("A1/O1")], ANN)
    gate.do(lambda books: None)
    assert gate.submit([buy("A1/O1")], ANN)[0].accepted


def test_what_is_under_way_when_it_closes_is_written(tmp_path, monkeypatch):
    gate = gate_at(tmp_path)
    disk = Disk(gate, monkeypatch)
    first, second = on_top_of(gate, disk)
    closing = threading.Thread(target=gate.close)
    closing.start()
    disk.through.set()
    closing.join(60)
    assert first.result(0)[0].accepted
    assert second.result(0)[0]


def test_a_fault_of_whoever_is_told_ends_it_after_the_answer(tmp_path):
    def fails(alerts):
        raise RuntimeError("the alarm bell is broken.")

    failures = []
    old, threading.excepthook = threading.excepthook, lambda args: failures.append(args.exc_type)
    try:
        gate = gate_at(tmp_path, told=fails)
        gate.do(lambda books: books.note("break", "A1", "cash"))
        gate._thread.join(60)
    finally:
        threading.excepthook = old
    assert failures == [RuntimeError]
    assert not gate.open
