from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, multivariate_t

from quantray.errors import InputError, SolverError
from quantray.regimes.hmm_filter import HmmParameters, filtered_probabilities, log_densities


@pytest.fixture
def model():
    return HmmParameters(
        np.array([0.7, 0.3]),
        np.array([[0.9, 0.1], [0.2, 0.8]]),
        np.array([[0.0, 0.0], [0.5, 1.0]]),
        np.array([[[1.0, 0.2], [0.2, 0.5]], [[2.0, -0.3], [-0.3, 1.0]]]),
    )


def test_the_filter_sums_over_all_histories(model):
    values = np.random.default_rng(0).normal(size=(6, 2))
    found = filtered_probabilities(values, model)
    states = list(zip(model.means, model.covariances, strict=True))
    density = np.array([[multivariate_normal.pdf(row, mean, width) for mean, width in states] for row in values])
    for t in range(6):
        joint = np.zeros(2)
        for history in product((0, 1), repeat=t + 1):
            chance = model.start[history[0]] * density[0, history[0]]
            for s in range(1, t + 1):
                chance *= model.transition[history[s - 1], history[s]] * density[s, history[s]]
            joint[history[-1]] += chance
        assert_allclose(found[t], joint / joint.sum(), rtol=1e-10)


@pytest.mark.parametrize("tails", [3.0, np.inf])
def test_densities_are_those_of_the_law(model, tails):
    values = np.random.default_rng(4).normal(size=(5, 2)) * 3
    found = log_densities(values, replace(model, tails=tails))
    for state in range(2):
        mean, width = model.means[state], model.covariances[state]
        law = multivariate_normal(mean, width) if np.isinf(tails) else multivariate_t(mean, width, df=tails)
        assert_allclose(found[:, state], law.logpdf(values))


def test_at_the_last_row_filtering_is_smoothing(model):
    values = np.random.default_rng(1).normal(size=(80, 2))
    oracle = GaussianHMM(2, covariance_type="full")
    oracle.startprob_, oracle.transmat_ = model.start, model.transition
    oracle.means_, oracle.covars_ = model.means, model.covariances
    assert_allclose(filtered_probabilities(values, model)[-1], oracle.predict_proba(values)[-1], rtol=1e-9)


def test_filtered_rows_never_change_when_the_future_comes(model):
    values = np.random.default_rng(2).normal(size=(50, 2))
    assert_array_equal(filtered_probabilities(values[:20], model), filtered_probabilities(values, model)[:20])


def test_a_missing_row_moves_by_the_transition_alone(model):
    values = np.random.default_rng(3).normal(size=(3, 2))
    values[1, 0] = np.nan
    found = filtered_probabilities(values, model)
    assert_allclose(found[1], found[0] @ model.transition, rtol=1e-12)


def test_no_underflow_in_rows_that_no_state_expects(model):
    found = filtered_probabilities(np.full((500, 2), 300.0), model)
    assert_allclose(found.sum(axis=1), 1)


def test_the_stationary_shares_stay(model):
    assert_allclose(model.stationary @ model.transition, model.stationary)
    assert_allclose(model.stationary, [2 / 3, 1 / 3])


def test_other_columns_and_broken_states_are_refused(model):
    with pytest.raises(InputError, match=r"observations are \(3, 1\) for 2 columns"):
        filtered_probabilities(np.zeros((3, 1)), model)
    broken = replace(model, covariances=np.zeros((2, 2, 2)))
    with pytest.raises(SolverError, match="state 0 is not positive definite"):
        filtered_probabilities(np.zeros((3, 2)), broken)
