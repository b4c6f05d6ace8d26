"""What each lens sees of a market, row by row and without memory: one number or two that are known at the close."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self

import numpy as np
import pandas as pd

from quantray.arrays import TRADING_DAYS, Dates, Float, Names
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.features.returns import simple_returns
from quantray.regimes.bars import ROWS_A_DAY, MarketBars, Timeframe, usual_course
from quantray.regimes.market import (
    SectorReturns,
    day_dispersion,
    index_returns,
    mean_known,
    median_known,
    median_range,
    member_returns,
    sector_returns,
)
from quantray.regimes.observations import log_or_nan

__all__ = ["MarketMeasures"]

_SHARE_OF_A_DAY = 0.01
"""Of a usual day's money: what the trade is that the liquidity lens prices."""
_USUAL_DAYS, _LEAST_ROWS = 252, 21


@dataclass(frozen=True, eq=False, kw_only=True)
class MarketMeasures:
    """T rows of a market of N assets, days or bars; what lenses see is computed when asked for."""

    times: Dates
    """(T,) days, or closing times of bars."""
    returns: Float
    """(T, N) simple, of the assets that count; NaN elsewhere."""
    index: Float
    """(T,) simple returns of the index."""
    fields: Mapping[str, Float]
    """high, low, money, half_spread_bps, each (T, N), where known."""
    assets: Names
    sectors: Mapping[str, str] = field(default_factory=dict)
    """Asset -> sector."""
    rows_a_day: float = 1.0
    bars: MarketBars | None = None
    """Where the rows lie within the day, for bars shorter than it."""
    days: "MarketMeasures | None" = None
    """Of the whole days that the rows are parts of, which know what money is usual."""

    @classmethod
    def of_panel(
        cls, panel: Panel, sectors: Mapping[str, str] | None = None, *, weighting: Literal["equal", "traded"] = "equal"
    ) -> Self:
        """Days of a panel, whose members count; raises as ``market.index_returns``."""
        fields = {name: panel.field(name) for name in ("high", "low", "half_spread_bps") if name in panel.fields}
        if "volume" in panel.fields:
            fields["money"] = panel.field("close") * panel.field("volume")
        return cls(
            times=panel.dates,
            returns=member_returns(panel),
            index=index_returns(panel, weighting=weighting),
            fields={name: np.where(panel.member, values, np.nan) for name, values in fields.items()},
            assets=panel.assets,
            sectors=sectors or {},
            rows_a_day=panel.periods_per_year / TRADING_DAYS,
        )

    @classmethod
    def of_bars(
        cls,
        bars: MarketBars,
        timeframe: Timeframe,
        sectors: Mapping[str, str] | None = None,
        *,
        days: "MarketMeasures | None" = None,
    ) -> Self:
        """Bars of any length; within the day all measures are relative to what is usual at that time of day.

        Parameters
        ----------
        days : of the same assets, for bars shorter than a day: impact is then that of a part of a usual day's money,
            where a year of bars alone would forget within it what is usual.
        """
        returns = simple_returns(bars.close)
        return cls(
            times=bars.closes,
            returns=returns,
            index=mean_known(returns),
            fields={"high": bars.high, "low": bars.low, "money": bars.close * bars.volume},
            assets=bars.assets,
            sectors=sectors or {},
            rows_a_day=ROWS_A_DAY[timeframe],
            bars=bars,
            days=days,
        )

    @property
    def sessions(self) -> Dates:
        """(T,) day of each row."""
        return self.times.astype("datetime64[D]") if self.bars is None else self.bars.sessions

    @cached_property
    def level(self) -> Float:
        """(T,) the index from one on; NaN before it has a return."""
        level = np.asarray(np.cumprod(1 + np.nan_to_num(self.index)))
        begun = np.append(np.maximum.accumulate(~np.isnan(self.index))[1:], True)[: len(level)]
        return np.where(begun, level, np.nan)

    @cached_property
    def steps(self) -> Float:
        """(T,) returns of the index, for bars within the day over what is usual at that time."""
        if self.bars is None:
            return self.index
        usual = usual_course(log_or_nan(np.abs(self.index)), self.bars)
        return np.asarray(self.index / np.exp(usual))

    @cached_property
    def log_volatility(self) -> Float:
        """(T,) of the assets: the median log range, or else the median absolute return; see ``day_volatility``."""
        return self._level(self._volatility)

    @cached_property
    def log_spread(self) -> Float | None:
        """(T,) members' median quoted half-spread, in basis points; None without quotes.

        Spreads estimated from ranges need weeks of them, and would look as sure as quotes.
        """
        spread = self.fields.get("half_spread_bps")
        return None if spread is None else self._level(median_known(spread))

    @cached_property
    def log_impact(self) -> Float:
        """(T,) of trading 1 % of a usual row's money, in basis points, by the square-root law.

        That is volatility times the root of the trade's share of the money traded now.

        Raises
        ------
        DataError
            There are no volumes.

        Source: Tóth et al. (2011), "Anomalous Price Impact and the Critical Nature of Liquidity in Financial Markets",
        *Physical Review X* 1.
        """
        if "money" not in self.fields:
            raise DataError("liquidity needs volumes; import bars with a volume column.")
        return self._level(1e4 * self._volatility * np.sqrt(_SHARE_OF_A_DAY * self._usual_money / self._money))

    @cached_property
    def log_dispersion(self) -> Float:
        """(T,) of one row's returns across assets; see ``market.day_dispersion``."""
        return self._level(self._dispersion)

    @cached_property
    def pull(self) -> Float:
        """(T,) return of the index over the dispersion: its square is large where assets move together."""
        steps, apart = self.steps, np.exp(self.log_dispersion)
        return np.asarray(np.divide(steps, apart, out=np.full(len(steps), np.nan), where=apart > 0))

    @cached_property
    def by_sector(self) -> SectorReturns:
        """Returns of the sectors; raises as ``market.sector_returns``."""
        return sector_returns(self.returns, self.assets, self.sectors)

    @cached_property
    def log_sector_dispersion(self) -> Float:
        """(T,) standard deviation of the sectors' returns of one row."""
        found = self.by_sector.returns
        some = (~np.isnan(found)).sum(axis=1) > 1
        apart = np.full(len(found), np.nan)
        apart[some] = np.nanstd(found[some], axis=1, ddof=1)
        return self._level(apart)

    @cached_property
    def _money(self) -> Float:
        money = median_known(self.fields["money"])
        return np.where(money > 0, money, np.nan)

    @cached_property
    def _usual_money(self) -> Float:
        """(T,) that trades in a row: the median of a year of rows, or what the day before its own has to say of it."""
        if self.days is None:
            rows = max(round(_USUAL_DAYS * self.rows_a_day), _LEAST_ROWS)
            return pd.Series(self._money).rolling(rows, min_periods=_LEAST_ROWS).median().to_numpy()
        before = np.searchsorted(self.days.sessions, self.sessions, side="left") - 1
        usual = np.full(len(before), np.nan)
        usual[before >= 0] = self.days._usual_money[before[before >= 0]]
        return usual * self.days.rows_a_day / self.rows_a_day

    @cached_property
    def _volatility(self) -> Float:
        known = ~np.isnan(self.returns)
        if {"high", "low"} <= set(self.fields):
            return median_range(self.fields["high"], self.fields["low"], known)
        return median_known(np.abs(self.returns)) / 0.6745

    @cached_property
    def _dispersion(self) -> Float:
        return day_dispersion(self.returns)

    def _level(self, values: Float) -> Float:
        logs = log_or_nan(values)
        return logs if self.bars is None else logs - usual_course(logs, self.bars)
