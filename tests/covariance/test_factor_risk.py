from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor_risk import factor_risk, specific_risk, without_noise
from quantray.covariance.fundamental import FactorHistory, FundamentalSettings

NAN = np.nan


def invented(factor_returns, specific_returns=None, caps=None):
    """A history with these factor returns, for the functions that look at nothing else."""
    n_days, n_factors = factor_returns.shape
    specific = np.zeros((n_days, 2)) if specific_returns is None else specific_returns
    n_assets = specific.shape[1]
    return FactorHistory(
        np.array([f"style: {k}" for k in range(n_factors)]),
        factor_returns,
        specific,
        np.zeros(n_days),
        np.zeros((n_assets, n_factors)),
        np.zeros((n_factors, n_assets)),
        np.ones(n_assets) if caps is None else caps,
        (),
    )


def test_covariance_by_hand():
    # With an endless half-life: the mean of squares, 2.5 and 1, and of products, 1.
    returns = np.array([[1.0, 1.0], [2.0, 1.0]])
    plain = FundamentalSettings(volatility_half_life=1e9, correlation_half_life=1e9, volatility_regime=False)
    covariance, notes = factor_risk(invented(returns), plain)
    assert_allclose(covariance, [[2.5, 1.5], [1.5, 1.0]], rtol=1e-6)
    assert notes == ()
    # One lag of weight one half adds half of 2 x (1 x 2) / 2, and so on.
    lagged, _ = factor_risk(invented(returns), replace(plain, newey_west_lags=1))
    assert_allclose(lagged, [[3.5, 2.25], [2.25, 1.5]], rtol=1e-6)


def test_volatility_and_correlation_have_their_own_half_lives():
    generator = np.random.default_rng(0)
    first = generator.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 500)
    second = 3 * generator.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 100)
    settings_ = FundamentalSettings(volatility_half_life=20, correlation_half_life=2000, volatility_regime=False)
    covariance, _ = factor_risk(invented(np.vstack([first, second])), settings_)
    assert_allclose(np.sqrt(np.diagonal(covariance)), 3, rtol=0.2)
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(0.8, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), lags=st.integers(0, 8), n_days=st.integers(2, 60))
def test_newey_west_stays_positive_semidefinite(seed, lags, n_days):
    returns = np.random.default_rng(seed).standard_t(3, (n_days, 6)).cumsum(axis=0)
    covariance, _ = factor_risk(invented(returns), FundamentalSettings(newey_west_lags=lags))
    values = np.linalg.eigvalsh(covariance)
    assert values[0] >= -1e-9 * max(values[-1], 1e-30)


def test_noise_of_factor_returns_is_taken_off():
    # Two equal sectors of ten names: the noise of each is a tenth of the specific variance.
    portfolios = np.kron(np.eye(2), np.full((1, 10), 0.1))
    clean = without_noise(np.diag([0.5, 0.2]), portfolios, np.full(20, 1.0))
    assert_allclose(clean, np.diag([0.4, 0.1]), atol=1e-15)
    # Never more than four fifths, and nothing where a factor does not move.
    assert_allclose(without_noise(np.diag([0.1, 0.0]), portfolios, np.full(20, 1.0)), np.diag([0.02, 0.0]), atol=1e-15)


def test_the_regime_adjustment_follows_a_jump_in_volatility():
    generator = np.random.default_rng(1)
    calm, wild = generator.normal(size=(400, 8)), 2 * generator.normal(size=(15, 8))
    slow = FundamentalSettings(volatility_half_life=250)
    adjusted, notes = factor_risk(invented(np.vstack([calm, wild])), slow)
    plain, _ = factor_risk(invented(np.vstack([calm, wild])), replace(slow, volatility_regime=False))
    assert 1.3 < np.sqrt(np.trace(adjusted) / np.trace(plain)) < 2
    assert notes[0].startswith("factor volatility scaled by 1.")
    steady, _ = factor_risk(invented(calm), slow)
    assert np.sqrt(np.trace(steady) / 8) == pytest.approx(1, abs=0.1)


def test_specific_risk_is_drawn_to_the_group():
    generator = np.random.default_rng(2)
    true = np.repeat([0.01, 0.03], 100)
    returns = generator.normal(size=(300, 200)) * true
    returns[:-10, 0] = NAN
    returns[:, 1] = NAN
    plain = FundamentalSettings(volatility_regime=False, size_groups=2)
    variance, notes = specific_risk(invented(np.zeros((300, 1)), returns, np.arange(200.0)), plain)
    volatility = np.sqrt(variance)
    assert_allclose(volatility, true, rtol=0.3)
    # An asset without returns has its group's risk.
    assert volatility[1] == pytest.approx(0.01, rel=0.05)
    assert notes == ("2 assets have less than 84 days; their group's risk fills in",)
    far, _ = specific_risk(
        invented(np.zeros((300, 1)), returns, np.arange(200.0)), replace(plain, specific_shrinkage=10.0)
    )
    assert np.sqrt(far)[100:].std() < 0.5 * volatility[100:].std()
