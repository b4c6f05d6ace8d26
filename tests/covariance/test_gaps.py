"""Returns with gaps are centred and scaled so that variances are those of the days each asset has."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.gaps import centred_returns
from quantray.errors import DataError, InputError

NAN = np.nan
GAPPY = np.array([[0.01, 0.02], [0.03, NAN], [-0.01, 0.04], [0.01, 0.00]])


def test_two_assets_by_hand():
    centred = centred_returns(GAPPY, "available")
    assert_allclose(centred.values, [[0.0, 0.0], [0.02, 0.0], [-0.02, 0.02], [0.0, -0.02]], atol=1e-15)
    assert_allclose(centred.scale, [1.0, np.sqrt(3 / 2)])
    assert centred.missing_share == 1 / 8
    assert centred.days == 3.5


def test_variances_are_those_of_the_known_days():
    filled = centred_returns(GAPPY, "available").filled
    assert_allclose((filled**2).sum(axis=0) / 3, np.nanvar(GAPPY, axis=0, ddof=1))


def test_complete_days_drop_the_others():
    centred = centred_returns(GAPPY, "complete")
    whole = GAPPY[[0, 2, 3]]
    assert_allclose(centred.values, whole - whole.mean(axis=0), atol=1e-15)
    assert (centred.scale == 1).all()
    assert centred.known.shape == (3, 2)


def test_weights_give_weighted_variances():
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    filled = centred_returns(GAPPY, "available", weights).filled
    for asset in range(2):
        known = ~np.isnan(GAPPY[:, asset])
        expected = np.cov(GAPPY[known, asset], aweights=weights[known], ddof=0)
        assert_allclose((filled[:, asset] ** 2).sum(), expected)


def test_an_unweighted_asset_is_named():
    with pytest.raises(DataError, match="asset 1 has no return recent enough"):
        centred_returns(np.array([[0.01, 0.02], [0.02, 0.01], [0.03, NAN]]), "available", np.array([0.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("returns", "missing", "error", "text"),
    [
        (GAPPY, "refuse", InputError, "12.5% of the returns are missing"),
        (GAPPY, "drop", InputError, "missing 'drop' is not one of"),
        (GAPPY[:, 0], "available", InputError, "must be"),
        (np.where(np.isnan(GAPPY), np.inf, GAPPY), "available", InputError, "infinite"),
        (GAPPY[:2], "available", DataError, "asset 1 has 1 returns in 2 days"),
    ],
)
def test_refused(returns, missing, error, text):
    with pytest.raises(error, match=text):
        centred_returns(returns, missing)
