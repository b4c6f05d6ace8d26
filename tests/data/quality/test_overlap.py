import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS, growth, path_of, yfinance

from quantray.errors import DataError


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
