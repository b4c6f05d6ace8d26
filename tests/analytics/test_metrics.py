"""Metrics against published cases, hand calculations and independent formulas."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bacon_months import BENCHMARK, PORTFOLIO
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics.metrics import (
    drawdown,
    over_cash,
    performance,
    relative,
    sharpe_of_moments,
    sharpe_ratio,
    trading,
    varies,
)
from quantray.analytics.selection import SharpeEstimate
from quantray.analytics.sharpe_intervals import sharpe_difference
from quantray.analytics.track import Delistings, TrackRecord
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.errors import InputError
from quantray.portfolio.rebalance import unnecessary_turnover


def test_bacons_two_years():
    measured = performance(PORTFOLIO, periods_per_year=12)
    assert_allclose(measured.annual_return, 0.103678, atol=5e-7)
    assert_allclose(measured.total_return, 0.218106, atol=5e-7)
    # Bacon divides by n, we by n - 1.
    assert_allclose(measured.annual_volatility * math.sqrt(23 / 24), 0.134116, atol=5e-7)
    assert_allclose(measured.max_drawdown, 0.144673, atol=5e-7)
    assert_allclose(relative(PORTFOLIO, BENCHMARK, periods_per_year=12).beta, 0.998850, atol=5e-7)


def test_sortino_against_bacons_kappa():
    # Kappa of order two at 0.5 % a month is the monthly Sortino ratio against that rate.
    measured = performance(PORTFOLIO, risk_free=0.005 * 12, periods_per_year=12)
    assert_allclose(measured.sortino / math.sqrt(12), 0.1566, atol=5e-5)


def test_sharpe_and_its_error_on_normal_returns():
    """For normal returns the error is that of Lo (2002), and estimates scatter by it."""
    generator = np.random.default_rng(3)
    samples = generator.normal(0.0006, 0.01, size=(400, 1000))
    measured = [performance(sample) for sample in samples]
    sharpes = np.array([m.sharpe for m in measured])
    daily = sharpes.mean() / math.sqrt(252)
    lo = math.sqrt((1 + daily**2 / 2) / 999) * math.sqrt(252)
    assert_allclose(np.mean([m.sharpe_error for m in measured]), lo, rtol=0.01)
    assert_allclose(sharpes.std(ddof=1), lo, rtol=0.08)


def test_the_error_grows_with_a_fat_left_tail():
    generator = np.random.default_rng(4)
    smooth = generator.normal(0.001, 0.01, 2000)
    crashes = smooth.copy()
    crashes[::100] -= 0.06
    assert performance(crashes).skewness < -1
    scale = math.sqrt(252 / 1999)
    assert_allclose(performance(smooth).sharpe_error, scale, rtol=0.02)
    # Mertens: skewness and kurtosis as pandas computes them (bias aside).
    daily = crashes.mean() / crashes.std(ddof=1)
    series = pd.Series(crashes)
    expected = math.sqrt(1 - series.skew() * daily + (series.kurt() + 2) / 4 * daily**2) * scale
    assert_allclose(performance(crashes).sharpe_error, expected, rtol=1e-3)


@pytest.mark.parametrize("year", [252, 365, 12])
def test_the_error_is_that_of_the_sharpe_estimate(year):
    """Skewed and fat-tailed returns with a ratio so high that every term of the error counts."""
    returns = 0.01 * (np.random.default_rng(9).standard_gamma(0.5, 400) - 0.1)
    estimate = SharpeEstimate.of(returns, periods_per_year=year)
    measured = performance(returns, periods_per_year=year)
    assert estimate.daily > 0.4
    assert measured.sharpe == pytest.approx(estimate.ratio)
    assert measured.sharpe_error == pytest.approx(estimate.error)
    assert measured.skewness == pytest.approx(estimate.skewness)
    assert measured.excess_kurtosis == pytest.approx(estimate.kurtosis - 3)


def test_risk_free_rate_lowers_the_sharpe_ratio_by_its_share():
    base, charged = (
        performance(PORTFOLIO, periods_per_year=12),
        performance(PORTFOLIO, risk_free=0.06, periods_per_year=12),
    )
    assert_allclose(base.sharpe - charged.sharpe, 0.06 / base.annual_volatility)
    assert charged.annual_return == base.annual_return


def test_drawdown_by_hand():
    # Wealth 1, 1.1, 0.88, 0.968, 1.21, 1.21: 20 % deep, two days below the high of 1.1.
    assert_allclose(drawdown(np.array([0.1, -0.2, 0.1, 0.25, 0.0])), (0.2, 2))
    assert drawdown(np.array([0.01, 0.02])) == (0.0, 0)
    assert_allclose(drawdown(np.array([-0.5, -0.5])), (0.75, 2))


def test_value_at_risk_and_shortfall():
    returns = np.linspace(-0.10, 0.10, 201)
    measured = performance(returns)
    assert_allclose(measured.daily_var_95, 0.09, atol=1e-12)
    assert_allclose(measured.daily_es_95, 0.095, atol=1e-12)
    assert_allclose(measured.hit_rate, 100 / 201)


def test_a_series_without_risk_has_no_ratios():
    measured = performance(np.full(10, 0.001))
    assert math.isnan(measured.sharpe)
    assert math.isnan(measured.sharpe_error)
    assert math.isnan(measured.sortino)
    assert math.isnan(measured.calmar)
    assert measured.annual_volatility < 1e-12


def test_relative_measures_by_construction():
    generator = np.random.default_rng(0)
    benchmark = generator.normal(0.0005, 0.01, 500)
    measured = relative(1.5 * benchmark, benchmark)
    assert_allclose(measured.beta, 1.5)
    assert_allclose(measured.correlation, 1.0)
    assert_allclose(measured.volatility_ratio, 1.5)
    assert_allclose(measured.tracking_error, 0.5 * benchmark.std(ddof=1) * math.sqrt(252))
    same = relative(benchmark, benchmark)
    assert same.tracking_error == 0.0
    assert math.isnan(same.information_ratio)


def test_trading_by_hand(market):
    panel = market.panel.between(market.panel.dates[0], market.panel.dates[252])
    alive = ~np.isnan(panel.field("close")).any(axis=0)
    panel = panel.select(panel.assets[alive][:4])
    panel = replace(panel, fields={"close": panel.field("close")})
    targets = np.array([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]])
    decisions = Decisions(panel.dates[[0, 100]], panel.assets, targets)
    record = backtest(panel, decisions, costs=LinearCosts(10.0), accounting=Accounting())
    measured = trading(record)
    assert measured.mean_effective_names == pytest.approx((4 + 1) / 2)
    assert measured.mean_names == pytest.approx((4 + 1) / 2)
    assert measured.largest_weight == pytest.approx(1.0)
    # One year: half of the first purchase, and the sale of about three quarters to buy the same amount.
    assert measured.annual_turnover == pytest.approx(0.5 + 0.75, abs=0.08)
    assert measured.annual_cost == pytest.approx(2 * measured.annual_turnover * 10e-4, rel=0.1)


def test_trading_of_two_years_by_hand():
    """Accounts of two years of 252 days: 200 is paid on a mean NAV of 1,000, and a NAV is traded one-way in all."""
    n_days = 505
    nav, none = np.linspace(800.0, 1200.0, n_days), np.zeros(n_days)
    dates = np.datetime64("2020-01-01") + np.arange(n_days)
    trades = np.array([[500.0, 400.0], [-200.0, 0.0], [-300.0, 600.0]])
    weights = np.array([[0.5, 0.4], [0.5, 0.4], [0.3, 0.4], [0.0, 1.0]])
    costs = np.array([[50.0, 50.0], [0.0, 0.0], [40.0, 60.0]])
    record = TrackRecord(
        "x", dates, nav, none, none, none, none, none, np.array(["A", "B"]), dates[[1, 2, 150, 300]],
        weights, dates[[1, 150, 300]], trades, costs, delistings=Delistings(3, 1),
    )  # fmt: skip
    measured = trading(record)
    assert record.years == 2
    assert measured.annual_cost == pytest.approx(0.2 / 2)
    # Half of 900, 200 and 900, each over the NAV before its costs.
    assert measured.annual_turnover == pytest.approx(
        (450 / (nav[1] + 100) + 100 / nav[150] + 450 / (nav[300] + 100)) / 2
    )
    # The day without a trade counts for nothing.
    shares = trades / nav[[1, 150, 300], None]
    assert measured.unnecessary_turnover == pytest.approx(unnecessary_turnover(shares))
    assert 0 < measured.unnecessary_turnover < 1
    assert measured.mean_effective_names == pytest.approx((1 / 0.41 + 1 / 0.25 + 1) / 3)
    assert measured.mean_names == pytest.approx(5 / 3)
    assert measured.mean_invested == pytest.approx(2.6 / 3)
    assert measured.largest_weight == 1.0
    assert (measured.delistings_recorded, measured.delistings_assumed) == (3, 1)
    assert trading(replace(record, periods_per_year=504)).annual_cost == pytest.approx(0.2)


def test_relative_measures_of_independent_series():
    generator = np.random.default_rng(7)
    own, other = generator.normal(0.001, [0.01, 0.02], size=(300, 2)).T
    measured = relative(own, other, periods_per_year=365)
    active, line = own - other, stats.linregress(other, own)
    assert measured.active_return == pytest.approx(active.mean() * 365)
    assert measured.tracking_error == pytest.approx(active.std(ddof=1) * math.sqrt(365))
    assert measured.information_ratio == pytest.approx(stats.ttest_1samp(active, 0).statistic * math.sqrt(365 / 300))
    assert measured.beta == pytest.approx(line.slope)
    assert measured.correlation == pytest.approx(line.rvalue)
    assert measured.volatility_ratio == pytest.approx(own.std() / other.std())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: performance(np.array([0.1])), "at least two periods"),
        (lambda: performance(np.array([0.1, np.nan, 0.2])), "1 missing values"),
        (lambda: performance(np.ones((3, 2))), "one series"),
        (lambda: relative(np.zeros(3), np.zeros(4)), "take the same dates"),
    ],
)
def test_bad_series_are_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()


def test_a_sharpe_ratio_by_hand_and_its_one_rule_for_what_holds_nothing():
    returns = np.array([[0.01, 0.0, 0.02], [0.03, 0.0, 0.02], [0.02, 0.0, 0.02]])
    assert_allclose(sharpe_ratio(returns), [2 * np.sqrt(252), np.nan, np.nan])
    assert_allclose(sharpe_ratio(returns[:, 0], periods_per_year=1), 2.0)
    assert varies(returns).tolist() == [True, False, False]
    assert not varies(returns[:1, 0])
    # What is left of a deviation by rounding is none.
    assert np.isnan(sharpe_ratio(np.full(1000, 0.1) + 1e-17 * np.arange(1000)))
    assert_allclose(sharpe_of_moments([0.01, 0.01], [0.02, 0.0], periods_per_year=1), [0.5, np.nan])


@pytest.mark.parametrize("scale", [0.0, 1e-14, 1e-3])
def test_every_measure_counts_the_same_series_as_idle(scale):
    returns = scale * np.random.default_rng(1).normal(size=64)
    idle = not varies(returns)
    assert idle == (scale < 1e-12)
    assert math.isnan(performance(returns).sharpe) == idle
    assert (sharpe_difference(returns, np.zeros(64)).mean == 0) == idle
    if idle:
        with pytest.raises(InputError, match="do not vary"):
            SharpeEstimate.of(returns)
    else:
        assert_allclose([performance(returns).sharpe, SharpeEstimate.of(returns).ratio], sharpe_ratio(returns))


def test_cash_is_a_rate_or_a_series():
    excess = PORTFOLIO - 0.005
    assert_allclose(over_cash(PORTFOLIO, 0.06, periods_per_year=12), excess)
    assert_allclose(over_cash(PORTFOLIO, np.full(24, 0.005)), excess)
    with pytest.raises(InputError, match="23 risk-free returns for 24 returns"):
        over_cash(PORTFOLIO, np.zeros(23))


def test_volatility_is_of_returns_and_ratios_are_of_what_exceeds_cash():
    cash = np.linspace(0.0, 0.05, 24)
    found, excess = performance(PORTFOLIO, risk_free=cash, periods_per_year=12), PORTFOLIO - cash
    assert_allclose(found.annual_volatility, PORTFOLIO.std(ddof=1) * math.sqrt(12))
    assert_allclose(found.sharpe, excess.mean() / excess.std(ddof=1) * math.sqrt(12))
    assert_allclose(found.sharpe_error, performance(excess, periods_per_year=12).sharpe_error)
