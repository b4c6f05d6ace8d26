"""Every rule by the name that settings use."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.estimators import sample_covariance
from quantray.covariance.factor import statistical_factors
from quantray.errors import InputError
from quantray.portfolio.risk_parity import risk_parity_weights
from quantray.studies.portfolios.allocators import allocate
from quantray.studies.portfolios.settings import AllocatorSettings, PolicySettings

RULES = [
    "equal_weight", "inverse_volatility", "hrp", "herc", "nco",
    "risk_parity", "maximum_diversification", "minimum_variance", "minimum_cvar",
]  # fmt: skip


@pytest.fixture(scope="module")
def returns(market):
    close = market.panel.field("close")[300:600]
    close = close[:, ~np.isnan(close).any(axis=0)]
    out = close[1:] / close[:-1] - 1
    out[5, 0] = np.nan
    return out


@pytest.mark.parametrize("estimator", ["sample", "ledoit_wolf", "denoised", "statistical"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_fully_invested_and_long_only(returns, rule, estimator):
    if rule in ("equal_weight", "minimum_cvar") and estimator != "sample":
        with pytest.raises(ValueError, match=f"x: {rule} asks no covariance, so leave estimator {estimator} out"):
            AllocatorSettings(name="x", rule=rule, estimator=estimator)
        return
    weights = allocate(returns, AllocatorSettings(name="x", rule=rule, estimator=estimator))
    assert weights.shape == (returns.shape[1],)
    assert weights.sum() == pytest.approx(1.0, abs=1e-7)
    assert (weights >= -1e-9).all()


def test_minimum_variance_has_the_least_variance_of_all(returns):
    covariance = sample_covariance(returns).matrix
    risk = {}
    for rule in RULES:
        weights = allocate(returns, AllocatorSettings(name="x", rule=rule))
        risk[rule] = weights @ covariance @ weights
    assert min(risk, key=risk.get) == "minimum_variance"


def test_hrp_from_returns_is_fully_invested_and_long_only(returns):
    weights = allocate(returns, AllocatorSettings(name="x", rule="hrp_large"))
    assert weights.shape == (returns.shape[1],)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights > 0).all()


def test_the_cap_holds_or_is_refused(returns):
    capped = AllocatorSettings(name="x", rule="minimum_variance", estimator="statistical", max_weight=0.05)
    assert allocate(returns, capped).max() <= 0.05 + 1e-8
    with pytest.raises(InputError, match="x: max_weight 0.05 invests at most 50% in 10 names; raise it to 0.1"):
        allocate(returns[:, :10], capped)
    tail = AllocatorSettings(name="x", rule="minimum_cvar", max_weight=0.04)
    assert allocate(returns, tail).max() <= 0.04 + 1e-9


def test_names_that_minimum_variance_does_not_hold_have_no_weight(returns):
    weights = allocate(returns, AllocatorSettings(name="x", rule="minimum_variance", estimator="statistical"))
    assert 0 < (weights > 0).sum() < len(weights)
    assert weights[weights > 0].min() > 1e-7
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)


def test_risk_parity_uses_the_factor_model(returns):
    settings = AllocatorSettings(name="x", rule="risk_parity", estimator="statistical", n_factors=3)
    assert_allclose(allocate(returns, settings), risk_parity_weights(statistical_factors(returns, 3)))


@pytest.mark.parametrize("distance", ["paper", "correlation"])
def test_hrp_from_returns_is_hrp_on_the_sample_covariance(returns, distance):
    large, exact = (AllocatorSettings(name="x", rule=rule, distance=distance) for rule in ("hrp_large", "hrp"))
    assert_allclose(allocate(returns, large), allocate(returns, exact), rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"rule": "hrp_large", "estimator": "oas"}, "x: hrp_large has estimator sample and linkage single"),
        ({"rule": "hrp_large", "linkage": "ward"}, "others need rule hrp"),
        ({"rule": "hrp", "max_weight": 0.1}, "hrp takes no max_weight; rules that do are minimum_cvar"),
        ({"rule": "minimum_variance", "max_weight": 0.1}, "minimum_variance with estimator statistical"),
        ({"rule": "risk_parity", "n_factors": 3}, "n_factors needs estimator statistical"),
        ({"rule": "herc", "linkage": "average"}, "distance and linkage need rule hrp"),
        ({"rule": "risk_parity", "n_factors": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_nothing_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        AllocatorSettings(name="x", **values)


def test_policies_are_built_from_settings():
    current, target = np.array([0.5, 0.5]), np.array([0.6, 0.4])
    assert_allclose(PolicySettings().build()(current, target), target)
    assert_allclose(PolicySettings(kind="threshold", size=0.2).build()(current, target), current)
    assert_allclose(PolicySettings(kind="partial", size=0.5).build()(current, target), [0.55, 0.45])
    assert_allclose(PolicySettings(kind="zone", size=0.04).build()(current, target), [0.56, 0.44])
    with pytest.raises(ValueError, match="partial move needs a size"):
        PolicySettings(kind="partial")
    with pytest.raises(InputError, match="hrp|weights|variance"):
        allocate(np.zeros((50, 3)), AllocatorSettings(name="x", rule="hrp"))
