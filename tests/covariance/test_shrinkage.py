import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.estimators import ewma_covariance, ledoit_wolf_covariance, oas_covariance
from quantray.covariance.shrinkage import to_constant_correlation, to_single_factor
from quantray.errors import InputError

TARGETS = {"constant_correlation": to_constant_correlation, "single_factor": to_single_factor}


def market_returns(n_days, n_assets, seed=0):
    generator = np.random.default_rng(seed)
    market = generator.standard_t(5, (n_days, 1)) * 0.008
    return market * generator.uniform(0.5, 1.5, n_assets) + generator.normal(0, 0.012, (n_days, n_assets))


def centred(returns):
    return returns - returns.mean(axis=0)


@pytest.fixture(params=sorted(TARGETS))
def target(request):
    return request.param


def expected_intensity(x, target, f):
    """The intensity from the definitions of pi and rho, entry by entry, without any algebra.

    ``f(i, j)`` gives the derivative of the target's entry with respect to (s_ij's ingredients) as in the papers.
    """
    n_days, n_assets = x.shape
    sample = x.T @ x / n_days
    pi = rho = 0.0
    for i in range(n_assets):
        for j in range(n_assets):
            product = x[:, i] * x[:, j] - sample[i, j]
            pi += np.mean(product**2)
            rho += np.mean(product**2) if i == j else np.mean(product * f(i, j))
    gamma = ((sample - target) ** 2).sum()
    return min(max((pi - rho) / gamma / n_days, 0), 1)


def test_constant_correlation_by_hand():
    # Variances 2/4, 2/4 and 8/4 and covariances 0, 0, 1: correlations 0, 0 and 1, so 1/3 on average.
    x = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 2], [0, -1, -2]])
    shrunk = to_constant_correlation(x)
    third = 1 / 3
    assert_allclose(shrunk.target, [[0.5, third / 2, third], [third / 2, 0.5, third], [third, third, 2]], rtol=1e-12)
    assert_allclose(shrunk.matrix, shrunk.intensity * shrunk.target + (1 - shrunk.intensity) * x.T @ x / 4, rtol=1e-12)


def test_constant_correlation_equals_its_definition():
    x = centred(market_returns(60, 6))
    shrunk = to_constant_correlation(x)
    s = x.T @ x / len(x)
    d = np.sqrt(np.diag(s))
    mean = ((s / np.outer(d, d)).sum() - 6) / 30

    def influence(i, j):
        vi, vj = x[:, i] ** 2 - s[i, i], x[:, j] ** 2 - s[j, j]
        return mean / 2 * (d[j] / d[i] * vi + d[i] / d[j] * vj)

    assert shrunk.intensity == pytest.approx(expected_intensity(x, shrunk.target, influence), rel=1e-10)
    assert 0 < shrunk.intensity < 1


def test_single_factor_equals_its_definition():
    x = centred(market_returns(60, 6))
    shrunk = to_single_factor(x)
    m = x.mean(axis=1)
    s, v, c = x.T @ x / len(x), m @ m / len(x), x.T @ m / len(x)

    def influence(i, j):
        with_i, with_j, own = x[:, i] * m - c[i], x[:, j] * m - c[j], m**2 - v
        return (c[j] * v * with_i + c[i] * v * with_j - c[i] * c[j] * own) / v**2

    target = np.outer(c, c) / v
    np.fill_diagonal(target, np.diag(s))
    assert_allclose(shrunk.target, target, rtol=1e-12)
    assert shrunk.intensity == pytest.approx(expected_intensity(x, target, influence), rel=1e-10)


