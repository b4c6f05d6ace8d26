import pandas as pd
import pytest

from quantray.data.appending import agreed, refuse_earlier, respelt, without_dropped
from quantray.data.quality.events import Adjustment
from quantray.data.quality.findings import Finding, QualityReport
from quantray.data.quality.treatment import QualitySettings
from quantray.data.symbols import NO_IDS
from quantray.data.vendors.formats import ADJUSTMENTS
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError


@pytest.fixture
def report():
    dropped = Finding(
        check="alternating_levels",
        meaning="",
        treatment="drop_asset",
        n_flagged=1,
        n_changed=1,
        n_assets=1,
        examples=(),
        worst={},
        dropped=("BBH",),
    )
    return QualityReport(
        files=("bars",),
        n_rows_read=9,
        n_rows_kept=8,
        n_assets=2,
        first="2020-01-06",
        last="2020-01-09",
        exchange="XLON",
        adjustment=Adjustment(source="none", prices="split-adjusted"),
        findings=(dropped,),
    )


def bars(*symbols, day="2020-01-10", basis="none"):
    frame = pd.DataFrame({"date": pd.Timestamp(day), "symbol": list(symbols), "close": 1.0})
    return RawBars(frame.assign(basis=ADJUSTMENTS.index(basis)), ("new",))


def test_the_calendar_is_that_of_the_store(report):
    assert agreed(None, report, "market").exchange == "XLON"
    assert agreed(QualitySettings(jump=0.7), report, "market") == QualitySettings(exchange="XLON", jump=0.7)
    with pytest.raises(DataError, match="market holds daily bars on the calendar XLON, not exchange XNYS"):
        agreed(QualitySettings(exchange="XNYS"), report, "market")


def test_adjusted_prices_from_before_the_store_are_refused(report):
    refuse_earlier(bars("AAA", day="2020-01-03"), [report], "market")
    refuse_earlier(bars("AAA", basis="splits"), [report], "market")
    with pytest.raises(DataError, match="market begins on 2020-01-06, after these adjusted prices end"):
        refuse_earlier(bars("AAA", day="2020-01-03", basis="splits"), [report], "market")


def test_symbols_are_spelt_as_the_store_spells_them():
    found, (told,) = respelt(bars("aaa", "BBB"), NO_IDS, {"AAA", "BBB"}, "market")
    assert found.frame["symbol"].tolist() == ["AAA", "BBB"]
    assert told.examples == ("'aaa' is AAA",)


def test_assets_that_were_dropped_stay_out(report):
    found, (told,) = without_dropped(bars("AAA", "BBH"), [report])
    assert found.frame["symbol"].tolist() == ["AAA"]
    assert (told.n_changed, told.examples) == (1, ("BBH stays out",))
    with pytest.raises(DataError, match="all rows are of assets that an import dropped .BBH."):
        without_dropped(bars("BBH"), [report])
