"""Limits that no weights meet: which are named, and which give way."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_mandate import (
    HELD,
    MARKET,
    N,
    solve,
)

from quantray.errors import SolverError
from quantray.portfolio import mean_variance
from quantray.portfolio.constraints import Limits
from quantray.portfolio.solve import InfeasibleError


def test_turnover_zero_with_a_new_restricted_holding():
    restricted = np.arange(N) == 0
    with pytest.raises(InfeasibleError, match="smallest change that allows some.*Ease these, or name") as caught:
        solve(Limits(turnover=0.0), market=replace(MARKET, restricted=restricted))
    # Sold without buying another: half of it one way and a budget below one; or sold and bought: all of it.
    names = {conflict.name for conflict in caught.value.conflicts}
    assert "turnover" in names
    (turnover,) = [conflict for conflict in caught.value.conflicts if conflict.name == "turnover"]
    assert turnover.limit == 0.0
    assert turnover.needed == pytest.approx(HELD[0] if names == {"turnover"} else HELD[0] / 2)


def test_beta_range_against_long_only():
    beta = np.linspace(0.8, 1.4, N)
    with pytest.raises(InfeasibleError, match=r"beta 0.1 -> 0.8") as caught:
        solve(Limits(beta=(-0.1, 0.1)), market=replace(MARKET, beta=beta))
    (conflict,) = caught.value.conflicts
    assert (conflict.name, conflict.limit) == ("beta", 0.1)
    assert conflict.needed == pytest.approx(0.8)


def test_sector_floors_above_the_budget():
    floors = {"banks": (0.5, 1.0), "energy": (0.4, 1.0), "tech": (0.3, 1.0)}
    with pytest.raises(InfeasibleError, match="no weights satisfy all limits") as caught:
        solve(Limits(sectors=floors))
    # The floors sum to 1.2: 0.2 must give way in all, in the budget or in a floor.
    conflicts = caught.value.conflicts
    assert sum(abs(conflict.needed - conflict.limit) for conflict in conflicts) == pytest.approx(0.2)
    assert {conflict.name for conflict in conflicts} <= {"budget", "sector banks", "sector energy", "sector tech"}


def test_single_names_that_cannot_fill_the_budget():
    with pytest.raises(InfeasibleError, match="budget 1 -> 0.3") as caught:
        solve(Limits(weight=(0.0, 0.01)))
    assert caught.value.conflicts[0].needed == pytest.approx(0.3)


def test_limits_give_way_in_the_declared_order():
    restricted = np.arange(N) == 0
    market = replace(MARKET, restricted=restricted)
    base = {"turnover": 0.0, "beta": (0.9, 1.1)}
    solution = solve(Limits(**base, relax=("beta", "turnover")), market=market)
    # Easing the beta does not help, so the turnover gives way too, and only as far as needed.
    (eased,) = solution.relaxed
    assert solution.status == "relaxed"
    assert (eased.name, eased.limit) == ("turnover", 0.0)
    assert eased.needed == pytest.approx(HELD[0])
    assert_allclose(np.abs(solution.weights - HELD).sum() / 2, HELD[0], atol=1e-5)
    budget = solve(Limits(turnover=0.5 * HELD[0], relax=("budget", "turnover")), market=market)
    assert [relaxation.name for relaxation in budget.relaxed] == ["budget"]
    assert_allclose(budget.weights.sum(), 1 - HELD[0], atol=1e-5)


def test_nothing_gives_way_unasked():
    solution = solve(Limits(turnover=0.3, relax=("turnover", "beta")))
    assert (solution.status, solution.relaxed) == ("optimal", ())
    with pytest.raises(InfeasibleError):
        solve(Limits(weight=(0.0, 0.01), relax=("turnover",)))


def test_sizes_that_gave_way_are_recorded():
    restricted = np.arange(N) == 0
    limits = Limits(adv_trade=0.01, relax=("trade size",))
    solution = solve(limits, market=replace(MARKET, restricted=restricted))
    assert solution.status == "relaxed"
    assert solution.relaxed[0].name == "trade size (1 names)"


def test_another_solver_steps_in_and_says_so(monkeypatch):
    expected = solve(Limits())
    stalled = mean_variance.solve_structured
    monkeypatch.setattr(mean_variance, "solve_structured", lambda p, **kw: replace(stalled(p, **kw), converged=False))
    solution = solve(Limits())
    assert solution.solver == "clarabel"
    assert_allclose(solution.objective, expected.objective, atol=1e-9)
    with pytest.raises(SolverError, match="no solver converged on a feasible problem"):
        solve(Limits(tracking_error=0.01))
