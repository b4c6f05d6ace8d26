import copy
import pickle
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import SolverError
from quantray.portfolio.problem import StructuredProblem
from quantray.portfolio.solve import InfeasibleError, Relaxation, Residuals, smallest_relaxations

NAMES = ("budget", "beta")


def problem(**changes):
    """Three assets of beta 1, 1.5 and 2, long-only and fully invested."""
    base = StructuredProblem(
        linear=np.zeros(3),
        diagonal=np.ones(3),
        root=np.zeros((3, 0)),
        previous=np.array([0.5, 0.5, 0.0]),
        lower=np.zeros(3),
        upper=np.ones(3),
        rows=np.array([[1.0, 1.0, 1.0], [1.0, 1.5, 2.0]]),
        row_lower=np.array([1.0, -np.inf]),
        row_upper=np.array([1.0, np.inf]),
        cost=np.zeros(3),
    )
    return replace(base, **changes)


def test_nothing_gives_way_where_weights_exist():
    assert smallest_relaxations(problem(), NAMES) == ()


def test_the_cheapest_limit_gives_way():
    # A beta of at most 0.8 needs 0.2 more, or 0.2 less of the budget; below 1 it is the beta alone.
    (found,) = smallest_relaxations(problem(row_upper=np.array([1.0, 0.8])), NAMES, only=("beta",))
    assert found.name == "beta"
    assert found.limit == 0.8
    assert_allclose(found.needed, 1.0, atol=1e-8)


def test_a_lower_limit_is_named_with_its_own_side():
    floors = problem(row_lower=np.array([1.0, 2.2]), row_upper=np.array([1.0, np.inf]))
    (found,) = smallest_relaxations(floors, NAMES, only=("beta",))
    assert (found.name, found.limit) == ("beta", 2.2)
    assert_allclose(found.needed, 2.0, atol=1e-8)


def test_turnover_counts_one_way():
    # The third asset must be bought up to 0.4: 0.8 of money traded, half of it one way.
    held = problem(lower=np.array([0.0, 0.0, 0.4]), turnover=0.2)
    (found,) = smallest_relaxations(held, NAMES, only=("turnover",))
    assert found.limit == pytest.approx(0.1)
    assert found.needed == pytest.approx(0.4)


def test_gross_counts_in_full():
    (found,) = smallest_relaxations(problem(gross=0.7), NAMES, only=("gross",))
    assert (found.name, found.limit) == ("gross", 0.7)
    assert_allclose(found.needed, 1.0, atol=1e-8)


def test_none_where_the_named_limits_do_not_help():
    crowded = problem(upper=np.full(3, 0.2))
    assert smallest_relaxations(crowded, NAMES, only=("beta", "turnover")) is None
    assert smallest_relaxations(crowded, NAMES, only=("budget",))[0].needed == pytest.approx(0.6)


def test_a_programme_that_fails_otherwise_is_an_error(monkeypatch):
    from scipy.optimize import OptimizeResult

    from quantray.portfolio import solve

    failed = OptimizeResult(status=4, message="numerical difficulties")
    monkeypatch.setattr(solve, "linprog", lambda *_, **__: failed)
    with pytest.raises(SolverError, match="could not be solved: numerical difficulties"):
        smallest_relaxations(problem(), NAMES)


def test_infeasible_errors_travel_between_processes():
    error = InfeasibleError("no weights", (Relaxation("beta", 0.1, 0.8),))
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(other, InfeasibleError)
        assert str(other) == "no weights"
        assert other.conflicts == (Relaxation("beta", 0.1, 0.8),)


def test_words():
    assert str(Relaxation("turnover", 0.0, 0.125)) == "turnover 0 -> 0.125"
    assert Residuals(primal=1e-9, gap=1e-8).worst == 1e-8
    assert Residuals(primal=1e-7, gap=1e-8).worst == 1e-7


@pytest.mark.parametrize("seed", range(8))
def test_the_sum_of_relaxations_is_the_smallest(seed):
    generator = np.random.default_rng(seed)
    n = 12
    previous = generator.normal(0, 0.1, n)
    tight = problem(
        linear=np.zeros(n),
        diagonal=np.ones(n),
        root=np.zeros((n, 0)),
        cost=np.zeros(n),
        previous=previous,
        lower=generator.uniform(-0.1, 0.02, n),
        upper=generator.uniform(0.03, 0.2, n),
        rows=np.array([np.ones(n), generator.normal(size=n)]),
        row_lower=np.array([0.9, 0.3]),
        row_upper=np.array([1.0, 0.35]),
        turnover=0.4,
        gross=0.6,
    )
    w, slack = cp.Variable(n), cp.Variable(4, nonneg=True)
    limits = [w >= tight.lower, w <= tight.upper]
    limits += [tight.rows @ w <= tight.row_upper + slack[:2], tight.rows @ w >= tight.row_lower - slack[:2]]
    limits += [cp.norm1(w - previous) <= 0.4 + slack[2], cp.norm1(w) <= 0.6 + slack[3]]
    least = cp.Problem(cp.Minimize(cp.sum(slack)), limits).solve(solver="CLARABEL")
    found = smallest_relaxations(tight, ("budget", "beta"))
    # The turnover is told one-way.
    total = sum((2 if change.name == "turnover" else 1) * abs(change.needed - change.limit) for change in found)
    assert_allclose(total, least, atol=1e-6)
