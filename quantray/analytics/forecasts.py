"""How good forecasts are: coefficients, quantiles, decay and stability of scores across assets.

Scores (D, N) of date t are compared with the returns that a decision at t earns, ``features.labels.forward_returns``,
over the members of t whose score and return are both known. Nothing here looks at the size of a score across dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean
from quantray.analytics.metrics import sharpe_ratio
from quantray.arrays import Bool, Float, Int
from quantray.errors import InputError
from quantray.features.cross_section import ranks
from quantray.features.labels import forward_returns

__all__ = [
    "FEWEST_NAMES",
    "Decay",
    "Quantiles",
    "Skill",
    "daily_ic",
    "ensemble_scores",
    "forecast_skill",
    "ic_decay",
    "ic_difference",
    "quantile_returns",
    "ranking_autocorrelation",
]

FEWEST_NAMES = 10
"""Names below which a day's cross-section says nothing."""


@dataclass(frozen=True, eq=False)
class Skill:
    """How scores order the returns that follow. D dates; NaN on days with too few names or without differences."""

    ic: Float
    """(D,) information coefficient: correlation of scores and returns across assets."""
    rank_ic: Float
    """(D,) the same of their ranks."""
    mean_ic: Estimate
    mean_rank_ic: Estimate
    icir: float
    """Mean over standard deviation of the daily coefficients; NaN where they do not vary."""
    rank_icir: float
    positive_days: float
    """Share of days with a coefficient above zero."""
    hit_rate: float
    """Share of names and days whose score and return lie on the same side of their day's median."""
    mean_names: float
    """Names in a day's cross-section."""


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Returns of equal-weighted portfolios of names of like scores. D dates, Q quantiles from lowest to highest."""

    returns: Float
    """(D, Q) mean forward return; NaN where a quantile is empty."""
    mean: Float
    """(Q,) over the days."""
    spread: Float
    """(D,) highest less lowest quantile."""
    mean_spread: Estimate
    hit_rate: float
    """Share of days with a spread above zero."""
    monotonicity: float
    """Correlation of the quantiles' numbers with the ranks of their mean returns, -1 to 1."""
    turnover: Float
    """(D,) share of the names in the two outer quantiles that were not there on the date before; NaN at first."""


@dataclass(frozen=True, eq=False)
class Decay:
    """Skill over longer horizons, all on the days on which the longest is known."""

    horizons: Int
    """(H,) trading days."""
    estimates: tuple[Estimate, ...]
    """Mean coefficient at each horizon."""

    @property
    def mean(self) -> Float:
        """(H,)."""
        return np.array([estimate.mean for estimate in self.estimates])


def daily_ic(
    scores: Float, forward: Float, member: Bool | None = None, *, rank: bool = False, fewest: int = FEWEST_NAMES
) -> Float:
    """Information coefficient of each day: the correlation across assets of scores with the returns that follow.

    Parameters
    ----------
    scores, forward : (D, N); NaN where unknown.
    member : (D, N) membership on the date of the scores; by default all.
    rank : of ranks, ties averaged (Spearman), rather than of values (Pearson).
    fewest : names below which a day has no coefficient.

    Returns
    -------
    (D,) between -1 and 1; NaN on days with too few names, or where scores or returns are all alike.

    Raises
    ------
    InputError
        Shapes disagree, values are infinite, or ``fewest`` is below 2.

    Source: Grinold and Kahn (1999), *Active Portfolio Management*, 2nd ed., ch. 6.
    """
    scores, forward, used = _common(scores, forward, member)
    if fewest < 2:
        raise InputError(f"fewest {fewest} must be at least 2 names.")
    if rank:
        scores, forward = ranks(scores, used), ranks(forward, used)
    return np.where(used.sum(axis=1) >= fewest, _correlations(scores, forward, used), np.nan)


def forecast_skill(
    scores: Float,
    forward: Float,
    member: Bool | None = None,
    *,
    horizon: int = 1,
    resampling: Resampling | None = None,
) -> Skill:
    """Coefficients and hit rate of scores, with block-bootstrap intervals of the means.

    Parameters
    ----------
    scores, forward, member : see ``daily_ic``.
    horizon : trading days that a forward return covers; returns of neighbouring dates overlap by one less.

    Raises
    ------
    InputError
        As ``daily_ic``, or fewer than two days have a coefficient.
    """
    ic, rank_ic = daily_ic(scores, forward, member), daily_ic(scores, forward, member, rank=True)
    scores, forward, used = _common(scores, forward, member)
    used &= ~np.isnan(ic)[:, None]
    sides = np.sign(ranks(scores, used)) * np.sign(ranks(forward, used))
    known = ic[~np.isnan(ic)]
    return Skill(
        ic=ic,
        rank_ic=rank_ic,
        mean_ic=estimated_mean(ic, overlap=horizon, resampling=resampling),
        mean_rank_ic=estimated_mean(rank_ic, overlap=horizon, resampling=resampling),
        icir=_ratio(known),
        rank_icir=_ratio(rank_ic[~np.isnan(rank_ic)]),
        positive_days=float((known > 0).mean()),
        # A name exactly at a median is on neither side.
        hit_rate=float((sides[used] > 0).sum() / max(int((sides[used] != 0).sum()), 1)),
        mean_names=float(used.sum() / len(known)),
    )


