"""Returns of market, sector and style factors by cross-sectional regression, and the risk of factors and assets.

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

__all__ = [
    "FactorHistory",
    "FundamentalSettings",
    "extend_history",
    "factor_history",
    "factor_risk",
    "specific_risk",
    "without_noise",
]


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


def factor_risk(history: FactorHistory, settings: FundamentalSettings) -> tuple[Float, tuple[str, ...]]:
    """(K, K) covariance of factor returns for the next day, and notes.

    Volatilities and correlations have half-lives of their own. With Newey-West lags, the weighted autocovariances
    enter with Bartlett's weights, which keeps the matrix positive semidefinite. The volatility-regime adjustment
    multiplies it by the recent mean square of factor returns over their forecasts.
    """
    returns = history.factor_returns
    lags = min(settings.newey_west_lags, len(returns) - 1)
    fast = _long_run(returns, settings.volatility_half_life, lags)
    slow = _long_run(returns, settings.correlation_half_life, lags)
    size = np.sqrt(np.maximum(np.diagonal(slow), 0.0))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    scale = np.sqrt(np.maximum(np.diagonal(fast), 0.0)) * inverse
    covariance: Float = slow * np.outer(scale, scale)
    if not settings.volatility_regime:
        return covariance, ()
    ratio = _regime(returns, np.ones(returns.shape[1]), settings.volatility_half_life, settings.regime_half_life)
    return covariance * ratio, (f"factor volatility scaled by {np.sqrt(ratio):.2f} for the present regime",)


def without_noise(covariance: Float, portfolios: Float, specific_variance: Float) -> Float:
    """The (K, K) factor covariance less what specific returns add to estimated factor returns.

    A factor's return is that of a portfolio with specific risk of its own, which the model would count twice: a
    sector of forty names looks a quarter too variable. At most four fifths of the variance in any direction is taken.
    """
    noise = (portfolios * specific_variance) @ portfolios.T
    values, vectors = np.linalg.eigh(covariance)
    keep = values > 1e-12 * max(values[-1], 0.0)
    root = vectors[:, keep] * np.sqrt(values[keep])
    inverse = vectors[:, keep] / np.sqrt(values[keep])
    share, turn = np.linalg.eigh(inverse.T @ noise @ inverse)
    half = root @ (turn * np.sqrt(1 - np.minimum(share, 0.8)))
    return np.asarray(half @ half.T)


def specific_risk(history: FactorHistory, settings: FundamentalSettings) -> tuple[Float, tuple[str, ...]]:
    """(N,) variance of specific returns for the next day, and notes.

    Each asset's exponentially weighted volatility is drawn to the mean of its size group: first as its history is
    shorter than a half-life, then the more the farther it lies from the mean compared with the group's spread.

    Source: Menchero, Orr and Wang (2011), section 5 (Bayesian shrinkage, volatility-regime adjustment).
    """
    returns = history.specific_returns
    known = ~np.isnan(returns)
    squares = np.where(known, returns, 0.0) ** 2
    weights = _decay(len(returns), settings.specific_half_life)
    total = weights @ known
    variance = np.divide(weights @ squares, total, out=np.zeros_like(total), where=total > 0)
    days = known.sum(axis=0)
    trust = np.minimum(days / settings.specific_half_life, 1.0)
    volatility = _drawn_to_groups(np.sqrt(variance), trust, history.caps, settings)
    notes: tuple[str, ...] = ()
    if few := int((trust < 1).sum()):
        notes = (f"{few} assets have less than {settings.specific_half_life:.0f} days; their group's risk fills in",)
    if not settings.volatility_regime:
        return volatility**2, notes
    # Weights by size, as the model is fitted; a forecast that a single jump beats sixfold counts as six.
    share = np.sqrt(np.nan_to_num(history.caps))
    ratio = _regime(returns, share, settings.specific_half_life, settings.regime_half_life, limit=6.0)
    return volatility**2 * ratio, (*notes, f"specific volatility scaled by {np.sqrt(ratio):.2f} for the present regime")


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


def _decay(n_days: int, half_life: float) -> Float:
    weights = 0.5 ** (np.arange(n_days - 1, -1, -1) / half_life)
    return np.asarray(weights / weights.sum())


def _long_run(returns: Float, half_life: float, lags: int) -> Float:
    weighted = returns * np.sqrt(_decay(len(returns), half_life))[:, None]
    out = weighted.T @ weighted
    for lag in range(1, lags + 1):
        product = weighted[lag:].T @ weighted[:-lag]
        out = out + (1 - lag / (lags + 1)) * (product + product.T)
    return np.asarray(out)


def _regime(returns: Float, weights: Float, half_life: float, recent: float, limit: float = np.inf) -> float:
    """Recent mean square of returns over forecasts made the day before; 1 where there is too little history."""
    start = min(int(half_life), len(returns) // 2)
    if start < 10:
        return 1.0
    decay = 0.5 ** (1 / half_life)
    known = ~np.isnan(returns)
    squares = np.where(known, returns, 0.0) ** 2
    counts = np.maximum(known[:start].sum(axis=0), 1)
    variance = squares[:start].sum(axis=0) / counts
    surprise = np.empty(len(returns) - start)
    for i, (square, there) in enumerate(zip(squares[start:], known[start:], strict=True)):
        counted = there & (variance > 0)
        share = weights * counted
        ratio = np.divide(square, variance, out=np.zeros_like(variance), where=counted)
        mean = share @ np.minimum(ratio, limit**2) / max(share.sum(), np.finfo(float).tiny)
        surprise[i] = mean if counted.any() else 1.0
        fresh = np.where(variance > 0, decay * variance + (1 - decay) * square, square)
        variance = np.where(there, fresh, variance)
    return float(_decay(len(surprise), recent) @ surprise)


def _drawn_to_groups(volatility: Float, trust: Float, caps: Float, settings: FundamentalSettings) -> Float:
    """Volatilities drawn to the mean of their size group."""
    order = np.argsort(np.nan_to_num(caps, nan=-1.0), kind="stable")
    groups = np.array_split(order, min(settings.size_groups, max(len(order) // 10, 1)))
    out = volatility.copy()
    everyone = float(volatility[trust > 0].mean()) if (trust > 0).any() else 0.0
    for members in groups:
        sure = members[trust[members] >= 1]
        if len(sure) == 0:
            sure = members[trust[members] > 0]
        mean, spread = (float(volatility[sure].mean()), float(volatility[sure].std())) if len(sure) else (everyone, 0.0)
        own = trust[members] * volatility[members] + (1 - trust[members]) * mean
        distance = settings.specific_shrinkage * np.abs(own - mean)
        weight = np.divide(distance, distance + spread, out=np.zeros_like(distance), where=distance + spread > 0)
        out[members] = weight * mean + (1 - weight) * own
    return out
