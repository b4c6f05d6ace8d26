"""What the log says of a new order, by hand as by the encoder of JSON."""

import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from quantray.execution.orders import Side
from quantray.oms.audit import Chain
from quantray.oms.changes import Actor, Changes
from quantray.oms.ledger import OrderRecord
from quantray.oms.messages import NewOrder
from quantray.oms.states import State

TEXTS = st.text(st.characters(categories=None) | st.sampled_from('"\\/\n\x00\x7fé\u2028😀'), max_size=12)
ORDERS = st.builds(
    NewOrder,
    id=TEXTS,
    account=TEXTS,
    symbol=TEXTS,
    side=st.sampled_from(Side),
    quantity=st.integers(),
    limit=st.none() | st.integers(),
    tif=st.sampled_from(["DAY", "IOC"]),
    venue=TEXTS,
    parent=st.none() | TEXTS,
    replaces=st.none() | TEXTS,
)
RECORDS = st.builds(
    OrderRecord,
    ORDERS,
    TEXTS,
    st.sampled_from([State.RESERVED, State.REJECTED]),
    st.sampled_from(["", "cash", "single_name"]),
    price=st.integers(),
)


@given(RECORDS, TEXTS, TEXTS, st.none() | TEXTS)
def test_a_new_order_is_logged_as_canonical_json(record, time, actor, pm):
    changes = Changes(Chain())
    changes.log_order(time, Actor(actor, pm), record)
    ((_, line, _, _),) = next(iter(changes.rows.added.values()))
    body = asdict(record.order)
    del body["id"]
    body |= {"pm": record.pm, "from": "NEW", "to": record.state, "code": record.code, "price": record.price}
    row = [1, time, actor, pm or "", "order", record.order.id, body]
    assert line == json.dumps(row, sort_keys=True, separators=(",", ":"))
    assert changes.new == {record.order.id: record}
