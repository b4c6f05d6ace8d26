"""Forecasts day by day: equal to the estimates of one history, blind to the future, right where the truth is known."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.risk.forecasting.var_forecasts import (
    AveragedHistory,
    ByModel,
    CornishFisherMoments,
    FilteredHistory,
    GarchHistory,
    History,
    NormalVolatility,
    StudentMoments,
    forecast,
    held,
    trailing,
)
from quantray.risk.forecasting.volatility import fitted_garch
from quantray.risk.tail import (
    age_weights,
    averaged_returns,
    cornish_fisher_shortfall,
    cornish_fisher_var,
    expected_shortfall,
    historical_var,
    rescaled_returns,
    student_shortfall,
    student_var,
)

RETURNS = np.random.default_rng(0).standard_t(6, 330) / 100
DAYS = 250
WINDOWS, OUTCOMES = trailing(RETURNS, DAYS), RETURNS[DAYS:]
METHODS = [
    History(),
    History(half_life=60),
    FilteredHistory(),
    AveragedHistory(),
    GarchHistory(refit_days=30),
    NormalVolatility(),
    NormalVolatility(decay=0.9),
    StudentMoments(),
    CornishFisherMoments(),
]


@pytest.mark.parametrize(
    ("method", "var", "shortfall"),
    [
        (History(), partial(historical_var, predictive=True), partial(expected_shortfall, predictive=True)),
        (
            History(half_life=60),
            lambda past, level: historical_var(past, level=level, weights=age_weights(DAYS, half_life=60)),
            lambda past, level: expected_shortfall(past, level=level, weights=age_weights(DAYS, half_life=60)),
        ),
        (
            FilteredHistory(),
            lambda past, level: historical_var(rescaled_returns(past), level=level, predictive=True),
            lambda past, level: expected_shortfall(rescaled_returns(past), level=level, predictive=True),
        ),
        (
            AveragedHistory(),
            lambda past, level: historical_var(averaged_returns(past), level=level, predictive=True),
            lambda past, level: expected_shortfall(averaged_returns(past), level=level, predictive=True),
        ),
        (StudentMoments(), student_var, student_shortfall),
        (CornishFisherMoments(), cornish_fisher_var, cornish_fisher_shortfall),
    ],
)
def test_each_day_is_the_estimate_of_its_past(method, var, shortfall):
    found = forecast(WINDOWS, OUTCOMES, method)
    for day in (0, 40, 79):
        if found.known[day]:
            past = RETURNS[day : day + DAYS]
            assert_allclose(found.var[day], [var(past, level=level) for level in (0.95, 0.99)])
            assert_allclose(found.shortfall[day], [shortfall(past, level=level) for level in (0.95, 0.99)])
    assert found.known.sum() >= 40


def test_garch_is_fitted_again_every_so_many_days():
    found = forecast(WINDOWS, OUTCOMES, GarchHistory(refit_days=30))
    past = RETURNS[29 : 29 + DAYS]
    model = fitted_garch(WINDOWS[0])
    assert_allclose(found.var[29, 1], historical_var(rescaled_returns(past, model=model), predictive=True))
    model = fitted_garch(WINDOWS[30], start=model)
    assert_allclose(
        found.var[30, 1], historical_var(rescaled_returns(RETURNS[30 : 30 + DAYS], model=model), predictive=True)
    )


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_forecast_knows_its_day_or_later(method):
    cut = DAYS + 45
    changed = np.concatenate([RETURNS[:cut], -3 * RETURNS[cut:] + 0.01])
    before = forecast(WINDOWS, OUTCOMES, method)
    after = forecast(trailing(changed, DAYS), changed[DAYS:], method)
    short = forecast(trailing(RETURNS[:cut], DAYS), RETURNS[DAYS:cut], method)
    assert_array_equal(before.var[:46], after.var[:46])
    assert_array_equal(before.shortfall[:46], after.shortfall[:46])
    assert_array_equal(before.var[:45], short.var)
    assert_array_equal(before.ranks[:45], short.ranks)
    assert (before.shortfall[before.known] >= before.var[before.known]).all()


def test_days_that_cornish_fisher_refuses_are_told_and_not_filled():
    crash = RETURNS.copy()
    crash[270] = -0.5
    found = forecast(trailing(crash, DAYS), crash[DAYS:], CornishFisherMoments())
    assert not found.known[21:].any()
    assert np.isnan(found.ranks[21:]).all()
    assert found.known[:21].any()


def test_the_past_of_todays_weights():
    draw = np.random.default_rng(1)
    returns, weights = draw.standard_normal((12, 3)) / 100, draw.standard_normal((4, 3))
    found = held(weights, returns[:11], 8)
    for day in range(4):
        assert_allclose(found[day], returns[day : day + 8] @ weights[day])


def test_volatilities_of_a_model_are_taken_as_they_are():
    volatilities = np.linspace(0.01, 0.02, 80)
    assert_allclose(forecast(WINDOWS, OUTCOMES, ByModel(volatilities)).var[:, 1], 2.3263479 * volatilities)
    heavy = forecast(WINDOWS, OUTCOMES, ByModel(volatilities, 5.0))
    assert_allclose(heavy.var[:, 1], 3.3649300 * np.sqrt(3 / 5) * volatilities)
    assert heavy.method == "Student's t (5), by the model"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: trailing(np.zeros(10), 10), "10 returns leave no day to forecast from 10 before it"),
        (lambda: trailing(np.full(10, np.nan), 5), "incomplete"),
        (
            lambda: held(np.ones((4, 3)), np.ones((10, 3)), 8),
            r"returns are \(10, 3\); 4 days of 3 weights .* \(11, 3\)",
        ),
        (lambda: held(np.full((1, 1), np.nan), np.ones((8, 1)), 8), "hold NaN"),
        (lambda: forecast(np.zeros((5, 99)), np.zeros(5), History()), "99 returns say nothing of a level of 0.99"),
        (lambda: forecast(np.zeros((5, 99)), np.zeros(4), History()), r"windows \(5, 99\) and outcomes \(4,\)"),
        (lambda: forecast(np.zeros((1, 100)), np.full(1, np.nan), History()), "hold NaN"),
        (lambda: forecast(WINDOWS, OUTCOMES, ByModel(np.ones(3))), "one for each day forecast"),
    ],
)
def test_what_cannot_be_forecast_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
