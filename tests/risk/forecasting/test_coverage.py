"""The table of tests: right forecasts pass, wrong ones are named by the tests that should."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.risk.backtests import conditional_coverage, kupiec
from quantray.risk.forecasting.coverage import TESTS, coverage, coverage_by_year, tail_degrees
from quantray.risk.forecasting.laws import Student
from quantray.risk.forecasting.quantiles import student_quantile, student_shortfall
from quantray.risk.forecasting.var_forecasts import ByModel, CornishFisherMoments, Forecasts, forecast, trailing

DRAW = np.random.default_rng(3)
VOLATILITY = 0.01 * np.exp(0.4 * np.sin(np.arange(1500) / 60))
OUTCOMES = VOLATILITY * DRAW.standard_normal(1500)
WINDOWS = np.zeros((1500, 100))
DATES = np.datetime64("2015-01-01") + np.arange(1500)


def forecasts(volatilities, degrees=np.inf):
    return forecast(WINDOWS, OUTCOMES, ByModel(volatilities, degrees))


def test_right_forecasts_pass_and_are_counted():
    high = coverage(forecasts(VOLATILITY), OUTCOMES)[1]
    assert (high.level, high.n_days, high.n_refused, high.method) == (0.99, 1500, 0, "normal, by the model")
    assert_allclose(high.expected, 15)
    hits = -OUTCOMES > 2.3263479 * VOLATILITY
    assert high.n_hits == hits.sum()
    assert high.p_value("frequency") == kupiec(int(hits.sum()), 1500, 1 - 0.99).p_value
    assert high.p_value("coverage") == conditional_coverage(hits, 1 - 0.99).p_value
    for seen in coverage(forecasts(VOLATILITY), OUTCOMES):
        assert set(seen.tests) == set(TESTS)
        assert not seen.untold
        assert min(seen.p_value(test) for test in TESTS) > 0.01
        assert seen.light.zone == "green"


def test_a_steady_volatility_is_caught_by_its_clusters():
    low, _ = coverage(forecasts(np.full(1500, OUTCOMES.std())), OUTCOMES)
    assert low.p_value("frequency") > 0.05
    assert low.p_value("durations") < 0.01
    assert low.p_value("tail, memory") < 0.05


def test_too_small_forecasts_are_caught_in_every_year():
    years = coverage_by_year(forecasts(VOLATILITY / 2), OUTCOMES, DATES, n_draws=200)
    assert list(years) == [2015, 2016, 2017, 2018, 2019]
    assert sum(each[0].n_days for each in years.values()) == 1500
    assert all(each[0].p_value("shortfall, sum") < 0.01 for each in years.values())
    assert all(each[0].p_value("frequency") < 0.01 for each in years.values())


def test_what_cannot_be_tested_says_why():
    quiet, _ = coverage(forecasts(10 * VOLATILITY), OUTCOMES)
    assert quiet.n_hits == 0
    assert np.isnan(quiet.p_value("durations"))
    assert quiet.untold["durations"].startswith("0 hits span no time")
    assert quiet.p_value("frequency") < 1e-6


def test_refused_days_are_counted_and_left_out():
    returns = np.random.default_rng(5).standard_t(6, 400) / 100
    returns[300] = -0.3
    made = forecast(trailing(returns, 250), returns[250:], CornishFisherMoments())
    seen = coverage(made, returns[250:])[0]
    assert seen.n_refused == (~made.known).sum() > 90
    assert seen.n_days + seen.n_refused == 150
    with pytest.raises(InputError, match="none of 20 days has a forecast by Cornish-Fisher"):
        coverage(made, returns[250:], days=np.arange(150) >= 130)


def test_degrees_of_the_tail_are_found_again():
    law = Student(np.full(7, 0.01), 6.0)
    assert_allclose(tail_degrees(law.var(0.99), law.shortfall(0.99), 0.01), 6, rtol=1e-6)
    assert tail_degrees(np.ones(3), np.full(3, 1.01), 0.01) == np.inf
    assert tail_degrees(np.ones(3), np.full(3, 9.0), 0.01) == 2.05
    assert student_shortfall(0.99, 2.05) / student_quantile(0.99, 2.05) < 9


def test_tests_have_their_size_under_forecasts_that_are_right():
    """Heavy tails that are forecast are no reason to reject."""
    rejected = dict.fromkeys(TESTS, 0)
    for seed in range(60):
        outcomes = np.random.default_rng([7, seed]).standard_t(5, 500) / 100
        law = Student(np.full(500, np.sqrt(5 / 3) / 100), 5.0)
        made = Forecasts("", (0.95,), law.var(0.95)[:, None], law.shortfall(0.95)[:, None], law.rank(outcomes))
        seen = coverage(made, outcomes, n_draws=100)[0]
        for test in TESTS:
            rejected[test] += seen.p_value(test) < 0.05
    # 3 of 60 expected; 9 is three standard errors and a half above.
    assert max(rejected.values()) <= 9, rejected
    assert 1 < np.mean(list(rejected.values())) < 5


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"outcomes are \(3,\) or incomplete for 1500 days"):
        coverage(forecasts(VOLATILITY), np.zeros(3))
    with pytest.raises(InputError, match="3 dates for 1500 outcomes"):
        coverage_by_year(forecasts(VOLATILITY), OUTCOMES, DATES[:3])
