import json
from dataclasses import replace

import numpy as np
import pytest
from _books import simulated_book
from mixed_book import changes_of_drivers, mixed_book
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.limits import Limit
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import revalue_book
from quantray.risk.report import Before, ReportSettings, assess
from quantray.risk.reporting.page import risk_page
from quantray.risk.reporting.sections import RiskReport
from quantray.risk.stressing.scenarios import Scenario
from quantray.risk.tail import averaged_returns, gaussian_var, historical_var, incremental_var


@pytest.fixture(scope="module")
def book():
    return simulated_book(60, 6, 300)


@pytest.fixture(scope="module")
def report(book):
    return assess(book.holdings, book.market, book.model, book.limits)


def weights(book):
    return book.holdings.quantity * book.market.levels / book.holdings.nav


def mixed(n_days=200):
    """A book of every kind of position with a past."""
    holdings, market = mixed_book()
    past = market.date - np.arange(n_days)[::-1]
    market = replace(market, dates=past, changes=changes_of_drivers(n_days, 0.01))
    generator = np.random.default_rng(3)
    model = FactorModel(generator.normal(0, 1, (7, 2)), np.diag([1e-4, 4e-5]), generator.uniform(1e-5, 1e-4, 7))
    return holdings, market, model


def test_one_share_by_hand():
    market = Market(
        np.datetime64("2020-06-30"),
        ["A"],
        [10.0],
        np.datetime64("2020-06-30") - np.arange(100)[::-1],
        np.where(np.arange(100) == 50, -0.10, 0.01)[:, None],
        adv=[1e4],
        spread_bps=[20.0],
        sectors=["Energy"],
    )
    model = FactorModel(np.array([[1.0]]), np.array([[0.0003]]), np.array([0.0001]), np.array(["market"]))
    found = assess(Holdings(["A"], [500.0], 1e4), market, model)
    assert (found.gross, found.net) == (0.5, 0.5)
    # Half the NAV in a share of 2 % volatility.
    assert found.factors.volatility == pytest.approx(0.01)
    (group,) = found.factors.groups
    assert (group.name, group.component_var) == ("market", pytest.approx(2.326348 * 0.01 * 0.75))
    assert found.factors.specific_var == pytest.approx(2.326348 * 0.01 * 0.25)
    assert found.market.estimate(0.99, "normal, by the model").var == pytest.approx(0.02326348)
    assert found.market.estimate(0.99, "history").es == pytest.approx(0.05)
    assert found.positions.component_es == (pytest.approx(0.05),)
    # 5,000 to sell at 1,000 a day; half of 20 basis points on half of the NAV.
    assert found.positions.days == (pytest.approx(5.0),)
    assert found.liquidity.spread_cost == pytest.approx(0.5 * 0.001)
    assert [round(share, 6) for share in found.liquidity.sold] == [0.2, 0.4, 1.0, 1.0, 1.0, 1.0]
    assert found.groups["sector"][0].name == "Energy"
    crash = next(each for each in found.stress if each.name == "equity_crash_20pct")
    assert crash.loss == pytest.approx(0.10)


def test_parts_sum_to_totals(book, report):
    normal = report.market.estimate(0.99, "normal, by the model").var
    assert sum(report.positions.component_var) == pytest.approx(normal)
    assert sum(f.component_var for f in report.factors.factors) + report.factors.specific_var == pytest.approx(normal)
    assert sum(report.positions.component_es) == pytest.approx(report.market.estimate(0.99, "history").es)
    for groups in report.groups.values():
        assert sum(group.component_var for group in groups) == pytest.approx(normal)
        assert sum(group.gross for group in groups) == pytest.approx(report.gross)
    for scenario in report.stress:
        assert all(sum(part.losses) == pytest.approx(scenario.loss) for part in scenario.by)


def test_says_what_the_rooms_functions_say(book, report):
    held = weights(book)
    past = book.market.changes @ held
    assert report.market.estimate(0.95, "history").var == pytest.approx(
        historical_var(past, level=0.95, predictive=True)
    )
    assert report.var(0.99) == pytest.approx(historical_var(averaged_returns(past), predictive=True))
    assert report.expected_shortfall(0.95) >= report.var(0.95)
    assert report.liquidity.var == pytest.approx(gaussian_var(held, book.model))
    assert_allclose(report.positions.marginal_var, 2.3263479 * book.model.apply(held) / report.factors.volatility)


