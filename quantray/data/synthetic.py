"""A market whose truth is known: regimes, factors, fat tails, listings and delistings, and a signal if one is planted.

One Markov chain moves the market between four regimes. Each day's return of an asset is
``loadings @ factors + specific``: a market factor, one factor per sector and a few styles. Factors and specific
returns are Student-t, scaled to the stated variances. Volume and spread react to volatility. With ``LeadLag`` small
groups of assets lead each other, which only a model that sees an asset's peers can read in full.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantray.arrays import TRADING_DAYS, Bool, Dates, Float, Int, Names, as_day, frozen
from quantray.data.calendar import trading_days
from quantray.data.panel import Panel
from quantray.errors import InputError

__all__ = [
    "MOST_CELLS",
    "REGIMES",
    "IntradayBars",
    "LeadLag",
    "MarketTruth",
    "SyntheticMarket",
    "simulate_intraday",
    "simulate_market",
]

MOST_CELLS = 500_000_000
"""Prices of one field of the largest market that is simulated: 20,000 assets for a century, at 4 GB a field."""

REGIMES = ("bull", "bear", "calm", "volatile")

# Per regime: annual drift and volatility of the market, and the multiple of all other volatilities.
_DRIFT = np.array([0.17, -0.35, 0.08, -0.02])
_VOLATILITY = np.array([0.13, 0.24, 0.08, 0.32])
_SPECIFIC = np.array([1.0, 1.4, 0.8, 1.8])
# Daily transitions: regimes last about 125, 56, 125 and 44 days and fill 48, 7, 35 and 10 % of the time.
_TRANSITION = np.array(
    [
        [0.9920, 0.0010, 0.0050, 0.0020],
        [0.0090, 0.9820, 0.0010, 0.0080],
        [0.0055, 0.0005, 0.9920, 0.0020],
        [0.0120, 0.0070, 0.0035, 0.9775],
    ]
)


@dataclass(frozen=True, eq=False)
class MarketTruth:
    """What generated a synthetic market. K factors: market, then sectors, then styles."""

    regimes: Int
    """(T,) index into ``REGIMES``."""
    transition: Float
    """(4, 4) daily transition probabilities, rows from, columns to."""
    factor_names: Names
    """(K,)."""
    factor_returns: Float
    """(T, K) simple returns."""
    factor_volatility: Float
    """(4, K) daily volatility of each factor in each regime."""
    loadings: Float
    """(N, K)."""
    specific_variance: Float
    """(N,) daily, in a regime of multiple one."""
    specific_multiple: Float
    """(4,) multiple of the specific volatility in each regime."""
    sectors: Names
    """(N,) sector of each asset."""
    listed: Bool
    """(T, N) whether the asset trades."""
    peers: npt.NDArray[np.int32]
    """(N, k) positions of the assets whose returns lead each asset's, -1 where a group is smaller; k is 0 without."""
    peer_correlation: Float
    """(N,) correlation of an asset's specific return with each of its peers' on the same day, while all trade."""
    expected_returns: Float
    """(T, N) planted part, known at the close of t, of the return that a decision at t with lag 1 and horizon 1 earns,
    which is that of day t + 2; 0 for assets that did not trade when their signal was seen, and without a signal."""

    def covariance(self, regime: int) -> Float:
        """(N, N) daily covariance of returns in a regime, while all assets trade."""
        scaled = self.loadings * self.factor_volatility[regime]
        specific = np.diag(self.specific_variance * self.specific_multiple[regime] ** 2)
        row, place = np.nonzero(self.peers >= 0)
        column = self.peers[row, place]
        deviation = np.sqrt(np.diagonal(specific))
        specific[row, column] = self.peer_correlation[row] * deviation[row] * deviation[column]
        return np.asarray(scaled @ scaled.T + specific)


