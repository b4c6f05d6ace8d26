"""Ratios against Bacon's published numbers, plain formulas, and laws."""

import math

import numpy as np
import pandas as pd
import pytest
from bacon_months import PORTFOLIO
from numpy.testing import assert_allclose

from quantray.analytics import ratios
from quantray.errors import InputError

EXCESS = PORTFOLIO - 0.005


def test_bacons_numbers():
    assert_allclose(ratios.kappa(EXCESS, 2), 0.1566, atol=5e-5)
    assert_allclose(ratios.downside_frequency(EXCESS), 0.4583, atol=5e-5)
    assert_allclose(ratios.d_ratio(PORTFOLIO), 0.401, atol=5e-4)
    assert_allclose(ratios.bernardo_ledoit(PORTFOLIO), 1.78, atol=5e-3)
    assert_allclose(ratios.omega_excess(EXCESS), 0.29, atol=5e-3)
    assert_allclose(ratios.downside_deviation(EXCESS, periods_per_year=1), 0.0255, atol=5e-5)
    assert_allclose(ratios.variability_skewness(EXCESS), 1.32, atol=5e-3)


def test_plain_formulas():
    rng = np.random.default_rng(0)
    values = rng.standard_t(4, 900) * 0.01
    series, down = pd.Series(values), np.minimum(values, 0)
    assert_allclose(ratios.omega(values), series.clip(lower=0).sum() / -series.clip(upper=0).sum())
    assert_allclose(ratios.kappa(values, 3), values.mean() / (-(down**3)).mean() ** (1 / 3))
    assert_allclose(ratios.kappa(values, 1), ratios.omega_excess(values))
    assert_allclose(ratios.upside_risk(values), math.sqrt((series.clip(lower=0) ** 2).mean() * 252))
    assert_allclose(ratios.upside_potential(values), series.clip(lower=0).mean() / math.sqrt((down**2).mean()))
    assert_allclose(ratios.tail_ratio(values), series.quantile(0.95) / abs(series.quantile(0.05)))
    worst, best = series[series <= series.quantile(0.05)], series[series >= series.quantile(0.95)]
    assert_allclose(ratios.rachev_ratio(values), best.mean() / -worst.mean())
    assert_allclose(ratios.reward_to_shortfall(values), series.mean() / -worst.mean())
    assert_allclose(ratios.reward_to_var(values), series.mean() / -series.quantile(0.05))
    assert_allclose(ratios.payoff_ratio(values), series[series > 0].mean() / -series[series < 0].mean())
    assert_allclose(ratios.win_loss_ratio(values), (series > 0).sum() / (series < 0).sum())
    assert_allclose(ratios.gain_deviation(values), series[series > 0].std() * math.sqrt(252))
    assert_allclose(ratios.loss_deviation(values), series[series < 0].std() * math.sqrt(252))
    felt = series.clip(lower=0) + 2.25 * series.clip(upper=0)
    assert_allclose(ratios.prospect_ratio(values), felt.mean() / math.sqrt((down**2).mean()))
    log = np.log1p(series).cumsum()
    assert_allclose(ratios.stability(values), log.corr(pd.Series(np.arange(900.0))) ** 2)


def test_the_adjusted_ratio_takes_moments_and_ratio_of_one_period():
    """PerformanceAnalytics puts the yearly ratio beside monthly moments; .7591 on these months is that mixture."""
    ratio = PORTFOLIO.mean() / PORTFOLIO.std(ddof=1)
    standard = (PORTFOLIO - PORTFOLIO.mean()) / PORTFOLIO.std()
    skew, kurtosis = (standard**3).mean(), (standard**4).mean() - 3
    expected = ratio * (1 + skew * ratio / 6 - kurtosis * ratio**2 / 24) * math.sqrt(12)
    assert_allclose(ratios.adjusted_sharpe(PORTFOLIO, periods_per_year=12), expected)


def test_the_error_of_volatility_is_its_scatter():
    samples = np.random.default_rng(2).normal(0, 0.01, (400, 500))
    scatter = np.std([sample.std(ddof=1) for sample in samples]) * math.sqrt(252)
    assert_allclose(np.mean([ratios.volatility_error(sample) for sample in samples]), scatter, rtol=0.08)


def test_what_cannot_be_divided_by_has_no_ratio():
    gains, flat = np.array([0.01, 0.02]), np.zeros(3)
    measures = (ratios.omega, ratios.kappa, ratios.payoff_ratio, ratios.win_loss_ratio, ratios.upside_potential)
    assert all(math.isnan(measure(gains)) for measure in measures)
    assert math.isnan(ratios.adjusted_sharpe(flat))
    assert math.isnan(ratios.volatility_error(flat))
    assert math.isnan(ratios.stability(flat))
    assert math.isnan(ratios.stability(np.array([0.1, -1.0])))
    assert math.isnan(ratios.loss_deviation(gains))


def test_bad_input():
    with pytest.raises(InputError, match="order 0 of kappa"):
        ratios.kappa(EXCESS, 0)
    with pytest.raises(InputError, match="1 missing values"):
        ratios.omega(np.array([0.1, np.nan]))
