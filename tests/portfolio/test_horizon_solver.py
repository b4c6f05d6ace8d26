from dataclasses import replace

import numpy as np
import pytest
from _horizons import basket, by_clarabel, fading, random_horizon
from numpy.testing import assert_allclose

from quantray.portfolio.chains import moves, moves_back
from quantray.portfolio.horizon_problem import HorizonProblem
from quantray.portfolio.horizon_solver import solve_horizon
from quantray.portfolio.problem import StructuredProblem
from quantray.portfolio.structured import solve_structured

VECTORS = ("linear", "diagonal", "lower", "upper", "cost", "quadratic", "impact", "short", "cap")


def one_asset(n_periods=2, **changes):
    """An asset without risk that may be held between -1 and 1, from nothing."""
    shape = (n_periods, 1)
    problem = HorizonProblem(
        linear=np.zeros(shape),
        diagonal=np.zeros(shape),
        root=np.zeros((1, 0)),
        previous=np.zeros(1),
        lower=-np.ones(shape),
        upper=np.ones(shape),
        rows=np.zeros((0, 1)),
        row_lower=np.zeros((n_periods, 0)),
        row_upper=np.zeros((n_periods, 0)),
    )
    return replace(problem, **changes)


# Hand cases


def test_what_is_sold_again_must_earn_both_costs():
    # 0.3 is earned in the first period only, and buying and selling cost 0.2 each: not worth it. At 0.1 each it is.
    gain, end = np.array([[-0.3], [0.0]]), np.array([[-1.0], [0.0]])
    upper = np.array([[1.0], [0.0]])
    for cost, expected in ((0.2, 0.0), (0.1, 1.0)):
        problem = one_asset(linear=gain, lower=end, upper=upper, cost=np.full((2, 1), cost))
        result = solve_horizon(problem)
        assert result.converged
        assert_allclose(result.weights, [[expected], [0.0]], atol=1e-7)


def test_quadratic_costs_alone_trade_evenly():
    end = np.array([[1.0], [1.0], [1.0], [0.0]])
    problem = one_asset(4, previous=np.ones(1), lower=-end, upper=end, quadratic=np.ones((4, 1)))
    assert_allclose(solve_horizon(problem).weights[:, 0], [0.75, 0.5, 0.25, 0.0], atol=1e-7)


def test_a_schedule_with_risk_is_that_of_almgren_and_chriss():
    # x_j = X sinh(kappa (n - j)) / sinh(kappa n), with 2 (cosh kappa - 1) = risk / impact.
    n, risk, eta = 8, 0.3, 0.5
    end = np.ones((n, 1))
    end[-1] = 0.0
    problem = one_asset(
        n,
        previous=np.ones(1),
        diagonal=np.full((n, 1), 2 * risk),
        lower=-end,
        upper=end,
        quadratic=np.full((n, 1), eta),
    )
    kappa = np.arccosh(1 + risk / eta / 2)
    expected = np.sinh(kappa * (n - np.arange(1, n + 1))) / np.sinh(kappa * n)
    assert_allclose(solve_horizon(problem, tolerance=1e-12).weights[:, 0], expected, atol=1e-6)


def test_caps_by_hand():
    # The gain is worth a full position; 0.4 may be traded in each period.
    problem = one_asset(3, linear=np.full((3, 1), -1.0), cap=np.full((3, 1), 0.4))
    assert_allclose(solve_horizon(problem).weights[:, 0], [0.4, 0.8, 1.0], atol=1e-7)


# Against others


@pytest.mark.parametrize("seed", range(30))
def test_objective_equals_clarabel(seed):
    problem, path = random_horizon(seed)
    assert problem.violation(path) <= 1e-9
    result, other = solve_horizon(problem), by_clarabel(problem)
    assert result.converged
    size = problem.size(result.weights)
    assert problem.violation(result.weights) <= 1e-7
    assert -1e-9 * size <= result.gap <= 1e-6 * size
    assert abs(problem.objective(result.weights) - problem.objective(other.weights)) <= 1e-6 * size


