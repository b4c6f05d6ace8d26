"""One writer, all or nothing, and a log that nobody changes; on SQLite and on PostgreSQL."""

import os
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from stored_rows import ACCOUNT, content, logged, rows

from quantray.errors import DataError, InputError
from quantray.oms import schema
from quantray.oms.audit import Chain
from quantray.oms.database import Database, FencedError, GateOpenError, connect


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


def test_a_second_gate_is_refused(database):
    with pytest.raises(GateOpenError, match="a gate has .* already; there is one at a time"):
        Database(database.url.render_as_string(hide_password=False))
    database.write(rows((schema.accounts, ACCOUNT)))


def test_each_gate_has_the_next_epoch(url):
    epochs = []
    for _ in range(3):
        database = Database(url)
        epochs.append(database.epoch)
        database.close()
    assert epochs == [epochs[0] + i for i in range(3)]


def test_a_gate_that_another_took_over_writes_nothing(url, monkeypatch):
    """The lock is out of the way, as when its file was deleted: the epoch stops the first."""
    first = Database(url)
    if url.startswith("sqlite"):
        Path(f"{first.url.database}.lock").unlink()
    else:
        monkeypatch.setattr(Database, "_lock_server", lambda database: None)
    second = Database(url)
    try:
        with pytest.raises(FencedError, match="another gate took .* over; this one has stopped"):
            first.write(rows((schema.accounts, ACCOUNT)))
        assert content(second, schema.accounts) == []
        second.write(rows((schema.accounts, ACCOUNT)))
        with pytest.raises(FencedError):
            first.write(rows(drop=[(schema.accounts, "A1")]))
        assert content(second, schema.accounts) == [ACCOUNT]
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    "statement",
    [update(schema.audit).values(line="x"), delete(schema.audit), update(schema.audit).values(seq=9)],
    ids=str,
)
def test_rows_of_the_log_are_never_changed(url, statement):
    database = Database(url)
    chain = Chain()
    database.write(logged(chain.row("T", "ops", "", "epoch", "", {"epoch": 1})))
    database.close()
    engine = connect(url)
    with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="rows of audit are never changed"), connection.begin():
            connection.execute(statement)
        if engine.dialect.name == "postgresql":
            with pytest.raises(DBAPIError, match="rows of audit are never changed"), connection.begin():
                connection.execute(text("TRUNCATE audit"))
        else:
            again = text("INSERT OR REPLACE INTO audit SELECT seq, 'another', previous, hash FROM audit")
            with pytest.raises(DBAPIError, match="rows of audit are never changed"), connection.begin():
                connection.execute(again)
        with connection.begin():
            assert connection.execute(select(func.count()).select_from(schema.audit)).scalar() == 1
    engine.dispose()


def test_the_end_of_the_log(database):
    assert database.last_audit() == (0, "", "")
    chain = Chain()
    database.write(logged(*(chain.row("T", "ops", "", "x", "", {}) for _ in range(12))))
    assert database.last_audit() == (12, chain.head, chain.origin)


def test_sqlite_writes_through_to_the_disk(tmp_path):
    engine = connect(f"sqlite:///{tmp_path / 'orders.db'}")
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2}


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("wine", InputError, "'wine' is no address of a database"),
        ("mysql://x/y", InputError, "is no address of a database|not in mysql"),
        ("sqlite://", InputError, "memory survives nothing"),
        ("sqlite:////proc/nowhere/orders.db", DataError, "cannot be written"),
        ("postgresql+pg8000://nobody@/x?unix_sock=/nowhere/.s.PGSQL.5432", DataError, "cannot be opened"),
    ],
)
def test_an_address_that_is_none_is_a_line(address, error, said):
    with pytest.raises(error, match=said):
        Database(address)


def test_a_file_that_is_no_database_is_a_line(tmp_path):
    path = tmp_path / "orders.db"
    path.write_text("symbol,shares\n" * 400)
    with pytest.raises(DataError, match="cannot be opened: file is not a database"):
        Database(f"sqlite:///{path}")


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    target = tmp_path / "target"
    os.symlink(target, tmp_path / "orders.db.lock")
    with pytest.raises(DataError, match="cannot be written"):
        Database(f"sqlite:///{tmp_path / 'orders.db'}")
    assert not target.exists()
