"""Bars of the S&P 500 members of April 2021 from November 1999, and their sectors; survivors only."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quantray.data.store import MarketStore
from quantray.data.universe import read_sectors

DATA = Path(__file__).parents[1] / "../shared/data"


@dataclass(frozen=True, eq=False)
class Prices:
    """Bars of the members, dates by names."""

    dates: np.ndarray
    names: np.ndarray
    close: np.ndarray
    """Adjusted for dividends and splits."""
    volume: np.ndarray
    """In units of ``close``."""
    sectors: np.ndarray


def read(folder: Path) -> Prices:
    columns = ["date", "symbol", "close", "adj_close", "volume"]
    bars = pd.read_parquet(folder / "sp500_1999_2021.parquet", columns=columns).dropna(subset=["symbol"])
    wide = {name: bars.pivot_table(index="date", columns="symbol", values=name).astype(float) for name in columns[2:]}
    close = wide["adj_close"]
    volume = wide["volume"] * wide["close"] / close
    sectors = read_sectors(folder / "sp500_sectors.csv")
    names = close.columns.to_numpy().astype(str)
    labels = np.array([sectors.get(name, "") for name in names.tolist()])
    return Prices(close.index.to_numpy().astype("datetime64[D]"), names, close.to_numpy(), volume.to_numpy(), labels)


def store_of(data: Path, folder: Path, first: str, last: str | None = None) -> Path:
    """A market store of the days from ``first`` to ``last`` inside a folder, made once."""
    store = folder / "market"
    if not store.exists():
        bars = pd.read_parquet(data / "sp500_1999_2021.parquet").dropna(subset=["symbol"])
        days = pd.to_datetime(bars["date"])
        few = folder / "bars.parquet"
        bars[(days >= first) & (days <= (last or days.max()))].to_parquet(few)
        MarketStore(store).import_bars(few)
    return store
