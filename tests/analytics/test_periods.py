import numpy as np
import pandas as pd
import pytest
from bacon_months import MONTHS, PORTFOLIO
from numpy.testing import assert_allclose

from quantray.analytics.periods import extremes, month_grid, period_returns, rolling_volatility
from quantray.errors import InputError

DAYS = np.arange("2019-11-15", "2021-02-10", dtype="datetime64[D]")
RETURNS = np.random.default_rng(0).normal(0, 0.01, len(DAYS))


def test_months_of_bacon():
    grid = month_grid(MONTHS, PORTFOLIO)
    assert grid.years == (2000, 2001)
    assert_allclose(grid.months.ravel(), PORTFOLIO)
    assert_allclose(np.prod(1 + grid.totals) - 1, 0.218106, atol=5e-7)
    best, worst = extremes(MONTHS, PORTFOLIO, most=2)
    assert [each.label for each in best] == ["2000-12", "2001-07"]
    assert [each.label for each in worst] == ["2001-09", "2001-03"]


def test_months_and_years_are_those_of_pandas():
    series = pd.Series(RETURNS, index=pd.DatetimeIndex(DAYS))
    for by, rule in (("month", "ME"), ("quarter", "QE"), ("year", "YE")):
        expected = (1 + series).resample(rule).prod() - 1
        assert_allclose([each.total for each in period_returns(DAYS, RETURNS, by)], expected)
    grid = month_grid(DAYS, RETURNS)
    assert np.isnan(grid.months[0, :10]).all()
    assert np.isnan(grid.months[2, 2:]).all()


def test_rolling_volatility_is_that_of_pandas():
    expected = pd.Series(RETURNS).rolling(21).std() * np.sqrt(252)
    assert_allclose(rolling_volatility(RETURNS, 21, periods_per_year=252), expected)
    assert np.isnan(rolling_volatility(RETURNS, 9999, periods_per_year=252)).all()


def test_bad_input():
    with pytest.raises(InputError, match="give the day of each, in order of time"):
        period_returns(DAYS[::-1], RETURNS)
    with pytest.raises(InputError, match="window of 1 periods"):
        rolling_volatility(RETURNS, 1, periods_per_year=252)
