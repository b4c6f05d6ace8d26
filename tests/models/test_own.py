"""Forecasters of users' own behind quantray's protocol."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError, SolverError
from quantray.models.forecaster import FitContext
from quantray.models.own import OwnForecaster
from quantray.models.regression import Regression


def fit_of(study, name, **parameters):
    own = OwnForecaster("Mine", f"own_forecasters:{name}", parameters)
    return own.fit(study.panel, study.fold, context=FitContext(features=study.features))


def days(study):
    return study.panel.dates[study.fold.rows(study.panel.dates).test]


def test_the_protocol_is_taken_as_it_is(study):
    fitted = fit_of(study, "Trend", days=5, sign=-1.0)
    scores = fitted.predict(study.panel, days(study)).values
    rows, close = study.fold.rows(study.panel.dates).test, study.panel.field("close")
    there = study.panel.member[rows] & ~np.isnan(close[rows])
    wanted = -np.nan_to_num(close[rows] / close[rows.start - 5 : rows.stop - 5] - 1)
    assert_array_equal(scores, np.where(there, wanted, np.nan))
    assert fitted.valid_ic == 0.05
    assert fitted.data_through < days(study)[0]


@pytest.mark.parametrize("name", ["Regressor", "piped"])
def test_regressors_and_what_makes_them_are_regressions(study, name):
    fitted = fit_of(study, name).predict(study.panel, days(study)).values
    plain = Regression("x", f"own_forecasters:{name}")
    scores = plain.fit(study.panel, study.fold, context=FitContext(features=study.features))
    assert_array_equal(fitted, scores.predict(study.panel, days(study)).values)


def test_a_fit_sees_nothing_of_the_test_range(study):
    scores = fit_of(study, "PeeksInFit").predict(study.panel, days(study)).values
    assert set(scores[~np.isnan(scores)]) == {0.0}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Words", "gave a str; it must give models.forecaster.Scores"),
        ("OfOtherDates", "gave scores of other dates or assets than it was asked about"),
    ],
)
def test_scores_of_something_else_are_refused(study, name, told):
    with pytest.raises(SolverError, match=f"Mine: forecaster 'own_forecasters:{name}' {told}"):
        fit_of(study, name).predict(study.panel, days(study))


def test_scores_that_are_no_numbers_are_refused_with_their_date(study):
    fitted = fit_of(study, "Trend", sign=float("nan"))
    with pytest.raises(SolverError, match=rf"gave \d+ scores of \d+ on {days(study)[0]} that are NaN or infinite"):
        fitted.predict(study.panel, days(study))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NoPredict", r"is a NoPredict with fit\(X, y\); it must be a class, or a function that makes something, with"),
        ("nothing", "is a float with no fit; it must be"),
        ("Unpicklable", "cannot be pickled"),
        ("Nobody", "cannot be imported"),
    ],
)
def test_what_is_no_forecaster_is_refused(study, name, told):
    with pytest.raises(InputError, match=told):
        fit_of(study, name)
