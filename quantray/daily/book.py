"""The book of a day: the portfolio, the schedule of its trades, its risk and what led to them, checked as a whole."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantray.covariance.factor import FactorModel
from quantray.data.calendar import DEFAULT_EXCHANGE, clock
from quantray.errors import DataError
from quantray.storage.seals import from_parquet, to_parquet

__all__ = ["DOCUMENTS", "TABLES", "Book", "empty_table", "risk_of", "traded_by_session"]

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()

TABLES: Mapping[str, pa.Schema] = {
    "portfolio": pa.schema(
        [
            ("symbol", _TEXT),
            ("sector", _TEXT),
            ("price", _NUMBER),
            ("weight_before", _NUMBER),
            ("weight", _NUMBER),
            ("shares_before", _COUNT),
            ("shares", _COUNT),
        ]
    ),
    "parents": pa.schema(
        [
            ("parent", _TEXT),
            ("symbol", _TEXT),
            ("shares", _COUNT),
            ("algorithm", _TEXT),
            ("expected_cost", _NUMBER),
            ("expected_cost_bps", _NUMBER),
            ("risk", _NUMBER),
        ]
    ),
    "children": pa.schema(
        [
            ("parent", _TEXT),
            ("child", _TEXT),
            ("symbol", _TEXT),
            ("time", pa.timestamp("us", tz="UTC")),
            ("shares", _COUNT),
            ("venue", _TEXT),
            ("algorithm", _TEXT),
            ("limit", _NUMBER),
        ]
    ),
    "forecasts": pa.schema([("symbol", _TEXT), ("forecast", _NUMBER)]),
    "model": pa.schema(
        [
            ("symbol", _TEXT),
            ("specific_variance", _NUMBER),
            ("loadings", pa.large_list(_NUMBER)),
            ("cost", _NUMBER),
            ("price", _NUMBER),
            ("adv", _NUMBER),
            ("volatility", _NUMBER),
            ("spread_bps", _NUMBER),
        ]
    ),
}
"""What the tables of a book hold. Shares are signed, sales negative; prices, expected costs and risk in money of the
base currency; weights in fractions of NAV; limits NaN where an order has none. The model is of the risk of a day, with
uncorrelated factors of unit variance; its cost is a fraction of the money traded, and its volume (shares), volatility
(of a day) and whole spread are what impact is made of, NaN where nobody knows."""

DOCUMENTS = ("risk", "regimes", "attribution", "provenance")
"""What else a book tells, as JSON objects."""

_SLACK = 1e-6


@dataclass(frozen=True, eq=False)
class Book:
    """What was decided at the close of a day, and how it is to be reached.

    Parameters
    ----------
    as_of : the day whose close was known.
    portfolio : whose book it is.
    nav : money at that close.
    cash : fraction of NAV that is left once all is traded; negative where borrowed.
    tables : name -> table, as ``TABLES`` says.
    documents : name -> JSON object, of ``DOCUMENTS``.

    Raises
    ------
    DataError
        A table is missing or laid out otherwise, a number is missing, a symbol repeats, weights and cash do not sum to
        one, or the schedule does not trade what the portfolio changes.
    """

    as_of: date
    portfolio: str
    nav: float
    cash: float
    tables: Mapping[str, pa.Table]
    documents: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        where = f"the book of {self.portfolio} on {self.as_of}"
        if not (np.isfinite(self.nav) and self.nav > 0 and np.isfinite(self.cash)):
            raise DataError(f"{where} has a NAV of {self.nav} and cash of {self.cash}; both must be numbers of money.")
        _laid_out(self.tables, where)
        if set(self.documents) != set(DOCUMENTS):
            raise DataError(f"{where} has {', '.join(sorted(self.documents))}; it needs {', '.join(DOCUMENTS)}.")
        _check_portfolio(self.tables["portfolio"], self.cash, where)
        _check_schedule(self.tables, where)

    @property
    def version(self) -> str:
        """The day and a hash of all that the book holds, so that equal books have one name."""
        # What the tables say rather than their bytes, which depend on who wrote them.
        tables = {name: self.tables[name].to_pydict() for name in TABLES}
        said = json.dumps([self._about(), dict(self.documents), tables], default=str, sort_keys=True)
        return f"{self.as_of}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"

    def files(self) -> dict[str, bytes]:
        """File name -> content: the whole book, in the order in which it is read."""
        documents = {f"{name}.json": _json(self.documents[name]) for name in DOCUMENTS}
        tables = {f"{name}.parquet": to_parquet(self.tables[name], name) for name in TABLES}
        return {"about.json": _json(self._about()), **documents, **tables}

    def _about(self) -> dict[str, Any]:
        return {"as_of": str(self.as_of), "portfolio": self.portfolio, "nav": self.nav, "cash": self.cash}

    @classmethod
    def read(cls, files: Callable[[str], bytes]) -> "Book":
        """The book of what ``files`` gives for each name.

        Raises
        ------
        DataError
            A file is damaged or holds what no book does.
        """
        about = _object(files("about.json"), "about.json")
        tables = {}
        for name in TABLES:
            try:
                tables[name] = from_parquet(files(f"{name}.parquet"), name)
            except DataError as error:
                raise DataError(f"{name}.parquet {error}; publish the book again.") from error
        documents = {name: _object(files(f"{name}.json"), f"{name}.json") for name in DOCUMENTS}
        try:
            as_of, nav, cash = date.fromisoformat(about["as_of"]), float(about["nav"]), float(about["cash"])
            return cls(as_of, str(about["portfolio"]), nav, cash, tables, documents)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("about.json does not say whose book of which day it is; publish it again.") from error


def empty_table(name: str) -> pa.Table:
    """A table of a book without rows, such as the forecasts of a portfolio that needs none."""
    return TABLES[name].empty_table()


def traded_by_session(children: pa.Table, exchange: str = DEFAULT_EXCHANGE) -> list[dict[str, int]]:
    """Symbol -> shares that some slices trade, of each session, the first first."""
    # On the exchange's clock, where a session is of one date.
    local = pc.local_timestamp(children["time"].cast(pa.timestamp("us", tz=clock(exchange))))
    days = children.select(["symbol", "shares"]).append_column("day", local.cast(pa.date32()))
    found: dict[date, dict[str, int]] = {}
    for row in days.group_by(["day", "symbol"], use_threads=False).aggregate([("shares", "sum")]).to_pylist():
        found.setdefault(row["day"], {})[row["symbol"]] = row["shares_sum"]
    return [found[day] for day in sorted(found)]


def risk_of(table: pa.Table) -> FactorModel:
    """The model of risk of some rows of a book's model."""
    loadings = np.array(table["loadings"].to_pylist(), dtype=np.float64).reshape(table.num_rows, -1)
    return FactorModel(loadings, np.eye(loadings.shape[1]), table["specific_variance"].to_numpy())


