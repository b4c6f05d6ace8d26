import pytest

from quantray.data.examining import examine
from quantray.data.importing import read_bars
from quantray.data.quality import QualityReport


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
