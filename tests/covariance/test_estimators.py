import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.estimators import (
    ESTIMATORS,
    ewma_covariance,
    ledoit_wolf_covariance,
    nearest_psd,
    sample_covariance,
)
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns

NAN = np.nan


@pytest.fixture(scope="module")
def returns():
    generator = np.random.default_rng(0)
    return generator.normal(0.0005, 0.01, (200, 1)) + generator.normal(0, 0.01, (200, 8)) * np.linspace(0.5, 2, 8)


@pytest.fixture(scope="module")
def gappy(returns):
    """The same with a fifth missing at random, and an asset that is listed half-way."""
    holes = np.random.default_rng(1).random(returns.shape) < 0.2
    holes[:100, 3] = True
    return np.where(holes, NAN, returns)


@pytest.fixture(params=sorted(ESTIMATORS))
def estimator(request):
    return ESTIMATORS[request.param]


def smallest_eigenvalue(matrix):
    return np.linalg.eigvalsh(matrix)[0] / np.abs(matrix).max()


def test_sample_by_hand():
    estimate = sample_covariance(np.array([[0.01, 0.02], [0.03, 0.02], [0.02, -0.01]]))
    assert_allclose(estimate.matrix, [[1e-4, 0], [0, 3e-4]], atol=1e-18)
    assert (estimate.method, estimate.n_days, estimate.shrinkage, estimate.missing_share) == ("sample", 3, 0.0, 0.0)


def test_sample_equals_numpy(returns):
    assert_allclose(sample_covariance(returns).matrix, np.cov(returns, rowvar=False), rtol=1e-12)


@pytest.mark.parametrize("decay", [0.5, 0.94, 0.99])
def test_ewma_equals_pandas(returns, decay):
    frame = pd.DataFrame(returns)
    expected = frame.ewm(alpha=1 - decay).cov(bias=True).loc[len(frame) - 1]
    assert_allclose(ewma_covariance(returns, decay=decay).matrix, expected, rtol=1e-10, atol=1e-18)


def test_ewma_forgets():
    calm, wild = np.tile([[0.01], [-0.01]], (100, 1)), np.tile([[0.05], [-0.05]], (100, 1))
    assert_allclose(ewma_covariance(np.vstack([calm, wild])).matrix, 0.05**2, rtol=0.02)
    assert_allclose(ewma_covariance(np.vstack([wild, calm])).matrix, 0.01**2, rtol=0.02)


def test_ledoit_wolf_equals_scikit_learn(returns):
    from sklearn.covariance import LedoitWolf

    theirs = LedoitWolf().fit(returns[:30])
    ours = ledoit_wolf_covariance(returns[:30])
    assert_allclose(ours.matrix, theirs.covariance_, rtol=1e-12)
    assert ours.shrinkage == pytest.approx(theirs.shrinkage_)
    assert 0 < ours.shrinkage < 1


def test_ledoit_wolf_is_the_sample_shrunk_to_its_mean_variance(gappy):
    ours, sample = ledoit_wolf_covariance(gappy), sample_covariance(gappy).matrix * (len(gappy) - 1) / len(gappy)
    target = np.trace(sample) / len(sample) * np.eye(len(sample))
    assert_allclose(ours.matrix, ours.shrinkage * target + (1 - ours.shrinkage) * sample, rtol=1e-10)


def test_variances_use_the_days_that_each_asset_has(gappy):
    assert_allclose(np.diagonal(sample_covariance(gappy).matrix), np.nanvar(gappy, axis=0, ddof=1), rtol=1e-12)
    own = [pd.Series(column).ewm(alpha=0.06, ignore_na=False).var(bias=True).iloc[-1] for column in gappy.T]
    assert_allclose(np.diagonal(ewma_covariance(gappy).matrix), own, rtol=1e-10)


def test_gaps_that_all_assets_share_are_days_left_out(returns):
    rows = np.random.default_rng(2).random(len(returns)) < 0.3
    with_gaps = np.where(rows[:, None], NAN, returns)
    assert_allclose(sample_covariance(with_gaps).matrix, np.cov(returns[~rows], rowvar=False), rtol=1e-12)


def test_little_overlap_pulls_correlation_to_zero(returns):
    apart = returns[:, :2].copy()
    apart[:100, 0] = NAN
    apart[100:, 1] = NAN
    assert sample_covariance(apart).matrix[0, 1] == 0


