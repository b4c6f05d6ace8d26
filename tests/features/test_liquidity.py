import numpy as np
import pandas as pd
from numpy.testing import assert_allclose, assert_array_equal

from quantray.features.liquidity import amihud_illiquidity, dollar_volume, dollar_volume_level, volume_surprise

NAN = np.nan


def column(*values):
    return np.array(values, dtype=np.float64)[:, None]


def test_dollar_volume_leaves_days_without_trade_out():
    assert_array_equal(dollar_volume(column(2, 2, NAN), column(5, 0, 5)), column(10, NAN, NAN))


def test_level_and_surprise_by_hand():
    money = column(1, np.e, np.e**2, np.e**5)
    assert_allclose(dollar_volume_level(money, 2), column(NAN, 0.5, 1.5, 3.5))
    # The median before today: of 0, 1 and of 1, 2.
    assert_allclose(volume_surprise(money, 2), column(NAN, NAN, 1.5, 3.5))


def test_illiquidity_by_hand():
    returns, money = column(0.01, -0.03, 0.0, 0.0), column(1e6, 1e6, 1e6, 1e6)
    assert_allclose(amihud_illiquidity(returns, money, 2), column(NAN, np.log(0.02), np.log(0.015), NAN))


def test_surprise_equals_pandas_over_gaps(market):
    money = dollar_volume(market.panel.field("close"), market.panel.field("volume"))
    money[np.random.default_rng(0).random(money.shape) < 0.1] = NAN
    logs = pd.DataFrame(np.log(money))
    expected = logs - logs.rolling(21, min_periods=17).median().shift(1)
    assert_allclose(volume_surprise(money, 21), expected, atol=1e-12)
