import math

import numpy as np
import pandas as pd
import pytest
from bacon_months import BENCHMARK, PORTFOLIO
from numpy.testing import assert_allclose
from scipy import stats

from quantray.analytics import against
from quantray.errors import InputError

RNG = np.random.default_rng(0)
MARKET = RNG.normal(0.0004, 0.01, 800)
OWN = 0.0002 + 0.8 * MARKET + RNG.normal(0, 0.004, 800)


def test_the_market_model_of_bacons_months():
    found = against.market_model(PORTFOLIO, BENCHMARK, periods_per_year=12)
    line = stats.linregress(BENCHMARK, PORTFOLIO)
    assert_allclose(
        [found.beta, found.alpha, found.r_squared], [0.99885, line.intercept * 12, line.rvalue**2], rtol=1e-5
    )
    left = PORTFOLIO - line.intercept - line.slope * BENCHMARK
    assert_allclose(found.specific_risk, math.sqrt((left**2).sum() / 22 * 12))
    assert_allclose(found.appraisal, found.alpha / found.specific_risk)
    # Total variance is systematic and specific, but for the divisor.
    total = found.systematic_risk**2 + found.specific_risk**2 * 22 / 23
    assert_allclose(total, PORTFOLIO.var(ddof=1) * 12)


def test_alpha_is_recovered_with_its_t():
    found = against.market_model(OWN, MARKET)
    assert abs(found.alpha - 0.0504) < 2 * found.alpha_error
    assert_allclose(found.beta, 0.8, atol=3 * found.beta_error)
    assert_allclose(found.alpha_t, found.alpha / found.alpha_error)


def test_rates_of_cash_come_off_both_sides():
    cash = np.full(800, 0.05 / 252)
    by_series, by_rate = (against.market_model(OWN, MARKET, risk_free=rate) for rate in (cash, 0.05))
    assert_allclose([by_series.alpha, by_series.beta], [by_rate.alpha, by_rate.beta])
    assert_allclose(by_rate.alpha, against.market_model(OWN - cash, MARKET - cash).alpha)


def test_ratios_by_the_plain_formula():
    beta = np.cov(OWN, MARKET)[0, 1] / MARKET.var(ddof=1)
    assert_allclose(against.treynor_ratio(OWN, MARKET, risk_free=0.02), (OWN.mean() * 252 - 0.02) / beta)
    scaled = (OWN.mean() * 252 - 0.02) * MARKET.std() / OWN.std() + 0.02
    assert_allclose(against.m2(OWN, MARKET, risk_free=0.02), scaled)
    assert_allclose(against.excess_m2(OWN, MARKET, risk_free=0.02), scaled - MARKET.mean() * 252)
    assert_allclose(against.batting_average(OWN, MARKET), (OWN > MARKET).mean())
    rising = MARKET > 0
    assert_allclose(
        against.side_beta(OWN, MARKET, up=True), np.cov(OWN[rising], MARKET[rising])[0, 1] / MARKET[rising].var(ddof=1)
    )
    assert_allclose(against.side_beta(OWN, MARKET, up=False), stats.linregress(MARKET[~rising], OWN[~rising]).slope)


def test_captures_of_half_the_market():
    """Geometric means of a period; empyrical compares them after annualising, which inflates both ends."""
    found = against.captures(MARKET / 2, MARKET)
    assert_allclose([found.up, found.down], 0.5, atol=0.01)
    assert (found.up_share, found.down_share) == (1, 1)
    up = MARKET[MARKET > 0]
    geometric = np.exp(np.log1p(up / 2).mean()) - 1
    assert_allclose(found.up, geometric / (np.exp(np.log1p(up).mean()) - 1))
    assert_allclose(found.ratio, found.up / found.down)


def test_rolling_beta_is_that_of_pandas():
    own, market = pd.Series(OWN), pd.Series(MARKET)
    expected = own.rolling(60).cov(market) / market.rolling(60).var()
    assert_allclose(against.rolling_beta(OWN, MARKET, 60), expected, atol=1e-10)
    assert np.isnan(against.rolling_beta(OWN, MARKET, 801)).all()


def test_what_cannot_be_measured():
    flat = np.zeros(800)
    assert math.isnan(against.market_model(OWN, flat).alpha)
    assert math.isnan(against.treynor_ratio(-OWN, MARKET))
    assert math.isnan(against.m2(flat, MARKET))
    assert math.isnan(against.captures(OWN, flat).ratio)
    with pytest.raises(InputError, match="800 returns against 799 of the benchmark"):
        against.captures(OWN, MARKET[1:])
    with pytest.raises(InputError, match="window of 1 periods has no beta"):
        against.rolling_beta(OWN, MARKET, 1)
