"""Daily bars from CSV and Parquet files: long or wide, one file or a folder."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from quantray.errors import DataError

__all__ = ["BAR_FIELDS", "COLUMN_NAMES", "RawBars", "read_bars"]

BAR_FIELDS = ("open", "high", "low", "close", "volume", "adj_close", "dividend", "split")
"""The fields of a daily bar that quantray knows; only ``close`` is required."""

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "datetime", "timestamp", "time", "trade_date", "tradingday"),
    "symbol": ("symbol", "ticker", "asset", "sid", "instrument", "act_symbol", "code"),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "close_price", "last", "price"),
    "volume": ("volume", "v", "vol", "shares"),
    "adj_close": ("adj_close", "adj close", "adjclose", "adjusted_close", "adjusted close"),
    "dividend": ("dividend", "dividends", "div_cash", "divcash", "dividend_amount", "ex-dividend"),
    "split": ("split", "splits", "split_factor", "splitfactor", "split_ratio", "stock splits", "split_coefficient"),
}
"""Names by which files call each column, compared without case and outer blanks; the first one present is taken."""

_OFFSET = r"(?<=:\d\d)(?:\.\d+)?\s*(?:Z|[+-]\d{2}:?\d{2})$"
_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class RawBars:
    """Bars as they stand in the files: columns date (datetime64), symbol (str) and floats; any order, any warts."""

    frame: pd.DataFrame
    files: tuple[str, ...]


def read_bars(path: str | Path, *, columns: Mapping[str, str] | None = None, field: str | None = None) -> RawBars:
    """Read daily bars from a file or from a folder of files.

    A long file has a date, a symbol and price columns. A file with prices and no symbol column holds the one symbol
    that it is named after. A wide file has a date column and one column per symbol, and holds one field: ``field``,
    or the one that it is named after (``close.csv``), or the close. Some names of fields are tickers too, such as C, V
    and LOW; so a file without a symbol column is wide unless it has a column called close, or ``field`` is not given,
    it is not named after a field, and most of its columns are names of fields.

    Parameters
    ----------
    columns : names in the file -> names in ``COLUMN_NAMES``, added to that table.
    field : the field of a wide file.

    Raises
    ------
    DataError
        No file, an empty file, missing or wrong columns, dates or numbers that cannot be read; the message names
        file, row and column.
    """
    source = Path(path)
    if not source.exists():
        raise DataError(f"{source} does not exist; give a CSV or Parquet file, or a folder of them.")
    files = [source] if source.is_file() else sorted(p for p in source.iterdir() if p.name.endswith(_SUFFIXES))
    if not files:
        raise DataError(f"folder {source} holds no {', '.join(_SUFFIXES)} files.")
    frames = [_read_one(file, columns or {}, field) for file in files]
    wide = [f for f in frames if "close" not in f.columns]
    if wide and len(wide) < len(frames):
        # One wide file per field: they share their keys, so they join; long files stack.
        joined = [f.set_index(["date", "symbol"]) for f in frames]
        repeated = [str(f.columns[0]) for f in joined]
        if any(len(f.columns) != 1 for f in joined) or len(set(repeated)) != len(repeated):
            raise DataError(f"{source} mixes files with and without a close column: {wide[0].columns.tolist()}.")
        for name, part in zip(repeated, joined, strict=True):
            if part.index.has_duplicates:
                day, symbol = part.index[part.index.duplicated()][0]
                raise DataError(f"{source} has two values of {name} for {symbol} on {day.date()}; keep one.")
        frame = pd.concat(joined, axis=1).reset_index()
    else:
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if "close" not in frame:
        raise DataError(
            f"{source} has no close column; only {list(frame.columns)} were recognised; "
            "name it with --column FILE_COLUMN=close."
        )
    order = ["date", "symbol", *(name for name in BAR_FIELDS if name in frame)]
    return RawBars(frame[order], tuple(str(f) for f in files))


def _read_one(file: Path, columns: Mapping[str, str], field: str | None) -> pd.DataFrame:
    frame = _load(file, columns)
    if frame.empty:
        raise DataError(f"{file} is empty; it needs a header and at least one row.")
    present = [str(c) for c in frame.columns]
    frame.columns = pd.Index(present)
    renaming = _renaming(file, present, columns)
    original = {name: column for column, name in renaming.items()}
    if "date" not in original:
        raise DataError(f"{file} has no date column among {present[:12]}; name it in columns=.")
    if "symbol" not in original and _is_wide(file, renaming, present, field):
        frame = _melt(file, frame.rename(columns={original["date"]: "date"}), field)
    else:
        frame = frame[list(renaming)].rename(columns=renaming)
        if "symbol" not in frame:
            frame = frame.assign(symbol=file.name.split(".")[0])
    frame = frame[[c for c in ("date", "symbol", *BAR_FIELDS) if c in frame]]
    if len(frame.columns) < 3:
        raise DataError(f"{file} has a date and a symbol but none of {', '.join(BAR_FIELDS)}.")
    symbols = frame["symbol"].astype("str").fillna("").str.strip()
    out = frame.assign(date=_dates(file, frame["date"]), symbol=symbols)
    return out.assign(**{c: _numbers(file, c, out[c]) for c in out.columns if c not in {"date", "symbol"}})


def _load(file: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    try:
        if file.name.endswith((".parquet", ".pq")):
            frame: pd.DataFrame = pq.read_table(file).to_pandas()
            if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
                frame = frame.rename_axis("date")
            return frame if list(frame.index.names) == [None] else frame.reset_index()
        return _load_csv(file, columns)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty; it needs a header and at least one row.") from error
    except (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _load_csv(file: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    # Symbols stay text: 0005 and TRUE are listed names.
    symbols = dict.fromkeys(_symbol_columns(pd.read_csv(file, nrows=0).columns, columns), "str")
    with warnings.catch_warnings():
        # A row longer than the header would lose its end with a warning only, or shift the columns to the index.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            file,
            low_memory=False,
            index_col=False,
            keep_default_na=False,
            na_values=["", "NaN", "nan", "null", "NULL"],
            dtype=symbols,
        )


def _renaming(file: Path, present: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    unknown = [name for name in columns if name not in present] + [v for v in columns.values() if v not in COLUMN_NAMES]
    if unknown:
        raise DataError(f"column mapping names {unknown[0]!r}, which is neither in {file} nor a field of quantray.")
    if len(set(columns.values())) < len(columns):
        raise DataError(f"the column mapping {dict(columns)} gives two columns one name; each field has one column.")
    renaming: dict[str, str] = dict(columns)
    for name, aliases in COLUMN_NAMES.items():
        found = [c for alias in aliases for c in present if c.strip().lower() == alias and c not in columns]
        if found and name not in columns.values():
            renaming[found[0]] = name
    return renaming


def _symbol_columns(present: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    return [c for c in present if columns.get(c) == "symbol" or c.strip().lower() in COLUMN_NAMES["symbol"]]


def _is_wide(file: Path, renaming: Mapping[str, str], present: Sequence[str], field: str | None) -> bool:
    """Whether columns without a symbol among them are symbols, not fields: see ``read_bars``."""
    # A close by a word, not by a letter, is no ticker.
    if any(name in {"close", "adj_close"} and len(column.strip()) > 1 for column, name in renaming.items()):
        return False
    return field is not None or _stem(file) in BAR_FIELDS or 2 * (len(renaming) - 1) <= len(present) - 1


def _stem(file: Path) -> str:
    return file.name.split(".")[0].lower()


def _melt(file: Path, frame: pd.DataFrame, field: str | None) -> pd.DataFrame:
    stem = _stem(file)
    name = field or (stem if stem in BAR_FIELDS else "close")
    if name not in BAR_FIELDS:
        raise DataError(f"field {name!r} is not one of {', '.join(BAR_FIELDS)}.")
    if len(frame.columns) < 2:
        raise DataError(f"{file} has a date column only; a wide file needs one column per symbol.")
    # Read each column here, so that a message names the symbol.
    frame = frame.assign(**{c: _numbers(file, c, frame[c]) for c in frame.columns if c != "date"})
    long = frame.melt(id_vars="date", var_name="symbol", value_name=name)
    # Row numbers in messages refer to the file, where each date is one line.
    long.index = np.tile(np.arange(len(frame)), len(frame.columns) - 1)
    return long[long[name].notna()]


def _dates(file: Path, values: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(values):
        # 20100104 is the one numeric date that is safe to read; epochs and serial numbers are ambiguous.
        parsed = pd.to_datetime(values.astype("str"), format="%Y%m%d", errors="coerce")
    else:
        # The date is the one on the exchange's clock, so an offset from UTC, which changes over the year, is cut off.
        local = values if pd.api.types.is_datetime64_any_dtype(values) else values.astype("str").str.strip()
        if local is not values:
            local = local.str.replace(_OFFSET, "", regex=True)
        parsed = pd.to_datetime(local, errors="coerce", format="ISO8601")
    bad = parsed.isna().to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{file} {_row(values, row)}, column date: {values.iloc[row]!r} is not a date; use YYYY-MM-DD.")
    if getattr(parsed.dt, "tz", None) is not None:
        parsed = parsed.dt.tz_localize(None)
    return parsed.dt.normalize().astype("datetime64[s]")


def _numbers(file: Path, name: str, values: pd.Series) -> pd.Series:
    parsed = pd.to_numeric(values, errors="coerce").astype(np.float64)
    bad = ((parsed.isna() & values.notna()) | np.isinf(parsed)).to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{file} {_row(values, row)}, column {name}: {str(values.iloc[row])!r} is not a number.")
    return parsed


def _row(values: pd.Series, position: int) -> str:
    """The line of a text file (its header is line 1) that a row came from."""
    return f"row {int(values.index[position]) + 2}"
