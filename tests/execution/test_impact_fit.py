"""Known parameters are found again, within their intervals as often as these say."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.impact_fit import ExecutedOrders, fit_impact

ETA, GAMMA, POWER = 0.142, 1.3, 0.6


def executed(seed, noise=1.0, n_orders=4000):
    rng = np.random.default_rng(seed)
    share, days = np.exp(rng.uniform(np.log(0.002), np.log(0.3), n_orders)), rng.uniform(0.1, 1.0, n_orders)
    volatility = rng.uniform(0.01, 0.04, n_orders)
    before, after = rng.normal(size=(2, n_orders)) * noise * np.sqrt(days)
    moved = GAMMA * share + before
    cost = moved / 2 + ETA * (share / days) ** POWER + after / 3
    return ExecutedOrders(
        adv_share=share, days=days, volatility=volatility, cost=cost * volatility, moved=moved * volatility
    )


def test_without_noise_the_truth_is_found():
    found = fit_impact(executed(0, noise=0.0, n_orders=50))
    assert_allclose([found.temporary.value, found.permanent.value, found.power.value], [ETA, GAMMA, POWER], rtol=1e-4)


def test_intervals_hold_the_truth():
    held = np.zeros(3)
    for seed in range(60):
        found = fit_impact(executed(seed, noise=0.3))
        truth = ((found.temporary, ETA), (found.permanent, GAMMA), (found.power, POWER))
        held += [estimate.low <= value <= estimate.high for estimate, value in truth]
    assert (held >= 52).all()


def test_a_power_that_is_given_is_kept():
    orders = executed(1, noise=0.3)
    found = fit_impact(orders, power=0.5)
    assert (found.power.low, found.power.value, found.power.high) == (0.5, 0.5, 0.5)
    assert found.temporary.low < found.temporary.value < found.temporary.high
    assert fit_impact(replace(orders, moved=None)).permanent is None


def test_what_is_wrong_is_named():
    orders = executed(0, n_orders=30)
    with pytest.raises(InputError, match="give 20 or more"):
        executed(0, n_orders=5)
    with pytest.raises(InputError, match="must be positive"):
        replace(orders, days=orders.days * 0)
    with pytest.raises(InputError, match="columns of"):
        replace(orders, cost=orders.cost[:10])
    with pytest.raises(InputError, match="power 2"):
        fit_impact(orders, power=2)
