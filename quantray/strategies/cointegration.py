"""Do two prices keep to each other? Engle and Granger's test, for many pairs at once."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["Cointegration", "adf_statistic", "critical_value", "dickey_fuller_of_all", "engle_granger"]

# Level -> constants of MacKinnon's response surface for two series and a constant.
_SURFACE = {
    0.01: (-3.89644, -10.9519, -22.527),
    0.05: (-3.33613, -6.1101, -6.823),
    0.10: (-3.04445, -4.2412, -2.720),
}


@dataclass(frozen=True, eq=False)
class Cointegration:
    """Engle and Granger's test of M pairs: ``y = intercept + hedge * x + spread``."""

    statistic: Float
    """(M,) augmented Dickey-Fuller statistic of the spread; the lower, the surer. NaN where the spread is constant but
    for rounding, as it is where one price is a multiple of the other."""
    intercept: Float
    """(M,)."""
    hedge: Float
    """(M,) units of x against one of y."""
    spread: Float
    """(T, M)."""


def adf_statistic(series: Float, *, lags: int = 1, constant: bool = True) -> Float:
    """Augmented Dickey-Fuller statistics: the t-value of the level among what explains the next change.

    Parameters
    ----------
    series : (T, M), finite, one series per column.
    lags : earlier changes among what explains.
    constant : whether a constant is; not for residuals of a regression that had one.

    Returns
    -------
    (M,); NaN for a constant series.

    Raises
    ------
    InputError
        Not a finite (T, M) array, or too few rows for the lags.

    Source: Dickey and Fuller (1979), *Distribution of the estimators for autoregressive time series with a unit root*,
    JASA 74; Said and Dickey (1984), Biometrika 71.
    """
    series = _finite_columns(series, "series")
    n_days = len(series) - 1 - lags
    n_terms = 1 + lags + constant
    if lags < 0 or n_days <= n_terms:
        raise InputError(f"{len(series)} rows are too few for {lags} lags; give {lags + n_terms + 2} or more.")
    change = np.diff(series, axis=0)
    terms = [series[lags:-1], *(change[lags - j : len(change) - j] for j in range(1, lags + 1))]
    if constant:
        terms.append(np.ones_like(terms[0]))
    design, target = np.stack(terms, axis=-1), change[lags:]
    gram = np.einsum("tmi,tmj->mij", design, design)
    moment = np.einsum("tmi,tm->mi", design, target)
    # Terms of unit length: prices and their changes differ by orders of magnitude.
    length = np.sqrt(np.einsum("mii->mi", gram))
    alive = (length > 0).all(axis=1) & (np.ptp(series, axis=0) > 1e-12 * np.abs(series).max(axis=0))
    length = np.where(alive[:, None], length, 1.0)
    inverse = np.linalg.pinv(gram / (length[:, :, None] * length[:, None, :]), hermitian=True)
    slopes = np.einsum("mij,mj->mi", inverse, moment / length) / length
    residual = target - np.einsum("tmi,mi->tm", design, slopes)
    variance = (residual**2).sum(axis=0) / (n_days - n_terms)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(alive, slopes[:, 0] / np.sqrt(variance * inverse[:, 0, 0]) * length[:, 0], np.nan)


def engle_granger(y: Float, x: Float, *, lags: int = 1) -> Cointegration:
    """Regress each column of y on that of x, and test the spread for a unit root.

    Parameters
    ----------
    y, x : (T, M), finite, for instance log prices.
    lags : of the augmented Dickey-Fuller test.

    Raises
    ------
    InputError
        The shapes disagree, or as ``adf_statistic``.

    Source: Engle and Granger (1987), *Co-integration and error correction*, Econometrica 55.
    """
    y, x = _finite_columns(y, "y"), _finite_columns(x, "x")
    if y.shape != x.shape:
        raise InputError(f"y is {y.shape} and x {x.shape}; a pair is one column of each.")
    centred_y, centred_x = y - y.mean(axis=0), x - x.mean(axis=0)
    square = (centred_x**2).sum(axis=0)
    hedge = np.divide((centred_x * centred_y).sum(axis=0), square, out=np.zeros(len(square)), where=square > 0)
    spread = centred_y - hedge * centred_x
    # What rounding leaves of a spread of nothing reverts at once and would pass for the surest pair of all.
    least = np.maximum(1e-10 * np.ptp(y, axis=0), 1e-12 * np.abs(y).max(axis=0))
    statistic = np.where(np.ptp(spread, axis=0) > least, adf_statistic(spread, lags=lags, constant=False), np.nan)
    return Cointegration(statistic, y.mean(axis=0) - hedge * x.mean(axis=0), hedge, spread)


def critical_value(n_days: int, level: float = 0.05) -> float:
    """The statistic below which two series of ``n_days`` rows are cointegrated at a level of 0.01, 0.05 or 0.1.

    Raises
    ------
    InputError
        Another level, or fewer than 20 rows.

    Source: MacKinnon (2010), *Critical values for cointegration tests*, Queen's University working paper 1227, table 2.
    """
    if level not in _SURFACE or n_days < 20:
        raise InputError(f"level {level} must be 0.01, 0.05 or 0.1, and {n_days} rows be 20 or more.")
    limit, first, second = _SURFACE[level]
    return limit + first / (n_days - 1) + second / (n_days - 1) ** 2


def dickey_fuller_of_all(prices: Float) -> Float:
    """Engle and Granger's statistic without lags for every ordered pair, by a few matrix products.

    A spread is linear in its two series, so all its sums of squares follow from those of the series: no spread is
    ever formed, and a thousand series, a million pairs, take less than a second.

    Parameters
    ----------
    prices : (T, N), finite, for instance log prices.

    Returns
    -------
    (N, N); row i, column j for the regression of i on j. NaN on the diagonal and for constant series.

    Raises
    ------
    InputError
        Not a finite (T, N) array.
    """
    prices = _finite_columns(prices, "prices")
    level = prices - prices.mean(axis=0)
    before, change = level[:-1], np.diff(level, axis=0)
    squares = level.T @ level
    with np.errstate(divide="ignore", invalid="ignore"):
        hedge = squares / np.diagonal(squares)
        levels = _of_spread(before.T @ before, hedge)
        cross = before.T @ change
        both = _of_spread((cross + cross.T) / 2, hedge)
        changes = _of_spread(change.T @ change, hedge)
        variance = (changes - both**2 / levels) / (len(change) - 1)
        statistic = both / np.sqrt(variance * levels)
    # What rounding leaves of a spread of nothing is no spread.
    own = np.diagonal(squares)
    real = (levels > 1e-10 * own[:, None]) & (own > 0)
    np.fill_diagonal(real, False)
    return np.where(real & (variance > 0), statistic, np.nan)


def _of_spread(product: Float, hedge: Float) -> Float:
    """(N, N) product of each spread with itself, from the (N, N) symmetric products of the series."""
    own = np.diagonal(product)
    return np.asarray(own[:, None] - 2 * hedge * product + hedge**2 * own)


def _finite_columns(values: Float, name: str) -> Float:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < 3 or not np.isfinite(values).all():
        raise InputError(f"{name} {values.shape} must be finite, with three or more rows; leave out series with gaps.")
    return values
