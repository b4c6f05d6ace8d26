import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.metrics import performance
from quantray.studies.institutional.objective import Candidate, Choice, Constraints, Objectives, choose, scored

RETURNS = np.random.default_rng(3).normal(5e-4, 0.01, 500)


@pytest.mark.parametrize("name", ["sharpe", "sortino", "calmar", "annual_return"])
def test_a_measure_is_what_reports_call_it(name):
    found = Objectives(weights={name: 2.0}).score(RETURNS)
    assert_allclose(found, 2 * getattr(performance(RETURNS), name))


def test_a_return_counts_in_proportion_beyond_the_drawdown():
    whole = performance(RETURNS)
    tight = Objectives(weights={"return_at_drawdown": 1}, constraints=Constraints(max_drawdown=whole.max_drawdown / 2))
    assert_allclose(tight.score(RETURNS), whole.annual_return / 2)
    wide = Objectives(weights={"return_at_drawdown": 1}, constraints=Constraints(max_drawdown=0.9))
    assert_allclose(wide.score(RETURNS), whole.annual_return)


def test_several_objectives_add_up():
    both = Objectives(weights={"sharpe": 1, "calmar": 0.5}).score(RETURNS)
    assert_allclose(both, performance(RETURNS).sharpe + performance(RETURNS).calmar / 2)


def test_nothing_held_scores_nothing():
    assert Objectives().score(np.zeros(10)) == 0.0


def test_what_keeps_to_the_constraints_comes_first():
    objectives = Objectives(constraints=Constraints(max_drawdown=0.5, turnover=10))
    calm = scored("calm", RETURNS / 10, objectives, turnover=5, periods_per_year=252)
    busy = scored("busy", RETURNS, objectives, turnover=15, periods_per_year=252)
    assert (calm.excess, busy.excess) == (0.0, 0.5)
    assert choose([busy, calm]).chosen == "calm"
    assert choose([busy]).chosen == "busy"


def test_a_choice_survives_its_note():
    choice = choose([Candidate("a", 0.1, 0.2, 3.0, 0.0), Candidate("b", 0.1, 0.2, 3.0, 0.0)])
    assert choice.best.name == "a"
    assert Choice.of_notes(choice.note()) == choice
