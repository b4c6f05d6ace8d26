"""Market-neutral rules: relative value with the exposure to factors, or to the underlying, taken out."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from quantray.arrays import TRADING_DAYS, Bool, Float, Int, digest
from quantray.covariance.factor import statistical_factors
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.strategies.neutrality import LoadingsHistory, loadings_history, neutral
from quantray.strategies.rolling import bridged_close, log_returns, rolling_sum, rolling_volatility, tradable
from quantray.strategies.rule import Adjustments, Controls, Rule, StrategyResult, Trail, hold, sized, window_checked
from quantray.strategies.straddles import (
    RolledStraddles,
    StraddleTerms,
    rolled_straddles,
    straddle_book,
    straddle_sides,
)

__all__ = ["DeltaNeutralOptions", "FactorNeutral", "FactorResiduals", "NeutralMomentum", "StatArb"]

_STOP_10 = Controls(stop=10.0, max_weight=0.05)
_STRADDLE_CONTROLS = Controls(stop=8.0)
_TERMS = StraddleTerms()


@dataclass(frozen=True, eq=False)
class FactorResiduals:
    """What factors leave of each asset's returns, and how far it strayed."""

    score: Float
    """(T, N) s-scores; NaN where nothing reverts fast enough."""
    returns: Float
    """(T, N) residual return of each day, from the regression of that day."""
    volatility: Float
    """(T, N) daily, of the residual returns in the regression."""
    loadings: LoadingsHistory


@dataclass(frozen=True, kw_only=True)
class StatArb(Rule[FactorResiduals]):
    """Statistical arbitrage on principal components: residuals that strayed are traded back, factors hedged out.

    Returns of ``window`` days are regressed on the returns of ``factors`` eigenportfolios. The sum of the residuals is
    modelled as an Ornstein-Uhlenbeck process; its distance from equilibrium in equilibrium deviations is the s-score.
    Positions of equal size are then projected off the loadings and scaled to a gross exposure of 1, or less where a
    position would exceed ``controls.max_weight``.

    Parameters
    ----------
    factors : eigenportfolios.
    history : days of returns behind the loadings, all of which an asset needs.
    refresh : days between estimates of the loadings; the regression is done anew each day.
    window : days of the regression.
    speed : least speed of reversion per year; 8.4 reverts in 30 days. Slower residuals are not held.
    entry : s-score that opens a position, on both sides.
    exit_long, exit_short : s-scores within which a long (below zero) and a short position close.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: Avellaneda and Lee (2010), *Statistical arbitrage in the US equities market*, Quantitative Finance 10.
    """

    factors: int = 15
    history: int = 252
    refresh: int = 21
    window: int = 60
    speed: float = 8.4
    entry: float = 1.25
    exit_long: float = 0.5
    exit_short: float = 0.75
    controls: Controls = _STOP_10

    signal_parameters: ClassVar[tuple[str, ...]] = ("factors", "history", "refresh", "window", "speed")

    def __post_init__(self) -> None:
        window_checked(1, factors=self.factors, refresh=self.refresh)
        window_checked(self.factors + 5, window=self.window)
        window_checked(max(self.window, 2 * self.factors + 2), history=self.history)
        if not 0 <= min(self.exit_long, self.exit_short) <= max(self.exit_long, self.exit_short) < self.entry < np.inf:
            raise InputError(f"exits {self.exit_long} and {self.exit_short} must lie between 0 and entry {self.entry}.")
        if not 0 < self.speed < np.inf:
            raise InputError(f"speed {self.speed} must be positive reversions per year, such as 8.4.")

    def signal(self, panel: Panel) -> FactorResiduals:
        """The s-scores and residuals of every day."""
        returns = simple_returns(bridged_close(panel))
        n_days, n_assets = returns.shape
        usable = tradable(panel)
        first = range(self.history, n_days, self.refresh)
        loadings = loadings_history(n_days, n_assets, self.factors, first, lambda row: self._fit(returns, usable, row))
        score, last, width = np.full((3, n_days, n_assets), np.nan)
        for t in range(self.history, n_days):
            valid = loadings.at(t)
            window = returns[t + 1 - self.window : t + 1]
            if valid is None:
                continue
            names = np.flatnonzero(np.isfinite(valid[:, 0]) & _whole(window))
            if len(names) <= self.factors:
                continue
            chosen = window[:, names]
            # An eigenportfolio holds each asset by its loading over its variance; its scale does not matter here.
            eigen = chosen @ (valid[names] / np.maximum(chosen.var(axis=0), 1e-12)[:, None])
            left = _left_over(chosen, eigen)
            score[t, names] = _s_scores(left, self.speed, panel.periods_per_year)
            last[t, names], width[t, names] = left[-1], left.std(axis=0)
        return FactorResiduals(score, last, width, loadings)

    def trade(self, panel: Panel, signal: FactorResiduals, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        usable, score = tradable(panel), signal.score
        path = np.cumsum(np.nan_to_num(signal.returns), axis=0)
        trail = Trail.of(path, signal.volatility, self.controls, adjust)
        threshold = self.controls.min_signal * adjust.min_signal
        positions = hold(-score / self.entry, score < -self.exit_long, score > self.exit_short, threshold, trail)
        hedged = neutral(np.where(usable, positions, 0).astype(np.float64), usable, signal.loadings)
        return StrategyResult(sized(hedged, usable, self.controls.max_weight), np.zeros(len(panel.dates)))

    def _fit(self, returns: Float, usable: Bool, row: int) -> tuple[Int, Float] | None:
        window = returns[row + 1 - self.history : row + 1]
        names = np.flatnonzero(usable[row] & _whole(window))
        names = names[window[:, names].std(axis=0) > 1e-9]
        if len(names) < 2 * (self.factors + 1):
            return None
        return names, statistical_factors(window[:, names], self.factors).loadings


def _whole(window: Float) -> Bool:
    return np.asarray(~np.isnan(window).any(axis=0))


def _left_over(returns: Float, factors: Float) -> Float:
    """(T, N) residuals of a regression on a constant and (T, K) factors."""
    size = np.maximum(np.abs(factors).max(axis=0), 1e-300)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(factors)), factors / size]))
    return np.asarray(returns - basis @ (basis.T @ returns))