def ic_difference(ic: Float, other: Float, *, horizon: int = 1, resampling: Resampling | None = None) -> Estimate:
    """Mean daily coefficient less that of another model, resampled on the same days.

    What both share, such as calm and wild days, cancels; so it is far surer than two separate intervals. Average the
    coefficients over seeds before the comparison, or compare ``ensemble_scores``.

    Parameters
    ----------
    ic, other : (D,) from ``daily_ic`` on the same dates; days on which either is NaN are left out.
    horizon : see ``forecast_skill``.

    Raises
    ------
    InputError
        The lengths differ, or fewer than two days have both.
    """
    ic, other = np.asarray(ic, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if ic.shape != other.shape:
        raise InputError(f"coefficients are {ic.shape} and {other.shape}; compare models on the same dates.")
    return estimated_mean(ic - other, overlap=horizon, resampling=resampling)


def quantile_returns(
    scores: Float,
    forward: Float,
    member: Bool | None = None,
    *,
    n_quantiles: int = 10,
    horizon: int = 1,
    resampling: Resampling | None = None,
) -> Quantiles:
    """Mean forward returns of names sorted by score into quantiles of equal size, and of the highest less the lowest.

    Equal scores stay in one quantile. A day with fewer names than twice the quantiles is left out.

    Parameters
    ----------
    scores, forward, member, horizon : see ``forecast_skill``.

    Raises
    ------
    InputError
        As ``daily_ic``, fewer than two quantiles, or fewer than two days with names in both outer ones.
    """
    scores, forward, used = _common(scores, forward, member)
    if n_quantiles < 2:
        raise InputError(f"n_quantiles {n_quantiles} must be 2 or more; deciles are 10.")
    used &= (used.sum(axis=1) >= 2 * n_quantiles)[:, None]
    bins = _bins(scores, used, n_quantiles)
    day, name = np.nonzero(used)
    cell = day * n_quantiles + bins[day, name]
    shape = len(scores), n_quantiles
    count = np.bincount(cell, minlength=len(scores) * n_quantiles).reshape(shape)
    total = np.bincount(cell, forward[day, name], minlength=len(scores) * n_quantiles).reshape(shape)
    returns = np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)
    days = (count > 0).sum(axis=0)
    mean = np.divide(np.nansum(returns, axis=0), days, out=np.full(n_quantiles, np.nan), where=days > 0)
    spread = returns[:, -1] - returns[:, 0]
    mean_spread = estimated_mean(spread, overlap=horizon, resampling=resampling)
    everywhere = np.ones((1, n_quantiles), dtype=np.bool_)
    number = np.arange(n_quantiles, dtype=np.float64)[None, :]
    return Quantiles(
        returns=returns,
        mean=mean,
        spread=spread,
        mean_spread=mean_spread,
        hit_rate=float((spread[~np.isnan(spread)] > 0).mean()),
        monotonicity=float(daily_ic(number, mean[None, :], everywhere, rank=True, fewest=2)[0]),
        turnover=_outer_turnover(bins, used, n_quantiles),
    )


def ic_decay(
    scores: Float,
    close: Float,
    member: Bool | None = None,
    *,
    horizons: Sequence[int] = (1, 2, 3, 5, 10, 21),
    lag: int = 1,
    rank: bool = True,
    delist: Float | None = None,
    resampling: Resampling | None = None,
) -> Decay:
    """Mean coefficient of the same scores against returns over several horizons.

    Parameters
    ----------
    scores : (T, N), one row for each row of closes; NaN where unknown.
    close : (T, N) adjusted closes.
    horizons : trading days from the day of execution, each 1 or more.
    lag : trading days from a decision to its execution.
    rank : see ``daily_ic``.
    delist : (T, N) delisting returns; see ``forward_returns``.

    Raises
    ------
    InputError
        As ``daily_ic`` and ``forward_returns``; no horizons; fewer than two days on which the longest is known.
    """
    if len(horizons) == 0:
        raise InputError("no horizons are given; (1, 5, 21) are a day, a week and a month.")
    close = np.asarray(close, dtype=np.float64)
    daily = np.array(
        [
            daily_ic(scores, forward_returns(close, horizon=h, lag=lag, delist_tn=delist), member, rank=rank)
            for h in horizons
        ]
    )
    common = ~np.isnan(daily).any(axis=0)
    estimates = [
        estimated_mean(ic[common], overlap=h, resampling=resampling) for ic, h in zip(daily, horizons, strict=True)
    ]
    return Decay(np.array(horizons, dtype=np.int64), tuple(estimates))


