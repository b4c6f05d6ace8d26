from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_trades import ADV, DAY, PRICE, SHARES, SYMBOLS, schedule, wanted

from quantray.errors import InputError
from quantray.execution.day_orders import AT_CLOSE, CHILDREN, PARENTS, day_orders
from quantray.execution.trade_list import PlanTerms


def test_every_order_is_there_with_its_reason_and_its_children_sum_to_it():
    made = schedule().orders
    assert (made.parents.schema, made.children.schema) == (PARENTS, CHILDREN)
    parents = made.parents.to_pylist()
    assert [row["symbol"] for row in parents] == SYMBOLS.tolist()
    assert [row["algorithm"] for row in parents] == ["TWAP", "VWAP", "AC", "IS", AT_CLOSE]
    assert [row["days"] for row in parents] == [1, 1, 2, 1, 1]
    assert parents[1]["reason"].startswith("0.5% to 5.0% of a day's volume (2.00% of a day's volume")
    sums = made.children.group_by("parent", use_threads=False).aggregate([("shares", "sum")])
    assert dict(zip(*(sums[name].to_pylist() for name in ("parent", "shares_sum")), strict=True)) == {
        f"{DAY}-{name}": shares for name, shares in zip(SYMBOLS.tolist(), SHARES.tolist(), strict=True)
    }
    value = np.abs(SHARES) * PRICE
    assert_allclose(made.parents["value"], value)
    assert_allclose(made.parents["volume_share"].to_numpy()[:4], np.abs(SHARES[:4]) / ADV[:4])
    assert_allclose(
        made.parents["expected_cost"], made.parents["expected_cost_bps"].to_numpy() * 1e-4 * np.abs(SHARES) * PRICE
    )


def test_venues_are_told_by_their_share_and_limits_are_none():
    made = schedule().orders
    first = made.parents["venues"].to_pylist()[2]
    shares = [float(part.split()[1].rstrip("%")) for part in first.split(", ")]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=3)
    assert np.isnan(made.children["limit"].to_numpy()).all()


def test_what_has_no_volume_is_one_child_at_the_close():
    made = schedule().orders
    (last,) = (row for row in made.children.to_pylist() if row["symbol"] == "DARK")
    assert (last["child"], last["shares"], last["venue"]) == (f"{DAY}-DARK-1", 300, "primary")
    assert last["time"].isoformat() == "2024-03-15T20:00:00+00:00"
    assert made.at_close == 1
    assert made.parents["expected_cost"].to_pylist()[-1] == pytest.approx(300 * 5 * 50e-4)
    alone = day_orders(wanted([0, 0, 0, 0, 300]), DAY, PlanTerms())
    assert alone.plan is None
    assert alone.parents.num_rows == alone.children.num_rows == 1


def test_nothing_to_trade_is_no_order():
    made = day_orders(wanted(np.zeros(5, dtype=np.int64)), DAY, PlanTerms())
    assert (made.parents.num_rows, made.children.num_rows, made.plan) == (0, 0, None)
    assert_array_equal(made.parents.schema.names, PARENTS.names)


def test_a_name_without_a_price_is_refused():
    with pytest.raises(InputError, match="1 names to trade have no price, such as USUAL"):
        day_orders(replace(wanted(), price=np.array([50, np.nan, 80, 10, 5.0])), DAY, PlanTerms())
