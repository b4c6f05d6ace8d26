"""Files as rows under one header: encodings, separators, blank rows, styles of numbers; see ``headers``."""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from quantray.data.vendors.formats import COLUMN_NAMES, Format, spelling
from quantray.data.vendors.headers import (
    CODE_NAMES,
    DATE,
    DATE_NAMES,
    all_fields,
    dates_apart,
    filled,
    flattened,
    label_rows,
)
from quantray.data.vendors.packed import opened, refuse_width
from quantray.data.vendors.parquet import read_parquet
from quantray.data.vendors.parsing import NUMBER, NumberStyle, number_style
from quantray.errors import DataError, reason

__all__ = ["ENDINGS", "LEVELS", "Sheet", "holds_bars", "read_sheet", "stem"]

ENDINGS = (".csv.gz", ".txt.gz", ".csv", ".tsv", ".txt", ".parquet", ".pq")
"""What names of files of bars end in; the rest of the name may hold dots."""

LEVELS = "price/ticker"
"""What stands among the columns of a file whose header had symbols above or below the names of fields."""

_SAMPLE = 1 << 18
_LONGEST_SAMPLE = 1 << 24
_LINES = 10
"""That a sample has at least."""
_MARKS = (";", "\t", "|", ",")
# The whole header of a wide file is one cell until the mark between its columns is known.
csv.field_size_limit(2 * _LONGEST_SAMPLE)
_UNREADABLE = (pa.ArrowInvalid, pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, csv.Error)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A file's rows as they stand in it, under one header."""

    frame: pd.DataFrame
    """Columns under the file's own names; with two levels of columns: date, symbol and fields, stacked."""
    header: tuple[str, ...]
    """The file's columns, ``LEVELS`` among them where there were two levels."""
    style: NumberStyle
    first_line: int = 2
    """Line of the file on which row 0 stands."""
    notes: tuple[str, ...] = ()


def stem(file: Path) -> str:
    """A file's name less its known ending: BRK.A for BRK.A.csv."""
    name = file.name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)] if ending else name


def read_sheet(file: Path, form: Format) -> Sheet:
    """The rows of a CSV or Parquet file.

    Raises
    ------
    DataError
        The file cannot be read, is empty, repeats a column, or its numbers can be read in two ways.
    """
    try:
        sheet = _parquet(file) if file.name.lower().endswith((".parquet", ".pq")) else _text(file, form)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{file} is empty; it needs a header and at least one row.") from error
    except (*_UNREADABLE, OSError) as error:
        raise DataError(f"{file} cannot be read: {reason(error)}") from error
    frame = _without_blank_rows(sheet.frame)
    if frame.empty:
        raise DataError(f"{file} is empty; it needs a header and at least one row.")
    return replace(sheet, frame=frame)