def test_complete_days_only(estimator, gappy):
    rows = ~np.isnan(gappy).any(axis=1)
    estimate = estimator(gappy, missing="complete")
    assert estimate.n_days == rows.sum()
    assert estimate.missing_share == pytest.approx(np.isnan(gappy).mean())
    if estimate.method == "ewma":
        # Days left out still count as time passed.
        weights = 0.94 ** np.arange(len(gappy) - 1, -1, -1.0)[rows]
        expected = np.cov(gappy[rows], rowvar=False, aweights=weights, ddof=0)
    else:
        expected = estimator(gappy[rows]).matrix
    assert_allclose(estimate.matrix, expected, rtol=1e-10, atol=1e-20)


def test_refuse_missing(estimator, returns, gappy):
    assert_allclose(estimator(returns, missing="refuse").matrix, estimator(returns).matrix)
    with pytest.raises(InputError, match=r"2\d\.\d% of the returns are missing; choose missing='available'"):
        estimator(gappy, missing="refuse")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_estimate_is_positive_semidefinite_whatever_is_missing(data):
    seed, n_assets = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, 30))
    generator = np.random.default_rng(seed)
    returns = generator.standard_t(3, (40, n_assets)) * 0.01
    returns[generator.random(returns.shape) < data.draw(st.floats(0, 0.9))] = NAN
    returns[:2] = generator.normal(0, 0.01, (2, n_assets))
    for name, estimate in ESTIMATORS.items():
        matrix = estimate(returns).matrix
        np.testing.assert_array_equal(matrix, matrix.T, err_msg=name)
        assert smallest_eigenvalue(matrix) > -1e-12, name


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scaling_returns_scales_the_covariance(estimator, gappy, scale):
    assert_allclose(estimator(scale * gappy).matrix, scale**2 * estimator(gappy).matrix, rtol=1e-9)


def test_moving_returns_does_not_matter(estimator, gappy):
    assert_allclose(estimator(gappy + 0.05).matrix, estimator(gappy).matrix, rtol=1e-8, atol=1e-15)


def test_permuting_assets_permutes_the_matrix(estimator, gappy):
    order = np.random.default_rng(3).permutation(gappy.shape[1])
    assert_allclose(estimator(gappy[:, order]).matrix, estimator(gappy).matrix[np.ix_(order, order)], rtol=1e-10)


def test_the_input_is_not_changed(estimator, gappy):
    given = gappy.copy()
    given.flags.writeable = False
    estimator(given)
    np.testing.assert_array_equal(given, gappy)


def test_estimates_come_near_the_truth():
    made = simulate_market(10, 4000, seed=3, tail_degrees=12.0, listing_share=0, delisting_share=0)
    calm = np.flatnonzero(made.truth.regimes == 2)[1:]
    truth = made.truth.covariance(2)
    estimate = ledoit_wolf_covariance(simple_returns(made.panel.field("close"))[calm]).matrix
    assert np.linalg.norm(estimate - truth) / np.linalg.norm(truth) < 0.12


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (np.zeros(5), InputError, r"returns are \(5,\); they must be \(T, N\)"),
        (np.zeros((5, 0)), InputError, "with at least one asset"),
        (np.array([[0.1], [np.inf]]), InputError, "infinite values; a price of zero is the usual cause"),
        (np.zeros((0, 2)), DataError, "asset 0 has 0 returns in 0 days; at least 2 are needed"),
        (np.zeros((1, 2)), DataError, "asset 0 has 1 returns in 1 days"),
        (np.array([[0.1, 0.1], [0.2, NAN], [0.1, NAN]]), DataError, "asset 1 has 1 returns in 3 days"),
        (np.array([[0.1, NAN], [0.2, NAN]]), DataError, "asset 1 has 0 returns in 2 days"),
    ],
    ids=["vector", "no assets", "infinite", "no days", "one day", "one return", "no return"],
)
def test_returns_that_are_too_few_or_none(estimator, bad, error, text):
    with pytest.raises(error, match=text):
        estimator(bad)


def test_too_few_complete_days(estimator):
    with pytest.raises(DataError, match="at least 2 are needed"):
        estimator(np.array([[0.1, NAN], [NAN, 0.1], [0.1, 0.1]]), missing="complete")


def test_unknown_rule(estimator, returns):
    with pytest.raises(InputError, match="missing 'zero' is not one of available, complete, refuse"):
        estimator(returns, missing="zero")


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 1.5])
def test_decay_out_of_range(returns, decay):
    with pytest.raises(InputError, match=f"decay {decay} must lie between 0 and 1"):
        ewma_covariance(returns, decay=decay)


