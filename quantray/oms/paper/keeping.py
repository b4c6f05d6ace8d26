"""The paper book on disk: a SQLite file whose commits are on the disk before anybody is answered."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    CursorResult,
    Engine,
    Index,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    bindparam,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from quantray.errors import DataError, first_line

__all__ = ["Changes", "Keeping", "Kept"]

_VERSION = 1

_META = MetaData()
_ORDERS = Table(
    "orders",
    _META,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("side", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("limit", Integer),
    Column("tif", String, nullable=False),
    Column("venue", String, nullable=False),
    Column("parent", String),
    Column("replaces", String),
    Column("bar", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("left", Integer, nullable=False),
)
_REPORTS = Table(
    "reports",
    _META,
    Column("number", Integer, primary_key=True),
    # None while it is held back; the number that listeners see.
    Column("sequence", Integer, unique=True),
    Column("again", Boolean, nullable=False),
    Column("kind", String, nullable=False),
    Column("order", String, nullable=False),
    Column("venue", String, nullable=False),
    Column("exec_id", String, nullable=False),
    Column("refers", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", Integer, nullable=False),
    Column("fee", Integer, nullable=False),
    Column("filled", Integer, nullable=False),
    Column("time", String, nullable=False),
    Column("text", String, nullable=False),
    Column("bar", Integer, nullable=False),
    Column("taken", Boolean, nullable=False),
)
_FIRST_TIME = _REPORTS.c.again.is_(False) & (_REPORTS.c.exec_id != "")
Index("executed_once", _REPORTS.c.exec_id, unique=True, sqlite_where=_FIRST_TIME)
_VOIDS = Table("voids", _META, Column("id", String, primary_key=True))
_OPENINGS = Table(
    "openings",
    _META,
    Column("account", String, primary_key=True),
    # Cash stands under no symbol.
    Column("symbol", String, primary_key=True),
    Column("amount", Integer, nullable=False),
)
_FACTS = Table("facts", _META, Column("name", String, primary_key=True), Column("value", String, nullable=False))

Row = Mapping[str, Any]


def _text(statement: Insert | Update) -> str:
    """What the driver is told: of the time of a commit, SQLAlchemy's own share would be half."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


_ADDED_ORDERS, _ADDED_REPORTS, _ADDED_OPENINGS, _ADDED_VOIDS = (
    _text(insert(table)) for table in (_ORDERS, _REPORTS, _OPENINGS, _VOIDS)
)
_MOVED = _text(
    update(_ORDERS).where(_ORDERS.c.id == bindparam("of")).values(state=bindparam("to"), left=bindparam("rest"))
)
_NUMBERED = _text(update(_REPORTS).where(_REPORTS.c.number == bindparam("of")).values(sequence=bindparam("as_")))
_NEW_FACTS = sqlite.insert(_FACTS)
_NOTED = _text(_NEW_FACTS.on_conflict_do_update(index_elements=["name"], set_={"value": _NEW_FACTS.excluded.value}))


@dataclass
class Changes:
    """What one commit writes.

    Parameters
    ----------
    moved : rows ``of`` (order), ``to`` (state), ``rest`` (shares left).
    numbered : rows ``of`` (number of a report that was held back), ``as_`` (its sequence).
    """

    orders: list[Row] = field(default_factory=list)
    moved: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    numbered: list[Row] = field(default_factory=list)
    voids: list[str] = field(default_factory=list)
    openings: list[Row] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.orders, self.moved, self.reports, self.numbered, self.voids, self.openings, self.facts))


@dataclass(frozen=True)
class Kept:
    """All that is on disk; reports in the order in which they were written."""

    orders: Sequence[Row]
    reports: Sequence[Row]
    voids: frozenset[str]
    openings: Sequence[Row]
    facts: Mapping[str, str]


class Keeping:
    """The file of a book; one process at a time.

    Parameters
    ----------
    path : made where it is not there yet.

    Raises
    ------
    DataError
        It is no such file, of a newer version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        try:
            with self._engine.begin() as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                if version not in (0, _VERSION):
                    raise DataError(f"{path} is of version {version}; use the quantray that made it.")
                _META.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
            self._driver = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            _make_durable(self._driver)
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._engine.dispose()
            raise self._failed(error) from error

    def load(self) -> Kept:
        """What is there."""
        try:
            with self._engine.connect() as connection:
                orders, voids, openings, facts = (
                    _rows(connection.execute(select(table))) for table in (_ORDERS, _VOIDS, _OPENINGS, _FACTS)
                )
                reports = _rows(connection.execute(select(_REPORTS).order_by(_REPORTS.c.number)))
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        known = {row["name"]: row["value"] for row in facts}
        return Kept(orders, reports, frozenset(row["id"] for row in voids), openings, known)

    def commit(self, changes: Changes) -> None:
        """Write all of some changes, or nothing; they are on the disk when this returns.

        Raises
        ------
        DataError
            They could not be written, as where the disk is full.
        """
        rows: dict[str, Sequence[Row]] = {
            _ADDED_ORDERS: changes.orders,
            _ADDED_REPORTS: changes.reports,
            _ADDED_OPENINGS: changes.openings,
            _MOVED: changes.moved,
            _NUMBERED: changes.numbered,
            _ADDED_VOIDS: [{"id": name} for name in changes.voids],
            _NOTED: [{"name": name, "value": value} for name, value in changes.facts.items()],
        }
        cursor = self._driver.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            for statement, given in rows.items():
                if given:
                    cursor.executemany(statement, given)
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        finally:
            if self._driver.in_transaction:
                cursor.execute("ROLLBACK")
            cursor.close()

    def close(self) -> None:
        """Close the file."""
        self._driver.close()
        self._engine.dispose()

    def _failed(self, error: Exception) -> DataError:
        told = first_line(getattr(error, "orig", None) or error)
        return DataError(f"{self._path}: {told}; nothing was taken: free space, or put back a whole file.")


def _rows(found: CursorResult[Any]) -> list[Row]:
    # A day has tens of thousands of reports, and mappings of the library are slow.
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    event.listen(engine, "connect", lambda connection, _record: _make_durable(connection))
    return engine


def _make_durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
