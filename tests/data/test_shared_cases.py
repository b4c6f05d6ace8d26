"""Small inputs in the shape of what people hand out, kept beside the repository, with the right values."""

from pathlib import Path

import numpy as np
import pytest

from quantray.data.quality.examining import examine
from quantray.data.quality.treatment import QualitySettings
from quantray.data.store import MarketStore
from quantray.data.universe import MembershipFile
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError

CASES = Path(__file__).parents[3] / "shared" / "cases" / "data"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases are absent: no folder shared/cases beside the repository"),
]


@pytest.fixture
def store(tmp_path):
    return MarketStore(tmp_path / "market")


def growth(store):
    close = store.load().field("close")[:, 0]
    return close[-1] / close[0] - 1


def test_dotted_symbols():
    frame = read_bars(CASES / "dotted_symbols").frame
    assert (sorted(frame["symbol"].unique()), len(frame)) == (["AAPL", "BF.B", "BRK.A", "BRK.B"], 1200)


def test_kaggle_name_column():
    assert read_bars(CASES / "kaggle_name_column.csv").frame["symbol"].value_counts().tolist() == [60, 60, 60]


@pytest.mark.parametrize(
    ("case", "right"),
    [("yfinance_history_default", 0.1273), ("small_split_already_adjusted", -0.066)],
)
def test_what_prices_contain(store, case, right):
    store.import_bars(CASES / case)
    assert growth(store) == pytest.approx(right, abs=5e-4)
    assert np.abs(np.diff(np.log(store.load().field("close")[:, 0]))).max() < 0.1


def test_append_across_a_split(store):
    store.import_bars(CASES / "append_across_a_split" / "first")
    report = store.append(CASES / "append_across_a_split" / "month1.5")
    assert growth(store) == pytest.approx(0.336, abs=5e-4)
    (told,) = [finding for finding in report.findings if finding.check == "other_basis"]
    assert told.examples == ("XYZ: 0.66667 times the stored prices on 10 days in common; splits since, on 2021-09-28",)


def test_headers_separators_and_marks():
    assert len(read_bars(CASES / "yfinance_three_headers").frame) == 60
    german = read_bars(CASES / "semicolon_decimal_comma").frame
    assert (german["close"].iloc[0], str(german["date"].iloc[0].date())) == (1200.0, "2021-01-04")
    investing = read_bars(CASES / "investing_com")
    assert investing.frame["volume"].iloc[0] == 68180
    assert investing.readings[0].ignored == ("Change %",)
    assert read_bars(CASES / "yahoo_web_table").frame["volume"].iloc[0] == 1_234_567
    with pytest.raises(DataError, match="has 2 columns AAPL"):
        read_bars(CASES / "wide_duplicated_column.csv")


def test_no_high():
    _, report = examine(read_bars(CASES / "no_high.csv"))
    assert [(f.check, f.n_flagged) for f in report.findings] == [("price_range", 1)]


def test_future_bar():
    _, report = examine(read_bars(CASES / "future_bar.csv"), QualitySettings(today="2026-11-26"))
    (told,) = [finding for finding in report.findings if finding.check == "future_bar"]
    assert told.examples == ("S00 2027-03-03 is yet to come",)


def test_every_day_of_the_week(store):
    with pytest.raises(DataError, match="of the days are days of XNYS; 24/7 fits best, 100% of the days"):
        store.import_bars(CASES / "every_day_of_the_week.csv")
    store.import_bars(CASES / "every_day_of_the_week.csv", settings=QualitySettings(exchange="24/7"))
    assert store.load().periods_per_year == 365


def test_members_without_data(store):
    store.import_bars(CASES / "dotted_symbols")
    universe = MembershipFile(str(CASES / "members_without_data.csv"))
    absent, overlap = universe.notes(store.load(universe))
    assert absent.startswith("5 of 7 members have no data: MSFT, GOGL")
    assert "NVDA overlap" in overlap
