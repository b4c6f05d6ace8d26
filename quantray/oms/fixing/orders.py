"""Orders, cancellations and questions as FIX 4.2 has them, and back.

A replacement is an order of its own, whose quantity (38) and fills begin anew, whatever the one before had filled.

Source: FIX Protocol, version 4.2 with errata 20010501, volume 4.
"""

from datetime import UTC, datetime
from types import MappingProxyType

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.fixing.fields import Fields, amount, field, read_amount, read_whole
from quantray.oms.messages import NewOrder, TimeInForce
from quantray.oms.wire import OrderSheet

__all__ = ["SIDES", "cancel_fields", "order_fields", "question_fields", "read_order"]

SIDES = MappingProxyType({Side.BUY: "1", Side.SELL: "2", Side.SELL_SHORT: "5"})
_SIDES_OF = {text: side for side, text in SIDES.items()}
_FORCES: dict[TimeInForce, str] = {"DAY": "0", "IOC": "3"}
_FORCES_OF = {text: force for force, text in _FORCES.items()}


def order_fields(order: NewOrder) -> Fields:
    """A new order, single (D), or a request to replace one (G); raises ``InputError`` where a name cannot travel."""
    OrderSheet.of(order)
    replaced = [] if order.replaces is None else [(41, order.replaces)]
    limit = [(40, "1")] if order.limit is None else [(40, "2"), (44, amount(order.limit))]
    return [
        (35, "D" if order.replaces is None else "G"),
        (11, order.id),
        *replaced,
        (1, order.account),
        (21, "1"),
        (100, order.venue),
        (55, order.symbol),
        (54, SIDES[order.side]),
        (60, _now()),
        (38, str(order.quantity)),
        *limit,
        (59, _FORCES[order.tif]),
    ]


def read_order(fields: Fields) -> NewOrder:
    """The order of a message; raises ``InputError`` where it is none that is taken here."""
    kind = field(fields, 40)
    if kind not in ("1", "2"):
        raise InputError(f"order type {kind!r} is not taken here; send 1 (market) or 2 (limit).")
    side, force = field(fields, 54), field(fields, 59, "0")
    if side not in _SIDES_OF or force not in _FORCES_OF:
        raise InputError(f"side {side!r} with the time in force {force!r} is not taken here; send 1, 2, 5 and 0 or 3.")
    order = NewOrder(
        id=field(fields, 11),
        account=field(fields, 1),
        symbol=field(fields, 55),
        side=_SIDES_OF[side],
        quantity=read_whole(field(fields, 38)),
        limit=read_amount(field(fields, 44)) if kind == "2" else None,
        tif=_FORCES_OF[force],
        venue=field(fields, 100, "NYSE"),
        replaces=field(fields, 41) if field(fields, 35) == "G" else None,
    )
    return OrderSheet.of(order).order()


def cancel_fields(order: NewOrder, request: str) -> Fields:
    """A request to cancel (F).

    Parameters
    ----------
    request : its own id.
    """
    OrderSheet.of(order)
    named = [(11, request), (41, order.id), (1, order.account), (55, order.symbol), (54, SIDES[order.side])]
    return [(35, "F"), *named, (60, _now()), (38, str(order.quantity))]


def question_fields(order: str, symbol: str, side: str) -> Fields:
    """A request for the status of an order (H).

    Parameters
    ----------
    side : as FIX has it.
    """
    return [(35, "H"), (11, order), (55, symbol), (54, side)]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
