"""The catalogue of features: what each is, how far it looks back, and how it is computed.

Every feature is known at the close of its row, depends on no more than ``lookback`` rows before it and, to the last
bit, on nothing else in time. A halted asset keeps its last close for five rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from quantray.arrays import Float, Int
from quantray.data.panel import Panel
from quantray.features import liquidity, market_model, technical
from quantray.features.cross_section import demeaned, sector_demeaned
from quantray.features.returns import simple_returns

__all__ = ["FEATURES", "Feature", "Inputs"]

_HALT = 5
_MONTH, _QUARTER, _YEAR = 21, 63, 252


@dataclass(frozen=True, eq=False)
class Inputs:
    """What features are computed from; shared parts are computed once."""

    panel: Panel
    sectors: Int
    """(N,) codes; -1 unknown."""

    @cached_property
    def close(self) -> Float:
        """(T, N) closes; a halted asset keeps its last one for five rows."""
        return technical.recent_close(self.panel.field("close"), max_age=_HALT)

    @cached_property
    def returns(self) -> Float:
        """(T, N) daily simple returns; none across a halt."""
        return simple_returns(self.panel.field("close"))

    @cached_property
    def market(self) -> Float:
        """(T,) daily simple returns of the members, equally weighted."""
        return market_model.market_returns(self.returns, self.panel.member)

    @cached_property
    def money(self) -> Float:
        """(T, N) money traded a day."""
        return liquidity.dollar_volume(self.panel.field("close"), self.panel.field("volume"))

    @cached_property
    def month_volatility(self) -> Float:
        """(T, N) annual."""
        return technical.realised_volatility(self.returns, _MONTH, periods_per_year=self.panel.periods_per_year)

    @cached_property
    def quarter_volatility(self) -> Float:
        """(T, N) annual."""
        return technical.realised_volatility(self.returns, _QUARTER, periods_per_year=self.panel.periods_per_year)

    @cached_property
    def year_model(self) -> market_model.MarketModel:
        """Beta and residual volatility over a year."""
        return market_model.trailing_market_model(
            self.returns, self.market, _YEAR, periods_per_year=self.panel.periods_per_year
        )

    def period(self, days: int, skip: int = 0) -> Float:
        """(T, N) simple returns from ``days`` to ``skip`` rows ago."""
        return technical.period_returns(self.close, days, skip=skip)

    def reversal(self, days: int) -> Float:
        """(T, N) minus the return beyond the market's over ``days``, in its own standard deviations."""
        width = self.quarter_volatility * np.sqrt(days / self.panel.periods_per_year)
        out = np.full(width.shape, np.nan)
        np.divide(-demeaned(self.period(days), self.panel.member), width, out=out, where=width > 0)
        return out

    def residual(self, days: int) -> Float:
        """(T, N) returns over ``days`` less beta times the market's."""
        return market_model.residual_return(self.period(days), self.year_model.beta, self.market, days)

    def sector_relative(self, days: int) -> Float:
        """(T, N) returns over ``days`` less the mean of the sector's members."""
        return sector_demeaned(self.period(days), self.panel.member, self.sectors)


@dataclass(frozen=True)
class Feature:
    """One entry of the catalogue."""

    description: str
    lookback: int
    """Rows that a value needs behind its own."""
    source: str
    """Literature."""
    compute: Callable[[Inputs], Float]
    """(T, N) raw values."""
    fields: tuple[str, ...] = ("close",)
    """Panel fields it needs."""
    needs_sectors: bool = False


_JEGADEESH = "Jegadeesh (1990), Evidence of predictable behavior of security returns, Journal of Finance 45"
_MOMENTUM = "Jegadeesh and Titman (1993), Returns to buying winners and selling losers, Journal of Finance 48"
_TREND = "Han, Yang and Zhou (2013), A new anomaly: technical analysis, JFQA 48"
_VOLATILITY = "Ang, Hodrick, Xing and Zhang (2006), The cross-section of volatility, Journal of Finance 61"
_INDUSTRY = "Moskowitz and Grinblatt (1999), Do industries explain momentum?, Journal of Finance 54"


def _period(days: int, skip: int = 0) -> Feature:
    words = f"return from {days} to {skip} days ago" if skip else f"return over {days} days"
    source = _JEGADEESH if days <= _MONTH else _MOMENTUM
    return Feature(words, days + _HALT, source, lambda inputs: inputs.period(days, skip))


def _average_gap(days: int) -> Feature:
    words = f"mean of the last {days} closes over the close, less one"
    return Feature(words, days - 1 + _HALT, _TREND, lambda x: technical.moving_average_gap(x.close, days))


