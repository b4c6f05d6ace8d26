import gzip

import numpy as np
import pandas as pd
import pytest

from quantray.data.formats import BAR_FIELDS, COLUMN_NAMES, Format
from quantray.data.importing import read_bars
from quantray.errors import DataError

LONG = """date,symbol,open,high,low,close,volume
2020-01-02,AA,1,3,0.5,2,100
2020-01-02,B,10,12,9,11,50
2020-01-03,AA,2,4,1.5,3,
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="bars.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def cells(bars):
    """(date, symbol, close) of each row."""
    frame = bars.frame
    return list(zip(frame["date"].dt.strftime("%Y-%m-%d"), frame["symbol"], frame["close"], strict=True))


def test_long_csv(write):
    path = write(LONG)
    bars = read_bars(path)
    assert cells(bars) == [("2020-01-02", "AA", 2.0), ("2020-01-02", "B", 11.0), ("2020-01-03", "AA", 3.0)]
    assert list(bars.frame.columns) == ["date", "symbol", "open", "high", "low", "close", "volume"]
    assert bars.frame.dtypes[2:].eq(np.float64).all()
    assert np.isnan(bars.frame["volume"].iloc[2])
    assert bars.files == (str(path),)


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


@pytest.mark.parametrize("name", ["date", "symbol", *BAR_FIELDS])
def test_every_declared_spelling_is_read(write, name):
    for alias in COLUMN_NAMES[name]:
        row = {"date": "2020-01-02", "symbol": "AA", "close": "2"}
        row[name] = row.get(name, "7")
        header = [f" {alias.upper()} " if column == name else column for column in row]
        frame = read_bars(write(",".join(header) + "\n" + ",".join(row.values()) + "\n")).frame
        assert set(frame.columns) - {"basis", "lists"} == set(row)
        assert str(frame[name].iloc[0]).startswith(row[name])


def test_columns_of_other_names_are_declared(write):
    path = write("when,who,px\n2020-01-02,AA,2\n")
    assert cells(read_bars(path, Format(columns={"when": "date", "who": "symbol", "px": "close"}))) == [
        ("2020-01-02", "AA", 2.0)
    ]


def test_a_declared_column_goes_before_one_of_the_same_name(write):
    path = write("date,symbol,close,mid\n2020-01-02,AA,2,5\n")
    assert cells(read_bars(path, Format(columns={"mid": "close"}))) == [("2020-01-02", "AA", 5.0)]


@pytest.mark.parametrize(
    "header", ["date,symbol,price,close", "date,symbol,last,Close", "timestamp,symbol,price,close,date"]
)
def test_the_first_spelling_of_the_table_wins(write, header):
    row = {
        "date": "2020-01-02",
        "timestamp": "2020-01-02 16:00",
        "symbol": "AA",
        "price": "9",
        "last": "9",
        "close": "2",
    }
    path = write(header + "\n" + ",".join(row[c.lower()] for c in header.split(",")) + "\n")
    assert cells(read_bars(path)) == [("2020-01-02", "AA", 2.0)]


def test_other_columns_are_left_out(write):
    path = write("date,symbol,close,vwap,comment\n2020-01-02,AA,2,2.1,hello\n")
    assert list(read_bars(path).frame.columns) == ["date", "symbol", "close"]


def test_a_comma_at_the_end_of_each_row_changes_nothing(write):
    assert cells(read_bars(write("date,symbol,close\n2020-01-02,AA,2,\n"))) == [("2020-01-02", "AA", 2.0)]


def test_symbols_stay_text(write):
    rows = [f"2020-01-02,{symbol},2" for symbol in ("0005", "TRUE", "1E5", "NA", "INF")]
    for text in [*rows, "\n".join(rows)]:
        expected = [line.split(",")[1] for line in text.split("\n")]
        assert read_bars(write(f"date,ticker,close\n{text}\n")).frame["symbol"].tolist() == expected


def test_a_file_without_symbols_is_one_symbol(write):
    path = write("Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,3,0.5,2,1.9,100\n", "LOW.csv")
    bars = read_bars(path)
    assert cells(bars) == [("2020-01-02", "LOW", 2.0)]
    assert bars.frame["adj_close"].iloc[0] == 1.9
    assert cells(read_bars(write("date,o,h,l,c,v\n2020-01-02,1,3,0.5,2,100\n", "AA.csv"))) == [
        ("2020-01-02", "AA", 2.0)
    ]


def test_a_folder_of_one_file_per_symbol(write, tmp_path):
    write("date,close,volume\n2020-01-02,2,100\n2020-01-03,3,100\n", "many/AA.csv")
    write("date,close\n2020-01-03,11\n", "many/BRK-B.csv")
    write("not a bar file", "many/readme.txt")
    bars = read_bars(tmp_path / "many")
    assert cells(bars) == [("2020-01-02", "AA", 2.0), ("2020-01-03", "AA", 3.0), ("2020-01-03", "BRK-B", 11.0)]
    assert [file.rsplit("/", 1)[1] for file in bars.files] == ["AA.csv", "BRK-B.csv"]


def test_a_wide_file_holds_one_field(write):
    text = "date,AA,B\n2020-01-02,2,\n2020-01-03,3,11\n"
    expected = [("2020-01-02", "AA", 2.0), ("2020-01-03", "AA", 3.0), ("2020-01-03", "B", 11.0)]
    assert cells(read_bars(write(text, "prices.csv"))) == expected
    assert cells(read_bars(write(text, "volume.csv"), Format(field="close"))) == expected


def test_tickers_that_are_also_names_of_fields(write):
    text = "date,AAPL,C,LOW,MSFT,V,XOM\n2020-01-02,1,2,3,4,5,6\n"
    assert [symbol for _, symbol, _ in cells(read_bars(write(text, "prices.csv")))] == text.split("\n", maxsplit=1)[
        0
    ].split(",")[1:]
    two = write("date,C,V\n2020-01-02,2,5\n", "close.csv")
    assert cells(read_bars(two)) == [("2020-01-02", "C", 2.0), ("2020-01-02", "V", 5.0)]


def test_a_folder_of_one_wide_file_per_field(write, tmp_path):
    write("date,AA,B\n2020-01-02,2,11\n2020-01-03,3,12\n", "fields/close.csv")
    write("date,AA,B\n2020-01-02,1,10\n", "fields/open.csv")
    write("date,AA\n2020-01-02,100\n2020-01-03,200\n", "fields/volume.csv")
    frame = read_bars(tmp_path / "fields").frame.set_index(["symbol", "date"]).sort_index()
    assert frame.loc["AA", "volume"].tolist() == [100.0, 200.0]
    assert frame.loc["B", "close"].tolist() == [11.0, 12.0]
    np.testing.assert_array_equal(frame["open"], [1.0, np.nan, 10.0, np.nan])


@pytest.mark.parametrize(
    "dates",
    [
        ("2020-01-02", "2020-07-02"),
        ("20200102", "20200702"),
        ("2020-01-02 16:00:00", "2020-07-02T16:00:00"),
        ("2020-01-02 00:00:00-05:00", "2020-07-02 00:00:00-04:00"),
        ("2020-01-02T20:00:00.000Z", "2020-07-02T23:59:59Z"),
    ],
)
def test_dates_are_those_of_the_exchange_clock(write, dates):
    path = write(f"date,symbol,close\n{dates[0]},AA,2\n{dates[1]},AA,3\n")
    assert [row[0] for row in cells(read_bars(path))] == ["2020-01-02", "2020-07-02"]


@pytest.mark.parametrize("kind", ["date32", "zoned", "seconds"])
def test_parquet_dates_of_every_type(tmp_path, kind):
    stamps = pd.DatetimeIndex(["2020-01-02", "2020-07-02"])
    dates = {
        "date32": stamps.date,
        "zoned": stamps.tz_localize("America/New_York"),
        "seconds": stamps.astype("datetime64[s]"),
    }[kind]
    pd.DataFrame({"date": dates, "symbol": "AA", "close": [2, 3]}).to_parquet(tmp_path / "bars.parquet")
    assert [row[0] for row in cells(read_bars(tmp_path / "bars.parquet"))] == ["2020-01-02", "2020-07-02"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bars\.csv is empty"),
        ("date,symbol,close\n", r"bars\.csv is empty; it needs a header and at least one row"),
        (
            "date,symbol,close\n2020-01-02,AA,2\n2020-01-03,AA,abc\n",
            r"bars\.csv row 3, column close: 'abc' is not a number",
        ),
        ("date,symbol,close\n2020-01-02,AA,inf\n", r"bars\.csv row 2, column close: 'inf' is not a number"),
        (
            'date,symbol,open,close\n2020-01-02,AA,"1,000",2\n',
            r"bars\.csv: '1,000' may be 1000 or 1\.000; say which with --thousands ',' or --decimal ','",
        ),
        ("date,AA,B\n2020-01-02,2,3\n2020-01-03,2,x\n", r"bars\.csv row 3, column B: 'x' is not a number"),
        ("date,symbol,close\n2020-01-02,AA,2\n01/03/2020,AA,2\n", "row 3, column date: '01/03/2020' is not a date"),
        ("date,symbol,close\n2020-01-02,AA,2\n,AA,2\n", "row 3, column date: '' is not a date; use YYYY-MM-DD"),
        (
            "date,symbol,close\n43832,AA,2\n",
            "row 2, column date: '43832' is a number of days, as spreadsheets count; read it with --dates excel",
        ),
        ("symbol,close\nAA,2\n", r"no date column among \['symbol', 'close'\]; name it with --column FILE_COLUMN=date"),
        (
            "date,symbol,open\n2020-01-02,AA,2\n",
            r"has no close column; only \['date', 'symbol', 'open'\] were recognised; name it with --column",
        ),
        ("date,symbol,comment\n2020-01-02,AA,hello\n", "has a date and a symbol but none of open, high"),
        ("date\n2020-01-02\n", "has a date column only"),
        (
            "date,symbol,close\n2020-01-02,AA,2,3,4\n2020-01-02,AA,2\n",
            r"bars\.csv row 2 has 5 cells below a header of 3; .*, or delete the row",
        ),
        ('date,symbol,close\n2020-01-02,"AA,2\n', "cannot be read"),
    ],
    ids=[
        "empty",
        "header only",
        "text",
        "infinite",
        "thousands",
        "text in a wide file",
        "American date",
        "blank date",
        "serial number",
        "no date",
        "no close",
        "no field",
        "date only",
        "ragged",
        "open quote",
    ],
)
def test_bad_csv(write, text, message):
    with pytest.raises(DataError, match=message):
        read_bars(write(text))


def test_missing_files(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv does not exist; give a CSV or Parquet file"):
        read_bars(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"holds no \.csv"):
        read_bars(tmp_path)


def test_a_file_that_is_no_parquet(write):
    with pytest.raises(DataError, match=r"bars\.parquet cannot be read"):
        read_bars(write(LONG, "bars.parquet"))


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "bars.csv").write_bytes(b"date,symbol,close\n2020-01-02,\xff\xfe,2\n")
    with pytest.raises(DataError, match=r"bars\.csv cannot be read"):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"px": "close"}, "column mapping names 'px', which is not in"),
        ({"close": "price"}, "column mapping names 'price'"),
        ({"close": "close", "open": "close"}, "give two columns one name"),
    ],
    ids=["not in the file", "no field", "twice"],
)
def test_bad_column_mapping(write, columns, message):
    with pytest.raises(DataError, match=message):
        read_bars(write(LONG), Format(columns=columns))


def test_unknown_field_of_a_wide_file(write):
    with pytest.raises(DataError, match="field 'bid' is not one of open"):
        read_bars(write("date,AA,B\n2020-01-02,2,3\n"), Format(field="bid"))


def test_a_folder_of_unlike_files(write, tmp_path):
    write("date,close\n2020-01-02,2\n", "mixed/AA.csv")
    write("date,open,volume\n2020-01-02,2,3\n", "mixed/B.csv")
    with pytest.raises(DataError, match="mixes files with and without a close column"):
        read_bars(tmp_path / "mixed")


def test_a_wide_folder_with_a_date_twice(write, tmp_path):
    write("date,AA\n2020-01-02,2\n2020-01-02,3\n", "twice/close.csv")
    write("date,AA\n2020-01-02,1\n", "twice/open.csv")
    with pytest.raises(DataError, match="two values of close for AA on 2020-01-02"):
        read_bars(tmp_path / "twice")


def test_which_events_a_file_has_columns_of(write, tmp_path):
    assert "lists" not in read_bars(write("date,close\n2020-01-02,2\n")).frame
    write("date,close\n2020-01-02,2\n", "events/AA.csv")
    write("date,close,dividend\n2020-01-02,2,0\n", "events/B.csv")
    write("date,close,split\n2020-01-02,2,1\n", "events/C.csv")
    write("date,close,dividend,split\n2020-01-02,2,0,1\n", "events/D.csv")
    write("date,close,capital gains\n2020-01-02,2,0\n", "events/E.csv")
    frame = read_bars(tmp_path / "events").frame
    assert frame["lists"].dtype == np.int8
    assert dict(zip(frame["symbol"], frame["lists"], strict=True)) == {"AA": 0, "B": 1, "C": 2, "D": 3, "E": 1}
