"""Value-at-risk and expected shortfall: how much is lost on a bad day, on average beyond it, and by which positions.

Losses are positive fractions of NAV. A level of 0.99 means that one day in a hundred is worse. The value-at-risk is the
loss at the level; the expected shortfall is the mean of the losses beyond it, and never smaller. Estimates from returns
take a history as long as the level needs; those from a covariance take a mean of zero, as is usual for a day.
"""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.portfolio.contributions import Covariance, checked, product, risk_contributions, variances, vector
from quantray.risk.forecasting.averaged_volatility import averaged_variances
from quantray.risk.forecasting.history import checked_level, complete_returns, long_enough
from quantray.risk.forecasting.laws import CornishFisher, Student, moments, student_degrees
from quantray.risk.forecasting.ordered import OrderedReturns
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall
from quantray.risk.forecasting.volatility import Garch, exponential_weights, filtered_variances

__all__ = [
    "RiskSplit",
    "age_weights",
    "averaged_returns",
    "component_shortfall",
    "component_var",
    "cornish_fisher_shortfall",
    "cornish_fisher_var",
    "expansion_law",
    "expected_shortfall",
    "gaussian_shortfall",
    "gaussian_var",
    "historical_tail",
    "historical_var",
    "incremental_var",
    "incremental_vars",
    "marginal_var",
    "rescaled_returns",
    "student_law",
    "student_shortfall",
    "student_var",
]


@dataclass(frozen=True, eq=False)
class RiskSplit:
    """A risk and what each position adds to it."""

    total: float
    parts: Float
    """(N,) that sum to ``total``; negative where a position hedges."""


def historical_var(
    returns: Float, *, level: float = 0.99, weights: Float | None = None, predictive: bool = False
) -> float:
    """The loss that past returns exceeded on ``1 - level`` of the days.

    Parameters
    ----------
    returns : (T,) simple returns of a portfolio; no NaN.
    level : confidence, between 0.5 and 1.
    weights : (T,) of the days, as ``age_weights`` makes them; by default all count alike.
    predictive : the loss that one more day like those exceeds with a probability of exactly ``1 - level``; the usual
        quantile is a description of the days that were, and of 500 at 99 % one more day exceeds it with 1.2 %.

    Returns
    -------
    Positive where money was lost. Without weights, the quantile of type 7 (Hyndman and Fan), which interpolates, or of
    type 6 if predictive; with weights, the smallest loss beyond which lies no more than ``1 - level`` of the weight.

    Raises
    ------
    InputError
        Fewer days than one in ``1 - level``, a missing return, a level out of range, weights that do not fit, or
        weights where a predictive quantile is asked for.
    """
    return OrderedReturns.of(returns, weights=weights, predictive=predictive).var(level)


def expected_shortfall(
    returns: Float, *, level: float = 0.99, weights: Float | None = None, predictive: bool = False
) -> float:
    """The mean loss on days as bad as ``historical_var`` or worse; takes and raises as that does."""
    return historical_tail(returns, level=level, weights=weights, predictive=predictive)[1]


def historical_tail(
    returns: Float, *, level: float = 0.99, weights: Float | None = None, predictive: bool = False
) -> tuple[float, float]:
    """``historical_var`` and ``expected_shortfall`` together; for several levels, ``OrderedReturns`` sorts once."""
    return OrderedReturns.of(returns, weights=weights, predictive=predictive).tail(level)


def age_weights(n_days: int, *, half_life: float) -> Float:
    """(T,) weights of days, oldest first, that halve every ``half_life`` days into the past and sum to one.

    Raises
    ------
    InputError
        No days, or a half-life of zero or below.

    Source: Boudoukh, Richardson and Whitelaw (1998), *The best of both worlds*, Risk 11.
    """
    if n_days < 1 or not half_life > 0:
        raise InputError(f"{n_days} days with a half-life of {half_life}: both must be positive.")
    weights = 0.5 ** (np.arange(n_days - 1, -1, -1) / half_life)
    return np.asarray(weights / weights.sum())


