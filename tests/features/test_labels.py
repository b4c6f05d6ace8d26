import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.features.labels import forward_returns, standardised_labels

NAN = np.nan


def test_forward_returns_by_hand():
    close = np.array([[100.0, 10.0, NAN], [110.0, NAN, 5.0], [121.0, 12.0, 6.0], [NAN, 15.0, NAN], [NAN, 15.0, NAN]])
    labels = forward_returns(close, horizon=2, lag=1)
    # From row 1 to 3, and from 2 to 4. The first and third asset stop trading and keep their last close.
    assert_allclose(labels[:2], [[0.1, NAN, 0.2], [0.0, 0.25, 0.0]])
    assert np.isnan(labels[2:]).all()


def test_without_lag_and_over_one_day_it_is_the_next_return():
    close = np.array([[1.0], [2.0], [3.0]])
    assert_allclose(forward_returns(close, horizon=1, lag=0), [[1.0], [0.5], [NAN]])


def test_labels_look_exactly_horizon_and_lag_ahead(market):
    close = market.panel.field("close")
    labels = forward_returns(close, horizon=5, lag=1)
    cut = forward_returns(close[:300], horizon=5, lag=1)
    assert_array_equal(cut[:294], labels[:294])
    assert np.isnan(cut[294:]).all()
    traded = ~np.isnan(close[1:-5])
    assert_array_equal(~np.isnan(labels[:-6]), traded)


def test_a_window_too_short_has_no_labels():
    assert np.isnan(forward_returns(np.ones((3, 2)), horizon=2, lag=1)).all()
    assert forward_returns(np.ones((0, 2)), horizon=2, lag=1).shape == (0, 2)


def test_standardised_labels_are_of_members_only():
    returns = np.array([[0.1, 0.2, 0.4, 9.0, NAN]])
    member = np.array([[True, True, True, False, True]])
    assert_allclose(standardised_labels(returns, member, scaling="rank"), [[-0.5, 0.0, 0.5, NAN, NAN]])
    assert_allclose(standardised_labels(returns, member), [[-1 / 1.4826, 0.0, 2 / 1.4826, NAN, NAN]], rtol=1e-12)


@pytest.mark.parametrize(("horizon", "lag"), [(0, 1), (1, -1)])
def test_refusals(horizon, lag):
    with pytest.raises(InputError, match=f"horizon {horizon} must be 1 or more and lag {lag} 0 or more"):
        forward_returns(np.ones((9, 2)), horizon=horizon, lag=lag)
    with pytest.raises(InputError, match=r"closes are \(9,\)"):
        forward_returns(np.ones(9), horizon=1, lag=1)
    with pytest.raises(InputError, match="scaling 'mean' is not one of rank, zscore"):
        standardised_labels(np.ones((2, 2)), np.ones((2, 2), dtype=bool), scaling="mean")


def test_a_label_across_a_delisting_holds_what_was_paid():
    close = np.array([[10.0], [10.0], [11.0], [NAN], [NAN]])
    delist = np.array([[NAN], [NAN], [-0.5], [NAN], [NAN]])
    labels = forward_returns(close, horizon=1, lag=0, delist_tn=delist)
    # The day that ends with the last close knows nothing of it; the next one is the delisting.
    assert_allclose(labels, [[0.0], [0.1], [-0.5], [NAN], [NAN]])
    assert_allclose(forward_returns(close, horizon=2, lag=0, delist_tn=delist)[:3], [[0.1], [1.1 * 0.5 - 1], [-0.5]])
    assert_allclose(forward_returns(close, horizon=2, lag=0)[:3], [[0.1], [0.1], [0.0]])


def test_labels_with_delistings_look_exactly_horizon_and_lag_ahead(market):
    close = market.panel.field("close")
    ends = ~np.isnan(close[:-1]) & np.isnan(close[1:])
    delist = np.full(close.shape, NAN)
    delist[:-1][ends] = -0.3
    labels = forward_returns(close, horizon=5, lag=1, delist_tn=delist)
    assert (np.nan_to_num(labels) != np.nan_to_num(forward_returns(close, horizon=5, lag=1))).any()
    for row in (300, 451, 630):
        cut = forward_returns(close[:row], horizon=5, lag=1, delist_tn=delist[:row])
        assert_array_equal(cut[: row - 6], labels[: row - 6])
