"""Covariance matrices of simple returns: sample, exponentially weighted, Ledoit-Wolf; and the nearest PSD matrix.

Missing returns follow one of three named rules:

* ``available`` (default): each asset is centred on the days it has; other days count as zero, and variances are
  rescaled to the days each asset has. The result is positive semidefinite by construction, and equals the ordinary
  estimate where nothing is missing. Correlations of assets that overlap little are pulled to zero.
* ``complete``: only days on which every asset has a return.
* ``refuse``: an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.covariance import ledoit_wolf

from quantray.arrays import Float, finite_square
from quantray.errors import DataError, InputError, SolverError

__all__ = [
    "ESTIMATORS",
    "CovarianceEstimate",
    "Missing",
    "PsdRepair",
    "ewma_covariance",
    "ledoit_wolf_covariance",
    "nearest_psd",
    "sample_covariance",
]

Missing = Literal["available", "complete", "refuse"]


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
    centred, scale, share = _centred(returns, missing, None)
    matrix = centred.T @ centred / (len(centred) - 1)
    return CovarianceEstimate(_rescaled(matrix, scale), "sample", len(centred), missing_share=share)


def ewma_covariance(returns: Float, *, decay: float = 0.94, missing: Missing = "available") -> CovarianceEstimate:
    """The exponentially weighted covariance about the weighted mean; the last row weighs most.

    Parameters
    ----------
    returns : (T, N) simple returns, oldest first; NaN where missing.
    decay : weight of a day relative to the next, between 0 and 1.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``; also a decay out of range.

    Source: J.P. Morgan/Reuters (1996), *RiskMetrics Technical Document*, 4th ed., ch. 5.
    """
    if not 0 < decay < 1:
        raise InputError(f"decay {decay} must lie between 0 and 1; RiskMetrics uses 0.94 for daily returns.")
    weights = decay ** np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    centred, scale, share = _centred(returns, missing, weights / weights.sum())
    # Rows under ``complete`` are fewer than the input's; _centred has multiplied each by the root of its weight.
    return CovarianceEstimate(_rescaled(centred.T @ centred, scale), "ewma", len(centred), missing_share=share)


def ledoit_wolf_covariance(returns: Float, *, missing: Missing = "available") -> CovarianceEstimate:
    """The sample covariance (divisor n) shrunk to a multiple of the identity, with the intensity of Ledoit and Wolf.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.

    Raises
    ------
    InputError, DataError
        As ``sample_covariance``.

    Source: Ledoit and Wolf (2004), *A well-conditioned estimator for large-dimensional covariance matrices*,
    Journal of Multivariate Analysis 88; computed by scikit-learn.
    """
    centred, scale, share = _centred(returns, missing, None)
    # Rescale before shrinking: the target's size is the mean variance of the true, not the zero-filled, returns.
    matrix, shrinkage = ledoit_wolf(centred * scale, assume_centered=True)
    return CovarianceEstimate(matrix, "ledoit_wolf", len(centred), float(shrinkage), share)


ESTIMATORS: dict[str, Callable[..., CovarianceEstimate]] = {
    "sample": sample_covariance,
    "ewma": ewma_covariance,
    "ledoit_wolf": ledoit_wolf_covariance,
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


def _centred(returns: Float, missing: Missing, weights: Float | None) -> tuple[Float, Float, float]:
    """Centred returns with gaps as zeros, the factor that makes up for the gaps, and the share of gaps.

    With weights, rows come multiplied by the root of their weight and the centre is the weighted mean.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or returns.shape[1] == 0:
        raise InputError(f"returns are {returns.shape}; they must be (T, N) with at least one asset.")
    if np.isinf(returns).any():
        raise InputError("returns hold infinite values; a price of zero is the usual cause.")
    known = ~np.isnan(returns)
    share = 1 - known.mean() if known.size else 0.0
    if missing not in ("available", "complete", "refuse"):
        raise InputError(f"missing {missing!r} is not one of available, complete, refuse.")
    if share and missing == "refuse":
        raise InputError(f"{share:.1%} of the returns are missing; choose missing='available' or 'complete'.")
    if missing == "complete":
        rows = known.all(axis=1)
        returns, known = returns[rows], known[rows]
        weights = None if weights is None else weights[rows] / max(weights[rows].sum(), np.finfo(float).tiny)
    counts = known.sum(axis=0)
    if len(returns) < 2 or (counts < 2).any():
        worst = int(np.argmin(counts))
        raise DataError(f"asset {worst} has {counts[worst]} returns in {len(returns)} days; at least 2 are needed.")
    filled = np.where(known, returns, 0.0)
    if weights is None:
        centred = np.where(known, filled - filled.sum(axis=0) / counts, 0.0)
        return centred, np.sqrt((len(returns) - 1) / (counts - 1)), float(share)
    total = weights @ known
    if (total <= 0).any():
        gone = int(np.argmin(total))
        raise DataError(f"asset {gone} has no return recent enough to weigh anything; drop it or raise the decay.")
    centred = np.where(known, filled - weights @ filled / total, 0.0) * np.sqrt(weights)[:, None]
    return centred, 1 / np.sqrt(total), float(share)


def _rescaled(matrix: Float, scale: Float) -> Float:
    return matrix if (scale == 1).all() else matrix * np.outer(scale, scale)