def _s_scores(residuals: Float, speed: float, periods_per_year: int = TRADING_DAYS) -> Float:
    """(N,) s-scores of today; NaN where the residual sum reverts more slowly than ``speed`` per year, or not at all.

    The sum X ends at zero, as residuals of a regression with a constant do. With ``X[k+1] = a + b X[k] + noise`` it
    reverts to ``m = a / (1 - b)`` with the deviation ``sd(noise) / sqrt(1 - b**2)``, and the score is ``-m`` over that.
    The mean of all m is taken out, as in the paper.
    """
    path = np.cumsum(residuals, axis=0)
    before, after = path[:-1], path[1:]
    centred = before - before.mean(axis=0)
    square = (centred**2).sum(axis=0)
    slope = np.divide((centred * after).sum(axis=0), square, out=np.ones(len(square)), where=square > 1e-20)
    constant = after.mean(axis=0) - slope * before.mean(axis=0)
    noise = after - constant - slope * before
    variance = (noise**2).sum(axis=0) / (len(noise) - 2)
    reverts = (slope > 0) & (slope < np.exp(-speed / periods_per_year)) & (variance > 1e-20)
    safe = np.where(reverts, slope, 0.5)
    mean = np.where(reverts, constant / (1 - safe), np.nan)
    if not reverts.any():
        return mean
    deviation = np.sqrt(np.where(reverts, variance, 1.0) / (1 - safe**2))
    return np.asarray(-(mean - np.nanmean(mean)) / deviation)


