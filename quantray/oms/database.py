"""The database behind the gate: opened by one at a time, written in groups, and read back whole.

SQLite in a file (WAL, synchronous FULL) or PostgreSQL by URL; the same tables and the same statements. A lock keeps a
second gate out, and an epoch, raised by every gate that opens and named in every transaction, stops one that lost it.
"""

import fcntl
import json
import os
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, delete, event, insert, select, text, update
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from quantray.errors import DataError, InputError, QuantrayError, first_line, reason
from quantray.oms import schema
from quantray.oms.migrating import upgrade

__all__ = ["Database", "FencedError", "GateOpenError", "Rows", "StoreError", "connect"]

_TABLES = tuple(schema.metadata.sorted_tables)

_LOCK = 7_305_818
"""Of PostgreSQL's advisory locks, the gate's."""

Row = Mapping[str, Any]
Key = tuple[Any, ...]


class GateOpenError(QuantrayError):
    """Another gate has the database."""


class FencedError(QuantrayError):
    """Another gate took the database over; this one writes nothing more."""


class StoreError(QuantrayError):
    """The database did not take what was to be written: nothing of it counts."""


@dataclass(slots=True)
class Rows:
    """What one transaction writes: rows that are new, rows as they are now, and rows that go; the last word counts."""

    added: dict[Table, list[Row]] = field(default_factory=lambda: defaultdict(list))
    written: dict[Table, dict[Key, Row]] = field(default_factory=lambda: defaultdict(dict))
    dropped: dict[Table, dict[Key, Row]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, table: Table, row: Row) -> None:
        """A row of which there is none yet."""
        self.added[table].append(row)

    def put(self, table: Table, row: Row) -> None:
        """A row, whether there is one of its key or not."""
        key = _key(table, row)
        self.dropped[table].pop(key, None)
        self.written[table][key] = row

    def drop(self, table: Table, row: Row) -> None:
        """A row that is there no more; its key is enough."""
        key = _key(table, row)
        self.written[table].pop(key, None)
        self.dropped[table][key] = row


def connect(url: str) -> Engine:
    """A way to a database, ``sqlite:///FILE`` or ``postgresql+DRIVER://...``.

    Raises
    ------
    InputError
        The address is none, or of another kind of database.
    """
    try:
        engine = create_engine(url, pool_pre_ping=url.startswith("postgresql"))
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
        try:
            self._lock = self._locked_file() if self._engine.dialect.name == "sqlite" else None
            self._connection = self._engine.connect()
            if self._lock is None:
                self._lock_server()
            with self._connection.begin():
                upgrade(self._connection)
            self.epoch = self._raise_epoch()
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
        try:
            with self._transaction() as connection:
                # Rows before those that refer to them, and the other way when they go.
                for table in _TABLES:
                    if added := rows.added.get(table):
                        self._add(connection, table, added)
                    if written := rows.written.get(table):
                        self._add(connection, table, list(written.values()), over=True)
                for table in reversed(_TABLES):
                    if dropped := rows.dropped.get(table):
                        self._drop(connection, table, list(dropped))
        except (SQLAlchemyError, OverflowError) as error:
            raise StoreError(f"nothing was written to {self.url}: {_said(error)}.") from error

    def read(self, table: Table, order_by: str | None = None) -> Iterator[Any]:
        """All rows of a table."""
        query = select(table) if order_by is None else select(table).order_by(table.c[order_by])
        with self._connection.begin():
            yield from self._connection.execute(query).all()

    def last_audit(self) -> tuple[int, str, str]:
        """Number and hash of the newest row of the log, and hash of the first; 0 and nothing where there is none."""
        query = select(schema.audit.c.seq, schema.audit.c.hash).limit(1)
        with self._connection.begin():
            last = self._connection.execute(query.order_by(schema.audit.c.seq.desc())).first()
            first = self._connection.execute(query.order_by(schema.audit.c.seq)).first()
        return (0, "", "") if last is None or first is None else (last.seq, last.hash, first.hash)

    def close(self) -> None:
        """Let go of it."""
        with suppress(SQLAlchemyError, AttributeError):
            self._connection.close()
        self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._connection.begin():
            mine = update(schema.gate).where(schema.gate.c.epoch == self.epoch).values(epoch=self.epoch)
            if self._connection.execute(mine).rowcount != 1:
                raise FencedError(f"another gate took {self.url} over; this one has stopped.")
            yield self._connection

    def _add(self, connection: Connection, table: Table, rows: Sequence[Row], *, over: bool = False) -> None:
        """Insert rows, ``over`` those of their keys: in one statement, since thousands come in a second."""
        conflict = _conflict(table) if over else ""
        if self._engine.dialect.name == "postgresql":
            connection.execute(text(_recordset(table) + conflict), {"rows": json.dumps(rows)})
        else:
            values = itemgetter(*_names(table))
            connection.exec_driver_sql(_inserted(table) + conflict, [values(row) for row in rows])

    def _drop(self, connection: Connection, table: Table, keys: Sequence[Key]) -> None:
        columns = list(table.primary_key)
        named = [column == bindparam(f"key_{i}") for i, column in enumerate(columns)]
        connection.execute(delete(table).where(*named), [{f"key_{i}": k for i, k in enumerate(key)} for key in keys])

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


def _key(table: Table, row: Row) -> Key:
    return tuple(row[name] for name in _names_of_key(table))


@cache
def _names_of_key(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@cache
def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


@cache
def _inserted(table: Table) -> str:
    names = _names(table)
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table.name} ({quoted}) VALUES ({', '.join('?' * len(names))})"


@cache
def _recordset(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in _names(table))
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table.name}, :rows)"


@cache
def _conflict(table: Table) -> str:
    keys = _names_of_key(table)
    others = [name for name in _names(table) if name not in keys]
    named = ", ".join(f'"{key}"' for key in keys)
    if not others:
        return f" ON CONFLICT ({named}) DO NOTHING"
    return f" ON CONFLICT ({named}) DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in others)


def _prepare(connection: Any, _record: object) -> None:
    # Transactions are begun here, not by the driver, which begins them late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _said(error: Exception) -> str:
    return first_line(getattr(error, "orig", None) or error)
