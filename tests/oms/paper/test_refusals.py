import pytest
from paper_market import dollars, flat_bars, order, rules

from quantray.oms.paper.accounts import Accounts
from quantray.oms.paper.records import Records
from quantray.oms.paper.refusals import limit_fault, refusal
from quantray.oms.states import State


@pytest.mark.parametrize(
    ("limit", "said"), [(dollars(100.01), ""), (1, ""), (dollars(100.005), "multiple of 100"), (0, "0"), (-100, "-100")]
)
def test_limits_between_ticks(limit, said):
    assert said in limit_fault(limit, rules())
    assert bool(limit_fault(limit, rules())) == bool(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"symbol": "ZZZ"}, "not traded here"),
        ({"venue": "MARS"}, "no venue here"),
        ({"quantity": -5}, "-5 shares are none"),
        ({"limit": 1_000_001}, "multiple of 100"),
        ({"replaces": "open"}, ""),
        ({"replaces": "open", "account": "other"}, "another account"),
        ({"replaces": "ended"}, "it is FILLED"),
        ({"replaces": "nothing"}, "not known"),
    ],
)
def test_what_is_not_taken(change, said):
    records = Records(Accounts([]), flat_bars(), rules())
    records.add(order("open"), State.ACKED, 0)
    records.add(order("ended"), State.FILLED, 0)
    found = refusal(order("o", **change), records, flat_bars(), rules(), closed=False)
    assert said in found
    assert bool(found) == bool(said)
    assert refusal(order("o", **change), records, flat_bars(), rules(), closed=True)
