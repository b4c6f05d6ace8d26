"""What a rule is, and how its signals become positions; ``backtest.net`` says what those earn.

A rule's signal is signed and counted in units of the rule's own threshold: 1 opens a long position, -1 a short one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, final

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Float
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.strategies.rolling import bridged_close, log_returns, rolling_volatility, tradable

__all__ = [
    "Adjustments",
    "Controls",
    "Rule",
    "StrategyResult",
    "Trail",
    "hold",
    "sized",
    "traded_by_signal",
    "window_checked",
]

_VOLATILITY_DAYS = 20

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Controls:
    """When a rule opens and abandons positions, and how large one may be.

    Raises
    ------
    InputError
        A value is out of range.
    """

    stop: float | None = None
    """Trailing stop: how far, in daily volatilities of what is held, it may fall from its best close since it was
    opened; None for no stop. Once stopped, a position is not opened again until the signal behind it has ended."""
    min_signal: float = 1.0
    """Least strength that opens a position, in units of the rule's own threshold."""
    max_weight: float = 0.1
    """Largest share of NAV in one position; with few positions the rest stays cash."""

    def __post_init__(self) -> None:
        if self.stop is not None and not 0 < self.stop < np.inf:
            raise InputError(f"stop {self.stop} must be a positive number of daily volatilities, or None for no stop.")
        if not 0 <= self.min_signal < np.inf:
            raise InputError(f"min_signal {self.min_signal} must be 0 or more; 1 is the rule's own threshold.")
        if not 0 < self.max_weight <= 1:
            raise InputError(f"max_weight {self.max_weight} must be a share of NAV above 0 and up to 1.")


@dataclass(frozen=True, eq=False)
class Adjustments:
    """Multiples of a rule's stop and least signal on each day, such as a regime demands.

    Parameters
    ----------
    stop, min_signal : (T,) positive and finite; row t is known at the close of t.
    """

    stop: Float
    min_signal: Float

    def __post_init__(self) -> None:
        for name in ("stop", "min_signal"):
            values = getattr(self, name)
            if values.ndim != 1 or not (np.isfinite(values) & (values > 0)).all():
                raise InputError(f"{name} multiples {values.shape} must be (T,), positive and finite; 1 is no change.")
        if self.stop.shape != self.min_signal.shape:
            raise InputError(f"{len(self.stop)} multiples of stops for {len(self.min_signal)} of least signals.")

    @classmethod
    def none(cls, n_days: int) -> "Adjustments":
        """No change on any of T days."""
        return cls(np.ones(n_days), np.ones(n_days))


@dataclass(frozen=True, eq=False)
class StrategyResult:
    """What a rule decides each day, and what its options earn beside."""

    weights: Float
    """(T, N) target weights of equities decided at each close; of an option rule, its hedge."""
    overlay_returns: Float
    """(T,) returns on NAV of option positions on each day, marked to model, after their costs; zero without options."""
    notes: tuple[str, ...] = ()
    """What was decided or stood in for data, for the reader."""
    closing_costs: Float | None = None
    """(T, M) half of the spread on the options held after each close, as a fraction of NAV, negative for those sold
    short, by underlying: what leaving the rule on that day would cost. None without options."""


