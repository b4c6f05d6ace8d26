"""Decisions under an overlay: what is cut and when, against truth that can be computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_portfolios import ALLOCATORS, settings_in

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.covariance.factor import statistical_factors
from quantray.research.executor import Serial
from quantray.risk.drawdown import Protection, protected_exposure
from quantray.risk.limits import Limit, Moves
from quantray.risk.sizing import volatility_exposure
from quantray.risk.tail import gaussian_var
from quantray.studies.portfolios.risk.overlay import RiskOverlay
from quantray.studies.portfolios.risk.settings import OverlaySettings, RiskSettings, VolatilityTarget, overlay_name
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import eligible, study_trials

EQUAL = (ALLOCATORS[2],)
PROTECTION = Protection(depths=(0.03, 0.06), exposures=(0.5, 0.0), margin=0.01)


def overlay(study, *, panel=None, lag=1, limits=(), **terms):
    source, _ = study
    trial = next(iter(study_trials(source.settings, source.panel).values()))[0]
    settings = RiskSettings(limits=limits, overlay=OverlaySettings(**terms))
    return RiskOverlay(settings, panel or source.panel, trial, source.data.sectors, 1e7, lag)


def equal_decisions(study, every=21):
    source, _ = study
    panel = source.panel
    trial = next(iter(study_trials(source.settings, panel).values()))[0]
    rows = range(140, len(panel.dates), every)
    weights = np.zeros((len(rows), len(panel.assets)))
    for decided, row in zip(weights, rows, strict=True):
        columns = eligible(panel, row, trial).columns
        decided[columns] = 1 / len(columns)
    return Decisions(panel.dates[list(rows)], panel.assets, weights)


def replayer(panel, lag=1, **costs):
    def replay(decisions, name):
        paid = LinearCosts(**(costs or {"half_spread_bps": 5}))
        return backtest(panel, decisions, costs=paid, accounting=Accounting(lag=lag), name=name)

    return replay


def applied(study, *, lag=1, decisions=None, **terms):
    found = overlay(study, lag=lag, **terms)
    decisions = decisions or equal_decisions(study)
    return found.apply(decisions, replayer(found.panel, lag), "Equal")


def test_a_risk_budget_lands_on_its_value_at_risk(study):
    source, _ = study
    decisions = equal_decisions(study)
    record, use = applied(study, decisions=decisions, risk_budget=0.5)
    assert record.name == overlay_name("Equal")
    assert use.scaled == use.decisions == len(decisions.dates)
    panel, trial = source.panel, next(iter(study_trials(source.settings, source.panel).values()))[0]
    cut = overlay(study, risk_budget=0.5)._cut(decisions).decisions
    for day, weights in zip(cut.dates, cut.weights, strict=True):
        among = eligible(panel, panel.row(day), trial)
        model = statistical_factors(among.returns)
        assert gaussian_var(weights[among.columns], model) == pytest.approx(0.01)
    assert (cut.weights <= decisions.weights + 1e-15).all()


def test_a_budget_that_is_enough_changes_nothing(study):
    source, _ = study
    decisions = equal_decisions(study)
    record, use = applied(study, decisions=decisions, risk_budget=50.0)
    plain = replayer(source.panel)(decisions, overlay_name("Equal"))
    assert record.digest() == plain.digest()
    assert (use.scaled, use.undone, use.mean_exposure) == (0, 0, 1.0)


def test_limits_are_kept_by_the_smallest_trade(study):
    decisions = equal_decisions(study)
    limit = Limit(name="gross", metric="gross", scope="book", soft=0.4, hard=0.6)
    made = overlay(study, limits=(limit,), obey=True)._cut(decisions)
    assert made.cured == len(decisions.dates)
    assert_allclose(made.decisions.weights.sum(axis=1), 0.6, rtol=1e-6)
    slack = Limit(name="gross", metric="gross", scope="book", soft=1.5, hard=2.0)
    kept = overlay(study, limits=(slack,), obey=True)._cut(decisions)
    assert kept.cured == 0
    assert_array_equal(kept.decisions.weights, decisions.weights)


def test_limits_that_move_are_obeyed_where_they_are(study):
    decisions = equal_decisions(study)
    moves = Moves(floor=0.3, trust=True, volatility=dict.fromkeys(("unknown", "low", "medium", "high", "extreme"), 0.7))
    limit = Limit(name="gross", metric="gross", scope="book", soft=0.5, hard=0.6, moves=moves)
    made = overlay(study, limits=(limit,), obey=True)._cut(decisions)
    gross = made.decisions.weights.sum(axis=1)
    first, *later = made.changes
    assert (first.before, first.after) == (0.6, pytest.approx(0.42))
    assert first.why == "volatility is unknown: 70%"
    levels = {change.day: change.after for change in made.changes}
    held = first.after
    for day, value in zip(decisions.dates, gross, strict=True):
        held = levels.get(str(day), held)
        assert value == pytest.approx(held, rel=1e-5)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_exposure_is_what_the_rules_say_of_the_portfolio_at_full_size(study, lag):
    """Without costs and with no band, gross exposure is the wanted one, traded a lag later and drifting until then."""
    source, _ = study
    decisions = equal_decisions(study, every=60)
    replay = replayer(source.panel, lag, half_spread_bps=0.0)
    record, use = overlay(study, lag=lag, protection=PROTECTION, band=0.0).apply(decisions, replay, "Equal")
    full = replay(decisions, "full")
    wanted = protected_exposure(full.returns, PROTECTION)
    assert {1.0, 0.5, 0.0} == set(wanted.tolist())
    gross, moves = record.weights.sum(axis=1), np.flatnonzero(np.diff(wanted)) + 1
    # Away from rebalances, after which another trade follows, and on days on which all can be traded.
    busy = np.isin(full.dates[:-1], decisions.dates)
    quiet = [
        day
        for day in moves.tolist()
        if not busy[max(day - lag, 0) : day + lag + 1].any() and record.unfilled[day + lag] == 0
    ]
    assert len(quiet) > 3
    for day in quiet:
        assert gross[day + lag] == pytest.approx(wanted[day] * full.weights[day].sum()), record.dates[day]
    assert use.lowest_exposure == 0.0
    assert use.undone >= use.dearer


def test_nothing_is_traded_within_the_band(study):
    target = VolatilityTarget(target=0.10)
    trades = {}
    for band in (0.0, 0.3):
        record, _ = applied(study, volatility=target, band=band)
        trades[band] = int((np.abs(record.trades).sum(axis=1) > 0).sum())
    assert trades[0.3] < trades[0.0] / 3


def test_a_target_brings_volatility_to_it(study):
    source, _ = study
    decisions = equal_decisions(study)
    record, _ = applied(study, decisions=decisions, volatility=VolatilityTarget(target=0.08), band=0.02)
    full = replayer(source.panel)(decisions, "full")
    wanted = volatility_exposure(full.returns, target=0.08)
    assert wanted.min() < 0.7
    later = slice(80, None)
    realised = record.returns[later].std() * np.sqrt(252)
    assert realised == pytest.approx(0.08, rel=0.3)
    assert realised < full.returns[later].std() * np.sqrt(252)


def test_the_future_changes_no_decision_before_it(study):
    source, _ = study
    decisions = equal_decisions(study)
    terms = {"risk_budget": 0.7, "protection": PROTECTION, "volatility": VolatilityTarget(), "band": 0.02}
    whole, _ = applied(study, decisions=decisions, **terms)
    last = 330
    panel = source.panel.until(last)
    kept = decisions.dates <= panel.dates[-1]
    early = Decisions(decisions.dates[kept], decisions.assets, decisions.weights[kept])
    short, _ = overlay(study, panel=panel, **terms).apply(early, replayer(panel), "Equal")
    days = len(short.dates)
    assert_array_equal(short.nav, whole.nav[:days])
    assert_array_equal(short.weights, whole.weights[:days])


CHANGES = {
    "risk_budget": {"risk_budget": 0.6},
    "obey": {"obey": False},
    "volatility.target": {"volatility": VolatilityTarget(target=0.07)},
    "volatility.half_life": {"volatility": VolatilityTarget(target=0.06, half_life=60)},
    "volatility.most": {"volatility": VolatilityTarget(target=0.06, most=0.4)},
    "protection.depths": {"protection": replace(PROTECTION, depths=(0.02, 0.06))},
    "protection.exposures": {"protection": replace(PROTECTION, exposures=(0.6, 0.0))},
    "protection.margin": {"protection": replace(PROTECTION, margin=0.025)},
    "protection.peak_days": {"protection": replace(PROTECTION, peak_days=5)},
    "protection.lag": {"protection": replace(PROTECTION, lag=5)},
    "band": {"band": 0.2},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_setting_changes_the_numbers(study, change):
    base = {
        "risk_budget": 0.5,
        "obey": True,
        "volatility": VolatilityTarget(target=0.06),
        "protection": PROTECTION,
        "band": 0.02,
    }
    limit = Limit(name="single name", metric="gross", scope="every name", soft=0.01, hard=0.02)
    decisions = equal_decisions(study, every=80)
    before, after = (
        applied(study, decisions=decisions, limits=(limit,), **terms)[0] for terms in (base, base | CHANGES[change])
    )
    assert before.digest() != after.digest()


def test_a_study_holds_each_portfolio_with_and_without(tmp_path):
    risk = RiskSettings(overlay=OverlaySettings(protection=PROTECTION))
    source = load_portfolios(settings_in(tmp_path, allocators=EQUAL, risk=risk))
    result = run_portfolios(source, Serial())
    plain = run_portfolios(load_portfolios(settings_in(tmp_path, allocators=EQUAL)), Serial())
    assert [record.name for record in result.records] == ["Equal weight", "Equal weight with overlay"]
    # The work that costs is the same, and found again.
    assert (plain.n_computed, plain.n_reused) == (0, result.n_computed)
    assert result.records[0].digest() == plain.records[0].digest()
    assert result.digest != plain.digest
    assert result.overlays[0].name == "Equal weight"
