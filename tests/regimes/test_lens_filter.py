import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.regimes.hmm_filter import HmmParameters, filtered_probabilities
from quantray.regimes.lens_filter import ColumnPrior, StatePrior, filtered_states
from quantray.regimes.schedule import RefitSchedule

SCHEDULE = RefitSchedule(first=100, every=100)
FIRM = 1e8
"""Rows of a prior that no data move."""


def prior(kind="levels", rows=30.0, tails=1e6, location=(0.0, 2.0), width=(1.0, 1.0)):
    column = ColumnPrior(
        kind=kind,
        location=np.array(location),
        width=np.array(width),
        tails=tails,
        location_rows=rows,
        width_rows=rows,
    )
    return StatePrior(columns=(column,), stay=np.array([0.98, 0.95]), share=np.ones(2), rows=rows)


def chain(n, seed, stay=(0.98, 0.95)):
    generator = np.random.default_rng(seed)
    truth = np.zeros(n, dtype=int)
    for t in range(1, n):
        truth[t] = truth[t - 1] if generator.random() < stay[truth[t - 1]] else 1 - truth[t - 1]
    return truth, generator.normal(size=n)


def test_with_firm_priors_it_is_the_filter_of_the_true_parameters():
    truth, noise = chain(600, 1)
    values = (2.0 * truth + noise)[:, None]
    found = filtered_states(values, prior(rows=FIRM), SCHEDULE, lambda _: np.eye(2)).chances
    model = HmmParameters(
        np.array([5 / 7, 2 / 7]),
        np.array([[0.98, 0.02], [0.05, 0.95]]),
        np.array([[0.0], [2.0]]),
        np.ones((2, 1, 1)),
    )
    known = ~np.isnan(found).any(axis=1)
    assert_array_equal(np.flatnonzero(known), np.arange(99, 600))
    # The common shift of the levels is learnt, so the two are alike rather than equal.
    assert np.abs(found - filtered_probabilities(values, model))[known].mean() < 0.03


@pytest.mark.parametrize("shift", [-5.0, 0.0, 40.0])
def test_where_the_ladder_stands_is_learnt(shift):
    truth, noise = chain(800, 2)
    found = filtered_states((4.0 * truth + noise + shift)[:, None], prior(), SCHEDULE, lambda _: np.eye(2)).chances
    late = slice(300, None)
    assert (found[late].argmax(axis=1) == truth[late]).mean() > 0.95


def test_widths_are_told_up_to_a_common_multiple():
    truth, noise = chain(1500, 3)
    values = (0.01 * np.array([1.0, 4.0])[truth] * noise)[:, None]
    terms = prior(kind="widths", location=(0.0, 0.0), width=(1.0, 4.0), tails=30.0)
    found = filtered_states(values, terms, SCHEDULE, lambda _: np.eye(2)).chances
    late = slice(300, None)
    right = (found[late].argmax(axis=1) == truth[late]).mean()
    assert right > 0.93
    assert_allclose(found[late].sum(axis=1), 1)
    other = filtered_states(1000 * values, terms, SCHEDULE, lambda _: np.eye(2)).chances
    assert_allclose(other[late], found[late], atol=1e-4)


def test_one_regime_alone_leaves_doubt_about_which_it_is():
    values = np.random.default_rng(4).normal(size=(150, 1))
    found = filtered_states(values, prior(), SCHEDULE, lambda _: np.eye(2)).chances
    assert found[-1].min() > 0.02


def test_no_row_knows_a_later_one():
    truth, noise = chain(500, 5)
    values = (2.0 * truth + noise)[:, None]
    whole = filtered_states(values, prior(), SCHEDULE, lambda _: np.eye(2)).chances
    assert_array_equal(filtered_states(values[:333], prior(), SCHEDULE, lambda _: np.eye(2)).chances, whole[:333])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="columns of the prior"):
        filtered_states(np.zeros((10, 2)), prior(), SCHEDULE, lambda _: np.eye(2))
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        StatePrior(columns=(), stay=np.array([1.0, 0.5]), share=np.ones(2), rows=1.0)
    assert np.isnan(filtered_states(np.zeros((10, 1)), prior(), SCHEDULE, lambda _: np.eye(2)).chances).all()
