"""Rows that a database of orders holds, for tests of what writes them."""

from typing import Any

from sqlalchemy import Table

from quantray.oms import schema
from quantray.oms.audit import AuditRow
from quantray.oms.database import Database
from quantray.oms.writing import Rows

SYMBOL = {"symbol": "AAA", "tick": 100, "lot": 1, "mark": 5}
POSITION = {"account": "A1", "symbol": "AAA", "shares": 7}
ACCOUNT = {"id": "A1", "pm": "ann", "cash": -(2**60), "may_short": True}

Given = tuple[Table, dict[str, Any]]


def rows(*added: Given, put: tuple[Given, ...] = (), drop: tuple[tuple[Any, ...], ...] = ()) -> Rows:
    """Rows to write: new ones, ones that may be there, and tables with keys of those that go."""
    made = Rows()
    for table, row in added:
        made.add(table, row)
    for table, row in put:
        made.put(table, row)
    for table, *key in drop:
        made.drop(table, *key)
    return made


def logged(*lines: AuditRow) -> Rows:
    """Rows of the log to write."""
    made = Rows()
    for line in lines:
        made.add_values(schema.audit, line)
    return made


def content(database: Database, table: Table) -> list[dict[str, Any]]:
    """What is in a table."""
    return [dict(row._mapping) for row in database.read(table)]
