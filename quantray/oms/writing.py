"""The rows of one transaction, and how each kind of database takes them: many in a statement, in the tables' order.

What a statement costs beyond its rows is paid once for up to ``_MOST`` of them. SQLite is spoken to by its driver: of
the time of a small group, SQLAlchemy's own share would be half.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Connection, Table, bindparam, delete, text, update

from quantray.oms import schema

__all__ = ["FileWriter", "Rows", "ServerWriter", "Values", "Writer"]

_TABLES = tuple(schema.metadata.sorted_tables)

_MOST = 64
"""Rows in a statement of SQLite."""

Row = Mapping[str, Any]
Values = tuple[Any, ...]
Key = tuple[Any, ...]


@dataclass(slots=True)
class Rows:
    """What one transaction writes: rows that are new, rows as they are now, and rows that go; the last word counts.

    All are kept as values in the order of the table's columns; of those that go, their keys.
    """

    added: dict[Table, list[Values]] = field(default_factory=lambda: defaultdict(list))
    written: dict[Table, dict[Key, Values]] = field(default_factory=lambda: defaultdict(dict))
    dropped: dict[Table, set[Key]] = field(default_factory=lambda: defaultdict(set))

    def count(self) -> int:
        """How many rows are new or as they are now."""
        return sum(map(len, self.added.values())) + sum(map(len, self.written.values()))

    def add(self, table: Table, row: Row) -> None:
        """A row of which there is none yet."""
        self.add_values(table, _values(table)(row))

    def put(self, table: Table, row: Row) -> None:
        """A row, whether there is one of its key or not."""
        self.put_values(table, _values(table)(row))

    def add_values(self, table: Table, values: Values) -> None:
        """As ``add``, values in the order of the columns."""
        self.added[table].append(values)

    def put_values(self, table: Table, values: Values) -> None:
        """As ``put``, values in the order of the columns, of which those of the key are the first."""
        key = values[: len(_names_of_key(table))]
        self.dropped[table].discard(key)
        self.written[table][key] = values

    def drop(self, table: Table, *key: Any) -> None:
        """A row of a key that is there no more."""
        self.written[table].pop(key, None)
        self.dropped[table].add(key)


class Writer(Protocol):
    """Writes groups into one kind of database."""

    def write(self, rows: Rows, epoch: int) -> bool:
        """Write all of it or nothing, on disk at the return; False where ``epoch`` is not the newest, and nothing is.

        Raises what the driver raises; nothing was written then.
        """


class FileWriter:
    """Writes into SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, rows: Rows, epoch: int) -> bool:
        """See ``Writer``."""
        cursor = self._connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            # From here nobody else writes, so what is read now is so until the commit.
            if cursor.execute("SELECT epoch FROM gate").fetchone() != (epoch,):
                return False
            for table, added, over in _in_order(rows):
                _insert(cursor, table, added, over=over)
            for table, keys in _out_of_order(rows):
                cursor.executemany(_deleted(table), keys)
            cursor.execute("COMMIT")
            return True
        finally:
            if self._connection.in_transaction:
                cursor.execute("ROLLBACK")
            cursor.close()


class ServerWriter:
    """Writes into PostgreSQL."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, rows: Rows, epoch: int) -> bool:
        """See ``Writer``."""
        connection = self._connection
        with connection.begin():
            mine = update(schema.gate).where(schema.gate.c.epoch == epoch).values(epoch=epoch)
            if connection.execute(mine).rowcount != 1:
                return False
            for table, added, over in _in_order(rows):
                statement = text(_recordset(table) + (_conflict(table) if over else ""))
                named = [dict(zip(_names(table), row, strict=True)) for row in added]
                connection.execute(statement, {"rows": json.dumps(named)})
            for table, keys in _out_of_order(rows):
                keyed = [column == bindparam(f"key_{i}") for i, column in enumerate(table.primary_key)]
                given = [{f"key_{i}": part for i, part in enumerate(key)} for key in keys]
                connection.execute(delete(table).where(*keyed), given)
        return True


def _in_order(rows: Rows) -> Iterator[tuple[Table, Sequence[Values], bool]]:
    """Rows before those that refer to them, and whether they go over those of their keys."""
    for table in _TABLES:
        if added := rows.added.get(table):
            yield table, added, False
        if written := rows.written.get(table):
            yield table, list(written.values()), True


def _out_of_order(rows: Rows) -> Iterator[tuple[Table, Collection[Key]]]:
    """Keys of what goes: the other way round."""
    for table in reversed(_TABLES):
        if dropped := rows.dropped.get(table):
            yield table, dropped


def _insert(cursor: sqlite3.Cursor, table: Table, rows: Sequence[Values], *, over: bool) -> None:
    # Powers of two, so that few statements are ever prepared.
    start, count = 0, len(rows)
    while left := count - start:
        size = min(1 << (left.bit_length() - 1), _MOST)
        cursor.execute(_inserted(table, size, over), list(chain.from_iterable(rows[start : start + size])))
        start += size


@cache
def _names_of_key(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@cache
def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


@cache
def _values(table: Table) -> "itemgetter[Any]":
    return itemgetter(*_names(table))


@cache
def _inserted(table: Table, rows: int, over: bool) -> str:
    names = _names(table)
    quoted = ", ".join(f'"{name}"' for name in names)
    row = f"({', '.join('?' * len(names))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO {table.name} ({quoted}) VALUES {values}" + (_conflict(table) if over else "")


@cache
def _recordset(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in _names(table))
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table.name}, :rows)"


@cache
def _deleted(table: Table) -> str:
    return f"DELETE FROM {table.name} WHERE " + " AND ".join(f'"{key}" = ?' for key in _names_of_key(table))


@cache
def _conflict(table: Table) -> str:
    keys = _names_of_key(table)
    others = [name for name in _names(table) if name not in keys]
    named = ", ".join(f'"{key}"' for key in keys)
    if not others:
        return f" ON CONFLICT ({named}) DO NOTHING"
    return f" ON CONFLICT ({named}) DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in others)
