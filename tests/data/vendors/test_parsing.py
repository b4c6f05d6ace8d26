import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS, path_of

from quantray.data.calendar import trading_days
from quantray.data.vendors.formats import Format
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def cells(bars):
    """(date, symbol, close) of each row."""
    frame = bars.frame
    return list(zip(frame["date"].dt.strftime("%Y-%m-%d"), frame["symbol"], frame["close"], strict=True))


def test_decimal_commas_and_german_names(imported):
    rows = ["Datum;Eröffnung;Hoch;Tief;Schluss;Volumen"]
    close = path_of(0.1, 8, 30) * 12
    for day, c in zip(DAYS[:30], close, strict=True):
        told = f"{c:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        rows.append(f"{day:%d.%m.%Y};{told};{told};{told};{told};123.456")
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        panel = imported("\r\n".join(rows).encode(encoding), "SAP.csv")
        np.testing.assert_allclose(panel.field("close")[:, 0], close.round(2), rtol=1e-9)
        assert panel.field("volume")[0, 0] == 123456
        assert panel.dates[0] == np.datetime64("2021-01-04")


def test_instants_in_utc_of_an_asian_exchange(imported):
    tokyo = pd.DatetimeIndex(trading_days("2021-01-04", "2021-03-11", exchange="XTKS"))
    instants = tokyo.tz_localize("Asia/Tokyo").tz_convert("UTC")
    frame = pd.DataFrame({"Date": instants.astype(str), "Close": path_of(0.1, 13, len(tokyo))})
    with pytest.raises(
        DataError, match="is a Sunday in UTC, and no row is a Friday: name the exchange's clock, as --timezone"
    ):
        imported(frame, "7203.T.csv", exchange="XTKS")
    panel = imported(frame, "7203.T.csv", exchange="XTKS", form=Format(timezone="Asia/Tokyo"))
    np.testing.assert_array_equal(panel.dates, tokyo.to_numpy().astype("datetime64[D]"))
    local = frame.assign(Date=tokyo.tz_localize("Asia/Tokyo").astype(str))
    assert len(imported(local, "7203.T.csv", exchange="XTKS").dates) == len(tokyo)


@pytest.mark.parametrize("clock", ["15:00", "16:00"])
def test_a_few_midnights_of_another_zone_need_no_sunday(tmp_path, clock):
    days = pd.DataFrame({"Date": [f"2021-06-0{k} {clock}:00+00:00" for k in (1, 2, 3)], "Close": [100.0, 99, 98]})
    days.to_csv(tmp_path / "7203.T.csv", index=False)
    with pytest.raises(DataError, match="is midnight in another time zone: name the exchange's clock, as --timezone"):
        read_bars(tmp_path / "7203.T.csv")
    read = read_bars(tmp_path / "7203.T.csv", Format(timezone="Asia/Tokyo")).frame
    assert str(read["date"].iloc[0].date()) == "2021-06-02"
    assert str(read_bars(tmp_path / "7203.T.csv", Format(timezone="UTC")).frame["date"].iloc[0].date()) == "2021-06-01"


@pytest.mark.parametrize(
    "texts", [("4\u202f000,50", "3\xa0900,25"), ("EUR 4000,50", "EUR 3900,25"), ("4000,50 €", "3900,25 €")]
)
def test_numbers_with_narrow_blanks_and_currencies(tmp_path, texts):
    (tmp_path / "AA.csv").write_text("Date;Close\n" + "".join(f"2021-01-0{k + 4};{t}\n" for k, t in enumerate(texts)))
    assert read_bars(tmp_path / "AA.csv").frame["close"].tolist() == [4000.5, 3900.25]


def test_marks_of_missing_numbers_among_numbers(tmp_path):
    (tmp_path / "AA.csv").write_text("date,close,volume\n2021-01-04,40.5,-9999\n2021-01-05,-9999,7\n")
    frame = read_bars(tmp_path / "AA.csv", Format(missing=("-9999",))).frame
    np.testing.assert_array_equal(frame[["close", "volume"]], [[40.5, np.nan], [np.nan, 7]])


def test_an_empty_column_of_text_is_empty(tmp_path):
    (tmp_path / "AA.csv").write_text("Datum;Schluss;Volumen\n04.01.2021;40,00;\n05.01.2021;40,14;\n")
    frame = read_bars(tmp_path / "AA.csv", Format(dates="DMY")).frame
    assert frame["close"].tolist() == [40.0, 40.14]
    assert frame["volume"].isna().all()


@pytest.mark.parametrize("day", ["2021-01-0{}", "0{}/01/2021", "2021/01/0{}", "0{} Jan 2021"])
@pytest.mark.parametrize("last", ["", "Total"])
def test_a_row_without_a_date_is_refused(tmp_path, day, last):
    rows = "".join(f"{day.format(k)},4{k},10\n" for k in range(4, 9))
    (tmp_path / "AA.csv").write_text(f"Date,Close,Volume\n{rows}{last},,1200\n")
    with pytest.raises(DataError, match=f"row 7, column date: '{last}' is not a date; .*, or delete the row"):
        read_bars(tmp_path / "AA.csv", Format(dates="DMY" if day.startswith("0") and "/" in day else None))


def test_volumes_grouped_by_points_are_not_divided_by_a_thousand(tmp_path):
    (tmp_path / "AA.csv").write_text("Date\tClose\tVolume\n2021-01-04\t4000\t658.516\n2021-01-05\t4014\t697.838\n")
    with pytest.raises(DataError, match=r"'658.516' may be 658516 or 658.516; say which with --thousands"):
        read_bars(tmp_path / "AA.csv")
    assert read_bars(tmp_path / "AA.csv", Format(thousands=".")).frame["volume"].iloc[0] == 658516
    with (tmp_path / "AA.csv").open("a") as file:
        file.write("2021-01-06\t4001\t1.658.516\n")
    assert read_bars(tmp_path / "AA.csv").frame["volume"].tolist() == [658516, 697838, 1658516]


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
