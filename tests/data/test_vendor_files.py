"""Files as vendors and colleagues hand them out, each with the value that is right."""

import numpy as np
import pandas as pd
import pytest

from quantray.data.calendar import trading_days
from quantray.data.formats import Format
from quantray.data.importing import read_bars
from quantray.data.quality import QualitySettings
from quantray.data.store import MarketStore
from quantray.errors import DataError

DAYS = pd.DatetimeIndex(trading_days("2021-01-04", "2022-03-11"))[:300]


def path_of(total, seed=0, days=300, noise=0.008):
    """Closes from 100 whose last is ``100 (1 + total)``."""
    steps = np.random.default_rng(seed).normal(0, noise, days - 1)
    log = np.append(0.0, np.cumsum(steps - steps.mean() + np.log1p(total) / (days - 1)))
    return 100 * np.exp(log)


def yfinance(close, *, dividend=0.0, split=0.0, days=DAYS, volume=1_000_000):
    """What ``Ticker.history()`` writes: local midnight, events beside prices."""
    stamps = days.tz_localize("America/New_York").astype(str)
    prices = {"Open": close, "High": close * 1.003, "Low": close * 0.997, "Close": close}
    return pd.DataFrame({"Date": stamps, **prices, "Volume": volume, "Dividends": dividend, "Stock Splits": split})


@pytest.fixture
def imported(tmp_path):
    """Write a file, import it, and load what the store then holds; the store under ``imported.store``."""

    class Imported:
        store = MarketStore(tmp_path / "market")

        def __call__(self, content, name="bars.csv", *, form=None, append=False, **settings):
            path = tmp_path / "files" / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, pd.DataFrame):
                content.to_csv(path, index=False)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            write = self.store.append if append else self.store.import_bars
            self.report = write(path, settings=QualitySettings(**settings) if settings else None, form=form)
            return self.store.load()

    return Imported()


def growth(panel, symbol=None):
    close = panel.field("close")[:, 0 if symbol is None else panel.assets.tolist().index(symbol)]
    close = close[~np.isnan(close)]
    return close[-1] / close[0] - 1


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


def test_prices_that_contain_their_dividends_do_not_earn_them_twice(imported):
    close = path_of(0.1273, noise=0.006)
    paid = np.zeros(300)
    paid[[41, 104, 167, 230]] = 1.0
    assert growth(imported(yfinance(close, dividend=paid), "KO.csv")) == pytest.approx(0.1273, abs=1e-4)
    told = imported.report.adjustment
    assert told.prices == "adjusted for splits and dividends"
    assert told.n_dividends == 0
    assert told.evidence[0].startswith("dividends: 4 of 4 listed are in the prices already; the format says adjusted")


def test_a_split_that_the_prices_contain_is_not_applied_again(imported):
    listed = np.zeros(300)
    listed[[100, 150]] = 1.324, 1.05
    panel = imported(yfinance(path_of(-0.066), split=listed), "T.csv")
    assert growth(panel) == pytest.approx(-0.066, abs=1e-6)
    assert np.abs(np.diff(np.log(panel.field("close")[:, 0]))).max() < 0.05


def test_splits_are_decided_one_by_one_and_not_by_vote(imported):
    """One symbol's prices contain its splits, another's do not, in one file without a word about it."""
    inside, outside = path_of(0.2, 1), path_of(0.3, 2)
    ratio = np.ones(300)
    ratio[[60, 200]] = 1.5, 2.0
    quoted = outside / np.cumprod(ratio)
    long = [
        pd.DataFrame({"date": DAYS, "symbol": s, "close": c, "split": ratio})
        for s, c in (("IN", inside), ("OUT", quoted))
    ]
    panel = imported(pd.concat(long))
    assert growth(panel, "IN") == pytest.approx(0.2)
    assert growth(panel, "OUT") == pytest.approx(0.3)


