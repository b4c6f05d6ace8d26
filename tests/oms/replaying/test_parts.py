"""Two ways to share out a block, which share no code, agree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.institution.allocation import Rule, allocate, priced
from quantray.oms.replaying.parts import nearest, parts

Lots = st.integers(1, 50)


@settings(max_examples=150)
@given(
    wanted=st.lists(st.tuples(Lots, st.integers(0, 4)), min_size=1, max_size=7),
    method=st.sampled_from(["pro_rata", "capital", "equal", "priority", "custom"]),
    lot=st.sampled_from([1, 10]),
    share=st.floats(0, 1),
    block=st.text("ab", min_size=1, max_size=3),
)
def test_what_the_reader_reckons_is_what_the_gate_shares_out(wanted, method, lot, share, block):
    kept = {f"A{i}": (lots * lot, number) for i, (lots, number) in enumerate(wanted)}
    demands = {name: shares for name, (shares, _) in kept.items()}
    rule = Rule(method=method, numbers={name: number for name, (_, number) in kept.items()})
    filled = int(share * sum(demands.values()))
    found = allocate(demands, filled, block=block, key=b"key", rule=rule, lot=lot)
    assert parts(kept, filled, lot, method, block, "key") == found


@pytest.mark.parametrize(
    ("amount", "count", "filled", "expected"),
    [(10, 1, 4, 2), (14, 1, 4, 4), (-10, 1, 4, -2), (7, 2, 3, 5), (5, 0, 0, 0)],
)
def test_the_nearest_unit_is_the_even_one_of_halves(amount, count, filled, expected):
    assert nearest(amount, count, filled) == expected
    assert priced({"a": count}, filled, amount, 0).amounts == {"a": expected}
