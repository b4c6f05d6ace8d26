"""Daily bars from files of any known format: long or wide, one file or a folder."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from quantray.data.vendors.cells import KEYS, numbers, option, positive, typed, with_events
from quantray.data.vendors.folders import TOLD, files_of, one_spelling, united
from quantray.data.vendors.formats import (
    ADJUSTMENTS,
    BAR_FIELDS,
    CERTAIN,
    COLUMN_NAMES,
    FIELDS,
    Adjusted,
    Format,
    plain,
    recognise,
    spelling,
    stated,
)
from quantray.data.vendors.parsing import NumberStyle
from quantray.data.vendors.sheets import ENDINGS, LEVELS, Sheet, read_sheet, stem
from quantray.errors import DataError

__all__ = ["FileReading", "RawBars", "read_bars"]

_DIVIDENDS, _SPLITS = 1, 2
_EVIDENCE = ("capital_gains", "total_return", "price_factor")
_BAR_WORDS = {"open", "high", "low", "close", "volume"}
_EVENTLIKE = re.compile(r"gain|distribut|spin|rights|bonus|dividend|split|capital", re.IGNORECASE)


class FileReading(BaseModel):
    """What was understood of files that are alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    files: int
    example: str
    """The first of the files."""
    used: dict[str, str]
    """Column in the file -> what it was taken for."""
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    """Fields of a bar that the files do not have."""
    adjusted: Adjusted
    """What the format says that prices are adjusted for."""
    certain: bool = False
    """Whether the caller said so."""
    notes: tuple[str, ...] = ()

    @property
    def stated(self) -> str:
        """The same in words, behind the name of the format and a comma."""
        return stated(self.adjusted, certain=self.certain)


