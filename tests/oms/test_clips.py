"""Slices cut into clips: by hand, and what holds of every cut."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from desks import MONEY, NOON
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.errors import InputError
from quantray.execution.orders import ChildOrder, ExecutionSchedule, Order, Side
from quantray.oms.clips import Clips, clipped, row_of
from quantray.oms.works import Work

MINUTES = 48


def work(slices, *, algorithm="VWAP", lot=1, minutes=MINUTES, **more):
    """Slices of quantities at several venues, at 50 a share."""
    placed = [(k, quantity) for k, quantities in enumerate(slices) for quantity in quantities]
    children = tuple(
        ChildOrder(
            id=f"p-{row}",
            parent="A1/p",
            time=NOON + timedelta(minutes=MINUTES * k),
            quantity=quantity,
            venue=f"V{row}",
            algorithm=algorithm,
        )
        for row, (k, quantity) in enumerate(placed)
    )
    total = sum(quantity for _, quantity in placed)
    parent = Order(id="A1/p", symbol="AAA", side=Side.BUY, quantity=total, lot=lot)
    schedule = ExecutionSchedule(
        parent=parent, algorithm=algorithm, children=children, expected_cost_bps=5.0, risk_bps=20.0
    )
    return Work("A1", schedule, 50 * MONEY, minutes=(float(minutes),) * len(children), **more)


def minutes(cut):
    return [(time - NOON).total_seconds() / 60 for time in cut.times]


def test_a_slice_is_spread_over_its_time():
    """48 minutes have room for four clips of at least 10; the first slice is worth two of 1,000, the second none."""
    cut = clipped(work([[41], [15]]), Clips(minutes=10, value=1_000))
    assert cut.ids == ("A1/p-0", "A1/p-0.1", "A1/p-1")
    assert (minutes(cut), cut.planned.tolist()) == ([0, 24, 48], [21, 20, 15])
    assert clipped(work([[100]]), Clips(minutes=10, value=1_000)).planned.tolist() == [25] * 4


def test_children_of_a_slice_take_turns():
    cut = clipped(work([[10, 10, 10]]), Clips(minutes=5, value=1_000))
    assert (cut.ids, minutes(cut)) == (("A1/p-0", "A1/p-1", "A1/p-2"), [0, 16, 32])


def test_without_minutes_the_schedule_is_kept():
    for lasting in (None, (0.0, 0.0)):
        cut = clipped(Work("A1", work([[100], [300]]).schedule, 50 * MONEY, minutes=lasting), Clips(value=1))
        assert (cut.planned.tolist(), minutes(cut)) == ([100, 300], [0, 48])


def test_the_bound_of_a_child_is_shared_by_its_clips():
    """POV catches up to half as much again."""
    clips = Clips(minutes=16, value=1)
    assert clipped(work([[30], [60]], algorithm="POV"), clips).most.tolist() == [15] * 3 + [30] * 3
    assert clipped(work([[30], [60]], most=(40, 90)), clips).most.tolist() == [14, 13, 13, 30, 30, 30]
    assert clipped(work([[30], [60]]), clips).most.tolist() == [90] * 6


SLICES = st.lists(st.lists(st.integers(1, 5_000), min_size=1, max_size=4), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(SLICES, st.sampled_from([1, 100]), st.floats(1, 100), st.floats(100, 50_000), st.floats(0, MINUTES))
def test_every_cut_adds_up_and_is_bounded(slices, lot, apart, value, lasting):
    it = work(slices, lot=lot, minutes=lasting)
    children = it.schedule.children
    cut = clipped(it, Clips(minutes=apart, value=value))
    rows = cut.rows
    np.testing.assert_array_equal(np.bincount(rows, cut.planned), [child.quantity for child in children])
    assert (cut.planned > 0).all()
    assert list(cut.times) == sorted(cut.times)
    assert len(set(cut.ids)) == len(cut.ids) <= len(children) + 50 * it.schedule.parent.quantity / value
    assert [row_of(name, "A1/p") for name in cut.ids] == rows.tolist()
    assert max(Counter(rows.tolist()).values()) <= max(1, lasting / apart + 1e-6)
    for row, time in zip(rows, cut.times, strict=True):
        assert children[row].time <= time <= children[row].time + timedelta(minutes=lasting)
    short = [row for row, planned in zip(rows, cut.planned, strict=True) if planned % lot]
    assert len(short) == len(set(short))


def test_parts_that_others_placed_are_no_clips():
    for name in ("A1/p-x", "A1/p-1.x", "A1/p-1.1.1", "A1/q-1", "A1/by hand"):
        assert row_of(name, "A1/p") == -1
    assert (row_of("A1/p-12.3", "A1/p"), row_of("A1/p-12", "A1/p")) == (12, 12)


def test_clips_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="clips of 0 minutes"):
        Clips(minutes=0)
    with pytest.raises(InputError, match="nan of money"):
        Clips(value=float("nan"))
    with pytest.raises(InputError, match="minutes of the slice of each of its 1 children"):
        work([[10]], minutes=-1)
