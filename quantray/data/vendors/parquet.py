"""Parquet files as frames: plain columns, dates of this world, and little memory beside what is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from quantray.data.vendors.packed import refuse_bomb, refuse_width
from quantray.errors import DataError

__all__ = ["read_parquet"]


def read_parquet(file: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of a file under its own names, and a note on columns that are not read.

    Raises
    ------
    pyarrow.ArrowInvalid, OSError
        The file cannot be read.
    DataError
        It is too wide, unpacks to too much, its types are damaged, or a date is beyond the year 9999.
    """
    with _returned_when_freed(), pq.ParquetFile(file, pre_buffer=False) as opened:
        refuse_width(file, opened.metadata.num_columns)
        refuse_bomb(file, opened.metadata.num_rows * opened.metadata.num_columns)
        table = _column_by_column(opened)
    # Whoever wrote the file may have written what the types of its columns do not allow.
    table.validate(full=True)
    nested = [field.name for field in table.schema if not _is_plain(field.type)]
    notes = (f"columns of lists, bytes or times of day are not read: {', '.join(nested)}",) if nested else ()
    try:
        frame: pd.DataFrame = _plain_columns(table).to_pandas(date_as_object=False, split_blocks=True)
    except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError) as error:
        raise DataError(f"{file} cannot be read: what it says of its own columns is damaged ({error}).") from error
    _dates_of_this_world(file, frame)
    return frame, notes


def _column_by_column(opened: pq.ParquetFile) -> pa.Table:
    """All columns, read one after the other: together they take half as much again on the way."""
    schema = opened.schema_arrow
    each = [opened.read([name], use_threads=False) for name in schema.names]
    if any(column.num_columns != 1 for column in each):
        # Names that repeat, or are those of parts of others.
        return opened.read()
    return pa.Table.from_arrays([column.column(0) for column in each], schema=schema)


@contextmanager
def _returned_when_freed() -> Iterator[None]:
    """Arrow's memory from the system's pool: its own keeps what is freed, so that columns would stand twice."""
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _dates_of_this_world(file: Path, frame: pd.DataFrame) -> None:
    """Refuse instants that no calendar reaches, which cannot even be shown."""
    for place, kind in enumerate(frame.dtypes):
        if pd.api.types.is_datetime64_any_dtype(kind):
            column = frame.iloc[:, place]
            instants = column.to_numpy(dtype=f"datetime64[{column.dt.unit}]")
            # NaT, which both leave out, is all there is of a column without a date.
            first, last = (end.reduce(instants, initial=np.datetime64("NaT")) for end in (np.fmin, np.fmax))
            if _year(first) < 1 or _year(last) > 9999:
                raise DataError(f"{file} column {frame.columns[place]} has dates beyond the year 9999; mend them.")


def _year(instant: np.datetime64) -> int:
    return 1 if np.isnat(instant) else int(instant.astype("datetime64[Y]").astype(np.int64)) + 1970


def _is_plain(kind: pa.DataType) -> bool:
    """Whether the cells of a column are numbers, texts or dates."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    days = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(texts or days or numbers or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _plain_columns(table: pa.Table) -> pa.Table:
    places = [place for place, field in enumerate(table.schema) if _is_plain(field.type)]
    return table if len(places) == table.num_columns else table.select(places)
