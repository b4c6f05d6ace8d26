"""What has ended, looked up in the database when somebody asks for it: a start reads what is open, and no more.

An order comes back with all of its executions, so that whatever is booked on it knows what was booked before.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Select, select, tuple_

from quantray.execution.orders import Side
from quantray.oms import schema
from quantray.oms.database import Database
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import NewOrder, Report, ReportKind, is_name
from quantray.oms.states import State

__all__ = ["Key", "Past"]

Key = tuple[str, str]
"""Venue and id there of an execution."""
Parent = tuple[str, str, str, int]
"""Account, symbol, side and quantity of an order that has parts."""

_MOST = 500
"""Names in one question."""
_ORDERS, _EXECUTIONS = schema.child_orders, schema.executions


class Past:
    """The orders of a database, by their names, their states and what they are parts of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def orders(self, names: Collection[str]) -> list[tuple[OrderRecord, list[Report]]]:
        """Those of some names that there are, with their executions as they were booked."""
        there = [name for name in names if is_name(name)]
        return self._whole([row for part in _parts(there) for row in self._rows(_ORDERS.c.id.in_(part))])

    def may_have(self, order: str) -> bool:
        """Whether there may be an order of an id; False where there surely is none, which costs no question."""
        return self._database.may_have(order)

    def in_states(self, states: Collection[State]) -> list[tuple[OrderRecord, list[Report]]]:
        """Those that are in one of some states."""
        return self._whole(self._rows(_ORDERS.c.state.in_([state.value for state in states])))

    def parts(self, parent: str) -> list[tuple[OrderRecord, list[Report]]]:
        """All that are parts of an order."""
        return self._whole(self._rows(_ORDERS.c.parent == parent)) if is_name(parent) else []

    def executed(self, keys: Collection[Key]) -> list[str]:
        """The orders of which some executions are, as far as there are any."""
        columns = tuple_(_EXECUTIONS.c.venue, _EXECUTIONS.c.exec_id)
        named = [key for key in keys if all(map(is_name, key))]
        found = (self._read(select(_EXECUTIONS.c.order).where(columns.in_(part))) for part in _parts(named))
        return [row.order for part in found for row in part]

    def parent(self, name: str) -> Parent | None:
        """An order that has parts; None where there is none of that name."""
        it = schema.parents.c
        if not is_name(name):
            return None
        rows = self._read(select(it.account, it.symbol, it.side, it.quantity).where(it.id == name))
        return (rows[0].account, rows[0].symbol, rows[0].side, rows[0].quantity) if rows else None

    def _rows(self, condition: Any) -> Sequence[Any]:
        return self._read(select(_ORDERS).where(condition))

    def _whole(self, rows: Iterable[Any]) -> list[tuple[OrderRecord, list[Report]]]:
        records = {row.id: (_record(row), list[Report]()) for row in rows}
        traded = [name for name, (record, _) in records.items() if record.route is not None]
        for part in _parts(traded):
            query = select(_EXECUTIONS).where(_EXECUTIONS.c.order.in_(part)).order_by(_EXECUTIONS.c.seq)
            for row in self._read(query):
                records[row.order][1].append(_report(row))
        return list(records.values())

    def _read(self, query: "Select[Any]") -> Sequence[Any]:
        return self._database.select(query)


def _parts(names: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(names)
    while part := list(islice(left, _MOST)):
        yield part


def _record(row: Any) -> OrderRecord:
    order = NewOrder(
        id=row.id,
        account=row.account,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        limit=row.limit,
        tif=row.tif,
        venue=row.venue,
        parent=row.parent,
        replaces=row.replaces,
    )
    return OrderRecord(
        order, row.pm, State(row.state), row.code, row.route, row.filled, row.price, row.heard, row.canceling
    )


def _report(row: Any) -> Report:
    return Report(
        kind=ReportKind(row.kind),
        order=row.order,
        venue=row.venue,
        exec_id=row.exec_id,
        refers=row.refers,
        quantity=row.quantity,
        price=row.price,
        fee=row.fee,
        time=row.time,
    )
