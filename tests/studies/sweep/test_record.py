"""What a sweep's streams say, by hand and against the selection statistics."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.studies.sweep.record import ALL, POLICIES, Stability, Stream, evaluate

SAMPLES = Resampling(n_samples=200)


def streams_of(**returns):
    days = len(returns["conditional"])
    return [Stream("S", policy, returns[policy], np.zeros(days)) for policy in POLICIES]


def test_outcomes_are_those_of_each_regime_days():
    generator = np.random.default_rng(0)
    returns = {policy: generator.normal(0.001, 0.01, 120) for policy in POLICIES}
    labels = np.repeat([0, 1, -1], [50, 60, 10])
    outcomes = evaluate(streams_of(**returns), labels, ("a", "b"), resampling=SAMPLES)
    assert [(o.scope, o.n_days) for o in outcomes] == [(ALL, 120), ("a", 50), ("b", 60)]
    second = outcomes[2]
    days = labels == 1
    assert second.sharpe["default"] == sharpe_interval(returns["default"][days], resampling=SAMPLES)
    assert second.over_unconditional == sharpe_difference(
        returns["conditional"][days], returns["unconditional"][days], resampling=SAMPLES
    )


def test_a_regime_of_few_days_and_a_policy_that_holds_nothing():
    returns = dict.fromkeys(POLICIES, np.zeros(60)) | {"default": np.random.default_rng(1).normal(0, 0.01, 60)}
    labels = np.repeat([0, 1], [50, 10])
    outcomes = evaluate(streams_of(**returns), labels, ("a", "b"), resampling=SAMPLES)
    assert [o.scope for o in outcomes] == [ALL, "a"]
    assert outcomes[0].sharpe["conditional"] is None
    assert outcomes[0].over_unconditional is None
    assert outcomes[0].over_default.mean == pytest.approx(-outcomes[0].sharpe["default"].mean)


def test_persistence_of_scores():
    sets = tuple((("p", i),) for i in range(5))
    rising = np.arange(5.0)[:, None]
    same = Stability("S", ALL, sets, rising * [[1, 2, 3]], np.array([4, 4, 4]))
    assert_allclose(same.persistence, 1.0)
    turned = Stability("S", ALL, sets, rising * [[1, -1, 1]], np.array([4, 0, 4]))
    assert_allclose(turned.persistence, -1.0)
    gaps = np.where(np.arange(3) == 1, np.nan, rising * [[1, 1, 1]])
    assert np.isnan(Stability("S", ALL, sets, gaps, np.array([4, -1, 4])).persistence)


def test_sets_of_equal_scores_do_not_seem_to_persist():
    sets = tuple((("p", i),) for i in range(4))
    tied = Stability("S", ALL, sets, np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.array([0, 2]))
    assert_allclose(tied.persistence, -1.0)
    still = Stability("S", ALL, sets, np.array([[0.0, 0.1], [0.0, 0.2], [0.0, 0.3], [0.0, 0.4]]), np.array([0, 3]))
    assert np.isnan(still.persistence)
