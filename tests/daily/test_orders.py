from datetime import date

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from quantray.backtest.costs import LinearCosts
from quantray.daily.market import DayMarket
from quantray.daily.orders import impact_of, orders_of, within_volume
from quantray.daily.targets import Targets
from quantray.data.panel import Panel
from quantray.execution.day_orders import AT_CLOSE
from quantray.execution.settings import ExecutionSettings

DAY = date(2024, 3, 28)
COSTS = LinearCosts(5.0, 0.5)


def market(volume=True):
    """Two names that trade a million of money a day, and one whose volume nobody knows."""
    draw = np.random.default_rng(0)
    close = 10 * np.cumprod(1 + 0.02 * draw.standard_normal((80, 3)), axis=0)
    shares = 1e6 / close
    shares[:, 2] = np.nan
    dates = np.busday_offset(np.datetime64(DAY), np.arange(-79, 1), roll="backward")
    fields = {"close": close} | ({"volume": shares} if volume else {})
    panel = Panel(dates, np.array(["A", "B", "C"]), fields, np.ones(close.shape, dtype=np.bool_))
    return DayMarket(DAY, 0, panel, pd.DataFrame(), {}, None)


def targets(after, before=(0, 0, 0)):
    prices = market().panel.field("close")[-1]
    return Targets(np.array(["A", "B", "C"]), prices, np.array(before), np.array(after), 1e6)


def orders(after, before=(0, 0, 0), **settings):
    wanted = targets(after, before)
    impact = impact_of(wanted.symbols, wanted.prices, market(), COSTS, "square_root")
    return orders_of(wanted, impact, np.datetime64(DAY), ExecutionSettings(**settings), COSTS)


def test_every_order_is_sliced_whole_within_the_next_session():
    made = orders([1000, 500, 0], before=[0, 1500, 0])
    parents = {row["symbol"]: row for row in made.parents.to_pylist()}
    assert {name: row["shares"] for name, row in parents.items()} == {"A": 1000, "B": -1000}
    for row in parents.values():
        own = [child for child in made.children.to_pylist() if child["parent"] == row["parent"]]
        assert sum(child["shares"] for child in own) == row["shares"]
        # Good Friday is no session; on Monday New York trades from 13:30 to 20:00 in UTC.
        assert {child["time"].date() for child in own} == {date(2024, 4, 1)}
        assert all(13.5 <= child["time"].hour + child["time"].minute / 60 <= 20 for child in own)
        assert row["expected_cost_bps"] > COSTS.half_spread_bps
        assert row["risk"] > 0
    assert made.notes == ()
    assert made.cost > 0


def test_what_has_no_volume_goes_to_the_closing_auction():
    made = orders([0, 0, 300])
    (child,) = made.children.to_pylist()
    assert (child["algorithm"], child["shares"], child["time"].hour) == (AT_CLOSE, 300, 20)
    assert made.notes == ("1 orders go to the closing auction, as no volume is known",)
    assert made.parents["expected_cost_bps"].to_pylist() == [5.5]


def test_without_trades_there_is_no_order():
    made = orders([100, 0, 0], before=[100, 0, 0])
    assert made.parents.num_rows == made.children.num_rows == 0
    assert made.cost == 0


def test_trades_are_cut_to_a_share_of_the_volume_either_way():
    wanted = targets([30_000, 0, 30_000], before=[0, 30_000, 0])
    impact = impact_of(wanted.symbols, wanted.prices, market(), COSTS, "square_root")
    cut, notes = within_volume(wanted, impact, 0.1)
    most = np.floor(0.1 * impact.adv[:2]).astype(int)
    assert_array_equal(cut.after, [most[0], 30_000 - most[1], 30_000])
    assert "2 trades were cut to 10% of the volume" in notes[0]
    assert within_volume(cut, impact, 0.1)[1] == ()


def test_without_volumes_nothing_is_known_of_impact():
    wanted = targets([1, 1, 1])
    assert not impact_of(wanted.symbols, wanted.prices, market(volume=False), COSTS, "linear").known.any()
