"""Trades are known, or refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.execution.trade_list import TradeList, days_to_complete, trades_of_weights

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
        ({"float_shares": np.array([3000.0] * 4)}, r"\(CALM, LARGE\) are ordered beyond their float"),
        ({"symbols": np.array(["A", "A", "B", "C"])}, "symbols of a trade list repeat"),
        ({"price": np.ones(3)}, "of all 4 symbols"),
    ],
)
def test_bad_trades_are_refused(changes, told):
    with pytest.raises(InputError, match=told):
        replace(TRADES, **changes)
