"""Linear regressions against scikit-learn's, and how their penalties are chosen."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import Ridge as SklearnRidge

from quantray.data.splits import DateRange
from quantray.errors import InputError
from quantray.features.feature_set import feature_set
from quantray.models import linear
from quantray.models.forecaster import FitContext, fold_data
from quantray.models.linear import ElasticNet, Ridge
from quantray.models.pooled import pooled


def fit_of(forecaster, study):
    return forecaster.fit(study.panel, study.fold, context=FitContext(features=study.features))


def days(study):
    return study.panel.dates[study.fold.rows(study.panel.dates).test]


@pytest.mark.parametrize("penalty", [1e-4, 1.0])
def test_ridge_is_scikit_learns(study, monkeypatch, penalty):
    monkeypatch.setattr(linear, "_PENALTIES", (penalty,))
    data = fold_data(study.panel, study.fold, FitContext(features=study.features))
    known = ~np.isnan(data.labels[data.train])
    x = np.nan_to_num(data.features.values[data.train][known].astype(np.float64))
    oracle = SklearnRidge(alpha=penalty * len(x), fit_intercept=False).fit(x, data.labels[data.train][known])
    assert_allclose(fit_of(Ridge(), study).coefficients, oracle.coef_, rtol=1e-8)


def test_ridge_takes_the_penalty_with_the_best_validation(study):
    def mean_ic(coefficients):
        data = fold_data(study.panel, study.fold, FitContext(features=study.features))
        daily = []
        for row in range(data.valid.start, data.valid.stop):
            known = ~np.isnan(data.labels[row])
            x = np.nan_to_num(data.features.values[row, known]) @ coefficients
            daily.append(np.corrcoef(x, data.labels[row, known])[0, 1])
        return np.mean(daily)

    chosen = mean_ic(fit_of(Ridge(), study).coefficients)
    penalties, tried = linear._PENALTIES, []
    for penalty in penalties:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear, "_PENALTIES", (penalty,))
            tried.append(mean_ic(fit_of(Ridge(), study).coefficients))
    assert chosen == pytest.approx(max(tried))


def test_the_penalty_follows_validation_and_not_training(study):
    """Over several folds, each with the coefficients of every penalty, and what they score in either range."""
    dates, context, elsewhere, chosen = study.panel.dates, FitContext(features=study.features), 0, set()
    for start in range(60, 270, 30):
        ends = dates[start + np.array([[0, 79], [82, 91], [94, 105]])]
        train, valid, test = (DateRange(first, last) for first, last in ends)
        fold = replace(study.fold, train=train, valid=valid, test=test)
        data = fold_data(study.panel, fold, context)
        known = ~np.isnan(data.labels[data.train])
        x = np.nan_to_num(data.features.values[data.train][known].astype(np.float64))
        y = data.labels[data.train][known]
        tried = [
            np.linalg.solve(x.T @ x + penalty * len(x) * np.eye(x.shape[1]), x.T @ y) for penalty in linear._PENALTIES
        ]

        def best(rows, data=data, tried=tried):
            daily = []
            for row in range(rows.start, rows.stop):
                there = ~np.isnan(data.labels[row])
                scores = np.nan_to_num(data.features.values[row, there]) @ np.transpose(tried)
                daily.append([np.corrcoef(column, data.labels[row, there])[0, 1] for column in scores.T])
            return int(np.argmax(np.mean(daily, axis=0)))

        made = Ridge().fit(study.panel, fold, context=context).coefficients
        assert_allclose(made, tried[best(data.valid)], rtol=1e-7)
        elsewhere += best(data.train) != best(data.valid)
        chosen.add(best(data.valid))
    assert elsewhere > 2
    assert len(chosen) > 1
    without = Ridge().fit(study.panel, replace(study.fold, valid=None), context=context).coefficients
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "_PENALTIES", linear._PENALTIES[:1])
        assert_array_equal(
            Ridge().fit(study.panel, replace(study.fold, valid=None), context=context).coefficients, without
        )


def test_ridge_knows_nothing_after_the_last_label_of_validation(study):
    closes = study.panel.field("close").copy()
    closes[254:] *= np.linspace(0.5, 2, 40)
    other = study.panel.with_fields(close=closes)
    features = feature_set(other, names=study.features.names)
    moved = Ridge().fit(other, study.fold, context=FitContext(features=features))
    assert_array_equal(moved.coefficients, fit_of(Ridge(), study).coefficients)
    assert moved.data_through == study.panel.dates[253]


def test_ridge_refuses_other_features(study):
    with pytest.raises(InputError, match="not those that the model was fitted on"):
        fit_of(Ridge(), study).predict(study.panel, days(study), features=feature_set(study.panel, names=["return_1"]))


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_an_elastic_net_is_scikit_learns(study, monkeypatch, l1_ratio):
    """Whichever penalty is chosen, on all examples at once."""
    context = FitContext(features=study.features)
    data = fold_data(study.panel, study.fold, context)
    examples, y = pooled(data, data.train), data.labels[data.train]
    assert len(examples.labels) == (~np.isnan(y)).sum()
    largest = np.abs(examples.features.T @ examples.labels).max() / (len(examples.labels) * l1_ratio)
    for smallest in (0.01, 0.5):
        monkeypatch.setattr(linear, "_SMALLEST", smallest)
        monkeypatch.setattr(linear, "_N_PENALTIES", 1)
        made = fit_of(ElasticNet(l1_ratio), study).coefficients
        oracle = SklearnElasticNet(alpha=smallest * largest, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-10)
        assert_allclose(made, oracle.fit(examples.features, examples.labels).coef_, rtol=0, atol=2e-5)
    # Half of what leaves nothing leaves little.
    assert 0 < (made != 0).sum() < len(made)


def test_features_that_say_the_same_do_no_harm(study):
    values = study.features.values.copy()
    values[:, :, 1] = values[:, :, 0]
    twice = FitContext(features=replace(study.features, values=values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quantray.models.forecaster._check_row", lambda *_: None)
        made = ElasticNet().fit(study.panel, study.fold, context=twice).coefficients
    assert np.isfinite(made).all()
    # A squared penalty shares out between equals.
    assert made[0] == pytest.approx(made[1], abs=1e-4)


@pytest.mark.parametrize("l1_ratio", [0.0, -0.1, 1.5])
def test_shares_that_are_none_are_refused(l1_ratio):
    with pytest.raises(InputError, match=f"l1_ratio {l1_ratio:g} must lie above 0 and be at most 1"):
        ElasticNet(l1_ratio)
