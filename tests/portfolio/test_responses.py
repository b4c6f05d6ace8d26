from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from structured_problem import small_problem

from quantray.portfolio.responses import Responses

CHARGE, HOLD, IMPACT = np.array([0.3, 0.2]), np.array([0.1, 0.25]), np.array([0.2, 0.4])


def of(*, charged, held, impact, previous=(0.2, -0.3)):
    problem = small_problem(
        previous=np.array(previous), lower=np.array([-1.0, -0.8]), upper=np.array([1.0, 0.9]), cost=CHARGE * charged
    )
    return replace(problem, impact=IMPACT if impact else None, short=2 * HOLD if held else None)


@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("impact", [False, True])
def test_weights_minimise_what_they_say(charged, held, impact):
    problem = of(charged=charged, held=held, impact=impact)
    own = Responses(problem)
    charge, hold = CHARGE * charged, HOLD * held
    for slope in np.linspace(-3, 3, 25):
        found = own.weights(np.full(2, slope), charge, hold)
        for i in range(2):

            def cost(w, i=i, slope=slope):
                trade = abs(w - problem.previous[i])
                power = IMPACT[i] * trade**1.5 if impact else 0.0
                risk = problem.diagonal[i] * w**2 / 2
                return slope * w + risk + charge[i] * trade + power + hold[i] * abs(w)

            bounds = (problem.lower[i], problem.upper[i])
            best = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-9})
            assert cost(found[i]) <= best.fun + 1e-12
            assert_allclose(found[i], best.x, atol=1e-4)


def test_a_weight_at_a_kink_or_a_bound_does_not_give_way():
    own = Responses(of(charged=True, held=True, impact=False))
    # Held at h by the cost, at nothing by what holding costs, at a bound by the slope.
    for slope, weights in (([-0.4, 0.8], [0.2, -0.3]), ([0.25, 0.15], [0.0, -0.05]), ([-9.0, 9.0], [1.0, -0.8])):
        found = own.weights(np.array(slope), CHARGE, HOLD)
        assert_allclose(found, weights, atol=1e-12)
        assert own.give(found)[0] == 0


@pytest.mark.parametrize("impact", [False, True])
def test_elsewhere_it_gives_way_as_the_difference_says(impact):
    own = Responses(of(charged=True, held=True, impact=impact))
    slope, step = np.array([-1.0, 1.2]), 1e-6
    moved = own.weights(slope - step, CHARGE, HOLD) - own.weights(slope + step, CHARGE, HOLD)
    give = own.give(own.weights(slope, CHARGE, HOLD))
    assert (give > 0).all()
    assert_allclose(give, moved / (2 * step), rtol=1e-6)
