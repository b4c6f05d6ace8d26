"""Slices become children at venues, on the exchange's days and in UTC."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.execution.routing import plan_hours, routed_children
from quantray.execution.trade_list import PlanTerms, TradeList
from quantray.execution.venues import named_venues

TRADES = TradeList(
    symbols=np.array(["A", "B"]),
    shares=np.array([300, -500]),
    price=np.array([10.0, 20.0]),
    impact=square_root_impact(np.array([1e6, 1e6]), np.array([0.02, 0.02]), np.array([5.0, 5.0])),
)
TERMS = PlanTerms(slices=2, closing=True, venues=named_venues(["NYSE", "DARK_A"]), dark=0.5)


def test_days_skip_holidays():
    hours = plan_hours("2024-03-28", 2, TERMS)
    assert [str(each.times[0])[:10] for each in hours] == ["2024-03-28", "2024-04-01"]
    with pytest.raises(InputError, match="closed on 2024-03-29"):
        plan_hours("2024-03-29", 1, TERMS)


def test_slices_are_split_and_auctions_are_lit():
    hours = plan_hours("2024-07-01", 1, TERMS)
    made = routed_children(TRADES, hours, [np.array([[100, 0, 200], [500, 0, 0]])], np.array([0, 1]), TERMS)
    assert_array_equal(made.parent, [0, 0, 0, 1, 1])
    assert_array_equal(made.quantity, [50, 50, 200, 250, 250])
    assert [made.venues[int(k)] for k in made.venue] == ["NYSE", "DARK_A", "NYSE", "NYSE", "DARK_A"]
    assert [str(time)[11:16] for time in made.time[:3]] == ["13:30", "13:30", "20:00"]
    assert_array_equal(made.algorithm, [0, 0, 0, 1, 1])


def test_a_slice_beyond_its_venues_is_refused():
    hours = plan_hours("2024-07-01", 1, TERMS)
    with pytest.raises(InputError, match="what its venues may take"):
        routed_children(TRADES, hours, [np.array([[10**7, 0, 0], [0, 0, 0]])], np.array([0, 1]), TERMS)
