from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.attribution.attribute import Explanation, attribute_returns
from quantray.analytics.coverage import walk_outlook
from quantray.analytics.outlook import OutlookSettings, outlook
from quantray.analytics.reader import PERIODS, READERS, ReaderInput, period_start, reader_page
from quantray.errors import InputError

DAYS = np.arange("2019-01-01", "2020-08-19", dtype="datetime64[D]")
RNG = np.random.default_rng(0)
MARKET = RNG.normal(0.0004, 0.01, len(DAYS))
RETURNS = 0.8 * MARKET + RNG.normal(0, 0.003, len(DAYS))


@pytest.fixture(scope="module")
def content():
    given = Explanation(benchmark=MARKET, costs={"spread": np.full(len(DAYS), 1e-5)})
    whole = attribute_returns("Own", DAYS, RETURNS, given)
    recent = attribute_returns("Own", DAYS, RETURNS, replace(given, since=period_start(DAYS, "month")))
    settings = OutlookSettings(n_paths=100, horizons=(1, 21))
    return ReaderInput(
        title="Study: Own",
        meta="",
        reader="client",
        period="month",
        whole=whole,
        recent=recent,
        benchmark="Market",
        outlook=outlook(RETURNS, settings),
        coverage=walk_outlook(RETURNS, settings, step=21),
    )


@pytest.mark.parametrize(
    ("period", "last", "start"),
    [
        ("day", "2020-08-19", "2020-08-18"),
        ("week", "2020-08-19", "2020-08-16"),
        ("month", "2020-08-19", "2020-07-31"),
        ("quarter", "2020-08-19", "2020-06-30"),
        ("quarter", "2020-01-02", "2019-12-31"),
        ("year", "2020-08-19", "2019-12-31"),
        ("inception", "2020-08-19", "2018-12-31"),
    ],
)
def test_where_periods_begin(period, last, start):
    dates = np.array(["2019-01-01", last], dtype="datetime64[D]")
    assert str(period_start(dates, period)) == start


def test_each_reader_gets_what_he_needs(content):
    pages = {reader: reader_page(replace(content, reader=reader)) for reader in READERS}
    titles = {reader: [section.title for section in page.sections] for reader, page in pages.items()}
    assert titles["client"] == ["Returns", "Growth of 1", "Month by month", "Falls below an earlier high",
                                "What may come"]  # fmt: skip
    assert {"By weekday", "Execution", "Measures"} <= set(titles["manager"])
    assert "Growth of 1" not in titles["risk"]
    assert "Best and worst months" in titles["risk"]
    assert len(titles["client"]) < len(titles["risk"]) < len(titles["manager"])
    for page in pages.values():
        assert not page.charts
        assert len(page.html((), {})) < 200_000


def test_the_first_lines_say_what_happened(content):
    page = reader_page(content)
    recent = content.recent
    assert page.headline.startswith(f"Own returned {recent.total:+.2%} from 2020-08-01 to 2020-08-18")
    assert "than Market" in page.headline
    assert any("Trading took 0.02%" in finding for finding in page.findings)
    assert "The likelier direction came in" in page.sections[-1].parts[1].text


@pytest.mark.parametrize("period", PERIODS)
def test_every_period_closes(period):
    found = attribute_returns("Own", DAYS, RETURNS, Explanation(benchmark=MARKET, since=period_start(DAYS, period)))
    assert found.largest_gap < 1e-10


def test_weeks_of_a_period_are_told_from_the_whole_record(content):
    title = "By week type, in hindsight"
    assert set(content.recent.segments[title].segments) <= {"up", "down", "flat", "wild"}
    assert "too early to tell" in content.whole.segments[title].segments


def test_bad_input(content):
    with pytest.raises(InputError, match="period 'mnth' is unknown; did you mean 'month'"):
        period_start(DAYS, "mnth")
    with pytest.raises(InputError, match="reader 'clients' is unknown; did you mean 'client'"):
        reader_page(replace(content, reader="clients"))
    short = attribute_returns("Own", DAYS[:2], RETURNS[:2])
    with pytest.raises(InputError, match="Own has 2 returns; a report needs 3"):
        reader_page(replace(content, whole=short))
    with pytest.raises(InputError, match="no day lies after 2020-08-18"):
        attribute_returns("Own", DAYS, RETURNS, Explanation(since=DAYS[-1]))
