"""Rules of users' own give weights, or are refused with what was expected."""

import numpy as np
import own_rules
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError, SolverError
from quantray.portfolio.own import own_weights

RETURNS = np.random.default_rng(3).normal(0, 0.01, (60, 4)) * [1.0, 2.0, 3.0, 4.0]


def weights_of(name, returns=RETURNS, parameters=None, **changes):
    asked = {"covariance": lambda: np.cov(returns, rowvar=False)} | changes
    return own_weights(f"own_rules:{name}", returns, parameters or {}, **asked)


def test_a_rule_is_asked_for_what_it_takes():
    assert_array_equal(weights_of("tilted", parameters={"power": 2.0}), own_rules.tilted(RETURNS, 2.0))
    assert_array_equal(weights_of("Tilted", parameters={"power": 2.0}), own_rules.tilted(RETURNS, 2.0))
    # Two uncorrelated names with variances 1 and 4 get 4/5 and 1/5.
    two = weights_of("least_variance", RETURNS[:, :2], covariance=lambda: np.diag([1.0, 4.0]))
    assert_allclose(two, [0.8, 0.2], rtol=1e-14)


def test_what_a_rule_does_to_its_returns_stays_with_it():
    before = RETURNS.copy()
    weights_of("overwrites")
    assert_array_equal(RETURNS, before)


def test_weights_that_sum_to_something_else_are_asked_for():
    with pytest.raises(SolverError, match="'own_rules:half' gave weights that sum to 0.5, not to 1; say invested: 0.5"):
        weights_of("half")
    assert weights_of("half", invested=0.5).sum() == pytest.approx(0.5)
    assert weights_of("half", invested=None).sum() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing", "rule 'own_rules:missing' gave 1 weights of 4 that are NaN or infinite"),
        ("too_few", r"gave \(3,\) weights; it must give \(4,\), one for each asset"),
        ("words", r"gave a str; it must give an array \(4,\) of weights"),
    ],
)
def test_what_are_no_weights_is_refused(name, told):
    with pytest.raises(SolverError, match=told):
        weights_of(name)


def test_a_rule_says_what_it_takes():
    with pytest.raises(InputError, match="is a function of 'panel'; it must be a function whose first argument is"):
        weights_of("of_something")
    with pytest.raises(InputError, match="is a class without fit"):
        own_weights("datetime:date", RETURNS, {}, covariance=lambda: np.eye(4))


def test_errors_come_in_a_line_and_gaps_with_a_remedy():
    good = RETURNS.copy()
    good[-1] = 0.01
    with pytest.raises(SolverError, match="raised ValueError: no weights on good days$"):
        weights_of("refuses_some", good)
    good[3, 1] = np.nan
    with pytest.raises(SolverError, match="good days; 1 of 4 names lack returns: min_history: 1 leaves them out$"):
        weights_of("refuses_some", good)
