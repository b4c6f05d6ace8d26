import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.features.technical import (
    close_position,
    greatest_return,
    high_gap,
    moving_average_gap,
    parkinson_volatility,
    period_returns,
    realised_volatility,
    recent_close,
    volatility_ratio,
)

NAN = np.nan


def column(*values):
    return np.array(values, dtype=np.float64)[:, None]


def test_recent_close_bridges_short_halts_only():
    close = column(NAN, 1, NAN, NAN, NAN, 4)
    assert_array_equal(recent_close(close, max_age=2), column(NAN, 1, 1, 1, NAN, 4))
    assert_array_equal(recent_close(close, max_age=0), close)
    assert_array_equal(recent_close(close, max_age=9), column(NAN, 1, 1, 1, 1, 4))


def test_period_returns_by_hand():
    close = column(1, 2, 3, 6)
    assert_allclose(period_returns(close, 2), column(NAN, NAN, 2, 2))
    assert_allclose(period_returns(close, 2, skip=1), column(NAN, NAN, 1, 0.5))
    assert np.isnan(period_returns(close, 4)).all()


def test_moving_average_gap_by_hand():
    assert_allclose(moving_average_gap(column(4, 2, 3), 3), column(NAN, NAN, 0.0), atol=1e-15)
    assert_allclose(moving_average_gap(column(4, 2), 2), column(NAN, 0.5))


def test_volatility_of_a_known_process():
    returns = np.random.default_rng(0).normal(0, 0.02, (5000, 1))
    assert_allclose(realised_volatility(returns, 5000)[-1], 0.02 * np.sqrt(252), rtol=0.03)


def test_parkinson_volatility_of_a_known_walk():
    steps = np.random.default_rng(1).normal(0, 0.02 / np.sqrt(1000), (1500, 1000))
    path = np.exp(np.cumsum(steps, axis=1))
    high, low = np.maximum(path.max(axis=1), 1)[:, None], np.minimum(path.min(axis=1), 1)[:, None]
    # A walk in steps misses a little of the range, so the estimate lies a few percent low.
    assert_allclose(parkinson_volatility(high, low, 1500)[-1], 0.02 * np.sqrt(252), rtol=0.06)


def test_volatility_ratio_by_hand():
    assert_allclose(
        volatility_ratio(column(2, 1, 0, 1, NAN), column(1, 1, 1, 0, 1)), column(np.log(2), 0, NAN, NAN, NAN)
    )


def test_close_position_by_hand():
    high, low = column(3, 3, 3, 2, NAN), column(1, 1, 1, 2, 1)
    assert_allclose(close_position(high, low, column(1, 3, 2.5, 2, 2)), column(-0.5, 0.5, 0.25, 0, NAN))


def test_high_gap_and_greatest_return_by_hand():
    assert_allclose(high_gap(column(4, 2, 3), 2, min_share=1), column(NAN, -0.5, 0))
    assert_allclose(greatest_return(column(0.1, NAN, -0.2, 0.3), 3, min_share=0.6), column(NAN, NAN, 0.1, 0.3))


def test_equal_pandas(market):
    close = market.panel.field("close")
    frame = pd.DataFrame(close)
    assert_allclose(period_returns(close, 252, skip=21), frame.shift(21) / frame.shift(252) - 1)
    assert_allclose(moving_average_gap(close, 20), frame.rolling(20, min_periods=16).mean() / frame - 1, atol=1e-12)
    assert_allclose(high_gap(close, 63), frame / frame.rolling(63, min_periods=51).max() - 1, atol=1e-12)
    returns = pd.DataFrame(simple_returns(close))
    expected = np.sqrt(252 * (returns**2).rolling(21, min_periods=17).mean())
    assert_allclose(realised_volatility(returns.to_numpy(), 21), expected, atol=1e-12)


def test_refusals():
    with pytest.raises(InputError, match="from 5 to 5 rows ago is not possible"):
        period_returns(np.ones((9, 1)), 5, skip=5)
    with pytest.raises(InputError, match="max_age -1 must be"):
        recent_close(np.ones((9, 1)), max_age=-1)
