"""Bars of millions of rows in blocks of whole symbols: what a step works out stands for one block at a time.

A column is one array, of which each block has a stretch and is changed in place; small arrays that come and go would
leave holes in memory that nothing else fits into.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Int

__all__ = ["Block", "in_blocks", "together"]

_ROWS = 1 << 18
"""Of a block, about; a symbol is never divided."""


@dataclass(eq=False)
class Block:
    """All bars of some symbols, by symbol and date."""

    columns: dict[str, np.ndarray]
    """Name -> (rows,) values; of texts, their codes."""
    texts: Mapping[str, pd.CategoricalDtype]
    """Name -> texts in their order, the same in all blocks."""
    whole: dict[str, np.ndarray]
    """Columns of all blocks."""
    start: int
    """First row there."""

    def __len__(self) -> int:
        return len(self.columns["symbol"])

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    @property
    def frame(self) -> pd.DataFrame:
        """The same rows as a frame on the same memory, with categories for texts; not to be written to."""
        columns: dict[str, object] = dict(self.columns)
        for name in self.columns.keys() & self.texts.keys():
            columns[name] = pd.Categorical.from_codes(self.columns[name], dtype=self.texts[name], validate=False)
        return pd.DataFrame(columns, copy=False)

    def runs(self, rows: Bool | None = None) -> tuple[np.ndarray, Int]:
        """Codes of the symbols of some rows, by default of all, in their order; and how many rows each has."""
        code = self.columns["symbol"] if rows is None else self.columns["symbol"][rows]
        begins = np.flatnonzero(np.append(True, code[1:] != code[:-1])) if len(code) else np.empty(0, dtype=np.int64)
        return code[begins], np.diff(np.append(begins, len(code)))

    def text(self, name: str, row: int) -> str:
        """The text of one row."""
        return str(_written(self.columns[name][[row]], self.texts[name])[0])

    def written(self, name: str) -> "pd.Series[str]":
        """(rows,) texts of a column; missing where there is none."""
        return pd.Series(_written(self.columns[name], self.texts.get(name)))

    def put(self, name: str, values: np.ndarray) -> None:
        """Set a column, or add one."""
        held = self.columns.get(name)
        if held is None or held.dtype != values.dtype:
            size = len(self.whole["symbol"])
            if name not in self.whole or self.whole[name].dtype != values.dtype:
                self.whole[name] = np.empty(size, dtype=values.dtype)
            held = self.whole[name][self.start : self.start + len(values)]
        held[:] = values
        self.columns[name] = held

    def drop(self, *names: str) -> None:
        """Leave columns out."""
        for name in names:
            self.columns.pop(name, None)
            self.whole.pop(name, None)

    def keep(self, rows: Bool) -> None:
        """Leave the other rows out."""
        if rows.all():
            return
        # Most that go are few: what stands before the first of them stays where it is.
        first = int(rows.argmin())
        kept = np.flatnonzero(rows[first:])
        count = first + len(kept)
        for name, values in self.columns.items():
            values[first:count] = values[first:][kept]
            self.columns[name] = values[:count]


def in_blocks(frame: pd.DataFrame, *, lent: bool = True) -> list[Block]:
    """Bars by symbol and date, whatever order they come in, in blocks that hold all rows of their symbols.

    Parameters
    ----------
    frame : with columns date and symbol. It is emptied, column by column, so that its rows never stand in memory twice;
        a shallow copy of one that is still needed will do.
    lent : whether the arrays of its columns are still needed; those that are not become columns of the blocks, which
        are changed in place.

    Returns
    -------
    At least one block.
    """
    order, code, symbols = _sorted(frame)
    own = _copied if lent else _owned
    whole, texts = {}, {"symbol": symbols}
    for name in map(str, list(frame)):
        values = frame.pop(name)
        if name == "symbol":
            whole[name] = code
            continue
        if pd.api.types.is_numeric_dtype(values.dtype) and pd.api.types.is_extension_array_dtype(values.dtype):
            # Of numbers that may be missing, in a frame of the caller's.
            values = values.astype(np.float64)
        if isinstance(values.dtype, pd.StringDtype):
            codes, texts[name] = _coded(values)
            whole[name] = codes if order is None else codes[order]
        else:
            whole[name] = own(values) if order is None else values.to_numpy()[order]
        del values
    starts = _starts(code)
    ends = zip(starts, [*starts[1:], len(code)], strict=True)
    return [Block({name: values[a:b] for name, values in whole.items()}, texts, whole, a) for a, b in ends]


def _copied(values: pd.Series) -> np.ndarray:
    return values.to_numpy(copy=True)


def _owned(values: pd.Series) -> np.ndarray:
    """The array of a column, to be written to; a copy where it lies in memory of a file's reader."""
    array = values.to_numpy()
    try:
        # pandas shows its arrays read-only, and leaves it to who owns them to say so.
        array.flags.writeable = True
    except ValueError:
        return array.copy()
    return array


def together(blocks: Sequence[Block]) -> pd.DataFrame:
    """One frame of all blocks, with texts as such."""
    columns = {}
    for name in blocks[0].columns:
        values = np.concatenate([block.columns[name] for block in blocks])
        columns[name] = _written(values, blocks[0].texts.get(name))
    return pd.DataFrame(columns, copy=False)


def _written(values: np.ndarray, texts: pd.CategoricalDtype | None) -> Any:
    # Converted as a whole, each row would become an object on the way.
    return values if texts is None else texts.categories.array.take(values, allow_fill=True)


def _sorted(frame: pd.DataFrame) -> tuple[Int | None, np.ndarray, pd.CategoricalDtype]:
    """Rows by symbol and date, None where they are already; the code of each row then, and the symbols."""
    code, symbols = _coded(frame["symbol"])
    date = frame["date"].to_numpy()
    same = code[1:] == code[:-1]
    if ((code[1:] >= code[:-1]) & (~same | (date[1:] >= date[:-1]))).all():
        return None, code, symbols
    order = np.lexsort((date, code))
    return order, code[order], symbols


def _coded(texts: pd.Series) -> tuple[np.ndarray, pd.CategoricalDtype]:
    code, names = pd.factorize(texts)
    order = np.asarray(names.argsort())
    # A missing text has the code -1, which takes the last element.
    rank = np.full(len(names) + 1, -1, dtype=np.min_scalar_type(-len(names) - 1))
    rank[order] = np.arange(len(names))
    return rank[code], pd.CategoricalDtype(pd.Index(names[order], dtype="str"))


def _starts(code: np.ndarray) -> list[int]:
    """First rows of blocks: the first symbol that begins after so many rows begins another."""
    begins = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
    some = np.searchsorted(begins, np.arange(0, len(code), _ROWS))
    return [0, *np.unique(begins[some[some < len(begins)]])[1:].tolist()]
