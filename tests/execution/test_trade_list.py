"""Trades are known, or refused by name."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.execution.trade_list import PlanTerms, TradeList, days_to_complete, trades_of_weights
from quantray.execution.venues import VENUES

ADV = np.array([2e6, 1e6, 5e5, 4e5])
IMPACT = square_root_impact(ADV, np.array([0.012, 0.02, 0.015, 0.045]), np.array([2.0, 4.0, 6.0, 10.0]))
TRADES = TradeList(
    symbols=np.array(["CALM", "USUAL", "LARGE", "WILD"]),
    shares=np.array([4000, -20_000, 100_000, -8000]),
    price=np.array([50.0, 20.0, 80.0, 10.0]),
    impact=IMPACT,
)


def test_weights_become_shares():
    found = trades_of_weights(
        np.array([0.5, 0.2, 0.0]), np.array([0.1, 0.3, 0.0]), np.array([30.0, 7.0, np.nan]), 1000.0
    )
    assert_array_equal(found, [13, -14, 0])
    assert_array_equal(days_to_complete(np.array([100, -301]), np.array([1000.0, 1000.0]), 0.1), [1, 4])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shares": np.array([0, 1, 1, 1])}, r"1 of 4 names \(CALM\) have no shares"),
        ({"shares": np.ones(4)}, "must be whole"),
        ({"price": np.array([1, 1, np.nan, 1])}, r"\(LARGE\) have no price"),
        ({"impact": square_root_impact(ADV * [1, 0, 1, 1], ADV * 1e-8)}, r"\(USUAL\) have no known volume"),
        ({"halted": np.array([False] * 3 + [True])}, r"\(WILD\) are halted"),
        ({"float_shares": np.array([3000.0] * 3 + [8000])}, r"\(CALM, USUAL, LARGE\) are ordered beyond their float"),
        ({"float_shares": np.full(3, np.inf)}, "float_shares are 3 for 4 symbols"),
        ({"halted": np.array([True])}, "halted are 1 for 4 symbols"),
        ({"limits": (Decimal("10.05"),)}, "limits are 1 for 4 symbols"),
        ({"limits": (Decimal(-1), None, None, None)}, "limit -1 of CALM must be exact and positive"),
        ({"limits": (None, 10.05, None, None)}, "limit 10.05 of USUAL must be exact and positive"),
        ({"symbols": np.array(["A", "A", "B", "C"])}, "symbols of a trade list repeat"),
        ({"price": np.ones(3)}, "of all 4 symbols"),
    ],
)
def test_bad_trades_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        replace(TRADES, **changes)


def test_some_of_the_orders_keep_their_limits():
    some = replace(TRADES, limits=(None, Decimal("20.10"), None, None)).select(np.array([1, 3]))
    assert some.symbols.tolist() == ["USUAL", "WILD"]
    assert some.limits == (Decimal("20.10"), None)
    assert_array_equal(some.impact.adv, ADV[[1, 3]])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"urgency": float("nan")}, "urgency nan not negative"),
        ({"slices": 0}, "slices 0 must be 1 or more"),
        ({"dark": 2.0}, "dark 2 a share from 0 to 1"),
        ({"venues": ()}, "venues are none"),
        ({"venues": VENUES[:1] * 2}, "venues are NYSE, NYSE; give at least one, and each once"),
    ],
)
def test_bad_terms_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        PlanTerms(**changes)
