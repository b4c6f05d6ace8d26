"""A power cut, imitated: copies of the database files at any moment of a day lead to states that the log proves."""

import sqlite3
import threading

import pytest
from desks import ANN, buy, gate_at

from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.replay import replay_database


def worked(gate, stop, answered):
    """Submit, hand over and fill until told to stop; ``answered`` grows when an answer is here."""
    number = 0
    while not stop.is_set():
        names = [f"O{number + i}" for i in range(5)]
        number += 5
        answered.update(one.order for one in gate.submit([buy(name, 1) for name in names], ANN) if one.accepted)

        def hand(books, names=names):
            handed(books, list(books.outgoing), "rest")
            hear(books, [filled(name) for name in names[1:]])

        gate.do(hand)


def filled(name):
    return Report(
        kind=ReportKind.FILL, order=name, venue="NYSE", exec_id=f"F{name}", quantity=1, price=50 * MONEY, fee=1
    )


def copied(folder, to):
    """The files as they are at one moment, which a cut would leave: again where one was written over meanwhile."""
    file, log = folder / "orders.db", folder / "orders.db-wal"
    while True:
        before, content, after = file.read_bytes(), log.read_bytes(), file.read_bytes()
        if before == after and content[:32] == log.read_bytes()[:32]:
            break
    to.mkdir()
    (to / file.name).write_bytes(before)
    (to / log.name).write_bytes(content)


@pytest.fixture
def copies(tmp_path):
    """Eight copies while a gate is at work, each with the orders that were answered before it."""
    made, answered, stop = [], set(), threading.Event()
    with gate_at(tmp_path) as gate:
        worker = threading.Thread(target=worked, args=(gate, stop, answered))
        worker.start()
        for i in range(8):
            before = len(answered)
            while len(answered) < before + 7 + 11 * (i % 3):
                threading.Event().wait(0.0005)
            known = set(answered)
            copied(tmp_path, tmp_path / f"copy{i}")
            made.append((tmp_path / f"copy{i}", known))
        stop.set()
        worker.join()
    return made


def test_every_copy_is_whole_proven_by_its_log_and_goes_on(copies):
    seen = []
    for folder, answered in copies:
        path = folder / "orders.db"
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        there = {name for (name,) in connection.execute("SELECT id FROM child_orders WHERE state != 'REJECTED'")}
        (epoch,) = connection.execute("SELECT epoch FROM gate").fetchone()
        connection.close()
        assert answered <= there
        replay = replay_database(f"sqlite:///{path}")
        assert replay.findings == ()
        seen.append(replay.seq)
    with Gate(f"sqlite:///{path}") as gate:
        assert gate.epoch == epoch + 1
        assert answered <= set(gate.do(lambda books: list(books.ledger.orders)))
    assert replay_database(f"sqlite:///{path}").findings == ()
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen)
