"""Values of a user's own, a number a date and symbol, on the dates and assets of a panel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.errors import DataError, first_line
from quantray.inputs import ordinary_file

__all__ = ["GivenValues", "read_values"]

_COLUMNS = ("date", "symbol", "value")
_WANTED = "a CSV or Parquet file with the columns date, symbol and value"


@dataclass(frozen=True, eq=False)
class GivenValues:
    """What a file says of a panel."""

    values: Float
    """(T, N); NaN where the file says nothing."""
    n_used: int
    """Values that lie on dates and assets of the panel."""
    n_given: int


def read_values(path: str | Path, panel: Panel) -> GivenValues:
    """Read values, each known at the close of its date.

    Rows of other dates and symbols than the panel's are left out, and counted; so are rows without a value.

    Parameters
    ----------
    path : a CSV, or Parquet where its name ends in ``.parquet``, with columns date, symbol and value, such as
        ``DataFrame.to_parquet`` writes.

    Raises
    ------
    DataError
        The file is missing, cannot be read, lacks a column, says a date and symbol twice, holds an infinite value or
        something else than a number, or says nothing of the panel.
    """
    frame = _frame(Path(path))
    days, value = _days(frame, path), _numbers(frame, path)
    known = ~np.isnan(value)
    row = np.searchsorted(panel.dates, days)
    column = pd.Index(panel.assets.astype(object)).get_indexer(pd.Index(frame["symbol"].astype(object)))
    inside = known & (column >= 0) & (row < len(panel.dates))
    inside[inside] = panel.dates[row[inside]] == days[inside]
    if not inside.any():
        raise DataError(
            f"{path} says nothing of the panel: {known.sum():,} values, from {_first(days)}, of symbols such as "
            f"{', '.join(map(str, frame['symbol'].iloc[:3]))}; the panel has {panel.dates[0]} to {panel.dates[-1]} and "
            f"symbols such as {', '.join(panel.assets[:3])}."
        )
    cell = row[inside] * len(panel.assets) + column[inside]
    out = np.full(panel.shape, np.nan)
    out.reshape(-1)[cell] = value[inside]
    if len(np.unique(cell)) < len(cell):
        _refuse_repeated(frame["symbol"][inside], days[inside], path)
    return GivenValues(out, int(inside.sum()), int(known.sum()))


def _frame(path: Path) -> pd.DataFrame:
    file = ordinary_file(path, "file of values", remedy=f"write {_WANTED}", error=DataError)
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(file)
        else:
            # A name may be NA; a value that is not there is an empty field.
            missing = {"date": [""], "value": ["", "NaN", "nan", "NA"]}
            frame = pd.read_csv(file, dtype={"symbol": str}, keep_default_na=False, na_values=missing)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {first_line(error)}; write {_WANTED}.") from error
    # As pandas keeps a frame that is indexed by date and symbol.
    frame = frame if set(_COLUMNS) <= set(frame.columns) else _with_index(frame)
    if lacking := [name for name in _COLUMNS if name not in frame.columns]:
        has = ", ".join(map(str, frame.columns[:6]))
        raise DataError(f"{path} lacks {', '.join(lacking)}, it has {has}; write {_WANTED}.")
    if frame["symbol"].isna().any():
        raise DataError(f"{path}: row {int(np.argmax(frame['symbol'].isna()))} has no symbol.")
    return frame


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    named = [name for name in frame.index.names if name in _COLUMNS and name not in frame.columns]
    return frame.reset_index(level=named) if named else frame


def _days(frame: pd.DataFrame, path: str | Path) -> Dates:
    try:
        days = pd.to_datetime(frame["date"], format="ISO8601")
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: a date cannot be read ({first_line(error)}); write dates as 2024-01-31.") from error
    if days.isna().any():
        raise DataError(f"{path}: row {int(np.argmax(days.isna()))} has no date.")
    if days.dt.tz is not None:
        raise DataError(f"{path}: dates bear a time zone; write the trading day on whose close a value is known.")
    if (days != days.dt.normalize()).any():
        raise DataError(f"{path}: dates bear times; write the trading day on whose close a value is known.")
    return np.asarray(days.to_numpy().astype("datetime64[D]"))


def _numbers(frame: pd.DataFrame, path: str | Path) -> Float:
    try:
        value = np.array(frame["value"].to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a value is no number ({first_line(error)}).") from error
    if np.isinf(value).any():
        row = int(np.argmax(np.isinf(value)))
        raise DataError(f"{path}: {frame['symbol'].iloc[row]} has an infinite value; leave unknown values empty.")
    return value


def _first(days: Dates) -> str:
    return f"{days.min()} to {days.max()}" if len(days) else "no day"


def _refuse_repeated(symbols: pd.Series, days: Dates, path: str | Path) -> None:
    pairs = pd.DataFrame({"symbol": symbols.to_numpy(), "day": days})
    row = pairs.loc[pairs.duplicated()].iloc[0]
    raise DataError(f"{path}: {row['symbol']} has two values on {row['day']:%Y-%m-%d}; keep one.")
