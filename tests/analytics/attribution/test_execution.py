import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.execution import Orders, attribute_execution, shared_costs, shortfall
from quantray.analytics.attribution.holdings import held_days
from quantray.analytics.attribution.linking import compounded
from quantray.errors import InputError

DAY = np.array(["2020-01-02"], dtype="datetime64[D]")
PEROLD = {
    "dates": DAY,
    "ordered": [1000.0],
    "filled": [700.0],
    "decision_price": [40.0],
    "arrival_price": [40.04],
    "fill_price": [40.05],
    "last_price": [40.08],
    "fees": [17.0],
}


def orders(**changes):
    given = PEROLD | changes
    return Orders(**{k: v if k == "dates" or v is None else np.array(v) for k, v in given.items()})


def test_perolds_example():
    found = shortfall(orders())
    assert_allclose([found.commission[0], found.impact[0], found.delay[0], found.missed[0]], [17, 7, 28, 24])
    assert_allclose(found.total, [76])
    split = shortfall(orders(half_spread=[0.005]))
    assert_allclose([split.spread[0], split.impact[0]], [3.5, 3.5])
    # A sale loses where a purchase gains.
    sale = shortfall(orders(ordered=[-1000.0], filled=[-700.0], fees=[0.0]))
    assert_allclose(sale.total, [-59])


def test_shortfall_explains_a_return():
    lost = shortfall(orders()).on(DAY, DAY, np.array([40_000.0]))
    assert_allclose(sum(values[0] for values in lost.values()), 19e-4)
    found = attribute_execution(DAY, np.array([0.01]), lost)
    assert_allclose(found.by_row()["before trading"], 0.0119)
    assert_allclose(found.by_row()["missed trades"], -24 / 40_000)


def test_costs_of_a_backtest_by_kind(accounts):
    held = held_days(accounts.record)
    costs = shared_costs(held.costs, {"spread": 5.0, "commission": 1.0})
    found = attribute_execution(held.dates, held.returns, costs)
    assert_allclose(found.linked.sum(), compounded(held.returns), atol=1e-13)
    assert_allclose(found.by_row()["spread"], 5 * found.by_row()["commission"])
    assert found.by_row()["before trading"] > compounded(held.returns)


def test_bad_input():
    with pytest.raises(InputError, match="order 0 has fills beyond it"):
        shortfall(orders(filled=[1001.0]))
    with pytest.raises(InputError, match="order 0 has fills beyond it"):
        shortfall(orders(fill_price=[np.nan]))
    with pytest.raises(InputError, match="1 orders, first of 2020-01-02, are on no day"):
        shortfall(orders()).on(DAY + 1, DAY, np.array([1.0]))
    with pytest.raises(InputError, match="cannot explain costs"):
        shared_costs(np.ones(1), {"spread": 0.0})
    with pytest.raises(InputError, match="costs of delay are unknown in 1 of 1"):
        attribute_execution(DAY, np.zeros(1), {"delay": np.array([np.nan])})
