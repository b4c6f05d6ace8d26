from dataclasses import replace

import numpy as np
import pytest
from _problems import KINDS, random_problem
from numpy.testing import assert_allclose
from structured_problem import SEEDS, named, small_problem

from quantray.portfolio.dual_newton import has_unique_answers, solve_by_prices
from quantray.portfolio.structured import solve_from_within, solve_structured

QUADRATIC = tuple(kind for kind in KINDS if kind != "3/2 impact")
UNIQUE = [seed for seed in SEEDS if has_unique_answers(random_problem(seed)[0])]


def test_the_exact_optimum_by_hand():
    # Equal marginal risk: w1 = 2 w2; the price of the budget is what the objective falls without it.
    result = solve_by_prices(small_problem())
    assert result.converged
    assert_allclose(result.weights, [2 / 3, 1 / 3], rtol=1e-14)
    assert_allclose(result.prices.rows, [-2 / 3], rtol=1e-14)


@named(UNIQUE)
def test_as_good_as_from_within_and_within_the_limits(seed):
    problem, _ = random_problem(seed)
    ours, theirs = solve_by_prices(problem), solve_from_within(problem)
    assert ours.converged
    size = problem.size(ours.weights)
    assert problem.violation(ours.weights) <= 1e-8
    assert ours.gap <= 1e-8 * size
    assert problem.objective(ours.weights) <= problem.objective(theirs.weights) + 1e-7 * size


@pytest.mark.parametrize("n_assets", [300, 3000])
def test_steps_do_not_grow_with_the_number_of_names(n_assets):
    for seed in range(4):
        problem, _ = random_problem(seed, kinds=("plain",), sizes=(n_assets,))
        result = solve_by_prices(problem)
        assert result.converged
        assert result.iterations <= 20


def test_prices_of_a_problem_are_a_start_for_the_next():
    problem, _ = random_problem(0, kinds=("plain",), sizes=(400,))
    first = solve_by_prices(problem)
    again = solve_by_prices(problem, start=first.prices)
    assert again.iterations <= 1
    alpha = np.random.default_rng(1).normal(size=400) * np.abs(problem.linear).mean()
    fresh = replace(problem, linear=0.9 * problem.linear + 0.1 * alpha)
    cold, warm = solve_by_prices(fresh), solve_by_prices(fresh, start=first.prices)
    assert warm.iterations < cold.iterations
    assert_allclose(warm.weights, cold.weights, atol=1e-10)
    assert_allclose(warm.prices.rows, cold.prices.rows, rtol=1e-6)


@pytest.mark.parametrize("seed", [131, 193, 471, 736])
def test_what_ends_too_early_is_not_converged_and_is_solved_from_within(seed):
    # Too many prices for so few names: all of them at bounds or kinks, and no step that helps.
    problem, _ = random_problem(seed, kinds=QUADRATIC, sizes=(1, 5, 20, 60, 150, 600))
    prices, both = solve_by_prices(problem), solve_structured(problem)
    assert both.converged
    assert both.gap <= 1e-6 * problem.size(both.weights)
    if not prices.converged:
        assert_allclose(both.weights, solve_from_within(problem).weights, rtol=1e-12)


def test_a_problem_without_a_solution_is_not_converged():
    problem = small_problem(upper=np.full(2, 0.3))
    assert not solve_by_prices(problem).converged


def test_answers_need_risk_or_impact():
    bare = small_problem(diagonal=np.zeros(2))
    assert not has_unique_answers(bare)
    assert has_unique_answers(replace(bare, impact=np.ones(2)))
