"""Mean reversion: what fell too far below its usual level is bought, and what rose too far above it is sold."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from quantray.arrays import Float, Int
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.cointegration import critical_value, dickey_fuller_of_all, engle_granger
from quantray.strategies.rolling import (
    bridged_close,
    rolling_mean,
    tradable,
    wilder_average,
)
from quantray.strategies.rule import (
    Adjustments,
    Controls,
    Rule,
    StrategyResult,
    Trail,
    hold,
    sized,
    traded_by_signal,
    window_checked,
)

__all__ = ["BollingerReversion", "Pairs", "PairsTrading", "RsiReversion"]

_CONTROLS = Controls(stop=6.0)
_PAIR_CONTROLS = Controls(stop=8.0)
_TESTED_PAIRS = 500
"""Most promising pairs that the augmented test sees at each formation."""


@dataclass(frozen=True, kw_only=True)
class BollingerReversion(Rule[Float]):
    """Buy at the lower Bollinger band, sell short at the upper one, and close at the middle.

    Positions are of equal size; gross exposure is 1 with ten or more of them (``controls.max_weight``).

    Parameters
    ----------
    period : days of the moving average and deviation.
    width : distance of the bands from the middle, in deviations (divisor n).
    exit : distance from the middle at which a position is closed, in deviations.
    shorts : whether the upper band is sold.

    Raises
    ------
    InputError
        A parameter is out of range; a close is never further than ``sqrt(period - 1)`` from its own average.

    Source: Bollinger (2001), *Bollinger on Bollinger Bands*.
    """

    period: int = 20
    width: float = 2.0
    exit: float = 0.0
    shorts: bool = True
    controls: Controls = _CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("period",)

    def __post_init__(self) -> None:
        window_checked(3, period=self.period)
        if not 0 <= self.exit < self.width < np.sqrt(self.period - 1):
            raise InputError(
                f"exit {self.exit} and width {self.width} must rise from 0, and width stay below the square root of "
                f"period - 1, {np.sqrt(self.period - 1):.2f}: no close is further from an average that includes it."
            )

    def signal(self, panel: Panel) -> Float:
        """(T, N) deviations of the close below its average; negative above it."""
        close = bridged_close(panel)
        mean = rolling_mean(close, self.period)
        variance = rolling_mean(close**2, self.period) - mean**2
        deviation = np.sqrt(np.where(variance > 1e-13 * mean**2, variance, np.nan))
        return (mean - close) / deviation

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        stays = signal > self.exit, signal < -self.exit
        return traded_by_signal(panel, self.controls, adjust, signal / self.width, *stays, self.shorts)


@dataclass(frozen=True, kw_only=True)
class RsiReversion(Rule[Float]):
    """Buy when Wilder's relative strength index is low, sell short when it is high, and close when it crosses 50.

    Sizes as in ``BollingerReversion``.

    Parameters
    ----------
    period : days of Wilder's average.
    low, high : of the index (0 to 100), where positions open; a signal is 1 there and 0 at 50.
    shorts : whether ``high`` is sold.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: Wilder (1978), *New Concepts in Technical Trading Systems*.
    """

    period: int = 14
    low: float = 30.0
    high: float = 70.0
    shorts: bool = True
    controls: Controls = _CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("period",)

    def __post_init__(self) -> None:
        window_checked(2, period=self.period)
        if not 0 < self.low < 50 < self.high < 100:
            raise InputError(f"low {self.low} and high {self.high} must lie on either side of 50, within 0 and 100.")

    def signal(self, panel: Panel) -> Float:
        """(T, N) relative strength index, 0 to 100; 50 where the close has not moved at all."""
        close = bridged_close(panel)
        change = np.full(close.shape, np.nan)
        change[1:] = np.diff(close, axis=0)
        gain = wilder_average(np.maximum(change, 0.0), self.period)
        loss = wilder_average(np.maximum(-change, 0.0), self.period)
        still = gain + loss == 0
        return np.where(still, 50.0, 100 * gain / np.where(still, 1.0, gain + loss))

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        reach = np.where(signal < 50, 50 - self.low, self.high - 50)
        stays = signal < 50, signal > 50
        return traded_by_signal(panel, self.controls, adjust, (50 - signal) / reach, *stays, self.shorts)


@dataclass(frozen=True, eq=False)
class Pairs:
    """The P pairs found at one formation: ``log first - hedge * log second`` reverts to its mean."""

    row: int
    """Last row of the data that made them; they are traded from its close."""
    first: Int
    """(P,) columns of the panel."""
    second: Int
    """(P,) columns of the panel."""
    hedge: Float
    """(P,) positive."""
    intercept: Float
    """(P,) mean of the spread."""
    deviation: Float
    """(P,) of the spread."""
    daily: Float
    """(P,) volatility of the spread's daily change."""
    statistic: Float
    """(P,) of the augmented Dickey-Fuller test, lowest first."""


