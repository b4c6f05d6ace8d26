"""Bars in blocks of whole symbols, on one memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from quantray.data import blocks as module
from quantray.data.blocks import in_blocks, together


@pytest.fixture
def bars():
    days = pd.date_range("2020-01-01", periods=4, unit="s")
    rows = pd.MultiIndex.from_product([["B", "A", "CC"], days], names=["symbol", "date"]).to_frame(index=False)
    return rows.assign(close=np.arange(12.0), ticker=["x", None, "y", "x"] * 3)[["date", "symbol", "close", "ticker"]]


@pytest.fixture
def divided(bars, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 5)
    return in_blocks(bars.sample(frac=1, random_state=1))


def test_a_block_holds_all_rows_of_its_symbols_by_date(divided):
    # The first symbol that begins after five rows begins the next block.
    assert [block.written("symbol").unique().tolist() for block in divided] == [["A", "B"], ["CC"]]
    for block in divided:
        assert block.frame.groupby("symbol", observed=True)["date"].is_monotonic_increasing.all()


def test_blocks_together_are_the_bars_by_symbol_and_date(bars, divided):
    pd.testing.assert_frame_equal(together(divided), bars.sort_values(["symbol", "date"], ignore_index=True))


def test_a_lent_frame_keeps_its_values(bars):
    before = bars.copy(deep=True)
    for block in in_blocks(bars.copy(deep=False)):
        block.put("close", np.zeros(len(block)))
    pd.testing.assert_frame_equal(bars, before)


def test_the_arrays_of_a_frame_that_is_given_away_become_columns(bars):
    sorted_bars = bars.sort_values(["symbol", "date"], ignore_index=True)
    array = sorted_bars["close"].to_numpy()
    (block,) = in_blocks(sorted_bars, lent=False)
    assert np.shares_memory(block.columns["close"], array)
    block.columns["close"][0] = 7.0
    assert array[0] == 7.0


def test_what_may_not_be_written_to_is_copied(bars):
    sorted_bars = bars.sort_values(["symbol", "date"], ignore_index=True)
    table = pa.table({"close": sorted_bars["close"].to_numpy(copy=True)})
    (block,) = in_blocks(sorted_bars.assign(close=table.to_pandas(split_blocks=True)["close"]), lent=False)
    block.columns["close"][0] = 7.0
    assert table["close"][0].as_py() == 4.0


def test_runs_of_symbols(divided):
    first = divided[0]
    names = first.texts["symbol"].categories
    code, count = first.runs()
    assert names[code].tolist() == ["A", "B"]
    assert count.tolist() == [4, 4]
    code, count = first.runs(np.arange(8) == 6)
    assert names[code].tolist() == ["B"]
    assert count.tolist() == [1]
    assert first.text("symbol", 6) == "B"


def test_columns_are_set_added_and_left_out(divided):
    for number, block in enumerate(divided):
        block.put("close", block.columns["close"] * 2)
        block.put("volume", np.full(len(block), number))
        block.drop("ticker", "no such")
    made = together(divided)
    assert list(made) == ["date", "symbol", "close", "volume"]
    assert made["close"].tolist() == [8.0, 10, 12, 14, 0, 2, 4, 6, 16, 18, 20, 22]
    assert made["volume"].tolist() == [0] * 8 + [1] * 4


def test_rows_are_kept_in_place_and_columns_of_them_still_set(divided):
    first = divided[0]
    first.keep(first.columns["close"] % 2 == 0)
    first.put("split", np.ones(len(first)))
    divided[1].put("split", np.zeros(len(divided[1])))
    assert together(divided)["close"].tolist() == [4.0, 6, 0, 2, 8, 9, 10, 11]
    assert together(divided)["split"].tolist() == [1.0] * 4 + [0.0] * 4


def test_a_column_may_take_another_type(divided):
    for block in divided:
        block.put("close", np.arange(len(block)))
    assert together(divided)["close"].dtype == np.int64


def test_whole_numbers_that_may_be_missing_are_floats(bars):
    (block,) = in_blocks(bars.assign(volume=pd.array([1, None, *range(10)], dtype="Int64")))
    assert block.columns["volume"].dtype == np.float64
    assert np.isnan(block.columns["volume"]).sum() == 1


def test_no_rows_are_one_block():
    (block,) = in_blocks(pd.DataFrame({"date": pd.to_datetime([]), "symbol": pd.array([], dtype="str")}))
    assert len(block) == 0
    assert "close" not in block