def ranking_autocorrelation(
    scores: Float, member: Bool | None = None, *, days: int = 1, fewest: int = FEWEST_NAMES
) -> Float:
    """(D,) correlation of each date's ranks with those of ``days`` dates before, over names with both; NaN at first.

    One less this is how much of the ranking turns over.

    Raises
    ------
    InputError
        As ``daily_ic``, or ``days`` is not between 1 and D - 1.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or not 1 <= days < len(scores):
        raise InputError(f"{days} days back in scores of shape {scores.shape}; they must be (D, N) with more dates.")
    both = None if member is None else np.asarray(member)[days:] & np.asarray(member)[:-days]
    later = daily_ic(scores[days:], scores[:-days], both, rank=True, fewest=fewest)
    return np.concatenate([np.full(days, np.nan), later])


def ensemble_scores(scores: Float, member: Bool | None = None) -> Float:
    """The mean over several fits of scores standardised across each date's members.

    Parameters
    ----------
    scores : (S, D, N) of S fits, such as seeds; NaN where unknown.
    member : (D, N) membership; by default all.

    Returns
    -------
    (D, N); NaN outside the membership and where a fit has no score. A fit that tells no names apart on a date counts
    as zero there.

    Raises
    ------
    InputError
        Shapes disagree, or scores are infinite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or len(scores) == 0:
        raise InputError(f"scores are {scores.shape}; stack the (D, N) scores of each fit as (S, D, N).")
    total = np.zeros(scores.shape[1:])
    for one in scores:
        values, _, used = _common(one, one, member)
        standard = _unit(_centred(values, used)) * np.sqrt(used.sum(axis=1, keepdims=True))
        total += np.where(used, standard, np.nan)
    return np.asarray(total / len(scores))


def _common(scores: Float, forward: Float, member: Bool | None) -> tuple[Float, Float, Bool]:
    """Scores and returns as they come, and where a member has both."""
    scores, forward = np.asarray(scores, dtype=np.float64), np.asarray(forward, dtype=np.float64)
    used = ~np.isnan(scores) & ~np.isnan(forward) if scores.shape == forward.shape else None
    if used is None or scores.ndim != 2 or (member is not None and np.shape(member) != scores.shape):
        raise InputError(
            f"scores are {scores.shape}, returns {forward.shape} and members "
            f"{'not given' if member is None else np.shape(member)}; all must be (D, N) of the same dates and assets."
        )
    if np.isinf(scores).any() or np.isinf(forward).any():
        raise InputError("scores or returns hold infinite values; a price of zero or a diverged model is the cause.")
    return scores, forward, used if member is None else used & np.asarray(member, dtype=np.bool_)


def _centred(values: Float, used: Bool) -> Float:
    """(D, N) values less their day's mean, exactly zero where all of a day are alike; zero elsewhere."""
    filled = np.where(used, values, 0.0)
    count = np.maximum(used.sum(axis=1, keepdims=True), 1)
    low = np.where(used, values, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(used, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    return np.where(used & (low < high), filled - filled.sum(axis=1, keepdims=True) / count, 0.0)


def _correlations(left: Float, right: Float, used: Bool) -> Float:
    """(D,) correlation of each row over the names used; NaN where either does not vary."""
    left, right = _unit(_centred(left, used)), _unit(_centred(right, used))
    known = left.any(axis=1) & right.any(axis=1)
    return np.where(known, np.clip((left * right).sum(axis=1), -1.0, 1.0), np.nan)


def _unit(rows: Float) -> Float:
    """Rows scaled to length one, first by their largest value so that squares of tiny ones do not vanish."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(rows, length, out=rows, where=length > 0))


def _ratio(known: Float) -> float:
    return float(sharpe_ratio(known, periods_per_year=1))


def _bins(scores: Float, used: Bool, n_quantiles: int) -> Int:
    """(D, N) quantile of each name among those used, 0 the lowest; 0 elsewhere."""
    count = used.sum(axis=1, keepdims=True)
    # Halves exactly, as ties are: a rounding error would move a name across a quantile's border.
    place = np.round(np.nan_to_num(ranks(scores, used) + 0.5) * (count - 1) * 2) / 2
    return np.where(used, ((place + 0.5) * n_quantiles / np.maximum(count, 1)).astype(np.int64), 0)


def _outer_turnover(bins: Int, used: Bool, n_quantiles: int) -> Float:
    out = np.full(len(bins), np.nan)
    outer = used & ((bins == 0) | (bins == n_quantiles - 1))
    kept = outer[1:] & outer[:-1] & (bins[1:] == bins[:-1])
    held = outer[1:].sum(axis=1)
    known = (held > 0) & outer[:-1].any(axis=1)
    np.divide(held - kept.sum(axis=1), held, out=out[1:], where=known)
    return out
