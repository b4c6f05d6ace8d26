"""Regressors on quantray's features: what they are given, and what they give."""

from dataclasses import replace

import numpy as np
import own_forecasters
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingRegressor

from quantray.errors import InputError, SolverError
from quantray.models import regression
from quantray.models.forecaster import FitContext, fold_data
from quantray.models.linear import Ridge
from quantray.models.pooled import pooled
from quantray.models.regression import Regression, hist_gradient_boosting, lightgbm


@pytest.fixture
def context(study):
    return FitContext(features=study.features, seed=2**32 - 5)


def days(study):
    return study.panel.dates[study.fold.rows(study.panel.dates).test]


def own(name, **parameters):
    return Regression("Mine", f"own_forecasters:{name}", parameters)


def test_a_regressor_gets_the_examples_the_validation_range_and_the_seed(study, context):
    own_forecasters.ASKED.clear()
    own("Listens").fit(study.panel, study.fold, context=context)
    own("Listens", random_state=4, n_jobs=3).fit(study.panel, replace(study.fold, valid=None), context=context)
    data = fold_data(study.panel, study.fold, context)
    train, valid = pooled(data, data.train), pooled(data, data.valid)
    (first, x, y, x_val, y_val), (second, *_, none) = own_forecasters.ASKED
    assert_array_equal(x, train.features)
    assert_array_equal(y, train.labels)
    assert_array_equal(x_val, valid.features)
    assert_array_equal(y_val, valid.labels)
    assert none is None
    assert (first.random_state, first.n_jobs) == ((2**32 - 5) % 2**31, 1)
    assert (second.random_state, second.n_jobs) == (4, 3)


def test_scores_are_the_regressors_date_by_date(study, context):
    fitted = own("Regressor", factor=2.0).fit(study.panel, study.fold, context=context)
    scores = fitted.predict(study.panel, days(study)).values
    rows = study.fold.rows(study.panel.dates).test
    wanted = 2 * np.nan_to_num(study.features.values[rows].astype(np.float64)).mean(axis=2)
    known = ~np.isnan(scores)
    assert_allclose(scores[known], wanted[known], rtol=1e-12)
    data = fold_data(study.panel, study.fold, context)
    assert fitted.valid_ic == pytest.approx(regression.mean_ic(data, data.valid, lambda x: x.mean(axis=1)))


def test_linear_regression_is_ridge_without_a_penalty(study, context, monkeypatch):
    monkeypatch.setattr("quantray.models.linear._PENALTIES", (1e-12,))
    plain = Regression("x", "sklearn.linear_model:LinearRegression", {"fit_intercept": False})
    made = plain.fit(study.panel, study.fold, context=context)
    ridge = Ridge().fit(study.panel, study.fold, context=context)
    assert_allclose(made.regressor.coef_, ridge.coefficients, rtol=0, atol=1e-9)


def test_boosting_stops_by_the_validation_range(study, context):
    parameters = {"max_iter": 40, "min_samples_leaf": 20, "learning_rate": 0.3}
    made = hist_gradient_boosting("H", parameters | {"n_iter_no_change": 3})
    fitted = made.fit(study.panel, study.fold, context=context)
    assert fitted.regressor.n_iter_ < 40
    data = fold_data(study.panel, study.fold, context)
    train, valid = pooled(data, data.train), pooled(data, data.valid)
    oracle = HistGradientBoostingRegressor(**fitted.regressor.get_params())
    oracle.fit(train.features, train.labels, X_val=valid.features, y_val=valid.labels)
    assert_array_equal(oracle.predict(valid.features), fitted.regressor.predict(valid.features))
    alone = made.fit(study.panel, replace(study.fold, valid=None), context=context)
    assert alone.regressor.n_iter_ == 40
    assert alone.valid_ic == 0


def test_lightgbm_stops_by_the_validation_range_and_repeats_itself(study, context):
    pytest.importorskip("lightgbm")
    made = lightgbm("L", {"n_estimators": 40, "min_child_samples": 20, "learning_rate": 0.3, "subsample": 0.7})
    made = replace(
        made, parameters={**made.parameters, "subsample_freq": 1}, with_validation={"early_stopping_round": 3}
    )
    first = made.fit(study.panel, study.fold, context=context)
    assert 0 < first.regressor.best_iteration_ < 40
    scores = first.predict(study.panel, days(study)).values
    again = made.fit(study.panel, study.fold, context=context)
    assert_array_equal(again.predict(study.panel, days(study)).values, scores)
    other = made.fit(study.panel, study.fold, context=replace(context, seed=1))
    assert not np.array_equal(other.predict(study.panel, days(study)).values, scores, equal_nan=True)
    alone = made.fit(study.panel, replace(study.fold, valid=None), context=context)
    assert alone.regressor.n_estimators_ == 40


def test_lightgbm_that_is_not_there_is_asked_for(monkeypatch):
    monkeypatch.setattr(regression, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"L: LightGBM is not installed; pip install 'quantray\[lightgbm\]'"):
        lightgbm("L", {})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Raises", r"raised ValueError, fitted on \d+-\d+-\d+\.\.\d+-\d+-\d+: no fit today$"),
        ("Ends", "raised SystemExit, fitted on "),
        ("RaisesOnSome", r"raised ValueError on \d+-\d+-\d+.*: too many names"),
        ("TooFew", r"gave \(\d+,\) scores on .*; it must give \(\d+,\), one for each name"),
        ("Missing", r"gave 1 scores of \d+ on \d+-\d+-\d+.* that are NaN or infinite"),
    ],
)
def test_what_fails_is_named_with_its_date(study, context, name, told):
    with pytest.raises(SolverError, match=f"Mine: forecaster 'own_forecasters:{name}' {told}"):
        own(name).fit(study.panel, study.fold, context=context)


def test_parameters_that_it_does_not_take_are_refused(study, context):
    with pytest.raises(InputError, match=r"unexpected keyword argument 'power'.*its parameters are factor"):
        own("Regressor", power=1).fit(study.panel, study.fold, context=context)
