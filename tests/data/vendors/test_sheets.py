import gzip
import time
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vendor_bars import DAYS, LONG, cells, path_of

from quantray.data.vendors.formats import Format
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def test_a_symbol_twice_in_a_wide_file_is_refused(imported):
    with pytest.raises(DataError, match="has 2 columns AAPL; keep one of them"):
        imported("Date,AAPL,AAPL,MSFT\n2021-01-04,1,2,3\n")


def test_a_wide_file_whose_dates_have_no_name(imported):
    frame = pd.DataFrame({"AAPL": path_of(0.1, 1, 30), "MSFT": path_of(0.2, 2, 30)}, index=DAYS[:30])
    path = imported(frame.reset_index().rename(columns={"index": ""}), "prices.csv")
    assert path.assets.tolist() == ["AAPL", "MSFT"]


@pytest.mark.parametrize("end", [",,\n", ",,\n,,\n", "\n\n", ",,,,,,\n"])
def test_blank_rows_of_spreadsheets_are_skipped(tmp_path, end):
    for name, day in (("AA", "{}"), ("B", "{}-01-2021")):
        rows = "".join(f"{day.format(k)},10{k}.5,7\n" if name == "B" else f"2021-01-{k},10{k}.5,7\n" for k in (14, 15))
        (tmp_path / f"{name}.csv").write_text("date,close,volume\n" + rows + end)
        frame = read_bars(tmp_path / f"{name}.csv").frame
        assert frame["date"].dt.strftime("%Y-%m-%d").tolist() == ["2021-01-14", "2021-01-15"]


def test_lines_are_counted_as_in_the_file(tmp_path):
    (tmp_path / "AA.csv").write_text("date,close\n\n2021-01-04,1.5\n\n2021-01-05,x\n")
    with pytest.raises(DataError, match="row 5, column close: 'x'"):
        read_bars(tmp_path / "AA.csv")


def test_separators_at_the_end_of_rows_are_nothing(tmp_path):
    (tmp_path / "AA.csv").write_text("date;close;volume\n2021-01-04;1.5;7;;;\n2021-01-05;2.5;8;;;\n;;;;;\n")
    assert read_bars(tmp_path / "AA.csv").frame["close"].tolist() == [1.5, 2.5]
    (tmp_path / "AA.csv").write_text("date;close;volume\n2021-01-04;1.5;7;;;\n2021-01-05;2.5;8;;9;\n")
    with pytest.raises(DataError, match="row 3 has 6 cells below a header of 3"):
        read_bars(tmp_path / "AA.csv")


def test_compressed_csv_and_parquet_read_alike(write, tmp_path):
    expected = read_bars(write(LONG)).frame
    with gzip.open(tmp_path / "more.csv.gz", "wt") as file:
        file.write(LONG)
    expected.to_parquet(tmp_path / "bars.parquet")
    for name in ("more.csv.gz", "bars.parquet"):
        pd.testing.assert_frame_equal(read_bars(tmp_path / name).frame, expected)


@pytest.mark.parametrize(
    "index", [["date"], ["date", "symbol"]], ids=["date in the index", "date and symbol in the index"]
)
def test_parquet_with_an_index(write, tmp_path, index):
    expected = read_bars(write(LONG)).frame
    expected.set_index(index).to_parquet(tmp_path / "indexed.parquet")
    pd.testing.assert_frame_equal(read_bars(tmp_path / "indexed.parquet").frame, expected)


def test_wide_parquet_with_dates_as_its_index(tmp_path):
    dates = pd.DatetimeIndex(["2020-01-02", "2020-01-03"])
    pd.DataFrame({"AA": [2.0, 3.0], "B": [np.nan, 11.0]}, index=dates).to_parquet(tmp_path / "close.parquet")
    assert sorted(cells(read_bars(tmp_path / "close.parquet"))) == [
        ("2020-01-02", "AA", 2.0),
        ("2020-01-03", "AA", 3.0),
        ("2020-01-03", "B", 11.0),
    ]


def test_a_comma_at_the_end_of_each_row_changes_nothing(write):
    assert cells(read_bars(write("date,symbol,close\n2020-01-02,AA,2,\n"))) == [("2020-01-02", "AA", 2.0)]


