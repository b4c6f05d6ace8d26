import numpy as np
import pandas as pd
import pytest
from quoted_bars import NAN, bars, events

from quantray.data.adjustment import total_return
from quantray.data.panel import Panel
from quantray.data.quality.events import normalise_events


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
