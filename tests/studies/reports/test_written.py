"""Reports for readers, from the folders of small runs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_portfolios import kept, settings_in

from quantray.analytics.attribution.attribute import attribute_returns
from quantray.analytics.track import TrackRecord
from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.reports.inputs import Explained
from quantray.studies.reports.written import ReportTerms, write_files, write_report


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    source = load_portfolios(settings_in(tmp_path_factory.mktemp("runs")))
    return kept(source, run_portfolios(source, Serial()))


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_page_and_numbers_say_the_same(run):
    files = write_report(run, ReportTerms(reader="manager", attribution=True))
    assert files.page.name == "report-manager-inception.html"
    html = files.page.read_text()
    assert len(html) < 300_000
    assert 'src="http' not in html
    record = TrackRecord.read(run / "tracks" / "HRP")
    total = record.nav[-1] / record.nav[0] - 1
    assert f"HRP returned {total:+.2%}" in html
    whole = json.loads((run / "report-manager-inception-numbers.json").read_text())
    assert_allclose(whole["return"], total)
    assert whole["largest_gap"] < 1e-10
    parts = rows(run / "report-manager-inception-attribution.csv")
    for dimension in ("Contributions", "Execution", "By month"):
        mine = [float(row["return"]) for row in parts if row["dimension"] == dimension]
        assert_allclose(sum(mine), total, atol=1e-10)
    assert {"Sectors", "By regime"} <= {row["dimension"] for row in parts}


def test_without_attribution_the_data_are_not_read(run, monkeypatch):
    monkeypatch.setattr("quantray.studies.reports.explained.load_market", None)
    files = write_report(run, ReportTerms(period="month", portfolio="Inverse volatility"))
    assert "Inverse volatility returned" in files.page.read_text()
    assert files.paper is None
    assert {path.name for path in files.numbers} >= {
        "report-client-month-months.csv",
        "report-client-month-numbers.json",
    }


def test_bad_input(run):
    with pytest.raises(InputError, match="the run has no portfolio 'HPR'; did you mean 'HRP'"):
        write_report(run, ReportTerms(portfolio="HPR"))
    with pytest.raises(InputError, match="period 'decade' is unknown;.* take day, week"):
        ReportTerms(period="decade")
    with pytest.raises(InputError, match="reader 'boss' is unknown;.* take client, manager, risk"):
        ReportTerms(reader="boss")


def test_costs_have_a_name_where_settings_tell_them_apart(run):
    write_report(run, ReportTerms(reader="manager", period="year", attribution=True))
    parts = rows(run / "report-manager-year-attribution.csv")
    found = {row["row"]: float(row["return"]) for row in parts if row["dimension"] == "Execution"}
    assert set(found) == {"before trading", "spread", "commission"}
    assert found["spread"] < found["commission"] < 0


def test_weeks_have_an_outlook_and_short_records_say_why_not(tmp_path):
    dates = np.datetime64("2018-01-05", "D") + 7 * np.arange(150)
    weeks = attribute_returns("Weekly", dates, np.random.default_rng(0).normal(0.002, 0.02, 150), periods_per_year=52)
    explained = Explained(weeks, weeks, "", 0.0, 52, "simulated")
    files = write_files(tmp_path, "study", explained, ReportTerms())
    assert files.notes == ()
    page = files.page.read_text()
    assert "What may come" in page
    assert "band over 4 weeks held" in page
    short = attribute_returns("Weekly", dates[:20], weeks.returns[:20], periods_per_year=52)
    files = write_files(tmp_path, "study", Explained(short, short, "", 0.0, 52, "simulated"), ReportTerms())
    assert files.notes == ("there is no outlook: 20 returns are less than a year",)
    assert "What may come" not in files.page.read_text()
