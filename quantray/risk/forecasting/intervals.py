"""How sure an estimate of risk is: bootstrap intervals for any of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Interval, Resampling, interval
from quantray.arrays import Float
from quantray.errors import InputError
from quantray.risk.forecasting.history import complete_returns

__all__ = ["RiskEstimate", "with_interval"]


@dataclass(frozen=True)
class RiskEstimate:
    """An estimate from a history, and how sure it is."""

    value: float
    error: float
    """Standard error: the deviation of the estimates from the resampled histories."""
    interval: Interval
    n_days: int
    n_refused: int
    """Resampled histories that the estimator refused, which neither error nor interval know of."""


def with_interval(
    estimator: Callable[[Float], float], returns: Float, *, overlap: int = 1, resampling: Resampling | None = None
) -> RiskEstimate:
    """An estimate with its block-bootstrap interval.

    Blocks keep clusters of volatility, so the interval is of the loss on any day of such times. For today's, resample
    what has been brought to today's volatility: ``with_interval(historical_var, rescaled_returns(returns))``. Of
    simulated scenarios the interval tells the error of simulation; give ``Resampling(block=1)``.

    Parameters
    ----------
    estimator : from (T,) returns, such as ``lambda past: expected_shortfall(past, level=0.95)``.
    returns : (T,) in order of time; no NaN.
    overlap : days that neighbouring returns share plus one, such as the horizon of ``horizons.overlapping_returns``.

    Raises
    ------
    InputError
        A missing return, the estimator refuses the returns, or refuses more than half of the resampled histories.
    """
    returns, resampling = complete_returns(returns), resampling or Resampling()
    value = estimator(returns)
    found, refused = [], 0
    for rows in resampling.rows(len(returns), overlap):
        try:
            found.append(estimator(returns[rows]))
        except InputError:
            refused += 1
    if refused > len(found):
        raise InputError(
            f"the estimator refuses {refused} of {resampling.n_samples} resampled histories, so no interval can be "
            "told; use another method."
        )
    samples = np.array(found)
    return RiskEstimate(value, float(samples.std(ddof=1)), interval(samples, resampling.level), len(returns), refused)
