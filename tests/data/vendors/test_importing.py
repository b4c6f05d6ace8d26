import numpy as np
import pytest
from vendor_bars import LONG, cells

from quantray.data.vendors.formats import Format
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def test_long_csv(write):
    path = write(LONG)
    bars = read_bars(path)
    assert cells(bars) == [("2020-01-02", "AA", 2.0), ("2020-01-02", "B", 11.0), ("2020-01-03", "AA", 3.0)]
    assert list(bars.frame.columns) == ["date", "symbol", "open", "high", "low", "close", "volume"]
    assert bars.frame.dtypes[2:].eq(np.float64).all()
    assert np.isnan(bars.frame["volume"].iloc[2])
    assert bars.files == (str(path),)


def test_other_columns_are_left_out(write):
    path = write("date,symbol,close,vwap,comment\n2020-01-02,AA,2,2.1,hello\n")
    assert list(read_bars(path).frame.columns) == ["date", "symbol", "close"]


def test_a_file_without_symbols_is_one_symbol(write):
    path = write("Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,3,0.5,2,1.9,100\n", "LOW.csv")
    bars = read_bars(path)
    assert cells(bars) == [("2020-01-02", "LOW", 2.0)]
    assert bars.frame["adj_close"].iloc[0] == 1.9
    assert cells(read_bars(write("date,o,h,l,c,v\n2020-01-02,1,3,0.5,2,100\n", "AA.csv"))) == [
        ("2020-01-02", "AA", 2.0)
    ]


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


def test_columns_of_prices_are_neither_symbols_nor_fields_by_chance(write):
    wide = read_bars(write("Date,AAPL,SID,MSFT\n2020-01-02,40.5,4.5,80.5\n2020-01-03,41,4,81\n", "prices.csv"))
    assert sorted(set(wide.frame["symbol"])) == ["AAPL", "MSFT", "SID"]
    with pytest.raises(DataError, match="has a column Vol. and no close among Date, Kurs, .*; name it with --column"):
        read_bars(write("Date,Kurs,Erster,Vol.\n2020-01-02,40.5,40,1\n"))


def test_a_wide_file_of_another_field_says_how_to_take_it(write):
    path = write("Date,AA,B\n2020-01-02,2.5,3.5\n", "adj_close.csv")
    with pytest.raises(DataError, match="--field close takes adj_close for it"):
        read_bars(path)
    assert read_bars(path, Format(field="close")).frame["close"].tolist() == [2.5, 3.5]
