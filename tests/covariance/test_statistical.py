import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.estimators import ewma_covariance, sample_covariance
from quantray.covariance.factor import statistical_factors
from quantray.covariance.statistical import StatisticalSettings, information_criterion
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns

NAN = np.nan


def factor_returns(n_days=500, n_assets=120, n_factors=3, seed=0):
    """Returns with strong factors, and their true (N, K) loadings and (N,) specific variances."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0.003, 0.008, (n_assets, n_factors))
    specific = generator.uniform(0.005, 0.02, n_assets)
    factors = generator.normal(size=(n_days, n_factors))
    return factors @ loadings.T + generator.normal(size=(n_days, n_assets)) * specific, loadings, specific**2


def canonical_cosine(a, b):
    """The cosine of the largest angle between two column spaces."""
    return np.linalg.svd(np.linalg.qr(a)[0].T @ np.linalg.qr(b)[0], compute_uv=False)[-1]


def test_criterion_by_hand():
    # Ten assets and days: penalty 20/100 ln 10 = .4605 a factor; left over .5, .4 and .39 of the variance.
    criterion = information_criterion(np.array([5.0, 1.0, 0.1]), 10.0, 10, 10)
    assert_allclose(criterion, np.log([0.5, 0.4, 0.39]) + 0.460517 * np.arange(1, 4), rtol=1e-5)


@pytest.mark.parametrize("n_factors", [1, 2, 5])
@pytest.mark.parametrize("shape", [(500, 120), (200, 300)])
def test_finds_the_number_of_factors(n_factors, shape):
    model = statistical_factors(factor_returns(*shape, n_factors)[0])
    assert model.n_factors == n_factors
    assert model.notes[0] == f"{n_factors} factors by the criterion ICp2 of Bai and Ng"


@pytest.mark.parametrize("solver", ["exact", "randomised"])
def test_recovers_the_factor_space_and_specific_risk(solver):
    returns, loadings, specific = factor_returns()
    model = statistical_factors(returns, 3, settings=StatisticalSettings(solver=solver))
    assert canonical_cosine(model.loadings, loadings) > 0.98
    assert np.median(np.abs(model.specific_variance / specific - 1)) < 0.07
    truth = loadings @ loadings.T + np.diag(specific)
    assert np.linalg.norm(model.dense() - truth) < 0.15 * np.linalg.norm(truth)


def test_recovers_the_market_of_a_simulation():
    market = simulate_market(150, 800, seed=4, tail_degrees=20.0, listing_share=0, delisting_share=0)
    model = statistical_factors(simple_returns(market.panel.field("close"))[1:])
    betas = market.truth.loadings[:, 0]
    own = np.sqrt(market.truth.specific_variance)
    # The first component's loadings per unit of market volatility are the betas, blurred by specific noise.
    assert np.corrcoef(model.loadings[:, 0], betas)[0, 1] > 0.9
    assert np.corrcoef(np.sqrt(model.specific_variance), own)[0, 1] > 0.98


def test_nearer_to_the_truth_than_the_sample():
    returns, loadings, specific = factor_returns(120, 150, 3)
    truth = loadings @ loadings.T + np.diag(specific)
    inverse = np.linalg.inv(truth).sum()

    def wasted(matrix):
        weights = np.linalg.solve(matrix, np.ones(150))
        weights /= weights.sum()
        return weights @ truth @ weights * inverse

    assert wasted(statistical_factors(returns, 3).dense()) < 1.15
    shrunk = 0.5 * sample_covariance(returns).matrix + 0.5 * np.diag(returns.var(axis=0))
    assert wasted(shrunk) > wasted(statistical_factors(returns, 3).dense())


def test_total_variances_are_the_samples():
    returns = factor_returns()[0]
    model = statistical_factors(returns)
    # Only the shrinkage of specific variances moves them.
    assert_allclose(model.variances, returns.var(axis=0, ddof=1), rtol=0.05)
    assert_allclose(model.factor_covariance, np.eye(3))
    assert model.factor_names.tolist() == ["statistical: 1", "statistical: 2", "statistical: 3"]


def test_noise_is_taken_off_the_eigenvalues():
    # Without it, a factor in 60 days of 300 assets looks far stronger than it is.
    returns, loadings, _ = factor_returns(60, 300, 1, seed=1)
    model = statistical_factors(returns, 1)
    deviation = returns.std(axis=0, ddof=1)
    raw = np.linalg.eigvalsh(np.corrcoef(returns, rowvar=False))[-1]
    ours = np.linalg.norm(model.loadings / deviation[:, None]) ** 2
    true = np.linalg.norm(loadings / deviation[:, None]) ** 2
    assert abs(ours - true) < abs(raw - true)


def test_the_solvers_agree():
    returns = factor_returns(300, 200, 4)[0]
    exact = statistical_factors(returns, 4, settings=StatisticalSettings(solver="exact"))
    again = [statistical_factors(returns, 4, settings=StatisticalSettings(solver="randomised")) for _ in range(2)]
    assert_allclose(again[0].dense(), exact.dense(), rtol=1e-4, atol=1e-9)
    np.testing.assert_array_equal(again[0].loadings, again[1].loadings)


def test_more_days_or_more_assets_take_the_same_road():
    returns = factor_returns(100, 100, 2)[0]
    wide, tall = statistical_factors(returns[:-1], 2), statistical_factors(returns[:-1, :99], 2)
    assert_allclose(wide.dense()[:99, :99], tall.dense(), rtol=0.05, atol=2e-6)


def test_half_life_weighs_recent_days():
    calm = factor_returns(300, 40, 1, seed=1)[0]
    returns = np.vstack([calm, 3 * calm])
    model = statistical_factors(returns, 1, settings=StatisticalSettings(half_life=40))
    expected = np.diagonal(ewma_covariance(returns, half_life=40).matrix)
    assert model.variances.sum() == pytest.approx(expected.sum(), rel=1e-6)
    assert np.median(np.abs(model.variances / expected - 1)) < 0.05
    assert np.median(model.variances / statistical_factors(returns, 1).variances) > 1.5


def test_gaps_keep_each_assets_own_variance():
    returns = factor_returns()[0]
    holes = np.where(np.random.default_rng(1).random(returns.shape) < 0.15, NAN, returns)
    holes[:250, 0] = NAN
    model = statistical_factors(holes, 3)
    assert_allclose(model.variances, np.nanvar(holes, axis=0, ddof=1), rtol=0.08)
    some = returns.copy()
    some[::7, 3] = NAN
    complete = statistical_factors(some, 3, settings=StatisticalSettings(missing="complete"))
    assert_allclose(complete.dense(), statistical_factors(some[~np.isnan(some[:, 3])], 3).dense(), rtol=1e-9)
    with pytest.raises(InputError, match="of the returns are missing; choose"):
        statistical_factors(holes, settings=StatisticalSettings(missing="refuse"))


def test_laws():
    returns = factor_returns()[0]
    model = statistical_factors(returns, 3)
    assert_allclose(statistical_factors(100 * returns, 3).dense(), 1e4 * model.dense(), rtol=1e-8)
    assert_allclose(statistical_factors(returns + 0.01, 3).dense(), model.dense(), rtol=1e-6, atol=1e-12)
    order = np.random.default_rng(0).permutation(returns.shape[1])
    permuted = statistical_factors(returns[:, order], 3).dense()
    assert_allclose(permuted, model.dense()[np.ix_(order, order)], rtol=1e-7, atol=1e-12)
    assert (model.loadings.sum(axis=0) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_degenerate_input(data):
    n_days, n_assets = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 20))
    returns = np.random.default_rng(data.draw(st.integers(0, 1000))).normal(0, 0.01, (n_days, n_assets))
    kind = data.draw(st.sampled_from(["plain", "identical", "flat", "one flat", "gaps"]))
    if kind == "identical":
        returns[:] = returns[:, :1]
    elif kind == "flat":
        returns[:] = 0.01
    elif kind == "one flat":
        returns[:, 0] = 0.0
    elif kind == "gaps":
        returns[2:][np.random.default_rng(0).random((n_days - 2, n_assets)) < 0.5] = NAN
    half_life = data.draw(st.sampled_from([None, 5.0]))
    model = statistical_factors(returns, settings=StatisticalSettings(half_life=half_life))
    assert np.isfinite(model.dense()).all()
    assert (model.specific_variance >= 0).all()
    if kind == "flat":
        assert_allclose(model.variances, 0, atol=1e-30)


def test_identical_assets_are_one_factor():
    returns = np.tile(np.random.default_rng(0).normal(0, 0.01, (250, 1)), 10)
    model = statistical_factors(returns)
    assert model.n_factors == 1
    # All but the floor of 5 % that keeps every asset some risk of its own.
    assert_allclose(model.dense()[0, 1:], returns[:, 0].var(ddof=1), rtol=1e-6)
    assert_allclose(model.specific_variance, 0.05 * returns[:, 0].var(ddof=1), rtol=1e-6)


def test_reaching_the_limit_is_said():
    model = statistical_factors(factor_returns(n_factors=5)[0], settings=StatisticalSettings(most_factors=2))
    assert model.notes[0] == "2 factors by the criterion ICp2 of Bai and Ng, the limit of most_factors 2"


@pytest.mark.parametrize("n_factors", [0, 41])
def test_numbers_of_factors_that_cannot_be(n_factors):
    with pytest.raises(InputError, match=rf"n_factors {n_factors} must lie between 1 and 40 for \(40, 50\)"):
        statistical_factors(factor_returns(40, 50, 1)[0], n_factors)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"half_life": 0.0}, "half_life 0.0 must be a positive number of days"),
        ({"most_factors": 0}, "most_factors 0 must be 1 or more"),
        ({"specific_floor": 1.0}, r"specific_floor 1.0 must lie in \[0, 1\)"),
        ({"solver": "fast"}, "solver 'fast' is not one of auto, exact, randomised"),
    ],
)
def test_settings_that_cannot_be(change, text):
    with pytest.raises(InputError, match=text):
        StatisticalSettings(**change)


def test_too_few_returns():
    returns = factor_returns(40, 5, 1)[0]
    returns[1:, 2] = NAN
    with pytest.raises(DataError, match="asset 2 has 1 returns in 40 days"):
        statistical_factors(returns)
