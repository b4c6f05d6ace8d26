"""Rules for bad times: trades in volatility, insurance against crashes, and trends of what holds up in them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from quantray.arrays import Bool, Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.features.returns import simple_returns
from quantray.strategies.options import OptionPricing, PricedVolatility, black_scholes
from quantray.strategies.rolling import (
    bridged_close,
    log_returns,
    rolling_mean,
    rolling_sum,
    rolling_volatility,
    tradable,
)
from quantray.strategies.rule import Adjustments, Controls, Rule, StrategyResult, Trail, hold, sized, window_checked
from quantray.strategies.straddles import (
    RolledStraddles,
    StraddleTerms,
    rolled_straddles,
    straddle_book,
    straddle_sides,
)

__all__ = ["CrisisAlpha", "IndexPuts", "TailHedge", "VolatilityArbitrage"]

_STRADDLE_CONTROLS = Controls(stop=8.0)
_INSURANCE_CONTROLS = Controls(stop=None, min_signal=0.0, max_weight=1.0)
_DEFENSIVE_CONTROLS = Controls(stop=8.0)
_TERMS = StraddleTerms()
_PRICING = OptionPricing()


@dataclass(frozen=True, kw_only=True)
class VolatilityArbitrage(Rule[RolledStraddles]):
    """Buy straddles that are cheap for the volatility expected, sell those that are rich, and hedge their delta.

    Expected is the volatility realised over ``forecast`` days, a long window to which implied volatility returns.
    Sizes, stop and hedge as in ``DeltaNeutralOptions``, which only sells.

    Parameters
    ----------
    threshold : difference between expected and implied volatility that opens a position, per year.
    forecast : days of the realised volatility that is expected.
    terms : of the straddles. On a panel without implied volatilities they are priced from realised ones, as the notes
        say; what the rule then earns shows how it works, not what it is worth.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: Goyal and Saretto (2009), *Cross-section of option returns and volatility*, Journal of Financial
    Economics 94.
    """

    threshold: float = 0.03
    forecast: int = 126
    terms: StraddleTerms = _TERMS
    controls: Controls = _STRADDLE_CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("terms",)

    def __post_init__(self) -> None:
        window_checked(2, forecast=self.forecast)
        if not 0 < self.threshold < np.inf:
            raise InputError(f"threshold {self.threshold} must be a positive volatility per year, such as 0.03.")

    def signal(self, panel: Panel) -> RolledStraddles:
        """The straddles of the panel, marked every day."""
        return rolled_straddles(panel, self.terms)

    def trade(self, panel: Panel, signal: RolledStraddles, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        expected = rolling_volatility(log_returns(bridged_close(panel)), self.forecast) * np.sqrt(
            panel.periods_per_year
        )
        sides = straddle_sides(signal, expected - signal.implied.values, self.threshold, self.controls, adjust)
        return straddle_book(panel, signal, sides, tradable(panel), self.controls.max_weight, lag)


@dataclass(frozen=True, eq=False)
class IndexPuts:
    """An index and the volatility of its options at the money."""

    level: Float
    """(T, 1) from 1 on; NaN before the index is known."""
    volatility: PricedVolatility
    holdings: Float
    """(T, N) weights that make the index of the next day."""


@dataclass(frozen=True, kw_only=True)
class TailHedge(Rule[IndexPuts]):
    """Insurance: out-of-the-money puts on an index, rolled before they expire.

    Puts on ``coverage`` of NAV, struck at ``moneyness`` of the index, replace the former ones every ``every`` days. As
    insurance they are held whatever the signal, so neither stop nor least signal apply. They are an overlay: the
    weights are zero, unless ``replicate`` builds the puts by selling their delta of the index short, in weights alone.

    Parameters
    ----------
    index : an asset of the panel, or None for the equally weighted members.
    moneyness : strike as a share of the index, below 1.
    tenor, every : days to expiry when bought, and days after which the next ones are bought.
    coverage : NAV insured, 0 to 1.
    replicate : whether the puts are built from the index rather than bought.
    half_spread : paid on each option trade, as a share of its value.

    Raises
    ------
    InputError
        A parameter is out of range, or the puts expire before their successors trade.
    DataError
        The index is not in the panel.

    Source: Israelov (2019), *Pathetic protection: the elusive benefits of protective puts*, Journal of Alternative
    Investments 21; for replication, Rubinstein and Leland (1981), Financial Analysts Journal 37.
    """

    index: str | None = None
    moneyness: float = 0.9
    tenor: int = 63
    every: int = 21
    coverage: float = 1.0
    replicate: bool = False
    half_spread: float = 0.02
    pricing: OptionPricing = _PRICING
    controls: Controls = _INSURANCE_CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("index", "pricing")

    def __post_init__(self) -> None:
        window_checked(2, every=self.every)
        window_checked(self.every + 2, tenor=self.tenor)
        if not (0 < self.moneyness < 1 and 0 < self.coverage <= 1 and 0 <= self.half_spread < 1):
            raise InputError("moneyness must lie between 0 and 1, coverage in (0, 1] and half_spread in [0, 1).")

    def signal(self, panel: Panel) -> IndexPuts:
        """The index and the volatility of its options."""
        close, usable = bridged_close(panel), tradable(panel)
        if self.index is None:
            holdings = usable / np.maximum(usable.sum(axis=1, keepdims=True), 1)
        else:
            column = _columns(panel, (self.index,))
            holdings = np.where(column, usable, 0.0)
        earned = np.zeros(len(close))
        earned[1:] = (holdings[:-1] * np.nan_to_num(simple_returns(close)[1:])).sum(axis=1)
        known = np.logical_or.accumulate(holdings.any(axis=1))
        level = np.where(known, np.cumprod(1 + earned), np.nan)[:, None]
        implied = self.pricing.volatility(panel)
        if implied.quoted and self.index is not None:
            quoted = PricedVolatility(implied.values[:, column], implied.source, quoted=True)
            return IndexPuts(level, quoted, holdings)
        return IndexPuts(level, self.pricing.modelled(level, periods_per_year=panel.periods_per_year), holdings)

    def trade(self, panel: Panel, signal: IndexPuts, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        n_days = len(panel.dates)
        level, volatility = signal.level[:, 0], signal.volatility.values[:, 0]
        overlay, short, closing = np.zeros((3, n_days))
        if self.every + lag >= self.tenor:
            raise InputError(
                f"puts of {self.tenor} days expire before the next trade, {self.every} + {lag} days later."
            )
        for row in range(0, n_days, self.every):
            if np.isnan(level[row] + volatility[row]):
                continue
            end = min(row + self.every, n_days)
            rows = slice(row, min(end + lag, n_days - 1) + 1)
            strike = np.array(self.moneyness * level[row])
            years = (self.tenor - np.arange(rows.stop - row)) / panel.periods_per_year
            # A day without a volatility is marked at the last one.
            sigma = _carried(volatility[rows])
            sigma = self.pricing.out_of_the_money(sigma, level[rows], strike)
            put = black_scholes("put", level[rows], strike, years, sigma, rate=self.pricing.rate)
            units = self.coverage / level[row]
            short[row:end] = (units * put.delta * level[rows])[: end - row]
            held = np.zeros(rows.stop - row)
            held[lag : lag + end - row] = units
            closing[rows] += self.half_spread * held * put.price
            overlay[rows] -= self.half_spread * np.abs(np.diff(held, prepend=0.0)) * put.price
            overlay[row + 1 : rows.stop] += held[:-1] * np.diff(put.price)
        whose = "the equally weighted members" if self.index is None else self.index
        notes = (f"puts on {whose}", signal.volatility.source)
        if self.replicate:
            replica = np.maximum(short, -1.0)[:, None] * signal.holdings
            return StrategyResult(replica, np.zeros(n_days), (*notes, "replicated by short sales of the index"))
        return StrategyResult(np.zeros(panel.shape), overlay, notes, closing[:, None])


@dataclass(frozen=True, kw_only=True)
class CrisisAlpha(Rule[Float]):
    """Time-series momentum of defensive assets, each at equal risk.

    Defensive are the assets named, or the ``share`` of members with the lowest betas to the equally weighted members,
    chosen anew every ``refresh`` days. A position opens when the return of ``lookback`` days, over its volatility,
    reaches ``threshold``, and closes when the return changes sign. Weights are inverse to volatility, with a gross
    exposure of 1 or less where one would exceed ``controls.max_weight``.

    Parameters
    ----------
    assets : names of defensive assets, such as funds of bonds, gold and the dollar; empty for those of low beta.
    lookback : days of the trend.
    threshold : return of the lookback in its own deviations.
    share : of members that count as defensive, without names.
    beta : days of the betas.
    shorts : whether falling assets are sold short.

    Raises
    ------
    InputError
        A parameter is out of range.
    DataError
        A named asset is not in the panel.

    Source: Moskowitz, Ooi and Pedersen (2012), *Time series momentum*, Journal of Financial Economics 104; Kaminski
    (2011), *In search of crisis alpha*.
    """

    assets: tuple[str, ...] = ()
    lookback: int = 126
    threshold: float = 0.5
    share: float = 0.1
    beta: int = 252
    refresh: int = 21
    shorts: bool = True
    controls: Controls = _DEFENSIVE_CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("assets", "lookback", "share", "beta", "refresh")

    def __post_init__(self) -> None:
        window_checked(2, lookback=self.lookback, beta=self.beta)
        window_checked(1, refresh=self.refresh)
        if not (0 < self.threshold < np.inf and 0 < self.share <= 1):
            raise InputError(f"threshold {self.threshold} must be positive and share {self.share} in (0, 1].")

    def signal(self, panel: Panel) -> Float:
        """(T, N) return of the lookback in its own deviations; NaN for assets that are not defensive that day."""
        returns = log_returns(bridged_close(panel))
        width = rolling_volatility(returns, self.lookback) * np.sqrt(self.lookback)
        trend = rolling_sum(returns, self.lookback)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = np.where(width > 0, trend / width, np.nan)
        return np.where(self._defensive(panel), score, np.nan)

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        close = bridged_close(panel)
        volatility = rolling_volatility(log_returns(close), 20)
        trail = Trail.of(np.log(close), volatility, self.controls, adjust)
        threshold = self.controls.min_signal * adjust.min_signal
        sides = hold(signal / self.threshold, signal > 0, signal < 0, threshold, trail)
        sides = sides if self.shorts else np.maximum(sides, 0)
        risky = volatility > 0
        positions = np.where(risky, sides / np.where(risky, volatility, 1.0), 0.0)
        chosen = f"the assets named ({len(self.assets)})" if self.assets else f"the {self.share:.0%} of lowest beta"
        weights = sized(positions, tradable(panel), self.controls.max_weight)
        return StrategyResult(weights, np.zeros(len(panel.dates)), (f"defensive are {chosen}",))

    def _defensive(self, panel: Panel) -> Bool:
        """(T, N) which assets count as defensive."""
        if self.assets:
            return np.broadcast_to(_columns(panel, self.assets), panel.shape)
        returns, usable = simple_returns(bridged_close(panel)), tradable(panel)
        known = ~np.isnan(returns) & panel.member
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        market = np.where(known, returns, 0.0).sum(axis=1, keepdims=True) / count
        # The first day has no return.
        market[:1] = np.nan
        mean, own = rolling_mean(market, self.beta), rolling_mean(returns, self.beta)
        variance = rolling_mean(market**2, self.beta) - mean**2
        with np.errstate(invalid="ignore", divide="ignore"):
            betas = np.where(variance > 0, (rolling_mean(returns * market, self.beta) - own * mean) / variance, np.nan)
        out = np.zeros(panel.shape, dtype=np.bool_)
        for row in range(self.beta, len(out), self.refresh):
            candidates = np.where(usable[row], betas[row], np.nan)
            if not np.isnan(candidates).all():
                limit = np.nanquantile(candidates, self.share, method="inverted_cdf")
                out[row : row + self.refresh] = candidates <= limit
        return out


def _columns(panel: Panel, names: tuple[str, ...]) -> Bool:
    """(N,) which assets of the panel have these names."""
    unknown = sorted(set(names) - set(panel.assets.tolist()))
    if unknown:
        raise DataError(f"{', '.join(unknown[:5])} not in the panel; name assets that are, or none for the default.")
    return np.isin(panel.assets, names)


def _carried(values: Float) -> Float:
    """The last known value at each row; the first must be known."""
    place = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return values[place]