@pytest.mark.parametrize(("n_days", "n_assets"), [(250, 20), (60, 100)])
def test_agrees_with_pyportfolioopt(target, n_days, n_assets):
    from pypfopt.risk_models import CovarianceShrinkage

    returns = market_returns(n_days, n_assets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = CovarianceShrinkage(pd.DataFrame(returns), returns_data=True, frequency=1)
        theirs = peer.ledoit_wolf(target).to_numpy()
    ours = ledoit_wolf_covariance(returns, target=target)
    if target == "single_factor":
        assert_allclose(ours.matrix, theirs, rtol=1e-9, atol=1e-12)
        assert ours.shrinkage == pytest.approx(peer.delta, rel=1e-9)
    else:
        # The peer divides its sample by n - 1 and the moments in the intensity by n.
        assert ours.shrinkage == pytest.approx(peer.delta, abs=1.5 / n_days)
        assert_allclose(ours.matrix, theirs, atol=3 / n_days * np.abs(theirs).max())


def test_oas_equals_scikit_learn():
    from sklearn.covariance import OAS

    returns = market_returns(40, 12)
    theirs = OAS().fit(returns)
    ours = oas_covariance(returns)
    assert_allclose(ours.matrix, theirs.covariance_, rtol=1e-12)
    assert ours.shrinkage == pytest.approx(theirs.shrinkage_)
    assert ours.method == "oas"


def test_the_target_that_is_true_gets_the_weight():
    generator = np.random.default_rng(1)
    common, own = generator.normal(size=(250, 1)), generator.normal(size=(250, 40))
    equal = 0.6 * common + 0.8 * own
    assert ledoit_wolf_covariance(equal, target="constant_correlation").shrinkage > 0.9
    unequal = common * generator.uniform(-2, 2, 40) + own
    by_correlation = ledoit_wolf_covariance(unequal, target="constant_correlation").shrinkage
    assert ledoit_wolf_covariance(unequal, target="single_factor").shrinkage > 3 * by_correlation


@pytest.mark.parametrize("n_days", [40, 120])
def test_shrinking_comes_nearer_to_the_truth(target, n_days):
    generator = np.random.default_rng(2)
    beta, noise = generator.uniform(0.1, 0.4, 60), generator.uniform(0.5, 2, 60)
    truth = np.outer(beta, beta) + np.diag(noise**2)
    returns = generator.normal(size=(n_days, 1)) * beta + generator.normal(size=(n_days, 60)) * noise
    ours = ledoit_wolf_covariance(returns, target=target).matrix
    assert np.linalg.norm(ours - truth) < 0.85 * np.linalg.norm(np.cov(returns, rowvar=False) - truth)


def test_variances_are_the_samples(target):
    returns = market_returns(50, 80)
    assert_allclose(np.diagonal(ledoit_wolf_covariance(returns, target=target).matrix), returns.var(axis=0), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_degenerate_input(data):
    n_days, n_assets = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 20))
    returns = np.random.default_rng(data.draw(st.integers(0, 1000))).normal(0, 0.01, (n_days, n_assets))
    kind = data.draw(st.sampled_from(["plain", "identical", "flat", "one flat", "opposite"]))
    if kind == "identical":
        returns[:] = returns[:, :1]
    elif kind == "flat":
        returns[:] = 0.01
    elif kind == "one flat":
        returns[:, 0] = 0.0
    elif kind == "opposite":
        returns[:, 1::2] = -returns[:, :1]
        returns[:, ::2] = returns[:, :1]
    for name in TARGETS:
        estimate = ledoit_wolf_covariance(returns, target=name)
        assert 0 <= estimate.shrinkage <= 1
        values = np.linalg.eigvalsh(estimate.matrix)
        assert values[0] >= -1e-12 * max(values[-1], 1e-30)


def test_one_asset_is_not_shrunk(target):
    returns = market_returns(30, 1)
    estimate = ledoit_wolf_covariance(returns, target=target)
    assert_allclose(estimate.matrix, [[returns.var()]], rtol=1e-12)
    assert estimate.shrinkage == 0


def test_unknown_target():
    with pytest.raises(InputError, match="target 'market' is not one of identity, constant_correlation"):
        ledoit_wolf_covariance(market_returns(20, 3), target="market")


def test_half_life_is_a_decay():
    returns = market_returns(200, 4)
    by_half_life = ewma_covariance(returns, half_life=20).matrix
    assert_allclose(by_half_life, ewma_covariance(returns, decay=0.5 ** (1 / 20)).matrix, rtol=1e-12)


@pytest.mark.parametrize("half_life", [0.0, -3.0, np.inf, np.nan])
def test_half_life_out_of_range(half_life):
    with pytest.raises(InputError, match=f"half_life {half_life} must be a positive number of days"):
        ewma_covariance(market_returns(20, 3), half_life=half_life)
