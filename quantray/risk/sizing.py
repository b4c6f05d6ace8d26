"""How large to be: a target for volatility, a fraction of Kelly's bet, and positions that may lose a given amount."""

import numpy as np
from scipy import linalg

from quantray.analytics.metrics import checked_series
from quantray.arrays import TRADING_DAYS, Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import Covariance, checked, variances, vector
from quantray.risk.forecasting.quantiles import normal_quantile

__all__ = ["fractional_kelly", "risk_based_size", "volatility_exposure"]


def volatility_exposure(
    returns: Float,
    *,
    target: float = 0.10,
    half_life: float = 20.0,
    most: float = 1.0,
    warm_up: int = 60,
    lag: int = 0,
    periods_per_year: int = TRADING_DAYS,
) -> Float:
    """(T,) exposure at which a strategy is expected to have a volatility: row t knows the returns up to t - 1 - lag.

    Parameters
    ----------
    returns : (T,) simple returns of the strategy at full size; no NaN.
    target : yearly volatility.
    half_life : days in which a squared return loses half its weight.
    most : the largest exposure; above 1 it borrows.
    warm_up : days whose mean square is the first forecast, and until which the exposure is 1, or ``most`` if smaller.

    Raises
    ------
    InputError
        As ``metrics.checked_series``, or a setting is out of range.

    Source: Moreira and Muir (2017), *Volatility-managed portfolios*, Journal of Finance 72; J.P. Morgan (1996),
    *RiskMetrics technical document*, for the forecast.
    """
    returns = checked_series(returns, "returns")
    if not (target > 0 and half_life > 0 and most > 0) or warm_up < 2 or lag < 0:
        raise InputError(
            f"target {target}, half_life {half_life} and most {most} must be positive, warm_up {warm_up} at least 2 "
            f"and lag {lag} not negative."
        )
    out = np.full(len(returns), min(1.0, most))
    decay, variance = 0.5 ** (1 / half_life), float(np.mean(returns[:warm_up] ** 2))
    for day in range(warm_up, len(returns) + 1):
        if day > warm_up:
            variance = decay * variance + (1 - decay) * float(returns[day - 1]) ** 2
        if day + lag < len(returns):
            forecast = np.sqrt(variance * periods_per_year)
            out[day + lag] = min(target / forecast, most) if forecast > 0 else most
    return out


def fractional_kelly(
    means: Float, covariance: Covariance, *, fraction: float = 0.5, gross: float = 1.0, weight: float = np.inf
) -> Float:
    """(N,) a fraction of the weights that grow fastest, cut to a gross exposure and to a size of each.

    Parameters
    ----------
    means : (N,) expected excess returns over a period.
    covariance : (N, N) over the same period, positive definite, or a factor model.
    fraction : of Kelly's bet, above 0 and at most 1; half of it has three quarters of the growth.
    gross : most of the sum of absolute weights; all shrink alike.
    weight : most of each absolute weight, cut first.

    Raises
    ------
    InputError
        Shapes disagree, the covariance is not positive definite, or a setting is out of range.

    Source: Kelly (1956), *A new interpretation of information rate*; MacLean, Thorp and Ziemba (2010), *Long-term
    capital growth: the good and bad properties of the Kelly and fractional Kelly capital growth criteria*.
    """
    covariance = checked(covariance)
    means = vector(means, len(variances(covariance)), "means")
    if not 0 < fraction <= 1 or not gross > 0 or not weight > 0:
        raise InputError(
            f"fraction {fraction} must be above 0 and at most 1, gross {gross} and weight {weight} be positive."
        )
    matrix = covariance.dense() if isinstance(covariance, FactorModel) else covariance
    try:
        best = fraction * linalg.cho_solve(linalg.cho_factor(matrix), means)
    except linalg.LinAlgError as error:
        least = float(np.linalg.eigvalsh(matrix)[0])
        raise InputError(
            f"the covariance is not positive definite (an eigenvalue is {least:.2g}), so no bet grows fastest; shrink "
            "it or drop assets."
        ) from error
    best = np.clip(best, -weight, weight)
    size = float(np.abs(best).sum())
    return np.asarray(best if size <= gross else best * (gross / size))


def risk_based_size(
    budget: float, volatility: Float, unit: Float, *, level: float = 0.99, adv_units: Float | None = None
) -> Float:
    """(N,) whole units whose value-at-risk is a budget, each position by itself.

    Parameters
    ----------
    budget : money that may be lost in a day at the level, for each position.
    volatility : (N,) of a day.
    unit : (N,) money in a unit: price times multiplier, in the base currency.
    level : confidence; the quantile is Gaussian.
    adv_units : (N,) most units, such as a share of a day's volume; by default any number.

    Raises
    ------
    InputError
        Shapes disagree, or a number that must be positive is not.
    """
    volatility, unit = np.asarray(volatility, dtype=np.float64), np.asarray(unit, dtype=np.float64)
    if volatility.shape != unit.shape or not (volatility > 0).all() or not (unit > 0).all() or not budget >= 0:
        raise InputError(
            f"volatility {volatility.shape} and unit {unit.shape} must be positive and alike, and budget {budget} not "
            "negative."
        )
    if not 0.5 < level < 1:
        raise InputError(f"a level of {level} must be above 0.5 and below 1, such as 0.99.")
    units = budget / (normal_quantile(level) * volatility * unit)
    # A budget that pays for a whole number of units must not lose one to rounding.
    whole = np.floor(units * (1 + 1e-12))
    return np.asarray(whole if adv_units is None else np.minimum(whole, np.floor(adv_units)))