def test_what_nothing_decides_is_refused_with_both_readings(imported):
    ratio = np.ones(300)
    ratio[100] = 1.02
    bars = pd.DataFrame({"date": DAYS, "symbol": "AA", "close": path_of(0.1, noise=0.03), "split": ratio})
    message = r"ambiguous.*AA: 1 splits may be in the prices \(return \+10.0% from .*\) or not \(\+12.2%\).*--adjusted"
    with pytest.raises(DataError, match=message):
        imported(bars)
    assert growth(imported(bars, form=Format(adjusted="splits"))) == pytest.approx(0.1)
    assert growth(imported(bars, form=Format(adjusted="none"))) == pytest.approx(0.122)


def whole_and_new(ratio=1.5):
    """Closes over 220 days without a split, and the file of the last 60 on the basis after one on day 190."""
    close = path_of(0.336, 3, 220)
    split = np.zeros(60)
    split[30] = ratio
    return close, yfinance(close[160:] / ratio, split=split, days=DAYS[160:220], volume=1_000_000 * ratio)


@pytest.mark.parametrize("ratio", [1.5, 1.1, 0.1, 20.0])
def test_an_append_after_a_split_goes_on_from_the_stored_prices(imported, ratio):
    close, month = whole_and_new(ratio)
    imported(yfinance(close[:180], days=DAYS[:180]), "XYZ.csv")
    panel = imported(month, "XYZ.csv", append=True)
    assert growth(panel) == pytest.approx(0.336, abs=1e-6)
    np.testing.assert_allclose(panel.field("close")[:, 0], close, rtol=1e-6)
    np.testing.assert_allclose(panel.field("volume")[:, 0], 1_000_000, rtol=1e-6)
    (told,) = [f for f in imported.report.findings if f.check == "other_basis"]
    assert "splits since, on" in told.examples[0]


def test_an_append_after_a_split_that_the_file_does_not_list(imported):
    close, month = whole_and_new()
    imported(yfinance(close[:180], days=DAYS[:180]), "XYZ.csv")
    panel = imported(month.drop(columns=["Dividends", "Stock Splits"]), "XYZ.csv", append=True)
    np.testing.assert_allclose(panel.field("close")[:, 0], close, rtol=1e-6)
    (told,) = [f for f in imported.report.findings if f.check == "other_basis"]
    assert f"a split since, written on {DAYS[180].date()}" in told.examples[0]


def test_an_append_of_fully_adjusted_prices_after_a_dividend(imported):
    """yfinance rewrites all prices with every dividend; the return stays."""
    close = path_of(0.2, 4, 220)
    before = np.where(np.arange(220) < 200, 0.99, 1.0)
    paid = np.zeros(60)
    paid[40] = 0.01 / 0.99 * close[200]
    imported(yfinance(close[:180], days=DAYS[:180]), "KO.csv")
    panel = imported(yfinance((close * before)[160:], dividend=paid, days=DAYS[160:220]), "KO.csv", append=True)
    total = close * before
    np.testing.assert_allclose(
        panel.field("close")[-1, 0] / panel.field("close")[0, 0], total[-1] / total[0], rtol=1e-5
    )


def test_other_returns_on_the_common_days_are_another_asset(imported):
    imported(yfinance(path_of(0.2, 4, 220)[:180], days=DAYS[:180]), "XYZ.csv")
    with pytest.raises(
        DataError, match="XYZ: .* days in common have other returns than the stored ones; give another asset"
    ):
        imported(yfinance(path_of(0.2, 5, 220)[160:], days=DAYS[160:220]), "XYZ.csv", append=True)