def _sector_relative(days: int) -> Feature:
    words = f"return over {days} days less the sector's mean"
    return Feature(words, days + _HALT, _INDUSTRY, lambda x: x.sector_relative(days), needs_sectors=True)


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "return_1": _period(1),
        "return_5": _period(5),
        "return_21": _period(_MONTH),
        "return_63": _period(_QUARTER),
        "return_126": _period(126),
        "return_252": _period(_YEAR),
        "momentum_252_21": _period(_YEAR, _MONTH),
        "reversal_5": Feature(
            "minus the return beyond the market's over 5 days, in standard deviations of the last 63 days",
            _QUARTER,
            "Lehmann (1990), Fads, martingales, and market efficiency, Quarterly Journal of Economics 105",
            lambda x: x.reversal(5),
        ),
        "average_gap_5": _average_gap(5),
        "average_gap_10": _average_gap(10),
        "average_gap_20": _average_gap(20),
        "average_gap_30": _average_gap(30),
        "volatility_21": Feature("realised volatility over 21 days", _MONTH, _VOLATILITY, lambda x: x.month_volatility),
        "volatility_63": Feature(
            "realised volatility over 63 days", _QUARTER, _VOLATILITY, lambda x: x.quarter_volatility
        ),
        "volatility_ratio": Feature(
            "log of realised volatility over 21 days by that over 63",
            _QUARTER,
            "Engle (1982), Autoregressive conditional heteroscedasticity, Econometrica 50",
            lambda x: technical.volatility_ratio(x.month_volatility, x.quarter_volatility),
        ),
        "greatest_return_21": Feature(
            "greatest daily return of 21 days",
            _MONTH,
            "Bali, Cakici and Whitelaw (2011), Maxing out, Journal of Financial Economics 99",
            lambda x: technical.greatest_return(x.returns, _MONTH),
        ),
        "high_gap_252": Feature(
            "close over the highest close of 252 days, less one",
            _YEAR - 1 + _HALT,
            "George and Hwang (2004), The 52-week high and momentum investing, Journal of Finance 59",
            lambda x: technical.high_gap(x.close, _YEAR),
        ),
        "beta_252": Feature(
            "beta to the members' equally weighted return over 252 days",
            _YEAR,
            "Frazzini and Pedersen (2014), Betting against beta, Journal of Financial Economics 111",
            lambda x: x.year_model.beta,
        ),
        "residual_volatility_252": Feature(
            "volatility beyond the market's over 252 days",
            _YEAR,
            _VOLATILITY,
            lambda x: x.year_model.residual_volatility,
        ),
        "residual_return_21": Feature(
            "return over 21 days less beta times the market's",
            _YEAR,
            "Blitz, Huij and Martens (2011), Residual momentum, Journal of Empirical Finance 18",
            lambda x: x.residual(_MONTH),
        ),
        "range_volatility_21": Feature(
            "Parkinson volatility from the ranges of 21 days",
            _MONTH - 1,
            "Parkinson (1980), The extreme value method, Journal of Business 53",
            lambda x: technical.parkinson_volatility(
                x.panel.field("high"), x.panel.field("low"), _MONTH, periods_per_year=x.panel.periods_per_year
            ),
            ("high", "low"),
        ),
        "close_position": Feature(
            "place of the close in the day's range",
            0,
            "Murphy (1999), Technical analysis of the financial markets, ch. 10",
            lambda x: technical.close_position(x.panel.field("high"), x.panel.field("low"), x.panel.field("close")),
            ("close", "high", "low"),
        ),
        "volume_surprise_21": Feature(
            "log of the money traded over its median of the 21 days before",
            _MONTH,
            "Gervais, Kaniel and Mingelgrin (2001), The high-volume return premium, Journal of Finance 56",
            lambda x: liquidity.volume_surprise(x.money, _MONTH),
            ("close", "volume"),
        ),
        "dollar_volume_63": Feature(
            "mean log of the money traded over 63 days",
            _QUARTER - 1,
            "Brennan, Chordia and Subrahmanyam (1998), Journal of Financial Economics 49",
            lambda x: liquidity.dollar_volume_level(x.money, _QUARTER),
            ("close", "volume"),
        ),
        "illiquidity_21": Feature(
            "log of the mean absolute return per million traded over 21 days",
            _MONTH,
            "Amihud (2002), Illiquidity and stock returns, Journal of Financial Markets 5",
            lambda x: liquidity.amihud_illiquidity(x.returns, x.money, _MONTH),
            ("close", "volume"),
        ),
        "sector_relative_5": _sector_relative(5),
        "sector_relative_21": _sector_relative(_MONTH),
    }
)
