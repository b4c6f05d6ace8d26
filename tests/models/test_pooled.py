"""The table of a fold: whose examples stand in it, and in which order."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.features.feature_set import feature_set
from quantray.models.forecaster import FitContext, fold_data
from quantray.models.pooled import mean_ic, pooled


@pytest.fixture(scope="module")
def data(study):
    return fold_data(study.panel, study.fold, FitContext(features=study.features))


def test_all_labels_are_there(data):
    made = pooled(data, data.train)
    labels = data.labels[data.train]
    assert_array_equal(np.sort(made.labels), np.sort(labels[~np.isnan(labels)]))
    assert len(made.features) == len(made.labels)
    assert np.isfinite(made.features).all()


def test_the_order_of_the_assets_plays_no_part(study, data):
    moved = study.panel.select(study.panel.assets[::-1])
    turned = fold_data(moved, study.fold, FitContext(features=feature_set(moved, names=study.features.names)))
    for part in ("features", "labels"):
        assert_array_equal(getattr(pooled(turned, turned.train), part), getattr(pooled(data, data.train), part))


def test_coefficients_are_the_mean_over_dates(data):
    first = np.eye(len(data.features.names))[0]
    wanted = []
    for row in range(data.valid.start, data.valid.stop):
        known = ~np.isnan(data.labels[row])
        x = np.nan_to_num(data.features.values[row, known, 0])
        wanted.append(np.corrcoef(x, data.labels[row, known])[0, 1])
    assert mean_ic(data, data.valid, lambda x: x @ first) == pytest.approx(np.mean(wanted))
    assert mean_ic(data, data.valid, lambda x: np.zeros(len(x))) == 0
