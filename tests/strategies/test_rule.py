import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.strategies.rule import (
    Adjustments,
    Controls,
    Trail,
    hold,
    sized,
    window_checked,
)
from quantray.strategies.trend import MovingAverageCross


def held(strength, *, threshold=1.0, trail=None, stays=None):
    strength = np.asarray(strength, dtype=float)[:, None]
    long, short = (strength > 0, strength < 0) if stays is None else stays
    return hold(strength, long, short, np.full(len(strength), threshold), trail)[:, 0].tolist()


def test_positions_open_at_the_threshold_and_end_when_the_signal_does():
    assert held([0, 0.9, 1, 0.5, 0, 0.5, -2, -0.1, 0.1]) == [0, 0, 1, 1, 0, 0, -1, -1, 0]
    assert held([1, 2, -1, np.nan, 1], threshold=1.5) == [0, 1, 0, 0, 0]


def test_a_trailing_stop_by_hand():
    # Best close 0.05 above the start; two daily volatilities of 0.01 below it is out, and out until the signal ends.
    path = np.array([0, 0.05, 0.031, 0.029, 0.08, 0.09, 0.09, 0.10])[:, None]
    unit = np.full(path.shape, 0.01)
    strength = [1, 1, 1, 1, 1, 0, 1, 1]
    assert held(strength, trail=Trail(path, unit, np.full(8, 2.0))) == [1, 1, 1, 0, 0, 0, 1, 1]
    # A wider stop on the day that matters keeps the position.
    wide = np.array([2, 2, 2, 3, 3, 3, 3, 3.0])
    assert held(strength, trail=Trail(path, unit, wide)) == [1, 1, 1, 1, 1, 0, 1, 1]
    # A short position is stopped by a rise.
    assert held(-np.array(strength), trail=Trail(-path, unit, np.full(8, 2.0))) == [-1, -1, -1, 0, 0, 0, -1, -1]


def test_a_stopped_side_may_turn():
    path = np.array([0, -0.05, -0.05, 0.0])[:, None]
    trail = Trail(path, np.full(path.shape, 0.01), np.full(4, 2.0))
    always = np.ones((4, 1), dtype=bool)
    assert held([1, 1, -1, 1], trail=trail, stays=(always, always)) == [1, 0, -1, 1]


def test_sizes_by_hand():
    positions = np.array([[1, -1, 0, 0], [1, 1, 1, -1], [0, 0, 0, 0]], dtype=np.int8)
    usable = np.ones(positions.shape, dtype=bool)
    usable[1, 3] = False
    assert_allclose(sized(positions, usable, 0.4), [[0.4, -0.4, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0], [0, 0, 0, 0]])


def test_adjustments_reach_stops_and_least_signals(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.02, size=(300, 20)), axis=0))
    panel = make_panel(close)
    ones = np.ones(300)
    own = MovingAverageCross(controls=Controls(stop=2.0, min_signal=1.0))
    twice = own.run(panel, adjust=Adjustments(2 * ones, 1.5 * ones)).weights
    assert_array_equal(twice, MovingAverageCross(controls=Controls(stop=4.0, min_signal=1.5)).weights(panel))
    assert (twice != own.weights(panel)).any()


def test_wrong_settings_are_refused(make_panel):
    with pytest.raises(InputError, match="stop 0"):
        Controls(stop=0)
    with pytest.raises(InputError, match="min_signal -1"):
        Controls(min_signal=-1)
    with pytest.raises(InputError, match="max_weight 2"):
        Controls(max_weight=2)
    with pytest.raises(InputError, match="positive and finite"):
        Adjustments(np.zeros(3), np.ones(3))
    with pytest.raises(InputError, match="3 multiples of stops for 2"):
        Adjustments(np.ones(3), np.ones(2))
    with pytest.raises(InputError, match="whole number of at least 2"):
        window_checked(slow=1)
    panel = make_panel([1.0, 2.0])
    with pytest.raises(InputError, match="3 rows of adjustments for 2 dates"):
        MovingAverageCross().run(panel, adjust=Adjustments.none(3))
    with pytest.raises(InputError, match="lag -1"):
        MovingAverageCross().run(panel, lag=-1)
