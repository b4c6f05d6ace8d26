"""Covariance matrices of simple returns by name, and the nearest positive semidefinite matrix.

Missing returns follow one of the three rules of ``gaps``: ``available`` (default), ``complete`` and ``refuse``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from quantray.arrays import Float, finite_square
from quantray.covariance.denoising import denoised_correlation, gerber_correlation
from quantray.covariance.gaps import Centred, Missing, centred_returns
from quantray.covariance.shrinkage import to_constant_correlation, to_single_factor
from quantray.errors import InputError, SolverError

__all__ = [
    "ESTIMATORS",
    "CovarianceEstimate",
    "PsdRepair",
    "Target",
    "denoised_covariance",
    "ewma_covariance",
    "gerber_covariance",
    "ledoit_wolf_covariance",
    "nearest_psd",
    "oas_covariance",
    "sample_covariance",
]

Target = Literal["identity", "constant_correlation", "single_factor"]


@dataclass(frozen=True, eq=False)
class CovarianceEstimate:
    """A covariance matrix and how it came about."""

    matrix: Float
    """(N, N), of returns over one period of the input, positive semidefinite."""
    method: str
    n_days: int
    """Rows that were used."""
    shrinkage: float = 0.0
    """Weight of the target, 0 to 1; 0 where nothing was shrunk."""
    missing_share: float = 0.0
    """Share of the returns that were missing."""
    notes: tuple[str, ...] = ()
    """What the estimator decided, for the reader."""


@dataclass(frozen=True, eq=False)
class PsdRepair:
    """The result of ``nearest_psd``."""

    matrix: Float
    """(N, N) positive semidefinite."""
    method: str
    """``none`` when the input was positive semidefinite already, else the method used."""
    smallest_eigenvalue: float
    """Of the input."""
    distance: float
    """Frobenius norm of the change, relative to the input's."""


def sample_covariance(returns: Float, *, missing: Missing = "available") -> CovarianceEstimate:
    """The sample covariance with divisor n - 1.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.

    Raises
    ------
    InputError
        Not a (T, N) array, infinite values, or missing values under ``refuse``.
    DataError
        An asset has fewer than two returns, or fewer than two complete days.
    """
    centred = centred_returns(returns, missing)
    matrix = centred.values.T @ centred.values
    matrix /= len(centred.values) - 1
    return _estimate(_rescaled(matrix, centred.scale), "sample", centred)


def ewma_covariance(
    returns: Float, *, decay: float = 0.94, half_life: float | None = None, missing: Missing = "available"
) -> CovarianceEstimate:
    """The exponentially weighted covariance about the weighted mean; the last row weighs most.

    Parameters
    ----------
    returns : (T, N) simple returns, oldest first; NaN where missing.
    decay : weight of a day relative to the next, between 0 and 1.
    half_life : days after which a weight has halved; given, it takes the place of ``decay``.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``; also a decay or half-life out of range.

    Source: J.P. Morgan/Reuters (1996), *RiskMetrics Technical Document*, 4th ed., ch. 5.
    """
    if half_life is not None:
        if not 0 < half_life < np.inf:
            raise InputError(f"half_life {half_life} must be a positive number of days; a decay of 0.94 halves in 11.")
        decay = 0.5 ** (1 / half_life)
    if not 0 < decay < 1:
        raise InputError(f"decay {decay} must lie between 0 and 1; RiskMetrics uses 0.94 for daily returns.")
    weights = decay ** np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    # Rows under ``complete`` are fewer than the input's; each comes multiplied by the root of its weight.
    centred = centred_returns(returns, missing, weights / weights.sum())
    return _estimate(_rescaled(centred.values.T @ centred.values, centred.scale), "ewma", centred)


def ledoit_wolf_covariance(
    returns: Float, *, target: Target = "identity", missing: Missing = "available"
) -> CovarianceEstimate:
    """The sample covariance (divisor n) shrunk to a target, with the intensity of Ledoit and Wolf.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.
    target : ``identity`` (a multiple of it), ``constant_correlation`` (the sample's variances, one correlation) or
        ``single_factor`` (the sample's variances, covariances through the equally weighted market).

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``; also an unknown target.

    Source: Ledoit and Wolf (2004), *A well-conditioned estimator for large-dimensional covariance matrices*,
    Journal of Multivariate Analysis 88, computed by scikit-learn; for the other targets see ``shrinkage``.
    """
    if target not in ("identity", "constant_correlation", "single_factor"):
        raise InputError(f"target {target!r} is not one of identity, constant_correlation, single_factor.")
    centred = centred_returns(returns, missing)
    # Rescale before shrinking: the target's size is the mean variance of the true, not the zero-filled, returns.
    if target == "identity":
        # Half of the time that quantray would take to start.
        from sklearn.covariance import ledoit_wolf  # noqa: PLC0415

        matrix, shrinkage = ledoit_wolf(centred.filled, assume_centered=True)
        return _estimate(matrix, "ledoit_wolf", centred, float(shrinkage))
    shrunk = (to_constant_correlation if target == "constant_correlation" else to_single_factor)(centred.filled)
    return _estimate(shrunk.matrix, f"ledoit_wolf_{target}", centred, shrunk.intensity)


def oas_covariance(returns: Float, *, missing: Missing = "available") -> CovarianceEstimate:
    """The sample covariance (divisor n) shrunk to a multiple of the identity, best for Gaussian returns.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``.

    Source: Chen, Wiesel, Eldar and Hero (2010), *Shrinkage algorithms for MMSE covariance estimation*, IEEE
    Transactions on Signal Processing 58; computed by scikit-learn.
    """
    centred = centred_returns(returns, missing)
    from sklearn.covariance import oas  # noqa: PLC0415

    matrix, shrinkage = oas(centred.filled, assume_centered=True)
    return _estimate(matrix, "oas", centred, float(shrinkage))


