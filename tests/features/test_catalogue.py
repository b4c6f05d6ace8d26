import numpy as np
import pytest

from quantray.data.synthetic import simulate_market
from quantray.features.catalogue import FEATURES, Inputs


@pytest.fixture(scope="module")
def inputs():
    return Inputs(simulate_market(30, 320, seed=7, listing_share=0).panel, np.arange(30) % 4)


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_says_what_it_is_and_is_known_after_its_lookback(inputs, name):
    feature = FEATURES[name]
    assert feature.description
    assert "(19" in feature.source or "(20" in feature.source
    values = feature.compute(inputs)
    assert values.shape == inputs.panel.shape
    traded = ~np.isnan(inputs.panel.field("close")[feature.lookback :])
    assert (~np.isnan(values[feature.lookback :]))[traded].mean() > 0.9
