import pytest

from quantray.oms.gateways.alpaca_sheets import POSITIONS, AlpacaOrder, exact_money, listed, whole_shares
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
    for wrong in (lambda: whole_shares("0.1"), lambda: exact_money("0.00001"), lambda: order("wine").state):
        with pytest.raises(UnsureError, match="Alpaca"):
            wrong()


def test_lists_are_lists():
    told = b'[{"symbol": "AAA", "qty": "5", "asset_class": "us_equity"}]'
    assert listed(POSITIONS, Reply("GET x", 200, told))[0].symbol == "AAA"
    for status, content in ((200, b"{}"), (200, b'[{"symbol": "AAA", "qty": 5}]'), (404, told)):
        with pytest.raises(UnsureError, match="ask again"):
            listed(POSITIONS, Reply("GET x", status, content))