@dataclass(frozen=True, eq=False)
class NeutralMomentum:
    """Momentum, and the loadings that positions are freed of."""

    score: Float
    """(T, N) standardised over the members of each day, cut at three deviations; NaN where unknown."""
    loadings: LoadingsHistory


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorNeutral(Rule[NeutralMomentum]):
    """A momentum signal without the factors: the part of the signal that the risk model's loadings do not explain.

    The signal is the log return from ``lookback`` to ``skip`` days ago, standardised each day over the members and cut
    at three deviations. Positions follow it where it is strong, are projected off the loadings and a constant, so that
    the portfolio has no factor exposure and no net investment, and scaled to a gross exposure of 1, or less where a
    position would exceed ``controls.max_weight``.

    Parameters
    ----------
    lookback, skip : days; a ``skip`` of 21 leaves out the month in which returns reverse.
    threshold : standardised signal that opens a position; it closes when the signal changes sign.
    factors, history, refresh : statistical factors, days of returns behind them (half must be known), and days between
        two estimates.
    exposures : (N, K) loadings to use instead, in the order of the panel's assets; NaN for assets without.

    Raises
    ------
    InputError
        A parameter is out of range, or the exposures do not fit the panel.

    Source: Jegadeesh and Titman (1993), Journal of Finance 48; Blitz, Huij and Martens (2011), *Residual momentum*,
    Journal of Empirical Finance 18.
    """

    lookback: int = 252
    skip: int = 21
    threshold: float = 0.5
    factors: int = 10
    history: int = 252
    refresh: int = 21
    exposures: Float | None = field(default=None)
    controls: Controls = _STOP_10

    signal_parameters: ClassVar[tuple[str, ...]] = ("lookback", "skip", "factors", "history", "refresh", "given")

    def __post_init__(self) -> None:
        window_checked(1, skip=self.skip, factors=self.factors, refresh=self.refresh)
        window_checked(2, lookback=self.lookback)
        window_checked(2 * self.factors + 2, history=self.history)
        if self.skip >= self.lookback:
            raise InputError(f"skip {self.skip} must be shorter than lookback {self.lookback}.")
        if not 0 < self.threshold < 3:
            raise InputError(f"threshold {self.threshold} must lie between 0 and 3 deviations.")

    @property
    def given(self) -> str | None:
        """Hash of the exposures; None where they are estimated."""
        return None if self.exposures is None else digest([self.exposures])

    def signal(self, panel: Panel) -> NeutralMomentum:
        """Momentum and loadings of every day."""
        returns = log_returns(bridged_close(panel))
        momentum = rolling_sum(returns, self.lookback) - rolling_sum(returns, self.skip)
        momentum = np.where(tradable(panel), momentum, np.nan)
        known = ~np.isnan(momentum)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        centred = momentum - np.nansum(momentum, axis=1, keepdims=True) / count
        deviation = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / count)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = np.clip(np.where(deviation > 1e-12, centred / deviation, np.nan), -3.0, 3.0)
        return NeutralMomentum(score, self._loadings(panel))

    def trade(self, panel: Panel, signal: NeutralMomentum, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        usable, close, score = tradable(panel), bridged_close(panel), signal.score
        trail = Trail.of(np.log(close), rolling_volatility(log_returns(close), 20), self.controls, adjust)
        threshold = self.controls.min_signal * adjust.min_signal
        sides = hold(score / self.threshold, score > 0, score < 0, threshold, trail)
        wanted = np.where((sides != 0) & usable, np.nan_to_num(score), 0.0)
        hedged = neutral(wanted, usable, signal.loadings)
        return StrategyResult(sized(hedged, usable, self.controls.max_weight), np.zeros(len(panel.dates)))

    def _loadings(self, panel: Panel) -> LoadingsHistory:
        n_days, n_assets = panel.shape
        if self.exposures is not None:
            if self.exposures.ndim != 2 or len(self.exposures) != n_assets:
                raise InputError(f"exposures {self.exposures.shape} must be (N, K) for the panel's {n_assets} assets.")
            return LoadingsHistory(np.zeros(1, dtype=np.int64), self.exposures[None])
        returns, usable = simple_returns(bridged_close(panel)), tradable(panel)

        def fit(row: int) -> tuple[Int, Float] | None:
            window = returns[row + 1 - self.history : row + 1]
            names = np.flatnonzero(usable[row] & ((~np.isnan(window)).sum(axis=0) >= self.history / 2))
            names = names[np.nanstd(window[:, names], axis=0) > 1e-9]
            if len(names) < 2 * (self.factors + 1):
                return None
            return names, statistical_factors(window[:, names], self.factors).loadings

        return loadings_history(n_days, n_assets, self.factors, range(self.history, n_days, self.refresh), fit)


@dataclass(frozen=True, kw_only=True)
class DeltaNeutralOptions(Rule[RolledStraddles]):
    """Sell at-the-money straddles and hedge their delta: earns implied less realised volatility.

    A straddle on each member with options, of equal notional, ``terms.gross`` together, no more than
    ``controls.max_weight`` each. It is sold where implied exceeds realised volatility by ``threshold`` and bought back
    when implied falls below realised, or at the stop, which watches the hedged straddle; it may be sold again when the
    next ones are struck. The weights are the hedge, of gross exposure at most 1. On a panel without implied
    volatilities the premium is the assumption of ``terms.pricing``, as the notes say.

    Parameters
    ----------
    threshold : implied less realised volatility that opens a position, per year.
    realised : days of the realised volatility.
    terms : of the straddles.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: Coval and Shumway (2001), *Expected option returns*, Journal of Finance 56; Bakshi and Kapadia (2003),
    *Delta-hedged gains and the negative market volatility risk premium*, Review of Financial Studies 16.
    """

    threshold: float = 0.01
    realised: int = 21
    terms: StraddleTerms = _TERMS
    controls: Controls = _STRADDLE_CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("terms",)

    def __post_init__(self) -> None:
        window_checked(2, realised=self.realised)
        if not 0 < self.threshold < np.inf:
            raise InputError(f"threshold {self.threshold} must be a positive volatility per year, such as 0.01.")

    def signal(self, panel: Panel) -> RolledStraddles:
        """The straddles of the panel, marked every day."""
        return rolled_straddles(panel, self.terms)

    def trade(self, panel: Panel, signal: RolledStraddles, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        realised = rolling_volatility(log_returns(bridged_close(panel)), self.realised)
        realised = realised * np.sqrt(panel.periods_per_year)
        cheap = np.minimum(realised - signal.implied.values, 0.0)
        sides = straddle_sides(signal, cheap, self.threshold, self.controls, adjust)
        return straddle_book(panel, signal, sides, tradable(panel), self.controls.max_weight, lag)
