import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.features.cross_section import standardised
from quantray.features.feature_set import feature_set
from quantray.features.returns import simple_returns
from quantray.models.controls import ControlRule, prediction_rows
from quantray.models.forecaster import FitContext
from quantray.models.linear import ElasticNet, Ridge
from quantray.models.own import OwnForecaster
from quantray.models.regression import Regression, hist_gradient_boosting

FORECASTERS = [
    ControlRule("zero"),
    ControlRule("reversal"),
    ControlRule("reversal_gap"),
    Ridge(),
    ElasticNet(),
    hist_gradient_boosting("hist", {"max_iter": 5, "min_samples_leaf": 40}),
    Regression("linear", "sklearn.linear_model:LinearRegression"),
    OwnForecaster("own", "own_forecasters:Trend", {"days": 5}),
]
EVERY = pytest.mark.parametrize("forecaster", FORECASTERS, ids=lambda f: f.name)


def fit_of(forecaster, study, panel=None):
    panel = study.panel if panel is None else panel
    return forecaster.fit(panel, study.fold, context=FitContext(features=study.features))


def days(study):
    return study.panel.dates[study.fold.rows(study.panel.dates).test]


@EVERY
def test_scores_are_of_the_members(study, forecaster):
    scores = fit_of(forecaster, study).predict(study.panel, days(study))
    rows = study.fold.rows(study.panel.dates).test
    wanted = study.panel.member[rows] & ~np.isnan(study.panel.field("close")[rows])
    assert_array_equal(np.isnan(scores.values), ~wanted)


@EVERY
def test_predictions_know_nothing_later(study, forecaster):
    fit, dates = fit_of(forecaster, study), days(study)
    whole = fit.predict(study.panel, dates).values
    for day in (0, 40, 79):
        until = study.panel.until(dates[day])
        features = study.features.until(study.panel.row(dates[day]))
        assert_allclose(fit.predict(until, dates[day : day + 1], features=features).values[0], whole[day], atol=1e-12)


@EVERY
def test_permuting_assets_permutes_the_scores(study, forecaster):
    fit, dates = fit_of(forecaster, study), days(study)
    moved = study.panel.select(study.panel.assets[::-1])
    features = feature_set(moved, names=study.features.names)
    scores = fit.predict(moved, dates, features=features).values
    assert_allclose(scores[:, ::-1], fit.predict(study.panel, dates).values, rtol=0, atol=1e-12)


@EVERY
def test_the_past_is_not_predicted(study, forecaster):
    fit = fit_of(forecaster, study)
    with pytest.raises(InputError, match="is not after .* up to which the model has seen data"):
        fit.predict(study.panel, study.panel.dates[200:260])


def test_reversal_is_minus_the_last_return(study):
    scores = fit_of(ControlRule("reversal"), study).predict(study.panel, days(study)).values
    rows = study.fold.rows(study.panel.dates).test
    member = study.panel.member & ~np.isnan(study.panel.field("close"))
    wanted = standardised(-simple_returns(study.panel.field("close")), member)[rows]
    known = ~np.isnan(wanted) & ~np.isnan(scores)
    assert known.mean() > 0.7
    assert_allclose(scores[known], wanted[known], atol=1e-12)
    assert (scores[~known & ~np.isnan(scores)] == 0).all()


def test_the_reversal_gap_by_hand(study):
    """The mean of two standardised values: minus the last return, and by how much the 30-day mean exceeds the close."""
    scores = fit_of(ControlRule("reversal_gap"), study).predict(study.panel, days(study)).values
    close, rows = study.panel.field("close"), study.fold.rows(study.panel.dates).test
    checked = 0
    for row, given in zip(range(rows.start, rows.stop), scores, strict=True):
        member = study.panel.member[row] & ~np.isnan(close[row])
        returns, gaps = close[row] / close[row - 1] - 1, close[row - 29 : row + 1].mean(axis=0) / close[row] - 1
        wanted = np.zeros(len(close[row]))
        for values in (-returns, gaps):
            known = member & ~np.isnan(values)
            wanted[known] += (values[known] - values[known].mean()) / values[known].std() / 2
        whole = member & ~np.isnan(close[row - 29 : row + 1]).any(axis=0)
        if (whole == member).all():
            assert_allclose(given[member], wanted[member], rtol=0, atol=1e-9)
            checked += 1
        # What fell most below its mean, and fell on the day, is expected to rise most.
        assert np.corrcoef(given[whole], gaps[whole])[0, 1] > 0.3
        assert np.corrcoef(given[whole], returns[whole])[0, 1] < -0.3
    assert checked > 20


def test_zero_says_nothing(study):
    scores = fit_of(ControlRule("zero"), study).predict(study.panel, days(study)).values
    assert set(np.unique(scores[~np.isnan(scores)])) == {0.0}


def test_unknown_rules_are_refused():
    with pytest.raises(InputError, match="rule 'momentum' is not one of zero, reversal, reversal_gap"):
        ControlRule("momentum")


def test_prediction_rows(study):
    dates = study.panel.dates
    assert prediction_rows(study.panel, dates[20:25], dates[19]) == slice(20, 25)
    with pytest.raises(InputError, match="is not after"):
        prediction_rows(study.panel, dates[20:25], dates[20])
    with pytest.raises(InputError, match="are not consecutive rows"):
        prediction_rows(study.panel, dates[[20, 22]], dates[10])
    with pytest.raises(InputError, match="no dates to predict"):
        prediction_rows(study.panel, dates[:0], dates[10])
    beyond = np.append(dates[-1:], dates[-1] + 1)
    with pytest.raises(InputError, match="are not consecutive rows"):
        prediction_rows(study.panel, beyond, dates[10])


@pytest.mark.parametrize(
    ("forecaster", "needed"), [(ControlRule("reversal"), 1), (ControlRule("reversal_gap"), 29), (Ridge(), 257)]
)
def test_panels_that_begin_too_late_are_refused(study, forecaster, needed):
    fit, dates = forecaster.fit(study.panel, study.fold, context=FitContext()), study.panel.dates
    # Training begins on row 150: a panel that does, too, holds all there was.
    whole = fit.predict(study.panel.between(dates[150], dates[379]), dates[379:])
    short = min(needed - 1, 228)
    with pytest.raises(InputError, match=f"begins {short} rows before {dates[379]}, whose scores look back {needed}"):
        fit.predict(study.panel.between(dates[379 - short], dates[379]), dates[379:])
    enough = study.panel.between(dates[379 - needed], dates[379])
    known = fit.predict(study.panel, dates[379:]).values
    assert_allclose(fit.predict(enough, dates[379:]).values, known, rtol=0, atol=1e-12)
    assert_array_equal(np.isnan(whole.values), np.isnan(known))
