"""The public RSR benchmark as a panel: 1,026 NASDAQ names, 2013 to 2017, each close over its maximum in the sample.

Feng et al. (2019), *Temporal relational ranking for stock prediction*, ACM TOIS 37; as StockMixer (AAAI 2024) uses it.
Its repository is under the AGPL: a user gives his own copy, a Parquet file of date, symbol, close and industry.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quantray.arrays import digest
from quantray.data.panel import Panel
from quantray.data.splits import DateRange, Split
from quantray.features.cross_section import robust_zscores
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns

FILE = Path(__file__).parents[1] / "../shared/data/rsr_nasdaq_2013_2017.parquet"

RETURNS_ONLY = (
    *("return_1", "return_5", "return_21", "return_63", "reversal_5"),
    *("average_gap_5", "average_gap_10", "average_gap_20", "average_gap_30"),
    *("volatility_21", "volatility_63", "volatility_ratio", "greatest_return_21"),
)
"""Inputs that a price divided by a constant leaves as they are."""

LEVEL = "close over its maximum"

_FIRST = 68
"""First row to train on: the longest look-back of the inputs."""


@dataclass(frozen=True, eq=False)
class Rsr:
    """The benchmark, its split, and what is forecast."""

    panel: Panel
    industries: dict[str, str]
    fold: Split
    forward: np.ndarray
    """(D, N) returns from the close of each test date to the next."""

    @property
    def rows(self) -> slice:
        """Of the test dates."""
        return self.fold.rows(self.panel.dates).test


def read(path: Path) -> Rsr:
    """The panel and the published split: labels of 2013 to 2015, of 2016, and of the 237 days of 2017.

    A date's return is that of the next day, from its own close on. One day is left out at both borders, whose label is
    of the year after.
    """
    frame = pd.read_parquet(path)
    panel = Panel.from_long(frame[["date", "symbol", "close"]].astype({"symbol": str, "close": float}))
    pairs = frame.drop_duplicates("symbol")
    industries = dict(zip(pairs["symbol"].astype(str), pairs["industry"].astype(str), strict=True))
    years = panel.dates.astype("datetime64[Y]").astype(int) + 1970
    first_2016, first_2017 = (int(np.searchsorted(years, year)) for year in (2016, 2017))
    fold = Split(
        train=DateRange(panel.dates[_FIRST], panel.dates[first_2016 - 3]),
        valid=DateRange(panel.dates[first_2016 - 1], panel.dates[first_2017 - 3]),
        test=DateRange(panel.dates[first_2017 - 1], panel.dates[-2]),
        horizon=1,
        lag=0,
        purge=1,
    )
    forward = forward_returns(panel.field("close"), horizon=1, lag=0)[fold.rows(panel.dates).test]
    return Rsr(panel, industries, fold, forward)


def clean_features(panel: Panel) -> Features:
    """Inputs from returns only."""
    return feature_set(panel, names=RETURNS_ONLY)


def leaking_features(panel: Panel) -> Features:
    """The same and the level as published, which tells how far each name stands below the best it will ever be.

    Making it again from the rows up to a day finds nothing: the future is in the file.
    """
    clean = clean_features(panel)
    level = robust_zscores(panel.field("close"), panel.member).astype(np.float32)
    return Features(
        clean.dates,
        clean.assets,
        (*clean.names, LEVEL),
        np.concatenate([clean.values, level[:, :, None]], axis=2),
        clean.present,
        clean.lookback,
        digest([clean.schema, LEVEL]),
    )
