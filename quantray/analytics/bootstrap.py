"""Block bootstrap: resampled dates that keep the dependence between neighbouring days, and intervals from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = ["Estimate", "Interval", "Resampling", "block_indices", "estimated_mean", "interval", "usual_block"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float
    level: float
    """Confidence, between 0 and 1."""

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How series are resampled.

    Raises
    ------
    InputError
        Fewer than 100 samples, a block below one, or a level that is not between 0 and 1.
    """

    block: int | None = None
    """Days in a block; by default as ``usual_block`` says."""
    n_samples: int = 2000
    level: float = 0.95
    seed: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        if self.n_samples < 100 or (self.block is not None and self.block < 1):
            raise InputError(
                f"{self.n_samples} samples in blocks of {self.block}; use 100 or more, and blocks of 1 up."
            )
        if not 0 < self.level < 1:
            raise InputError(f"level {self.level} must lie between 0 and 1; 0.95 leaves out 2.5 % on either side.")

    def rows(self, n: int, overlap: int = 1) -> Int:
        """(S, n) rows of the resampled series of n days; see ``block_indices`` and ``usual_block``."""
        block = usual_block(n, overlap) if self.block is None else min(self.block, n)
        return block_indices(n, block, self.n_samples, seed=self.seed)


@dataclass(frozen=True)
class Estimate:
    """The mean of a daily series and how sure it is."""

    mean: float
    error: float
    """Standard error: the deviation of the means of the resampled series."""
    interval: Interval
    p_value: float
    """Two-sided, for a true mean of zero: how often resampled means stray from the mean as far as it is from zero."""
    n_days: int
    """Days with a value."""


def estimated_mean(series: Float, *, overlap: int = 1, resampling: Resampling | None = None) -> Estimate:
    """The mean of a daily series with its block-bootstrap interval.

    Parameters
    ----------
    series : (D,) values in order of time; days of NaN are left out.
    overlap : days that neighbouring values share plus one, such as the horizon of forward returns.

    Raises
    ------
    InputError
        Not a series, infinite values, or fewer than two days with a value.
    """
    series, resampling = np.asarray(series, dtype=np.float64), resampling or Resampling()
    if series.ndim != 1 or np.isinf(series).any():
        raise InputError(f"a series of shape {series.shape} with infinite values or more than one axis has no mean.")
    series = series[~np.isnan(series)]
    if len(series) < 2:
        raise InputError(f"{len(series)} days have a value; at least two are needed. Check dates and membership.")
    mean = float(series.mean())
    means = series[resampling.rows(len(series), overlap)].mean(axis=1)
    stray = int((np.abs(means - mean) >= abs(mean)).sum())
    return Estimate(
        mean=mean,
        error=float(means.std(ddof=1)),
        interval=interval(means, resampling.level),
        p_value=(1 + stray) / (1 + len(means)),
        n_days=len(series),
    )


def block_indices(n: int, block: int, n_samples: int, *, seed: int | Sequence[int]) -> Int:
    """Rows of resampled series: blocks of neighbouring days that begin anywhere and run on from the last to the first.

    Use one set of indices for all series that are compared, so that they are resampled on the same days.

    Parameters
    ----------
    n : days of the series.
    block : days in a block, 1 to n; 1 is the ordinary bootstrap. Blocks should outlast the dependence between days,
        such as the horizon of overlapping returns.
    n_samples : resampled series.

    Returns
    -------
    (n_samples, n) rows, each 0 to n - 1 and each equally likely in every place.

    Raises
    ------
    InputError
        A number below one, or a block longer than the series.

    Source: Politis and Romano (1992), *A circular block-resampling procedure for stationary data*.
    """
    if n < 1 or n_samples < 1 or not 1 <= block <= n:
        raise InputError(f"{n_samples} samples in blocks of {block} of {n} days; use at least 1, and blocks of 1 to n.")
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    starts = generator.integers(0, n, (n_samples, -(-n // block)))
    rows = (starts[:, :, None] + np.arange(block)) % n
    return np.ascontiguousarray(rows.reshape(n_samples, -1)[:, :n], dtype=np.int64)


def usual_block(n: int, overlap: int = 1) -> int:
    """Days in a block where nothing better is known: the cube root of n, but twice the overlap, and at most n.

    Parameters
    ----------
    overlap : days that neighbouring observations share plus one, such as the horizon of forward returns.

    Raises
    ------
    InputError
        A number below one.

    Source: Hall, Horowitz and Jing (1995), *On blocking rules for the bootstrap with dependent data*, Biometrika 82(3),
    for the order of the cube root.
    """
    if n < 1 or overlap < 1:
        raise InputError(f"{n} days with an overlap of {overlap}; both must be at least 1.")
    return min(n, max(int(np.ceil(n ** (1 / 3))), 2 * overlap if overlap > 1 else 1))


def interval(samples: Float, level: float = 0.95) -> Interval:
    """The interval between the quantiles of bootstrapped statistics that leave out equal tails.

    Parameters
    ----------
    samples : (S,) the statistic in each resampled series; no NaN.
    level : confidence, between 0 and 1.

    Raises
    ------
    InputError
        No samples, samples that are not finite, or a level out of range.

    Source: Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 13.
    """
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1 or len(samples) == 0 or not np.isfinite(samples).all():
        raise InputError(f"samples are {samples.shape}; give one series of finite statistics, one for each resampling.")
    if not 0 < level < 1:
        raise InputError(f"level {level} must lie between 0 and 1; 0.95 leaves out 2.5 % on either side.")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)