@pytest.mark.parametrize("power", [False, True])
def test_a_basket_and_a_portfolio_equal_clarabel(power):
    for problem in (basket(40, 5, 4, 1, power=power), fading(40, 5, 4, 1, power=power)):
        result, other = solve_horizon(problem), by_clarabel(problem)
        difference = problem.objective(result.weights) - problem.objective(other.weights)
        assert abs(difference) <= 1e-6 * problem.size(result.weights)


@pytest.mark.parametrize("seed", range(200, 220))
def test_one_period_equals_the_method_of_one_period(seed):
    problem, _ = random_horizon(seed)
    none = np.zeros(problem.shape[1])
    first = {name: values[:1] for name in VECTORS if (values := getattr(problem, name)) is not None}
    problem = replace(
        problem,
        **first | {"quadratic": None, "cap": None},
        root=problem.root if problem.root.ndim == 2 else problem.root[:1],
        rows=problem.rows if problem.rows.ndim == 2 else problem.rows[:1],
        row_lower=problem.row_lower[:1],
        row_upper=problem.row_upper[:1],
        turnover=None if problem.turnover is None else problem.turnover[:1],
        gross=None if problem.gross is None else problem.gross[:1],
    )
    alone = StructuredProblem(
        linear=problem.linear[0],
        diagonal=problem.diagonal[0],
        root=problem.root if problem.root.ndim == 2 else problem.root[0],
        previous=problem.previous,
        lower=problem.lower[0],
        upper=problem.upper[0],
        rows=problem.rows if problem.rows.ndim == 2 else problem.rows[0],
        row_lower=problem.row_lower[0],
        row_upper=problem.row_upper[0],
        cost=none if problem.cost is None else problem.cost[0],
        impact=None if problem.impact is None else problem.impact[0],
        short=None if problem.short is None else problem.short[0],
        turnover=np.inf if problem.turnover is None else float(problem.turnover[0]),
        gross=np.inf if problem.gross is None else float(problem.gross[0]),
    )
    ours, theirs = solve_horizon(problem), solve_structured(alone)
    assert ours.converged
    assert theirs.converged
    assert abs(alone.objective(ours.weights[0]) - alone.objective(theirs.weights)) <= 1e-6 * alone.size(theirs.weights)


def made_hard(problem, path, kind):
    """The same problem, and hard in one way."""
    shape, size = problem.shape, np.abs(problem.linear).max()
    trade = np.abs(moves(path, problem.previous))
    twice = {name: np.hstack([getattr(problem, name)] * 2) for name in ("row_lower", "row_upper")}
    changes = {
        "no risk": {"diagonal": np.zeros(shape), "root": np.zeros((shape[1], 0))},
        "no alpha": {"linear": np.zeros(shape)},
        "huge costs": {"cost": np.full(shape, 1000 * size)},
        "caps without room": {"cap": trade},
        "turnover without room": {"turnover": trade.sum(axis=1)},
        "rows twice": {"rows": np.concatenate([problem.rows, problem.rows], axis=-2), **twice},
    }
    return replace(problem, **changes[kind])


@pytest.mark.parametrize("seed", range(5000, 5008))
@pytest.mark.parametrize(
    "kind", ["no risk", "no alpha", "huge costs", "caps without room", "turnover without room", "rows twice"]
)
def test_hard_problems_are_solved(kind, seed):
    problem = made_hard(*random_horizon(seed), kind)
    result = solve_horizon(problem)
    assert result.converged
    assert problem.violation(result.weights) <= 1e-7
    assert result.gap <= 1e-6 * problem.size(result.weights)


# Laws


