"""Trend following: what rises is held and what falls is sold short, until the trend ends."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.rolling import (
    bridged_close,
    log_returns,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_volatility,
)
from quantray.strategies.rule import Adjustments, Controls, Rule, StrategyResult, traded_by_signal, window_checked

__all__ = ["Breakout", "MovingAverageCross"]

_VOLATILITY_DAYS = 20
_CONTROLS = Controls(stop=6.0)


@dataclass(frozen=True, kw_only=True)
class MovingAverageCross(Rule[Float]):
    """Long while the fast moving average of closes is above the slow one, short while it is below.

    A position opens when the gap reaches ``threshold`` and ends when the averages cross back. Positions are of equal
    size; gross exposure is 1 with ten or more of them (``controls.max_weight``).

    Parameters
    ----------
    fast, slow : days of the averages.
    threshold : gap between the averages, in daily volatilities (root mean square over ``slow`` days).
    shorts : whether falling assets are sold short.

    Raises
    ------
    InputError
        ``fast`` is not shorter than ``slow``, or a parameter is out of range.

    Source: Brock, Lakonishok and LeBaron (1992), *Simple technical trading rules and the stochastic properties of
    stock returns*, Journal of Finance 47.
    """

    fast: int = 5
    slow: int = 20
    threshold: float = 0.25
    shorts: bool = True
    controls: Controls = _CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("fast", "slow")

    def __post_init__(self) -> None:
        window_checked(1, fast=self.fast)
        window_checked(2, slow=self.slow)
        if self.fast >= self.slow:
            raise InputError(f"fast {self.fast} must be shorter than slow {self.slow}, such as 5 and 20 days.")
        if not 0 < self.threshold < np.inf:
            raise InputError(f"threshold {self.threshold} must be a positive number of daily volatilities.")

    def signal(self, panel: Panel) -> Float:
        """(T, N) gap between the averages in daily volatilities, positive when rising."""
        close = bridged_close(panel)
        gap = rolling_mean(close, self.fast) / rolling_mean(close, self.slow) - 1
        return _in_volatilities(gap, rolling_volatility(log_returns(close), self.slow))

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        return traded_by_signal(
            panel, self.controls, adjust, signal / self.threshold, signal > 0, signal < 0, self.shorts
        )


@dataclass(frozen=True, kw_only=True)
class Breakout(Rule[Float]):
    """Long after a close above the channel of earlier closes, short after one below it (Donchian).

    A position opens when the close leaves the range of the ``entry`` days before by ``threshold``, and ends when it
    leaves the range of the ``exit_days`` before on the other side. Sizes as in ``MovingAverageCross``.

    Parameters
    ----------
    entry, exit_days : days of the two channels, today not included.
    threshold : distance beyond the channel, in daily volatilities (root mean square over 20 days).
    shorts : whether falls below the channel are sold short.

    Raises
    ------
    InputError
        ``exit_days`` exceeds ``entry``, or a parameter is out of range.

    Source: Lo, Mamaysky and Wang (2000), *Foundations of technical analysis*, Journal of Finance 55; Hurst, Ooi and
    Pedersen (2017), *A century of evidence on trend-following investing*, Journal of Portfolio Management 44.
    """

    entry: int = 20
    exit_days: int = 10
    threshold: float = 0.1
    shorts: bool = True
    controls: Controls = _CONTROLS

    signal_parameters: ClassVar[tuple[str, ...]] = ("entry",)

    def __post_init__(self) -> None:
        window_checked(2, entry=self.entry)
        window_checked(1, exit_days=self.exit_days)
        if self.exit_days > self.entry:
            raise InputError(f"exit_days {self.exit_days} must not exceed entry {self.entry}; half of it is usual.")
        if not 0 < self.threshold < np.inf:
            raise InputError(f"threshold {self.threshold} must be a positive number of daily volatilities.")

    def signal(self, panel: Panel) -> Float:
        """(T, N) distance beyond the channel in daily volatilities, positive above it; 0 inside."""
        close = bridged_close(panel)
        before = _previous(close)
        above = np.maximum(close / rolling_max(before, self.entry) - 1, 0.0)
        below = np.minimum(close / rolling_min(before, self.entry) - 1, 0.0)
        return _in_volatilities(above + below, rolling_volatility(log_returns(close), _VOLATILITY_DAYS))

    def trade(self, panel: Panel, signal: Float, adjust: Adjustments, lag: int) -> StrategyResult:
        """See ``Rule.trade``."""
        close = bridged_close(panel)
        before = _previous(close)
        stay_long = close >= rolling_min(before, self.exit_days)
        stay_short = close <= rolling_max(before, self.exit_days)
        return traded_by_signal(
            panel, self.controls, adjust, signal / self.threshold, stay_long, stay_short, self.shorts
        )


def _previous(close: Float) -> Float:
    out = np.full(close.shape, np.nan)
    out[1:] = close[:-1]
    return out


def _in_volatilities(move: Float, volatility: Float) -> Float:
    """A relative move in daily volatilities; moves of rounding errors are none."""
    move = np.where(np.abs(move) < 1e-12, 0.0, move)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(move == 0, 0.0 * volatility, move / np.where(volatility > 0, volatility, np.nan))
