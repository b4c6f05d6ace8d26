"""Cells of a long frame as dates, symbols and numbers of bars."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from quantray.arrays import Float
from quantray.data.symbols import symbol_key
from quantray.data.vendors.formats import BAR_FIELDS, FIELDS, Format
from quantray.data.vendors.parsing import UnreadableError, read_dates, read_numbers
from quantray.data.vendors.sheets import Sheet, stem
from quantray.errors import DataError

__all__ = ["KEYS", "numbers", "option", "positive", "typed", "with_events"]

R = TypeVar("R")

KEYS = ("date", "symbol", "id")
"""Columns that tell rows apart."""
_MINOR_UNITS = {"GBX": 0.01, "GBp": 0.01, "GBPENCE": 0.01, "ZAc": 0.01, "ZAX": 0.01, "ILA": 0.01}
"""Currencies in which prices are quoted in hundredths."""


_DIVIDEND_ROW = re.compile(r"^\s*\$?([\d.,]+)\s*(?:Cash )?Dividends?\s*$", re.IGNORECASE)
_SPLIT_ROW = re.compile(r"^\s*([\d.]+)\s*[:/-]\s*([\d.]+)\s*(?:Stock )?Splits?\s*$", re.IGNORECASE)


def with_events(file: Path, frame: pd.DataFrame, sheet: Sheet) -> pd.DataFrame:
    """Rows that tell a dividend or a split in words, as Yahoo's table does, as columns of their own."""
    texts = [c for c in frame.columns if c not in KEYS and pd.api.types.is_string_dtype(frame[c])]
    wordy = [c for c in texts if frame[c].astype("str").str.contains(r"Dividend|Split", case=False, regex=True).any()]
    if not wordy:
        return frame
    words = frame[wordy].astype("str").fillna("")
    told = words.agg(" ".join, axis=1)
    dividend, split = np.zeros(len(frame)), np.ones(len(frame))
    for row, cells in enumerate(words.to_numpy()):
        for cell in cells:
            try:
                if paid := _DIVIDEND_ROW.match(cell):
                    dividend[row] = float(paid[1].replace(sheet.style.thousands or ",", ""))
                elif ratio := _SPLIT_ROW.match(cell):
                    split[row] = float(ratio[1]) / float(ratio[2])
            except (ValueError, ZeroDivisionError) as error:
                line = int(frame.index[row]) + sheet.first_line
                raise DataError(f"{file} row {line}: {cell!r} tells no number; mend or delete the row.") from error
    event = (dividend > 0) | (split != 1) | told.str.contains("Dividend|Split", case=False).to_numpy()
    events = frame[event].assign(dividend=dividend[event], split=split[event])
    by_day = events.groupby("date", sort=False).agg({"dividend": "sum", "split": "prod"})
    bars = frame[~event]
    paid, ratio = bars["date"].map(by_day["dividend"]).fillna(0.0), bars["date"].map(by_day["split"]).fillna(1.0)
    told_by_day: pd.DataFrame = bars.assign(dividend=paid.to_numpy(), split=ratio.to_numpy())
    return told_by_day


def typed(file: Path, frame: pd.DataFrame, form: Format, sheet: Sheet) -> pd.DataFrame:
    """Dates, symbols and numbers of a long frame, which is emptied on the way."""
    columns = [c for c in (*KEYS, *FIELDS) if c in frame]
    if not [c for c in columns if c in FIELDS and c != "currency"]:
        raise DataError(f"{file} has a date and a symbol but none of {', '.join(BAR_FIELDS)}.")
    dates = _cell_by_cell(
        file, "date", frame.pop("date"), sheet, lambda v: read_dates(v, form=form.dates, timezone=form.timezone)
    )
    read = {c: numbers(file, c, frame.pop(c), form, sheet) for c in columns if c in FIELDS and c != "currency"}
    ids = _names(frame.pop("id")) if "id" in frame else None
    names = _names(frame.pop("symbol")) if "symbol" in frame else None
    if names is not None and form.symbol_part is not None:
        names = _parts(names, form.symbol_part)
    if names is None and ids is None:
        names = pd.Series(_file_symbol(file, form), index=frame.index, dtype="str")
        _one_row_a_date(file, dates, read, sheet.header)
    key = names if ids is None else ids if names is None else ids.where(ids != "", names)
    assert key is not None, "one of the two was made above"
    out = pd.DataFrame({"date": dates, "symbol": key, **read}, copy=False)
    if ids is not None and names is not None:
        out["ticker"] = names
    scale = form.scale
    minor: Float | float = 1.0
    if "currency" in frame:
        units = frame["currency"].astype("str").str.strip().map(_MINOR_UNITS).fillna(1.0)
        minor = np.asarray(units.to_numpy(), dtype=np.float64)
    if scale != 1 or np.any(minor != 1):
        prices = ("open", "high", "low", "close", "adj_close", "dividend", "capital_gains")
        out = out.assign(**{c: out[c] * scale * minor for c in prices if c in out})
    if "capital_gains" in out:
        paid = out["dividend"].fillna(0.0) if "dividend" in out else 0.0
        out = out.assign(dividend=paid + out["capital_gains"].fillna(0.0)).drop(columns="capital_gains")
    return out


