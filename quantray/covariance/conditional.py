"""Covariances per regime, from the probabilities of the regimes on each day, and their mixture for a forecast."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.covariance.gaps import Missing, centred_returns
from quantray.errors import DataError, InputError

__all__ = ["ConditionalCovariance", "conditional_covariance"]


@dataclass(frozen=True, eq=False)
class ConditionalCovariance:
    """Mean and covariance of returns in each of R regimes."""

    matrices: Float
    """(R, N, N), of returns over one period, positive semidefinite."""
    means: Float
    """(R, N)."""
    pooled: Float
    """(N, N) over all days, whatever the regime."""
    effective_days: Float
    """(R,) days that would say as much if all had the same weight: ``sum(p)**2 / sum(p**2)``."""
    shrinkage: Float
    """(R,) weight of the pooled matrix in each regime's, 0 to 1."""
    missing_share: float

    def mixed(self, probabilities: Float, *, between: bool = True) -> Float:
        """(N, N) covariance when only the probabilities of the regimes are known.

        Parameters
        ----------
        probabilities : (R,) not negative, of sum one.
        between : whether to add what the regimes' different means contribute, ``sum p (m - mean)(m - mean)'``.

        Raises
        ------
        InputError
            Not one probability per regime, or not of sum one.
        """
        given = np.asarray(probabilities, dtype=np.float64)
        if given.shape != (len(self.means),) or not (given >= 0).all() or abs(given.sum() - 1) > 1e-6:
            raise InputError(f"probabilities {given.tolist()} must be {len(self.means)} of sum one, none negative.")
        out = np.tensordot(given, self.matrices, axes=1)
        if between:
            apart = (self.means - given @ self.means) * np.sqrt(given)[:, None]
            out = out + apart.T @ apart
        return np.asarray(out)


def conditional_covariance(
    returns: Float, probabilities: Float, *, prior_days: float = 0.0, missing: Missing = "available"
) -> ConditionalCovariance:
    """Weigh each day by the probability of a regime, for every regime.

    Parameters
    ----------
    returns : (T, N) simple returns; NaN where missing.
    probabilities : (T, R) of each regime on each day, rows of sum one. For decisions they must be filtered, that is
        known on the day; smoothed ones know the future.
    prior_days : days that the pooled matrix counts for in each regime. Its weight there is
        ``prior_days / (prior_days + effective_days)``, so rare regimes are shrunk more; 0 for none.

    Raises
    ------
    InputError
        Shapes disagree, rows are no probabilities, ``prior_days`` is negative, or missing values under ``refuse``.
    DataError
        A regime has fewer than two effective days and no prior, or an asset has no return in it.

    Source: the weighted likelihood of a Gaussian mixture (McLachlan and Peel 2000, *Finite Mixture Models*, ch. 3)
    with unbiased weights; the shrinkage is the posterior mean under an inverse Wishart prior.
    """
    returns = np.asarray(returns, dtype=np.float64)
    weights_tr = _checked(returns, probabilities)
    if not 0 <= prior_days < np.inf:
        raise InputError(f"prior_days {prior_days} must not be negative.")
    n_days = len(returns)
    pooled, _, share = _weighted(returns, np.full(n_days, 1 / max(n_days, 1)), missing)
    days = weights_tr.sum(axis=0) ** 2 / np.maximum((weights_tr**2).sum(axis=0), np.finfo(float).tiny)
    intensity = prior_days / (prior_days + days) if prior_days > 0 else np.zeros(len(days))
    matrices, means = np.empty((len(days), *pooled.shape)), np.empty((len(days), len(pooled)))
    for regime, weight in enumerate(weights_tr.T):
        if days[regime] < 2 and prior_days == 0:
            raise DataError(
                f"regime {regime} has {days[regime]:.1f} effective days; give prior_days or merge it with another."
            )
        if days[regime] < 2:
            matrices[regime], means[regime], intensity[regime] = pooled, np.nanmean(returns, axis=0), 1.0
            continue
        own, means[regime], _ = _weighted(returns, weight / weight.sum(), missing)
        matrices[regime] = (1 - intensity[regime]) * own + intensity[regime] * pooled
    return ConditionalCovariance(matrices, means, pooled, days, intensity, share)


def _weighted(returns: Float, weights: Float, missing: Missing) -> tuple[Float, Float, float]:
    """Unbiased weighted covariance, mean, and share of missing returns."""
    centred = centred_returns(returns, missing, weights)
    if missing == "complete":
        rows = ~np.isnan(returns).any(axis=1)
        returns, weights = returns[rows], weights[rows] / weights[rows].sum()
    total = weights @ centred.known
    # One less the sum of squared weights is what (n - 1) / n is to equal ones.
    left = 1 - weights**2 @ centred.known / total**2
    if (left <= 1e-12).any():
        gone = int(np.argmin(left))
        raise DataError(f"asset {gone} has one day that counts in some regime; drop it or use fewer regimes.")
    values = centred.values * (centred.scale / np.sqrt(left))
    mean = weights @ np.where(centred.known, returns, 0.0) / total
    return values.T @ values, mean, centred.missing_share


def _checked(returns: Float, probabilities: Float) -> Float:
    given = np.asarray(probabilities, dtype=np.float64)
    if returns.ndim != 2 or given.ndim != 2 or len(given) != len(returns) or given.shape[1] == 0:
        raise InputError(f"returns {returns.shape} and probabilities {given.shape} must be (T, N) and (T, R).")
    if not (given >= 0).all() or (np.abs(given.sum(axis=1) - 1) > 1e-6).any():
        bad = int(np.argmax(~((given >= 0).all(axis=1) & (np.abs(given.sum(axis=1) - 1) <= 1e-6))))
        raise InputError(
            f"row {bad} of the probabilities is {given[bad].tolist()}; it must have sum one, none negative."
        )
    return given
