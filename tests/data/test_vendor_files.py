"""Files as vendors and colleagues hand them out, each with the value that is right."""

import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS, growth, path_of, yfinance

from quantray.data.calendar import trading_days
from quantray.data.vendors.formats import Format
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def test_symbols_with_dots_are_whole(tmp_path):
    for name in ("BRK.A", "BRK.B", "BF.B", "7203.T", "AAPL"):
        frame = pd.DataFrame({"Date": DAYS[:5], "Close": [1.0, 2, 3, 2, 1]})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "SIE.DE.parquet").write_bytes(frame.to_parquet(index=False))
    raw = read_bars(tmp_path)
    assert sorted(raw.frame["symbol"].unique()) == ["7203.T", "AAPL", "BF.B", "BRK.A", "BRK.B", "SIE.DE"]
    assert len(raw.frame) == 30


def test_kaggle_names_symbols_in_a_column_called_name(imported):
    parts = [
        pd.DataFrame(
            {"date": DAYS[:60], "open": c, "high": c * 1.01, "low": c * 0.99, "close": c, "volume": 9, "Name": name}
        )
        for name, c in (("AAL", path_of(0, 1)[:60]), ("AAPL", path_of(0, 2)[:60]))
    ]
    panel = imported(pd.concat(parts), "all_stocks_5yr.csv")
    assert panel.assets.tolist() == ["AAL", "AAPL"]
    assert imported.report.n_rows_kept == 120
    assert imported.report.readings[0].format == "kaggle-sp500"


def test_several_rows_a_date_without_symbols_are_refused(imported):
    bars = pd.DataFrame({"date": np.repeat(DAYS[:30], 3), "close": np.arange(90) + 1.0, "firm": ["A", "B", "C"] * 30})
    with pytest.raises(
        DataError, match="has 3 different rows on 2021-01-04 and no column of symbols; name it with --column"
    ):
        imported(bars)
    assert imported(bars, form=Format(columns={"firm": "symbol"})).assets.tolist() == ["A", "B", "C"]


def test_an_append_is_spelt_as_the_store(imported):
    frame = pd.DataFrame({"date": DAYS[:30], "symbol": "AAPL", "close": path_of(0, 1, 30)})
    imported(frame[:20])
    assert imported(frame.assign(symbol=" aapl")[20:], append=True).assets.tolist() == ["AAPL"]
    (told,) = [f for f in imported.report.findings if f.check == "symbol_spelling"]
    assert told.examples == ("'aapl' is AAPL",)


def two_levels(order):
    close = path_of(0.1, 7, 60)
    fields = {"Close": close, "High": close * 1.01, "Low": close * 0.99, "Open": close, "Volume": 1000 + np.arange(60)}
    columns = pd.MultiIndex.from_product([["MSFT", "BRK.B"], list(fields)], names=["Ticker", "Price"])
    data = np.column_stack([*fields.values(), *fields.values()])
    frame = pd.DataFrame(data, index=pd.DatetimeIndex(DAYS[:60], name="Date"), columns=columns)
    return frame if order == "ticker" else frame.swaplevel(axis=1).sort_index(axis=1)


