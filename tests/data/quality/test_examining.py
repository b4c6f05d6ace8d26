"""What an import would write, and what its report says, of small bars and of a real file."""

import pandas as pd
import pytest

from quantray.data.quality.examining import examine
from quantray.data.quality.findings import QualityReport
from quantray.data.synthetic import simulate_market
from quantray.data.vendors.importing import RawBars, read_bars
from quantray.errors import DataError


@pytest.fixture
def bars():
    frame = simulate_market(6, 300, seed=2, listing_share=0, delisting_share=0).panel.to_long()
    return frame[["date", "symbol", "open", "high", "low", "close", "volume"]]


def test_what_was_read_kept_and_left_out_is_counted(bars):
    bars.loc[bars.index[100], ["open", "high", "low", "close"]] = 0.0
    raw = RawBars(bars, ("a.csv", "b.csv"), notes={"file_left_out": ("notes.txt",), "symbol_spelling": ("ab as AB",)})
    treated, report = examine(raw)
    assert (report.files, report.n_rows_read, report.n_assets) == (raw.files, 1800, 6)
    assert report.n_rows_kept == len(treated) == 1799
    assert (report.first, report.last) == (str(bars["date"].min().date()), str(bars["date"].max().date()))
    found = {finding.check: finding for finding in report.findings}
    assert found["file_left_out"].examples == ("notes.txt",)
    assert (found["symbol_spelling"].treatment, found["file_left_out"].treatment) == ("repair", "keep")
    assert found["non_positive_price"].cells == {"open": 1, "high": 1, "low": 1, "close": 1}
    # What stands in the store has neither the columns of reading nor those of doubt.
    assert not {"adj_close", "doubt", "implied"} & set(treated.columns)


def test_new_days_go_on_from_the_stored_ones(bars):
    """On another basis the new bars are brought to the stored one, and the days in common are replaced."""
    stored, _ = examine(RawBars(bars, ("old",)))
    late = bars[bars["date"] >= sorted(bars["date"].unique())[-80]]
    prices = ["open", "high", "low", "close"]
    halved = late.assign(**{name: late[name] / 2 for name in prices}, volume=late["volume"] * 2)
    treated, report = examine(RawBars(halved, ("new",)), context=stored)
    assert "other_basis" in {finding.check for finding in report.findings}
    both = treated.merge(stored, on=["date", "symbol"], suffixes=("", "_stored"))
    pd.testing.assert_series_equal(both["close"], both["close_stored"], check_names=False)


def test_bars_of_which_none_is_left_are_refused(bars):
    with pytest.raises(DataError, match="no bar is left"):
        examine(RawBars(bars.assign(open=0.0, high=0.0, low=0.0, close=0.0), ("zeros",)))


@pytest.fixture(scope="module")
def report(real_data) -> QualityReport:
    return examine(read_bars(real_data / "us_equities_2010_2017.parquet"))[1]


@pytest.mark.real
@pytest.mark.slow
def test_real_file_names_its_known_warts(report):
    found = {finding.check: finding for finding in report.findings}
    assert report.n_rows_read == 4_439_327
    assert report.n_assets == 2_600
    assert 3_500 < found["non_positive_price"].cells["open"] < 4_100
    assert found["non_trading_day"].n_flagged == 99
    assert found["non_trading_day"].n_assets == 15
    assert found["non_trading_day"].examples[0] == "CEF 2010-01-01 the exchange was closed"
    assert "BBH" in found["alternating_levels"].worst
    assert "ANIP" in found["unadjusted_event"].worst
    assert {"BBH", "ANIP"} <= {name for name, _ in report.worst_assets(10_000)}
    thin = [example.split(" ", 1)[1] for example in found["thin_day"].examples]
    assert thin == ["2017-12-11 a day of 528 symbols", "2010-04-01 a day of 1190 symbols"]
    assert QualityReport.model_validate_json(report.model_dump_json()) == report
