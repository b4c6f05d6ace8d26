import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.strategies.neutrality import LoadingsHistory, loadings_history, neutral


def test_no_exposure_and_no_net_investment():
    generator = np.random.default_rng(0)
    loadings = generator.normal(size=(2, 40, 5)) * [1e-3, 1, 1e3, 1, 1]
    loadings[1, 7] = np.nan
    positions = np.sign(generator.normal(size=(10, 40)))
    usable = generator.random((10, 40)) < 0.9
    out = neutral(positions, usable, LoadingsHistory(np.array([2, 6]), loadings))
    assert not out[:2].any()
    for t in range(2, 10):
        valid = np.nan_to_num(loadings[0 if t < 6 else 1])
        assert_allclose(out[t] @ valid / np.abs(valid).sum(axis=0), 0, atol=1e-14)
        assert abs(out[t].sum()) < 1e-12
    assert not out[~usable].any()
    assert not out[6:, 7].any()


def test_a_neutral_position_stays_as_it_is():
    loadings = LoadingsHistory(np.zeros(1, dtype=int), np.array([1.0, 1, 2, 2, 3, 3])[None, :, None])
    positions = np.array([[1.0, -1, 0.5, -0.5, 0, 0]])
    assert_allclose(neutral(positions, np.ones((1, 6), dtype=bool), loadings), positions, atol=1e-15)


def test_what_factors_span_leaves_nothing():
    loading = np.arange(12.0)
    loadings = LoadingsHistory(np.zeros(1, dtype=int), np.stack([loading, 2 * loading], axis=1)[None])
    assert_array_equal(neutral(3 + loading[None], np.ones((1, 12), dtype=bool), loadings), np.zeros((1, 12)))


def test_loadings_are_those_known_on_the_day():
    history = loadings_history(10, 3, 1, range(4, 20, 4), lambda row: (np.array([0, 2]), np.full((2, 1), float(row))))
    assert_array_equal(history.rows, [4, 8])
    assert history.at(3) is None
    assert_array_equal(history.at(7)[:, 0], [4, np.nan, 4])
    assert_array_equal(history.at(8)[:, 0], [8, np.nan, 8])


def test_shapes_must_fit():
    with pytest.raises(InputError, match="must be .R, N, K. for 2 rows"):
        LoadingsHistory(np.arange(2), np.zeros((1, 3, 1)))
    with pytest.raises(InputError, match="do not fit loadings of 3 assets"):
        neutral(np.zeros((1, 4)), np.ones((1, 4), dtype=bool), LoadingsHistory(np.arange(1), np.zeros((1, 3, 1))))
