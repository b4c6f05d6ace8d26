"""Losses over more than a day: by the root of time, from overlapping sums, or along simulated paths.

The root of time is right for returns that are independent, alike and normal. Where today's volatility is far from the
usual one it is wrong, for volatility comes back; paths know that, and that falls come in clusters. Overlapping sums of
the past assume neither, but only one sum in the horizon's days is new: a level takes that many more days.
"""

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.risk.forecasting.history import complete_returns
from quantray.risk.forecasting.volatility import Garch, filtered_variances

__all__ = ["overlapping_returns", "path_returns", "scaled_by_root"]


def scaled_by_root(loss: float, days: float) -> float:
    """A day's loss times the root of the days; a mean of zero.

    Raises
    ------
    InputError
        No days.
    """
    if not days > 0:
        raise InputError(f"a horizon of {days} days must be positive.")
    return float(loss * np.sqrt(days))


def overlapping_returns(returns: Float, days: int) -> Float:
    """(T - days + 1,) compound returns of every so many days in succession.

    Neighbours share all days but one, so T days hold no more than ``T / days`` independent ones; give
    ``intervals.with_interval`` the days as its overlap.

    Raises
    ------
    InputError
        A missing return, no days, or fewer returns than days.
    """
    returns = complete_returns(returns)
    if not 1 <= days <= len(returns):
        raise InputError(f"{len(returns)} returns make no sum of {days} days; use 1 to {len(returns)}.")
    windows = np.lib.stride_tricks.sliding_window_view(1 + returns, days)
    return np.asarray(windows.prod(axis=1) - 1)


def path_returns(
    returns: Float, model: Garch, *, days: int = 10, n_paths: int = 10_000, seed: int | tuple[int, ...] = 0
) -> Float:
    """(S,) compound returns of simulated paths that begin at today's volatility: filtered historical simulation.

    Each day of a path draws one of the past returns, divided by the volatility that was forecast for it, and multiplies
    it by the path's own volatility, which follows the model. The value-at-risk over the horizon is
    ``tail.historical_var`` of them, and the shortfall likewise.

    Parameters
    ----------
    returns : (T,) simple returns, oldest first; no NaN.
    model : of the volatility, as ``volatility.fitted_garch`` or ``volatility.exponential_weights`` make it.

    Raises
    ------
    InputError
        No day or no path, or as ``volatility.filtered_variances``.

    Source: Barone-Adesi, Giannopoulos and Vosper (1999), *VaR without correlations for portfolios of derivative
    securities*, Journal of Futures Markets 19.
    """
    returns = complete_returns(returns)
    if days < 1 or n_paths < 1:
        raise InputError(f"{n_paths} paths of {days} days; use at least one of each.")
    variances = filtered_variances(returns, model)
    shocks = returns / np.sqrt(variances[:-1])
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    variance, value = np.full(n_paths, variances[-1]), np.ones(n_paths)
    for _ in range(days):
        earned = np.sqrt(variance) * generator.choice(shocks, n_paths)
        value *= 1 + earned
        variance = model.fed(earned) + model.beta * variance
    return value - 1
