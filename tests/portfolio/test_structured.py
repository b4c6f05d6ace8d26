from dataclasses import replace

import numpy as np
import pytest
from _problems import KINDS, kind_of, random_problem
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_problem import SEEDS, named, small_problem

from quantray.portfolio.conic import solve_conic
from quantray.portfolio.problem import StructuredProblem
from quantray.portfolio.structured import solve_structured

FEW = range(len(KINDS))


def permuted(problem, order):
    vectors = ("linear", "diagonal", "root", "previous", "lower", "upper", "cost", "impact", "short")
    changes = {name: getattr(problem, name)[order] for name in vectors if getattr(problem, name) is not None}
    return replace(problem, rows=problem.rows[:, order], **changes)


def rescaled(problem, factor):
    changes = {"root": problem.root * np.sqrt(factor)}
    for name in ("linear", "diagonal", "cost", "impact", "short"):
        if getattr(problem, name) is not None:
            changes[name] = getattr(problem, name) * factor
    return replace(problem, **changes)


# Hand cases


def test_two_assets_by_hand():
    # Equal marginal risk: w1 = 2 w2; the objective falls by w1 = 2/3 per unit of budget that is not needed.
    result = solve_structured(small_problem())
    assert result.converged
    assert_allclose(result.weights, [2 / 3, 1 / 3], atol=1e-7)
    assert_allclose(result.prices.rows, [-2 / 3], rtol=1e-6)


def test_a_cost_above_the_gain_leaves_holdings_alone():
    problem = small_problem(previous=np.array([0.5, 0.5]), cost=np.full(2, 0.3))
    assert_allclose(solve_structured(problem).weights, [0.5, 0.5], atol=1e-7)


def test_the_turnover_by_hand():
    # From (0, 1), 0.4 of money traded moves 0.2; the price is the gain of moving on, per unit of money traded.
    problem = small_problem(previous=np.array([0.0, 1.0]), turnover=0.4)
    result = solve_structured(problem)
    assert_allclose(result.weights, [0.2, 0.8], atol=1e-7)
    assert_allclose(result.prices.turnover, (2 * 0.8 - 0.2) / 2, rtol=1e-6)


def test_one_short_asset_pays_its_cost():
    # Alpha -1 on variance 1 would be short 1; a cost of 0.4 leaves 0.6.
    problem = StructuredProblem(
        linear=np.ones(1),
        diagonal=np.ones(1),
        root=np.zeros((1, 0)),
        previous=np.zeros(1),
        lower=-np.full(1, 5.0),
        upper=np.full(1, 5.0),
        rows=np.zeros((0, 1)),
        row_lower=np.zeros(0),
        row_upper=np.zeros(0),
        cost=np.zeros(1),
        short=np.full(1, 0.4),
    )
    assert_allclose(solve_structured(problem).weights, [-0.6], atol=1e-7)


def test_power_impact_by_hand():
    # -a + d w + 1.5 c sqrt(w) = 0 with a = 1, d = 1, c = 1: sqrt(w) = 1/2.
    problem = small_problem(
        linear=np.array([-1.0, 0.0]),
        diagonal=np.ones(2),
        impact=np.ones(2),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([np.inf]),
    )
    assert_allclose(solve_structured(problem).weights, [0.25, 0.0], atol=1e-6)


def test_one_asset_has_no_choice():
    problem = random_problem(0, sizes=(1,))[0]
    result = solve_structured(problem)
    assert result.converged
    assert problem.violation(result.weights) <= 1e-8
    assert_allclose(result.weights, [1.0], atol=1e-8)


def test_all_names_fixed():
    fixed = np.array([0.25, 0.75])
    result = solve_structured(small_problem(lower=fixed, upper=fixed))
    assert result.converged
    assert result.iterations == 0
    assert_allclose(result.weights, fixed)
    assert not solve_structured(small_problem(lower=fixed / 2, upper=fixed / 2)).converged


# Against Clarabel, hard problems included


@named(SEEDS)
def test_objective_equals_clarabel(seed):
    problem, _ = random_problem(seed)
    ours, theirs = solve_structured(problem), solve_conic(problem)
    assert ours.converged
    assert theirs.converged
    size = problem.size(ours.weights)
    assert problem.violation(ours.weights) <= 1e-7
    assert ours.gap <= 1e-6 * size
    # A certified gap of the other allows it to be worse, never better.
    difference = problem.objective(ours.weights) - problem.objective(theirs.weights)
    assert -1e-6 * size - theirs.gap <= difference <= 1e-6 * size


@named([seed for seed in SEEDS if kind_of(seed) in ("plain", "short costs", "gross limit", "market neutral from cash")])
def test_weights_and_prices_equal_clarabel_where_unique(seed):
    problem, _ = random_problem(seed, sizes=(60,))
    # Separate equalities only, so that prices are unique, and a quadratic term on each name, so that weights are.
    problem = replace(problem, rows=problem.rows[:1], row_lower=problem.row_upper[:1], row_upper=problem.row_upper[:1])
    problem = replace(problem, turnover=1.1 * problem.turnover)
    ours, theirs = solve_structured(problem, tolerance=1e-10), solve_conic(problem)
    assert_allclose(ours.weights, theirs.weights, atol=1e-4 * np.abs(theirs.weights).max())
    unit = np.abs(problem.linear).max() + problem.cost.max()
    assert_allclose(ours.prices.rows / unit, theirs.prices.rows / unit, atol=1e-3)
    assert_allclose(ours.prices.turnover / unit, theirs.prices.turnover / unit, atol=1e-3)
    assert_allclose(ours.prices.gross / unit, theirs.prices.gross / unit, atol=1e-3)


# Laws