@dataclass(frozen=True, kw_only=True)
class LeadLag:
    """A signal to plant: each asset's specific return follows its peers' of some days before.

    Assets fall at random, whatever their sector, into even groups of at most ``peers + 1`` names. On day t each has a
    shock of variance one: its own and its group's. The specific return of day t + ``delay`` is made of that day's
    shock and, by ``strength``, of the mean shock of the asset's peers on day t, scaled to variance one. Peers count
    where they have a return that day. Specific variances stay as they are without the signal.

    The best possible daily information coefficient is about ``strength`` times the root of the specific share of
    the variance across assets: 0.19 by default. An asset's own specific return correlates with its signal by
    ``c / sqrt((1 + (k - 1) c) / k)``, 0.43 by default, for k peers and group correlation c; so much of the signal can
    be read without peers.

    Raises
    ------
    InputError
        A number out of range.
    """

    peers: int = 8
    """Names that lead each asset."""
    group_correlation: float = 0.25
    """Of the shocks of a group on the same day, at least 0 and below 1; by it a graph finds the peers."""
    strength: float = 0.2
    """Correlation of the signal with the specific return that it leads, at least 0 and below 1."""
    delay: int = 2
    """Trading days between the two; at 2 a decision at the close of t with lag 1 and horizon 1 earns all of it."""

    def __post_init__(self) -> None:
        if self.peers < 1 or not (0 <= self.group_correlation < 1 and 0 <= self.strength < 1):
            raise InputError(
                f"lead-lag of {self.peers} peers, group correlation {self.group_correlation:g} and strength "
                f"{self.strength:g}: give at least one peer, and the others from 0 to below 1."
            )
        if self.delay < 2:
            raise InputError(
                f"a lead of {self.delay} days is over before a decision at the close with lag 1 earns; use 2 or more."
            )


@dataclass(frozen=True, eq=False)
class SyntheticMarket:
    """A panel and the truth behind it."""

    panel: Panel
    """Fields open, high, low, close, volume and half_spread_bps; membership is being listed."""
    truth: MarketTruth


@dataclass(frozen=True, eq=False)
class IntradayBars:
    """Bars of B intervals on D days for N assets; all fields (D, B, N), NaN where the asset does not trade."""

    times: np.ndarray
    """(D, B) datetime64[m], start of each bar in exchange time."""
    assets: Names
    open: Float
    high: Float
    low: Float
    close: Float
    volume: Float


def simulate_market(
    n_assets: int = 100,
    n_days: int = 1260,
    *,
    seed: int,
    n_sectors: int = 11,
    n_styles: int = 4,
    tail_degrees: float = 5.0,
    listing_share: float = 0.2,
    delisting_share: float = 0.1,
    lead_lag: LeadLag | None = None,
    end: object = "2024-12-31",
) -> SyntheticMarket:
    """Simulate daily bars with known regimes, factors, loadings and specific variances.

    Parameters
    ----------
    n_assets, n_days : size; days are XNYS sessions up to ``end``.
    tail_degrees : degrees of freedom of the Student-t shocks, above 2; lower is fatter.
    listing_share, delisting_share : share of assets listed after the first day, and delisted before the last.
    lead_lag : signal to plant; without it, or with a group correlation and strength of 0, bars are the same.

    Raises
    ------
    InputError
        A size below one, more than ``MOST_CELLS`` prices, a negative seed, a share outside 0 to 1, ``tail_degrees`` of
        2 or less, or fewer assets than a group of peers.
    """
    if n_assets < 1 or n_days < 2 or n_sectors < 1 or n_styles < 0:
        raise InputError(f"a market of {n_assets} assets, {n_days} days and {n_sectors} sectors is too small.")
    if n_assets * n_days > MOST_CELLS:
        raise InputError(f"{n_assets:,} assets on {n_days:,} days are more than {MOST_CELLS:,} prices; take fewer.")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; take 0 or more.")
    if tail_degrees <= 2 or not (0 <= listing_share <= 1 and 0 <= delisting_share <= 1):
        raise InputError("tail_degrees must exceed 2, and the listing and delisting shares lie between 0 and 1.")
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(7)]
    dates = _last_days(n_days, end)
    regimes = _regime_path(streams[0], n_days)
    factors = _Factors(streams[1], n_assets, n_sectors, n_styles)
    factor_tk = factors.returns(streams[2], regimes, tail_degrees)
    specific_variance = (streams[3].lognormal(np.log(0.016), 0.35, n_assets)) ** 2
    width = np.sqrt(specific_variance) * _SPECIFIC[regimes][:, None]
    shocks = _student(streams[3], (n_days, n_assets), tail_degrees)
    listed = _listings(streams[4], n_days, n_assets, listing_share, delisting_share)
    specific = _specific(streams[6], lead_lag, shocks, width, listed, tail_degrees)
    returns = np.maximum(factor_tk @ factors.loadings.T + specific.returns, -0.9)
    fields = _bars(streams[5], returns, np.hypot(width, 0.6 * _market_width(regimes)[:, None]), listed)
    digits = len(str(n_assets - 1))
    assets = np.array([f"S{i:0{digits}d}" for i in range(n_assets)])
    truth = MarketTruth(
        regimes=frozen(regimes),
        transition=frozen(_TRANSITION),
        factor_names=frozen(factors.names),
        factor_returns=frozen(factor_tk),
        factor_volatility=frozen(factors.volatility),
        loadings=frozen(factors.loadings),
        specific_variance=frozen(specific_variance),
        specific_multiple=frozen(_SPECIFIC),
        sectors=frozen(factors.sectors),
        listed=frozen(listed),
        peers=frozen(specific.peers),
        peer_correlation=frozen(specific.peer_correlation),
        expected_returns=frozen(specific.expected),
    )
    return SyntheticMarket(Panel(dates, assets, fields, listed), truth)


