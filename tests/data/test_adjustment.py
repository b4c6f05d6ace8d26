import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.data.adjustment import normalise_events, total_return
from quantray.data.panel import Panel

NAN = np.nan


def bars(symbol="AA", **columns):
    days = pd.bdate_range("2020-01-06", periods=len(columns["close"]))
    return pd.DataFrame({"date": days, "symbol": symbol, **columns})


def events(frame):
    """Splits and dividends as the package reads them, and what it says about them."""
    out, adjustment = normalise_events(frame)
    return out["split"].tolist(), out["dividend"].tolist(), adjustment


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


def test_no_events_at_all():
    split, dividend, adjustment = events(bars(close=[1.0, 2.0]))
    assert split == [1.0, 1.0]
    assert dividend == [0.0, 0.0]
    assert (adjustment.source, adjustment.prices, adjustment.n_splits, adjustment.n_dividends) == (
        "none",
        "split-adjusted",
        0,
        0,
    )


def test_bars_come_sorted_without_adj_close():
    frame = pd.concat(
        [bars("B", close=[1.0, 2.0], adj_close=[1.0, 2.0]), bars("AA", close=[3.0, 4.0], adj_close=[3.0, 4.0])]
    )
    out, _ = normalise_events(frame.iloc[::-1])
    assert out["symbol"].tolist() == ["AA", "AA", "B", "B"]
    assert out["close"].tolist() == [3.0, 4.0, 1.0, 2.0]
    assert set(out.columns) == {"date", "symbol", "close", "dividend", "split", "implied"}


def test_unadjusted_closes_take_their_splits():
    split, dividend, adjustment = events(
        bars(close=[100.0, 51.0, 50.0], split=[NAN, 2.0, 0.0], dividend=[0.0, NAN, 1.0])
    )
    assert split == [1.0, 2.0, 1.0]
    assert dividend == [0.0, 0.0, 1.0]
    assert (adjustment.source, adjustment.prices) == ("dividend and split columns", "unadjusted")
    assert (adjustment.n_splits, adjustment.n_dividends) == (1, 1)


def test_closes_that_know_their_splits_ignore_the_column():
    split, dividend, adjustment = events(
        bars(close=[50.0, 51.0, 50.0], split=[1.0, 2.0, 1.0], dividend=[0.0, 0.0, 1.0])
    )
    assert split == [1.0, 1.0, 1.0]
    assert dividend == [0.0, 0.0, 1.0]
    assert (adjustment.prices, adjustment.n_splits) == ("split-adjusted", 0)


def test_adj_close_alone_gives_dividends_and_splits():
    # The adjusted close is flat: the close halves by a split and then pays 1 on 50.
    split, dividend, adjustment = events(bars(close=[100.0, 50.0, 49.0], adj_close=[49.0, 49.0, 49.0]))
    np.testing.assert_allclose(split, [1, 2, 1])
    np.testing.assert_allclose(dividend, [0, 0, 1], atol=1e-12)
    assert (adjustment.source, adjustment.prices) == ("adj_close", "unadjusted")
    assert (adjustment.n_splits, adjustment.n_dividends) == (1, 1)


def test_adj_close_alone_gives_back_the_vendors_returns():
    generator = np.random.default_rng(5)
    adjusted = np.cumprod(1 + generator.normal(0, 0.02, 60)) * 30
    factor = np.where(generator.random(60) < 0.1, 1.01, 1.0)
    factor[20] = 3.0
    close = adjusted * np.cumprod(factor[::-1])[::-1] / factor
    out, _ = normalise_events(bars(close=close, adj_close=adjusted))
    made = total_return(Panel.from_long(out)).field("close")[:, 0]
    np.testing.assert_allclose(made[1:] / made[:-1], adjusted[1:] / adjusted[:-1], rtol=1e-12)


def test_rounding_of_adj_close_is_no_dividend():
    close = np.array([50.0, 50.3, 49.9, 50.1])
    _, dividend, _ = events(bars(close=close, adj_close=close * 0.97 * (1 + np.array([0, 2e-5, -2e-5, 0]))))
    assert dividend == [0.0] * 4


@pytest.mark.parametrize("level", [12.0, 50.0])
def test_adjusted_closes_rounded_to_cents_tell_their_dividends_and_no_others(level):
    """Rounding moves the daily factor by more than a dividend would; the levels between dividends do not move."""
    generator = np.random.default_rng(8)
    total = level * np.exp(np.cumsum(generator.normal(0, 0.012, 400)))
    paid = np.ones(400)
    paid[[90, 280]] = 1.011
    close = total * np.cumprod(paid[::-1])[::-1] / paid
    frame = bars(close=close.round(2), adj_close=total.round(2))
    out, told = normalise_events(frame)
    assert told.n_dividends == 2
    assert told.n_splits == 0
    made = total_return(Panel.from_long(out.drop(columns="implied"))).field("close")[:, 0]
    assert made[-1] / made[0] == pytest.approx(total[-1] / total[0], rel=2e-3)


