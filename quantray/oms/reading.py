"""One moment of a database of orders, read by somebody who changes nothing and keeps no gate waiting."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import Pool

from quantray.errors import DataError, InputError, first_line
from quantray.oms import schema
from quantray.oms.database import connect
from quantray.oms.migrating import require_newest

__all__ = ["LogRow", "log_rows", "moment", "reader"]

LogRow = tuple[int, str, str | None, str]
"""Number, line, hash of the row before (None where it was not kept) and hash."""


@contextmanager
def moment(url: str) -> Iterator[Connection]:
    """A connection that sees one moment, and writes nothing.

    Raises
    ------
    InputError
        The address is none.
    DataError
        There is no such database, its tables are not those of this program, or it cannot be read.
    """
    engine = reader(url)
    name = engine.url.render_as_string() if engine.dialect.name != "sqlite" else url
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                require_newest(connection)
                yield connection
    except SQLAlchemyError as error:
        said = first_line(getattr(error, "orig", None) or error)
        raise DataError(f"the database {name} cannot be read: {said}.") from error
    finally:
        engine.dispose()


def log_rows(connection: Connection) -> Iterator[LogRow]:
    """The rows of the log, in their order, as they are needed."""
    it = schema.audit.c
    query = select(it.seq, it.line, it.previous, it.hash).order_by(it.seq)
    found = connection.execution_options(yield_per=2000).execute(query)
    for part in found.partitions():
        yield from map(tuple, part)


def reader(url: str, *, poolclass: type[Pool] | None = None) -> Engine:
    """A way to a database that is there, which cannot write where it is a file; raises as ``moment``."""
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise InputError(f"{url!r} is no address of a database: {first_line(error)}; see docs/orders.md.") from error
    if address.get_backend_name() != "sqlite":
        return connect(url, poolclass=poolclass)
    path = Path(address.database or "")
    if not path.is_file():
        raise DataError(f"there is no database {path}; name the one that the gate writes.")

    def opened() -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    engine = create_engine("sqlite://", creator=opened, poolclass=poolclass)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Any) -> None:
    # One moment for all that is read; not IMMEDIATE, which would keep the gate out.
    connection.exec_driver_sql("BEGIN")
