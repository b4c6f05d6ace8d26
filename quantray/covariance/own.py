"""Covariance matrices by estimators of users' own: a function, or a class as scikit-learn has them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.covariance.estimators import CovarianceEstimate
from quantray.errors import SolverError
from quantray.own import called, gaps_in, numbers, own_thing

__all__ = ["own_covariance"]

_ASYMMETRY = 1e-8
_NEGATIVE = 1e-8
"""Of the largest entry, and of the largest eigenvalue."""


def own_covariance(name: str, returns: Float, parameters: Mapping[str, Any]) -> Float:
    """(N, N) covariance of one-day returns, from (T, N) simple returns with NaN where missing.

    Parameters
    ----------
    name : ``module:name``, or as a package registers it among ``quantray.estimators``: of a function of the returns
        that gives the matrix, or of a class with ``fit(X)`` and ``covariance_``. It gets a copy of the returns.
    parameters : of the function, or of the constructor.

    Raises
    ------
    InputError
        As ``own.own_thing``, or it takes no such parameters.
    SolverError
        It raised an error, or what it gave is no covariance matrix of the assets.
    """
    told = f"estimator {name!r}"
    found = called(own_thing(name, "estimators"), returns.copy(), parameters, "covariance_", told, gaps_in(returns))
    return _checked(found.matrix if isinstance(found, CovarianceEstimate) else found, returns.shape[1], told)


def _checked(found: Any, n_assets: int, told: str) -> Float:
    matrix = numbers(found, told, f"an array ({n_assets}, {n_assets})")
    if matrix.shape != (n_assets, n_assets):
        raise SolverError(f"{told} gave {matrix.shape}; it must give ({n_assets}, {n_assets}), a row for each asset.")
    if not np.isfinite(matrix).all():
        raise SolverError(f"{told} gave {(~np.isfinite(matrix)).sum()} entries that are NaN or infinite.")
    if np.abs(matrix - matrix.T).max() > _ASYMMETRY * np.abs(matrix).max():
        raise SolverError(f"{told} gave a matrix that is not symmetric; a covariance is.")
    matrix = (matrix + matrix.T) / 2
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -_NEGATIVE * max(values[-1], 0.0) or not (np.diagonal(matrix) > 0).all():
        raise SolverError(
            f"{told} gave a matrix with smallest eigenvalue {values[0]:.3g} and smallest variance "
            f"{np.diagonal(matrix).min():.3g}; eigenvalues must be 0 or more, and variances above 0."
        )
    return matrix
