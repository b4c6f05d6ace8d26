"""Rows of bars as a store keeps them: their columns, their order and their years."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

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


def by_year(bars: pd.DataFrame) -> Iterator[tuple[str, pa.Table]]:
    """Bars by year, each year's by date and symbol: a load of few years then reads few files."""
    year = bars["date"].dt.year.to_numpy()
    for number in np.unique(year).tolist():
        ordered = _by_date(bars[year == number])
        yield f"{number:04d}", table_of(ordered, SCHEMA.names)


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


def _by_date(bars: pd.DataFrame) -> pd.DataFrame:
    """Bars by date, and by symbol within a date."""
    symbol, _ = pd.factorize(bars["symbol"], sort=True)
    date, _ = pd.factorize(bars["date"], sort=True)
    # Small integers are sorted without comparing them.
    small = np.uint16 if max(symbol.max(initial=0), date.max(initial=0)) < 2**16 else np.uint32
    first = np.argsort(symbol.astype(small), kind="stable")
    return bars.iloc[first[np.argsort(date.astype(small)[first], kind="stable")]].reset_index(drop=True)


def _absent(name: str, count: int) -> object:
    return np.full(count, None, dtype=object) if name == "ticker" else np.full(count, np.nan)
