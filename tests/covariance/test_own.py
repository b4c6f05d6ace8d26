"""Estimators of users' own give what a covariance is, or are refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.covariance.own import own_covariance
from quantray.errors import SolverError

RETURNS = np.random.default_rng(3).normal(0, 0.01, (60, 4))


def test_functions_and_classes_are_asked():
    sample = np.cov(RETURNS, rowvar=False)
    assert_allclose(own_covariance("own_rules:sample", RETURNS, {}), sample, rtol=1e-14)
    assert_allclose(own_covariance("own_rules:Shrunk", RETURNS, {"share": 1.0}), np.diag(np.diagonal(sample)))
    # quantray's own by path, which gives a matrix with notes.
    named = own_covariance("quantray.covariance.estimators:sample_covariance", RETURNS, {"missing": "refuse"})
    assert_allclose(named, sample, rtol=1e-12)


def test_scikit_learns_are_asked():
    from sklearn.covariance import LedoitWolf

    found = own_covariance("sklearn.covariance:LedoitWolf", RETURNS, {"assume_centered": True})
    assert_array_equal(found, LedoitWolf(assume_centered=True).fit(RETURNS).covariance_)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tilted", r"estimator 'own_rules:tilted' gave \(4,\); it must give \(4, 4\), a row for each asset"),
        ("words", r"gave a str; it must give an array \(4, 4\)"),
        ("negative", "smallest eigenvalue -.* and smallest variance -.*; eigenvalues must be 0 or more"),
        ("lopsided", "gave a matrix that is not symmetric"),
        ("nothing_known", "gave 16 entries that are NaN or infinite"),
    ],
)
def test_what_is_no_covariance_is_refused(name, told):
    with pytest.raises(SolverError, match=told):
        own_covariance(f"own_rules:{name}", RETURNS, {})