@dataclass(frozen=True, eq=False)
class RawBars:
    """Bars as they stand in the files: columns date (datetime64), symbol (str) and floats; any order, any warts.

    Beside fields of bars there may be ``adj_close``, ``total_return``, ``price_factor``, ``basis`` (index into
    ``formats.ADJUSTMENTS``: what the file's maker says that prices are adjusted for), ``lists`` (which events the file
    has columns of: 1 for dividends, 2 for splits, 3 for both) and ``ticker`` (str), the symbol of the day where
    ``symbol`` is a permanent id.
    """

    frame: pd.DataFrame
    files: tuple[str, ...]
    readings: tuple[FileReading, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Findings of reading: name -> examples."""


def read_bars(path: str | Path, form: Format | None = None) -> RawBars:
    """Read daily bars from a file or from a folder of files.

    A long file has a date, a symbol and price columns. A file with prices and no symbol column holds the one symbol
    that it is named after. A wide file has a date column and one column per symbol, and holds one field: the one of the
    format, or the one that it is named after (``close.csv``), or the close. Some names of fields are tickers too, such
    as C, V and LOW; so a file without a symbol column is wide unless it has a column called close, or no field is
    given, it is not named after a field, and most of its columns are names of fields.

    Parameters
    ----------
    form : what the files look like; by default each file's header tells, see ``formats.recognise``. Options that are
        set in a format without a name are added to what the header tells; one with a name decides alone.

    Raises
    ------
    DataError
        No file, an empty file, missing or wrong columns, dates or numbers that cannot be read or can be read in two
        ways; the message names file, row and column.
    """
    source = Path(path)
    files, left_out = files_of(source)
    if not files:
        others = f"; there are {'; '.join(left_out[:6])}" if left_out else ""
        raise DataError(f"folder {source} holds no {', '.join(ENDINGS)} files of bars{others}.")
    parts = [_read_one(file, form or Format()) for file in files]
    readings = [part.reading for part in parts]
    frame, outside = united(source, [part.frame for part in parts])
    if outside:
        told = f"{outside} events of days or symbols without prices were left out"
        readings[-1] = readings[-1].model_copy(update={"notes": (*readings[-1].notes, told)})
    if "close" not in frame:
        held = [c for c in frame.columns if c not in TOLD]
        wide = held[:2] == ["date", "symbol"] and all("every other column" in reading.used for reading in readings)
        remedy = f"--field close takes {held[2]} for it" if wide else "name it with --column FILE_COLUMN=close"
        raise DataError(f"{source} has no close column; only {held} were recognised; {remedy}.")
    order = ["date", "symbol", *(name for name in BAR_FIELDS if name in frame)]
    rest = [name for name in ("ticker", *_EVIDENCE[1:]) if name in frame]
    rest += [name for name in ("basis", "lists") if (frame[name] != 0).any()]
    frame, respelled = one_spelling(frame[[*order, *rest]])
    notes = {name: told for name, told in (("symbol_spelling", respelled), ("file_left_out", left_out)) if told}
    for name in ("ignored_event_column", "midpoint_price"):
        found = tuple(dict.fromkeys(text for part in parts for text in part.notes.get(name, ())))
        if found:
            notes[name] = found
    return RawBars(frame, tuple(str(f) for f in files), _summed(readings), notes)


@dataclass(frozen=True, eq=False)
class _Part:
    frame: pd.DataFrame
    reading: FileReading
    notes: Mapping[str, tuple[str, ...]]


def _read_one(file: Path, form: Format) -> _Part:
    own = form.columns if form.name in ("", plain().name) else {}
    reader = form.reader()
    if reader is not None:
        # The function may keep what it gives; what comes of it may be changed.
        made = reader(file).copy()
        header = tuple(str(c) for c in made.columns)
        sheet = Sheet(made.set_axis(list(header), axis=1), header, NumberStyle())
        form = form.with_options(layout=form.layout or "long")
    else:
        sheet = read_sheet(file, form)
        form = _recognised(file, sheet, form)
    frame, present = sheet.frame, [c for c in sheet.header if c != LEVELS]
    renaming = _renaming(file, present, form, own, sheet.frame)
    original = {name: column for column, name in renaming.items()}
    if "date" not in original:
        raise DataError(f"{file} has no date column among {present[:12]}; name it with {option(present, 'date')}.")
    wide = not {"symbol", "id"} & set(original) and LEVELS not in sheet.header
    if wide and _is_wide(file, renaming, present, form):
        frame = _melt(file, frame.rename(columns={original["date"]: "date"}), form, sheet)
        used = {original["date"]: "date", "every other column": frame.columns[2]}
        present = [original["date"], "every other column"]
    else:
        frame = frame[[*renaming, *(["symbol"] if LEVELS in sheet.header else [])]].rename(columns=renaming)
        used = dict(renaming)
    # Columns are let go as they are typed, which a second hand would prevent.
    sheet = replace(sheet, frame=pd.DataFrame())
    frame = with_events(file, frame, sheet)
    if frame.empty:
        raise DataError(f"{file} has rows and no bar in any of them; leave the file out.")
    out = typed(file, frame, form, sheet)
    notes: dict[str, tuple[str, ...]] = {}
    left = tuple(c for c in present if c not in used)
    if unread := tuple(c for c in left if _EVENTLIKE.search(c) and spelling(c) not in {*map(spelling, form.ignored)}):
        notes["ignored_event_column"] = tuple(f"{c} of {file.name}" for c in unread)
    out, midpoints = positive(out, form)
    if midpoints:
        notes["midpoint_price"] = (f"{midpoints} rows of {file.name}",)
    reading = FileReading(
        format=form.name,
        files=1,
        example=str(file),
        used={column: str(name) for column, name in used.items()},
        ignored=left,
        missing=tuple(name for name in BAR_FIELDS if name not in out),
        adjusted=form.adjusted,
        certain=form.certain,
        notes=sheet.notes,
    )
    basis = ADJUSTMENTS.index(form.adjusted) + (CERTAIN if form.certain and form.adjusted != "unknown" else 0)
    return _Part(out.assign(basis=np.int8(basis), lists=_lists(out)), reading, notes)


def _lists(frame: pd.DataFrame) -> np.int8:
    """Which events a file has columns of; one without says nothing of them, which is not that there were none."""
    return np.int8(_DIVIDENDS * ("dividend" in frame) + _SPLITS * ("split" in frame))


def _recognised(file: Path, sheet: Sheet, form: Format) -> Format:
    """The format named, or the one that the header tells with the options given."""
    if form.name:
        return form
    found = recognise(sheet.header, stem(file))
    return found.with_options(**form.model_dump(exclude_defaults=True, exclude={"name", "description"}))


def _renaming(
    file: Path, present: Sequence[str], form: Format, own: Mapping[str, str], frame: pd.DataFrame
) -> dict[str, str]:
    """Column in the file -> what it is; ``own`` are those that the caller named."""
    fields = {*KEYS, *FIELDS}
    named = form.columns
    if unknown := [name for name in named.values() if name not in fields]:
        raise DataError(f"column mapping names {unknown[0]!r}; a column is one of {', '.join([*KEYS, *FIELDS])}.")
    exact = {column: name for column, name in named.items() if column in present}
    spelt = {spelling(column): name for column, name in named.items() if column not in exact}
    alike = {c: spelt[spelling(c)] for c in present if spelling(c) in spelt and c not in exact}
    renaming = {**exact, **alike}
    if absent := next((c for c in own if spelling(c) not in {*map(spelling, present)}), None):
        raise DataError(f"column mapping names {absent!r}, which is not in {file}; it has {', '.join(present[:12])}.")
    chosen = {*map(spelling, own)}
    for twice in {name for name in renaming.values() if list(renaming.values()).count(name) > 1}:
        both = [column for column, name in renaming.items() if name == twice]
        mine = [column for column in both if spelling(column) in chosen]
        if len(mine) > 1:
            told = " and ".join(mine)
            raise DataError(f"{file}: {told} give two columns one name, {twice}; each field has one column.")
        # A maker's files may hold a thing twice, as a ticker and a trading symbol.
        for column in both:
            if column != (mine or both)[0]:
                del renaming[column]
    spellings = {c: spelling(c) for c in present}
    spelt_so: dict[str, list[str]] = {}
    for column, spelt_as in spellings.items():
        spelt_so.setdefault(spelt_as, []).append(column)
    ignored = {*map(spelling, form.ignored)}
    for name, aliases in COLUMN_NAMES.items():
        if name in renaming.values():
            continue
        found = [c for alias in aliases for c in spelt_so.get(alias, ()) if c not in renaming]
        found = [c for c in found if spellings[c] not in ignored and not (name == "symbol" and _decimals(frame[c]))]
        if found:
            renaming[found[0]] = name
    return renaming


def _decimals(values: pd.Series) -> bool:
    """Whether a column holds numbers with fractions, as prices of a ticker SID and not as symbols."""
    texts = pd.Series(values.head(1000).dropna().unique()).astype("str").str.strip()
    numbers = texts.str.fullmatch(r"-?\d*[.,]?\d+(?:[eE]-\d+)?")
    return bool(numbers.all() and texts.str.contains(r"[.,]\d*[1-9]").any())


def _is_wide(file: Path, renaming: Mapping[str, str], present: Sequence[str], form: Format) -> bool:
    """Whether columns without a symbol among them are symbols, not fields: see ``read_bars``."""
    if form.layout is not None:
        return form.layout == "wide"
    # A close by a word, not by a letter, is no ticker.
    if any(name in {"close", "adj_close"} and len(column.strip()) > 1 for column, name in renaming.items()):
        return False
    named = form.field is not None or stem(file).lower() in BAR_FIELDS
    wide = named or 2 * (len(renaming) - 1) <= len(present) - 1
    words = [c for c, name in renaming.items() if name in FIELDS and (len(c.strip()) > 5 or not c.strip().isalnum())]
    longer = [c for c in present if c not in renaming and _BAR_WORDS & {*re.findall("[a-z]+", c.lower())}]
    if len({*re.findall("[a-z]+", " ".join(longer).lower())} & _BAR_WORDS) > 1 and 2 * len(longer) > len(present) - 1:
        # Close USD and Volume USD are no securities.
        words = words or longer
    if wide and not named and words:
        raise DataError(
            f"{file} has a column {words[0]} and no close among {', '.join(present[:12])}; name it with "
            f"{option(present, 'close')}, or say with --field what its columns hold if they are symbols."
        )
    return wide


def _melt(file: Path, frame: pd.DataFrame, form: Format, sheet: Sheet) -> pd.DataFrame:
    name = form.field or (stem(file).lower() if stem(file).lower() in BAR_FIELDS else "close")
    if name not in BAR_FIELDS:
        raise DataError(f"field {name!r} is not one of {', '.join(BAR_FIELDS)}.")
    if len(frame.columns) < 2:
        raise DataError(f"{file} has a date column only; a wide file needs one column per symbol.")
    if list(frame.columns).count("date") > 1:
        raise DataError(f"{file} has two columns of dates, one of them called date; rename or delete one.")
    symbols = frame.columns.drop("date")
    values_nt = np.empty((len(symbols), len(frame)))
    for row, (symbol, cells) in enumerate(frame[symbols].items()):
        # Column by column, so that a message names the symbol.
        values_nt[row] = numbers(file, str(symbol), cells, form, sheet)
    known = ~np.isnan(values_nt)
    places = np.broadcast_to(np.arange(len(frame)), values_nt.shape)[known]
    dates = frame["date"].iloc[places]
    names = pd.Series(symbols, dtype="str").array.repeat(known.sum(axis=1))
    # Row numbers in messages refer to the file, where each date is one line.
    columns = {"date": dates.array, "symbol": names, name: values_nt[known]}
    return pd.DataFrame(columns, index=places)


def _summed(readings: Sequence[FileReading]) -> tuple[FileReading, ...]:
    """One reading for all files that were read alike."""
    alike: dict[str, list[FileReading]] = {}
    for reading in readings:
        alike.setdefault(reading.model_dump_json(exclude={"files", "example"}), []).append(reading)
    return tuple(group[0].model_copy(update={"files": len(group)}) for group in alike.values())