def _without_blank_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of separators only that spreadsheets leave below or between the data."""
    if len(frame.columns) == 0:
        return frame
    blank = frame.iloc[:, 0].isna().to_numpy(copy=True)
    if not blank.any():
        return frame
    blank[blank] = frame.loc[blank].isna().all(axis=1).to_numpy()
    return frame[~blank]


def holds_bars(file: Path) -> bool:
    """Whether a file in a folder may hold bars: it has rows, and a date in the first of them or a name of one."""
    if file.stat().st_size == 0:
        return False
    try:
        if file.name.lower().endswith((".parquet", ".pq")):
            return int(pq.read_metadata(file).num_rows) > 0
        lines = [line for line in _sample(file, 1 << 14)[0].splitlines() if line.strip(" ,;\t|")][:20]
    except (UnicodeDecodeError, OSError, pa.ArrowInvalid):
        # Reading it says what is wrong.
        return True
    rows = list(csv.reader(lines, delimiter=_separator(lines))) if len(lines) > 1 else []
    cells = [cell.strip() for row in rows for cell in row if len(row) > 1]
    return any(DATE.match(cell) or spelling(cell) in DATE_NAMES for cell in cells)


def _parquet(file: Path) -> Sheet:
    frame, notes = read_parquet(file)
    if isinstance(frame.columns, pd.MultiIndex):
        date = str(frame.index.name or "Date")
        levels = [[str(part) for part in level] for level in zip(*frame.columns, strict=True)]
        labels = [["", *level] for level in levels]
        flat = frame.set_axis(range(1, len(levels[0]) + 1), axis=1).rename_axis(date).reset_index()
        return _two_levels(file, labels, flat, NumberStyle(), 2, notes)
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
        frame = frame.rename_axis("date")
    frame = frame if list(frame.index.names) == [None] else frame.reset_index()
    header = [str(column) if str(column).strip() else f"column {i + 1}" for i, column in enumerate(frame.columns)]
    _no_repeats(file, header)
    if labels := flattened(header):
        return _two_levels(file, labels, frame.set_axis(header, axis=1), NumberStyle(), 2, notes)
    return Sheet(frame.set_axis(header, axis=1), tuple(header), NumberStyle(), first_line=2, notes=notes)


def _no_repeats(file: Path, header: Sequence[str]) -> None:
    counts = Counter(name.strip() for name in header if name.strip())
    repeated = next((name for name, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{file} has {counts[repeated]} columns {repeated}; keep one of them or rename the others.")


def _text(file: Path, form: Format) -> Sheet:
    sample, encoding = _sample(file)
    lines = sample.splitlines()
    if not any(line.strip() for line in lines):
        raise DataError(f"{file} is empty; it needs a header and at least one row.")
    refuse_width(file, max(line.count(form.separator or mark) for line in lines[:40] for mark in _MARKS))
    separator = form.separator or _separator(lines)
    rows = list(csv.reader(io.StringIO("\n".join(lines[:200])), delimiter=separator, skipinitialspace=True))
    labels, above = label_rows(rows)
    notes = [] if separator == "," else [f"columns are separated by {separator!r}"]
    style = _style(file, form, labels[0], rows[above:], separator)
    first_line, header = above + 1, labels[0]
    if above > len(labels):
        notes.append(f"{above} lines stand above the first bar")
    if len(labels) > 1:
        width = max(len(row) for row in labels)
        names = [f"column {i}" for i in range(width)]
        frame = _rows(file, separator, encoding, first_line - 1, names, style, names[:1])
        padded = [row + [""] * (width - len(row)) for row in labels]
        return _two_levels(file, padded, frame, style, first_line, tuple(notes))
    dated = len(rows) > above and bool(rows[above]) and bool(DATE.match(rows[above][0].strip()))
    if dated and (not header[0] or spelling(header[0]) in CODE_NAMES):
        notes.append(f"the first column {f'is called {header[0]}' if header[0] else 'has no name'} and holds dates")
        header[0] = "date"
    _no_repeats(file, header)
    names = [name or f"column {i + 1}" for i, name in enumerate(header)]
    mapped = {spelling(column) for column, name in form.columns.items() if name in ("symbol", "id")}
    symbols = [name for name in names if spelling(name) in _TEXT_NAMES | mapped]
    frame = _rows(file, separator, encoding, first_line - 1, names, style, symbols)
    if levels := flattened(names):
        return _two_levels(file, levels, frame, style, first_line, tuple(notes))
    # Separators at the end of each line make columns of nothing.
    empty = [n for n, name in zip(names, header, strict=True) if not name and frame[n].isna().all()]
    names = [name for name in names if name not in empty]
    return Sheet(frame[names], tuple(names), style, first_line, tuple(notes))


_TEXT_NAMES = {*COLUMN_NAMES["symbol"], *COLUMN_NAMES["id"], "tsymbol", "security"}


def _sample(file: Path, size: int = _SAMPLE) -> tuple[str, str]:
    """The file's first lines and its encoding."""
    with opened(file) as handle:
        raw = handle.read(size)
        # A line of a wide file is long, and one without an end is looked at no further than columns may go.
        while len(raw) >= size and raw.count(b"\n") < _LINES and len(raw) < _LONGEST_SAMPLE:
            size = min(2 * len(raw), _LONGEST_SAMPLE)
            raw += handle.read(size - len(raw))
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw[: len(raw) // 2 * 2].decode("utf-16", errors="ignore"), "utf-16"
    whole = len(raw) < size
    raw = raw if whole else raw[: raw.rfind(b"\n") + 1] or raw
    try:
        return raw.decode("utf-8-sig"), "utf-8-sig"
    except UnicodeDecodeError as error:
        # Older programs write umlauts in a header in one byte; below it, only numbers and names are expected.
        _, _, rest = raw.partition(b"\n")
        if not rest.isascii():
            error.reason = "save the file as UTF-8"
            raise
        return raw.decode("cp1252"), "cp1252"


def _separator(lines: Sequence[str]) -> str:
    """The mark that divides the header and the lines below it into equally many cells."""
    some = [line for line in lines[:40] if line.strip()]

    def score(mark: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(some, delimiter=mark)]
        usual = max(set(widths), key=widths.count)
        return (widths.count(usual) if usual > 1 else 0, usual)

    # Decimal commas may come as regularly as separators, but never more regularly.
    best = max(_MARKS, key=score)
    return best if score(best)[0] else ","


def _two_levels(
    file: Path,
    labels: Sequence[Sequence[str]],
    frame: pd.DataFrame,
    style: NumberStyle,
    first_line: int,
    notes: tuple[str, ...] = (),
) -> Sheet:
    """Rows of date, symbol and fields from columns that are told by a field and a symbol."""
    field_row = next((row for row in labels if all_fields(row)), None)
    symbol_row = next((row for row in labels if row is not field_row and any(row[1:])), None)
    if field_row is None or symbol_row is None:
        raise DataError(f"{file} has several header rows, none of which names fields such as Close; keep one of them.")
    fields, symbols = list(field_row), filled(symbol_row, first=dates_apart(field_row))
    parts, date, names = [], 0, list(frame.columns)
    blocks: dict[tuple[str, int], dict[str, object]] = {}
    for column in range(len(fields)):
        if column == 0 or spelling(fields[column]) in DATE_NAMES:
            # A column of dates for each security, or one for all.
            date = column
            continue
        if not symbols[column] or not fields[column]:
            continue
        block = blocks.setdefault((symbols[column], date), {})
        if fields[column] in block:
            raise DataError(f"{file} has two columns {fields[column]} of {symbols[column]}; keep one of them.")
        block[fields[column]] = names[column]
    for (symbol, date), block in blocks.items():
        part = frame[[names[date], *block.values()]].set_axis(["date", *block], axis=1)
        parts.append(_without_blank_rows(part).assign(symbol=symbol))
    long = pd.concat(parts)
    used = list(dict.fromkeys(field for block in blocks.values() for field in block))
    # A symbol that was not quoted on a day has empty cells there.
    return Sheet(long, (LEVELS, "date", *used), style, first_line, (*notes, "the header has two levels"))


def _style(
    file: Path, form: Format, header: Sequence[str], rows: Sequence[Sequence[str]], separator: str
) -> NumberStyle:
    """How the file writes numbers, from its first rows; whole columns are read with it."""
    if form.decimal or form.thousands:
        decimal = form.decimal or ("," if form.thousands == "." else ".")
        return NumberStyle(decimal, form.thousands or ("." if decimal == "," else ","))
    cells = [[cell.strip() for cell in row] for row in rows]
    volumes = {i for i, name in enumerate(header) if _holds_volume(file, name, form)}
    counts = any("." in cell for row in cells for i, cell in enumerate(row) if i in volumes and NUMBER.match(cell))
    marked = counts or separator == ";" or any("," in c or c.count(".") > 1 for row in cells for c in row)
    if not marked:
        return NumberStyle(".", ",")
    tokens = [cell for row in cells for cell in row if NUMBER.match(cell) and not DATE.match(cell)]
    style = number_style(tokens, separator=separator, counts=counts)
    if style is None:
        token = next(t for t in tokens if "," in t or "." in t)
        mark = "," if "," in token else "."
        plain, other = token.replace(mark, ""), token.replace(mark, ".")
        raise DataError(
            f"{file}: {token!r} may be {plain} or {other}; say which with --thousands '{mark}' or --decimal '{mark}'."
        )
    return style


def _holds_volume(file: Path, column: str, form: Format) -> bool:
    named = {spelling(name) for name, field in form.columns.items() if field == "volume"}
    # V is Visa, too.
    return spelling(column) in named | {*COLUMN_NAMES["volume"]} - {"v"} or "volume" in (form.field, stem(file).lower())


def _rows(
    file: Path,
    separator: str,
    encoding: str,
    skip: int,
    names: Sequence[str],
    style: NumberStyle,
    symbols: Sequence[str],
) -> pd.DataFrame:
    # Symbols stay text: 0005 and TRUE are listed names. So do all cells where a point may group thousands.
    types = dict.fromkeys(names if style.decimal == "," else symbols, "str")
    usual = ["", "NaN", "nan", "null", "NULL"]
    # Marks by column take a second for ten thousand of them.
    marks = {name: [""] if name in symbols else usual for name in names} if symbols else usual

    def read(columns: Sequence[str]) -> pd.DataFrame:
        # Blank lines are kept for now, so that the index counts the lines of the file.
        with opened(file) as handle:
            return pd.read_csv(
                handle,
                sep=separator,
                encoding=encoding,
                header=None,
                names=list(columns),
                skiprows=skip,
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                keep_default_na=False,
                na_values={name: marks.get(name, [""]) for name in columns} if isinstance(marks, dict) else marks,
                dtype=types,
            )

    with warnings.catch_warnings():
        # A row longer than the header would lose its end with a warning only.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return read(names)
        except pd.errors.EmptyDataError:
            return pd.DataFrame(columns=list(names))
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            if "Length of header" not in str(error) and "Expected" not in str(error):
                raise
    more = [f"nothing {i}" for i in range(_longest(file, separator, encoding, skip, len(names)) - len(names))]
    return read([*names, *more])[list(names)]


def _longest(file: Path, separator: str, encoding: str, skip: int, width: int) -> int:
    """Cells of the longest row, where all beyond the header are empty."""
    longest = width
    with io.TextIOWrapper(opened(file), encoding=encoding, newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, skipinitialspace=True)
        for row in reader:
            if reader.line_num <= skip or len(row) <= width:
                continue
            if any(cell.strip() for cell in row[width:]):
                raise DataError(
                    f"{file} row {reader.line_num} has {len(row)} cells below a header of {width}; name the others, "
                    "put texts that hold the separator in quotation marks, or delete the row."
                )
            longest = len(row) if len(row) > longest else longest
    return longest