@pytest.mark.parametrize("seed", range(20))
def test_conditions_of_optimality(seed):
    problem, _ = random_horizon(seed)
    result = solve_horizon(problem, tolerance=1e-11)
    w, prices = result.weights, result.prices
    trade, none = moves(w, problem.previous), np.zeros(problem.shape)
    root = np.broadcast_to(problem.root, (len(w), *problem.root.shape[-2:]))
    rows = np.broadcast_to(problem.rows, (len(w), *problem.rows.shape[-2:]))
    slope = problem.linear + problem.diagonal * w + np.einsum("hnk,hmk,hm->hn", root, root, w)
    slope += np.einsum("hm,hmn->hn", prices.row, rows) + moves_back(prices.trade) + prices.gross[:, None] * np.sign(w)
    short = none if problem.short is None else problem.short
    slope -= np.where(w < 0, short, 0.0)
    unit = np.abs(problem.linear).max() + (0 if problem.cost is None else problem.cost.max())
    inside = (w > problem.lower + 1e-4) & (w < problem.upper - 1e-4) & (np.abs(w) > 1e-4)
    assert_allclose(slope[inside], 0.0, atol=1e-3 * unit)
    cost = prices.turnover[:, None] + (none if problem.cost is None else problem.cost)
    curved = np.zeros(problem.shape) if problem.quadratic is None else 2 * problem.quadratic * np.abs(trade)
    curved = curved + (0 if problem.impact is None else 1.5 * problem.impact * np.sqrt(np.abs(trade)))
    moving = np.abs(trade) > 1e-4
    if problem.cap is not None:
        moving &= np.abs(trade) < problem.cap - 1e-4
    assert_allclose(prices.trade[moving], (np.sign(trade) * (cost + curved))[moving], atol=1e-3 * unit)
    values = problem.row_values(w)
    assert (prices.row[values < problem.row_upper - 1e-4] <= 1e-3 * unit).all()
    assert (prices.row[values > problem.row_lower + 1e-4] >= -1e-3 * unit).all()
    if problem.turnover is not None:
        assert (prices.turnover[np.abs(trade).sum(axis=1) < problem.turnover - 1e-3] <= 1e-2 * unit).all()


def test_permuting_assets_permutes_weights():
    problem = fading(30, 4, 3, 5)
    order = np.random.default_rng(0).permutation(30)
    changes = {name: values[:, order] for name in VECTORS if (values := getattr(problem, name)) is not None}
    other = replace(problem, **changes, previous=problem.previous[order], root=problem.root[order])
    assert_allclose(solve_horizon(other).weights, solve_horizon(problem).weights[:, order], atol=1e-6)


def test_what_is_left_of_a_plan_is_the_plan_of_what_is_left():
    problem = basket(20, 6, 3, 2, power=True)
    result = solve_horizon(problem, tolerance=1e-11)
    vectors = {name: values[2:] for name in VECTORS if (values := getattr(problem, name)) is not None}
    rest = replace(
        problem,
        **vectors,
        previous=result.weights[1],
        row_lower=problem.row_lower[2:],
        row_upper=problem.row_upper[2:],
    )
    assert_allclose(solve_horizon(rest, tolerance=1e-11).weights, result.weights[2:], atol=1e-5)


def test_a_buy_mirrors_a_sale():
    problem = basket(20, 5, 3, 3, power=False)
    mirrored = replace(problem, previous=-problem.previous, lower=-problem.upper, upper=-problem.lower)
    assert_allclose(solve_horizon(mirrored).weights, -solve_horizon(problem).weights, atol=1e-6)


def test_dearer_trading_trades_no_more():
    problem = fading(30, 4, 3, 6)
    turnover = [
        np.abs(moves(solve_horizon(replace(problem, cost=times * problem.cost)).weights, problem.previous)).sum()
        for times in (1, 3, 10)
    ]
    assert turnover[0] > turnover[1] > turnover[2]


def test_without_a_solution_it_says_so():
    problem = fading(30, 4, 3, 6)
    rows = {"row_lower": problem.row_lower + 10, "row_upper": problem.row_upper + 10}
    assert not solve_horizon(replace(problem, **rows)).converged
    assert not solve_horizon(replace(problem, lower=problem.upper)).converged