def test_what_trades_add_is_the_difference_of_two_reports(book, report):
    change = np.where(np.arange(60) < 5, book.holdings.quantity, 0.0)
    (effect,) = assess(book.holdings, book.market, book.model, trades={"double": change}).market.trades
    after = assess(replace(book.holdings, quantity=book.holdings.quantity + change), book.market, book.model)
    name = "normal, by the model"
    difference = after.market.estimate(0.99, name).var - report.market.estimate(0.99, name).var
    assert effect.exact == pytest.approx(difference)
    held, bought = weights(book), change * book.market.levels / book.holdings.nav
    assert effect.first_order == pytest.approx(incremental_var(held, bought, book.model, exact=False))
    # Of what is not held yet, too.
    sold = replace(book.holdings, quantity=book.holdings.quantity - change)
    (again,) = assess(sold, book.market, book.model, trades={"back": change}).market.trades
    before = assess(sold, book.market, book.model).market.estimate(0.99, name).var
    assert again.exact == pytest.approx(report.market.estimate(0.99, name).var - before)
    with pytest.raises(InputError, match=r"trade 'none' is \(3,\) for 60 positions"):
        assess(book.holdings, book.market, book.model, trades={"none": np.zeros(3)})


def test_every_kind_of_position_is_valued_again():
    holdings, market, model = mixed()
    report = assess(holdings, market, model)
    past = revalue_book(holdings, market, market.changes)
    assert report.market.estimate(0.99, "history").var == pytest.approx(historical_var(past, predictive=True))
    assert sum(report.positions.component_es) == pytest.approx(report.market.estimate(0.99, "history").es)
    assert {group.name for group in report.groups["asset class"]} == {"equity", "fixed income"}
    assert {group.name for group in report.groups["currency"]} == {"EUR", "USD"}
    assert report.positions.value[2] == 0.0
    assert report.positions.exposure[2] != 0.0
    # Curvature is in all but what a mark names.
    normal = report.market.estimate(0.99, "normal, by the model").var
    assert normal != pytest.approx(2.326348 * report.factors.volatility, rel=1e-3)
    assert sum(report.positions.component_var) == pytest.approx(normal, rel=1e-6)
    assert sum(group.component_var for group in report.groups["currency"]) == pytest.approx(normal, rel=1e-6)
    assert report.liquidity.var == pytest.approx(normal)
    assert any("follow deltas alone" in mark for mark in report.marks)


def test_a_trade_in_options_counts_their_curvature():
    holdings, market, model = mixed()
    change = np.where(np.arange(6) == 5, -0.9 * holdings.quantity, 0.0)
    less = np.where(np.arange(6) == 2, -0.05 * holdings.quantity, 0.0)
    effect, other = assess(holdings, market, model, trades={"no puts": change, "futures": less}).market.trades
    name = "normal, by the model"
    both = [
        assess(replace(holdings, quantity=quantity), market, model).market.estimate(0.99, name).var
        for quantity in (holdings.quantity, holdings.quantity + change)
    ]
    assert effect.exact == pytest.approx(both[1] - both[0])
    assert other.first_order == pytest.approx(other.exact, abs=3e-5)


def test_what_cannot_be_counted_is_unknown_everywhere_and_mistyped_limits_are_refused(book):
    adv = np.where(np.arange(60) == 3, np.nan, book.market.adv)
    market = replace(book.market, adv=adv)
    days = Limit(name="days", metric="liquidity days", scope="every name", soft=1e6, hard=1e7)
    report = assess(book.holdings, market, book.model, [days])
    (unknown,) = report.uncounted
    assert (unknown.value, unknown.note) == (None, "unknown of 1: name N00003")
    assert report.breaches == ()
    assert RiskReport.from_json(report.to_json()) == report
    page = risk_page(report)
    assert page.headline.endswith("1 of 2 limits cannot be counted, the others are met, 0% of the tightest is used.")
    assert page.warnings == ("days (every name) cannot be counted: unknown of 1: name N00003.",)
    for scope, said in (
        ("strategy x", "no strategy 'x'; there are strategy 0"),
        ("asset class stocks", "no asset class 'stocks'; there are equity, fixed income, commodity, fx"),
        ("name N0003", "no name 'N0003'; did you mean 'N000"),
        ("sector Energie", "no sector 'Energie'; there are sector 0"),
    ):
        rule = Limit(name="one", metric="gross", scope=scope, soft=1, hard=2)
        with pytest.raises(InputError, match=said):
            assess(book.holdings, market, book.model, [rule])
    known = Limit(name="one", metric="gross", scope="strategy idle", soft=1, hard=2)
    assert assess(book.holdings, market, book.model, [known], universe={"strategy": ["idle"]}).limits[0].value == 0
    known = Limit(name="one", metric="gross", scope="asset class fx", soft=1, hard=2)
    assert assess(book.holdings, market, book.model, [known]).limits[0].state == "met"


def test_a_past_too_short_for_the_level_has_no_part_of_the_shortfall():
    book = simulated_book(10, 2, 50)
    report = assess(book.holdings, book.market, book.model)
    assert set(report.positions.component_es) == {None}
    assert any(mark.startswith("50 days of the past say nothing of a level of 0.99") for mark in report.marks)
    assert RiskReport.from_json(report.to_json()) == report
    assert "–" in risk_page(report).html((), {})


