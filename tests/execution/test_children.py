"""Children as columns, and back."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.execution.children import ChildOrders

TIMES = np.array(["2024-03-15T13:30", "2024-03-15T14:00", "2024-03-15T13:30"], dtype="datetime64[s]")
PARENTS = np.array(["A", "B", "C"])
MADE = ChildOrders(
    PARENTS,
    ("NYSE", "IEX"),
    np.array([0, 0, 2]),
    TIMES,
    np.array([10, 20, 5]),
    np.array([0, 1, 0]),
    np.array([1, 1, 4]),
)


def test_children_know_their_place():
    assert_array_equal(MADE.number, [0, 1, 0])
    assert_array_equal(MADE.totals(), [30, 0, 5])
    assert MADE.rows(2) == slice(2, 3)


def test_a_flat_table_both_ways():
    table = MADE.table()
    assert table.column("parent").to_pylist() == ["A", "A", "C"]
    assert table.column("algorithm").to_pylist() == ["VWAP", "VWAP", "AC"]
    assert str(table.schema.field("time").type) == "timestamp[s, tz=UTC]"
    again = ChildOrders.from_table(table, PARENTS)
    for name in ("parent", "time", "quantity", "venue", "algorithm"):
        assert_array_equal(getattr(again, name), getattr(MADE, name))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"columns of child orders have \[2, 3\] rows"):
        ChildOrders(PARENTS, ("X",), np.array([0, 1]), TIMES, np.ones(3), np.zeros(3), np.zeros(3))
    with pytest.raises(InputError, match="lacks venue"):
        ChildOrders.from_table(MADE.table().drop(["venue"]), PARENTS)
    with pytest.raises(InputError, match="child orders of 'C'"):
        ChildOrders.from_table(MADE.table(), PARENTS[:2])
    table = MADE.table()
    other = table.set_column(table.column_names.index("algorithm"), "algorithm", [["SNIPER"] * len(MADE)])
    with pytest.raises(InputError, match="algorithm 'SNIPER', which is not one of TWAP"):
        ChildOrders.from_table(other, PARENTS)