def simulate_intraday(market: SyntheticMarket, days: int = 5, *, seed: int, minutes: int = 5) -> IntradayBars:
    """Bars within the last ``days`` days that agree with the daily ones: first open, last close, extremes and volume.

    Parameters
    ----------
    minutes : length of a bar; 390 minutes of a session must be a multiple of it.

    Raises
    ------
    InputError
        More days than the market has, or a length that does not divide the session.
    """
    if not 1 <= days <= len(market.panel.dates) or minutes < 1 or 390 % minutes:
        raise InputError(f"{days} days of {minutes}-minute bars do not fit; use 1, 2, 3, 5, 6, 10, 13, 15, 30 or 65.")
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    n_bars = 390 // minutes
    daily = {name: market.panel.field(name)[-days:] for name in ("open", "high", "low", "close", "volume")}
    n_assets = len(market.panel.assets)
    # A Brownian bridge from open to close; its extremes are then bent onto the day's high and low.
    walk = np.cumsum(generator.normal(size=(days, n_bars, n_assets)), axis=1)
    time = np.arange(1, n_bars + 1)[None, :, None] / n_bars
    bridge = (walk - time * walk[:, -1:]) / np.sqrt(n_bars)
    opened, closed = np.log(daily["open"])[:, None], np.log(daily["close"])[:, None]
    spread = np.log(daily["high"] / daily["low"])[:, None]
    path = opened + time * (closed - opened) + 0.5 * spread * bridge
    # Clipped as prices: the exponential of a logarithm may come out above the day's high by a rounding error.
    close = np.clip(np.exp(path), daily["low"][:, None], daily["high"][:, None])
    close[:, -1] = daily["close"]
    open_ = np.concatenate([daily["open"][:, None], close[:, :-1]], axis=1)
    high, low = np.maximum(open_, close), np.minimum(open_, close)
    day, asset = np.indices((days, n_assets))
    top, bottom = np.nan_to_num(high, nan=-1.0).argmax(axis=1), np.nan_to_num(low, nan=np.inf).argmin(axis=1)
    high[day, top, asset] = daily["high"]
    low[day, bottom, asset] = daily["low"]
    # Trading is busiest at the open and the close.
    shape = 1 + 1.5 * (2 * np.arange(n_bars) / max(n_bars - 1, 1) - 1) ** 2
    noise = shape[None, :, None] * generator.gamma(4.0, 0.25, size=(days, n_bars, n_assets))
    volume = daily["volume"][:, None] * noise / noise.sum(axis=1, keepdims=True)
    start = market.panel.dates[-days:].astype("datetime64[m]") + np.timedelta64(570, "m")
    times = start[:, None] + np.arange(n_bars) * np.timedelta64(minutes, "m")
    return IntradayBars(times, market.panel.assets, open_, high, low, close, volume)


