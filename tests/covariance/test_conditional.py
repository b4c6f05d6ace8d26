import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.conditional import conditional_covariance
from quantray.covariance.estimators import sample_covariance
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns

NAN = np.nan


@pytest.fixture(scope="module")
def returns():
    generator = np.random.default_rng(0)
    return generator.normal(0.0005, 0.01, (300, 1)) + generator.normal(0, 0.01, (300, 5))


@pytest.fixture(scope="module")
def probabilities():
    return np.random.default_rng(1).dirichlet([1.0, 2.0, 0.5], 300)


def certain(regimes, count):
    return np.eye(count)[regimes]


def test_certain_regimes_are_samples_of_their_days(returns):
    regimes = np.random.default_rng(2).integers(0, 2, 300)
    estimate = conditional_covariance(returns, certain(regimes, 2))
    for regime in (0, 1):
        days = returns[regimes == regime]
        assert_allclose(estimate.matrices[regime], np.cov(days, rowvar=False), rtol=1e-10)
        assert_allclose(estimate.means[regime], days.mean(axis=0), rtol=1e-10)
        assert estimate.effective_days[regime] == pytest.approx(len(days))
    assert_allclose(estimate.pooled, sample_covariance(returns).matrix, rtol=1e-10)
    assert_allclose(estimate.shrinkage, 0)


def test_equals_numpy_with_weights(returns, probabilities):
    estimate = conditional_covariance(returns, probabilities)
    for regime in range(3):
        weights = probabilities[:, regime]
        assert_allclose(estimate.matrices[regime], np.cov(returns, rowvar=False, aweights=weights), rtol=1e-9)
        assert_allclose(estimate.means[regime], np.average(returns, axis=0, weights=weights), rtol=1e-10)
        assert estimate.effective_days[regime] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_the_mixture_of_samples_is_the_sample(returns):
    """Law of total covariance: with divisor n, regimes weighted by their days give back the whole."""
    regimes = np.arange(300) % 3
    estimate = conditional_covariance(returns, certain(regimes, 3))
    biased = estimate.matrices * (99 / 100)
    whole = type(estimate)(biased, estimate.means, estimate.pooled, estimate.effective_days, estimate.shrinkage, 0.0)
    assert_allclose(whole.mixed(np.full(3, 1 / 3)), np.cov(returns, rowvar=False, ddof=0), rtol=1e-10)
    within = whole.mixed(np.full(3, 1 / 3), between=False)
    assert_allclose(within, biased.mean(axis=0), rtol=1e-12)


def test_mixture_by_hand():
    returns = np.array([[0.01], [0.03], [-0.02], [-0.04]])
    estimate = conditional_covariance(returns, certain([0, 0, 1, 1], 2))
    # Both variances 2e-4; means .02 and -.03; a quarter and three quarters: 2e-4 + .1875 (.05)**2.
    assert_allclose(estimate.mixed(np.array([0.25, 0.75])), [[2e-4 + 0.1875 * 0.0025]])
    assert_allclose(estimate.mixed(np.array([1.0, 0.0])), [[2e-4]])


def test_uninformative_probabilities_give_the_pooled_matrix(returns):
    estimate = conditional_covariance(returns, np.full((300, 4), 0.25))
    for matrix in estimate.matrices:
        assert_allclose(matrix, estimate.pooled, rtol=1e-10)
    assert_allclose(estimate.effective_days, 300)


def test_rare_regimes_are_shrunk_more(returns):
    regimes = np.zeros(300, dtype=int)
    regimes[:20] = 1
    estimate = conditional_covariance(returns, certain(regimes, 2), prior_days=60)
    assert_allclose(estimate.shrinkage, [60 / 340, 60 / 80])
    own = conditional_covariance(returns, certain(regimes, 2)).matrices[1]
    assert_allclose(estimate.matrices[1], 0.25 * own + 0.75 * estimate.pooled, rtol=1e-10)


def test_a_regime_that_never_occurs_has_the_pooled_matrix(returns):
    regimes = np.zeros(300, dtype=int)
    estimate = conditional_covariance(returns, certain(regimes, 2), prior_days=10)
    assert_allclose(estimate.matrices[1], estimate.pooled, rtol=1e-12)
    assert_allclose(estimate.means[1], returns.mean(axis=0))
    assert estimate.shrinkage[1] == 1
    assert estimate.effective_days[1] == 0
    with pytest.raises(DataError, match=r"regime 1 has 0\.0 effective days; give prior_days or merge"):
        conditional_covariance(returns, certain(regimes, 2))


