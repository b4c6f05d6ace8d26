import numpy as np
import pandas as pd

from quantray.features.returns import carried_forward, simple_returns

NAN = np.nan


def test_simple_returns_leave_gaps_out():
    close = np.array([[100.0, 10.0], [110.0, NAN], [99.0, 12.0], [99.0, 6.0]])
    np.testing.assert_allclose(simple_returns(close), [[NAN, NAN], [0.1, NAN], [-0.1, NAN], [0.0, -0.5]])


def test_simple_returns_equal_pandas(market):
    close = market.panel.to_frame("close")
    np.testing.assert_allclose(simple_returns(market.panel.field("close")), close / close.shift() - 1, rtol=1e-12)


def test_returns_leave_the_prices_alone():
    close = np.array([[1.0], [2.0]])
    simple_returns(close)
    np.testing.assert_array_equal(close, [[1.0], [2.0]])


def test_carried_forward_by_hand():
    values = np.array([[NAN, 1.0], [5.0, NAN], [NAN, NAN], [NAN, 4.0]])
    filled, age = carried_forward(values)
    np.testing.assert_array_equal(filled, [[NAN, 1.0], [5.0, 1.0], [5.0, 1.0], [5.0, 4.0]])
    np.testing.assert_array_equal(age[:, 1], [0, 1, 2, 0])
    np.testing.assert_array_equal(age[1:, 0], [0, 1, 2])


def test_carried_forward_equals_pandas_and_never_looks_ahead():
    generator = np.random.default_rng(2)
    values = np.where(generator.random((80, 7)) < 0.6, NAN, generator.normal(size=(80, 7)))
    filled, age = carried_forward(values)
    np.testing.assert_array_equal(filled, pd.DataFrame(values).ffill())
    for cut in (1, 33, 79):
        np.testing.assert_array_equal(carried_forward(values[:cut])[0], filled[:cut])
        np.testing.assert_array_equal(carried_forward(values[:cut])[1], age[:cut])
