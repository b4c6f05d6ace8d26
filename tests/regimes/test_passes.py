import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from numpy.testing import assert_allclose, assert_array_equal

from quantray.regimes.hmm_filter import HmmParameters, filtered_probabilities
from quantray.regimes.passes import forward, forward_backward

MOVE = np.array([[0.97, 0.02, 0.01], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]])
MEANS = np.array([[-2.0], [0.0], [3.0]])


@pytest.fixture(scope="module")
def model():
    model = GaussianHMM(3, covariance_type="full")
    shares = np.linalg.matrix_power(MOVE, 4000)[0]
    model.startprob_, model.transmat_, model.means_, model.covars_ = shares, MOVE, MEANS, np.ones((3, 1, 1))
    return model


def density(values):
    return -0.5 * (values - MEANS[:, 0]) ** 2 - 0.5 * np.log(2 * np.pi)


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33, 300])
def test_both_passes_are_those_of_hmmlearn(model, rows):
    values, _ = model.sample(rows, random_state=rows)
    found = forward(density(values), MOVE)
    likelihood, smoothed = model.score_samples(values)
    assert found.log_likelihood == pytest.approx(likelihood)
    parameters = HmmParameters(model.startprob_, MOVE, MEANS, np.ones((3, 1, 1)))
    assert_allclose(found.chances, filtered_probabilities(values, parameters), atol=1e-9)
    both = forward_backward(density(values), MOVE)
    assert_allclose(both.chances, smoothed, atol=1e-9)
    assert both.moves.sum() == pytest.approx(rows - 1)
    assert_allclose(both.moves.sum(axis=1), smoothed[:-1].sum(axis=0), atol=1e-8)


def test_what_follows_changes_no_bit_of_a_row(model):
    values, _ = model.sample(200, random_state=1)
    whole = forward(density(values), MOVE).chances
    for rows in (1, 32, 33, 130):
        assert_array_equal(forward(density(values[:rows]), MOVE).chances, whole[:rows])
