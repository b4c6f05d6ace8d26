"""Events that files list, judged by the evidence of all symbols together."""

import numpy as np
import pandas as pd
import pytest
from quoted_bars import bars

from quantray.data import blocks
from quantray.data.blocks import in_blocks
from quantray.data.quality.events import normalise_events
from quantray.data.quality.listed import lists, pooled

N = 120


def quoted(symbol, seed, *, inside, at=(40, 80), ratio=2.0):
    """A path with two splits, which its prices contain or not."""
    close = 50 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, N)))
    split = np.where(np.isin(np.arange(N), at), ratio, 1.0)
    return bars(symbol, close=close if inside else close / np.cumprod(split), split=split)


def test_what_the_prices_contain_is_told_symbol_by_symbol():
    splits, dividends = pooled(in_blocks(pd.concat([quoted("A", 1, inside=True), quoted("B", 2, inside=False)])))
    assert splits.row.tolist() == [40, 80, N + 40, N + 80]
    assert splits.inside.tolist() == [True, True, False, False]
    assert splits.evidence[0].startswith("splits: 2 of 4 listed are in the prices already")
    assert len(dividends.row) == 0
    assert dividends.evidence == ()


def test_symbols_that_say_little_lean_on_the_others():
    """Splits of 1 % are lost in the noise; those of 100 % of the same file are not."""
    faint = quoted("F", 3, inside=False, ratio=1.01)
    apart, _ = pooled(in_blocks(pd.concat([faint, *(quoted(f"A{i}", i, inside=True) for i in range(6))])))
    alone, _ = pooled(in_blocks(faint))
    assert apart.inside.tolist() == [True] * 14
    assert alone.doubts[0].startswith("F: 2 splits may be in the prices")


@pytest.mark.parametrize("rows", [N, 3 * N])
def test_a_division_into_blocks_changes_nothing(rows, monkeypatch):
    parts = [quoted(f"S{i}", i, inside=i % 3 == 0, at=(2, N - 3), ratio=(1.004, 1.5)[i % 2]) for i in range(7)]
    frame = pd.concat(parts).assign(dividend=0.1)
    whole = normalise_events(frame)
    monkeypatch.setattr(blocks, "_ROWS", rows)
    divided = normalise_events(frame)
    pd.testing.assert_frame_equal(whole[0], divided[0])
    assert whole[1] == divided[1]


def test_a_file_lists_what_it_has_columns_of():
    told = lists(in_blocks(quoted("A", 1, inside=True).assign(lists=[1] * 60 + [2] * 60))[0])
    assert told[0].tolist() == [True] * 60 + [False] * 60
    assert told[1].tolist() == [False] * 60 + [True] * 60
    assert not lists(in_blocks(quoted("A", 1, inside=True))[0])[0].any()