def test_adjusted_closes_go_on_where_a_common_day_tells_what_was_paid(imported):
    total = path_of(0.2, 6, 220)
    factor = np.where(np.arange(220) < 190, 0.98, 1.0)
    frame = pd.DataFrame({"Date": DAYS[:220], "Close": total / factor * 0.98, "Adj Close": total})
    first, later = frame[:180], frame[175:]
    imported(first.assign(**{"Adj Close": first["Close"]}), "AA.csv")
    with pytest.raises(DataError, match="does not say what was paid on the first new day of 1 symbols, such as AA"):
        imported(frame[180:], "AA.csv", append=True)
    panel = imported(later, "AA.csv", append=True)
    expected = total[-1] / total[0]
    assert panel.field("close")[-1, 0] / panel.field("close")[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("ratio", [1.5, 1.05, 2.0])
def test_an_append_without_a_common_day_whose_prices_contain_a_later_split(imported, ratio):
    """New rows before the split stand on the basis after it; the stored ones cannot."""
    close = path_of(0.235, 3, 220)
    split = np.zeros(20)
    split[5] = ratio
    later = np.where(np.arange(20) < 5, close[200:] / ratio, close[200:] / ratio)
    imported(yfinance(close[:200], days=DAYS[:200]), "XYZ.csv")
    panel = imported(yfinance(later, split=split, days=DAYS[200:220]), "XYZ.csv", append=True)
    np.testing.assert_allclose(panel.field("close")[:, 0], close, rtol=1e-6)
    (told,) = [f for f in imported.report.findings if f.check == "other_basis"]
    assert "no day in common" in told.examples[0]


def test_days_before_the_stored_ones_can_be_appended(imported):
    close = path_of(0.2, 3, 220)
    frame = pd.DataFrame({"date": DAYS[:220], "symbol": "AA", "close": close})
    imported(frame[100:])
    np.testing.assert_allclose(imported(frame[:100], append=True).field("close")[:, 0], close)


def test_adjusted_prices_from_before_the_store_need_a_common_day(imported):
    close = path_of(0.2, 3, 220)
    imported(yfinance(close[100:], days=DAYS[100:220]), "XYZ.csv")
    with pytest.raises(
        DataError, match="begins on 2021-05-27, after these adjusted prices end; give a file that shares"
    ):
        imported(yfinance(close[:100], days=DAYS[:100]), "XYZ.csv", append=True)
    panel = imported(yfinance(close[:104] / 2, days=DAYS[:104]), "XYZ.csv", append=True)
    np.testing.assert_allclose(panel.field("close")[:, 0] / panel.field("close")[0, 0], close / close[0], rtol=1e-6)


def test_common_days_prove_where_a_listed_dividend_is(imported):
    """A plain file lists a dividend that its prices contain: the ratio to the stored closes is exactly its."""
    total = path_of(0.05, 3, 220)
    paid = np.where(np.arange(220) == 210, 0.01 * total, 0.0)
    quoted = total * np.where(np.arange(220) < 210, 1.01, 1.0)
    frame = pd.DataFrame({"date": DAYS[:220], "symbol": "AA", "close": quoted, "dividend": paid})
    imported(frame[:200])
    panel = imported(frame.assign(close=total)[190:], append=True)
    assert growth(panel) == pytest.approx(total[-1] / total[0] - 1, abs=1e-6)


def test_too_few_common_days_are_asked_for_more(imported):
    close = path_of(0.1, 3, 220)
    frame = pd.DataFrame({"date": DAYS[:220], "symbol": "AA", "close": close})
    imported(frame[:200])
    with pytest.raises(DataError, match="AA: 2 of 2 days in common have other closes .* give at least 3 days"):
        imported(frame.assign(close=close / 1.01)[198:], append=True)


def test_fields_that_an_append_lacks_stay(imported):
    close = path_of(0.1, 3, 220)
    frame = pd.DataFrame({"date": DAYS[:220], "symbol": "AA", "open": close, "close": close, "volume": 1000.0})
    imported(frame[:200])
    panel = imported(frame[["date", "symbol", "close"]][190:], append=True)
    assert (panel.field("volume")[:200] == 1000).all()
    assert np.isnan(panel.field("volume")[200:]).all()


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


def test_a_symbol_twice_in_a_wide_file_is_refused(imported):
    with pytest.raises(DataError, match="has 2 columns AAPL; keep one of them"):
        imported("Date,AAPL,AAPL,MSFT\n2021-01-04,1,2,3\n")


def test_a_wide_file_whose_dates_have_no_name(imported):
    frame = pd.DataFrame({"AAPL": path_of(0.1, 1, 30), "MSFT": path_of(0.2, 2, 30)}, index=DAYS[:30])
    path = imported(frame.reset_index().rename(columns={"index": ""}), "prices.csv")
    assert path.assets.tolist() == ["AAPL", "MSFT"]


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


def test_case_and_blanks_of_symbols_are_one_with_a_finding(imported):
    frame = pd.DataFrame(
        {"date": DAYS[:30], "symbol": ["AAPL"] * 10 + ["aapl "] * 10 + ["Aapl"] * 10, "close": path_of(0, 1, 30)}
    )
    assert imported(frame).assets.tolist() == ["AAPL"]
    (told,) = [f for f in imported.report.findings if f.check == "symbol_spelling"]
    assert told.examples == ("'AAPL', 'Aapl', 'aapl' are one",)


def test_pence_become_pounds(imported):
    frame = pd.DataFrame({"date": DAYS[:30], "symbol": "VOD", "close": 100.0 + np.arange(30) % 7, "currency": "GBX"})
    assert imported(frame).field("close")[0, 0] == pytest.approx(1.0)
    assert imported(frame.drop(columns="currency"), form=Format(scale=0.01)).field("close")[0, 0] == pytest.approx(1.0)


def test_a_format_of_ones_own_in_yaml_or_as_a_function(imported, tmp_path, monkeypatch):
    from quantray.data.formats import named_format

    (tmp_path / "house.yaml").write_text(
        "columns: {Stichtag: date, Kennung: symbol, Kurs: close}\n"
        "separator: '|'\ndecimal: ','\ndates: DMY\nadjusted: splits\n"
    )
    text = "Stichtag|Kennung|Kurs\n04.01.2021|AA|1.234,5\n05.01.2021|AA|1.240\n"
    panel = imported(text, form=named_format(str(tmp_path / "house.yaml")))
    np.testing.assert_allclose(panel.field("close")[:, 0], [1234.5, 1240])
    (tmp_path / "ours.py").write_text(
        "import pandas as pd\n\ndef read(path):\n"
        "    return pd.DataFrame({'date': ['2021-01-04'], 'symbol': ['AA'], 'close': [7.0]})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert imported("anything", "x.csv", form=Format(function="ours:read")).field("close")[0, 0] == 7


def test_what_was_understood_is_in_the_report(imported):
    imported(yfinance(path_of(0.1)).assign(Remark="x"), "KO.csv")
    (reading,) = imported.report.readings
    assert (reading.format, reading.adjusted) == ("yfinance", "splits and dividends")
    assert reading.used["Stock Splits"] == "split"
    assert reading.ignored == ("Remark",)
    assert reading.missing == ("adj_close", "delist_return")


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


def test_volumes_grouped_by_points_are_not_divided_by_a_thousand(tmp_path):
    (tmp_path / "AA.csv").write_text("Date\tClose\tVolume\n2021-01-04\t4000\t658.516\n2021-01-05\t4014\t697.838\n")
    with pytest.raises(DataError, match=r"'658.516' may be 658516 or 658.516; say which with --thousands"):
        read_bars(tmp_path / "AA.csv")
    assert read_bars(tmp_path / "AA.csv", Format(thousands=".")).frame["volume"].iloc[0] == 658516
    with (tmp_path / "AA.csv").open("a") as file:
        file.write("2021-01-06\t4001\t1.658.516\n")
    assert read_bars(tmp_path / "AA.csv").frame["volume"].tolist() == [658516, 697838, 1658516]


def test_a_mapping_in_another_case_keeps_zeros(tmp_path):
    (tmp_path / "x.csv").write_text("TAG,KENNUNG,KURS\n2021-01-04,0005,40.5\n")
    form = Format(name="house", columns={"Tag": "date", "Kennung": "symbol", "Kurs": "close"})
    assert read_bars(tmp_path / "x.csv", form).frame["symbol"].tolist() == ["0005"]


def test_words_for_nothing_may_be_symbols(tmp_path):
    (tmp_path / "x.csv").write_text("date,symbol,close\n2021-01-04,NULL,40.5\n2021-01-04,nan,41.5\n2021-01-04,NA,nan\n")
    frame = read_bars(tmp_path / "x.csv").frame
    assert frame["symbol"].tolist() == ["NULL", "nan", "NA"]
    np.testing.assert_array_equal(frame["close"], [40.5, 41.5, np.nan])


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
