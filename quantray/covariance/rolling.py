"""A factor model of the last days' returns that moves on by a day: what a daily policy needs every morning.

The covariance of T days changes by two terms of rank one when a day comes and one goes, but a sum that is updated for
years gathers rounding, and depends on the day on which it began. The products of days with days do neither: a new day
brings T of them, each is one sum of N terms that is computed once, and the rest stays. Their T x T matrix has the
eigenvalues of the covariance. So a model is a function of its window alone, to the last bit, wherever a study began or
went on.
"""

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.covariance.spectrum import Spectrum
from quantray.errors import DataError, InputError

__all__ = ["RollingFactors"]


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
        """
        window = self.window
        if len(window) < self._n_days:
            raise DataError(f"{len(window)} days were taken in; add {self._n_days - len(window)} more.")
        days = slice(self._stop - self._n_days, self._stop)
        products = self._products[days, days] / self._n_days
        mean = products.mean(axis=0)
        # About the mean of the window, without forming deviations from it.
        products -= mean + (mean - mean.mean())[:, None]
        vectors = Spectrum(products).leading(self._n_factors).vectors
        vectors -= vectors.mean(axis=0)
        loadings = window.T @ (vectors / np.sqrt(self._n_days))
        # Signs are arbitrary; a positive sum makes them reproducible and the first factor a market.
        loadings *= np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)
        variance = np.maximum(np.einsum("tn,tn->n", window, window) / self._n_days - window.mean(axis=0) ** 2, 0.0)
        specific = np.maximum(variance - np.einsum("nk,nk->n", loadings, loadings), self._floor * variance)
        names = np.array([f"statistical: {k + 1}" for k in range(self._n_factors)])
        return FactorModel(loadings, np.eye(self._n_factors), specific, names)
