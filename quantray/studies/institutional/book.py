"""The book of one fold: the positions of all strategies together, day by day, as it passes from phase to phase."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Int
from quantray.data.calendar import Frequency, rebalance_dates
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError
from quantray.research.results import Layout, ResultStore
from quantray.studies.institutional.settings import InstitutionalSettings

__all__ = ["LAYOUT", "Book", "PhaseData", "decision_rows", "earned_days", "read_book"]

LAYOUT = Layout(
    pa.schema(
        [
            ("row", pa.int64()),
            ("exposure", pa.float64()),
            ("options", pa.float64()),
            ("shares", pa.list_(pa.float64())),
            ("assets", pa.list_(pa.int32())),
            ("weights", pa.list_(pa.float64())),
        ]
    )
)


@dataclass(frozen=True, eq=False)
class PhaseData:
    """What the units of the last three phases share."""

    settings: InstitutionalSettings
    panel: Panel
    """With trailing volumes and volatilities, for the impact of trades."""
    fingerprint: str
    """Of the panel without them."""
    exchange: str
    results: ResultStore


@dataclass(frozen=True, eq=False)
class Book:
    """D days of a fold, from the first of its training range to the last of its test range, and K days of decision."""

    rows: Int
    """(D,) of the panel."""
    exposure: Float
    """(D,) wanted at each close."""
    options: Float
    """(D,) what options earned on each day at full exposure, a fraction of NAV."""
    shares: Float
    """(D, S) capital of the strategies in force for what is decided at each close; what is left is cash."""
    decided: Int
    """(K,) rows of the panel."""
    weights: Float
    """(K, N) of NAV at full exposure; shorts negative."""

    def table(self) -> pa.Table:
        """As a result."""
        which = np.isin(self.rows, self.decided)
        day, column = np.nonzero(self.weights)
        counts = np.zeros(len(self.rows), dtype=np.int64)
        counts[which] = np.bincount(day, minlength=len(self.decided))
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), type=pa.int32())
        width = self.shares.shape[1]
        every = pa.array(np.arange(len(self.rows) + 1) * width, type=pa.int32())
        columns = [
            pa.array(self.rows),
            pa.array(self.exposure),
            pa.array(self.options),
            pa.ListArray.from_arrays(every, pa.array(self.shares.ravel())),
            pa.ListArray.from_arrays(offsets, pa.array(column, type=pa.int32())),
            pa.ListArray.from_arrays(offsets, pa.array(self.weights[day, column])),
        ]
        return pa.table(columns, schema=LAYOUT.schema)


def read_book(data: PhaseData, key: str) -> Book:
    """The book that is kept under a key.

    Raises
    ------
    DataError
        There is none, or it is of other days or names.
    """
    decided = decision_rows(data.settings, data.panel, data.exchange)
    table = data.results.get(key, LAYOUT)
    rows, n_assets = table["row"].to_numpy(), data.panel.shape[1]
    lists = [table[name].combine_chunks() for name in ("assets", "weights")]
    counts = np.diff(lists[0].offsets.to_numpy())
    column, values = (part.flatten().to_numpy() for part in lists)
    places = np.repeat(rows, counts)
    if len(rows) == 0 or not np.isin(places, decided).all() or not ((column >= 0) & (column < n_assets)).all():
        raise DataError(f"result {key} holds another book; delete the folder of results, and run the study again.")
    decided = decided[(decided >= rows[0]) & (decided <= rows[-1])]
    weights = np.zeros((len(decided), n_assets))
    weights[np.searchsorted(decided, places), column] = values
    shares = table["shares"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)
    return Book(rows, table["exposure"].to_numpy(), table["options"].to_numpy(), shares, decided, weights)


def decision_rows(settings: InstitutionalSettings, panel: Panel, exchange: str, *wanted: Frequency) -> Int:
    """Rows of the panel on which a book may be decided at some frequencies, by default at all of the settings.

    Decisions that could not be traded before the panel ends are left out.
    """
    last = len(panel.dates) - settings.accounting.execution_lag
    days = [rebalance_dates(panel.dates, each, exchange=exchange) for each in wanted or settings.execution.rebalances]
    rows = np.unique(np.searchsorted(panel.dates, np.concatenate(days)))
    return np.asarray(rows[(rows >= 1) & (rows < last)])


def earned_days(panel: Panel, split: Split, lag: int) -> Int:
    """(E,) rows of the days that a fold's training decisions earn within its training range."""
    train = split.rows(panel.dates).train
    return np.arange(train.start + lag + 1, train.stop)
