import numpy as np
import pandas as pd

from quantray.features.returns import carried_forward, delisting_returns, held_returns, simple_returns

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


def column(*values):
    return np.array(values, dtype=float)[:, None]


def test_a_delisting_return_is_known_after_the_last_close():
    close = column(10, 11, NAN, NAN, NAN)
    on_the_last_close, later = column(NAN, -0.4, NAN, NAN, NAN), column(NAN, NAN, NAN, -0.4, NAN)
    np.testing.assert_array_equal(delisting_returns(close, on_the_last_close), column(NAN, NAN, -0.4, -0.4, -0.4))
    np.testing.assert_array_equal(delisting_returns(close, later), column(NAN, NAN, NAN, -0.4, -0.4))
    assert np.isnan(delisting_returns(close, None)).all()


def test_a_name_that_trades_again_was_not_delisted():
    close, delist = column(10, NAN, 12, NAN, NAN), column(-0.4, NAN, NAN, NAN, NAN)
    np.testing.assert_array_equal(delisting_returns(close, delist), column(NAN, -0.4, NAN, NAN, NAN))


def test_returns_of_a_holder_by_hand():
    close = column(10, 11, NAN, NAN, 44, 22)
    np.testing.assert_allclose(held_returns(close), column(0, 0.1, 0, 0, 3, -0.5))
    # Paid out on the day after the last close, a holder has no part in what the name does later.
    delist = column(NAN, -1.0, NAN, NAN, NAN, NAN)
    np.testing.assert_allclose(held_returns(close, delist), column(0, 0.1, -1, 0, 0, -0.5))


def test_delisting_returns_never_look_ahead():
    generator = np.random.default_rng(4)
    close = np.where(generator.random((60, 9)) < 0.4, NAN, np.exp(generator.normal(size=(60, 9))))
    delist = np.where(generator.random((60, 9)) < 0.1, generator.uniform(-1, 1, (60, 9)), NAN)
    for row in range(60):
        cut = slice(0, row + 1)
        for known in (delisting_returns, held_returns):
            np.testing.assert_array_equal(known(close[cut], delist[cut]), known(close, delist)[cut])
        # Today's close is the last one so far: what stands beside it says nothing yet.
        hidden = np.where((np.arange(60)[:, None] == row) & ~np.isnan(close), NAN, delist)
        np.testing.assert_array_equal(
            delisting_returns(close[cut], hidden[cut]), delisting_returns(close[cut], delist[cut])
        )
