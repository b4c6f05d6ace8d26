import numpy as np
import pytest
from _problems import KINDS, random_problem
from numpy.testing import assert_allclose
from structured_problem import small_problem

from quantray.errors import InputError
from quantray.portfolio.conic import solve_conic
from quantray.portfolio.structured import solve_structured


@pytest.mark.parametrize("solver", ["piqp", "osqp"])
def test_other_solvers_agree(solver):
    problem, _ = random_problem(0, sizes=(20,))
    ours, theirs = solve_structured(problem), solve_conic(problem, solver=solver)
    assert_allclose(
        problem.objective(ours.weights), problem.objective(theirs.weights), atol=1e-5 * problem.size(ours.weights)
    )


@pytest.mark.parametrize("solver", ["piqp", "osqp"])
def test_quadratic_solvers_refuse_powers(solver):
    problem, _ = random_problem(KINDS.index("3/2 impact"))
    with pytest.raises(InputError, match="use clarabel for 3/2 impact"):
        solve_conic(problem, solver=solver)


@pytest.mark.parametrize(
    "changes",
    [
        {"upper": np.full(2, 0.4)},
        {"previous": np.array([1.0, 0.0]), "turnover": 0.1, "upper": np.array([0.5, 1.0])},
        {"gross": 0.9},
        {"rows": np.ones((2, 2)), "row_lower": np.array([1.0, 2.0]), "row_upper": np.array([1.0, 2.0])},
        {"lower": np.array([0.6, 0.6])},
        {"lower": np.array([0.6, 0.0]), "upper": np.array([0.5, 1.0])},
    ],
    ids=["box", "turnover", "gross", "rows", "floors", "crossed bounds"],
)
@pytest.mark.parametrize("solve", [solve_structured, solve_conic])
def test_infeasible_problems_do_not_converge_and_do_not_warn(changes, solve):
    assert not solve(small_problem(**changes)).converged
