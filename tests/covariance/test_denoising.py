import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.denoising import denoised_correlation, gerber_correlation, noise_edge
from quantray.covariance.estimators import denoised_covariance, gerber_covariance, nearest_psd
from quantray.errors import InputError


def factor_returns(n_days, n_assets, n_factors, seed=0):
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0.6, 0.8, (n_assets, n_factors))
    return generator.normal(size=(n_days, n_factors)) @ loadings.T + generator.normal(size=(n_days, n_assets))


def test_noise_edge_by_hand():
    assert noise_edge(100, 400) == pytest.approx(2.25)
    assert noise_edge(400, 100) == pytest.approx(9)


@pytest.mark.parametrize("n_days", [150, 600])
def test_pure_noise_has_no_signal(n_days):
    returns = np.random.default_rng(0).normal(size=(n_days, 200))
    denoised = denoised_correlation(np.corrcoef(returns, rowvar=False), n_days)
    # The largest eigenvalue of noise lies at the edge, give or take a fluctuation of the order N**(-2/3).
    assert denoised.n_signals <= 1
    assert denoised.noise_variance == pytest.approx(1.0, abs=0.03)


def test_finds_the_number_of_factors():
    for n_factors in (1, 3, 8):
        estimate = denoised_covariance(factor_returns(500, 200, n_factors, seed=n_factors))
        assert estimate.notes[0].startswith(f"kept {n_factors} of 200 eigenvalues; noise is ")


def test_noise_eigenvalues_become_equal_and_variances_stay():
    returns = factor_returns(400, 50, 2) * np.linspace(0.5, 3, 50)
    estimate = denoised_covariance(returns)
    assert_allclose(np.diagonal(estimate.matrix), returns.var(axis=0, ddof=1), rtol=1e-12)
    denoised = denoised_correlation(np.corrcoef(returns, rowvar=False), 400)
    values, vectors = np.linalg.eigh(np.corrcoef(returns, rowvar=False))
    values[:-2] = values[:-2].mean()
    expected = (vectors * values) @ vectors.T
    size = np.sqrt(np.diag(expected))
    assert_allclose(denoised.matrix, expected / np.outer(size, size), atol=1e-12)
    assert denoised.noise_variance == pytest.approx(values[0])


def test_agrees_with_skfolio_on_the_same_factors():
    from skfolio.moments import DenoiseCovariance

    generator = np.random.default_rng(0)
    returns = generator.normal(size=(600, 1)) * 0.005 + generator.normal(size=(600, 60)) * 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = DenoiseCovariance(nearest=False).fit(returns).covariance_
    # The peer finds the noise by fitting a density; the factor it keeps is the same one.
    assert_allclose(denoised_covariance(returns).matrix, theirs, rtol=1e-8)


def test_denoising_comes_nearer_to_the_truth():
    generator = np.random.default_rng(4)
    loadings = generator.normal(0.5, 0.5, (150, 3))
    truth = loadings @ loadings.T + np.eye(150)
    returns = generator.normal(size=(200, 3)) @ loadings.T + generator.normal(size=(200, 150))
    inverse = np.linalg.inv(truth)

    def wasted(matrix):
        """Variance of the minimum-variance portfolio of an estimate, relative to the best."""
        weights = np.linalg.solve(matrix, np.ones(150))
        weights /= weights.sum()
        return weights @ truth @ weights * inverse.sum()

    assert wasted(denoised_covariance(returns).matrix) < 1.3
    assert wasted(np.cov(returns, rowvar=False)) > 2


def test_gerber_by_hand():
    # Deviations are one and the threshold one half. Of four days the first is up for both, the second opposite,
    # the third moves only the first asset, and the fourth is quiet: (1 - 1) / 3 for the pair.
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.1], [0.2, 0.2]])
    assert_allclose(gerber_correlation(x, np.ones(2)), [[1, 0], [0, 1]])
    # With three assets: the third follows the first on all its three days.
    x = np.column_stack([x, [2.0, 3.0, -1.0, 0.0]])
    assert_allclose(gerber_correlation(x, np.ones(3)), [[1, 0, 1], [0, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_gerber_equals_skfolio(threshold):
    from skfolio.moments import GerberCovariance

    returns = factor_returns(120, 20, 2) * 0.01
    returns -= returns.mean(axis=0)
    theirs = GerberCovariance(threshold=threshold, nearest=False).fit(returns).covariance_
    # The peer divides variances by n, in the threshold too.
    deviation = returns.std(axis=0)
    ours = gerber_correlation(returns, deviation, threshold) * np.outer(deviation, deviation)
    assert_allclose(ours, theirs, rtol=1e-10)
    assert_allclose(gerber_covariance(returns, threshold=threshold).matrix, theirs, atol=0.05 * theirs.max())


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_gerber_needs_no_repair(data):
    n_days, n_assets = data.draw(st.integers(2, 25)), data.draw(st.integers(1, 30))
    generator = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    returns = generator.standard_t(3, (n_days, n_assets))
    returns[generator.random(returns.shape) < data.draw(st.floats(0, 0.8))] = np.nan
    returns[:2] = generator.normal(size=(2, n_assets))
    if data.draw(st.booleans()):
        returns[:, 0] = 0.0
    estimate = gerber_covariance(returns, threshold=data.draw(st.floats(0.05, 0.95)))
    assert nearest_psd(estimate.matrix).distance < 1e-12


def test_an_outlier_hardly_moves_the_gerber_statistic():
    generator = np.random.default_rng(5)
    returns = generator.normal(size=(250, 1)) + generator.normal(size=(250, 2))
    before = gerber_covariance(returns).matrix
    before = before[0, 1] / np.sqrt(before[0, 0] * before[1, 1])
    returns[100] = [40.0, -40.0]
    after = gerber_covariance(returns, threshold=0.2).matrix
    after = after[0, 1] / np.sqrt(after[0, 0] * after[1, 1])
    sample = np.corrcoef(returns, rowvar=False)[0, 1]
    assert sample < 0 < after
    assert before > 0


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_denoising_degenerate_input(data):
    n_days, n_assets = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 20))
    returns = np.random.default_rng(data.draw(st.integers(0, 1000))).normal(0, 0.01, (n_days, n_assets))
    kind = data.draw(st.sampled_from(["plain", "identical", "flat", "one flat"]))
    if kind == "identical":
        returns[:] = returns[:, :1]
    elif kind == "flat":
        returns[:] = 0.0
    elif kind == "one flat":
        returns[:, 0] = 0.0
    estimate = denoised_covariance(returns)
    assert_allclose(np.diagonal(estimate.matrix), returns.var(axis=0, ddof=1), rtol=1e-9, atol=1e-30)
    assert nearest_psd(estimate.matrix).distance < 1e-10


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1])
def test_threshold_out_of_range(threshold):
    with pytest.raises(InputError, match=f"threshold {threshold} must lie between 0 and 1"):
        gerber_covariance(np.random.default_rng(0).normal(size=(20, 3)), threshold=threshold)


def test_identical_assets_stay_identical():
    returns = np.tile(np.random.default_rng(0).normal(size=(50, 1)), 3)
    for estimate in (denoised_covariance(returns), gerber_covariance(returns)):
        assert_allclose(estimate.matrix, returns[:, 0].var(ddof=1), rtol=1e-9)
