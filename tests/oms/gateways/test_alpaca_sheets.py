import json

import pytest
from pydantic import ValidationError

from quantray.oms.gateways.alpaca_sheets import (
    ORDER_LIST,
    POSITIONS,
    AlpacaOrder,
    exact_money,
    listed,
    set_aside,
    whole_shares,
)
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.gateways.sending import Reply
from quantray.oms.states import State


def order(status, filled="0"):
    return AlpacaOrder(
        id="x", client_order_id="a", status=status, filled_qty=filled, submitted_at="2024-03-28T13:30:00.123456789Z"
    )


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("pending_new", "0", State.ACKED),
        ("done_for_day", "5", State.PARTIAL),
        ("partially_filled", "5.00", State.PARTIAL),
        ("pending_cancel", "5", State.CANCEL_PENDING),
        ("replaced", "0", State.CANCELED),
        ("expired", "0", State.EXPIRED),
    ],
)
def test_states(status, filled, state):
    assert order(status, filled).state is state


def test_decimals_are_exact_or_refused():
    assert (whole_shares("12.000"), whole_shares("-3"), exact_money("0.0001")) == (12, -3, 1)
    for wrong in (lambda: whole_shares("0.1"), lambda: exact_money("0.00001")):
        with pytest.raises(UnsureError, match="Alpaca"):
            wrong()


def test_an_order_of_which_the_state_is_new_is_none():
    with pytest.raises(ValidationError, match="Alpaca calls order a 'wine', which is no state"):
        order("wine")


def test_what_is_none_keeps_nothing_else_away_and_is_kept_as_it_came():
    whole = {
        "id": "x",
        "client_order_id": "a",
        "status": "new",
        "filled_qty": "0",
        "submitted_at": "2024-03-28T13:30:00Z",
    }
    found = listed(ORDER_LIST, Reply("GET /", 200, json.dumps([whole | {"status": "wine"}, 7, whole]).encode()))
    assert [isinstance(one, AlpacaOrder) for one in found] == [False, False, True]
    named, nameless = (set_aside(one, {}) for one in found[:2])
    assert (named.order, "no state" in named.why, json.loads(named.raw)["status"]) == ("a", True, "wine")
    assert (nameless.order, nameless.raw) == ("", "7")
    assert set_aside({"order_id": "x"}, {"x": "a"}).order == "a"


def test_lists_are_lists():
    told = b'[{"symbol": "AAA", "qty": "5", "asset_class": "us_equity"}]'
    assert listed(POSITIONS, Reply("GET x", 200, told))[0].symbol == "AAA"
    for status, content in ((200, b"{}"), (200, b'[{"symbol": "AAA", "qty": 5}]'), (404, told)):
        with pytest.raises(UnsureError, match="ask again"):
            listed(POSITIONS, Reply("GET x", status, content))
