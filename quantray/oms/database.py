"""The database behind the gate: opened by one at a time, written in groups, and read back whole.

SQLite in a file (WAL, synchronous FULL) or PostgreSQL by URL; the same tables and the same statements. A lock keeps a
second gate out, and an epoch, raised by every gate that opens and named in every transaction, stops one that lost it.
"""

import fcntl
import os
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import Pool

from quantray.errors import DataError, InputError, QuantrayError, first_line, reason
from quantray.oms import schema
from quantray.oms.checkpoints import Checkpointer
from quantray.oms.migrating import upgrade
from quantray.oms.used_ids import UsedIds
from quantray.oms.writing import FileWriter, Rows, ServerWriter, Writer

__all__ = ["Database", "FencedError", "GateOpenError", "StoreError", "connect"]

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "busy_timeout = 5000",
    # Pages after which a commit brings the log into the file, which takes milliseconds: ``checkpoints`` goes before.
    "wal_autocheckpoint = 10000",
)
_LOCK = 7_305_818
"""Of PostgreSQL's advisory locks, the gate's."""
_AT_ONCE = 1_000
"""Ids that are read at once."""


class GateOpenError(QuantrayError):
    """Another gate has the database."""


class FencedError(QuantrayError):
    """Another gate took the database over; this one writes nothing more."""


class StoreError(QuantrayError):
    """The database did not take what was to be written: nothing of it counts."""


def connect(url: str, *, poolclass: type[Pool] | None = None) -> Engine:
    """A way to a database, ``sqlite:///FILE`` or ``postgresql+DRIVER://...``; ``poolclass`` as SQLAlchemy has it.

    Raises
    ------
    InputError
        The address is none, or of another kind of database.
    """
    try:
        engine = create_engine(url, pool_pre_ping=url.startswith("postgresql"), poolclass=poolclass)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError(f"{url!r} is no address of a database: {first_line(error)}; see docs/orders.md.") from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise InputError(f"orders are kept in SQLite or PostgreSQL, not in {engine.dialect.name}.")
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


class Database:
    """The database of one gate, until ``close``.

    Raises
    ------
    GateOpenError
        Another gate has it.
    DataError
        It cannot be opened, or is of a newer program.
    """

    def __init__(self, url: str) -> None:
        self._engine = connect(url)
        self.url = self._engine.url
        self._lock: int | None = None
        self._checkpointer: Checkpointer | None = None
        try:
            self._lock = self._locked_file() if self._engine.dialect.name == "sqlite" else None
            self._connection = self._engine.connect()
            if self._lock is None:
                self._lock_server()
            with self._connection.begin():
                upgrade(self._connection)
            self.epoch = self._raise_epoch()
            # Only now no other gate can add to them.
            self._used = self._used_ids()
            self._writer = self._writer_of_kind()
            if self._lock is not None:
                self._checkpointer = Checkpointer(str(self.url.database))
        except SQLAlchemyError as error:
            self.close()
            raise DataError(f"the database {self.url} cannot be opened: {_said(error)}.") from error
        except QuantrayError:
            self.close()
            raise

    def write(self, rows: Rows) -> None:
        """Write a group, all of it or nothing; on disk when this returns.

        Raises
        ------
        FencedError
            Another gate has opened the database since.
        StoreError
            The database refused, such as for a full disk; nothing was written.
        """
        # Before it is written: one that was, though the database says it was not, must be known as well.
        self._used.add(values[0] for values in rows.added.get(schema.child_orders, ()))
        try:
            written = self._writer.write(rows, self.epoch)
        except (SQLAlchemyError, sqlite3.Error, OverflowError, OSError) as error:
            self._let_go(error)
            raise StoreError(f"nothing was written to {self.url}: {_said(error)}.") from error
        if not written:
            raise FencedError(f"another gate took {self.url} over; this one has stopped.")
        if self._checkpointer is not None:
            self._checkpointer.note(rows.count())

    def read(self, table: Table, order_by: str | None = None) -> Sequence[Any]:
        """All rows of a table; raises as ``select``."""
        return self.select(select(table) if order_by is None else select(table).order_by(table.c[order_by]))

    def select(self, query: "Select[Any]") -> Sequence[Any]:
        """The rows of a question; raises ``StoreError`` where the database does not answer."""
        try:
            with self._connection.begin():
                return self._connection.execute(query).all()
        except (SQLAlchemyError, OSError) as error:
            self._let_go(error)
            raise StoreError(f"{self.url} cannot be read: {_said(error)}.") from error

    def _let_go(self, error: Exception) -> None:
        """Of a connection that was lost in a way that its driver passes on as it comes; the next use makes another."""
        if isinstance(error, OSError):
            with suppress(SQLAlchemyError, OSError):
                self._connection.invalidate(error)

    def may_have(self, order: str) -> bool:
        """Whether there may be an order of an id; False where there is none, which is told without a question."""
        return order in self._used

    def last_audit(self) -> tuple[int, str, str]:
        """Number and hash of the newest row of the log, and hash of the first; 0 and nothing where there is none."""
        query = select(schema.audit.c.seq, schema.audit.c.hash).limit(1)
        last = self.select(query.order_by(schema.audit.c.seq.desc()))
        first = self.select(query.order_by(schema.audit.c.seq))
        return (last[0].seq, last[0].hash, first[0].hash) if last and first else (0, "", "")

    def close(self) -> None:
        """Let go of it."""
        if self._checkpointer is not None:
            self._checkpointer.close()
            self._checkpointer = None
        with suppress(SQLAlchemyError, AttributeError):
            self._connection.close()
        self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _locked_file(self) -> int:
        if not self.url.database or self.url.database == ":memory:":
            raise InputError("orders need a file, such as sqlite:///orders.db; memory survives nothing.")
        path = Path(self.url.database + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataError(f"{path} cannot be written: {reason(error)}; choose another folder.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise GateOpenError(
                f"a gate has {self.url.database} already; there is one at a time, and it ends with its process."
            ) from error
        return handle

    def _lock_server(self) -> None:
        with self._connection.begin():
            if not self._connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar():
                raise GateOpenError(f"a gate has {self.url} already; there is one at a time.")

    def _writer_of_kind(self) -> Writer:
        if self._lock is None:
            return ServerWriter(self._connection)
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return FileWriter(driver)

    def _used_ids(self) -> UsedIds:
        there = schema.child_orders.c.id
        with self._connection.begin():
            used = UsedIds(self._connection.execute(select(func.count(there))).scalar_one())
            used.add(self._connection.execute(select(there), execution_options={"yield_per": _AT_ONCE}).scalars())
        return used

    def _raise_epoch(self) -> int:
        holder = f"{socket.gethostname()}:{os.getpid()}"
        with self._connection.begin():
            row = self._connection.execute(select(schema.gate.c.epoch)).first()
            epoch = 1 if row is None else int(row.epoch) + 1
            if row is None:
                self._connection.execute(insert(schema.gate), {"one": 1, "epoch": epoch, "holder": holder})
            else:
                self._connection.execute(update(schema.gate).values(epoch=epoch, holder=holder))
        return epoch


def _prepare(connection: Any, _record: object) -> None:
    # Transactions are begun here, not by the driver, which begins them late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _said(error: Exception) -> str:
    return first_line(getattr(error, "orig", None) or error)