def _names(values: pd.Series) -> pd.Series:
    told = isinstance(values.dtype, pd.StringDtype) and not values.hasnans
    if told and all(_spelt(name) == name for name in values.unique()):
        return values
    if pd.api.types.is_float_dtype(values):
        # Numbers beside empty cells.
        known = values.dropna()
        values = values.astype("Int64") if ((known % 1 == 0) & (known.abs() < 2**53)).all() else values
    codes, unique = pd.factorize(values)
    # An empty cell has the code -1, which takes the last element.
    names = pd.array([*map(_spelt, unique), ""], dtype="str")
    return pd.Series(names.take(codes), index=values.index)


def _spelt(name: object) -> str:
    # An empty cell somewhere makes whole numbers floats, in the program that wrote the file too.
    return re.sub(r"^(\d+)\.0$", r"\1", str(name).strip())


def _parts(names: pd.Series, pattern: str) -> pd.Series:
    codes, unique = pd.factorize(names)
    found = [re.search(pattern, str(name)) for name in unique]
    parts = [str(name) if match is None else match[1] for name, match in zip(unique, found, strict=True)]
    whole: dict[str, set[str]] = {}
    for name, part in zip(unique, parts, strict=True):
        whole.setdefault(part, set()).add(symbol_key(str(name)))
    # What two names have in common is the name of neither: VOD LN and VOD US are two listings.
    apart = [str(name) if len(whole[part]) > 1 else part for name, part in zip(unique, parts, strict=True)]
    cut = np.array(apart, dtype="O")
    return pd.Series(cut[codes], index=names.index, dtype="str")


def _file_symbol(file: Path, form: Format) -> str:
    name = stem(file)
    if form.symbol_from is None:
        return name
    found = re.search(form.symbol_from, name)
    if found is None:
        raise DataError(f"{file}: the name does not fit --symbol-from {form.symbol_from!r}; mend the expression.")
    return found[1]


def _one_row_a_date(file: Path, dates: pd.Series, read: Mapping[str, Float], present: Sequence[str]) -> None:
    """Refuse a file without symbols in which many dates have several bars: it holds more than one symbol."""
    values = pd.DataFrame({"date": dates, **read}).drop_duplicates()
    several = int(values["date"].duplicated().sum())
    if several > max(2, 0.05 * len(values)):
        day = values["date"][values["date"].duplicated()].iloc[0]
        raise DataError(
            f"{file} has {int((values['date'] == day).sum())} different rows on {day.date()} and no column of symbols; "
            f"name it with {option(present, 'symbol')}, or give one bar a day."
        )


def positive(frame: pd.DataFrame, form: Format) -> tuple[pd.DataFrame, int]:
    """CRSP marks the midpoint of a quote on a day without trades by a minus sign; and what it misses by -66 or -99."""
    if not form.name.startswith("crsp"):
        return frame, 0
    midpoints = int((frame["close"] < 0).sum()) if "close" in frame else 0
    prices = {c: frame[c].abs().replace(0.0, np.nan) for c in ("open", "high", "low", "close") if c in frame}
    least = {"volume": 0.0, "total_return": -1.0, "delist_return": -1.0}
    known = {c: frame[c].where(frame[c] >= low) for c, low in least.items() if c in frame}
    return frame.assign(**prices, **known), midpoints


def numbers(file: Path, name: str, values: pd.Series, form: Format, sheet: Sheet) -> Float:
    """(rows,) numbers of a column; raises DataError that names file, row and column of a cell that is none."""
    return _cell_by_cell(file, name, values, sheet, lambda v: read_numbers(v, sheet.style, missing=form.missing))


def _cell_by_cell(file: Path, name: str, values: pd.Series, sheet: Sheet, read: Callable[[pd.Series], R]) -> R:
    try:
        return read(values)
    except UnreadableError as error:
        cell = "" if pd.isna(values.iloc[error.position]) else values.iloc[error.position]
        line = int(values.index[error.position]) + sheet.first_line
        raise DataError(f"{file} row {line}, column {name}: {str(cell)!r} {error.remedy}") from None


def option(present: Sequence[str], field: str) -> str:
    """What to write on the command line to name a column, one without a name in the file too."""
    unnamed = next((name for name in present if re.fullmatch(r"column \d+", name)), None)
    return f"--column FILE_COLUMN={field}" + (f", as --column '{unnamed}={field}'" if unnamed else "")
