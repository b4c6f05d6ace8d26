import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError, SolverError
from quantray.portfolio.tail import minimum_cvar


def test_two_assets_by_hand():
    """One asset loses 10 % in one scenario of ten; the other loses 1 % always."""
    scenarios = np.zeros((10, 2))
    scenarios[0, 0] = -0.10
    scenarios[:, 1] = -0.01
    assert_allclose(minimum_cvar(scenarios, level=0.9).weights, [0.0, 1.0], atol=1e-9)
    # The mean of the worst half is 2 % for the first, so it still loses.
    assert minimum_cvar(scenarios, level=0.5).cvar == pytest.approx(0.01)
    assert_allclose(minimum_cvar(scenarios, level=0.5, weight=(0.3, 0.7)).weights, [0.3, 0.7], atol=1e-9)


def test_the_value_is_the_mean_of_the_worst_losses():
    scenarios = np.random.default_rng(0).standard_t(4, (400, 8)) * 0.01
    done = minimum_cvar(scenarios, level=0.95)
    losses = np.sort(-scenarios @ done.weights)[::-1]
    assert done.cvar == pytest.approx(losses[:20].mean(), rel=1e-9)
    assert losses[19] >= done.var - 1e-12 >= losses[20] - 1e-9
    others = np.random.default_rng(1).dirichlet(np.ones(8), 300)
    worst = np.sort(-scenarios @ others.T, axis=0)[::-1][:20].mean(axis=0)
    assert (worst >= done.cvar - 1e-12).all()


def test_against_pypfopt():
    from pypfopt import EfficientCVaR

    scenarios = np.random.default_rng(2).normal(0.0003, 0.01, (250, 6))
    theirs = EfficientCVaR(scenarios.mean(axis=0), scenarios, beta=0.9)
    theirs.min_cvar()
    done = minimum_cvar(scenarios, level=0.9)
    assert done.cvar == pytest.approx(theirs.portfolio_performance()[1], rel=1e-6)


def test_a_least_return_costs_tail_risk():
    scenarios = np.random.default_rng(3).normal(0, 0.01, (300, 5)) + np.linspace(0, 0.002, 5)
    free = minimum_cvar(scenarios)
    held = minimum_cvar(scenarios, least_return=0.0015)
    assert scenarios.mean(axis=0) @ held.weights == pytest.approx(0.0015)
    assert held.cvar > free.cvar
    with pytest.raises(SolverError, match="no fully invested weights"):
        minimum_cvar(scenarios, least_return=0.5)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_bad_level(level):
    with pytest.raises(InputError, match="between 0 and 1"):
        minimum_cvar(np.zeros((5, 2)), level=level)


def test_bad_scenarios():
    with pytest.raises(InputError, match="without NaN"):
        minimum_cvar(np.array([[np.nan, 0.0]]))
