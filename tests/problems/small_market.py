"""A market store of a few names that grows by a day at a time."""

import numpy as np
import pandas as pd

from quantray.daily.settings import RebalanceSettings
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market

N_DAYS, FIRST = 330, 300
"""Days in all, and those of the first import."""


def bars_of(seed=5, n_assets=12):
    """Rows of a simulated market without gaps: date, symbol, OHLC, volume."""
    panel = simulate_market(n_assets, N_DAYS, seed=seed, listing_share=0, delisting_share=0).panel
    frame = panel.to_long().drop(columns=["member"], errors="ignore")
    names = ["date", "symbol", "open", "high", "low", "close", "volume"]
    return frame[[name for name in names if name in frame]]


class SmallMarket:
    """A folder with a store, and files of the days that come after."""

    def __init__(self, folder, bars=None):
        self.folder, self.bars = folder, bars_of() if bars is None else bars
        self.days = [pd.Timestamp(day) for day in np.unique(self.bars["date"])]
        base = folder / "base.parquet"
        self.bars[self.bars["date"] < self.days[FIRST]].to_parquet(base)
        MarketStore(str(folder / "market")).import_bars(str(base))

    def day(self, number, change=None):
        """A file with the bars of a day after the import, changed where that is asked for."""
        rows = self.bars[self.bars["date"] == self.days[FIRST + number]].copy()
        if change is not None:
            rows = change(rows)
        path = self.folder / f"day-{number}.parquet"
        rows.to_parquet(path)
        return path

    def settings(self, **changed):
        """Of a rebalance on the store."""
        terms = {
            "name": "small",
            "data": {"store": str(self.folder / "market")},
            "books": str(self.folder / "books"),
            "runs": str(self.folder / "runs"),
            "allocator": {"name": "IV", "rule": "inverse_volatility"},
            "lookback_days": 60,
            "regimes": False,
            "gate": {"most_unmoved": 0.5},
            # Small enough for what is traded in so small a market.
            "accounting": {"initial_nav": 100_000.0},
        }
        return RebalanceSettings(**(terms | changed))
