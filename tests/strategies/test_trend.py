import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.strategies.rule import Controls
from quantray.strategies.trend import Breakout, MovingAverageCross

FREE = Controls(stop=None, max_weight=1.0)


def test_rising_is_held_and_falling_is_sold(make_panel):
    steps = np.arange(40)
    panel = make_panel(np.column_stack([1.01**steps, 0.99**steps, np.ones(40)]) * 100)
    weights = MovingAverageCross(fast=2, slow=10, controls=FREE).weights(panel)
    assert_array_equal(weights[:10], 0)
    assert_array_equal(weights[10:], np.broadcast_to([0.5, -0.5, 0], (30, 3)))
    assert_array_equal(MovingAverageCross(fast=2, slow=10, shorts=False, controls=FREE).weights(panel)[10:, 1], 0)


def test_the_signal_is_the_gap_in_daily_volatilities(make_panel):
    panel = make_panel([100.0, 100, 100, 103])
    gap = 103 / 101 - 1
    volatility = np.sqrt(np.log(1.03) ** 2 / 3)
    assert_allclose(MovingAverageCross(fast=1, slow=3).signal(panel)[3], gap / volatility)


def test_the_threshold_opens_and_the_cross_closes(make_panel):
    rise, fall = 100 + np.arange(20.0), 119 - np.arange(1, 12.0)
    panel = make_panel(np.concatenate([rise, fall]))
    rule = MovingAverageCross(fast=2, slow=5, controls=FREE)
    position, signal = np.sign(rule.weights(panel)[:, 0]), rule.signal(panel)[:, 0]
    assert_array_equal(position[5:21], 1)
    cross = int(np.argmax(signal[20:] <= 0)) + 20
    assert position[cross - 1] == 1
    assert position[-1] == -1
    assert not MovingAverageCross(fast=2, slow=5, threshold=100.0, controls=FREE).weights(panel).any()


def test_breakout_by_hand(make_panel):
    quiet = [100, 101, 100, 101, 100]
    panel = make_panel([*quiet * 5, 103, 104, 105, 104, 103.5, 102, 98, 97])
    rule = Breakout(entry=5, exit_days=3, controls=FREE)
    # In at 103, above the five closes before; out at 103.5, below the last three; short at 102, below the last five.
    assert_array_equal(np.sign(rule.weights(panel)[24:, 0]), [0, 1, 1, 1, 1, 0, -1, -1, -1])
    assert rule.signal(panel)[24, 0] == 0


def test_the_usual_exit_is_half_of_the_entry():
    """Those of the turtle traders' first system."""
    assert (Breakout().entry, Breakout().exit_days) == (20, 10)


def test_a_stop_ends_a_trend_early(make_panel):
    noise = np.random.default_rng(0).normal(0, 0.002, 60)
    close = 100 * np.exp(np.cumsum(np.concatenate([0.01 + noise, [-0.2], np.zeros(4)])))
    stopped = MovingAverageCross(fast=20, slow=40, controls=Controls(stop=3.0)).weights(make_panel(close))[:, 0]
    free = MovingAverageCross(fast=20, slow=40, controls=FREE).weights(make_panel(close))[:, 0]
    assert stopped[59] > 0
    assert_array_equal(stopped[60:], 0)
    assert free[60] > 0


def test_a_gap_pauses_and_a_delisting_ends_a_position(make_panel):
    close = 100 * 1.01 ** np.arange(60.0)
    close[30:32] = np.nan
    close[50:] = np.nan
    weights = MovingAverageCross(fast=2, slow=10, controls=FREE).weights(make_panel(close))[:, 0]
    assert_array_equal(weights[[29, 30, 31, 32]], [1, 0, 0, 1])
    assert_array_equal(weights[50:], 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fast": 20, "slow": 20}, "fast 20 must be shorter than slow 20"),
        ({"fast": 0}, "fast 0"),
        ({"fast": 2.5}, r"fast 2\.5"),
        ({"threshold": 0}, "threshold 0"),
    ],
)
def test_wrong_averages_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MovingAverageCross(**settings)


def test_wrong_channels_are_refused():
    with pytest.raises(InputError, match="exit_days 30 must not exceed entry 20"):
        Breakout(exit_days=30)
    with pytest.raises(InputError, match="threshold inf"):
        Breakout(threshold=np.inf)