def denoised_covariance(returns: Float, *, missing: Missing = "available") -> CovarianceEstimate:
    """The sample covariance whose correlations were cleared of Marchenko-Pastur noise; variances stay.

    The notes say how many eigenvalues were kept and how large the noise was.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``.

    Source: see ``denoising.denoised_correlation``.
    """
    centred = centred_returns(returns, missing)
    filled = centred.filled
    deviation = np.sqrt(np.einsum("tn,tn->n", filled, filled) / (len(filled) - 1))
    unit = np.divide(filled, deviation, out=np.zeros_like(filled), where=deviation > 0)
    denoised = denoised_correlation(unit.T @ unit / (len(filled) - 1), centred.days)
    note = (
        f"kept {denoised.n_signals} of {len(deviation)} eigenvalues; "
        f"noise is {denoised.noise_variance:.0%} of the variance of an asset"
    )
    matrix = denoised.matrix * np.outer(deviation, deviation)
    return _estimate(matrix, "denoised", centred, notes=(note,))


def gerber_covariance(returns: Float, *, threshold: float = 0.5, missing: Missing = "available") -> CovarianceEstimate:
    """The sample's variances with correlations that count joint moves, which outliers and small noise do not change.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.
    threshold : standard deviations from the mean that make a move, between 0 and 1.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``; also a threshold out of range.

    Source: see ``denoising.gerber_correlation``.
    """
    centred = centred_returns(returns, missing)
    filled = centred.filled
    deviation = np.sqrt(np.einsum("tn,tn->n", filled, filled) / (len(filled) - 1))
    correlation = gerber_correlation(centred.values, deviation, threshold)
    return _estimate(correlation * np.outer(deviation, deviation), "gerber", centred)


ESTIMATORS: dict[str, Callable[..., CovarianceEstimate]] = {
    "sample": sample_covariance,
    "ewma": ewma_covariance,
    "ledoit_wolf": ledoit_wolf_covariance,
    "ledoit_wolf_constant_correlation": partial(ledoit_wolf_covariance, target="constant_correlation"),
    "ledoit_wolf_single_factor": partial(ledoit_wolf_covariance, target="single_factor"),
    "oas": oas_covariance,
    "denoised": denoised_covariance,
    "gerber": gerber_covariance,
}
"""Estimators by the names that settings use."""


def nearest_psd(matrix: Float, *, method: Literal["clip", "higham"] = "clip") -> PsdRepair:
    """The nearest positive semidefinite matrix in the Frobenius norm, or the nearest that keeps the variances.

    Parameters
    ----------
    matrix : (N, N) symmetric.
    method : ``clip`` sets negative eigenvalues to zero (the nearest matrix); ``higham`` alternates projections so
        that the diagonal stays as it is.

    Raises
    ------
    InputError
        Not square, symmetric and finite; an unknown method; or, for ``higham``, a variance is not positive.
    SolverError
        ``higham`` did not settle within its iterations.

    Source: Higham (2002), *Computing the nearest correlation matrix*, IMA Journal of Numerical Analysis 22.
    """
    matrix = finite_square(matrix, "matrix")
    if method not in ("clip", "higham"):
        raise InputError(f"method {method!r} is not one of clip, higham.")
    values, vectors = np.linalg.eigh(matrix)
    norm = max(float(np.linalg.norm(matrix)), np.finfo(float).tiny)
    if values[0] >= -1e-12 * max(values[-1], 0.0):
        return PsdRepair(matrix, "none", float(values[0]), 0.0)
    repaired = (vectors * np.maximum(values, 0.0)) @ vectors.T if method == "clip" else _higham(matrix)
    repaired = (repaired + repaired.T) / 2
    return PsdRepair(repaired, method, float(values[0]), float(np.linalg.norm(repaired - matrix)) / norm)


def _higham(matrix: Float, *, tolerance: float = 1e-10, most: int = 500) -> Float:
    deviation = np.sqrt(np.diagonal(matrix))
    if not (deviation > 0).all():
        raise InputError("higham keeps variances, so all must be positive; use method='clip'.")
    current = matrix / np.outer(deviation, deviation)
    correction = np.zeros_like(current)
    for _ in range(most):
        target = current - correction
        values, vectors = np.linalg.eigh(target)
        projected = (vectors * np.maximum(values, 0.0)) @ vectors.T
        correction = projected - target
        before, current = current, projected.copy()
        np.fill_diagonal(current, 1.0)
        if np.linalg.norm(current - before) <= tolerance * len(matrix):
            break
    else:
        raise SolverError(f"higham did not settle in {most} iterations; use method='clip', which needs none.")
    # The last step sets the diagonal, which may leave an eigenvalue of the order of the tolerance below zero;
    # mixing in the identity keeps the diagonal and lifts it.
    low = min(float(np.linalg.eigvalsh(current)[0]), 0.0)
    mixed = (current - low * np.eye(len(current))) / (1 - low)
    return np.asarray(mixed * np.outer(deviation, deviation))


def _estimate(
    matrix: Float, method: str, centred: Centred, shrinkage: float = 0.0, notes: tuple[str, ...] = ()
) -> CovarianceEstimate:
    return CovarianceEstimate(matrix, method, len(centred.values), shrinkage, centred.missing_share, notes)


def _rescaled(matrix: Float, scale: Float) -> Float:
    return matrix if (scale == 1).all() else matrix * np.outer(scale, scale)
