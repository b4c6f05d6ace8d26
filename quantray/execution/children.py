"""Thousands of child orders as columns; objects one order at a time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Dates, Int, Names
from quantray.errors import InputError
from quantray.execution.orders import ALGORITHMS

__all__ = ["ChildOrders"]


@dataclass(frozen=True, eq=False)
class ChildOrders:
    """(C,) child orders of (P,) parents, ordered by parent and then by time.

    Raises
    ------
    InputError
        Columns differ in length.
    """

    parents: Names
    """(P,) ids."""
    venues: tuple[str, ...]
    parent: Int
    """(C,) positions in ``parents``."""
    time: Dates
    """(C,) UTC."""
    quantity: Int
    """(C,) shares, positive."""
    venue: Int
    """(C,) positions in ``venues``."""
    algorithm: Int
    """(C,) positions in ``orders.ALGORITHMS``."""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.parent, self.time, self.quantity, self.venue, self.algorithm)}
        if len(lengths) != 1:
            raise InputError(f"columns of child orders have {sorted(lengths)} rows; give one value for each child.")

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def number(self) -> Int:
        """(C,) place of each child among those of its parent."""
        first = np.searchsorted(self.parent, self.parent, side="left")
        return np.asarray(np.arange(len(self)) - first)

    def totals(self) -> Int:
        """(P,) shares of all children of each parent."""
        return np.bincount(self.parent, weights=self.quantity, minlength=len(self.parents)).astype(np.int64)

    def rows(self, parent: int) -> slice:
        """Where the children of a parent stand."""
        first, last = np.searchsorted(self.parent, [parent, parent + 1])
        return slice(int(first), int(last))

    def table(self) -> pa.Table:
        """Columns parent, number, time, quantity, venue, algorithm; a child is known by its parent and its number."""
        return pa.table(
            {
                "parent": _named(self.parent, self.parents.tolist()),
                "number": pa.array(self.number),
                "time": pa.array(self.time.astype("datetime64[s]"), pa.timestamp("s", tz="UTC")),
                "quantity": pa.array(self.quantity),
                "venue": _named(self.venue, list(self.venues)),
                "algorithm": _named(self.algorithm, list(ALGORITHMS)),
            }
        )

    @classmethod
    def from_table(cls, table: pa.Table, parents: Names) -> "ChildOrders":
        """What ``table`` wrote.

        Parameters
        ----------
        parents : (P,) ids of all orders, in order.

        Raises
        ------
        InputError
            A column is missing, a child's parent is not among the orders, or its algorithm is unknown.
        """
        wanted = ("parent", "number", "time", "quantity", "venue", "algorithm")
        if missing := [name for name in wanted if name not in table.column_names]:
            raise InputError(f"the table of child orders lacks {', '.join(missing)}.")
        place = {name: i for i, name in enumerate(parents.tolist())}
        names = {name: table.column(name).to_pylist() for name in ("parent", "venue", "algorithm")}
        if unknown := [name for name in names["parent"] if name not in place]:
            raise InputError(f"child orders of {unknown[0]!r}, which is no order; give the orders that they belong to.")
        if strange := [name for name in names["algorithm"] if name not in ALGORITHMS]:
            raise InputError(f"child orders of algorithm {strange[0]!r}, which is not one of {', '.join(ALGORITHMS)}.")
        venues = tuple(dict.fromkeys(names["venue"]))
        return cls(
            parents,
            venues,
            np.array([place[name] for name in names["parent"]], dtype=np.int64),
            table.column("time").to_numpy().astype("datetime64[s]"),
            table.column("quantity").to_numpy().astype(np.int64),
            np.array([venues.index(name) for name in names["venue"]], dtype=np.int64),
            np.array([ALGORITHMS.index(name) for name in names["algorithm"]], dtype=np.int64),
        )


def _named(codes: Int, names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))
