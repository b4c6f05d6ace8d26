"""Features of users' own: beside the catalogue's, on its scale, from no more rows than they say."""

import numpy as np
import own_features
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError, SolverError
from quantray.features.catalogue import FEATURES, Inputs
from quantray.features.cross_section import robust_zscores
from quantray.features.feature_set import feature_set
from quantray.features.own import own_feature

PANEL = simulate_market(8, 60, seed=6).panel


def own(name, lookback=5, fields=(), **parameters):
    return own_feature("mine", f"own_features:{name}", lookback, parameters, fields)


def test_it_stands_beside_the_catalogue_on_the_same_scale():
    found = feature_set(PANEL, own={"mine": own("gap", days=3)})
    assert found.names[-1] == "mine"
    assert set(found.names[:-1]) <= set(FEATURES)
    raw = np.where(found.present, own_features.gap(PANEL, 3), np.nan)
    assert_array_equal(found.values[:, :, -1], robust_zscores(raw, PANEL.member).astype(np.float32))
    plain = feature_set(PANEL)
    assert_array_equal(found.values[:, :, :-1], plain.values)
    assert found.schema != plain.schema
    assert found.schema != feature_set(PANEL, own={"mine": own("gap", days=4)}).schema


def test_one_day_gives_what_the_whole_history_gave():
    features = {"mine": own("gap")}
    whole = feature_set(PANEL, names=("return_5", "mine"), own=features)
    last = feature_set(PANEL, names=("return_5", "mine"), own=features, last=1)
    assert_allclose(last.values[0], whole.values[-1], rtol=1e-6)


def test_what_it_needs_must_be_there():
    spread = {"mine": own("spread", 0, ("high", "low"))}
    assert feature_set(PANEL, own=spread).names[-1] == "mine"
    with pytest.raises(DataError, match="feature 'mine' needs high, low; the panel has close"):
        feature_set(PANEL.with_only("close"), own=spread)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("one_day", r"feature 'own_features:one_day' gave \(8,\); it must give \(60, 8\)"),
        ("infinite", r"is infinite for S\d+ on \d+-\d+-\d+; give NaN for what is unknown"),
    ],
)
def test_what_are_no_values_is_refused(name, told):
    with pytest.raises(SolverError, match=told):
        own(name).compute(Inputs(PANEL, np.zeros(8, dtype=np.int64)))


def test_what_is_no_feature_is_refused():
    with pytest.raises(InputError, match="'return_5' is one of the catalogue's; choose another name"):
        own_feature("return_5", "own_features:gap", 5, {}, ())
    with pytest.raises(InputError, match="'own_features:Bare' is a class; name a function of a panel"):
        own("Bare")
