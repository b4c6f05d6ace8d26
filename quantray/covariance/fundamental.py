"""Returns of market, sector and style factors by cross-sectional regression.

Barra style: the exposures of day t - 1 explain the returns of day t. Each day costs one small regression, so a new day
is appended to a ``FactorHistory`` without going over the others again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.covariance.exposures import STYLES, StyleWindows, raw_styles, standardised, traded_size
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns

__all__ = ["FactorHistory", "FundamentalSettings", "extend_history", "factor_history"]


@dataclass(frozen=True, kw_only=True)
class FundamentalSettings:
    """How a fundamental factor model is estimated; half-lives are in trading days."""

    windows: StyleWindows = field(default_factory=StyleWindows)
    score_limit: float = 3.0
    """Robust standard deviations at which exposures are cut."""
    return_limit: float = 10.0
    """Robust standard deviations at which a day's returns are cut in the regression; specific returns stay whole."""
    volatility_half_life: float = 63.0
    correlation_half_life: float = 252.0
    newey_west_lags: int = 0
    """Autocorrelations of factor returns that enter their covariance; 0 for a one-day horizon."""
    specific_half_life: float = 84.0
    size_groups: int = 10
    """Groups by capitalisation whose mean specific volatility each asset's is drawn to."""
    specific_shrinkage: float = 0.1
    """How strongly: an asset s group deviations away is drawn by ``q s / (1 + q s)`` of its distance."""
    volatility_regime: bool = True
    """Whether to scale risk by how wrong recent forecasts were."""
    regime_half_life: float = 21.0
    sector_names: int = 5
    """Assets that a sector needs to be a factor; smaller sectors count as unlabelled."""
    unlabelled_limit: float = 0.5
    """Share of assets without a sector above which sectors are given up."""

    def __post_init__(self) -> None:
        for name in ("volatility_half_life", "correlation_half_life", "specific_half_life", "regime_half_life"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} {getattr(self, name)} must be a positive number of days.")
        for name, least in (("newey_west_lags", 0), ("size_groups", 1), ("sector_names", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} must be {least} or more.")
        if not self.specific_shrinkage >= 0:
            raise InputError(f"specific_shrinkage {self.specific_shrinkage} must not be negative.")
        if not (self.score_limit > 0 and self.return_limit > 0 and 0 <= self.unlabelled_limit <= 1):
            raise InputError("score_limit and return_limit must be positive, and unlabelled_limit lie in [0, 1].")

    @property
    def days_needed(self) -> int:
        """Rows of prices behind one more day: the longest window, with sizes known on all its days, and returns."""
        return self.windows.longest + self.windows.size + 3


@dataclass(frozen=True, eq=False)
class FactorHistory:
    """What the regressions found, day by day, and the exposures for the day to come."""

    factor_names: Names
    """(K,): market, then ``sector: ...``, then ``style: ...``."""
    factor_returns: Float
    """(D, K) of the last D days that could be explained."""
    specific_returns: Float
    """(D, N); NaN where an asset has no return."""
    explained: Float
    """(D,) share of the weighted variance of the day's returns that factors explain."""
    exposures: Float
    """(N, K) known at the last row."""
    portfolios: Float
    """(K, N) weights of the portfolios whose returns the factors would have the next day."""
    caps: Float
    """(N,) capitalisation or its proxy at the last row; NaN where unknown."""
    notes: tuple[str, ...]


def factor_history(
    close: Float,
    volume: Float,
    *,
    sectors: Sequence[str | None] | Names | None = None,
    caps: Float | None = None,
    settings: FundamentalSettings | None = None,
    last: int | None = None,
) -> FactorHistory:
    """Explain each day's returns by the exposures of the day before.

    Parameters
    ----------
    close, volume : (T, N); ``close`` ratios are total returns and ``close * volume`` the money traded. NaN where
        unknown.
    sectors : (N,) labels; None or empty where unknown. Assets without a label form one group, and the sum of all
        groups' returns weighted by capitalisation is zero every day.
    caps : (T, N), or (N,) for all days: market capitalisation; by default the trailing mean of money traded.
    last : explain only this many days at the end; by default all that can be.

    Raises
    ------
    InputError
        Shapes disagree or a setting is out of range.
    DataError
        No day has enough assets with known styles.

    Source: Menchero, Orr and Wang (2011), *The Barra US Equity Model (USE4)*, methodology notes.
    """
    settings = settings or FundamentalSettings()
    close, volume = np.asarray(close, dtype=np.float64), np.asarray(volume, dtype=np.float64)
    if close.ndim != 2 or close.shape != volume.shape or close.size == 0:
        raise InputError(f"close {close.shape} and volume {volume.shape} must be (T, N) of the same panel.")
    close = np.where(close > 0, close, np.nan)
    returns, traded = simple_returns(close), close * volume
    caps_tn, notes = _capitalisation(caps, traded, settings)
    labels, groups, more = _sector_groups(sectors, close.shape[1], settings)
    raw = raw_styles(returns, traded, caps_tn, settings.windows)
    names = np.array(["market", *(f"sector: {g}" for g in groups), *(f"style: {s}" for s in STYLES)])
    usable = ~np.isnan(raw).any(axis=1) & ~np.isnan(close)
    least = 2 * len(names)
    rows = 1 + np.flatnonzero((usable[:-1] & usable[1:]).sum(axis=1) >= least)
    rows = rows if last is None else rows[rows >= len(close) - last]
    if len(rows) == 0 or usable[-1].sum() < least:
        raise DataError(
            f"no {least} assets have known styles on any two days in a row up to the last; "
            f"give {settings.days_needed} rows of close and volume or more, or fewer sectors."
        )
    days = [_explain(returns[t], raw[t - 1], usable[t - 1], caps_tn[t - 1], labels, settings) for t in rows]
    now = _design(raw[-1], usable[-1], caps_tn[-1], labels, settings)
    portfolios = np.zeros(now.T.shape)
    portfolios[:, usable[-1]] = _portfolios(now[usable[-1]], caps_tn[-1][usable[-1]])
    if short := int((np.isnan(raw[-1]).any(axis=0)).sum()):
        more = (*more, f"{short} assets lack history for some style and have the market's average of it")
    return FactorHistory(
        names,
        np.array([day[0] for day in days]),
        np.array([day[1] for day in days]),
        np.array([day[2] for day in days]),
        now,
        portfolios,
        caps_tn[-1],
        (*notes, *more),
    )


def extend_history(
    history: FactorHistory,
    close: Float,
    volume: Float,
    *,
    days: int = 1,
    sectors: Sequence[str | None] | Names | None = None,
    caps: Float | None = None,
    settings: FundamentalSettings | None = None,
) -> FactorHistory:
    """Append the last ``days`` of some prices, dropping as many at the start.

    Parameters
    ----------
    close, volume, caps : (T, N) with at least ``settings.days_needed + days`` rows, of the same assets in the same
        order; sectors and settings as before.

    Raises
    ------
    InputError
        The assets or the factors are not those of the history.
    DataError
        The days cannot be explained.
    """
    chosen = settings or FundamentalSettings()
    rows = slice(-(chosen.days_needed + days), None)
    short = caps[rows] if caps is not None and caps.ndim == 2 else caps
    new = factor_history(close[rows], volume[rows], sectors=sectors, caps=short, settings=chosen, last=days)
    same = new.factor_names.tolist() == history.factor_names.tolist()
    if not same or new.caps.shape != history.caps.shape:
        raise InputError("the new days have other assets or factors than the history; build the history again.")
    count = len(history.factor_returns)
    return replace(
        new,
        factor_returns=np.vstack([history.factor_returns, new.factor_returns])[-count:],
        specific_returns=np.vstack([history.specific_returns, new.specific_returns])[-count:],
        explained=np.concatenate([history.explained, new.explained])[-count:],
    )


def _capitalisation(caps: Float | None, traded: Float, settings: FundamentalSettings) -> tuple[Float, tuple[str, ...]]:
    if caps is None:
        window = settings.windows.size
        note = f"capitalisation is stood in for by the geometric mean of money traded over {window} days"
        return traded_size(traded, window), (note,)
    caps = np.asarray(caps, dtype=np.float64)
    if caps.shape not in (traded.shape, traded.shape[1:]):
        raise InputError(f"caps are {caps.shape}; they must be {traded.shape} or {traded.shape[1:]}.")
    return np.broadcast_to(np.where(caps > 0, caps, np.nan), traded.shape), ()


def _sector_groups(
    sectors: Sequence[str | None] | Names | None, n_assets: int, settings: FundamentalSettings
) -> tuple[Int, tuple[str, ...], tuple[str, ...]]:
    """Group number of each asset, the groups' names (none without sectors), and notes."""
    nobody = np.zeros(n_assets, dtype=np.int64)
    if sectors is None:
        return nobody, (), ("no sectors were given: market and styles only",)
    if len(sectors) != n_assets:
        raise InputError(f"{len(sectors)} sectors for {n_assets} assets; give one label each, None where unknown.")
    labels = ["" if label is None else str(label).strip() for label in sectors]
    unlabelled = labels.count("") / n_assets
    if unlabelled > settings.unlabelled_limit:
        limit = settings.unlabelled_limit
        return nobody, (), (f"{unlabelled:.0%} of the sectors are missing (limit {limit:.0%}): market and styles only",)
    sizes = Counter(labels)
    small = sorted(name for name, size in sizes.items() if name and size < settings.sector_names)
    labels = ["" if name in small else name for name in labels]
    notes = [f"sectors with under {settings.sector_names} assets count as unlabelled: {', '.join(small)}"] * bool(small)
    if rest := labels.count(""):
        notes.append(f"{rest} assets without a sector form a group of their own")
    groups = sorted(set(labels) - {""}) + ["unlabelled"] * ("" in labels)
    if len(groups) < 2:
        return nobody, (), (*notes[:1], "fewer than two sectors are large enough: market and styles only")
    number = {name: i for i, name in enumerate(groups)}
    where = np.array([number[name or "unlabelled"] for name in labels], dtype=np.int64)
    return where, tuple(groups), tuple(notes)


def _design(raw: Float, members: Bool, caps: Float, labels: Int, settings: FundamentalSettings) -> Float:
    """(N, K) exposures of one day."""
    scores = standardised(raw, members, caps, settings.score_limit)
    n_groups = int(labels.max()) + 1
    dummies = np.eye(n_groups)[labels] if n_groups > 1 else np.empty((len(labels), 0))
    return np.hstack([np.ones((len(labels), 1)), dummies, scores.T])


def _explain(
    returns: Float, raw: Float, members: Bool, caps: Float, labels: Int, settings: FundamentalSettings
) -> tuple[Float, Float, float]:
    """(K,) factor returns, (N,) specific returns and the share explained, of one day."""
    design = _design(raw, members, caps, labels, settings)
    inside = members & ~np.isnan(returns)
    given = returns[inside]
    centre = np.median(given)
    reach = settings.return_limit * 1.4826 * float(np.median(np.abs(given - centre)))
    cut = np.clip(given, centre - reach, centre + reach)
    weight = np.sqrt(caps[inside])
    weight /= weight.sum()
    within = design[inside]
    found = _portfolios(within, caps[inside]) @ cut
    left = cut - within @ found
    variance = weight @ (cut - weight @ cut) ** 2
    explained = 1 - float(weight @ left**2 / variance) if variance > 0 else 0.0
    return found, returns - design @ found, explained


def _portfolios(design: Float, caps: Float) -> Float:
    """(K, N) weights that turn returns into factor returns by least squares, weighted by the root of capitalisation.

    The market is the sum of the sectors, so the normal matrix is singular: one of its solutions is taken, and then
    shifted between market and sectors until the sectors' cap-weighted sum is zero.
    """
    weighted = design * (np.sqrt(caps) / np.sqrt(caps).sum())[:, None]
    out: Float = np.linalg.pinv(design.T @ weighted, rcond=1e-10, hermitian=True) @ weighted.T
    sectors = slice(1, design.shape[1] - len(STYLES))
    if sectors.stop > 1:
        share = caps @ design[:, sectors] / caps.sum()
        average = share @ out[sectors]
        out[0] += average
        out[sectors] -= np.where(share > 0, 1.0, 0.0)[:, None] * average
    return out
