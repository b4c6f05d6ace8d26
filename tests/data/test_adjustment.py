import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.data.adjustment import total_return
from quantray.data.panel import Panel

NAN = np.nan


def bars(symbol="AA", **columns):
    days = pd.bdate_range("2020-01-06", periods=len(columns["close"]))
    return pd.DataFrame({"date": days, "symbol": symbol, **columns})


def panel_of(**columns):
    columns = {"split": np.ones(len(columns["close"])), "dividend": np.zeros(len(columns["close"]))} | columns
    return Panel.from_long(bars(**columns))


def test_split_and_dividend_by_hand():
    # 100 splits 2 for 1 into 51 (+2 %), then pays 1 and closes at 50 (flat in total).
    panel = panel_of(
        close=[100.0, 51.0, 50.0], split=[1.0, 2.0, 1.0], dividend=[0.0, 0.0, 1.0], volume=[10.0, 30.0, 30.0]
    )
    made = total_return(panel)
    np.testing.assert_allclose(made.field("close")[:, 0], [100, 102, 102], rtol=1e-15)
    np.testing.assert_allclose(made.field("dividend_yield")[:, 0], [0, 0, 1 / 51], rtol=1e-12)
    assert list(made.fields) == ["close", "dividend_yield", "volume"]


def test_every_price_and_the_volume_move_together():
    columns = {
        name: [level, level / 2, level / 2]
        for name, level in (("open", 9.0), ("high", 12.0), ("low", 8.0), ("close", 10.0))
    }
    made = total_return(
        panel_of(**columns, split=[1.0, 2.0, 1.0], volume=[100.0, 300.0, 200.0], half_spread_bps=[5.0] * 3)
    )
    for name, values in columns.items():
        np.testing.assert_allclose(made.field(name)[:, 0], values[0])
    np.testing.assert_allclose(made.field("volume")[:, 0], [100, 150, 100])
    np.testing.assert_allclose(made.field("half_spread_bps")[:, 0], 5)
    assert "dividend_yield" not in made.fields


def test_money_traded_stays():
    generator = np.random.default_rng(0)
    close, volume = generator.lognormal(3, 1, 50), generator.lognormal(9, 1, 50)
    split, dividend = generator.choice([1.0, 0.1, 3.0], 50), generator.choice([0.0, 0.2], 50) * close
    made = total_return(panel_of(close=close, volume=volume, split=split, dividend=dividend))
    np.testing.assert_allclose(made.field("close")[:, 0] * made.field("volume")[:, 0], close * volume, rtol=1e-12)


def test_nothing_happens_without_events():
    panel = panel_of(close=[100.0, NAN, 50.0])
    np.testing.assert_array_equal(total_return(panel).field("close"), panel.field("close"))


def test_a_dividend_without_a_close_counts_on_the_next_one():
    made = total_return(panel_of(close=[100.0, NAN, 99.0], dividend=[0.0, 1.0, 0.0]))
    np.testing.assert_allclose(made.field("close")[[0, 2], 0], [100, 100])
    np.testing.assert_allclose(made.field("dividend_yield")[:, 0], [0, 0, 0.01])
    # 1 per old share is half of it per share after a split in between.
    split = total_return(panel_of(close=[100.0, NAN, 49.5], dividend=[0.0, 1.0, 0.0], split=[1.0, 1.0, 2.0]))
    np.testing.assert_allclose(split.field("close")[[0, 2], 0], [100, 100])
    # Without a later close there is nothing to pay it on.
    assert "dividend_yield" not in total_return(panel_of(close=[100.0, NAN], dividend=[0.0, 1.0])).fields


def test_a_split_and_a_dividend_on_one_day_without_a_close():
    """100 splits 2 for 1 and pays 1 per new share on a day without a close; 49 on the next day is where it was."""
    made = total_return(panel_of(close=[100.0, NAN, 49.0], split=[1.0, 2.0, 1.0], dividend=[0.0, 1.0, 0.0]))
    # Each old share is two of 49, and 2 were paid on them.
    np.testing.assert_allclose(made.field("close")[[0, 2], 0], [100, 100])
    np.testing.assert_allclose(made.field("dividend_yield")[:, 0], [0, 0, 0.02])
    # Paid per old share on the day before the split, half as much stands for each new one.
    two = total_return(panel_of(close=[100.0, NAN, NAN, 49.0], split=[1, 1, 2, 1], dividend=[0, 2.0, 0, 0]))
    np.testing.assert_allclose(two.field("close")[[0, 3], 0], [100, 100])
    # Several payments of one hole add up, each per share of the day on which they count.
    three = total_return(panel_of(close=[100.0, NAN, NAN, 48.0], split=[1, 2, 1, 1], dividend=[0, 1.0, 1.0, 0]))
    np.testing.assert_allclose(three.field("close")[[0, 3], 0], [100, 100])


def test_a_split_without_a_close_counts_on_the_next_one():
    made = total_return(panel_of(close=[100.0, NAN, 50.0], split=[1.0, 2.0, 1.0]))
    np.testing.assert_allclose(made.field("close")[[0, 2], 0], [100, 100])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 29))
def test_later_events_never_change_earlier_prices(seed, cut):
    generator = np.random.default_rng(seed)
    close = np.where(generator.random(30) < 0.2, NAN, generator.lognormal(3, 0.5, 30))
    split = generator.choice([1.0, 1.0, 2.0, 0.5], 30)
    dividend = generator.choice([0.0, 0.0, 0.5], 30)
    panel = panel_of(close=close, split=split, dividend=dividend)
    whole, part = total_return(panel), total_return(panel.until(cut))
    np.testing.assert_array_equal(part.field("close"), whole.field("close")[: cut + 1])
    if "dividend_yield" in part.fields:
        np.testing.assert_array_equal(part.field("dividend_yield"), whole.field("dividend_yield")[: cut + 1])