def test_order_of_positions_changes_nothing(book, report):
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(
        book.holdings,
        names=book.holdings.names[order],
        quantity=book.holdings.quantity[order],
        drivers=book.holdings.drivers[order],
        **{
            name: getattr(book.holdings, name)[order]
            for name in ("multiplier", "currency", "asset_class", "strategy", "funded")
        },
    )
    other = assess(shuffled, book.market, book.model, book.limits)
    assert_allclose(other.positions.component_var, np.array(report.positions.component_var)[order], atol=1e-15)
    assert other.var() == pytest.approx(report.var())
    assert [use.name for use in other.limits] == [use.name for use in report.limits]


def test_limits_are_checked_worst_first(book):
    tight = Limit(name="gross", metric="gross", scope="book", soft=0.4, hard=0.5, action="reduce")
    report = assess(book.holdings, book.market, book.model, (*book.limits[1:], tight))
    assert (report.limits[0].name, report.limits[0].state) == ("gross", "hard")
    assert report.limits[0].usage == pytest.approx(2.0)
    assert report.breaches[0] == report.limits[0]
    turnover = Limit(name="turnover", metric="turnover", scope="book", soft=0.1, hard=0.2)
    with pytest.raises(InputError, match="previous"):
        assess(book.holdings, book.market, book.model, [turnover])
    again = assess(book.holdings, book.market, book.model, [turnover], before=Before(previous=weights(book)))
    assert again.limits[0].value == pytest.approx(0.0, abs=1e-12)


def test_scenarios_of_ones_own_come_beside_the_six(book, report):
    assert len(report.stress) == 6
    own = Scenario(asset_classes={"equity": -0.5}, groups="together", others="stay")
    found = assess(book.holdings, book.market, book.model, scenarios={"half": own})
    assert found.stress[-1].name == "half"
    assert found.stress[-1].loss == pytest.approx(0.5 * report.net)


def test_funding_is_told_where_cash_is_given(book):
    terms = ReportSettings(cash=0.02, redemptions=0.10)
    need = assess(book.holdings, book.market, book.model, settings=terms).liquidity.funding
    assert need.need == pytest.approx(0.08)
    assert need.days in (1.0, 2.0, 5.0, 10.0, 20.0, 60.0)


def test_what_is_unknown_is_named_and_never_dropped(book):
    changes, adv = book.market.changes.copy(), book.market.adv.copy()
    changes[:100, 3], adv[[5, 7]] = np.nan, np.nan
    report = assess(book.holdings, replace(book.market, changes=changes, adv=adv), book.model)
    assert report.n_positions == 60
    assert report.marks[0] == "Replayed through the risk model on days without data of their own: N00003."
    assert report.marks[1].endswith("no impact is counted: N00005, N00007.")
    assert report.liquidity.unknown == ("N00005", "N00007")
    assert (report.positions.days[5], report.positions.cost[5], report.positions.score[5]) == (None, None, 0.0)


def test_a_short_past_is_refused_by_method_and_not_in_silence(book):
    market = replace(book.market, dates=book.market.dates[-30:], changes=book.market.changes[-30:])
    report = assess(book.holdings, market, book.model)
    refused = report.market.estimate(0.99)
    assert refused.var is None
    assert "give at least 100" in refused.note
    assert report.market.estimate(0.95).var > 0
    assert report.market.estimate(0.99, "normal, by the model").var > 0
    with pytest.raises(InputError, match="could not say"):
        report.var(0.99)


def test_a_book_of_nothing_has_no_risk(book):
    empty = replace(book.holdings, quantity=np.zeros(60))
    report = assess(empty, book.market, book.model, book.limits)
    assert (report.gross, report.factors.volatility, report.liquidity.cost) == (0.0, 0.0, 0.0)
    assert RiskReport.from_json(report.to_json()) == report


def test_a_model_of_other_drivers_is_refused(book):
    with pytest.raises(InputError, match="risk model is of 10 assets, the market has 60"):
        assess(book.holdings, book.market, book.model.select(np.arange(10)))


def test_json_both_ways(report):
    text = report.to_json()
    json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert RiskReport.from_json(text) == report


def test_a_simulation_and_a_backtest_come_when_asked_for(book, report):
    asked = ReportSettings(simulations=2000, degrees=4, seed=1, backtest_days=100)
    found = assess(book.holdings, book.market, book.model, book.limits, settings=asked)
    assert (report.simulation, report.backtest) == (None, None)
    assert found.simulation.distribution == "Student's t with 4 degrees of freedom"
    normal = found.market.estimate(0.99, "normal, by the model")
    assert found.simulation.estimates[1].var == pytest.approx(normal.var * 3.747 / 2**0.5 / 2.3263, rel=0.1)
    assert len(found.backtest.gains) == 100
    assert RiskReport.from_json(found.to_json()) == found
