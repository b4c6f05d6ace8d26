"""Orders keep their promises: whole shares, exact prices, and JSON both ways."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from quantray.errors import InputError
from quantray.execution.orders import ChildOrder, ExecutionSchedule, Fill, Order, Side, read_json, to_json

TIME = datetime(2024, 3, 15, 14, 30, tzinfo=UTC)
ORDER = Order(id="1", symbol="IBM", side=Side.SELL, quantity=300, limit=Decimal("190.10"))
CHILD = ChildOrder(
    id="1-0", parent="1", time=TIME, quantity=300, venue="NYSE", algorithm="VWAP", limit=Decimal("190.10")
)
SCHEDULE = ExecutionSchedule(parent=ORDER, algorithm="VWAP", children=(CHILD,), expected_cost_bps=4.5, risk_bps=30.0)
FILL = Fill(id="x", child="1-0", time=TIME, quantity=100, price=Decimal("190.105"), venue="NYSE", fee=Decimal("-0.02"))


@pytest.mark.parametrize("value", [ORDER, CHILD, SCHEDULE, FILL], ids=lambda v: type(v).__name__)
def test_json_both_ways(value):
    assert read_json(type(value), to_json(value)) == value


def test_a_schedule_writes_itself():
    assert ExecutionSchedule.from_json(SCHEDULE.to_json()) == SCHEDULE
    assert '"limit":"190.10"' in SCHEDULE.to_json()


def test_sides_have_signs():
    assert [side.sign for side in Side] == [1, -1, -1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"quantity": 0}, "quantity 0 must be a positive whole number"),
        ({"quantity": -5}, "quantity -5"),
        ({"quantity": 2.0}, "quantity 2.0"),
        ({"limit": Decimal("190.105")}, "no multiple of the tick 0.01"),
        ({"limit": Decimal(-1)}, "must be positive"),
        ({"tick": Decimal(0)}, "tick 0"),
        ({"symbol": ""}, "needs an id, a symbol"),
    ],
)
def test_bad_orders_are_refused(change, told):
    with pytest.raises(InputError, match=told):
        replace(ORDER, **change)


@pytest.mark.parametrize(
    ("child", "told"),
    [
        (replace(CHILD, quantity=200), "sum to 200 of 300"),
        (replace(CHILD, parent="2"), "belongs to 2, not to 1"),
        (replace(CHILD, limit=Decimal("190.09")), "worse than 190.10"),
        (replace(CHILD, limit=None), "worse than 190.10"),
    ],
)
def test_children_fit_their_order(child, told):
    with pytest.raises(InputError, match=told):
        replace(SCHEDULE, children=(child,))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "the text"),
        (to_json(ORDER).replace('"symbol"', '"ticker"'), "symbol: Field required"),
        (to_json(ORDER)[:-1] + ',"more":1}', "more"),
        (to_json(ORDER).replace("300", '"300"'), "quantity"),
        (to_json(ORDER).replace("300", "-300"), "quantity -300"),
    ],
)
def test_other_json_is_refused(text, told):
    with pytest.raises(InputError, match=told):
        read_json(Order, text)


def test_times_have_a_zone_and_algorithms_a_name():
    with pytest.raises(InputError, match="no zone"):
        replace(CHILD, time=datetime(2024, 1, 2))
    with pytest.raises(InputError, match="'SNIPER' is not one of TWAP"):
        replace(CHILD, algorithm="SNIPER")
    with pytest.raises(InputError, match="the schedule of order 1: algorithm 'SNIPER' is not one of TWAP"):
        replace(SCHEDULE, algorithm="SNIPER")
    with pytest.raises(InputError, match="has no venue"):
        replace(CHILD, venue="")
    with pytest.raises(InputError, match="price 0"):
        replace(FILL, price=Decimal(0))
