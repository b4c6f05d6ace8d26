"""Quadratic problems whose only constraint is that nothing is sold short.

Minimum variance, maximum diversification and the maximum Sharpe ratio, long only, are all this problem up to scale.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import nnls

from quantray.arrays import Bool, Float
from quantray.errors import SolverError

__all__ = ["nonnegative_minimum", "unconstrained_minimum"]

MOST_EXCHANGES = 60
FIRST = 10
RIDGE = 1e-9
EPS = float(np.finfo(float).eps)


def unconstrained_minimum(matrix: Float, linear: Float) -> Float:
    """(N,) x that minimises ``x' matrix x / 2 - linear' x``.

    Raises
    ------
    SolverError
        The matrix is not positive definite, so that no single solution exists.
    """
    try:
        factor = cho_factor(matrix, check_finite=False)
    except LinAlgError as error:
        raise SolverError(_SINGULAR) from error
    # Cholesky's method gets through a singular matrix when rounding lifts it a little above zero.
    if float(np.diagonal(factor[0]).min()) ** 2 <= 1e-12 * float(np.diagonal(matrix).max()):
        raise SolverError(_SINGULAR)
    return np.asarray(cho_solve(factor, linear, check_finite=False))


_SINGULAR = "the covariance is singular, so weights without limits are not unique; shrink it or ask for long_only."


def nonnegative_minimum(matrix: Float, linear: Float) -> Float:
    """(N,) x >= 0 that minimises ``x' matrix x / 2 - linear' x``.

    Whole sets of assets enter and leave at once (block principal pivoting), which takes a dozen factorisations of the
    assets held; where that does not settle, Lawson and Hanson's method follows. Each variance is raised by 1e-9 of
    itself, which makes the solution unique: identical assets share alike, and a perfect hedge keeps a finite size.

    Parameters
    ----------
    matrix : (N, N) positive semidefinite with a diagonal of ones.
    linear : (N,) with at least one positive number.

    Raises
    ------
    SolverError
        The matrix is not positive semidefinite, or the conditions of optimality are not met.

    Source: Portugal, Judice and Vicente (1994), *A comparison of block pivoting and interior-point algorithms for
    linear least squares problems with nonnegative variables*, Mathematics of Computation 63.
    """
    n_assets = len(matrix)
    matrix = matrix.copy()
    matrix[np.diag_indices(n_assets)] += RIDGE
    solution = _block_pivots(matrix, linear)
    if solution is None:
        solution = _lawson_hanson(matrix, linear)
    slack = matrix @ solution - linear
    size = float(np.abs(linear).max())
    allowed = 1e-6 * size + n_assets * EPS * float(solution.sum())
    if np.abs(slack[solution > 0]).max(initial=0) > allowed or slack.min() < -allowed:
        raise SolverError("no long-only solution within 1e-6; the covariance is nearly singular: shrink it.")
    return solution


def _block_pivots(matrix: Float, linear: Float) -> Float | None:
    """The solution, or None where exchanging sets did not settle.

    The set of assets held at most doubles at a time: solutions hold few of many correlated assets, and a set larger
    than the rank of the matrix would have arbitrary signs.
    """
    free = np.zeros(len(linear), dtype=bool)
    size = float(np.abs(linear).max())
    for _ in range(MOST_EXCHANGES):
        solution = _on(free, matrix, linear)
        slack = matrix @ solution - linear
        leaving = free & (solution < 0)
        entering = np.flatnonzero(~free & (slack < -8 * EPS * (np.abs(solution).sum() + size)))
        if not leaving.any() and not len(entering):
            return solution
        most = max(FIRST, int(free.sum()))
        free &= ~leaving
        free[entering[np.argsort(slack[entering], kind="stable")[:most]]] = True
    return None


def _on(free: Bool, matrix: Float, linear: Float) -> Float:
    """The minimum with the other assets at zero."""
    solution = np.zeros(len(linear))
    if free.any():
        try:
            factor = cho_factor(matrix[np.ix_(free, free)], overwrite_a=True, check_finite=False)
        except LinAlgError as error:
            raise SolverError(
                "the covariance is not positive semidefinite; repair it with estimators.nearest_psd."
            ) from error
        solution[free] = cho_solve(factor, linear[free], check_finite=False)
    return solution


def _lawson_hanson(matrix: Float, linear: Float) -> Float:
    """The same minimum as a nonnegative least squares problem in the root of the matrix."""
    try:
        upper = np.linalg.cholesky(matrix).T
        solution, _ = nnls(upper, np.linalg.solve(upper.T, linear), maxiter=20 * len(linear))
    except (RuntimeError, LinAlgError) as error:
        raise SolverError(f"no long-only solution: {error}; shrink the covariance.") from error
    # Its conditions hold to its own tolerance; solving once more on its support makes them hold to rounding.
    polished = _on(solution > 0, matrix, linear)
    return polished if (polished >= 0).all() else np.asarray(solution)
