"""What checks need of bars, block by block."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.data import blocks
from quantray.data.blocks import in_blocks
from quantray.data.quality.bars import Market
from quantray.data.quality.check import Thresholds


@pytest.fixture
def bars():
    rows = [("A", "2020-01-02"), ("A", "2020-01-03"), ("A", "2020-01-03"), ("B", "2020-01-06")]
    frame = pd.DataFrame(rows, columns=["symbol", "date"]).assign(close=[1.0, 2.0, 2.5, 4.0])
    return Market(in_blocks(frame.assign(date=pd.to_datetime(frame["date"]))), Thresholds()).part(0)


def test_days_and_symbols_are_counted(bars):
    days, count = bars.market.days
    assert_array_equal(days, np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]"))
    assert_array_equal(bars.each(days), bars.day)
    assert_array_equal(count, [1, 2, 1])
    assert_array_equal(bars.code, [0, 0, 0, 1])


def test_of_repeated_rows_the_last_may_stand(bars):
    again, not_last = bars.repeated
    assert_array_equal(again, [False, True, True, False])
    assert_array_equal(not_last, [False, True, False, False])


def test_a_column_that_is_not_there_is_missing_throughout(bars):
    assert_array_equal(bars.column("close"), [1.0, 2.0, 2.5, 4.0])
    assert np.isnan(bars.column("volume")).all()
    assert len(bars.column("volume")) == len(bars)


def market(monkeypatch, rows, **columns):
    """Two symbols, in one block or in two."""
    monkeypatch.setattr(blocks, "_ROWS", rows)
    days = pd.date_range("2020-01-06", periods=10, unit="s")
    index = pd.MultiIndex.from_product([["A", "B"], days], names=["symbol", "date"]).to_frame(index=False)
    return Market(in_blocks(index.assign(**columns)), Thresholds())


@pytest.mark.parametrize("rows", [100, 10])
def test_a_market_is_known_whatever_its_blocks(rows, monkeypatch):
    close = np.where(np.arange(20) % 10 < 5, 10.0, 30.0)
    whole = market(monkeypatch, rows, close=close, volume=np.where(np.arange(20) == 19, 5.0, np.nan), split=1.0)
    assert len(whole.blocks) == 20 // min(rows, 20)
    assert_array_equal(whole.days[1], np.full(10, 2))
    assert whole.spacing == 1.0
    assert whole.measured
    assert not whole.several_a_day
    jumps = [
        (part.code[row], row % 10, move)
        for part in whole.parts()
        for row, move in zip(part.jumps.rows, part.jumps.moves, strict=True)
    ]
    assert [jump[:2] for jump in jumps] == [(0, 5), (1, 5)]
    assert np.allclose([jump[2] for jump in jumps], np.log(3))


def test_a_split_explains_its_jump(monkeypatch):
    close = np.where(np.arange(20) % 10 < 5, 30.0, 10.0)
    split = np.where(np.arange(20) == 15, 3.0, 1.0)
    whole = market(monkeypatch, 10, close=close, dividend=0.0, split=split)
    assert [part.jumps.rows.tolist() for part in whole.parts()] == [[5], []]


def test_most_rows_of_a_day_may_be_bars_within_it(monkeypatch):
    monkeypatch.setattr(blocks, "_ROWS", 6)
    days = np.repeat(pd.date_range("2020-01-06", periods=2, unit="s"), 3)
    frame = pd.DataFrame({"symbol": np.repeat(["A", "B"], 6), "date": [*days, *days], "close": np.arange(1.0, 13.0)})
    assert not Market(in_blocks(frame.drop_duplicates(["symbol", "date"])), Thresholds()).several_a_day
    assert Market(in_blocks(frame), Thresholds()).several_a_day
