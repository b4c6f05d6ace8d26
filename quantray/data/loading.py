"""Panels of stored rows that come in parts, in little more memory than the panel takes."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantray.arrays import Dates, Float, Int, Names
from quantray.data.adjustment import total_return
from quantray.data.panel import Panel
from quantray.errors import DataError

__all__ = ["ADJUSTED", "adjusted_panel"]

ADJUSTED = ("open", "high", "low", "close", "volume", "dividend_yield", "delist_return")
"""Fields of a loaded panel."""

Rows = Callable[[Sequence[str]], Iterable[pa.Table]]
"""Columns -> tables of them, by date; the same rows whenever it is called, texts as dictionaries."""

_BLOCK = 64
"""Assets adjusted at a time."""


def adjusted_panel(rows: Rows, fields: Sequence[str]) -> Panel | None:
    """The total-return-adjusted panel of bars as quoted; see ``adjustment.total_return``. None where there are no rows.

    Parameters
    ----------
    rows : bars with date, symbol, dividend, split and what the fields take.
    fields : of ``ADJUSTED``; the close is there in any case. ``dividend_yield`` is left out where nothing was paid.

    Raises
    ------
    DataError
        A (date, symbol) pair repeats.
    """
    dates, symbols = _axes(rows)
    if len(dates) == 0:
        return None
    stored = [name for name in ADJUSTED if name in {"close", *fields} and name != "dividend_yield"]
    grids = {name: np.full((len(dates), len(symbols)), np.nan) for name in stored}
    used = np.zeros(len(dates) * len(symbols), dtype=np.bool_)
    events, n_rows = [], 0
    for table in rows(["date", "symbol", "dividend", "split", *stored]):
        cell = _cells(table, dates, symbols)
        used[cell] = True
        n_rows += len(cell)
        for name, grid in grids.items():
            grid.reshape(-1)[cell] = table[name].to_numpy()
        events.append(_events(table, cell))
    if int(used.sum()) != n_rows:
        raise DataError("a (date, symbol) pair is stored twice; import the bars again.")
    _adjust(grids, dates, [np.concatenate(each) for each in zip(*events, strict=True)], "dividend_yield" in fields)
    return Panel(dates, symbols, grids, ~np.isnan(grids["close"]))


def _axes(rows: Rows) -> tuple[Dates, Names]:
    days: set[int] = set()
    names: set[str] = set()
    for table in rows(["date", "symbol"]):
        days.update(pc.unique(table["date"].cast(pa.int32())).to_pylist())
        names.update(pc.unique(_dictionary(table)).dictionary_decode().to_pylist())
    return np.array(sorted(days), dtype="datetime64[D]"), np.array(sorted(names), dtype=np.str_)


def _dictionary(table: pa.Table) -> pa.DictionaryArray:
    column = table["symbol"]
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks()


def _cells(table: pa.Table, dates: Dates, symbols: Names) -> Int:
    """Place of each row in a grid, flattened."""
    texts = _dictionary(table)
    known = np.array(texts.dictionary.to_pylist(), dtype=np.str_)
    # Entries that no row has may lie outside; no row looks them up.
    column = np.searchsorted(symbols, known)[texts.indices.to_numpy()]
    since = (dates - dates[0]).astype(np.int64)
    first_of_row = np.zeros(since[-1] + 1, dtype=np.int64)
    first_of_row[since] = np.arange(len(dates)) * len(symbols)
    days = table["date"].cast(pa.int32()).to_numpy()
    cell: Int = first_of_row[days - int(dates[0].astype(np.int64))] + column
    return cell


def _events(table: pa.Table, cell: Int) -> tuple[Int, Float, Float]:
    """Cells, dividends and split ratios of the rows that have either."""
    dividend = np.nan_to_num(table["dividend"].to_numpy(), nan=0.0)
    split = np.nan_to_num(table["split"].to_numpy(), nan=1.0)
    rare = (dividend != 0) | (split != 1)
    return cell[rare], dividend[rare], split[rare]


def _adjust(grids: dict[str, Float], dates: Dates, events: Sequence[np.ndarray], yields: bool) -> None:
    """Adjust grids in place, a few assets at a time: where nothing happens, quoted prices are the adjusted ones."""
    cell, dividend, split = events
    n_assets = grids["close"].shape[1]
    columns = np.unique(cell % n_assets)
    for start in range(0, len(columns), _BLOCK):
        some = columns[start : start + _BLOCK]
        of_some = np.isin(cell % n_assets, some)
        place = (cell[of_some] // n_assets, np.searchsorted(some, cell[of_some] % n_assets))
        block = {name: grid[:, some] for name, grid in grids.items() if name != "dividend_yield"}
        block |= {"dividend": np.zeros((len(dates), len(some))), "split": np.ones((len(dates), len(some)))}
        block["dividend"][place], block["split"][place] = dividend[of_some], split[of_some]
        names = some.astype(np.str_)
        made = total_return(Panel(dates, names, block, ~np.isnan(block["close"]))).fields
        if yields and "dividend_yield" in made and "dividend_yield" not in grids:
            grids["dividend_yield"] = np.zeros_like(grids["close"])
        for name, values in made.items():
            if name in grids:
                grids[name][:, some] = values