def rescaled_returns(returns: Float, *, decay: float = 0.94, model: Garch | None = None) -> Float:
    """Past returns as they would be at today's volatility: filtered historical simulation.

    Each return is divided by the volatility that was forecast for its day, and multiplied by the forecast for the day
    after the last. No forecast is below a tenth of the volatility of all of them, so that still days blow nothing up.

    Parameters
    ----------
    returns : (T,) simple returns, oldest first; no NaN.
    decay : weight of yesterday's variance in today's, between 0 and 1; 0.94 is RiskMetrics' for days.
    model : of the volatility, in place of a decay, such as ``volatility.fitted_garch`` makes.

    Raises
    ------
    InputError
        A missing return, a decay out of range, fewer than 20 returns, or returns that do not vary.

    Source: Hull and White (1998), *Incorporating volatility updating into the historical simulation method*, Journal of
    Risk 1; Barone-Adesi, Giannopoulos and Vosper (1999), *VaR without correlations for portfolios of derivative
    securities*, Journal of Futures Markets 19; J.P. Morgan (1996), *RiskMetrics technical document*.
    """
    returns = complete_returns(returns)
    variances = filtered_variances(returns, model or exponential_weights(decay))
    return np.asarray(returns * np.sqrt(variances[-1] / variances[:-1]))


def averaged_returns(returns: Float) -> Float:
    """Past returns as they would be at today's volatility by many models at once; see ``averaged_volatility``.

    Parameters
    ----------
    returns : (T,) simple returns, oldest first; no NaN.

    Raises
    ------
    InputError
        A missing return, fewer than 20 returns, or returns that do not vary.

    Source: as ``rescaled_returns`` and ``averaged_volatility.averaged_variances``.
    """
    returns = complete_returns(returns)
    variances = averaged_variances(returns)
    return np.asarray(returns * np.sqrt(variances[-1] / variances[:-1]))


def gaussian_var(weights: Float, covariance: Covariance, *, level: float = 0.99) -> float:
    """The loss at a level where returns are normal with a mean of zero.

    Parameters
    ----------
    weights : (N,) fractions of NAV; shorts negative.
    covariance : (N, N) of one-period simple returns, or a factor model; the result is of the same period.
    level : confidence, between 0.5 and 1.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, the shapes disagree, a weight is missing, or a level out of
        range.
    """
    return normal_quantile(checked_level(level)) * _volatility(weights, covariance)


def gaussian_shortfall(weights: Float, covariance: Covariance, *, level: float = 0.99) -> float:
    """The mean loss beyond ``gaussian_var``; takes and raises as that does."""
    return normal_shortfall(checked_level(level)) * _volatility(weights, covariance)


def cornish_fisher_var(returns: Float, *, level: float = 0.99) -> float:
    """The loss at a level by a normal quantile corrected for skewness and kurtosis.

    Takes as ``historical_var``; moments with divisor T.

    Raises
    ------
    InputError
        As ``historical_var``, or skewness and kurtosis are so large that the corrected quantile does not rise with the
        level everywhere: then it is no quantile.

    Source: see ``laws.CornishFisher``.
    """
    return float(expansion_law(returns, level).var(level))


def cornish_fisher_shortfall(returns: Float, *, level: float = 0.99) -> float:
    """The mean loss beyond ``cornish_fisher_var``; takes and raises as that does."""
    return float(expansion_law(returns, level).shortfall(level))


def student_var(returns: Float, *, level: float = 0.99, degrees: float | None = None) -> float:
    """The loss at a level where returns follow Student's t with their mean and variance.

    Takes and raises as ``historical_var``.

    Parameters
    ----------
    degrees : of freedom, above 2; by default those of the sample's excess kurtosis, 4 + 6 / kurtosis, at most 100.
    """
    return float(student_law(returns, level, degrees).var(level))


def student_shortfall(returns: Float, *, level: float = 0.99, degrees: float | None = None) -> float:
    """The mean loss beyond ``student_var``; takes and raises as that does."""
    return float(student_law(returns, level, degrees).shortfall(level))


def marginal_var(weights: Float, covariance: Covariance, *, level: float = 0.99) -> Float:
    """(N,) growth of ``gaussian_var`` per unit of each weight; takes as that does.

    Raises
    ------
    InputError
        As ``gaussian_var``, or the portfolio has no risk.
    """
    weights = _weights(weights, covariance)
    volatility = _volatility(weights, covariance)
    if not volatility > 0:
        raise InputError("the portfolio has no risk, so no position has a marginal one; give it weights.")
    return np.asarray(normal_quantile(checked_level(level)) * product(covariance, weights) / volatility)


def component_var(weights: Float, covariance: Covariance, *, level: float = 0.99) -> RiskSplit:
    """Split ``gaussian_var`` among positions: weight times marginal value-at-risk.

    Takes as ``gaussian_var``; raises as ``marginal_var``.

    Source: Jorion (2007), *Value at Risk*, 3rd ed., ch. 7.
    """
    parts = normal_quantile(checked_level(level)) * risk_contributions(covariance, weights)
    return RiskSplit(float(parts.sum()), parts)


