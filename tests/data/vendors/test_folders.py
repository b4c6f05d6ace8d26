import numpy as np
import pytest

from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def cells(bars):
    """(date, symbol, close) of each row."""
    frame = bars.frame
    return list(zip(frame["date"].dt.strftime("%Y-%m-%d"), frame["symbol"], frame["close"], strict=True))


def test_a_folder_of_one_file_per_symbol(write, tmp_path):
    write("date,close,volume\n2020-01-02,2,100\n2020-01-03,3,100\n", "many/AA.csv")
    write("date,close\n2020-01-03,11\n", "many/BRK-B.csv")
    write("not a bar file", "many/readme.txt")
    bars = read_bars(tmp_path / "many")
    assert cells(bars) == [("2020-01-02", "AA", 2.0), ("2020-01-03", "AA", 3.0), ("2020-01-03", "BRK-B", 11.0)]
    assert [file.rsplit("/", 1)[1] for file in bars.files] == ["AA.csv", "BRK-B.csv"]


def test_a_folder_of_one_wide_file_per_field(write, tmp_path):
    write("date,AA,B\n2020-01-02,2,11\n2020-01-03,3,12\n", "fields/close.csv")
    write("date,AA,B\n2020-01-02,1,10\n", "fields/open.csv")
    write("date,AA\n2020-01-02,100\n2020-01-03,200\n", "fields/volume.csv")
    frame = read_bars(tmp_path / "fields").frame.set_index(["symbol", "date"]).sort_index()
    assert frame.loc["AA", "volume"].tolist() == [100.0, 200.0]
    assert frame.loc["B", "close"].tolist() == [11.0, 12.0]
    np.testing.assert_array_equal(frame["open"], [1.0, np.nan, 10.0, np.nan])


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
