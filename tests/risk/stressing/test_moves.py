import numpy as np
import pytest
from numpy.testing import assert_allclose
from share_market import share_model

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.stressing.moves import expected_moves, filled_moves

NO_FACTORS = (np.zeros(0, dtype=np.int64), np.zeros(0))


def random_model(seed=0, m=12, k=3):
    generator = np.random.default_rng(seed)
    root = generator.normal(0, 0.01, (k, k))
    return FactorModel(generator.normal(0, 1, (m, k)), root @ root.T, generator.uniform(1e-5, 1e-4, m))


def test_a_factor_takes_others_with_it_by_their_covariance():
    found = expected_moves(share_model(), np.zeros((0, 4)), np.zeros(0), np.array([0]), np.array([-0.1]))
    assert_allclose(found.factors, [-0.1, -0.05])
    assert_allclose(found.drivers, [-0.1, -0.2, -0.15, 0])


def test_expectations_are_the_regressions_of_the_joint_covariance():
    model, generator = random_model(), np.random.default_rng(1)
    rows, moves = generator.normal(0, 1, (3, 12)), generator.normal(0, 0.05, 3)
    found = expected_moves(model, rows, moves, np.array([1]), np.array([0.02]))
    # Drivers and factors together, as one matrix.
    factors = model.factor_covariance
    across = model.loadings @ factors
    joint = np.block([[model.dense(), across], [across.T, factors]])
    known = np.zeros((4, 15))
    known[:3, :12], known[3, 13] = rows, 1
    expected = joint @ known.T @ np.linalg.solve(known @ joint @ known.T, [*moves, 0.02])
    assert_allclose(np.concatenate([found.drivers, found.factors]), expected)
    assert_allclose(rows @ found.drivers, moves)
    assert_allclose(found.factors[1], 0.02)


def test_moves_that_cannot_be_together_are_refused():
    # B is twice the market, and nothing else.
    with pytest.raises(InputError, match="contradict one another"):
        expected_moves(share_model(), np.array([[0.0, 1, 0, 0]]), np.array([-0.1]), np.array([0]), np.array([-0.1]))
    fine = expected_moves(share_model(), np.array([[0.0, 1, 0, 0]]), np.array([-0.2]), np.array([0]), np.array([-0.1]))
    assert_allclose(fine.drivers[0], -0.1)


def test_gaps_are_filled_by_what_the_factors_did():
    model, generator = random_model(m=40), np.random.default_rng(2)
    changes = generator.normal(0, 0.01, (5, 40))
    changes[1, :3] = changes[3, 7:] = changes[4] = np.nan
    found = filled_moves(model, changes)
    known = ~np.isnan(changes)
    assert_allclose(found.drivers[known], changes[known])
    for day in range(4):
        there = known[day]
        solved = np.linalg.solve(model.dense()[np.ix_(there, there)], changes[day, there])
        assert_allclose(found.factors[day], model.factor_covariance @ model.loadings[there].T @ solved, rtol=1e-6)
        assert_allclose(found.drivers[day, ~there], model.loadings[~there] @ found.factors[day])
    # A day that nothing is known of has no expected move.
    assert_allclose(found.drivers[4], 0)
