"""What the five lenses hold beforehand, and what their mistakes cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantray.errors import InputError
from quantray.regimes.schedule import RefitSchedule

__all__ = ["CORRELATION", "LENS_NAMES", "LIQUIDITY", "MARKET", "SECTOR", "VOLATILITY", "LensSettings"]

MARKET = ("bear", "neutral", "bull")
VOLATILITY = ("low", "medium", "high", "extreme")
LIQUIDITY = ("normal", "stressed")
CORRELATION = ("normal", "crisis")
SECTOR = ("broad", "concentrated")
LENS_NAMES: Mapping[str, tuple[str, ...]] = {
    "market": MARKET,
    "trend": MARKET,
    "volatility": VOLATILITY,
    "liquidity": LIQUIDITY,
    "correlation": CORRELATION,
    "sector": SECTOR,
}
"""Lens -> names of its regimes; ``trend`` is the market lens by its rule."""


@dataclass(frozen=True, kw_only=True)
class LensSettings:
    """What is known of regimes before the data, and by what costs a probability becomes a label.

    A label is the regime whose probability times the cost of missing it is highest; it changes when another leads it by
    ``hysteresis``.

    Parameters
    ----------
    market_by : ``drift`` for a filter of the index's drift and volatility, ``trend`` for the rule of
        ``trend.trend_labels`` over ``trend_days``, with ``trend_band`` and ``bear_drawdown``.
    weighting : of the index that the market and correlation lenses look at; see ``market.index_returns``.
    market_costs, volatility_costs, liquidity_costs, correlation_costs, sector_costs : cost of missing each regime of a
        lens, in the order of its names; a false alarm is a missed normal day.
    hysteresis : lead, in weighted probability, that a new label needs; 0 for none.
    market_widths : volatility of the index in four states, in multiples of the second one.
    market_drifts : yearly Sharpe ratios of the four states.
    drift_days : trading days of returns that these count for.
    bear_sharpe, bull_sharpe : yearly Sharpe ratios of a state's drift below which it is bear and above which it is
        bull, each as sure as the data make it.
    volatility_levels, impact_levels, spread_levels, sector_levels : multiples of the second state's volatility, price
        impact, quoted spread and dispersion of sectors in four states; of liquidity the upper two are stressed, of
        sectors concentrated.
    crisis_multiple : how much more the index moves against the dispersion of its members in a crisis of correlation.
    spells : trading days that each state lasts, on average.
    leaders : number of leading sectors to name.
    warmup : known rows before the first fit.
    every : rows from one fit to the next.
    memory : most recent rows that fits learn from.

    Raises
    ------
    InputError
        A value is out of range.
    """

    market_by: Literal["drift", "trend"] = "drift"
    trend_days: int = 200
    trend_band: float = 0.02
    bear_drawdown: float = 0.10
    weighting: Literal["equal", "traded"] = "equal"
    market_costs: tuple[float, float, float] = (1.0, 1.0, 1.0)
    volatility_costs: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    liquidity_costs: tuple[float, float] = (1.0, 1.0)
    correlation_costs: tuple[float, float] = (1.0, 1.0)
    sector_costs: tuple[float, float] = (1.0, 1.0)
    hysteresis: float = 0.05
    market_widths: tuple[float, float, float, float] = (0.65, 1.0, 1.85, 2.5)
    market_drifts: tuple[float, float, float, float] = (1.0, 1.25, -1.5, 0.0)
    drift_days: float = 5000.0
    bear_sharpe: float = -0.75
    bull_sharpe: float = 0.5
    volatility_levels: tuple[float, float, float, float] = (0.75, 1.0, 1.4, 1.9)
    impact_levels: tuple[float, float, float, float] = (0.85, 1.0, 1.25, 1.5)
    spread_levels: tuple[float, float, float, float] = (0.75, 1.0, 1.4, 1.9)
    sector_levels: tuple[float, float, float, float] = (0.75, 1.0, 1.4, 1.9)
    crisis_multiple: float = 1.45
    spells: tuple[float, float, float, float] = (125.0, 125.0, 50.0, 40.0)
    leaders: int = 3
    warmup: int = 252
    every: int = 126
    memory: int = 2520

    def __post_init__(self) -> None:
        for name in ("trend_days", "leaders", "every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be 1 or more.")
        if not 20 <= self.warmup <= self.memory:
            raise InputError(f"warmup {self.warmup} must be 20 or more and at most memory {self.memory}.")
        for name in ("market_widths", "volatility_levels", "impact_levels", "spread_levels", "sector_levels"):
            levels = np.array(getattr(self, name))
            if not (levels > 0).all() or not (np.diff(levels) > 0).all() or not np.isfinite(levels).all():
                raise InputError(f"{name} {getattr(self, name)} must be positive and increase strictly.")
        for lens in ("market", "volatility", "liquidity", "correlation", "sector"):
            costs = getattr(self, f"{lens}_costs")
            if not all(0 < cost < np.inf for cost in costs):
                raise InputError(f"{lens}_costs {costs} must be positive and finite.")
        for name in ("hysteresis", "trend_band", "bear_drawdown"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be 0 or more and below 1.")
        if not -np.inf < self.bear_sharpe <= self.bull_sharpe < np.inf or not np.isfinite(self.market_drifts).all():
            raise InputError(f"bear_sharpe {self.bear_sharpe} must not exceed bull_sharpe {self.bull_sharpe}.")
        for name in ("crisis_multiple", "drift_days"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} {getattr(self, name)} must be positive and finite.")
        if not all(1 < days < np.inf for days in self.spells):
            raise InputError(f"spells {self.spells} must be longer than a day.")

    @property
    def schedule(self) -> RefitSchedule:
        """When lenses are fitted."""
        return RefitSchedule(first=self.warmup, every=self.every, window=self.memory)

    def costs(self, names: tuple[str, ...]) -> tuple[float, ...]:
        """Of missing each regime of the lens with these names."""
        lenses = {
            MARKET: self.market_costs,
            VOLATILITY: self.volatility_costs,
            LIQUIDITY: self.liquidity_costs,
            CORRELATION: self.correlation_costs,
            SECTOR: self.sector_costs,
        }
        return lenses[names]
