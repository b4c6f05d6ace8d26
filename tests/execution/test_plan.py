"""From trades to children: shares are conserved, days follow participation, and nothing is done in silence."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.execution.orders import ALGORITHMS, ExecutionSchedule
from quantray.execution.plan import plan_basket, plan_execution
from quantray.execution.selection import OrderFacts
from quantray.execution.trade_list import PlanTerms, TradeList

ADV = np.array([2e6, 1e6, 5e5, 4e5])
IMPACT = square_root_impact(ADV, np.array([0.012, 0.02, 0.015, 0.045]), np.array([2.0, 4.0, 6.0, 10.0]))
TRADES = TradeList(
    symbols=np.array(["CALM", "USUAL", "LARGE", "WILD"]),
    shares=np.array([4000, -20_000, 100_000, -8000]),
    price=np.array([50.0, 20.0, 80.0, 10.0]),
    impact=IMPACT,
)
DAY = "2024-03-15"


def test_a_list_of_four():
    plan = plan_execution(TRADES, DAY)
    assert [plan.selection.name(i) for i in range(4)] == ["TWAP", "VWAP", "AC", "IS"]
    assert_array_equal(plan.days, [1, 1, 2, 1])
    assert_array_equal(plan.children.totals(), np.abs(TRADES.shares))
    assert set(plan.children.time.astype("datetime64[D]").astype(str)) == {DAY, "2024-03-18"}
    assert str(plan.children.time.min()) == "2024-03-15T13:30:00"
    assert "CALM: TWAP, small and calm" in plan.explained(0)
    assert "VWAP" in plan.explained(0).split("expected bp")[1]
    assert plan.total_cost_bps == pytest.approx(plan.cost_bps @ TRADES.value / TRADES.value.sum())


@settings(deadline=None, max_examples=20)
@given(shares=st.lists(st.integers(-120_000, 120_000).filter(bool), min_size=4, max_size=4), slices=st.integers(1, 13))
def test_shares_are_conserved_and_days_respect_participation(shares, slices):
    trades = replace(TRADES, shares=np.array(shares))
    plan = plan_execution(trades, DAY, PlanTerms(slices=slices, closing=slices % 2 == 0))
    assert_array_equal(plan.children.totals(), np.abs(shares))
    day = plan.children.time.astype("datetime64[D]")
    for each in np.unique(day):
        today = day == each
        traded = np.bincount(plan.children.parent[today], weights=plan.children.quantity[today], minlength=4)
        assert (traded <= 0.1 * ADV + 1).all()


def test_a_purchase_is_scheduled_as_a_sale():
    mirrored = plan_execution(replace(TRADES, shares=-TRADES.shares), DAY)
    plan = plan_execution(TRADES, DAY)
    assert_array_equal(mirrored.children.quantity, plan.children.quantity)
    assert_allclose(mirrored.cost_bps, plan.cost_bps)


def test_every_algorithm_stands_beside_the_choice():
    plan = plan_execution(TRADES, DAY)
    assert plan.candidate_cost_bps.shape == (4, len(ALGORITHMS))
    even, volume, _, urgent, chosen = plan.candidate_cost_bps[2]
    assert volume <= min(even, urgent, chosen)
    assert plan.candidate_risk_bps[2, 3] < plan.candidate_risk_bps[2, 0]
    assert plan.cost_bps[2] == chosen


def test_the_risk_of_several_days_by_hand():
    """All at the end of a day would be the worst; one slice a day falls evenly, over D days by a D-th."""
    plan = plan_execution(TRADES, DAY, PlanTerms(slices=1))
    left = np.array([1 - 0.25, 0.5 - 0.25])
    assert_allclose(plan.candidate_risk_bps[2, 0], 0.015 * np.sqrt((left**2).sum()) * 1e4)


def test_the_objects_of_one_order():
    limits = (Decimal("50.10"), None, None, Decimal("9.90"))
    plan = plan_execution(replace(TRADES, limits=limits), DAY)
    schedule = plan.schedule(0)
    assert ExecutionSchedule.from_json(schedule.to_json()) == schedule
    assert {child.limit for child in schedule.children} == {Decimal("50.10")}
    assert schedule.parent.side.sign == 1
    assert plan.schedule(3).parent.side.sign == -1


def test_a_half_day_ends_early():
    plan = plan_execution(TRADES, "2024-11-29", PlanTerms(closing=True))
    first = plan.children.time[plan.children.time.astype("datetime64[D]") == np.datetime64("2024-11-29")]
    assert str(first.max()) == "2024-11-29T18:00:00"


def test_what_was_asked_for_is_done():
    facts = OrderFacts(
        adv_share=0.01, volatility=0.01, volume_uncertainty=[1, 0, 0, 0], risk_aversion=[np.nan] * 3 + [1]
    )
    plan = plan_execution(TRADES, DAY, facts=facts)
    assert [plan.selection.name(i) for i in (0, 3)] == ["POV", "AC"]
    assert_array_equal(plan.children.totals(), np.abs(TRADES.shares))


def test_orders_that_hedge_each_other_are_planned_together():
    covariance = np.diag(IMPACT.volatility**2) + 1e-4
    trades = replace(TRADES, shares=np.array([60_000, -20_000, 60_000, -8000]))
    plan = plan_basket(trades, DAY, covariance, days=2, risk_aversion=1e-6, cash=8e6)
    assert_array_equal(plan.children.totals(), np.abs(trades.shares))
    assert plan.selection.name(0) == "AC"
    assert "scheduled with the others" in plan.explained(1)
    assert plan.days.max() <= 2
    assert plan.total_risk_bps > 0
    urgent = plan_basket(trades, DAY, covariance, days=2, risk_aversion=1e-4, cash=8e6)
    assert urgent.total_risk_bps < plan.total_risk_bps
    assert urgent.total_cost_bps > plan.total_cost_bps
    with pytest.raises(InputError, match="a half-day is among"):
        plan_basket(trades, "2024-11-27", covariance, days=2)
    with pytest.raises(InputError, match="larger than their participation"):
        plan_basket(trades, DAY, covariance)


@pytest.mark.parametrize(
    ("date", "terms", "told"),
    [
        ("2024-03-16", {}, "XNYS is closed on 2024-03-16"),
        (DAY, {"most_days": 1}, r"1 orders need more than 1 days at 10% of the volume; LARGE needs 2"),
        (DAY, {"participation": 1.5}, "participation 1.5"),
        (DAY, {"when_late": "wait"}, "'wait' is not one of"),
        (DAY, {"slices": 0}, "slices 0 must be"),
    ],
)
def test_what_cannot_be_done_is_refused(date, terms, told):
    with pytest.raises(InputError, match=told):
        plan_execution(TRADES, date, PlanTerms(**terms))


def test_a_late_order_is_stretched_where_that_is_the_policy():
    plan = plan_execution(TRADES, DAY, PlanTerms(most_days=1, when_late="stretch"))
    assert plan.days.max() == 2