class _Factors:
    """The cross-section of a market: names, loadings and volatilities of its factors."""

    def __init__(self, generator: np.random.Generator, n_assets: int, n_sectors: int, n_styles: int) -> None:
        sector = np.arange(n_assets) % n_sectors
        generator.shuffle(sector)
        self.sectors = np.array([f"Sector {i + 1:02d}" for i in range(n_sectors)])[sector]
        self.names = np.array(
            ["market", *(f"sector {i + 1:02d}" for i in range(n_sectors)), *(f"style {i + 1}" for i in range(n_styles))]
        )
        beta = generator.normal(1.0, 0.3, (n_assets, 1))
        membership = np.eye(n_sectors)[sector]
        styles = generator.normal(0.0, 1.0, (n_assets, n_styles))
        self.loadings = np.hstack([beta, membership, styles])
        other = np.concatenate([np.full(n_sectors, 0.08), np.full(n_styles, 0.03)]) / np.sqrt(TRADING_DAYS)
        self.volatility = np.hstack([_VOLATILITY[:, None] / np.sqrt(TRADING_DAYS), _SPECIFIC[:, None] * other])

    def returns(self, generator: np.random.Generator, regimes: Int, degrees: float) -> Float:
        shocks = _student(generator, (len(regimes), len(self.names)), degrees) * self.volatility[regimes]
        shocks[:, 0] += _DRIFT[regimes] / TRADING_DAYS
        return np.asarray(shocks)


@dataclass(frozen=True, eq=False)
class _Specific:
    """Specific returns (T, N), and what a planted signal says of them; see ``MarketTruth``."""

    returns: Float
    expected: Float
    peers: npt.NDArray[np.int32]
    peer_correlation: Float


