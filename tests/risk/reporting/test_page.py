import re
from dataclasses import replace

import numpy as np
import pytest
from _books import simulated_book

from quantray.analytics.page import Page
from quantray.errors import InputError
from quantray.risk.limits import Limit
from quantray.risk.report import ReportSettings, assess
from quantray.risk.reporting.page import joint_page, risk_page, risk_summary


@pytest.fixture(scope="module")
def book():
    return simulated_book(70, 6, 200)


@pytest.fixture(scope="module")
def report(book):
    return assess(book.holdings, book.market, book.model, book.limits, settings=ReportSettings(cash=0.1))


def texts(page):
    return [section.title for section in page.sections]


def test_every_part_has_a_section(report):
    page = risk_page(report, title="Fund", about="a test")
    assert page.meta == "a test · 2024-01-05 · 70 positions · NAV 1,000,000,000 USD"
    assert texts(page) == [
        "Limits",
        "What a bad day loses",
        "What adds to the risk",
        "Factors and names",
        "Scenarios",
        "How fast it can be sold",
        "Concentration",
        "Positions",
    ]
    assert page.headline.startswith("Value-at-risk at 99% is ")
    assert Page.model_validate_json(page.kept()) == page


def test_the_page_opens_offline_and_shows_names_as_they_are(book):
    names = book.holdings.names.astype("U40")
    names[0] = "<script>alert(1)</script>"
    holdings = replace(book.holdings, names=names)
    page = risk_page(assess(holdings, book.market, book.model), title="<img src=x onerror=alert(2)>")
    html = page.html((), {})
    assert 'src="http' not in html
    assert "<img src=x" not in html
    # plotly's own code holds scripts; what the report says holds none.
    assert "alert(1)</script>" not in html
    assert re.search(r"&lt;img src=x", html)


def test_hard_limits_that_are_passed_are_warnings_and_few(book):
    tight = Limit(name="tiny", metric="gross", scope="every name", soft=1e-6, hard=1e-5)
    page = risk_page(assess(book.holdings, book.market, book.model, [tight]))
    assert len(page.warnings) == 6
    assert page.warnings[0].startswith("tiny (name N")
    assert page.warnings[-1].endswith("more hard limits are passed; see the table.")


def test_the_terminal_shows_the_main_numbers(report):
    table = risk_summary({"Fund": report, "Other": report})
    shown = {row[0]: row[1:] for row in table.groups[0].rows}
    assert shown["Value-at-risk at 99%"] == (f"{report.var(0.99):.2%}",) * 2
    assert shown["Lost in equity crash 20pct"][0] == f"{report.stress[0].loss:.1%}"


def test_several_books_stand_side_by_side_and_then_one_by_one(report):
    page = joint_page({"A": report, "B": report}, title="Two", about="a test")
    assert texts(page)[:2] == ["Side by side", "A: Limits"]
    assert len(page.sections) == 17
    alone = joint_page({"A": report}, title="One", about="a test")
    assert len(alone.sections) == 8
    assert alone.meta.startswith("a test · 2024")
    with pytest.raises(InputError, match="no report to show"):
        joint_page({}, title="None", about="")


def test_a_book_of_nothing_has_a_page(book):
    empty = replace(book.holdings, quantity=np.zeros(70))
    page = risk_page(assess(empty, book.market, book.model))
    assert "No limits were given" in page.headline
    assert "What adds to the risk" not in texts(page)


def test_simulated_losses_stand_among_the_methods_and_forecasts_are_held_against_the_past(book):
    asked = ReportSettings(simulations=1000, backtest_days=50)
    found = risk_page(assess(book.holdings, book.market, book.model, settings=asked), title="Fund")
    assert "Were such forecasts right?" in texts(found)
    html = found.html((), {})
    assert "1,000 scenarios, Student&#39;s t with 5 degrees of freedom" in html
    assert "Christoffersen, independence" in html
