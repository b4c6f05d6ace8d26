import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_trades import DAY, schedule

from quantray.errors import InputError
from quantray.execution.candidates import order_frontier
from quantray.execution.orders import ALGORITHMS
from quantray.execution.trade_list import PlanTerms


@pytest.fixture(scope="module")
def plan():
    return schedule().orders.plan


@pytest.mark.parametrize("order", range(4))
def test_urgency_costs_more_and_risks_less(plan, order):
    found = order_frontier(plan.trades, order, DAY)
    assert (np.diff(found.risk_bps) < 0).all()
    # Calm enough, trading evenly by the clock costs more than following urgency a little: impact is by volume.
    late = found.urgency >= 1
    assert (np.diff(found.cost_bps[late]) > 0).all()


@pytest.mark.parametrize("order", range(4))
def test_the_algorithms_that_follow_urgency_lie_on_it(plan, order):
    found = order_frontier(plan.trades, order, DAY, PlanTerms(), urgencies=(1.0, 2.0))
    for k, name in enumerate(("AC", "IS")):
        place = ALGORITHMS.index(name)
        assert_allclose(found.cost_bps[k], plan.candidate_cost_bps[order, place], rtol=1e-12)
        assert_allclose(found.risk_bps[k], plan.candidate_risk_bps[order, place], rtol=1e-12)


def test_without_urgency_it_ends_at_the_even_schedule(plan):
    found = order_frontier(plan.trades, 1, DAY, urgencies=(1e-3,))
    assert_allclose(found.cost_bps[0], plan.candidate_cost_bps[1, ALGORITHMS.index("TWAP")], rtol=1e-6)


@pytest.mark.parametrize(("order", "urgencies"), [(4, (1.0,)), (0, ()), (0, (0.0,))])
def test_what_cannot_be_is_refused(plan, order, urgencies):
    with pytest.raises(InputError, match="give one of them"):
        order_frontier(plan.trades, order, DAY, urgencies=urgencies)
