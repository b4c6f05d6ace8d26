from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.figures import risk
from quantray.analytics.snapshot import effective_bets, take_snapshot
from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.covariance.factor import FactorModel
from quantray.portfolio.frontier import efficient_frontier


def record_of(panel, weights, name="x", rows=(600,)):
    decisions = Decisions(panel.dates[list(rows)], panel.assets, np.tile(weights, (len(rows), 1)))
    return backtest(panel, decisions, costs=LinearCosts(0.0), name=name)


def test_effective_bets_by_hand():
    nothing = np.zeros((4, 1))
    independent = FactorModel(nothing, np.eye(1), np.full(4, 0.04))
    assert effective_bets(independent, np.full(4, 0.25)) == pytest.approx(4.0)
    assert effective_bets(independent, np.array([1.0, 0, 0, 0])) == pytest.approx(1.0)
    one_factor = FactorModel(np.ones((4, 1)), np.eye(1), np.zeros(4))
    assert effective_bets(one_factor, np.full(4, 0.25)) == pytest.approx(1.0)
    # Factor and specific part of equal variance: half on one bet, an eighth on each of four.
    mixed = FactorModel(np.ones((4, 1)), np.eye(1), np.full(4, 4.0))
    shares = np.array([0.5, *[0.125] * 4])
    assert effective_bets(mixed, np.full(4, 0.25)) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.fixture(scope="module")
def seen(market):
    panel = market.panel
    alive = ~np.isnan(panel.field("close")[595:]).any(axis=0)
    equal = np.where(alive, 1.0, 0.0) / alive.sum()
    few = np.zeros(len(alive))
    few[np.flatnonzero(alive)[:3]] = 1 / 3
    sectors = dict(zip(panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    records = (record_of(panel, equal, "equal"), record_of(panel, few, "few"))
    return take_snapshot(panel, records, sectors), records


def test_risk_adds_up_and_concentration_shows(seen):
    snapshot, _ = seen
    equal, few = snapshot.holdings["equal"], snapshot.holdings["few"]
    for holding in (equal, few):
        # Two models, one portfolio: the parts are those of the fundamental one, close to the statistical total.
        assert sum(holding.risk.values()) == pytest.approx(holding.volatility, rel=0.35)
    assert few.risk["specific"] > 3 * equal.risk["specific"]
    assert equal.covered == pytest.approx(1.0, abs=0.2)


def test_the_frontier_rises_and_nobody_stands_above_it(seen):
    snapshot, _ = seen
    volatility, reward = np.array(snapshot.frontier).T
    assert (np.diff(volatility) >= -1e-7).all()
    assert (np.diff(reward) >= -1e-7).all()
    equal = snapshot.holdings["equal"]
    assert np.interp(equal.volatility, volatility, reward) > equal.expected_return * equal.covered


@pytest.mark.parametrize(("names", "most"), [(40, 0.05), (12, 0.125)])
def test_no_name_of_the_frontier_is_above_the_cap(market, monkeypatch, names, most):
    """A twentieth, or more where so few names could not hold all the money."""
    limits = []

    def seen_by(given, **arguments):
        limits.append(given)
        return efficient_frontier(given, **arguments)

    monkeypatch.setattr("quantray.analytics.snapshot.efficient_frontier", seen_by)
    alive = ~np.isnan(market.panel.field("close")).any(axis=0)
    panel = market.panel.select(market.panel.assets[alive][:names])
    take_snapshot(panel, (record_of(panel, np.full(names, 1 / names)),), {})
    assert [given.weight for given in limits] == [(0.0, most)]


def test_nothing_is_seen_after_the_last_trade(seen, market):
    snapshot, records = seen
    assert snapshot.date == str(market.panel.dates[601])
    cut = market.panel.until(601)
    sectors = dict(zip(cut.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    short = tuple(record_of(cut, r.on_trade_dates().weights[-1], r.name) for r in records)
    assert take_snapshot(cut, short, sectors).frontier == snapshot.frontier


def test_without_volume_the_risk_is_statistical(market):
    panel = market.panel.with_fields()
    bare = replace(panel, fields={"close": panel.field("close")})
    alive = ~np.isnan(panel.field("close")[595:]).any(axis=0)
    snapshot = take_snapshot(bare, (record_of(bare, np.where(alive, 1.0, 0.0) / alive.sum()),), {})
    assert "no volume" in snapshot.notes[-1]
    assert set(snapshot.holdings["x"].risk) == {"statistical", "specific"}


def test_what_the_model_does_not_cover_is_said(market):
    panel = market.panel
    close = panel.field("close").copy()
    alive = np.flatnonzero(~np.isnan(close[90:]).any(axis=0))
    close[:590, alive[0]] = np.nan
    gappy = replace(panel, fields={"close": close})
    weights = np.zeros(close.shape[1])
    weights[alive[0]], weights[alive[1:11]] = 0.4, 0.06
    snapshot = take_snapshot(gappy, (record_of(gappy, weights),), {})
    assert snapshot.holdings["x"].left_out == pytest.approx(0.4, abs=1e-9)
    note = risk(snapshot).note
    assert "in x they weigh 40%" in note
    assert "Risk by statistical factors: the panel has no volume" in note


def test_all_portfolios_are_seen_on_the_same_day(market):
    """The one that traded earlier has drifted since."""
    panel = market.panel
    alive = ~np.isnan(panel.field("close")[90:]).any(axis=0)
    half = np.where(alive, 0.5, 0.0) / alive.sum()
    early, late = record_of(panel, half, "early"), record_of(panel, half, "late", rows=(600, 690))
    snapshot = take_snapshot(panel, (early, late), {})
    row = list(early.holding_dates.astype(str)).index(snapshot.date)
    assert snapshot.holdings["early"].covered == pytest.approx(early.weights[row].sum(), abs=1e-12)
    assert snapshot.holdings["late"].covered == pytest.approx(0.5, abs=1e-12)
    assert abs(snapshot.holdings["early"].covered - 0.5) > 1e-4


def test_too_few_names_have_no_snapshot(market):
    alive = ~np.isnan(market.panel.field("close")).any(axis=0)
    panel = market.panel.select(market.panel.assets[alive][:3])
    assert take_snapshot(panel, (record_of(panel, np.full(3, 1 / 3)),), {}) is None
    assert take_snapshot(panel, (record_of(panel, np.zeros(3)),), {}) is None


def test_risks_and_returns_are_of_a_year_of_the_panel(seen, market):
    _, records = seen
    # Less than two years in either count, so that both see the same days.
    panel = market.panel.between(market.panel.dates[150], market.panel.dates[-1])
    usual, other = (take_snapshot(one, records, {}) for one in (panel, replace(panel, periods_per_year=365)))
    for name, holding in other.holdings.items():
        assert holding.volatility == pytest.approx(usual.holdings[name].volatility * np.sqrt(365 / 252))
        assert holding.expected_return == pytest.approx(usual.holdings[name].expected_return * 365 / 252)
        assert sum(holding.risk.values()) == pytest.approx(sum(usual.holdings[name].risk.values()) * np.sqrt(365 / 252))
    scale = np.array([np.sqrt(365 / 252), 365 / 252])
    np.testing.assert_allclose(other.frontier, np.array(usual.frontier) * scale)