def _laid_out(tables: Mapping[str, pa.Table], where: str) -> None:
    for name, schema in TABLES.items():
        if name not in tables:
            raise DataError(f"{where} has no {name}; give an empty table where there is nothing to tell.")
        if not tables[name].schema.equals(schema):
            raise DataError(f"{name} of {where} holds {tables[name].schema.names}, not {schema.names} of their types.")
    if more := set(tables) - set(TABLES):
        raise DataError(f"{where} has {', '.join(sorted(more))}, which no book holds.")


def _check_portfolio(table: pa.Table, cash: float, where: str) -> None:
    symbols = table["symbol"].to_pylist()
    if len(set(symbols)) != len(symbols):
        raise DataError(f"{where} names a symbol twice; add its weights up.")
    for name in ("price", "weight_before", "weight"):
        known = np.isfinite(table[name].to_numpy())
        if not known.all():
            raise DataError(f"{name} of {symbols[int(np.argmin(known))]} in {where} is missing.")
    if any(table[name].null_count for name in ("shares", "shares_before")):
        raise DataError(f"{where} holds positions without a number of shares.")
    total = float(table["weight"].to_numpy().sum()) + cash
    if abs(total - 1) > _SLACK:
        raise DataError(f"weights and cash of {where} sum to {total:.6f}; cash is what is left, so they must to 1.")


def _check_schedule(tables: Mapping[str, pa.Table], where: str) -> None:
    portfolio, parents, children = (tables[name] for name in ("portfolio", "parents", "children"))
    change = pc.subtract(portfolio["shares"], portfolio["shares_before"])
    wanted = {s: n for s, n in zip(portfolio["symbol"].to_pylist(), change.to_pylist(), strict=True) if n}
    ordered: dict[str, int] = {}
    for symbol, shares in zip(parents["symbol"].to_pylist(), parents["shares"].to_pylist(), strict=True):
        ordered[symbol] = ordered.get(symbol, 0) + shares
    if ordered != wanted:
        wrong = sorted(s for s in ordered.keys() | wanted.keys() if ordered.get(s) != wanted.get(s))
        raise DataError(
            f"{where} changes {wanted.get(wrong[0], 0)} shares of {wrong[0]} and orders {ordered.get(wrong[0], 0)}; "
            "schedule what the portfolio trades."
        )
    sliced = children.group_by("parent").aggregate([("shares", "sum")])
    of_children = dict(zip(sliced["parent"].to_pylist(), sliced["shares_sum"].to_pylist(), strict=True))
    of_parents = dict(zip(parents["parent"].to_pylist(), parents["shares"].to_pylist(), strict=True))
    if len(of_parents) != parents.num_rows or of_children != of_parents:
        raise DataError(f"the children of {where} do not add up to their parents; slice every order whole.")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False).encode()


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is no JSON; publish the book again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{name} is no JSON object; publish the book again.")
    return found
