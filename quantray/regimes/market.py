"""The market as a whole, day by day: index, volatility, correlation, liquidity and sectors, known at each close."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from quantray.arrays import TRADING_DAYS, Bool, Float, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import simple_returns

__all__ = [
    "SectorReturns",
    "average_correlation",
    "day_dispersion",
    "day_volatility",
    "illiquidity",
    "index_returns",
    "mean_known",
    "median_known",
    "median_range",
    "member_returns",
    "realised_volatility",
    "sector_returns",
]

_MONEY_DAYS = 63
_TO_DEVIATION = 1.4826
"""Times the median distance from zero, the standard deviation of a normal variable."""


@dataclass(frozen=True, eq=False)
class SectorReturns:
    """Equal-weight returns of S sectors."""

    names: Names
    """(S,) in alphabetical order."""
    returns: Float
    """(T, S) simple daily returns; NaN where a sector has no member with a return."""


def member_returns(panel: Panel) -> Float:
    """(T, N) simple returns of the assets that were members the day before; NaN for all others and in the first row.

    Yesterday's members could have been bought; today's joined knowing today's return.

    Raises
    ------
    DataError
        The panel has no closes.
    """
    returns = simple_returns(panel.field("close"))
    held = np.zeros(panel.shape, dtype=np.bool_)
    held[1:] = panel.member[:-1]
    return np.where(held, returns, np.nan)


def index_returns(panel: Panel, *, weighting: Literal["equal", "traded"] = "equal") -> Float:
    """(T,) simple daily returns of yesterday's members; NaN in the first row and where no member has a return.

    Parameters
    ----------
    weighting : ``equal``, or ``traded``: by the mean money traded over the 63 days up to yesterday, which stands in
        for capitalisation where shares outstanding are unknown.

    Raises
    ------
    InputError
        Another weighting.
    DataError
        No closes, or no volumes to weigh by.
    """
    returns = member_returns(panel)
    known = ~np.isnan(returns)
    if weighting == "equal":
        weights = known.astype(np.float64)
    elif weighting == "traded":
        money = pd.DataFrame(_money(panel)).rolling(_MONEY_DAYS, min_periods=1).mean().to_numpy()
        weights = np.zeros(returns.shape)
        weights[1:] = np.nan_to_num(money[:-1])
        weights[~known] = 0.0
    else:
        raise InputError(f"weighting {weighting!r} is not one of equal, traded.")
    total = weights.sum(axis=1)
    earned = (weights * np.nan_to_num(returns)).sum(axis=1)
    return np.asarray(np.divide(earned, total, out=np.full(len(total), np.nan), where=total > 0))


def realised_volatility(returns: Float, window: int, *, periods_per_year: int = TRADING_DAYS) -> Float:
    """(T,) yearly volatility over the trailing ``window`` rows, root mean square; NaN until 80 % of them are known.

    Parameters
    ----------
    returns : (T,) simple returns; NaN where unknown.
    periods_per_year : rows in a year.
    """
    enough = max(int(np.ceil(0.8 * window)), 1)
    squares = pd.Series(returns**2).rolling(window, min_periods=enough).mean().to_numpy()
    # The running sum of squares may round to just below zero after a large one has left the window.
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) * periods_per_year))


def day_dispersion(returns_tn: Float) -> Float:
    """(T,) how far apart one day's returns are: 1.4826 times the members' median distance from their median.

    A day tells little about the volatility of an index and much about the width of its cross-section, which widens
    with it. Medians leave out single jumps and errors of the data. NaN without any return.
    """
    return median_known(np.abs(returns_tn - median_known(returns_tn)[:, None])) * _TO_DEVIATION


def day_volatility(panel: Panel) -> Float:
    """(T,) volatility of one day, from the members' ranges or else from their returns; NaN where none is known.

    The median log range of high over low, over twice the square root of log 2, which makes it a daily volatility.
    A panel without ``high`` and ``low`` gives 1.4826 times the median absolute return, which is far noisier.

    Source: Parkinson (1980), "The Extreme Value Method for Estimating the Variance of the Rate of Return", *Journal
    of Business* 53.
    """
    returns = member_returns(panel)
    if not {"high", "low"} <= set(panel.fields):
        return median_known(np.abs(returns)) * _TO_DEVIATION
    return median_range(panel.field("high"), panel.field("low"), ~np.isnan(returns))


def median_range(high_tn: Float, low_tn: Float, used: Bool) -> Float:
    """(T,) volatility of each bar from the median log range of the assets used (T, N); see ``day_volatility``."""
    good = used & (low_tn > 0) & (high_tn >= low_tn)
    span = np.log(np.divide(high_tn, low_tn, out=np.full(high_tn.shape, np.nan), where=good))
    return np.asarray(median_known(span) / (2 * np.sqrt(np.log(2))))


def average_correlation(returns_tn: Float, window: int) -> Float:
    """(T,) average pairwise correlation over the trailing ``window`` rows, without forming any pair.

    The variance of an equal-weight index is the mean variance of its members over N plus the mean covariance of their
    pairs. So the correlation of the pairs, weighted by the product of their volatilities, follows from the variance
    of the index and those of the members: O(T N) rather than O(T N^2). It is exact where the members stay the same
    within the window; an asset counts from half a window of returns on.

    Raises
    ------
    InputError
        The window is below 3 rows.

    Source: Pollet and Wilson (2010), "Average Correlation and Stock Market Returns", *Journal of Financial Economics*
    96.
    """
    if window < 3:
        raise InputError(f"window {window} must be 3 rows or more.")
    known = ~np.isnan(returns_tn)
    count = known.sum(axis=1)
    mean = np.divide(np.nan_to_num(returns_tn).sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
    index = pd.Series(mean).rolling(window, min_periods=int(np.ceil(0.8 * window))).var(ddof=0).to_numpy()
    rolled = pd.DataFrame(returns_tn).rolling(window, min_periods=max(window // 2, 2)).var(ddof=0).to_numpy()
    variance = np.where(known, np.maximum(rolled, 0.0), np.nan)
    used = (~np.isnan(variance)).sum(axis=1)
    number = np.maximum(used, 1)
    own = np.nansum(variance, axis=1) / number
    deviation = np.nansum(np.sqrt(variance), axis=1) / number
    pairs = deviation**2 - own / number
    out = np.divide(index - own / number, pairs, out=np.full(len(pairs), np.nan), where=(used > 1) & (pairs > 0))
    # Members that change within the window can carry the ratio slightly beyond what a correlation can be.
    return np.asarray(np.clip(out, -1.0, 1.0))


def illiquidity(panel: Panel) -> Float:
    """(T,) the members' median price impact: absolute return over money traded, in percent per million.

    Source: Amihud (2002), "Illiquidity and Stock Returns", *Journal of Financial Markets* 5.
    """
    returns, money = member_returns(panel), _money(panel)
    with np.errstate(divide="ignore", invalid="ignore"):
        return median_known(np.where(money > 0, np.abs(returns) * 100 / (money / 1e6), np.nan))


def sector_returns(returns_tn: Float, assets: Names, sectors: Mapping[str, str]) -> SectorReturns:
    """Equal-weight returns of sectors.

    Parameters
    ----------
    returns_tn : (T, N) of the assets that count; NaN elsewhere.
    sectors : asset -> sector, as ``data.universe.read_sectors`` gives it; assets without one are left out.

    Raises
    ------
    InputError
        Fewer than two sectors have an asset in the panel.
    """
    own = np.array([sectors.get(asset, "") for asset in assets.tolist()])
    names = np.unique(own[own != ""])
    if len(names) < 2:
        raise InputError(f"{len(names)} sectors have assets in the panel; sector rotation needs two or more.")
    return SectorReturns(names, np.column_stack([mean_known(returns_tn[:, own == name]) for name in names]))


def _money(panel: Panel) -> Float:
    return panel.field("close") * panel.field("volume")


def median_known(values_tn: Float) -> Float:
    """(T,) median of the known values of each row; NaN where none is."""
    count = (~np.isnan(values_tn)).sum(axis=1)
    out = np.full(len(values_tn), np.nan)
    if not count.any():
        return out
    # Unknown values are sorted to the end of their row; numpy's nanmedian goes row by row and is several times slower.
    ordered, rows = np.sort(values_tn, axis=1), np.flatnonzero(count)
    low, high = (count[rows] - 1) // 2, count[rows] // 2
    out[rows] = (ordered[rows, low] + ordered[rows, high]) / 2
    return out


def mean_known(values_tn: Float) -> Float:
    """(T,) mean of the known values of each row; NaN where none is."""
    count = (~np.isnan(values_tn)).sum(axis=1)
    total = np.nan_to_num(values_tn).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))