def incremental_var(
    weights: Float, trades: Float, covariance: Covariance, *, level: float = 0.99, exact: bool = True
) -> float:
    """What a basket of trades adds to ``gaussian_var``; negative where it hedges.

    Parameters
    ----------
    trades : (N,) changes of weights.

    Takes and raises as ``incremental_vars`` besides.
    """
    trades = _weights(trades, covariance)
    return float(incremental_vars(weights, trades[:, None], covariance, level=level, exact=exact)[0])


def incremental_vars(
    weights: Float, baskets: Float, covariance: Covariance, *, level: float = 0.99, exact: bool = True
) -> Float:
    """(B,) what each of some baskets of trades would add to ``gaussian_var``; negative where it hedges.

    Parameters
    ----------
    weights, covariance, level : as of ``gaussian_var``.
    baskets : (N, B) changes of weights.
    exact : the difference of the two portfolios; else to first order, by ``marginal_var``, which needs one look at the
        portfolio for any number of baskets.

    Raises
    ------
    InputError
        As ``gaussian_var``; to first order as ``marginal_var``.
    """
    weights, baskets = _weights(weights, covariance), np.asarray(baskets, dtype=np.float64)
    if baskets.ndim != 2 or len(baskets) != len(weights) or not np.isfinite(baskets).all():
        raise InputError(f"baskets are {baskets.shape}; {len(weights)} assets need ({len(weights)}, B) finite numbers.")
    if not exact:
        return np.asarray(marginal_var(weights, covariance, level=level) @ baskets)
    after = weights[:, None] + baskets
    variance = np.einsum("nb,nb->b", after, product(covariance, after))
    losses = normal_quantile(checked_level(level)) * np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(losses - gaussian_var(weights, covariance, level=level))


def component_shortfall(weights: Float, scenarios: Float, *, level: float = 0.99) -> RiskSplit:
    """Split the expected shortfall among positions: what each lost on average in the scenarios beyond the level.

    Parameters
    ----------
    weights : (N,) fractions of NAV; shorts negative.
    scenarios : (S, N) simple returns, equally likely, past or simulated; no NaN.
    level : confidence, between 0.5 and 1.

    Raises
    ------
    InputError
        Shapes disagree, a value is missing, or there are fewer scenarios than one in ``1 - level``.

    Source: Tasche (1999), *Risk contributions and performance measurement*.
    """
    scenarios = np.asarray(scenarios, dtype=np.float64)
    if scenarios.ndim != 2 or not np.isfinite(scenarios).all():
        raise InputError(f"scenarios are {scenarios.shape} or incomplete; give (S, N) returns without NaN.")
    weights = vector(weights, scenarios.shape[1], "weights")
    returns = long_enough(scenarios @ weights, level)
    beyond = returns <= -historical_var(returns, level=level)
    parts = -weights * scenarios[beyond].mean(axis=0)
    return RiskSplit(float(parts.sum()), parts)


def _volatility(weights: Float, covariance: Covariance) -> float:
    weights = _weights(weights, covariance)
    variance = float(weights @ product(covariance, weights))
    if variance < -1e-12 * float(weights**2 @ variances(covariance)):
        raise InputError(
            f"the covariance gives this portfolio a variance of {variance:.3g}; make it positive semidefinite first, "
            "as covariance.estimators.nearest_psd does."
        )
    return float(np.sqrt(max(variance, 0.0)))


def _weights(weights: Float, covariance: Covariance) -> Float:
    return vector(weights, len(variances(checked(covariance))), "weights")


def student_law(returns: Float, level: float, degrees: float | None = None) -> Student:
    """The law behind ``student_var`` and ``student_shortfall``; takes and raises as these."""
    seen = _moments(returns, level)
    degrees = float(student_degrees(seen.kurtosis)) if degrees is None else degrees
    if not degrees > 2:
        raise InputError(f"Student's t with {degrees} degrees of freedom has no variance; give more than 2.")
    return Student(seen.scale, degrees, seen.mean)


def expansion_law(returns: Float, level: float) -> CornishFisher:
    """The law behind ``cornish_fisher_var`` and ``cornish_fisher_shortfall``; takes and raises as these."""
    seen = _moments(returns, level)
    if not seen.rises:
        raise InputError(
            f"skewness {seen.skew:.2f} and excess kurtosis {seen.kurtosis:.2f} are beyond the range in which the "
            "Cornish-Fisher expansion rises with the level; use historical_var or student_var."
        )
    return seen


def _moments(returns: Float, level: float) -> CornishFisher:
    seen = moments(long_enough(returns, level))
    if not np.isfinite(seen.skew):
        raise InputError("the returns do not vary, so their tail has no shape; use historical_var.")
    return seen
