import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.strategies.cointegration import adf_statistic, critical_value, dickey_fuller_of_all, engle_granger


def walks(n_days, count, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(0, 0.01, size=(n_days, count)), axis=0)


def by_least_squares(series, lags, constant):
    change = np.diff(series)
    rows = range(lags, len(change))
    design = np.array([[series[t], *(change[t - j] for j in range(1, lags + 1)), *([1.0] * constant)] for t in rows])
    target = change[lags:]
    slopes, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ slopes
    variance = residual @ residual / (len(target) - design.shape[1])
    return slopes[0] / np.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0])


@pytest.mark.parametrize("lags", [0, 1, 3])
@pytest.mark.parametrize("constant", [False, True])
def test_statistics_are_those_of_least_squares(lags, constant):
    series = walks(200, 5) + 0.005 * np.random.default_rng(9).normal(size=(200, 5))
    expected = [by_least_squares(column, lags, constant) for column in series.T]
    assert_allclose(adf_statistic(series, lags=lags, constant=constant), expected, rtol=1e-8)


def test_the_size_of_the_test_is_its_level():
    # Of unrelated random walks, five in a hundred are found at the level of 5 %.
    x, y = walks(252, 2000, seed=1), walks(252, 2000, seed=2)
    share = (engle_granger(y, x).statistic < critical_value(252, 0.05)).mean()
    assert 0.035 < share < 0.065


def test_planted_pairs_are_found_with_their_hedge():
    x = walks(252, 50, seed=3)
    y = 0.3 + 1.5 * x + 0.01 * np.random.default_rng(4).normal(size=x.shape)
    found = engle_granger(y, x)
    assert (found.statistic < critical_value(252, 0.01)).all()
    assert_allclose(found.hedge, 1.5, atol=0.15)
    assert_allclose(y, found.intercept + found.hedge * x + found.spread)


def test_all_pairs_agree_with_one_by_one():
    prices = walks(150, 6, seed=5) + 3.0
    everything = dickey_fuller_of_all(prices)
    first, second = np.nonzero(~np.eye(6, dtype=bool))
    expected = engle_granger(prices[:, first], prices[:, second], lags=0).statistic
    assert_allclose(everything[first, second], expected, rtol=1e-6)
    assert np.isnan(np.diagonal(everything)).all()


def test_constant_series_have_no_statistic():
    prices = np.column_stack([np.full(60, 2.0), walks(60, 1)[:, 0]])
    assert np.isnan(adf_statistic(prices)[0])
    assert np.isnan(dickey_fuller_of_all(prices)[:, 0]).all()


@pytest.mark.parametrize(
    ("level", "limit", "of_a_hundred"),
    [(0.01, -3.89644, -4.0082117), (0.05, -3.33613, -3.3979133), (0.10, -3.04445, -3.0871340)],
)
def test_critical_values_of_mackinnon(level, limit, of_a_hundred):
    """MacKinnon (2010), *Critical values for cointegration tests*, table 2: two series and a constant."""
    assert critical_value(10**9, level) == pytest.approx(limit)
    assert critical_value(101, level) == pytest.approx(of_a_hundred, abs=1e-7)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="level 0.2"):
        critical_value(100, 0.2)
    with pytest.raises(InputError, match="too few for 5 lags"):
        adf_statistic(walks(8, 1), lags=5)
    with pytest.raises(InputError, match="series .* must be finite"):
        adf_statistic(np.full((50, 1), np.nan))
    with pytest.raises(InputError, match="a pair is one column of each"):
        engle_granger(walks(50, 2), walks(50, 3))


@pytest.mark.parametrize("level", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("lags", [0, 1, 3])
def test_exact_multiples_have_no_statistic(level, lags):
    """Two quotes of one price revert to nothing: what is left of their spread is rounding."""
    price = level * np.exp(walks(252, 4, seed=5))
    x = np.column_stack([price, np.log(price)])
    y = np.column_stack([price * [0.1, 3.0, 7.7, 1 / 3], np.log(price * [0.1, 3.0, 7.7, 1 / 3])])
    assert np.isnan(engle_granger(y, x, lags=lags).statistic).all()
    # The smallest true spread counts.
    noise = 1e-6 * level * np.random.default_rng(6).normal(size=(252, 4))
    assert (engle_granger(price * 3 + noise, price, lags=lags).statistic < critical_value(252)).all()