def test_returns_too_old_to_weigh_anything():
    returns = np.full((1200, 2), 0.01)
    returns[10:, 1] = NAN
    with pytest.raises(DataError, match="asset 1 has no return recent enough to weigh anything"):
        ewma_covariance(returns, decay=0.5)


HIGHAM = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])


def indefinite(n_assets, seed):
    """A symmetric matrix with positive variances that is no covariance."""
    generator = np.random.default_rng(seed)
    noise = generator.uniform(-1, 1, (n_assets, n_assets))
    correlation = (noise + noise.T) / 2
    np.fill_diagonal(correlation, 1.0)
    deviation = generator.uniform(0.01, 0.05, n_assets)
    return correlation * np.outer(deviation, deviation)


def test_highams_example():
    repair = nearest_psd(HIGHAM, method="higham")
    # Higham (2002), section 1: .7607 and .1573.
    assert_allclose(repair.matrix, [[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]], atol=5e-5)
    assert repair.method == "higham"
    assert repair.smallest_eigenvalue == pytest.approx(1 - np.sqrt(2))
    assert repair.distance == pytest.approx(np.linalg.norm(repair.matrix - HIGHAM) / np.linalg.norm(HIGHAM))


def test_clipping_by_hand():
    # Eigenvalues 3 and -1 along the diagonals; without the second, all entries are 1.5.
    repair = nearest_psd(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert_allclose(repair.matrix, [[1.5, 1.5], [1.5, 1.5]], rtol=1e-12)
    assert repair.smallest_eigenvalue == pytest.approx(-1)
    assert repair.distance == pytest.approx(1 / np.sqrt(10))


@pytest.mark.parametrize("method", ["clip", "higham"])
@settings(max_examples=30, deadline=None)
@given(n_assets=st.integers(3, 25), seed=st.integers(0, 10_000))
def test_repairs_are_positive_semidefinite(method, n_assets, seed):
    matrix = indefinite(n_assets, seed)
    repaired = nearest_psd(matrix, method=method).matrix
    assert smallest_eigenvalue(repaired) > -1e-10
    np.testing.assert_array_equal(repaired, repaired.T)
    if method == "higham":
        assert_allclose(np.diagonal(repaired), np.diagonal(matrix), rtol=1e-12)
    else:
        # Nothing is nearer than clipping.
        assert np.linalg.norm(repaired - matrix) <= np.linalg.norm(
            nearest_psd(matrix, method="higham").matrix - matrix
        ) * (1 + 1e-10)


@pytest.mark.parametrize("method", ["clip", "higham"])
def test_what_is_positive_semidefinite_stays(method, returns):
    singular = np.cov(returns[:5], rowvar=False)
    for matrix in (np.eye(3), np.cov(returns, rowvar=False), singular, np.zeros((2, 2))):
        repair = nearest_psd(matrix, method=method)
        assert (repair.method, repair.distance) == ("none", 0.0)
        np.testing.assert_array_equal(repair.matrix, matrix)


@pytest.mark.parametrize("method", ["clip", "higham"])
def test_repairing_twice_is_repairing_once(method):
    once = nearest_psd(indefinite(12, 0), method=method).matrix
    assert_allclose(nearest_psd(once, method=method).matrix, once, atol=1e-9 * np.abs(once).max())


@pytest.mark.parametrize(
    ("matrix", "method", "text"),
    [
        (np.ones((2, 3)), "clip", r"matrix is \(2, 3\); it must be square"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "clip", "matrix is not symmetric"),
        (np.array([[1.0, NAN], [NAN, 1.0]]), "higham", "matrix has NaN or infinite values"),
        (np.array([[0.0, 1.0], [1.0, 1.0]]), "higham", "higham keeps variances, so all must be positive"),
        (np.eye(2), "nearest", "method 'nearest' is not one of clip, higham"),
    ],
    ids=["shape", "asymmetric", "unknown", "zero variance", "method"],
)
def test_matrices_that_cannot_be_repaired(matrix, method, text):
    with pytest.raises(InputError, match=text):
        nearest_psd(matrix, method=method)


def test_estimators_by_name():
    assert {"sample", "ewma", "ledoit_wolf"} <= set(ESTIMATORS)
    for name, estimate in ESTIMATORS.items():
        assert estimate(np.random.default_rng(0).normal(size=(30, 3))).method == name
