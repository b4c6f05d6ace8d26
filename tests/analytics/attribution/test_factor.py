import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.factor import factor_attribution, model_returns, regressed_factors
from quantray.analytics.attribution.holdings import held_days, held_weights
from quantray.analytics.attribution.linking import compounded
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.features.returns import simple_returns

DAYS = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def planted():
    """Returns made of two factors and specific noise, and a portfolio of known exposures."""
    rng = np.random.default_rng(1)
    loadings = rng.normal(0, 1, (80, 2))
    factors = rng.normal([0.001, 0.0], 0.01, (len(DAYS), 2))
    specific = rng.normal(0, 0.005, (len(DAYS), 80))
    weights = np.full((len(DAYS), 80), 1 / 80) + loadings[:, 0] / 800
    names = np.array([f"A{i}" for i in range(80)])
    holdings = held_weights(DAYS, names, weights, factors @ loadings.T + specific)
    model = FactorModel(loadings, np.cov(factors.T), np.full(80, 0.005**2), np.array(["value", "growth"]))
    return holdings, model, factors, factors @ loadings.T + specific


def test_exposures_times_returns_by_hand(planted):
    holdings, model, factors, _ = planted
    found = factor_attribution(holdings, model, factor_returns=factors)
    exposure = holdings.weights[0] @ model.loadings
    assert_allclose(found.exposures[0], exposure)
    assert_allclose(found.breakdown.parts[:, 0], exposure[0] * factors[:, 0])
    assert found.breakdown.rows == ("value", "growth", "specific", "cash", "costs")
    assert_allclose(found.breakdown.linked.sum(), compounded(holdings.returns), atol=1e-12)


def test_factor_returns_are_recovered_from_the_assets(planted):
    holdings, model, factors, returns = planted
    found = model_returns(model, returns, DAYS)
    assert np.abs(found - factors).max() < 4 * 0.005 / np.sqrt(80) * 1.3
    both = factor_attribution(holdings, model, asset_returns=returns)
    assert_allclose(both.factor_returns, found)
    gaps = returns.copy()
    gaps[5, :10] = np.nan
    assert_allclose(
        model_returns(model, gaps, DAYS), model_returns(model.select(np.arange(10, 80)), returns[:, 10:], DAYS)
    )


def test_risk_is_exposure_times_volatility_times_correlation(planted):
    holdings, model, factors, _ = planted
    found = factor_attribution(holdings, model, factor_returns=factors)
    assert_allclose(found.risk.sum(), holdings.returns.std(ddof=1) * np.sqrt(252))
    moving = found.volatility > 0
    assert_allclose(found.risk[moving], (found.volatility * found.correlation)[moving])
    exposure = abs(found.exposures[0, 0])
    assert_allclose(found.volatility[0], exposure * factors[:, 0].std(ddof=1) * np.sqrt(252))


def test_models_follow_one_another(planted):
    holdings, model, factors, returns = planted
    later = FactorModel(2 * model.loadings, model.factor_covariance, model.specific_variance, model.factor_names)
    found = factor_attribution(holdings, [(DAYS[0] - 1, model), (DAYS[49], later)], factor_returns=factors)
    assert_allclose(found.exposures[49:51, 0], found.exposures[0, 0] * np.array([1, 2]))
    halves = model_returns([(DAYS[0] - 1, model), (DAYS[49], later)], returns, DAYS)
    assert_allclose(halves[60], model_returns(model, returns, DAYS)[60] / 2)


def test_a_record_and_its_excess_over_another(accounts):
    own, other = (held_days(r, accounts.panel) for r in (accounts.record, accounts.benchmark))
    returns = simple_returns(accounts.panel.field("close"))[np.searchsorted(accounts.panel.dates, own.dates)]
    alone = factor_attribution(own, accounts.model, asset_returns=returns)
    assert_allclose(alone.breakdown.linked.sum(), compounded(own.returns), atol=1e-12)
    excess = factor_attribution(own, accounts.model, asset_returns=returns, benchmark=other)
    assert_allclose(excess.breakdown.total, compounded(own.returns) - compounded(other.returns))
    # The market is what all names have in common: a fully invested equal-weighted book is exposed to one of it.
    market = list(accounts.model.factor_names).index("market")
    book = factor_attribution(other, accounts.model, asset_returns=returns)
    assert_allclose(book.exposures[:, market], other.weights.sum(axis=1))
    assert np.corrcoef(book.factor_returns[5:, market], other.returns[5:])[0, 1] > 0.85


def test_without_a_model_returns_are_regressed():
    rng = np.random.default_rng(2)
    factors = rng.normal(0, 0.01, (len(DAYS), 2))
    returns = 0.0002 + factors @ [1.2, -0.4] + rng.normal(0, 0.001, len(DAYS))
    found = regressed_factors(DAYS, returns, factors, ["market", "size"])
    assert_allclose(found.regression.slopes, [1.2, -0.4], atol=0.05)
    assert found.breakdown.rows == ("market", "size", "alpha", "residual")
    assert_allclose(found.breakdown.linked.sum(), compounded(returns), atol=1e-12)


def test_bad_input(planted):
    holdings, model, factors, returns = planted
    with pytest.raises(InputError, match="give either asset_returns"):
        factor_attribution(holdings, model)
    with pytest.raises(InputError, match="the first factor model is of 2020-01-01"):
        factor_attribution(holdings, [(DAYS[0], model)], factor_returns=factors)
    with pytest.raises(InputError, match="out of order"):
        factor_attribution(holdings, [(DAYS[0] - 1, model), (DAYS[9], model), (DAYS[4], model)], factor_returns=factors)
    with pytest.raises(InputError, match="does not fit 80"):
        factor_attribution(holdings, model.select(np.arange(9)), factor_returns=factors)
    with pytest.raises(InputError, match="factor returns are"):
        factor_attribution(holdings, model, factor_returns=factors[:, :1])
    with pytest.raises(InputError, match="0 assets have all returns"):
        model_returns(model, np.full_like(returns, np.nan), DAYS)
