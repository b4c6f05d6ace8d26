"""Style exposures known at the close of each day, from prices, money traded and market capitalisations.

Shapes: T dates, N assets, S styles. All windows end at the row itself, so row t knows nothing after its close.
"""

from dataclasses import dataclass, fields

import numpy as np

from quantray.arrays import Bool, Float
from quantray.errors import InputError

__all__ = ["STYLES", "StyleWindows", "market_returns", "raw_styles", "standardised", "traded_size"]

STYLES = ("beta", "momentum", "volatility", "size", "liquidity", "reversal")


@dataclass(frozen=True, kw_only=True)
class StyleWindows:
    """Trading days that each style looks back; half of a window's days must be known."""

    beta: int = 252
    momentum: int = 252
    """Together with the days skipped."""
    momentum_skip: int = 21
    volatility: int = 63
    size: int = 252
    """Of the mean of money traded that stands in for capitalisation."""
    liquidity: int = 63
    reversal: int = 21

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 2:
                raise InputError(f"style window {field.name} {getattr(self, field.name)} must be 2 days or more.")
        if self.momentum_skip >= self.momentum:
            raise InputError(f"momentum_skip {self.momentum_skip} must be shorter than momentum {self.momentum}.")

    @property
    def longest(self) -> int:
        """The longest window."""
        return max(int(getattr(self, field.name)) for field in fields(self))


def traded_size(traded_tn: Float, window: int) -> Float:
    """(T, N) trailing geometric mean of money traded, a proxy for market capitalisation.

    Money traded is close to log-normal, for which this is the median; a running sum gives it at once, where a running
    median would cost more than the whole model. Days without trade are left out.
    """
    with np.errstate(divide="ignore"):
        logs = np.where(traded_tn > 0, np.log(traded_tn), np.nan)
    return np.asarray(np.exp(_trailing_mean(logs, window)))


def market_returns(returns_tn: Float, caps_tn: Float) -> Float:
    """(T,) returns of all assets weighted by the previous day's capitalisation; zero where none is known."""
    before = np.vstack([np.full((1, caps_tn.shape[1]), np.nan), caps_tn[:-1]])
    weight = np.where(np.isnan(returns_tn) | np.isnan(before), 0.0, before)
    total = weight.sum(axis=1)
    summed = np.einsum("tn,tn->t", weight, np.nan_to_num(returns_tn))
    return np.asarray(np.divide(summed, total, out=np.zeros(len(total)), where=total > 0))


def raw_styles(returns_tn: Float, traded_tn: Float, caps_tn: Float, windows: StyleWindows) -> Float:
    """(T, S, N) styles in their own units, in the order of ``STYLES``; NaN where too little is known.

    beta: slope on the cap-weighted market. momentum: log return of the past year less its last month. volatility: log
    standard deviation of what beta leaves. size: log capitalisation. liquidity: log ratio of mean money traded to
    capitalisation. reversal: log return of the last month.
    """
    n_days, n_assets = returns_tn.shape
    market = market_returns(returns_tn, caps_tn)
    out = np.empty((n_days, len(STYLES), n_assets))
    beta, variance, market_variance = _slopes(returns_tn, market, windows)
    logs = np.log1p(np.maximum(returns_tn, -0.999))
    skipped, known = _trailing_sum(logs, windows.momentum_skip)
    summed, known_all = _trailing_sum(logs, windows.momentum)
    enough = known_all - known >= (windows.momentum - windows.momentum_skip) / 2
    # What beta explains may exceed the variance of a short window; a tenth of it always counts as the asset's own.
    own = np.maximum(variance - beta**2 * market_variance[:, None], 0.1 * variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[:, 0] = beta
        out[:, 1] = np.where(enough, summed - skipped, np.nan)
        out[:, 2] = np.where(own > 0, 0.5 * np.log(own), np.nan)
        out[:, 3] = np.log(caps_tn)
        out[:, 4] = np.log(_trailing_mean(traded_tn, windows.liquidity)) - np.log(caps_tn)
        out[:, 5] = _trailing_mean(logs, windows.reversal) * windows.reversal
    out[~np.isfinite(out)] = np.nan
    return out


def standardised(raw_sn: Float, members: Bool, caps: Float, limit: float) -> Float:
    """(S, N) exposures of one day: robust z-scores, cut at ``limit``, of cap-weighted mean 0 and deviation 1.

    Centres and scales come from ``members`` (N,), all of whose styles are known; unknown styles of others are zero,
    the market's average.

    Source: Menchero, Orr and Wang (2011), *The Barra US Equity Model (USE4)*, methodology notes, section 2.
    """
    inside = raw_sn[:, members]
    centre = np.median(inside, axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(inside - centre), axis=1, keepdims=True)
    alive = spread > 1e-12
    scores = np.where(alive, (raw_sn - centre) / np.where(alive, spread, 1.0), 0.0)
    scores = np.clip(scores, -limit, limit)
    share = caps[members] / caps[members].sum()
    scores -= (scores[:, members] @ share)[:, None]
    width = scores[:, members].std(axis=1, keepdims=True)
    scores = np.where(width > 1e-12, scores / np.where(width > 1e-12, width, 1.0), 0.0)
    return np.where(np.isnan(scores), 0.0, scores)


def _slopes(returns_tn: Float, market: Float, windows: StyleWindows) -> tuple[Float, Float, Float]:
    """(T, N) betas and variances of the assets, and (T,) variances of the market."""
    known = ~np.isnan(returns_tn)
    along = np.where(known, market[:, None], np.nan)
    mean_r, mean_m = _trailing_mean(returns_tn, windows.beta), _trailing_mean(along, windows.beta)
    covariance = _trailing_mean(returns_tn * along, windows.beta) - mean_r * mean_m
    spread = _trailing_mean(along**2, windows.beta) - mean_m**2
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.where(spread > 1e-16, covariance / spread, np.nan)
    short = windows.volatility
    variance = _trailing_mean(returns_tn**2, short) - _trailing_mean(returns_tn, short) ** 2
    own = _trailing_mean(market[:, None] ** 2, short) - _trailing_mean(market[:, None], short) ** 2
    return beta, np.where(variance > 1e-16, variance, np.nan), np.nan_to_num(np.maximum(own[:, 0], 0.0))


def _trailing_sum(values_tn: Float, window: int) -> tuple[Float, Float]:
    """Sums over the known values of each row's window, and how many they are."""
    known = ~np.isnan(values_tn)
    sums = np.cumsum(np.where(known, values_tn, 0.0), axis=0)
    counts = np.cumsum(known, axis=0, dtype=np.float64)
    sums[window:] -= sums[:-window].copy()
    counts[window:] -= counts[:-window].copy()
    return sums, counts


def _trailing_mean(values_tn: Float, window: int) -> Float:
    """Means over the known values of each row's window; NaN where fewer than half are known."""
    sums, counts = _trailing_sum(values_tn, window)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts >= window / 2))