def test_a_file_that_is_no_parquet(write):
    with pytest.raises(DataError, match=r"bars\.parquet cannot be read"):
        read_bars(write(LONG, "bars.parquet"))


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "bars.csv").write_bytes(b"date,symbol,close\n2020-01-02,\xff\xfe,2\n")
    with pytest.raises(DataError, match=r"bars\.csv cannot be read"):
        read_bars(tmp_path / "bars.csv")


def test_a_column_without_a_name_is_named_by_its_place(write):
    rows = "".join(f"2020-01-0{d},{s},{d}{k}.5\n" for d in (2, 3, 6) for k, s in enumerate(("AA", "B", "C")))
    path = write("Date,,Close\n" + rows)
    with pytest.raises(DataError, match="--column FILE_COLUMN=symbol, as --column 'column 2=symbol'"):
        read_bars(path)
    assert set(read_bars(path, Format(columns={"column 2": "symbol"})).frame["symbol"]) == {"AA", "B", "C"}


def test_a_wide_file_whose_header_is_longer_than_a_sample(tmp_path):
    names = [f"symbol_{i:07}_{'x' * 40}" for i in range(6000)]
    rows = [f"2021-01-{day:02}," + ",".join(f"{day}.5" for _ in names) for day in (4, 5, 6)]
    (tmp_path / "close.csv").write_text("\n".join(["date," + ",".join(names), *rows]))
    frame = read_bars(tmp_path / "close.csv").frame
    assert len(frame) == 3 * 6000
    assert frame["symbol"].nunique() == 6000
    assert frame.loc[frame["symbol"] == names[-1], "close"].tolist() == [4.5, 5.5, 6.5]


def test_a_file_that_is_far_too_wide_is_refused_at_once(tmp_path):
    (tmp_path / "close.csv").write_text("date" + ",a" * 1_000_000 + "\n2021-01-04" + ",1" * 1_000_000)
    begin = time.perf_counter()
    with pytest.raises(DataError, match="has 1,000,000 columns; 100,000 are the most"):
        read_bars(tmp_path / "close.csv")
    assert time.perf_counter() - begin < 30


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


DATES = pa.array([date(2021, 1, 4), date(2021, 1, 5)])


def test_columns_of_lists_and_bytes_are_left_out_and_named(tmp_path):
    path = parquet(tmp_path / "AA.parquet", date=DATES, close=[1.0, 2.0], news=[["a"], []], raw=[b"\xff", b""])
    raw = read_bars(path)
    assert raw.frame["close"].tolist() == [1.0, 2.0]
    assert raw.readings[0].notes == ("columns of lists, bytes or times of day are not read: news, raw",)


def test_columns_of_parquet_may_have_any_name(tmp_path):
    """Dots and brackets lead into nested columns where names are looked up."""
    path = parquet(tmp_path / "close.parquet", **{"date": DATES, ".[/z5]": [1.0, 2.0], "a.b": [3.0, 4.0]})
    assert sorted(set(read_bars(path).frame["symbol"])) == [".[/z5]", "a.b"]


def test_instants_that_no_calendar_reaches_are_refused(tmp_path):
    far = pa.array([2**62, 0], pa.timestamp("us"))
    with pytest.raises(DataError, match="column date has dates beyond the year 9999"):
        read_bars(parquet(tmp_path / "AA.parquet", date=far, close=[1.0, 2.0]))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("2021-01-04,1e300\n2021-01-05,1", "row 2, column close: '1e\\+300' is no price"),
        ("2021-01-04,1\n2021-01-05,1e-300", "row 3, column close: '1e-300' is no price"),
        ("2021-01-04,0:0 Stock Split\n2021-01-05,1", "row 2: '0:0 Stock Split' tells no number"),
        ("2021-01-04,1.2.3 Dividend\n2021-01-05,1", "row 2: '1.2.3 Dividend' tells no number"),
        ("2021-01-04,0.5 Dividend\n2021-01-05,0.5 Dividend", "has rows and no bar in any of them"),
    ],
)
def test_cells_that_no_market_shows(tmp_path, rows, told):
    (tmp_path / "AA.csv").write_text(f"date,close\n{rows}\n")
    with pytest.raises(DataError, match=told):
        read_bars(tmp_path / "AA.csv")