@named(FEW)
def test_permuting_assets_permutes_weights(seed):
    problem, _ = random_problem(seed, sizes=(40,))
    # Where weights are not unique, the objective still is.
    order = np.random.default_rng(seed).permutation(40)
    result, other = solve_structured(problem), solve_structured(permuted(problem, order))
    size = problem.size(result.weights)
    back = np.empty(40)
    back[order] = other.weights
    assert_allclose(problem.objective(back), problem.objective(result.weights), atol=1e-7 * size)
    if problem.diagonal.min() > 0:
        assert_allclose(back, result.weights, atol=3e-4)


@named(FEW)
@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_scaling_the_objective_changes_nothing(seed, factor):
    problem, _ = random_problem(seed, sizes=(40,))
    result, other = solve_structured(problem), solve_structured(rescaled(problem, factor))
    assert other.converged
    size = problem.size(result.weights)
    assert_allclose(problem.objective(other.weights), problem.objective(result.weights), atol=1e-7 * size)


@named(FEW)
def test_tightening_a_limit_never_lowers_the_objective(seed):
    problem, within = random_problem(seed, sizes=(40,))
    loose = replace(
        problem,
        turnover=problem.turnover + 0.2,
        gross=problem.gross + 0.2,
        upper=problem.upper + 0.02,
        row_upper=problem.row_upper + 0.01,
    )
    before = solve_structured(loose)
    half_way = (before.weights + within) / 2
    for change in (
        {"turnover": problem.turnover},
        {"gross": problem.gross},
        {"upper": problem.upper},
        {"row_upper": problem.row_upper},
        {"turnover": max(problem.turnover, float(np.abs(half_way - problem.previous).sum()))},
    ):
        tight = replace(loose, **change)
        after = solve_structured(tight)
        assert after.converged
        assert tight.objective(after.weights) >= loose.objective(before.weights) - 1e-7 * loose.size(before.weights)


@named(FEW)
def test_factor_form_equals_dense_form(seed):
    # The same covariance three ways: factors and specific risk, one square root, and a root with idle columns.
    problem, _ = random_problem(seed, sizes=(20,))
    covariance = problem.root @ problem.root.T + np.diag(problem.diagonal)
    values, vectors = np.linalg.eigh(covariance)
    dense = replace(problem, diagonal=np.zeros(20), root=vectors * np.sqrt(np.maximum(values, 0.0)))
    idle = replace(problem, root=np.hstack([problem.root, np.zeros((20, 2))]))
    result = solve_structured(problem)
    size = problem.size(result.weights)
    for other in (dense, idle):
        again = solve_structured(other)
        assert again.converged
        assert_allclose(problem.objective(again.weights), problem.objective(result.weights), atol=1e-7 * size)


def test_an_identity_as_root_equals_a_diagonal():
    problem = small_problem(linear=np.array([-0.3, 0.1]))
    other = replace(problem, diagonal=np.zeros(2), root=np.diag(np.sqrt(problem.diagonal)))
    assert_allclose(solve_structured(other).weights, solve_structured(problem).weights, atol=1e-7)


@pytest.mark.parametrize("limit", ["turnover", "gross", "row"])
@pytest.mark.parametrize("seed", range(4))
def test_price_is_the_derivative_with_respect_to_the_limit(limit, seed):
    kinds = ("gross limit",) if limit == "gross" else ("plain",)
    problem, within = random_problem(seed, kinds=kinds, sizes=(40,))
    if limit == "turnover":
        free = solve_structured(replace(problem, turnover=np.inf)).weights
        middle = 0.5 * np.abs(within - problem.previous).sum() + 0.5 * np.abs(free - problem.previous).sum()
        problem = replace(problem, turnover=float(middle))

    def moved(step):
        if limit == "row":
            step = np.r_[step, np.zeros(len(problem.row_upper) - 1)]
            return replace(problem, row_lower=problem.row_lower + step, row_upper=problem.row_upper + step)
        return replace(problem, **{limit: getattr(problem, limit) + step})

    def optimum(step):
        changed = moved(step)
        return changed.objective(solve_structured(changed, tolerance=1e-10).weights)

    step = 1e-5
    result = solve_structured(problem, tolerance=1e-10)
    slopes = (optimum(0.0) - optimum(-step)) / step, (optimum(step) - optimum(0.0)) / step
    price = {"turnover": result.prices.turnover, "gross": result.prices.gross, "row": result.prices.rows[0]}[limit]
    unit = 1e-3 * (np.abs(problem.linear).max() + problem.cost.max())
    assert min(slopes) - unit <= -price <= max(slopes) + unit


# Problems without a solution, and degenerate ones


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_assets=st.integers(1, 12),
    n_factors=st.integers(0, 15),
    zero_specific=st.booleans(),
    identical=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_degenerate_covariances(n_assets, n_factors, zero_specific, identical, seed):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(n_assets, n_factors)) * 0.1
    linear = generator.normal(size=n_assets) * 0.01
    if identical:
        root[:], linear[:] = root[0], linear[0]
    problem = StructuredProblem(
        linear=linear,
        diagonal=np.zeros(n_assets) if zero_specific else np.full(n_assets, 0.01),
        root=root,
        previous=np.full(n_assets, 1 / n_assets),
        lower=np.zeros(n_assets),
        upper=np.ones(n_assets),
        rows=np.ones((1, n_assets)),
        row_lower=np.ones(1),
        row_upper=np.ones(1),
        cost=np.full(n_assets, 0.001),
        turnover=0.5,
    )
    result = solve_structured(problem)
    assert result.converged
    assert result.gap <= 1e-6 * problem.size(result.weights)
    assert problem.violation(result.weights) <= 1e-7
    assert problem.objective(result.weights) <= problem.objective(problem.previous) + 1e-7 * problem.size(
        result.weights
    )