def test_converges_to_the_true_covariance_of_each_regime():
    errors = []
    for n_days in (700, 5000):
        made = simulate_market(12, n_days, seed=3, tail_degrees=12.0, listing_share=0, delisting_share=0)
        returns = simple_returns(made.panel.field("close"))[1:]
        regimes = made.truth.regimes[1:]
        estimate = conditional_covariance(returns, certain(regimes, 4), prior_days=1)
        often = [r for r in range(4) if estimate.effective_days[r] > 60]
        errors.append(
            max(
                np.linalg.norm(estimate.matrices[r] - made.truth.covariance(r))
                / np.linalg.norm(made.truth.covariance(r))
                for r in often
            )
        )
    assert errors[1] < 0.25
    assert errors[1] < errors[0]


def test_gaps_keep_each_assets_own_variance(returns, probabilities):
    holes = returns.copy()
    holes[:120, 2] = NAN
    estimate = conditional_covariance(holes, probabilities)
    for regime in range(3):
        own = np.cov(returns[120:, 2], aweights=probabilities[120:, regime])
        assert estimate.matrices[regime][2, 2] == pytest.approx(float(own), rel=1e-9)
    assert estimate.missing_share == pytest.approx(120 / 1500)
    complete = conditional_covariance(holes, probabilities, missing="complete")
    expected = conditional_covariance(returns[120:], probabilities[120:])
    assert_allclose(complete.matrices, expected.matrices, rtol=1e-9)
    assert_allclose(complete.means, expected.means, rtol=1e-9)
    with pytest.raises(InputError, match="of the returns are missing; choose missing='available'"):
        conditional_covariance(holes, probabilities, missing="refuse")


def test_laws(returns, probabilities):
    estimate = conditional_covariance(returns, probabilities, prior_days=20)
    scaled = conditional_covariance(10 * returns, probabilities, prior_days=20)
    assert_allclose(scaled.matrices, 100 * estimate.matrices, rtol=1e-9)
    order = np.random.default_rng(0).permutation(5)
    permuted = conditional_covariance(returns[:, order], probabilities, prior_days=20)
    assert_allclose(permuted.matrices, estimate.matrices[:, order][:, :, order], rtol=1e-9)
    turned = conditional_covariance(returns, probabilities[:, [2, 0, 1]], prior_days=20)
    assert_allclose(turned.matrices, estimate.matrices[[2, 0, 1]], rtol=1e-12)
    days = np.random.default_rng(0).permutation(300)
    shuffled = conditional_covariance(returns[days], probabilities[days], prior_days=20)
    assert_allclose(shuffled.matrices, estimate.matrices, rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_degenerate_input(data):
    n_days, n_assets = data.draw(st.integers(4, 20)), data.draw(st.integers(1, 25))
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    returns = generator.normal(0, 0.01, (n_days, n_assets))
    kind = data.draw(st.sampled_from(["plain", "identical", "flat", "gaps"]))
    if kind == "identical":
        returns[:] = returns[:, :1]
    elif kind == "flat":
        returns[:] = 0.01
    elif kind == "gaps":
        returns[3:][generator.random((n_days - 3, n_assets)) < 0.5] = NAN
    estimate = conditional_covariance(returns, generator.dirichlet([1.0, 1.0], n_days), prior_days=5)
    mixed = estimate.mixed(np.array([0.3, 0.7]))
    for matrix in (*estimate.matrices, mixed):
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -1e-12 * max(values[-1], 1e-20)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"probabilities": np.full((9, 2), 0.5)}, r"returns \(300, 5\) and probabilities \(9, 2\) must be"),
        (
            {"probabilities": np.full((300, 2), 0.4)},
            r"row 0 of the probabilities is \[0.4, 0.4\]; it must have sum one",
        ),
        ({"probabilities": np.full((300, 2), NAN)}, "row 0 of the probabilities is"),
        ({"probabilities": np.tile([1.5, -0.5], (300, 1))}, "it must have sum one, none negative"),
        ({"prior_days": -1.0}, r"prior_days -1\.0 must not be negative"),
        ({"missing": "zero"}, "missing 'zero' is not one of available, complete, refuse"),
    ],
    ids=["days", "sum", "nan", "negative", "prior", "rule"],
)
def test_input_that_cannot_be(returns, change, text):
    arguments = {"returns": returns, "probabilities": np.full((300, 2), 0.5)} | change
    with pytest.raises(InputError, match=text):
        conditional_covariance(**arguments)


@pytest.mark.parametrize("bad", [[0.5, 0.6, 0.0], [1.0], [-0.5, 1.5, 0.0]])
def test_mixtures_that_cannot_be(returns, probabilities, bad):
    with pytest.raises(InputError, match="must be 3 of sum one, none negative"):
        conditional_covariance(returns, probabilities).mixed(np.array(bad))


def test_an_asset_with_one_day_in_a_regime(returns):
    holes = returns.copy()
    regimes = np.arange(300) % 2
    holes[regimes == 1, 0] = NAN
    holes[1, 0] = 0.01
    with pytest.raises(DataError, match="asset 0 has one day that counts in some regime; drop it"):
        conditional_covariance(holes, certain(regimes, 2))