@pytest.mark.parametrize("order", ["ticker", "price"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_two_levels_of_columns(tmp_path, order, kind):
    frame = two_levels(order)
    path = tmp_path / f"download.{kind}"
    frame.to_csv(path) if kind == "csv" else frame.to_parquet(path)
    raw = read_bars(path)
    assert raw.readings[0].format == "yfinance-download"
    assert raw.frame.groupby("symbol").size().to_dict() == {"BRK.B": 60, "MSFT": 60}
    mine = raw.frame[raw.frame["symbol"] == "MSFT"]
    np.testing.assert_allclose(mine["high"] / mine["close"], 1.01)
    assert mine["volume"].tolist() == (1000.0 + np.arange(60)).tolist()


def test_investing_com(imported):
    close = path_of(0.1, 9, 30).round(2)
    frame = pd.DataFrame(
        {
            "Date": DAYS[:30].strftime("%m/%d/%Y"),
            "Price": close,
            "Open": close,
            "High": close + 1,
            "Low": close - 1,
            "Vol.": "68.18K",
            "Change %": "-0.61%",
        }
    )
    panel = imported(frame[::-1], "TSLA Historical Data.csv")
    assert panel.assets.tolist() == ["TSLA"]
    assert panel.dates[0] == np.datetime64("2021-01-04")
    np.testing.assert_allclose(panel.field("volume"), 68180)
    assert imported.report.readings[0].ignored == ("Change %",)


def test_yahoos_web_table_with_its_rows_of_events(imported):
    close = path_of(0.1, 10, 30)
    lines = ["Date\tOpen\tHigh\tLow\tClose*\tAdj Close**\tVolume"]
    for i, (day, c) in enumerate(zip(DAYS[:30], close, strict=True)):
        lines.append(
            "\t".join([f"{day:%b %d, %Y}", *[f"{c:.4f}"] * 4, f"{c * (1 if i > 9 else 0.99):.4f}", "1,234,567"])
        )
    lines.insert(11, "\t".join([f"{DAYS[10]:%b %d, %Y}", f"{close[10] * 0.0101:.2f} Dividend", *[""] * 5]))
    lines.insert(20, "\t".join([f"{DAYS[18]:%b %d, %Y}", "2:1 Stock Splits", *[""] * 5]))
    panel = imported("\n".join(lines), "IBM.csv")
    np.testing.assert_allclose(panel.field("volume")[0], 1_234_567)
    assert growth(panel) == pytest.approx(close[-1] / close[0] / 0.99 - 1, abs=2e-3)
    assert imported.report.adjustment.n_splits == 0


def test_a_close_outside_a_lone_low(imported):
    report = imported("date,symbol,low,close\n2021-01-04,A,9,10\n2021-01-05,A,11,10\n2021-01-06,A,9,10\n")
    assert {f.check: f.n_changed for f in imported.report.findings} == {"price_range": 1}
    assert report.field("low")[1, 0] == 10


def test_capital_gains_of_funds_are_paid(imported):
    close = path_of(0.1, 11)
    gains = np.zeros(300)
    gains[150] = 0.05 / 0.95 * 0.95 * close[150]
    frame = yfinance(close).assign(
        **{"Capital Gains": gains, "Adj Close": close * np.where(np.arange(300) < 150, 0.95, 1)}
    )
    panel = imported(frame, "VFINX.csv")
    assert growth(panel) == pytest.approx(1.1 * 1.05 - 1, rel=5e-3)
    unread = frame.drop(columns=["Capital Gains"]).assign(**{"Special Distribution": gains})
    imported(unread, "VFINX.csv")
    (told,) = [f for f in imported.report.findings if f.check == "ignored_event_column"]
    assert told.examples == ("Special Distribution of VFINX.csv",)


def test_negative_adjusted_closes_tell_no_returns(imported):
    close = path_of(0.1, 12)
    frame = pd.DataFrame({"Date": DAYS, "Close": close, "Adj Close": close - 99})
    panel = imported(frame, "AA.csv")
    assert growth(panel) == pytest.approx(0.1)
    assert "non_positive_adjusted" in {f.check for f in imported.report.findings}


def test_case_and_blanks_of_symbols_are_one_with_a_finding(imported):
    frame = pd.DataFrame(
        {"date": DAYS[:30], "symbol": ["AAPL"] * 10 + ["aapl "] * 10 + ["Aapl"] * 10, "close": path_of(0, 1, 30)}
    )
    assert imported(frame).assets.tolist() == ["AAPL"]
    (told,) = [f for f in imported.report.findings if f.check == "symbol_spelling"]
    assert told.examples == ("'AAPL', 'Aapl', 'aapl' are one",)


def test_what_was_understood_is_in_the_report(imported):
    imported(yfinance(path_of(0.1)).assign(Remark="x"), "KO.csv")
    (reading,) = imported.report.readings
    assert (reading.format, reading.adjusted) == ("yfinance", "splits and dividends")
    assert reading.used["Stock Splits"] == "split"
    assert reading.ignored == ("Remark",)
    assert reading.missing == ("adj_close", "delist_return")


def test_monthly_bars_are_refused_with_what_there_is(imported):
    months = DAYS[::21]
    bars = pd.DataFrame({"date": months, "close": path_of(0.1)[: len(months)]})
    for bars_are in ("daily", "weekly"):
        with pytest.raises(DataError, match="bars of a month or longer: only daily and weekly bars are supported"):
            imported(bars, "AA.csv", bars=bars_are)


def test_rarer_calendars_are_found(imported):
    days = pd.DatetimeIndex(trading_days("2021-01-04", "2022-03-11", exchange="XSTO"))
    bars = pd.DataFrame({"date": days, "close": path_of(0.1, days=len(days))})
    with pytest.raises(DataError, match="XSTO fits best"):
        imported(bars, "AA.csv")


@pytest.mark.parametrize(
    "header",
    [
        "Datum;Zuletzt;Eröffn.;Hoch;Tief;Vol.;+/- %",
        "Date;Dernier;Ouv.; Plus Haut;Plus Bas;Vol.;Variation %",
        "Fecha;Último;Apertura;Máximo;Mínimo;Vol.;% var.",
        "Data;Ultimo;Apertura;Massimo;Minimo;Vol.;Var. %",
        "Data;Último;Abertura;Máxima;Mínima;Vol.;Var%",
    ],
)
@pytest.mark.parametrize("volume", ["1,23M", ""])
def test_investing_com_in_other_languages(tmp_path, header, volume):
    (tmp_path / "ENI.csv").write_text(f"{header}\n" + f"24.06.2021;36,71;36,70;37,07;36,34;{volume};-0,61%\n" * 2)
    bars = read_bars(tmp_path / "ENI.csv")
    first = bars.frame.iloc[0]
    assert first[["open", "high", "low", "close"]].tolist() == [36.70, 37.07, 36.34, 36.71]
    assert first["volume"] == 1_230_000 or (volume == "" and np.isnan(first["volume"]))
    assert bars.readings[0].format.startswith("investing.com")


def test_words_for_nothing_may_be_symbols(tmp_path):
    (tmp_path / "x.csv").write_text("date,symbol,close\n2021-01-04,NULL,40.5\n2021-01-04,nan,41.5\n2021-01-04,NA,nan\n")
    frame = read_bars(tmp_path / "x.csv").frame
    assert frame["symbol"].tolist() == ["NULL", "nan", "NA"]
    np.testing.assert_array_equal(frame["close"], [40.5, 41.5, np.nan])
