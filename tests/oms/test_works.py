"""Orders to be worked, made of a plan."""

import numpy as np

from quantray.execution.impact import square_root_impact
from quantray.execution.plan import plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList
from quantray.oms.clips import Clips, clipped
from quantray.oms.works import works_of


def planned(day, **terms):
    adv = np.array([1e6, 5e5])
    trades = TradeList(
        symbols=np.array(["AAA", "BBB"]),
        shares=np.array([40_000, -3]),
        price=np.array([50.0, 20.0]),
        impact=square_root_impact(adv, np.array([0.02, 0.03]), 5.0),
    )
    return plan_execution(trades, day, PlanTerms(**terms))


def test_slices_last_until_the_next_and_the_last_until_the_close():
    works = works_of(planned("2026-03-02", slices=6), "A1", prefix="D").works
    assert {minutes for work in works for minutes in work.minutes} == {65.0}
    assert [len(work.minutes) for work in works] == [len(work.schedule.children) for work in works]


def test_an_auction_is_a_moment_and_half_days_have_shorter_slices():
    (work, _) = works_of(planned("2026-11-27", slices=7, closing=True), "A1", prefix="D").works
    lasting = {child.time: minutes for child, minutes in zip(work.schedule.children, work.minutes, strict=True)}
    assert list(lasting.values())[-1] == 0.0
    assert set(lasting.values()) == {0.0, 30.0}


def test_a_list_of_the_plan_is_cut_into_a_bounded_number_of_clips():
    plan = planned("2026-03-02")
    clips = Clips(value=10_000)
    cuts = [clipped(work, clips) for work in works_of(plan, "A1", prefix="D").works]
    count = sum(len(cut.ids) for cut in cuts)
    assert len(plan.children) < count <= len(plan.children) + plan.trades.value.sum() / clips.value
    assert [cut.planned.sum() for cut in cuts] == [40_000, 3]
