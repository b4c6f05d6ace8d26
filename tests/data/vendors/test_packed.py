"""Packed files of bars, and what only looks like one."""

import gzip
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantray.data.vendors import packed
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError

DAYS = pd.bdate_range("2000-01-03", periods=2000)
ROWS = "".join(f"{day:%Y-%m-%d},AA,{10 + n % 7}.{n % 100:02d}\n" for n, day in enumerate(DAYS))


@pytest.fixture
def little_is_enough(monkeypatch):
    """As if files that unpack to more than a few pages were large."""
    monkeypatch.setattr(packed, "_ENOUGH", 1 << 16)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("empty", [0, 50])
def test_a_table_that_packs_well_is_read(tmp_path, little_is_enough, encoding, empty):
    text = "date,symbol,close\n" + ROWS.replace("\n", "," * empty + "\n")
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    assert len(read_bars(tmp_path / "bars.csv.gz").frame) == 2000


@pytest.mark.parametrize("filling", ["\n", " ", ",", "2020-01-02,AA,1\n"], ids=repr)
def test_what_unpacks_without_end_is_refused_by_name(tmp_path, little_is_enough, filling):
    text = "date,symbol,close\n2000-01-03,AA,1\n" + filling * (24_000_000 // len(filling))
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(DataError, match=r"bomb.csv.gz unpacks to more than 200 times its size, as no table does"):
        read_bars(tmp_path / "bomb.csv.gz")


@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[:-20], lambda whole: whole[:200] + b"x" * 50 + whole[250:], lambda whole: ROWS.encode()],
    ids=["cut", "changed", "not packed"],
)
def test_a_damaged_one_is_refused_in_a_line(tmp_path, damage):
    (tmp_path / "bars.csv.gz").write_bytes(damage(gzip.compress(("date,symbol,close\n" + ROWS).encode())))
    with pytest.raises(DataError, match="bars.csv.gz cannot be read: "):
        read_bars(tmp_path / "bars.csv.gz")


def test_a_parquet_file_of_one_value_without_end_is_refused_by_name(tmp_path, little_is_enough):
    table = pa.table({"date": pa.array(["2020-01-02"] * 300_000).dictionary_encode(), "close": [1.0] * 300_000})
    pq.write_table(table, tmp_path / "bomb.parquet")
    with pytest.raises(DataError, match=r"bomb.parquet has 600,000 cells, more than 200 for each of its bytes"):
        read_bars(tmp_path / "bomb.parquet")


def test_files_are_closed(tmp_path):
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(b"date,symbol,close\n2000-01-03,AA,1\n"))
    before = len(os.listdir("/proc/self/fd"))
    read_bars(tmp_path / "bars.csv.gz")
    assert len(os.listdir("/proc/self/fd")) == before
