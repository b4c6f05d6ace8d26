"""The system test of the requirements on institutional assets, in this API: two billion dollars under one roof."""

import json

import numpy as np
import pytest
from institutional_book import AUM, LIMITS, institutional_book
from numpy.testing import assert_allclose

from quantray.risk.liquidity import liquidation_days, liquidity_scores
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.report import ReportSettings, assess
from quantray.risk.reporting.page import risk_page
from quantray.risk.reporting.sections import RiskReport
from quantray.risk.scaling import dynamic_scaling


@pytest.fixture(scope="module")
def institution():
    return institutional_book()


@pytest.fixture(scope="module")
def report(institution):
    futures = np.char.find(institution.holdings.names, "future") >= 0
    return assess(
        institution.holdings,
        institution.market,
        institution.model,
        LIMITS,
        settings=ReportSettings(simulations=10_000, backtest_days=250, cash=0.10, redemptions=0.05),
        trades={"half of the futures bought back": np.where(futures, -0.5 * institution.holdings.quantity, 0.0)},
    )


def test_billion_dollar_portfolio(institution, report):
    holdings = institution.holdings
    assert (len(holdings), len(set(holdings.strategy.tolist()))) == (500, 20)
    assert set(holdings.asset_class.tolist()) == {"equity", "fixed income", "commodity", "fx"}
    # Less than 2 % of the assets.
    assert report.nav == AUM
    assert report.var(0.99) * report.nav / AUM < 0.02
    assert report.var(0.99) < report.expected_shortfall(0.99) < report.var(0.99) * 1.5
    assert all(limit.usage < 0.8 for limit in report.limits)
    assert {limit.name for limit in report.limits} == {limit.name for limit in LIMITS}


def test_every_section_that_the_requirement_names(report):
    for level in (0.95, 0.99):
        found = report.market.estimate(level)
        assert 0 < found.var < found.es
    assert len(report.positions.component_var) == len(report.positions.marginal_var) == 500
    assert [effect.name for effect in report.market.trades] == ["half of the futures bought back"]
    assert report.market.trades[0].exact > 0
    assert [scenario.name for scenario in report.stress] == [
        "equity_crash_20pct",
        "rates_spike_200bp",
        "credit_spread_blowout",
        "emerging_market_crisis",
        "tech_bubble_burst",
        "covid_style_shock",
    ]
    assert report.liquidity.cost > 0
    assert report.liquidity.multiplier >= 1
    assert report.liquidity.funding.need == 0.0
    assert {each.of for each in report.concentration} >= {"name", "sector", "strategy", "factor"}
    assert report.simulation.n_scenarios == 10_000
    assert report.backtest.tests


def test_what_is_lost_by_whom_sums_up(report):
    normal = report.market.estimate(0.99, "normal, by the model").var
    assert sum(report.positions.component_var) == pytest.approx(normal)
    assert sum(report.positions.component_es) == pytest.approx(report.market.estimate(0.99, "history").es)
    for scenario in report.stress:
        assert all(sum(part.losses) == pytest.approx(scenario.loss) for part in scenario.by)
    # Bonds of some seven years lose near a seventh of their value when yields rise by 2 points.
    rates = next(each for each in report.stress if each.name == "rates_spike_200bp")
    by_class = next(dict(zip(part.names, part.losses, strict=True)) for part in rates.by if part.kind == "asset class")
    assert 0.06 < by_class["fixed income"] < 0.14


def test_dynamic_risk_scaling(institution):
    """Twice and a half the book exceeds 2 % of the assets, and is cut to that: by risk and by liquidity."""
    large = institutional_book(scale=2.5)
    seen = sensitivities(large.holdings, large.market)
    book = Book.of(large.holdings, large.market, large.model, seen)
    scores = liquidity_scores(liquidation_days(book.weights, book.adv))
    scaling = dynamic_scaling(book, scores=scores)
    assert scaling.var_before > scaling.budget == 0.02
    assert scaling.var_after == pytest.approx(0.02)
    assert scaling.factor == pytest.approx(0.02 / scaling.var_before)
    rows = scaling.rows()
    assert sum(row.risk_contribution for row in rows) == pytest.approx(1)
    assert_allclose([row.scaled_size for row in rows], [row.current_size * row.scaling_factor for row in rows])
    assert all(0 <= row.scaling_factor <= 1 for row in rows)
    # What adds most is cut more than what hedges.
    factors, parts = scaling.factors, scaling.contributions
    assert factors[parts > np.quantile(parts, 0.9)].mean() < factors[parts < 0].mean()
    # Within its budget the book is left alone.
    small = sensitivities(institution.holdings, institution.market)
    whole = dynamic_scaling(Book.of(institution.holdings, institution.market, institution.model, small))
    assert (whole.factors == 1).all()


def test_it_is_read_back_and_shown(report):
    assert RiskReport.from_json(report.to_json()) == report
    json.loads(report.to_json())
    html = risk_page(report, title="Institution").html((), {})
    assert 'src="http' not in html
    for title in ("Limits", "What a bad day loses", "Factors and names", "Scenarios", "Were such forecasts right?"):
        assert title in html
