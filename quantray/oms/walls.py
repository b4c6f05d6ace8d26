"""What one portfolio manager sees of a database of orders: other rows are not there, whatever is asked for.

On PostgreSQL the role ``quantray_pm`` reads, whose row-level policies a migration made; on SQLite views take the
tables' place for one connection, and nothing but they can read the tables themselves. A statement without a condition
finds what its manager may see; of tables that are not named here, nothing.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from quantray.errors import DataError, first_line
from quantray.oms.migrating import newest
from quantray.oms.reading import reader

__all__ = ["DERIVED", "EVERYBODYS", "VISIBLE", "behind_wall"]

_MINE = "pm = principal()"
_ACCOUNT = "account IN (SELECT id FROM main.accounts WHERE pm = principal())"
VISIBLE = {
    "accounts": _MINE,
    "allocations": _ACCOUNT,
    "blocks": _MINE,
    "child_orders": _MINE,
    "demands": _ACCOUNT,
    "executions": '"order" IN (SELECT id FROM main.child_orders WHERE pm = principal())',
    "limits": "(scope = 'pm' AND key = principal()) OR (scope = 'account' AND EXISTS (SELECT 1 FROM main.accounts a "
    "WHERE a.pm = principal() AND substr(main.limits.key, 1, length(a.id) + 1) = a.id || ':'))",
    "positions": _ACCOUNT,
    "restrictions": f"account = '' OR {_ACCOUNT}",
}
"""Tables that a portfolio manager may read, and which of their rows: on SQLite; the policies of PostgreSQL are in
migrations."""

DERIVED = frozenset({"reservations"})
"""Views that a manager may read, of the rows that these leave."""

EVERYBODYS = frozenset({"instruments", "sessions"})
"""Tables that hold nothing of anybody's."""

_ROLE = "quantray_pm"
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_TRANSACTION})


@contextmanager
def behind_wall(url: str, pm: str) -> Iterator[Connection]:
    """A connection that sees one moment of what a portfolio manager may see, and writes nothing.

    Raises
    ------
    DataError
        There is no such database, its tables are not those of this program, it has no walls, or it cannot be read.
    """
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                _require_version(connection)
                _wall_in(connection, pm)
                yield connection
    except SQLAlchemyError as error:
        said = first_line(getattr(error, "orig", None) or error)
        raise DataError(f"the database of orders cannot be read behind its walls: {said}.") from error


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    # Nothing of a connection is left for the next one, who may be somebody else.
    return reader(url, poolclass=NullPool)


def _require_version(connection: Connection) -> None:
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != _newest():
        raise DataError(f"the database of orders has tables of version {found}, not {_newest()}; open a gate.")


@lru_cache(maxsize=1)
def _newest() -> str:
    return newest()


def _wall_in(connection: Connection, pm: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL ROLE {_ROLE}"))
        connection.execute(text("SELECT set_config('quantray.pm', :pm, true)"), {"pm": pm})
        return
    driver: Any = connection.connection.driver_connection
    driver.create_function("principal", 0, lambda: pm)
    # What a statement names itself (WITH) reads as a view of that name: those that may read have names that none knows.
    walls = {table: f"wall_{secrets.token_hex(16)}" for table in VISIBLE}
    for table, wall in walls.items():
        driver.execute(f"CREATE TEMP VIEW {wall} AS SELECT * FROM main.{table} WHERE {VISIBLE[table]}")
        driver.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {wall}")
    for view in DERIVED:
        query = "SELECT sql FROM main.sqlite_master WHERE type = 'view' AND name = ?"
        (made,) = driver.execute(query, (view,)).fetchone()
        # The orders of which it is are those of the view above by now.
        driver.execute(made.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))
    driver.set_authorizer(_authorizer(frozenset(walls.values())))


def _authorizer(walls: frozenset[str]) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    """Whether a statement may do something: tables are read by the views of these names alone."""

    def authorized(action: int, first: str | None, _second: str | None, place: str | None, inside: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            # A view's own columns are read of the place of views.
            seen = place == "temp" and (first in VISIBLE or first in DERIVED or first in walls)
            allowed = first in EVERYBODYS or seen or inside in walls
        else:
            allowed = action in _ALLOWED
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorized
