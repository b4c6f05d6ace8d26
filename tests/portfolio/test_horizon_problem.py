from dataclasses import replace

import numpy as np
import pytest
from _horizons import fading, random_horizon

from quantray.errors import InputError
from quantray.portfolio.horizon_problem import HorizonPrices, horizon_gap
from quantray.portfolio.horizon_solver import solve_horizon


@pytest.mark.parametrize("seed", range(20))
def test_the_certificate_holds_for_any_plan_and_any_prices(seed):
    problem, path = random_horizon(seed)
    best = solve_horizon(problem)
    size, least = problem.size(best.weights), problem.objective(best.weights)
    # Another plan with the best prices: no plan is better by more than it says, and it says no less than it is worse.
    assert horizon_gap(problem, path, best.prices) >= problem.objective(path) - least - 1e-6 * size
    generator = np.random.default_rng(seed)
    n_rows = problem.row_lower.shape[1]
    wild = HorizonPrices(
        np.zeros((len(path), n_rows)),
        np.zeros(len(path)),
        np.zeros(len(path)),
        generator.normal(size=problem.shape) * np.abs(problem.linear).max(),
    )
    assert horizon_gap(problem, best.weights, wild) >= -1e-9 * size


def test_a_price_on_a_limit_that_does_not_exist_certifies_nothing():
    problem = fading(5, 2, 2, 0)
    result = solve_horizon(problem)
    priced = replace(result.prices, turnover=np.ones(2))
    assert horizon_gap(problem, result.weights, priced) == np.inf
    rows = replace(problem, row_upper=np.full((2, 1), np.inf))
    assert horizon_gap(rows, result.weights, replace(result.prices, row=np.ones((2, 1)))) == np.inf


def test_violations_are_measured():
    problem = fading(4, 2, 1, 0)
    problem = replace(problem, turnover=np.full(2, 0.5), gross=np.full(2, 1.5), cap=np.ones((2, 4)))
    held = np.tile(problem.previous, (2, 1))
    assert problem.violation(held) <= 1e-12
    moved = held.copy()
    moved[1, 0] += 1.25
    assert problem.violation(moved) == pytest.approx(1.25)
    assert replace(problem, upper=np.full((2, 4), 9.0)).violation(moved) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear": np.zeros(3)}, r"linear is \(3,\); it must be \(H, N\)"),
        ({"cost": np.zeros((2, 3))}, r"cost is \(2, 3\); it must be \(2, 5\)"),
        ({"diagonal": np.full((2, 5), np.nan)}, "diagonal holds NaN"),
        ({"impact": np.full((2, 5), np.inf)}, "impact holds NaN or infinite"),
        ({"quadratic": -np.ones((2, 5))}, "quadratic holds negative values"),
        ({"cap": -np.ones((2, 5))}, "cap holds negative values"),
        ({"root": np.zeros((3, 5, 2))}, r"root is \(3, 5, 2\) for 2 periods and 5 assets"),
        ({"rows": np.full((1, 5), np.nan)}, "rows holds NaN"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(fading(5, 2, 2, 0), **change)
