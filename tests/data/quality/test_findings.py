"""What is told of flagged rows, block by block and in all."""

import numpy as np
import pandas as pd
import pytest

from quantray.data import blocks
from quantray.data.blocks import in_blocks
from quantray.data.quality.bars import Market
from quantray.data.quality.check import Flags, Thresholds
from quantray.data.quality.checks import CHECKS
from quantray.data.quality.findings import examples, finding

EXTREME = next(check for check in CHECKS if check.name == "extreme_move")
THIN = next(check for check in CHECKS if check.name == "thin_day")


@pytest.fixture
def market(monkeypatch):
    """Eight symbols of three days each, two in a block."""
    monkeypatch.setattr(blocks, "_ROWS", 6)
    days = pd.date_range("2020-01-06", periods=3, unit="s")
    rows = pd.MultiIndex.from_product([list("ABCDEFGH"), days], names=["symbol", "date"]).to_frame(index=False)
    return Market(in_blocks(rows.assign(close=1.0)), Thresholds())


def every(market, value, **more):
    """All rows flagged, with values by symbol and day."""
    values = np.asarray(value, dtype=np.float64).reshape(4, 6)
    return {part.number: Flags(np.ones(6, np.bool_), values[part.number], **more) for part in market.parts()}


def test_examples_are_the_largest_of_six_assets(market):
    size = np.repeat([1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0], 3) + np.tile([0.0, 0.25, 0.1], 8)
    told = list(examples(market, EXTREME, every(market, size)))
    assert [text[:12] for text in told] == [f"{symbol} 2020-01-07" for symbol in "BDFHGE"]


def test_examples_of_days_are_the_first_of_the_smallest(market):
    told = list(examples(market, THIN, every(market, np.tile([5.0, 3.0, 4.0], 8), by_day=True)))
    assert told == [f"A 2020-01-{day} a day of {count} symbols" for day, count in (("07", 3), ("08", 4), ("06", 5))]


def test_flags_of_all_blocks_are_counted(market):
    flags = {0: Flags(np.arange(6) < 2), 3: Flags(np.ones(6, np.bool_))}
    told = finding(market, EXTREME, flags, "drop_asset")
    assert (told.n_flagged, told.n_assets, told.n_changed) == (8, 3, 0)
    # The most first, and by name where they tie.
    assert list(told.worst.items()) == [("G", 3), ("H", 3), ("A", 2)]
    assert told.dropped == ("A", "G", "H")
    assert told.cells == {}


def test_flagged_cells_are_counted_by_column(market):
    rows = np.arange(6) < 2
    cells = [{"open": rows, "close": np.arange(6) < 1}, {"close": rows}]
    told = finding(market, EXTREME, {i: Flags(rows, cells=each) for i, each in enumerate(cells)}, "drop_cell")
    assert told.cells == {"open": 2, "close": 3}
    assert told.n_flagged == 5
