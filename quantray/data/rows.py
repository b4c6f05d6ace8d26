"""Rows of bars as a store keeps them: their columns, their order and their years."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from quantray.arrays import Int
from quantray.data.blocks import Block

__all__ = ["SCHEMA", "by_year", "table_of", "with_stored_fields", "within"]

SCHEMA = pa.schema(
    [
        ("date", pa.date32()),
        ("symbol", pa.string()),
        ("ticker", pa.string()),
        *((name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "dividend", "split")),
        ("delist_return", pa.float64()),
    ]
)
"""``symbol`` is the permanent id where the data have one; ``ticker`` then is the symbol of the day."""


def by_year(blocks: Sequence[Block]) -> Iterator[tuple[str, pa.Table]]:
    """Bars by year, each year's by date and symbol: a load of few years then reads few files."""
    years = [block.columns["date"].astype("datetime64[Y]").astype(np.int16) for block in blocks]
    for year in np.unique(np.concatenate([np.unique(each) for each in years])).tolist():
        rows = [np.flatnonzero(each == year) for each in years]
        yield f"{1970 + year:04d}", _of_rows(blocks, rows)


def _of_rows(blocks: Sequence[Block], rows: Sequence[Int]) -> pa.Table:
    """Some rows of blocks by date and symbol, column by column."""

    def column(name: str) -> np.ndarray:
        return np.concatenate([block.columns[name][some] for block, some in zip(blocks, rows, strict=True)])

    day = column("date").astype("datetime64[D]")
    # Within a date the order of blocks is that of symbols. Small integers are sorted without comparing them.
    order = np.argsort((day - day.min()).astype(np.uint16), kind="stable")
    arrays = []
    for name in SCHEMA.names:
        if name not in blocks[0]:
            arrays.append(pa.nulls(len(order), SCHEMA.field(name).type))
        elif name in blocks[0].texts:
            arrays.append(_texts(column(name)[order], blocks[0].texts[name]))
        else:
            arrays.append(pa.array(day[order] if name == "date" else column(name)[order], from_pandas=True))
    return pa.Table.from_arrays(arrays, SCHEMA.names).cast(SCHEMA)


def _texts(codes: np.ndarray, texts: pd.CategoricalDtype) -> pa.Array:
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts.categories, pa.string())).cast(pa.string())


def table_of(bars: pd.DataFrame, names: Sequence[str]) -> pa.Table:
    """Columns of these names; what the bars have not is unknown."""
    columns = {name: bars[name] if name in bars else _absent(name, len(bars)) for name in names}
    schema = pa.schema([SCHEMA.field(name) for name in names])
    return pa.Table.from_pandas(pd.DataFrame(columns), schema, preserve_index=False)


def with_stored_fields(bars: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """Bars with the stored values of fields that their file does not have at all."""
    absent = [name for name in SCHEMA.names if name in old and (name not in bars or bars[name].isna().all())]
    absent = [name for name in absent if name not in ("dividend", "split") and old[name].notna().any()]
    if not absent or old.empty:
        return bars
    kept = bars[["date", "symbol"]].merge(old[["date", "symbol", *absent]], how="left", on=["date", "symbol"])
    return bars.assign(**{name: kept[name].to_numpy() for name in absent})


def within(days: pd.Series, first: np.datetime64 | None, last: np.datetime64 | None) -> pd.Series:
    """Whether each day lies from ``first`` to ``last``, both included; None leaves an end open."""
    inside = pd.Series(True, index=days.index)
    if first is not None:
        inside &= days >= pd.Timestamp(first)
    return inside if last is None else inside & (days <= pd.Timestamp(last))


def _absent(name: str, count: int) -> object:
    return np.full(count, None, dtype=object) if name == "ticker" else np.full(count, np.nan)
