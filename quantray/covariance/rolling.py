"""A factor model of the last days' returns that moves on by a day: what a daily policy needs every morning.

The covariance of T days changes by two terms of rank one when a day comes and one goes, but a sum that is updated for
years gathers rounding, and depends on the day on which it began. The products of days with days do neither: a new day
brings T of them, each is one sum of N terms that is computed once, and the rest stays. Their T x T matrix has the
eigenvalues of the covariance. So a model is a function of its window alone, to the last bit, wherever a study began or
went on.
"""

import numpy as np
from scipy.linalg.lapack import dormqr, dstemr, dsytrd

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import DataError, InputError, SolverError

__all__ = ["RollingFactors"]

_RESIDUAL = 1e-10
"""Of the largest eigenvalue, which passes for rounding."""
_PANEL = 64
"""Columns that LAPACK transforms at a time, which is the room that it needs."""


class RollingFactors:
    """Principal components of the covariance of the last days, from day to day.

    Parameters
    ----------
    n_assets, n_days : shape of the window.
    n_factors : how many components are factors; fewer than days.
    specific_floor : least specific variance, as a share of the asset's variance.

    Raises
    ------
    InputError
        A number is out of range.

    Notes
    -----
    A day costs N T operations for its products, T^3 for the components and N T K for the loadings, and memory is
    2 T (N + 2 T) numbers. Returns must be complete: for windows with gaps there is ``factor.statistical_factors``,
    which takes components of the correlation and frees them of noise.

    Source: Connor and Korajczyk (1988), *Risk and return in an equilibrium APT: application of a new test methodology*,
    Journal of Financial Economics 21, for components from the products of days.
    """

    def __init__(self, n_assets: int, n_days: int, n_factors: int, *, specific_floor: float = 0.05) -> None:
        if n_assets < 1 or not 1 <= n_factors < n_days or not 0 <= specific_floor < 1:
            raise InputError(
                f"{n_assets} assets, {n_days} days, {n_factors} factors or a floor of {specific_floor} are out of "
                "range; there must be fewer factors than days, and a floor in [0, 1)."
            )
        self._n_days, self._n_factors, self._floor = n_days, n_factors, specific_floor
        # Twice the room, so that a window is one piece of memory and is moved only once in T days.
        self._returns = np.empty((2 * n_days, n_assets))
        self._products = np.empty((2 * n_days, 2 * n_days))
        self._stop = 0

    def add(self, returns: Float) -> None:
        """Take in one more day, or several.

        Parameters
        ----------
        returns : (N,) simple returns of a day, or (D, N) of days, oldest first.

        Raises
        ------
        InputError
            The shape is another, or a return is missing or infinite; nothing was taken in.
        """
        days = np.atleast_2d(np.asarray(returns, dtype=np.float64))
        if days.ndim != 2 or days.shape[1] != self._returns.shape[1] or not np.isfinite(days).all():
            raise InputError(
                f"returns {np.shape(returns)} must be finite and of {self._returns.shape[1]} assets; leave out assets "
                "with gaps, or use factor.statistical_factors."
            )
        for day in days[-self._n_days :]:
            self._add(day)

    def _add(self, day: Float) -> None:
        if self._stop == len(self._returns):
            kept, self._stop = slice(self._stop - self._n_days + 1, self._stop), self._n_days - 1
            self._returns[: self._stop] = self._returns[kept]
            self._products[: self._stop, : self._stop] = self._products[kept, kept]
        at, first = self._stop, max(0, self._stop + 1 - self._n_days)
        self._returns[at] = day
        # One sum after the other, so that none depends on what stands beside it.
        products = np.vecdot(self._returns[first : at + 1], day)
        self._products[at, first : at + 1] = self._products[first : at + 1, at] = products
        self._stop += 1

    @property
    def window(self) -> Float:
        """(T, N) the last days, oldest first, until more are added; fewer rows before there are so many."""
        view = self._returns[max(0, self._stop - self._n_days) : self._stop].view()
        view.flags.writeable = False
        return view

    def model(self) -> FactorModel:
        """The factor model of the window.

        Returns
        -------
        FactorModel
            Uncorrelated factors of unit variance, the first the largest; divisor T.

        Raises
        ------
        DataError
            Fewer than T days have been taken in.
        SolverError
            The components could not be certified.
        """
        window = self.window
        if len(window) < self._n_days:
            raise DataError(f"{len(window)} days were taken in; add {self._n_days - len(window)} more.")
        days = slice(self._stop - self._n_days, self._stop)
        products = self._products[days, days] / self._n_days
        mean = products.mean(axis=0)
        # About the mean of the window, without forming deviations from it.
        products -= mean + (mean - mean.mean())[:, None]
        vectors = _leading(products, self._n_factors)
        vectors -= vectors.mean(axis=0)
        loadings = window.T @ (vectors / np.sqrt(self._n_days))
        # Signs are arbitrary; a positive sum makes them reproducible and the first factor a market.
        loadings *= np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)
        variance = np.maximum(np.einsum("tn,tn->n", window, window) / self._n_days - window.mean(axis=0) ** 2, 0.0)
        specific = np.maximum(variance - np.einsum("nk,nk->n", loadings, loadings), self._floor * variance)
        names = np.array([f"statistical: {k + 1}" for k in range(self._n_factors)])
        return FactorModel(loadings, np.eye(self._n_factors), specific, names)


def _leading(matrix: Float, count: int) -> Float:
    """(T, count) eigenvectors of the largest eigenvalues, the largest first.

    Counts of signs say which eigenvalues of the tridiagonal form are the largest, so that what is left of
    ``matrix @ v - value v``, and of right angles, certifies that the vectors are theirs. Only these are transformed
    back, which takes two thirds of the time that LAPACK's own driver does.

    Source: Dhillon and Parlett (2004), *Multiple representations to compute orthogonal eigenvectors of symmetric
    tridiagonal matrices*, Linear Algebra and its Applications 387.
    """
    n = len(matrix)
    # The transpose, which is the same matrix, lies in memory as LAPACK wants it; so does the part with the reflections,
    # read from the second element on, without its last row.
    reduced, diagonal, beside, scales, failed = dsytrd(matrix.T, lower=1, lwork=n * _PANEL)
    reflections = reduced.ravel(order="F")[1 : 1 + n * (n - 1)].reshape((n, n - 1), order="F")
    found, values, vectors, lost = dstemr(diagonal, np.append(beside, 0.0), 2, 0.0, 0.0, n - count + 1, n)
    values, vectors = values[:count], vectors[:, :count]
    vectors[1:], _, missed = dormqr("L", "N", reflections, scales, vectors[1:], count * _PANEL)
    left = np.abs(matrix @ vectors - vectors * values).max()
    angles = np.abs(vectors.T @ vectors - np.eye(count)).max()
    exact = left <= _RESIDUAL * np.abs(values).max() and angles <= _RESIDUAL
    if failed or lost or missed or found != count or not exact:
        raise SolverError(f"components could not be certified: residual {left:.1g}, angles {angles:.1g}.")
    return np.ascontiguousarray(vectors[:, ::-1])
