"""The largest eigenvalues and their vectors against what is known of the matrix, and against all of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.covariance import spectrum
from quantray.covariance.spectrum import Spectrum


def known(values, seed=0):
    """A symmetric matrix of given eigenvalues."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("n", [1, 2, 60, 101, 150])
@pytest.mark.parametrize("count", [1, 7, 40])
def test_eigenvalues_that_are_known(n, count):
    count = min(count, n)
    values = np.sort(np.random.default_rng(n).exponential(size=n))[::-1]
    found = Spectrum(known(values))
    leading = found.leading(count)
    assert_allclose(found.values(count), values[:count], rtol=1e-12, atol=1e-13)
    assert_allclose(leading.values, values[:count], rtol=1e-12, atol=1e-13)
    assert_allclose(known(values) @ leading.vectors, leading.vectors * values[:count], atol=1e-12)
    assert_allclose(leading.vectors.T @ leading.vectors, np.eye(count), atol=1e-13)


@pytest.mark.parametrize(
    "values",
    [np.zeros(130), np.ones(130), np.repeat([3.0, 2.0, 1.0], [10, 20, 100]), 1.0 + 1e-14 * np.arange(130)],
    ids=["none", "one", "three", "near each other"],
)
def test_eigenvalues_that_are_shared(values):
    matrix, expected = known(values), np.sort(values)[::-1]
    for count in (1, 15, 25):
        leading = Spectrum(matrix).leading(count)
        assert_allclose(leading.values, expected[:count], atol=1e-12)
        assert_allclose(matrix @ leading.vectors, leading.vectors * expected[:count], atol=1e-12)
        assert_allclose(leading.vectors.T @ leading.vectors, np.eye(count), atol=1e-12)


def test_what_cannot_be_certified_is_decomposed_whole(monkeypatch):
    matrix = known(np.arange(120.0))
    sound = Spectrum(matrix).leading(5)
    monkeypatch.setattr(spectrum, "_RESIDUAL", 0.0)
    whole = Spectrum(matrix).leading(5)
    values, vectors = np.linalg.eigh(matrix)
    assert_array_equal(whole.vectors, vectors[:, ::-1][:, :5])
    assert_array_equal(whole.values, values[::-1][:5])
    assert_allclose(np.abs(np.sum(sound.vectors * whole.vectors, axis=0)), 1.0, rtol=1e-12)
