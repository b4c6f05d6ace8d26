"""A plan on bars that came: hand-checkable sessions, and what cannot be filled."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_trades import DAY, schedule, still

from quantray.errors import InputError
from quantray.execution.hindsight import SessionBars, worked
from quantray.execution.tca import shortfall
from quantray.execution.trade_list import PlanTerms
from quantray.execution.venues import VENUES

TERMS = PlanTerms(when_late="stretch")


@pytest.fixture(scope="module")
def plan():
    return schedule(terms=TERMS).orders.plan


def test_in_a_still_market_an_order_costs_what_impact_says(plan):
    """Each slice pays for its share of the volume by the clock; the candidates' costs are by the usual profile."""
    done = worked(plan, still(plan), DAY, TERMS)
    assert_array_equal(done.filled, plan.trades.shares)
    found = shortfall(done)
    assert_allclose(found.delay, 0, atol=1e-9)
    assert_allclose(found.missed, 0, atol=1e-9)
    assert_allclose(1e4 * found.execution / found.value, plan.cost_bps, rtol=0.1)


def test_a_market_that_opens_higher_is_delay(plan):
    found = shortfall(worked(plan, still(plan, at=1.01), DAY, TERMS))
    assert_allclose(found.delay, plan.trades.shares * plan.trades.price * 0.01)


def test_fees_are_those_of_the_venues(plan):
    done = worked(plan, still(plan), DAY, TERMS)
    fee = {venue.name: venue.fee for venue in VENUES}
    made = plan.children
    rows = made.rows(2)
    paid = sum(fee[made.venues[v]] * q for v, q in zip(made.venue[rows], made.quantity[rows], strict=True))
    assert done.fees[2] == pytest.approx(paid)


def test_what_is_more_than_half_of_the_volume_waits_and_is_missed(plan):
    done = worked(plan, still(plan, volume=0.02), DAY, TERMS)
    large = np.abs(done.filled[2]) / 100_000
    # Half of all that is traded, so as much as the others trade, on two days.
    assert large == pytest.approx(2 * 0.02 * 5e5 / 100_000, rel=1e-6)
    assert_array_equal(np.abs(done.filled[:1]), 4000)


def test_after_a_session_without_a_bar_nothing_is_filled(plan):
    bars = still(plan)
    close = bars.close.copy()
    close[2, 1], close[0, 0] = np.nan, np.nan
    done = worked(plan, replace(bars, close=close), DAY, TERMS)
    assert done.filled[2] == pytest.approx(50_000)
    assert done.filled[0] == 0
    assert shortfall(done).total[0] == 0


def test_prices_of_the_bars_are_kept(plan):
    rng = np.random.default_rng(0)
    moved = still(plan)
    low, high = moved.close * 0.97, moved.close * 1.02
    bars = replace(moved, low=low, high=high, close=moved.close * (1 + 0.01 * rng.standard_normal(moved.close.shape)))
    done = worked(plan, bars, DAY, TERMS)
    beyond = 3 * plan.cost_bps * 1e-4 * plan.trades.price
    assert (done.paid > low.min(axis=1) - beyond).all()
    assert (done.paid < np.maximum(high, bars.close).max(axis=1) + beyond).all()
    again = worked(plan, bars, DAY, TERMS)
    assert_array_equal(done.paid, again.paid)


def test_bars_that_do_not_fit_are_refused(plan):
    bars = still(plan)
    with pytest.raises(InputError, match=r"bars are \(4, 1\) for 4 orders over 2 sessions"):
        worked(plan, SessionBars(**{n: getattr(bars, n)[:, :1] for n in bars.__dataclass_fields__}), DAY, TERMS)
    with pytest.raises(InputError, match="give one of each"):
        replace(bars, low=np.ones(3))
