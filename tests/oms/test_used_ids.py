"""Ids that were used are never forgotten, and new ones seldom taken for one of them."""

from hypothesis import given
from hypothesis import strategies as st

from quantray.oms.used_ids import UsedIds


@given(st.lists(st.text()), st.lists(st.text()))
def test_what_was_taken_in_is_there(first, later):
    ids = UsedIds(len(first))
    ids.add(first)
    ids.add(later)
    assert all(name in ids for name in (*first, *later))


def test_one_of_sixteen_at_most_looks_used():
    ids = UsedIds(0)
    assert "A1/o0" not in ids
    ids.add(f"A1/o{i}" for i in range(100_000))
    # Of a map with a tenth of what it has room for, hashes that are salted hit a hundred and sixtieth.
    assert sum(f"A1/n{i}" in ids for i in range(10_000)) < 200
