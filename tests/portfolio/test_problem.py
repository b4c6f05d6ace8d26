import numpy as np
import pytest
from _problems import random_problem
from structured_problem import SEEDS, named, small_problem

from quantray.portfolio.problem import StructuredProblem, certified_gap
from quantray.portfolio.structured import solve_structured


def prices_of(result):
    return result.prices.rows, result.prices.turnover, result.prices.gross


def allowance(problem, weights, result):
    """What limits that are broken by a rounding are worth at their prices."""
    prices = np.abs(result.prices.rows).sum() + result.prices.turnover + result.prices.gross
    return problem.violation(weights) * prices + 1e-12 * problem.size(weights)


@named(SEEDS)
def test_gap_is_never_negative_beyond_rounding(seed):
    problem, within = random_problem(seed)
    result = solve_structured(problem)
    assert result.gap >= -allowance(problem, result.weights, result)
    assert certified_gap(problem, within, *prices_of(result)) >= -allowance(problem, within, result)


@named(SEEDS)
def test_gap_bounds_the_true_one_at_perturbed_weights(seed):
    problem, within = random_problem(seed)
    result = solve_structured(problem)
    for share in (1e-3, 0.1, 1.0):
        weights = (1 - share) * result.weights + share * within
        excess = problem.objective(weights) - problem.objective(result.weights)
        gap = certified_gap(problem, weights, *prices_of(result))
        assert gap >= excess - max(result.gap, 0.0) - allowance(problem, result.weights, result) - 1e-12 * problem.size(
            weights
        )


@pytest.mark.parametrize("impact", [None, 0.0, 1e-3])
@pytest.mark.parametrize("specific", [0.0, 1e-3])
def test_without_bounds_the_certificate_knows_better_weights_however_far(impact, specific):
    n_assets = 3
    everywhere, nothing = np.full(n_assets, np.inf), np.zeros(n_assets)
    problem = StructuredProblem(
        linear=np.array([-20.0, 1.0, 0.0]),
        diagonal=np.full(n_assets, specific),
        root=np.full((n_assets, 1), 1e-3),
        previous=nothing,
        lower=-everywhere,
        upper=everywhere,
        rows=np.ones((1, n_assets)),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([np.inf]),
        cost=np.full(n_assets, 1e-4),
        impact=None if impact is None else np.full(n_assets, impact),
    )
    far = np.array([15_000.0, -800.0, 0.0])
    for weights in (nothing, np.array([1000.0, -500.0, 0.0]), solve_structured(problem).weights):
        gap = certified_gap(problem, weights, np.zeros(1), 0.0, 0.0)
        assert problem.objective(weights) - gap <= problem.objective(far)


def test_a_price_without_a_limit_certifies_nothing():
    problem = small_problem(row_upper=np.array([np.inf]))
    weights = solve_structured(problem).weights
    assert certified_gap(problem, weights, np.array([-2 / 3]), 0.0, 0.0) == pytest.approx(0.0, abs=1e-7)
    assert certified_gap(problem, weights, np.array([0.1]), 0.0, 0.0) == np.inf
    assert certified_gap(problem, weights, np.zeros(1), 0.1, 0.0) == np.inf
    assert certified_gap(problem, weights, np.zeros(1), 0.0, 0.1) == np.inf
