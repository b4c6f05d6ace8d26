"""A day's report: what is counted, what stands first, kept as JSON, and shown as a page."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from quantray.institution.compliance_report import ComplianceReport, compliance_page, daily_report
from quantray.institution.facts import NameFacts
from quantray.institution.overrides import Override
from quantray.institution.positions import Positions
from quantray.institution.rules import MarketCap, Position, Prohibited

DAY = date(2026, 3, 2)
RULES = (
    Prohibited(id="no AAA", kind="prohibited", symbols=("AAA",), severity="report"),
    Position(id="cap", kind="position", at_most=Decimal("0.5"), may_override=("cat", "dan")),
    MarketCap(id="large", kind="market_cap", at_least=Decimal(5), severity="warn", expires=date(2026, 1, 1)),
)


def positions(shares):
    return Positions(
        accounts=["A1"],
        pms=["ann"],
        kinds=["cash"],
        symbols=["AAA", "BBB"],
        shares=np.array([shares]),
        prices=np.array([10.0, np.nan]),
        cash=np.array([10.0]),
        facts={"AAA": NameFacts(market_cap=Decimal(1))},
    )


@pytest.fixture
def report():
    waiting = Override(rule="cap", account="A1", symbol="BBB", reason="later", expires=DAY, signatures=("cat",))
    signed = Override(rule="cap", account="A1", symbol="AAA", reason="merger", expires=DAY, signatures=("cat", "dan"))
    return daily_report(RULES, positions([2, 0]), DAY, [waiting, signed])


def test_what_is_counted(report):
    assert [(it.rule, it.in_force, it.broken, it.unknown, it.overridden) for it in report.rules] == [
        ("no AAA", True, 1, 0, 0),
        ("cap", True, 1, 0, 1),
        ("large", False, 0, 0, 0),
    ]
    assert [(it.rule, it.signed, it.until) for it in report.findings] == [
        ("cap", ("cat", "dan"), DAY),
        ("no AAA", (), None),
    ]
    assert report.findings[0].value == pytest.approx(2 / 3)
    assert len(report.unsigned) == 1
    assert report.clean


def test_json_both_ways(report):
    assert ComplianceReport.model_validate_json(report.model_dump_json()) == report


def test_a_page(report):
    page = compliance_page(report)
    html = page.html([], {})
    assert "1 findings stand open, 0 of them of rules that block; 1 were let pass by two signatures." in html
    assert "cat and dan until 2026-03-02: merger" in html
    assert "market cap (not in force)" in html


def test_a_clean_day():
    report = daily_report(RULES, positions([0, 0]), DAY)
    assert report.clean
    assert compliance_page(report).headline == "No rule is broken, and all could be checked."


def test_what_is_unknown_is_not_clean():
    report = daily_report(RULES, positions([0, 1]), DAY)
    assert not report.clean
    assert report.rules[1].unknown == 1
