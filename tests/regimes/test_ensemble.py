from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.regimes.ensemble import METHODS, EnsembleSettings, agreements, combine, ensemble_regimes
from quantray.regimes.path import RegimePath, adjusted_rand
from quantray.regimes.schedule import RefitSchedule

NAN = np.nan
DATES = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
QUICK = EnsembleSettings(schedule=RefitSchedule(first=300, every=400))


@pytest.fixture(scope="module")
def market():
    return simulate_market(40, 800, seed=5)


def likely(first, names=("low", "high")):
    first = np.array(first)
    return RegimePath.likeliest(DATES, names, np.column_stack([first, 1 - first]))


def test_probabilities_are_averaged_by_weight():
    one, two = likely([NAN, 0.9, 0.8, 0.2, 0.1]), likely([0.4, 0.1, 0.6, 0.6, 0.3])
    path = combine({"a": one, "b": two})
    assert_allclose(path.probabilities[:, 0], [0.4, 0.5, 0.7, 0.4, 0.2])
    assert_array_equal(path.labels, [1, 0, 0, 1, 1])
    weighted = combine({"a": one, "b": two}, weights={"a": 3, "b": 1})
    assert_allclose(weighted.probabilities[:, 0], [0.4, 0.7, 0.75, 0.3, 0.15])
    assert_array_equal(combine({"a": one, "b": two}, dwell_days=2).labels, [1, 1, 0, 0, 1])


def test_names_are_matched_whatever_their_order():
    one, two = likely([0.9] * 5), likely([0.3] * 5, names=("high", "low"))
    assert_allclose(combine({"a": one, "b": two}).probabilities[:, 0], 0.8)
    assert_allclose(agreements([one, two]), 1)


def test_what_cannot_be_combined_is_refused():
    one = likely([0.5] * 5)
    with pytest.raises(InputError, match="no paths"):
        combine({})
    with pytest.raises(InputError, match="regroup them"):
        combine({"a": one, "b": likely([0.5] * 5, names=("low", "wild"))})
    with pytest.raises(InputError, match="the path of b has other dates"):
        combine({"a": one, "b": one.until("2024-01-03")})
    with pytest.raises(InputError, match="give one to each"):
        combine({"a": one}, weights={"b": 1})
    with pytest.raises(InputError, match="must not be negative"):
        combine({"a": one}, weights={"a": -1})
    with pytest.raises(InputError, match=r"methods \['oracle'\]"):
        EnsembleSettings(weights={"oracle": 1})
    with pytest.raises(InputError, match="dwell_days 0"):
        EnsembleSettings(dwell_days=0)


def test_all_methods_find_the_regimes_together(market):
    found = ensemble_regimes(market.panel, QUICK)
    assert tuple(found.members) == METHODS
    assert found.agreement.shape == (4, 4)
    assert_allclose(found.agreement, found.agreement.T)
    assert found.path.spells.lengths.min() >= 1
    truth = np.array([1, 2, 0, 2])[market.truth.regimes]
    known = found.path.known
    assert adjusted_rand(found.path.labels[known], truth[known]) > 0.25
    right = {name: (path.labels == truth)[path.known].mean() for name, path in found.members.items()}
    assert (found.path.labels == truth)[known].mean() > max(right.values()) - 0.005


def test_no_label_looks_ahead(market):
    whole = ensemble_regimes(market.panel, QUICK)
    early = ensemble_regimes(market.panel.until(520), QUICK)
    assert_array_equal(early.path.labels, whole.path.labels[:521])
    for method, path in early.members.items():
        assert_array_equal(path.probabilities, whole.members[method].probabilities[:521], err_msg=method)


def test_a_method_of_weight_zero_is_not_run(market):
    weights = {"kmeans": 1.0, "hmm": 0.0}
    assert tuple(ensemble_regimes(market.panel, replace(QUICK, weights=weights)).members) == ("kmeans",)
