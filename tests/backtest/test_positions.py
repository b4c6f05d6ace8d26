"""Positions kept on some days: what they say, and that they come back as they were."""

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.net import net_returns
from quantray.backtest.positions import Positions, execution_returns
from quantray.errors import DataError, InputError


def weights_of(panel, seed=0):
    draws = np.random.default_rng(seed).normal(0, 0.05, panel.shape)
    return np.where(panel.member & (draws > 0), draws, 0.0)


def test_by_hand():
    weights = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    close = np.array([[10.0, 10.0], [10.0, 10.0], [10.0, 10.0], [12.0, 10.0]])
    # The decision of day 2 is traded on day 3, when the first name has risen by 20 % and the account by 10 %.
    positions = Positions.of(weights, execution_returns(close, (2,), 1), (2,))
    held = positions.at(2, 2)
    assert_allclose(held.before, [0.6 / 1.1, 0.5 / 1.1])
    assert_allclose(held.after, [1.0, 0.0])
    assert not positions.at(1, 2).after.any()


def test_the_trades_are_those_that_net_returns_charges(market):
    panel = market.panel.select(market.panel.assets[:20]).until(200)
    weights, close, days = weights_of(panel), panel.field("close"), (60, 61, 150)
    for lag in (0, 1, 3):
        net = net_returns(weights, close, costs_bps=5.0, lag=lag)
        positions = Positions.of(weights, execution_returns(close, days, lag), days)
        for day in days:
            held = positions.at(day, 20)
            assert_allclose(0.5 * np.abs(held.after - held.before).sum(), net.turnover[day + lag + 1], atol=1e-15)


def test_a_table_gives_positions_back(market):
    panel = market.panel.select(market.panel.assets[:20]).until(200)
    days = (1, 90, 198)
    positions = Positions.of(weights_of(panel), execution_returns(panel.field("close"), days, 1), days)
    again = Positions.from_table(pa.table({"returns": np.zeros(201), **positions.columns_of_table()}), 20)
    for name in ("offsets", "columns", "before", "after"):
        assert_array_equal(getattr(positions, name), getattr(again, name))
    empty = Positions.of(np.zeros((5, 2)), np.zeros((1, 2)), (3,))
    with pytest.raises(DataError, match="holds positions in others than 3 assets; delete the folder of results"):
        Positions.from_table(pa.table(positions.columns_of_table()), 3)
    assert not Positions.from_table(pa.table(empty.columns_of_table()), 2).at(3, 2).after.any()


@pytest.mark.parametrize("days", [(0,), (3, 3), (4, 2), (9,)])
def test_days_outside_the_panel_are_refused(days):
    with pytest.raises(InputError, match="must rise from 1 to"):
        execution_returns(np.ones((10, 2)), days, 1)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="returns are"):
        Positions.of(np.zeros((5, 2)), np.zeros((2, 2)), (3,))
    with pytest.raises(DataError, match="no positions but returns"):
        Positions.from_table(pa.table({"returns": [0.0]}), 1)