def test_what_a_file_does_not_list_its_adjusted_close_tells():
    """Splits are listed, dividends are not: an absent column is no column of zeros."""
    total = 50 * np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.01, 120)))
    paid = np.where(np.isin(np.arange(120), [30, 90]), 1.004, 1.0)
    close = total * np.cumprod(paid[::-1])[::-1] / paid
    split = np.where(np.arange(120) == 60, 2.0, 1.0)
    out, told = normalise_events(bars(close=close, adj_close=total, split=split, basis=np.int8(2)))
    assert (told.n_splits, told.n_dividends) == (0, 2)
    assert told.source == "dividend and split columns, adj_close"
    made = total_return(Panel.from_long(out.drop(columns=["implied", "inside_split"]))).field("close")[:, 0]
    np.testing.assert_allclose(made / made[0], total / total[0], rtol=1e-6)


def test_files_that_list_events_and_files_that_do_not_in_one_import():
    total = 50 * np.exp(np.cumsum(np.random.default_rng(10).normal(0, 0.01, 120)))
    paid = np.where(np.isin(np.arange(120), [30, 90]), 1.012, 1.0)
    close = total * np.cumprod(paid[::-1])[::-1] / paid
    listing = bars("A", close=close, adj_close=total, dividend=(paid - 1) * close, split=1.0, lists=np.int8(3))
    silent = bars("B", close=close, adj_close=total, lists=np.int8(0))
    out, told = normalise_events(pd.concat([listing, silent]))
    assert told.n_dividends == 4
    assert told.mismatched_days == 0
    panel = total_return(Panel.from_long(out.drop(columns="implied"))).field("close")
    np.testing.assert_allclose(panel / panel[0], np.column_stack([total, total]) / total[0], rtol=1e-6)


def test_adj_close_across_a_blank_day_and_a_duplicate():
    blank = bars(close=[100.0, NAN, 98.0, 98.0], adj_close=[98.0, NAN, 98.0, 98.0])
    assert events(blank)[1] == pytest.approx([0, 0, 2, 0])
    paid = bars(close=[100.0, 98.0, 98.0], adj_close=[98.0, 98.0, 98.0])
    # Whichever of the two rows of the day is kept, it carries the dividend.
    assert events(pd.concat([paid, paid.iloc[[1]]]))[1] == pytest.approx([0, 2, 2, 0])


def test_events_do_not_cross_symbols():
    frame = pd.concat(
        [bars("AA", close=[10.0, 10.0], adj_close=[5.0, 5.0]), bars("B", close=[10.0, 10.0], adj_close=[9.0, 9.0])]
    )
    split, dividend, _ = events(frame)
    assert split == [1.0] * 4
    assert dividend == [0.0] * 4


def test_vendor_and_events_that_agree_have_no_mismatch():
    split, dividend, adjustment = events(
        bars(close=[100.0, 51.0, 50.0], adj_close=[50.0, 51.0, 51.0], split=[1.0, 2.0, 1.0], dividend=[0.0, 0.0, 1.0])
    )
    assert split == [1.0, 2.0, 1.0]
    assert dividend == [0.0, 0.0, 1.0]
    assert adjustment.mismatched_days == 0


def test_where_vendor_and_events_disagree_the_smaller_move_stands():
    # A split that the column missed: closes say -50 %, the vendor 0 %. Then a dividend that the vendor invented.
    frame = bars(
        close=[100.0, 50.0, 50.0, 50.0],
        adj_close=[50.0, 50.0, 50.0, 60.0],
        split=[1.0, 1.0, 1.0, 1.0],
        dividend=[0.0] * 4,
    )
    out, adjustment = normalise_events(frame)
    made = total_return(Panel.from_long(out)).field("close")[:, 0]
    np.testing.assert_allclose(made[1:] / made[:-1], [1, 1, 1])
    assert adjustment.mismatched_days == 2
    assert adjustment.mismatches == (
        "AA 2020-01-07: closes and events say -50.0%, adj_close +0.0%",
        "AA 2020-01-09: closes and events say +0.0%, adj_close +20.0%",
    )


@pytest.mark.real
@pytest.mark.slow
def test_real_adjusted_closes_agree_with_their_dividends(real_data):
    filters = [("symbol", "in", ["AAPL", "MSFT", "XOM", "KO"])]
    frame = pd.read_parquet(real_data / "sp500_1999_2021.parquet", filters=filters)
    frame = frame.assign(date=pd.to_datetime(frame["date"]))
    out, adjustment = normalise_events(frame)
    assert adjustment.mismatched_days <= 4
    made = total_return(Panel.from_long(out.drop(columns="volume")))
    vendor = frame.pivot(index="date", columns="symbol", values="adj_close").astype(float)
    ours = made.to_frame("close")
    growth = (ours.iloc[-1] / ours.iloc[0]) / (vendor.iloc[-1] / vendor.iloc[0])
    np.testing.assert_allclose(growth, 1, rtol=0.02)
