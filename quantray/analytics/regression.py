"""Regressions of return series, with errors that allow for heteroskedasticity and autocorrelation."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["Regression", "mean_t", "regress", "usual_lags"]


@dataclass(frozen=True, eq=False)
class Regression:
    """Least squares of a series on K others and a constant."""

    intercept: float
    slopes: Float
    """(K,)."""
    errors: Float
    """(1 + K,) standard errors, the intercept's first."""
    residuals: Float
    """(T,)."""
    r_squared: float
    """NaN of a series that does not vary."""

    @property
    def t(self) -> Float:
        """(1 + K,) t-statistics, the intercept's first; NaN where the error is zero."""
        estimates = np.concatenate([[self.intercept], self.slopes])
        out = np.full_like(estimates, np.nan)
        np.divide(estimates, self.errors, out=out, where=self.errors > 0)
        return out


def regress(series: Float, on: Float, *, lags: int | None = None) -> Regression:
    """Regress (T,) values on (T, K) others and a constant.

    Parameters
    ----------
    lags : autocorrelations that errors allow for; by default as ``usual_lags``. 0 allows for heteroskedasticity only.

    Raises
    ------
    InputError
        Fewer observations than K + 2, missing values, or columns that depend on one another.

    Source: Newey and West (1987), *A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent
    covariance matrix*, Econometrica 55(3).
    """
    series, on = np.asarray(series, dtype=np.float64), np.asarray(on, dtype=np.float64)
    on = on.reshape(len(series), -1) if on.size or len(series) else on
    n, k = on.shape
    if n < k + 2 or not (np.isfinite(series).all() and np.isfinite(on).all()):
        raise InputError(f"{n} periods for {k} slopes and a constant; {k + 2} without missing values are needed.")
    design = np.column_stack([np.ones(n), on])
    scale = np.sqrt((design**2).mean(axis=0))
    if (scale == 0).any() or np.linalg.matrix_rank(design / scale) < k + 1:
        raise InputError("series to regress on depend on one another or do not vary; leave one of them out.")
    bread = np.linalg.inv((design / scale).T @ (design / scale)) / np.outer(scale, scale)
    found = bread @ (design.T @ series)
    residuals = series - design @ found
    meat = _long_run(design * residuals[:, None], usual_lags(n) if lags is None else lags)
    errors = np.sqrt(np.maximum(np.diagonal(bread @ meat @ bread), 0.0))
    spread = float(((series - series.mean()) ** 2).sum())
    explained = 1 - float(residuals @ residuals) / spread if spread > 0 else np.nan
    return Regression(float(found[0]), found[1:], errors, residuals, explained)


def mean_t(series: Float, *, lags: int | None = None) -> Float:
    """(...) t-statistic of the mean of each series of (T, ...) values, Newey-West errors; NaN without variation."""
    series = np.asarray(series, dtype=np.float64)
    n, mean = len(series), series.mean(axis=0)
    left = series - mean
    total = (left**2).sum(axis=0)
    for lag in range(1, min(usual_lags(n) if lags is None else lags, n - 1) + 1):
        total = total + 2 * _bartlett(lag, usual_lags(n) if lags is None else lags) * (left[lag:] * left[:-lag]).sum(0)
    error = np.sqrt(np.maximum(total, 0.0)) / n
    out = np.full(np.shape(mean), np.nan)
    np.divide(mean, error, out=out, where=error > 1e-15)
    return out


def usual_lags(n: int) -> int:
    """Autocorrelations to allow for in n periods: ``4 (n / 100)^(2/9)``, rounded down.

    Source: Newey and West (1994), *Automatic lag selection in covariance matrix estimation*, RES 61(4).
    """
    return int(4 * (n / 100) ** (2 / 9))


def _bartlett(lag: int, lags: int) -> float:
    return 1 - lag / (lags + 1)


def _long_run(scores: Float, lags: int) -> Float:
    """(K, K) sum of the scores' autocovariances, those further apart counting less."""
    out: Float = scores.T @ scores
    for lag in range(1, min(lags, len(scores) - 1) + 1):
        across = scores[lag:].T @ scores[:-lag]
        out = out + _bartlett(lag, lags) * (across + across.T)
    return out