@dataclass(frozen=True, kw_only=True)
class Rule(ABC, Generic[S]):
    """Weights from a panel: a signal, which depends on a few indicator parameters, and the trades made of it."""

    controls: Controls = Controls()

    signal_parameters: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that the signal depends on."""

    @abstractmethod
    def signal(self, panel: Panel) -> S:
        """What is known at each close; a sweep computes it once for all rules of equal ``signal_key``."""

    @abstractmethod
    def trade(self, panel: Panel, signal: S, adjust: Adjustments, lag: int) -> StrategyResult:
        """The decisions that follow from the signal of the same panel."""

    @property
    def signal_key(self) -> tuple[Any, ...]:
        """Equal for two rules whose signals on a panel are equal."""
        return type(self).__name__, *(getattr(self, name) for name in self.signal_parameters)

    @final
    def run(
        self, panel: Panel, *, signal: S | None = None, adjust: Adjustments | None = None, lag: int = 1
    ) -> StrategyResult:
        """Decisions on every day of the panel; row t knows the close of t.

        Parameters
        ----------
        signal : of this panel, by a rule with the same ``signal_key``; by default computed.
        adjust : multiples of stops and least signals; by default none.
        lag : trading days from a decision to its trades, for options; weights are decisions whatever the lag.

        Raises
        ------
        InputError
            Adjustments of another length than the panel, or a negative lag.
        DataError
            The panel lacks a field or an asset, or holds a price that is not positive.
        """
        n_days = len(panel.dates)
        adjust = adjust or Adjustments.none(n_days)
        if len(adjust.stop) != n_days:
            raise InputError(f"{len(adjust.stop)} rows of adjustments for {n_days} dates; make them of the same panel.")
        if lag < 0:
            raise InputError(f"lag {lag} must be 0 or more trading days; 1 trades at the next close.")
        return self.trade(panel, self.signal(panel) if signal is None else signal, adjust, lag)

    @final
    def weights(self, panel: Panel) -> Float:
        """(T, N) target weights of ``run``; gross exposure at most 1, zero for assets without a close or membership."""
        return self.run(panel).weights


@dataclass(frozen=True, eq=False)
class Trail:
    """What a trailing stop watches."""

    path_tn: Float
    """Logarithm of the value held long, such as the log price."""
    unit_tn: Float
    """Its daily volatility."""
    multiple_t: Float
    """Stop in daily volatilities."""

    @classmethod
    def of(cls, path_tn: Float, unit_tn: Float, controls: Controls, adjust: Adjustments) -> "Trail | None":
        """The stop of some controls after adjustment, or None without a stop."""
        return None if controls.stop is None else cls(path_tn, unit_tn, controls.stop * adjust.stop)


def hold(
    strength_tn: Float, stay_long: Bool, stay_short: Bool, threshold_t: Float, trail: Trail | None = None
) -> npt.NDArray[np.int8]:
    """Positions of each asset through time: opened by strength, kept while they may stay, ended by a stop.

    Parameters
    ----------
    strength_tn : (T, N) signed signal; NaN opens nothing.
    stay_long, stay_short : (T, N) whether an open position may stay.
    threshold_t : (T,) least absolute strength that opens, or turns, a position; not negative.

    Returns
    -------
    (T, N) of 1, 0 and -1. A side that was stopped opens again once it has been a day without leave to stay, or after
    the other side was open.
    """
    with np.errstate(invalid="ignore"):
        opening = np.where(np.abs(strength_tn) >= threshold_t[:, None], np.sign(strength_tn), 0).astype(np.int8)
    out = np.zeros(opening.shape, dtype=np.int8)
    side, blocked = np.zeros((2, opening.shape[1]), dtype=np.int8)
    best = np.zeros(opening.shape[1])
    for t, wanted in enumerate(opening):
        side = np.where(np.where(side > 0, stay_long[t], stay_short[t]), side, 0)
        blocked = np.where(np.where(blocked > 0, stay_long[t], stay_short[t]), blocked, 0)
        opens = (wanted != 0) & (wanted != side) & (wanted != blocked)
        side, blocked = np.where(opens, wanted, side), np.where(opens, 0, blocked)
        if trail is not None:
            gain = side * trail.path_tn[t]
            best = np.where(opens, gain, np.fmax(best, gain))
            hit = (side != 0) & (best - gain > trail.multiple_t[t] * trail.unit_tn[t])
            side, blocked = np.where(hit, 0, side), np.where(hit, side, blocked)
        out[t] = side
    return out


def sized(positions_tn: npt.NDArray[Any], usable_tn: Bool, max_weight: float) -> Float:
    """(T, N) weights in proportion to positions, of gross exposure 1 or less where ``max_weight`` binds."""
    held = np.where(usable_tn, positions_tn, 0.0)
    gross = np.abs(held).sum(axis=1)
    largest = np.abs(held).max(axis=1, initial=0.0)
    with np.errstate(divide="ignore"):
        scale = np.minimum(1 / gross, max_weight / largest)
    return held * np.where(gross > 0, scale, 0.0)[:, None]


def traded_by_signal(
    panel: Panel,
    controls: Controls,
    adjust: Adjustments,
    strength: Float,
    stay_long: npt.NDArray[Any],
    stay_short: npt.NDArray[Any],
    shorts: bool,
) -> StrategyResult:
    """Equal positions in single names, entered on strength and held while they may stay; see ``hold`` and ``sized``.

    Parameters
    ----------
    strength, stay_long, stay_short : (T, N); see ``hold``. Stops trail in daily volatilities of the last 20 days.
    shorts : whether names are sold short, or left alone instead.
    """
    close = bridged_close(panel)
    trail = Trail.of(np.log(close), rolling_volatility(log_returns(close), _VOLATILITY_DAYS), controls, adjust)
    positions = hold(strength, stay_long, stay_short, controls.min_signal * adjust.min_signal, trail)
    positions = positions if shorts else np.maximum(positions, 0)
    return StrategyResult(sized(positions, tradable(panel), controls.max_weight), np.zeros(len(panel.dates)))


def window_checked(least: int = 2, **windows: int) -> None:
    """Refuse windows shorter than a number of days, naming the parameter.

    Raises
    ------
    InputError
        A window is no whole number or too short.
    """
    for name, value in windows.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} {value!r} must be a whole number of at least {least} days.")
