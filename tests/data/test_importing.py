import gzip

import numpy as np
import pandas as pd
import pytest

from quantray.data.formats import BAR_FIELDS, COLUMN_NAMES, Format, plain
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


def test_what_a_folder_holds_beside_bars_is_left_out_with_a_finding(write, tmp_path):
    write("date,close\n2020-01-02,2\n", "many/AA.csv")
    write("Symbol,Security\nAA,Alcoa\n", "many/companies.csv")
    write("date,close\n", "many/header.csv")
    write("", "many/nothing.parquet")
    write("x", "many/._AA.csv")
    write("x", "many/BB.xlsx")
    write("date,close\n2020-01-02,2\n", "many/sub.csv").rename(tmp_path / "many" / "kept.csv")
    (tmp_path / "many" / "sub").mkdir()
    bars = read_bars(tmp_path / "many")
    assert sorted(bars.frame["symbol"]) == ["AA", "kept"]
    assert bars.notes["file_left_out"] == (
        "._AA.csv: a hidden file",
        "BB.xlsx: no CSV or Parquet file",
        "companies.csv: no bars in it",
        "header.csv: no bars in it",
        "nothing.parquet: no bars in it",
        "sub/: a folder",
    )
    for name, message in (("companies.csv", "no date column"), ("header.csv", "is empty")):
        with pytest.raises(DataError, match=message):
            read_bars(tmp_path / "many" / name)


def test_events_in_a_file_of_their_own_join_the_prices(write, tmp_path):
    days = [f"2020-01-{day:02}" for day in (2, 3, 6, 7)]
    prices = "".join(
        f"{s},{day},{k + 1}.5,9\n" for s in ("AA", "B") for k, day in enumerate(days) if (s, k) != ("B", 2)
    )
    write("ticker,date,close,volume\n" + prices, "both/prices.csv")
    events = "AA,2020-01-03,0.5\nAA,2020-01-03,0.25\nB,2020-01-06,0.1\nB,2021-01-01,3\nZ,2020-01-03,9\n"
    write("ticker,date,dividend\n" + events, "both/events.csv")
    bars = read_bars(tmp_path / "both")
    frame = bars.frame.set_index(["symbol", "date"]).sort_index()
    assert frame.loc["AA", "dividend"].tolist() == [0, 0.75, 0, 0]
    assert frame.loc["B", "dividend"].tolist() == [0, 0, 0.1, 0]
    assert np.isnan(frame.loc[("B", "2020-01-06"), "close"])
    assert (frame["lists"] == 1).all()
    assert set(frame.index.get_level_values(0)) == {"AA", "B"}
    assert any("2 events of days or symbols without prices" in note for r in bars.readings for note in r.notes)
    write("ticker,date,dividend\nQ,2020-01-03,0.5\n", "both/events.csv")
    with pytest.raises(DataError, match="no symbol in common; name symbols alike"):
        read_bars(tmp_path / "both")
    write("ticker,date,close,dividend\nAA,2020-01-03,0.5,0\n", "both/prices.csv")
    with pytest.raises(DataError, match="has dividend in the files of prices and in one beside them"):
        read_bars(tmp_path / "both")


def test_symbols_that_differ_in_case_are_one_unless_they_share_a_day(write):
    apart = read_bars(write("date,symbol,close\n2020-01-02,AAP,2\n2020-01-02,AAp,3\n2020-01-02,B,1\n2020-01-03,b,1\n"))
    assert apart.frame["symbol"].tolist() == ["AAP", "AAp", "B", "B"]
    assert apart.notes["symbol_spelling"] == ("'B', 'b' are one",)


def test_a_part_of_names_that_two_share_is_no_name(write):
    form = Format(name="house", symbol_part=r"^(\S+)")
    rows = "".join(f"2020-01-02,{name},2\n" for name in ("VOD LN Equity", "VOD US Equity", "BP LN Equity"))
    symbols = read_bars(write("date,symbol,close\n" + rows), form).frame["symbol"].tolist()
    assert symbols == ["VOD LN Equity", "VOD US Equity", "BP"]


def test_rows_without_a_permanent_id_go_by_their_symbol(write):
    frame = read_bars(write("date,symbol,figi,close\n2020-01-02,AA,BBG1,2\n2020-01-02,SPX,,3\n")).frame
    assert frame["symbol"].tolist() == ["BBG1", "SPX"]
    assert frame["ticker"].tolist() == ["AA", "SPX"]
    assert read_bars(write("date,permno,close\n2020-01-02,10001.0,2\n")).frame["symbol"].tolist() == ["10001"]


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


def test_a_column_without_a_name_is_named_by_its_place(write):
    rows = "".join(f"2020-01-0{d},{s},{d}{k}.5\n" for d in (2, 3, 6) for k, s in enumerate(("AA", "B", "C")))
    path = write("Date,,Close\n" + rows)
    with pytest.raises(DataError, match="--column FILE_COLUMN=symbol, as --column 'column 2=symbol'"):
        read_bars(path)
    assert set(read_bars(path, Format(columns={"column 2": "symbol"})).frame["symbol"]) == {"AA", "B", "C"}


def test_a_format_by_name_decides(write):
    path = write("Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,3,0.5,2,1.9,100\n", "AA.csv")
    assert read_bars(path).readings[0].format == "yahoo"
    assert read_bars(path, Format(adjusted="none")).readings[0].format == "yahoo"
    reading = read_bars(path, plain()).readings[0]
    assert reading.format == "plain"
    assert reading.stated == "which says nothing of what its prices account for"


def test_codes_of_missing_returns_are_no_returns_and_a_midpoint_of_99_is_a_price(write):
    frame = read_bars(write("PERMNO,date,PRC,VOL,RET\n1,20200102,-99.0,-99,-66.0\n1,20200103,98.0,5,0.01\n")).frame
    assert frame["close"].tolist() == [99.0, 98.0]
    np.testing.assert_array_equal(frame[["volume", "total_return"]], [[np.nan, np.nan], [5, 0.01]])
