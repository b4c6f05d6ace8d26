"""Expected returns that mix what the market implies with an investor's views (Black and Litterman)."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import Covariance, checked, product, variances, vector

__all__ = ["Posterior", "Views", "equilibrium_returns", "posterior"]


@dataclass(frozen=True, eq=False)
class Views:
    """What an investor believes of some portfolios: ``portfolios @ returns`` is ``returns``, more or less.

    Without ``variances`` or ``confidences`` a view is as uncertain as the prior says its portfolio is
    (omega = tau p' covariance p), as in He and Litterman.

    Parameters
    ----------
    portfolios : (V, N); an absolute view has a single 1 in its row, a relative one has longs that sum to 1 and shorts
        that sum to -1.
    returns : (V,) expected excess returns of these portfolios, over the period of the covariance.
    variances : (V,) of the errors of the views, not negative; independent of each other.
    confidences : (V,) from 0 (the view is ignored) to 1 (it holds exactly), instead of variances. A single view then
        moves the return of its portfolio by that share of the way from the prior to the view (Idzorek).

    Raises
    ------
    InputError
        Shapes disagree, a number is missing or out of range, a view is about no asset, or variances and confidences
        are both given.
    """

    portfolios: Float
    returns: Float
    variances: Float | None = None
    confidences: Float | None = None

    def __post_init__(self) -> None:
        portfolios = np.asarray(self.portfolios, dtype=np.float64)
        if portfolios.ndim != 2 or not np.isfinite(portfolios).all():
            raise InputError(f"view portfolios are {portfolios.shape}; they must be (V, N) finite weights.")
        if not portfolios.any(axis=1).all():
            raise InputError(f"view {int(np.argmin(portfolios.any(axis=1)))} is about no asset; drop it.")
        object.__setattr__(self, "portfolios", portfolios)
        for name in ("returns", "variances", "confidences"):
            values = getattr(self, name)
            if values is not None:
                values = np.asarray(values, dtype=np.float64)
                if values.shape != (len(portfolios),) or not np.isfinite(values).all():
                    raise InputError(
                        f"{name} of {len(portfolios)} views are {values.shape}; give one finite number each."
                    )
                object.__setattr__(self, name, values)
        if self.variances is not None and self.confidences is not None:
            raise InputError("give variances or confidences of views, not both.")
        if self.variances is not None and (self.variances < 0).any():
            raise InputError(f"{int((self.variances < 0).sum())} variances of views are negative.")
        if self.confidences is not None and ((self.confidences < 0) | (self.confidences > 1)).any():
            raise InputError("confidences of views must lie between 0 (ignored) and 1 (certain).")


@dataclass(frozen=True, eq=False)
class Posterior:
    """Expected returns and their covariance after the views."""

    mean: Float
    """(N,) expected excess returns."""
    prior: Covariance
    """Of returns, as given."""
    tau: float
    reduction: Float
    """(N, V) root of what the views took off the uncertainty of the mean."""

    def apply(self, weights: Float) -> Float:
        """The posterior covariance of returns times (N,) weights, or times each column of (N, M)."""
        return np.asarray((1 + self.tau) * product(self.prior, weights) - self.reduction @ (self.reduction.T @ weights))

    def covariance(self) -> Float:
        """The (N, N) posterior covariance of returns: of returns about their mean, plus of the mean.

        An optimiser for thousands of names takes the prior covariance instead; the two differ by tau at most.
        """
        dense = self.prior.dense() if isinstance(self.prior, FactorModel) else self.prior
        return np.asarray((1 + self.tau) * dense - self.reduction @ self.reduction.T)


def equilibrium_returns(covariance: Covariance, market_weights: Float, risk_aversion: float = 2.5) -> Float:
    """The excess returns at which the market portfolio is optimal: ``risk_aversion * covariance @ market_weights``.

    Parameters
    ----------
    covariance : (N, N) of returns, or a factor model of N assets.
    market_weights : (N,), by capitalisation.
    risk_aversion : of the average investor, positive.

    Returns
    -------
    (N,) over the period of the covariance.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, the shapes disagree, a weight is missing, or the risk
        aversion is not positive.

    Source: Black and Litterman (1992), *Global portfolio optimization*, Financial Analysts Journal 48(5).
    """
    covariance = checked(covariance)
    if not 0 < risk_aversion < np.inf:
        raise InputError(f"risk aversion {risk_aversion} must be positive; 2.5 is customary.")
    weights = vector(market_weights, len(variances(covariance)), "market weights")
    return np.asarray(risk_aversion * product(covariance, weights))


def posterior(covariance: Covariance, prior: Float, views: Views, *, tau: float = 0.05) -> Posterior:
    """Mix prior expected returns with views, each by its certainty.

    Only (V, V) systems are solved, so thousands of assets cost little, and views that are certain need no inverse of
    their uncertainty.

    Parameters
    ----------
    covariance : (N, N) of returns, or a factor model of N assets.
    prior : (N,) expected excess returns without views; see ``equilibrium_returns``.
    views : over the same N assets.
    tau : variance of the prior mean relative to that of returns, positive.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, the shapes disagree, a number is missing, tau is not
        positive, or certain views contradict each other or concern a portfolio without risk.

    Source: He and Litterman (1999), *The intuition behind Black-Litterman model portfolios*; for confidences Idzorek
    (2005), *A step-by-step guide to the Black-Litterman model*, in the closed form of Walters (2014).
    """
    covariance = checked(covariance)
    n_assets = len(variances(covariance))
    prior = vector(prior, n_assets, "prior returns")
    if views.portfolios.shape[1] != n_assets:
        raise InputError(f"views are over {views.portfolios.shape[1]} assets and the covariance over {n_assets}.")
    if not 0 < tau < np.inf:
        raise InputError(f"tau {tau} must be positive; 0.05 is customary.")
    # A confidence of zero is an infinite variance: the view says nothing.
    heard = np.ones(len(views.returns), dtype=bool) if views.confidences is None else views.confidences > 0
    portfolios = views.portfolios[heard]
    spread = tau * product(covariance, portfolios.T)
    between = portfolios @ spread
    surprise = views.returns[heard] - portfolios @ prior
    uncertainty = _uncertainty(views, heard, np.diagonal(between))
    root = _inverse_root(between + np.diag(uncertainty), surprise)
    reduction = spread @ root
    return Posterior(prior + reduction @ (root.T @ surprise), covariance, tau, reduction)


def _uncertainty(views: Views, heard: np.ndarray, prior_variance: Float) -> Float:
    """(V,) variances of the errors of the views."""
    if views.variances is not None:
        return views.variances
    if views.confidences is not None:
        confidences = views.confidences[heard]
        return np.asarray(prior_variance * (1 - confidences) / confidences)
    return prior_variance


def _inverse_root(matrix: Float, surprise: Float) -> Float:
    """R with R R' the pseudo-inverse of the covariance of the views' surprises.

    Views that repeat each other with certainty make it singular, which is harmless while they agree.
    """
    if not len(matrix):
        return np.zeros((0, 0))
    deviation = np.sqrt(np.diagonal(matrix))
    if not (deviation > 0).all():
        raise InputError("a certain view concerns a portfolio without risk, which the prior determines; drop the view.")
    values, vectors = np.linalg.eigh(matrix / np.outer(deviation, deviation))
    kept = values > 1e-10 * values[-1]
    missed = vectors[:, ~kept].T @ (surprise / deviation)
    if (np.abs(missed) > 1e-7 * max(1.0, float(np.abs(surprise / deviation).max()))).any():
        raise InputError("certain views contradict each other; lower the confidence of one of them.")
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])) / deviation[:, None])
