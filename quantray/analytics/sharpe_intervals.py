"""How sure a yearly Sharpe ratio is, and the difference of two: intervals from resampled blocks of days."""

from functools import lru_cache

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling, interval, usual_block
from quantray.analytics.metrics import checked_series, sharpe_of_moments, sharpe_ratio
from quantray.analytics.selection import SharpeEstimate
from quantray.arrays import TRADING_DAYS, Float, Int, frozen
from quantray.errors import InputError

__all__ = ["sharpe_difference", "sharpe_interval"]


def sharpe_interval(
    returns: Float, *, resampling: Resampling | None = None, periods_per_year: int = TRADING_DAYS
) -> Estimate:
    """The yearly Sharpe ratio of (T,) daily returns with its block-bootstrap interval.

    Raises
    ------
    InputError
        Fewer than two returns, NaN, or returns that do not vary.

    Source: Politis and Romano (1992), *A circular block-resampling procedure for stationary data*.
    """
    returns, resampling = checked_series(returns, "returns"), resampling or Resampling()
    ratio = SharpeEstimate.of(returns, periods_per_year=periods_per_year).ratio
    samples = _resampled_sharpe(returns, resampling, periods_per_year)
    return _estimate(ratio, samples, resampling, len(returns))


def sharpe_difference(
    returns: Float, other: Float, *, resampling: Resampling | None = None, periods_per_year: int = TRADING_DAYS
) -> Estimate:
    """How much higher one yearly Sharpe ratio is than another's on the same days, both resampled together.

    A series that does not vary has a ratio of 0.

    Raises
    ------
    InputError
        The lengths differ, fewer than two returns, or NaN.

    Source: Ledoit and Wolf (2008), *Robust performance hypothesis testing with the Sharpe ratio*, Journal of Empirical
    Finance 15, for pairs; plain quantiles here, not studentised.
    """
    returns, other = checked_series(returns, "returns"), checked_series(other, "other")
    if len(returns) != len(other):
        raise InputError(f"{len(returns)} returns against {len(other)}; a paired difference needs the same days.")
    resampling = resampling or Resampling()
    # The same seed draws the same days for both.
    samples = [_resampled_sharpe(series, resampling, periods_per_year) for series in (returns, other)]
    gain = _ratio(returns, periods_per_year) - _ratio(other, periods_per_year)
    return _estimate(gain, samples[0] - samples[1], resampling, len(returns))


def _estimate(value: float, samples: Float, resampling: Resampling, n_days: int) -> Estimate:
    stray = int((np.abs(samples - value) >= abs(value)).sum())
    return Estimate(
        mean=value,
        error=float(samples.std(ddof=1)),
        interval=interval(samples, resampling.level),
        p_value=(1 + stray) / (1 + len(samples)),
        n_days=n_days,
    )


def _resampled_sharpe(returns: Float, resampling: Resampling, periods_per_year: int) -> Float:
    """(S,) yearly Sharpe ratio of each resampled series; 0 where it does not vary.

    Blocks are added up from running sums, so no resampled series is ever laid out.
    """
    n = len(returns)
    starts, block = _block_starts(resampling, n)
    last = n - (starts.shape[1] - 1) * block
    centred = np.concatenate([returns, returns[:block]]) - returns.mean()
    moments = []
    for values in (centred, centred**2):
        running = np.concatenate([[0.0], np.cumsum(values)])
        whole = (running[block:] - running[:-block])[starts[:, :-1]].sum(axis=1)
        moments.append(whole + running[starts[:, -1] + last] - running[starts[:, -1]])
    variance = np.maximum(moments[1] - moments[0] ** 2 / n, 0.0) / (n - 1)
    mean = moments[0] / n + returns.mean()
    return np.nan_to_num(sharpe_of_moments(mean, np.sqrt(variance), periods_per_year=periods_per_year))


@lru_cache(maxsize=32)
def _block_starts(resampling: Resampling, n: int) -> tuple[Int, int]:
    """(S, K) first rows of the blocks of each resampled series of n days, and the days in a block."""
    block = usual_block(n) if resampling.block is None else min(resampling.block, n)
    return frozen(resampling.rows(n)[:, ::block]), block


def _ratio(returns: Float, periods_per_year: int) -> float:
    """Yearly Sharpe ratio; 0 where returns do not vary."""
    return float(np.nan_to_num(sharpe_ratio(returns, periods_per_year=periods_per_year)))