def _specific(
    generator: np.random.Generator, lead_lag: LeadLag | None, shocks: Float, width: Float, listed: Bool, degrees: float
) -> _Specific:
    """Specific returns from shocks of variance one and each day's volatility, both (T, N)."""
    n_days, n_assets = shocks.shape
    if lead_lag is None:
        none = np.empty((n_assets, 0), dtype=np.int32)
        return _Specific(shocks * width, np.zeros_like(shocks), none, np.zeros(n_assets))
    if n_assets <= lead_lag.peers:
        raise InputError(f"{n_assets} assets are too few for {lead_lag.peers} peers; simulate more or set peers lower.")
    common, strength = lead_lag.group_correlation, lead_lag.strength
    group = generator.permutation(np.arange(n_assets) % -(-n_assets // (lead_lag.peers + 1)))
    together = _student(generator, (n_days, int(group.max()) + 1), degrees)[:, group]
    shocks = np.sqrt(1 - common) * shocks + np.sqrt(common) * together
    # A return needs two closes, so that of the first listed day is unknown to everybody.
    observed = listed & np.vstack([np.zeros(n_assets, dtype=np.bool_), listed[:-1]])
    total, count = _over_peers(shocks * observed, group), _over_peers(observed.astype(np.float64), group).round()
    signal = total / np.sqrt(np.maximum(count * (1 + (count - 1) * common), 1.0))
    # Scaled by the volatility of the day it is seen, so that the planted part is known then to the last digit.
    planted = np.zeros((n_days + 2, n_assets))
    planted[lead_lag.delay :] = strength * (signal * width * listed)[: max(n_days + 2 - lead_lag.delay, 0)]
    returns = np.sqrt(1 - strength**2) * shocks * width + planted[:n_days]
    peers = np.full((n_assets, lead_lag.peers), -1, dtype=np.int32)
    for asset in range(n_assets):
        others = np.flatnonzero(group == group[asset])
        peers[asset, : len(others) - 1] = others[others != asset]
    k = (peers >= 0).sum(axis=1)
    # Signals of two names of a group share all peers but two.
    shared = (np.maximum(k, 1) - 1) * (1 + k * common)
    alike = (shared + common) / (shared + 1)
    correlation = (1 - strength**2) * common + strength**2 * alike
    return _Specific(returns, planted[2:], peers, np.where(k > 0, correlation, 0.0))


def _over_peers(values: Float, group: Int) -> Float:
    """(T, N) sum of a row's values over each asset's group, without its own."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1)[:, group] - values)


def _last_days(n_days: int, end: object) -> Dates:
    dates = trading_days(as_day(end) - np.timedelta64(int(n_days * 1.5) + 10, "D"), end)[-n_days:]
    if len(dates) < n_days:
        raise InputError(f"{n_days} trading days before {end} reach back beyond the calendar; simulate fewer.")
    return dates


def _regime_path(generator: np.random.Generator, n_days: int) -> Int:
    cumulative = np.cumsum(_TRANSITION, axis=1)
    draws = generator.random(n_days)
    path = np.empty(n_days, dtype=np.int64)
    path[0] = 2
    for t in range(1, n_days):
        path[t] = min(int(np.searchsorted(cumulative[path[t - 1]], draws[t])), len(REGIMES) - 1)
    return path


def _market_width(regimes: Int) -> Float:
    return np.asarray(_VOLATILITY[regimes] / np.sqrt(TRADING_DAYS))


def _student(generator: np.random.Generator, shape: tuple[int, int], degrees: float) -> Float:
    """Student-t draws of variance one."""
    return np.asarray(generator.standard_t(degrees, shape) * np.sqrt((degrees - 2) / degrees))


def _listings(
    generator: np.random.Generator, n_days: int, n_assets: int, listing_share: float, delisting_share: float
) -> Bool:
    """(T, N) whether each asset trades: one spell each, of at least a quarter of the days."""
    quarter = n_days // 4
    start = np.where(generator.random(n_assets) < listing_share, generator.integers(1, 2 * quarter + 2, n_assets), 0)
    life = generator.integers(quarter, n_days, n_assets)
    stop = np.where(generator.random(n_assets) < delisting_share, np.minimum(start + life, n_days), n_days)
    day = np.arange(n_days)[:, None]
    return np.asarray((day >= start) & (day < stop))


def _bars(generator: np.random.Generator, returns: Float, width: Float, listed: Bool) -> dict[str, Float]:
    """Prices, volume and half-spread; ``width`` (T, N) is each day's volatility."""
    n_assets = returns.shape[1]
    first = generator.lognormal(np.log(40.0), 0.6, n_assets)
    close = first * np.cumprod(1 + returns, axis=0)
    before = np.vstack([first, close[:-1]])
    opened = before * np.exp(0.4 * np.log1p(returns) + 0.25 * width * generator.standard_normal(returns.shape))
    reach = np.abs(generator.standard_normal(returns.shape)) * 0.5 * width
    high = np.maximum(opened, close) * np.exp(reach)
    low = np.minimum(opened, close) * np.exp(-np.abs(generator.standard_normal(returns.shape)) * 0.5 * width)
    # Money traded has a log-normal cross-section and rises with the day's volatility and surprise.
    usual = generator.lognormal(np.log(2e7), 1.3, n_assets)
    surprise = np.minimum(np.abs(returns) / width, 6.0)
    busy = width / width.mean(axis=0) * (0.7 + 0.4 * surprise) * generator.lognormal(0, 0.3, returns.shape)
    half_spread = 2.0 * (2e7 / usual) ** 0.3 * (width / width.mean(axis=0)) * (1 + 0.15 * surprise)
    volume = np.round(usual * busy / close)
    fields = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    fields["half_spread_bps"] = np.clip(half_spread, 0.5, 100.0)
    return {name: np.where(listed, values, np.nan) for name, values in fields.items()}
