"""Drift by hand, and as money in accounts drifts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.backtest.drift import drifted
from quantray.errors import InputError


def test_by_hand():
    assert_allclose(drifted(np.array([0.5, 0.5]), np.array([1.2, 1.0])), [0.6 / 1.1, 0.5 / 1.1])
    # Half in cash, which stays; and a short that grows.
    assert_allclose(drifted(np.array([0.5, 0.0]), np.array([1.2, 9.0])), [0.6 / 1.1, 0])
    assert_allclose(drifted(np.array([0.5, -0.5]), np.array([1.0, 1.2])), [0.5 / 0.9, -0.6 / 0.9])


def test_days_together_are_days_alone_and_a_known_nav_is_that_of_the_weights():
    generator = np.random.default_rng(0)
    weights, returns = generator.normal(0, 0.1, (6, 4)), generator.normal(0, 0.02, (6, 4))
    together = drifted(weights, 1 + returns)
    for day in range(6):
        assert_allclose(together[day], drifted(weights[day], 1 + returns[day]))
    assert_allclose(together, drifted(weights, 1 + returns, 1 + (weights * returns).sum(axis=1)))


def test_drifting_twice_is_drifting_once():
    weights, first, second = np.array([0.6, -0.2, 0.3]), np.array([1.1, 0.9, 1.0]), np.array([0.8, 1.3, 1.0])
    assert_allclose(drifted(drifted(weights, first), second), drifted(weights, first * second))


def test_what_cannot_drift_is_refused():
    with pytest.raises(InputError, match="lost 100% of the NAV"):
        drifted(np.array([0.0, -1.0]), np.array([1.0, 2.0]))
    with pytest.raises(InputError, match="drop names of unknown growth"):
        drifted(np.array([0.5, 0.5]), np.array([1.0, np.nan]))
