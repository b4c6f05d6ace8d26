"""Books as JSON and as Arrow, made once for each version."""

import json
import math
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantray.serving.follower import Served
from quantray.serving.what_ifs.scheduling import Scheduling

__all__ = ["FILTERS", "arrow", "chosen", "document", "forecasts", "portfolio", "schedule", "scheduled"]

FILTERS = ("symbol", "algorithm", "venue", "parent")
"""Columns of a schedule that a request may ask for one value of."""


@lru_cache(maxsize=32)
def portfolio(served: Served) -> bytes:
    """The portfolio as JSON."""
    book = served.book
    about = {"portfolio": book.portfolio, "nav": book.nav, "cash": book.cash}
    return _json(served, about | {"positions": _rows(book.tables["portfolio"])})


@lru_cache(maxsize=32)
def forecasts(served: Served) -> bytes:
    """The forecasts as JSON."""
    return _json(served, {"forecasts": _rows(served.book.tables["forecasts"])})


@lru_cache(maxsize=32)
def document(served: Served, name: str) -> bytes:
    """A document as JSON."""
    return _json(served, {"content": served.book.documents[name]})


def schedule(served: Served, table: str, found: pa.Table, offset: int, limit: int) -> bytes:
    """A page of the schedule as JSON."""
    about = {"table": table, "total": found.num_rows, "offset": offset}
    return _json(served, about | {table: _rows(found.slice(offset, limit))})


def scheduled(served: Served, found: Scheduling) -> bytes:
    """A schedule that was asked for, as JSON."""
    more = zip(found.days.tolist(), found.reasons, strict=True)
    parents = [row | {"days": d, "reason": r} for row, (d, r) in zip(_rows(found.parents), more, strict=True)]
    about = {"session": str(found.session), "expected_cost": found.cost, "expected_cost_bps": found.cost_bps}
    return _json(served, about | {"risk": found.risk, "parents": parents, "children": _rows(found.children)})


def chosen(served: Served, table: str, wanted: dict[str, str]) -> pa.Table:
    """The rows of a schedule's table with the values that were asked for."""
    found = served.book.tables["parents" if table == "parents" else "children"]
    for name, value in wanted.items():
        if name in found.column_names:
            found = found.filter(pc.equal(found[name], value))
    return found if table != "slots" else _slots(found, served.book.tables["portfolio"])


def _slots(children: pa.Table, portfolio: pa.Table) -> pa.Table:
    """What slices buy and sell at each moment, in money."""
    place = pc.index_in(children["symbol"], portfolio["symbol"])
    money = pc.multiply(portfolio["price"].take(place), pc.cast(children["shares"], pa.float64()))
    sides = pa.table(
        {
            "time": children["time"],
            "bought": pc.max_element_wise(money, 0.0),
            "sold": pc.negate(pc.min_element_wise(money, 0.0)),
        }
    )
    summed = sides.group_by("time", use_threads=False).aggregate([("bought", "sum"), ("sold", "sum")])
    return summed.rename_columns(["time", "bought", "sold"]).sort_by("time")


def arrow(served: Served, table: pa.Table) -> bytes:
    """A table as an Arrow stream that says of which book it is."""
    about = {"as_of": str(served.book.as_of), "version": served.version}
    noted = table.replace_schema_metadata({"quantray": json.dumps(about)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, noted.schema) as stream:
        stream.write_table(noted)
    return bytes(sink.getvalue())


def _json(served: Served, content: dict[str, Any]) -> bytes:
    about = {"as_of": str(served.book.as_of), "version": served.version}
    return json.dumps(about | content, allow_nan=False).encode()


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    """A value as JSON has it; a number that is none as nothing."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value
