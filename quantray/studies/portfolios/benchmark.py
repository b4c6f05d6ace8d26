"""What a study's portfolios are measured against where it is none of them: a symbol, a file, or a blend of symbols."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from quantray.analytics.benchmarks import Benchmark, blended, of_symbol, read_benchmark
from quantray.arrays import Dates
from quantray.data.store import MarketStore
from quantray.data.universe import Symbols
from quantray.research.market import MarketData, StoreData
from quantray.settings import SettingsModel

__all__ = [
    "BenchmarkSettings",
    "Yardsticks",
    "benchmark_table",
    "outside_benchmark",
    "symbol_reader",
    "table_benchmark",
]


class BenchmarkSettings(SettingsModel):
    """One of ``symbol``, ``csv`` and ``blend``."""

    symbol: str | None = None
    """Of the data, whether or not it is in the universe; total return."""
    csv: str | None = None
    """File of a date and a value a line."""
    blend: dict[str, float] | None = Field(None, min_length=1)
    """Symbol -> weight, rebalanced daily; what they leave is cash without interest."""
    holds: Literal["levels", "returns"] = "levels"
    """What the values of a file are."""
    dividends: Literal["included", "left out"] | None = None
    """Of a file, which does not say it: a total-return or a price series."""
    name: str | None = Field(None, max_length=100)
    """By default the symbol, the file's name, or the blend."""

    @model_validator(mode="after")
    def _one(self) -> "BenchmarkSettings":
        given = [n for n in ("symbol", "csv", "blend") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"a benchmark is one of symbol, csv and blend, not {' and '.join(given) or 'none'}")
        if (self.csv is not None) != (self.dividends is not None):
            raise ValueError("dividends are said of a csv, included or left out, and of nothing else")
        return self


@dataclass(frozen=True, eq=False)
class Yardsticks:
    """What portfolios are measured against that is none of them, on all days that they may have accounts."""

    benchmark: Benchmark | None = None
    """None where it is one of the portfolios."""
    risk_free: Benchmark | None = None
    """None for the rate that accounts earn on cash."""


def outside_benchmark(settings: BenchmarkSettings, data: MarketData, dates: Dates) -> Benchmark:
    """The benchmark on some dates, all of which it must cover.

    Raises
    ------
    InputError
        It has a gap, which is named, or the data do not have a symbol.
    DataError
        The file or the store cannot be read.
    """
    if settings.csv is not None:
        total = settings.dividends == "included"
        found = read_benchmark(settings.csv, holds=settings.holds, total=total, name=settings.name)
    elif settings.symbol is not None:
        found = symbol_reader(data)(settings.symbol)
    else:
        parts = settings.blend or {}
        found = blended(parts, {symbol: symbol_reader(data)(symbol) for symbol in parts}, dates)
    levels = np.cumprod(np.append(1.0, 1 + found.returns_on(dates)))
    return Benchmark(settings.name or found.name, dates, np.asarray(levels, dtype=np.float64), found.total)


def benchmark_table(benchmark: Benchmark) -> pa.Table:
    """As a run keeps it."""
    table = pa.table({"date": pa.array(benchmark.dates), "level": benchmark.levels})
    return table.replace_schema_metadata({"name": benchmark.name, "total": str(benchmark.total)})


def table_benchmark(table: pa.Table) -> Benchmark:
    """As ``benchmark_table`` wrote it."""
    told = table.schema.metadata
    dates = table["date"].to_numpy().astype("datetime64[D]")
    return Benchmark(told[b"name"].decode(), dates, np.asarray(table["level"].to_numpy()), told[b"total"] == b"True")


def symbol_reader(data: MarketData, what: str = "benchmark") -> Callable[[str], Benchmark]:
    """Reads symbols of the data, from the store where they are not in the universe; ``what`` they are, for errors."""

    def read(symbol: str) -> Benchmark:
        chosen = data.settings
        if not isinstance(chosen, StoreData) or symbol in data.panel.assets:
            return of_symbol(data.panel, symbol, what)
        store = MarketStore(chosen.store)
        panel = store.load(Symbols((symbol,)), chosen.start, chosen.end, ["close"], chosen.version, chosen.as_known)
        return of_symbol(panel, symbol, what)

    return read
