"""Cells of files as symbols, dates and numbers, seen through what is read of the files."""

import numpy as np

from quantray.data.vendors.importing import read_bars


def test_symbols_stay_text(write):
    rows = [f"2020-01-02,{symbol},2" for symbol in ("0005", "TRUE", "1E5", "NA", "INF")]
    for text in [*rows, "\n".join(rows)]:
        expected = [line.split(",")[1] for line in text.split("\n")]
        assert read_bars(write(f"date,ticker,close\n{text}\n")).frame["symbol"].tolist() == expected


def test_rows_without_a_permanent_id_go_by_their_symbol(write):
    frame = read_bars(write("date,symbol,figi,close\n2020-01-02,AA,BBG1,2\n2020-01-02,SPX,,3\n")).frame
    assert frame["symbol"].tolist() == ["BBG1", "SPX"]
    assert frame["ticker"].tolist() == ["AA", "SPX"]
    assert read_bars(write("date,permno,close\n2020-01-02,10001.0,2\n")).frame["symbol"].tolist() == ["10001"]


def test_codes_of_missing_returns_are_no_returns_and_a_midpoint_of_99_is_a_price(write):
    frame = read_bars(write("PERMNO,date,PRC,VOL,RET\n1,20200102,-99.0,-99,-66.0\n1,20200103,98.0,5,0.01\n")).frame
    assert frame["close"].tolist() == [99.0, 98.0]
    np.testing.assert_array_equal(frame[["volume", "total_return"]], [[np.nan, np.nan], [5, 0.01]])


def test_a_frame_with_minor_units_and_gains_is_money_and_dividends(write):
    text = "date,symbol,close,dividend,capital gains,currency\n2020-01-02,VOD,250,50,25,GBp\n2020-01-02,AA,2,0,1,USD\n"
    frame = read_bars(write(text)).frame
    assert frame["close"].tolist() == [2.5, 2.0]
    assert frame["dividend"].tolist() == [0.75, 1.0]
