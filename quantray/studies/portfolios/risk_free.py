"""What cash earned in a study: a yearly rate, quoted yields, returns or levels of a file, or a fund of bills.

Ratios that the literature takes of excess returns (Sharpe, Sortino, Treynor, alpha, M2) are taken over it.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from quantray.analytics.benchmarks import Benchmark, read_benchmark, read_values
from quantray.analytics.risk_free import DayCount, accrued, rates_on
from quantray.arrays import Dates, Float
from quantray.errors import DataError
from quantray.research.market import MarketData
from quantray.settings import SettingsModel
from quantray.studies.portfolios.benchmark import symbol_reader

__all__ = ["RiskFreeSettings", "cash_of"]

_WHAT = "risk-free series"


class RiskFreeSettings(SettingsModel):
    """One of ``rate``, ``csv`` and ``symbol``."""

    rate: float | None = Field(None, ge=-10, le=100)
    """Simple yearly rate, in the unit that is said."""
    csv: str | None = None
    """File of a date and a value a line."""
    symbol: str | None = None
    """Of the data, whether or not it is in the universe, such as a fund of bills; its total return."""
    holds: Literal["yields", "returns", "levels"] = "yields"
    """What the values of a file are: simple yearly rates that hold until the next, returns since the row before, or
    levels."""
    unit: Literal["fraction", "percent"] | None = None
    """Of a rate, of yields and of returns, which do not say it: 0.02 or 2."""
    day_count: DayCount | None = None
    """Of a rate and of yields: calendar days over 360 or 365, or equal periods of the year."""
    stale_days: int = Field(7, ge=1, le=366)
    """Calendar days for which a yield of a file holds."""
    name: str | None = Field(None, max_length=100)
    """By default the symbol, the file's name, or the rate."""

    @property
    def is_rate(self) -> bool:
        """Whether it is in yearly rates, which are accrued."""
        return self.rate is not None or (self.csv is not None and self.holds == "yields")

    @property
    def scale(self) -> float:
        """What a value is multiplied by to be a fraction."""
        return 0.01 if self.unit == "percent" else 1.0

    @model_validator(mode="after")
    def _one(self) -> "RiskFreeSettings":
        given = [n for n in ("rate", "csv", "symbol") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"risk_free is one of rate, csv and symbol, not {' and '.join(given) or 'none'}")
        if (self.unit is not None) != (self.is_rate or (self.csv is not None and self.holds == "returns")):
            raise ValueError("unit, fraction or percent, is said of a rate, yields and returns, and of nothing else")
        if (self.day_count is not None) != self.is_rate:
            raise ValueError(
                "day_count, actual/360, actual/365 or periods, is said of a rate and yields, and of nothing else"
            )
        return self


def cash_of(settings: RiskFreeSettings | float, data: MarketData, dates: Dates) -> Benchmark:
    """Levels of cash on some dates, all of which it must cover.

    Raises
    ------
    InputError
        It has a gap, which is named, or the data do not have a symbol.
    DataError
        The file or the store cannot be read, or holds rates above 100 % a year.
    """
    year = data.panel.periods_per_year
    if isinstance(settings, float | int):
        settings = RiskFreeSettings(rate=settings, unit="fraction", day_count="periods")
    if settings.is_rate:
        name, rates = _rates(settings, dates)
        assert settings.day_count is not None, "checked by the settings"
        returns = accrued(rates, dates, settings.day_count, periods_per_year=year)
    elif settings.csv is not None:
        holds: Literal["levels", "returns"] = "levels" if settings.holds == "levels" else "returns"
        found = read_benchmark(
            settings.csv, holds=holds, total=True, name=settings.name, scale=settings.scale, what=_WHAT
        )
        name, returns = found.name, found.returns_on(dates)
    else:
        assert settings.symbol is not None, "checked by the settings"
        name, returns = settings.name or settings.symbol, symbol_reader(data, _WHAT)(settings.symbol).returns_on(dates)
    levels = np.asarray(np.cumprod(np.append(1.0, 1 + returns)), dtype=np.float64)
    return Benchmark(name, np.asarray(dates), levels, total=True, what=_WHAT)


def _rates(settings: RiskFreeSettings, dates: Dates) -> tuple[str, float | Float]:
    """Name and simple yearly rates as fractions, one or as many as dates."""
    if settings.rate is not None:
        rate = settings.scale * settings.rate
        return settings.name or f"{rate:.2%} a year", rate
    path = settings.csv or ""
    quoted, values = read_values(path, _WHAT)
    fractions = settings.scale * values
    if np.abs(fractions).max() > 1:
        raise DataError(
            f"{_WHAT} file {path} reaches {values[np.abs(values).argmax()]:g}, which as a {settings.unit} is "
            f"{np.abs(fractions).max():.0%} a year; say unit: percent, or holds: levels."
        )
    name = settings.name or Path(path).stem
    return name, rates_on(quoted, fractions, dates, name=name, stale_days=settings.stale_days)
