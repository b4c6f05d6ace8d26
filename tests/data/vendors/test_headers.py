import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS

from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


@pytest.mark.parametrize(
    "name", ["{field}_{symbol}", "{symbol}_{field}", "{field} {symbol}", "('{field}', '{symbol}')"]
)
def test_columns_that_name_field_and_symbol(tmp_path, name):
    columns = {
        name.format(field=f, symbol=s): [v, v + 1.5]
        for s, v in (("AAPL", 10.0), ("BRK_B", 20.0))
        for f in ("Close", "Volume")
    }
    frame = pd.DataFrame({"Date": DAYS[:2], **columns})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    for file in ("a.csv", "a.parquet"):
        bars = read_bars(tmp_path / file).frame
        assert bars["symbol"].tolist() == ["AAPL", "AAPL", "BRK_B", "BRK_B"]
        assert bars["close"].tolist() == bars["volume"].tolist() == [10.0, 11.5, 20.0, 21.5]


@pytest.mark.parametrize("gap", [",", ",,"])
def test_sheets_with_a_column_of_dates_for_each_security(tmp_path, gap):
    rows = [f"AAPL US Equity,{gap}BRK/B US Equity,", f"Date,PX_LAST{gap}Date,PX_LAST"]
    rows += [f"01/{d}/2021,{d}.5{gap}01/{d + 1}/2021,{d + 1}.5" for d in (13, 14)] + [f"01/15/2021,15.5{gap},"]
    (tmp_path / "s.csv").write_text("\n".join(rows) + "\n")
    frame = read_bars(tmp_path / "s.csv").frame
    assert frame["symbol"].tolist() == ["AAPL"] * 3 + ["BRK/B"] * 2
    assert frame["date"].dt.day.tolist() == [13, 14, 15, 14, 15]
    assert frame["close"].tolist() == [13.5, 14.5, 15.5, 14.5, 15.5]


def test_lines_with_dates_above_the_header(tmp_path):
    head = "Start Date,01/04/2021,,\nEnd Date,03/11/2022,,\n,,,\n,AAPL US Equity,,BRK/B US Equity,\n"
    head += "Dates,PX_LAST,PX_VOLUME,PX_LAST,PX_VOLUME\n01/14/2021,#N/A N/A,,#N/A N/A,\n"
    (tmp_path / "s.csv").write_text(head + "01/15/2021,100.5,836593,101.5,1391495\n")
    frame = read_bars(tmp_path / "s.csv").frame
    assert frame["symbol"].tolist() == ["AAPL", "AAPL", "BRK/B", "BRK/B"]
    np.testing.assert_array_equal(frame["close"], [np.nan, 100.5, np.nan, 101.5])


def test_rows_of_names_codes_and_currencies_above_prices(tmp_path):
    head = "Name,APPLE,LOWES,\nCode,@AAPL(P),LOW,\nCURRENCY,U$,U$,\n"
    (tmp_path / "s.csv").write_text(head + "14/01/2021,100.5,100.25,\n15/01/2021,101.5,96.25,\n")
    frame = read_bars(tmp_path / "s.csv").frame
    assert frame["symbol"].tolist() == ["@AAPL(P)", "@AAPL(P)", "LOW", "LOW"]
    assert frame["close"].tolist() == [100.5, 101.5, 100.25, 96.25]


@pytest.mark.parametrize("name", ["{}_price", "{} USD", "Adjusted {}", "{} (EUR)"])
def test_columns_that_say_more_of_a_field_name_no_symbol(tmp_path, name):
    frame = pd.DataFrame({"Date": DAYS[:2], **{name.format(f): [1.5, 2.5] for f in ("Open", "Close", "Volume")}})
    frame.to_csv(tmp_path / "AA.csv", index=False)
    if name == "{}_price":
        assert set(read_bars(tmp_path / "AA.csv").frame["symbol"]) == {"AA"}
    else:
        with pytest.raises(DataError, match="no close .*name it with --column FILE_COLUMN=close"):
            read_bars(tmp_path / "AA.csv")