@dataclass(frozen=True, kw_only=True)
class PairsTrading(Rule[tuple[Pairs, ...]]):
    """Trade the spread of cointegrated pairs: short when it is high, long when it is low, closed near its mean.

    Pairs are found on the last ``formation`` days, every ``every`` days: among all pairs of members with a close on
    each of these days, those whose returns correlate and whose spread passes Engle and Granger's test, surest first,
    each asset in one pair. A pair is traded until the next formation, when all are closed. Of a pair's weight, one part
    is long and ``hedge`` parts are short, together at most ``controls.max_weight``; gross exposure is at most 1.

    Parameters
    ----------
    formation, every : days.
    most : pairs at a time.
    entry, exit : of the spread from its mean, in its deviations at formation.
    level : of the test, 0.01, 0.05 or 0.1. A thousand assets make half a million pairs, so even 0.01 lets chance
        finds through; the correlation is the other filter.
    min_correlation : of daily log returns.

    Raises
    ------
    InputError
        A parameter is out of range.

    Source: Engle and Granger (1987), Econometrica 55; Gatev, Goetzmann and Rouwenhorst (2006), *Pairs trading*, Review
    of Financial Studies 19; Vidyamurthy (2004), *Pairs Trading*.
    """

    formation: int = 252
    every: int = 63
    most: int = 20
    entry: float = 2.0
    exit: float = 0.5
    level: float = 0.01
    min_correlation: float = 0.5
    controls: Controls = _PAIR_CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("formation", "every", "most", "level", "min_correlation")

    def __post_init__(self) -> None:
        window_checked(30, formation=self.formation)
        window_checked(1, every=self.every, most=self.most)
        critical_value(self.formation, self.level)
        if not 0 <= self.exit < self.entry < np.inf:
            raise InputError(f"exit {self.exit} and entry {self.entry} must rise from 0, such as 0.5 and 2.")
        if not -1 <= self.min_correlation < 1:
            raise InputError(f"min_correlation {self.min_correlation} must lie in [-1, 1).")

    def signal(self, panel: Panel) -> tuple[Pairs, ...]:
        """The pairs of each formation."""
        logs, usable = np.log(bridged_close(panel)), tradable(panel)
        rows = range(self.formation - 1, len(logs), self.every)
        return tuple(self._formed(row, logs[row + 1 - self.formation : row + 1], usable[row]) for row in rows)

    def trade(self, panel: Panel, signal: tuple[Pairs, ...], adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        logs, usable = np.log(bridged_close(panel)), tradable(panel)
        weights = np.zeros(panel.shape)
        ends = [*(later.row for later in signal), len(logs)][1:]
        for pairs, end in zip(signal, ends, strict=True):
            rows = slice(pairs.row, end)
            positions = self._positions(pairs, logs[rows], Adjustments(adjust.stop[rows], adjust.min_signal[rows]))
            both = usable[rows][:, pairs.first] & usable[rows][:, pairs.second]
            held = sized(positions, both, self.controls.max_weight)
            legs = np.zeros((len(pairs.first), panel.shape[1]))
            legs[np.arange(len(legs)), pairs.first] = 1 / (1 + pairs.hedge)
            legs[np.arange(len(legs)), pairs.second] = -pairs.hedge / (1 + pairs.hedge)
            weights[rows] = held @ legs
        note = f"pairs formed {len(signal)} times, {sum(len(p.first) for p in signal)} in all"
        return StrategyResult(weights, np.zeros(len(logs)), (note,))

    def _positions(self, pairs: Pairs, logs: Float, adjust: Adjustments) -> np.ndarray:
        spread = logs[:, pairs.first] - pairs.hedge * logs[:, pairs.second]
        score = (spread - pairs.intercept) / pairs.deviation
        daily = np.broadcast_to(pairs.daily, score.shape)
        trail = Trail.of(spread, daily, self.controls, adjust)
        threshold = self.controls.min_signal * adjust.min_signal
        return hold(-score / self.entry, score < -self.exit, score > self.exit, threshold, trail)

    def _formed(self, row: int, window: Float, usable: np.ndarray) -> Pairs:
        whole = np.flatnonzero(usable & ~np.isnan(window).any(axis=0))
        whole = whole[np.ptp(window[:, whole], axis=0) > 1e-9]
        logs = window[:, whole]
        if len(whole) < 2:
            return _no_pairs(row)
        first, second = self._promising(logs)
        if not len(first):
            return _no_pairs(row)
        test = engle_granger(logs[:, first], logs[:, second])
        passed = (test.statistic < critical_value(self.formation, self.level)) & (test.hedge > 0)
        kept: list[int] = []
        taken: set[int] = set()
        for k in np.argsort(np.where(passed, test.statistic, np.inf), kind="stable")[: int(passed.sum())]:
            legs = {int(first[k]), int(second[k])}
            if len(kept) < self.most and not legs & taken:
                kept.append(int(k))
                taken |= legs
        spread = test.spread[:, kept]
        return Pairs(
            row,
            whole[first[kept]],
            whole[second[kept]],
            test.hedge[kept],
            test.intercept[kept],
            spread.std(axis=0),
            np.diff(spread, axis=0).std(axis=0),
            test.statistic[kept],
        )

    def _promising(self, logs: Float) -> tuple[Int, Int]:
        """The pairs whose returns correlate, surest first by the test without lags; each in its better direction."""
        statistic = dickey_fuller_of_all(logs)
        correlation = np.corrcoef(np.diff(logs, axis=0), rowvar=False)
        score = np.where(correlation >= self.min_correlation, np.nan_to_num(statistic, nan=np.inf), np.inf)
        better = (score < score.T) | ((score == score.T) & np.tri(len(score), k=-1, dtype=np.bool_).T)
        score = np.where(better, score, np.inf)
        count = min(_TESTED_PAIRS, int(np.isfinite(score).sum()))
        best = np.argpartition(score, max(count - 1, 0), axis=None)[:count]
        best = best[np.argsort(score.ravel()[best], kind="stable")]
        first, second = np.unravel_index(best, score.shape)
        return np.asarray(first), np.asarray(second)


def _no_pairs(row: int) -> Pairs:
    none, empty = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Pairs(row, none, none, empty, empty, empty, empty, empty)
