import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Decisions, backtest
from quantray.errors import DataError
from quantray.storage.seals import to_parquet


@pytest.fixture(scope="module")
def record(market):
    panel = market.panel
    rows = np.arange(100, 690, 42)
    weights = np.where(panel.member[rows], 1.0, 0.0)
    return backtest(
        panel, Decisions(panel.dates[rows], panel.assets, weights / weights.sum(1, keepdims=True)), name="x"
    )


def test_a_record_reads_back_as_it_was_on_trade_dates(record, tmp_path):
    record.write(tmp_path / "x")
    back, kept = TrackRecord.read(tmp_path / "x"), record.on_trade_dates()
    assert back.name == "x"
    held = np.isin(kept.assets, back.assets)
    assert not (kept.trades[:, ~held] != 0).any()
    for name in ("dates", "nav", "cash", "pnl", "dividends", "interest", "unfilled", "holding_dates"):
        assert_array_equal(getattr(back, name), getattr(kept, name))
    for name in ("weights", "trades", "costs"):
        assert_array_equal(getattr(back, name), getattr(kept, name)[:, held])
    assert_array_equal(back.turnover, record.turnover)
    assert_array_equal(back.cost_series, record.cost_series)


def test_the_digest_sees_any_change(record, market):
    again = record.digest()
    assert again == record.digest()
    nav = record.nav.copy()
    nav[5] = np.nextafter(nav[5], np.inf)
    assert replace(record, nav=nav).digest() != again
    assert replace(record, name="other").digest() == again


def test_returns_compound_to_the_nav(record):
    assert record.nav[0] * np.prod(1 + record.returns) == pytest.approx(record.nav[-1], rel=1e-12)


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(DataError, match="holds no track record"):
        TrackRecord.read(tmp_path)


def test_a_pipe_is_not_waited_for(record, tmp_path):
    record.write(tmp_path)
    (tmp_path / "holdings.parquet").unlink()
    os.mkfifo(tmp_path / "holdings.parquet")
    with pytest.raises(DataError, match=r"holds no track record: holdings.parquet: it is a pipe or a device"):
        TrackRecord.read(tmp_path)


def test_years_follow_the_calendar_of_the_panel(market, tmp_path):
    panel = replace(market.panel, periods_per_year=365)
    rows = np.array([100, 300])
    weights = np.where(panel.member[rows], 1.0, 0.0)
    decisions = Decisions(panel.dates[rows], panel.assets, weights / weights.sum(1, keepdims=True))
    other, usual = backtest(panel, decisions), backtest(market.panel, decisions)
    assert other.years == pytest.approx(usual.years * 252 / 365)
    assert_allclose(other.turnover_by_asset, usual.turnover_by_asset * 365 / 252)
    # The accounts are the same; how they are read is no part of them.
    assert other.digest() == usual.digest()
    other.write(tmp_path / "x")
    back = TrackRecord.read(tmp_path / "x")
    assert (back.periods_per_year, back.delistings) == (365, other.delistings)
    assert back.delistings.assumed > 0


def test_any_bit_of_a_record_counts_and_its_file_is_named(record, tmp_path):
    record.write(tmp_path / "x")
    draws = np.random.default_rng(0)
    for name in ("accounts", "holdings"):
        path = tmp_path / "x" / f"{name}.parquet"
        content = path.read_bytes()
        for place in draws.integers(0, len(content), 30):
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(draws.integers(8))
            path.write_bytes(flipped)
            with pytest.raises(
                DataError, match=f"{name}.parquet .*; put back a copy, or run the study again"
            ) as caught:
                TrackRecord.read(tmp_path / "x")
            assert "\n" not in str(caught.value)
        path.write_bytes(content)
    assert TrackRecord.read(tmp_path / "x").nav.tolist() == record.nav.tolist()


def test_files_of_different_records_are_no_record(record, tmp_path):
    record.write(tmp_path / "x")
    replace(record, nav=record.nav * 2).write(tmp_path / "y")
    (tmp_path / "y" / "holdings.parquet").replace(tmp_path / "x" / "holdings.parquet")
    with pytest.raises(DataError, match="accounts.parquet and holdings.parquet are of different records"):
        TrackRecord.read(tmp_path / "x")


@pytest.mark.parametrize("metadata", [None, {"quantray": "{"}, {"quantray": "[1]"}, {"quantray": '{"record": 1}'}])
def test_a_record_that_nobody_wrote_so_is_refused_in_a_line(record, tmp_path, metadata):
    record.write(tmp_path / "x")
    crafted = record.tables()["accounts"].replace_schema_metadata(metadata)
    (tmp_path / "x" / "accounts.parquet").write_bytes(to_parquet(crafted, "accounts"))
    with pytest.raises(DataError, match="holds no track record: ") as caught:
        TrackRecord.read(tmp_path / "x")
    assert "\n" not in str(caught.value)
