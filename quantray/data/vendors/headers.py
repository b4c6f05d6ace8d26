"""The rows above the bars: names of columns, of fields and of securities, among lines that say something else."""

import re
from collections.abc import Sequence

from quantray.data.vendors.formats import COLUMN_NAMES, FIELDS, spelling
from quantray.data.vendors.parsing import CURRENCIES, NUMBER

__all__ = [
    "CODE_NAMES",
    "DATE",
    "DATE_NAMES",
    "all_fields",
    "dates_apart",
    "filled",
    "flattened",
    "label_rows",
]

_FIELD_NAMES = {name for field in FIELDS for name in COLUMN_NAMES.get(field, ())}
DATE_NAMES = set(COLUMN_NAMES["date"])
_LEVEL_NAMES = {"", "price", "ticker", "tickers", "security", "securities", "instrument", "symbol", "field", "dates"}
DATE = re.compile(
    r"^(?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ].*)?|(?:19|20)\d{6}|\d{13}|\d{19}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}"
    r"|[A-Za-z]{3,9} \d{1,2},? \d{4})$"
)
CODE_NAMES = {"code", "symbol", "ticker", "tickers", "ric", "mnemonic", "name", "security", "instrument"}
"""What stands before the names of securities in a row above their prices."""

_LONG_NAMES = sorted((re.escape(name) for name in _FIELD_NAMES if len(name) > 1), key=len, reverse=True)
_FLAT = tuple(
    re.compile(text.replace("FIELD", f"(?P<field>{'|'.join(_LONG_NAMES)})"), re.IGNORECASE)
    for text in (
        r"^FIELD[ _|](?P<symbol>\S+)$",
        r"^(?P<symbol>\S+)[ _|]FIELD$",
        r"^\('FIELD', '(?P<symbol>.+)'\)$",
        r"^\('(?P<symbol>.+)', 'FIELD'\)$",
    )
)
_NO_SYMBOLS = {*map(str.lower, CURRENCIES), "adj", "adj.", "adjusted", "unadjusted", "raw", "price", "prices", "value"}


def _is_field(cell: str) -> bool:
    return spelling(cell) in _FIELD_NAMES


def label_rows(rows: Sequence[Sequence[str]]) -> tuple[list[list[str]], int]:
    """The row of column names, or that of fields and that of symbols; and the number of lines before the first bar."""
    first = _first_bar(rows)
    above = [[cell.strip() for cell in row] or [""] for row in rows[: max(first, 1)]]
    fields = next((i for i in reversed(range(len(above))) if all_fields(above[i])), None)
    if fields is not None:
        near = [i for i in (fields - 1, fields + 1) if 0 <= i < len(above) and _names_symbols(above[fields], above[i])]
        if near:
            return [above[fields], above[near[0]]], len(above)
    place = next((i for i in reversed(range(len(above))) if sum(map(bool, above[i])) > 1), len(above) - 1)
    place = _row_of_names(above, place)
    header = above[place]
    if _names_securities(header):
        return [header], len(above)
    if below := [row[0] for row in above[place + 1 :] if row[0]]:
        # The name of the index stands in a row of its own.
        header = [below[-1], *header[1:]]
    return [header], len(above)


def _first_bar(rows: Sequence[Sequence[str]]) -> int:
    """The first row of data: it has a date, and a number elsewhere, as a line ``Start Date,01/04/2021`` has not."""
    first, above = 1, set[int]()
    for number, row in enumerate(rows):
        dates = _dated(row)
        # Rows without a number right above a bar belong to it.
        first = number if dates and not above & set(dates) else first
        above = set(dates)
        if dates and _has_number(row, dates[0]):
            return first
    return next((number for number, row in enumerate(rows) if _dated(row)), 1)


def _dated(row: Sequence[str]) -> list[int]:
    return [i for i, cell in enumerate(row) if DATE.match(cell.strip())]


def _has_number(row: Sequence[str], date: int) -> bool:
    """Whether a row has a number beside its first date."""
    cells = [cell.strip() for cell in row]
    rest = (cell for i, cell in enumerate(cells) if i != date and NUMBER.match(cell))
    return any(cell.isdigit() or not DATE.match(cell) for cell in rest)


def _names_securities(row: Sequence[str]) -> bool:
    """Whether a header names securities only, behind a word such as Code."""
    return spelling(row[0]) in CODE_NAMES and not _names_columns(row)


def _names_columns(row: Sequence[str]) -> bool:
    """Whether a header names a date or mostly fields; one or the other ticker is a name of a field too."""
    cells = [spelling(cell) for cell in row[1:] if cell]
    fields = sum(cell in _FIELD_NAMES for cell in cells)
    return spelling(row[0]) in DATE_NAMES or any(cell in DATE_NAMES for cell in cells) or 2 * fields > len(cells)


def _row_of_names(above: Sequence[Sequence[str]], last: int) -> int:
    """Of rows such as Name, Code and Currency above a table: that of the codes, or else of the names."""
    named = [i for i in range(last + 1) if _names_securities(above[i]) and len(above[i]) == len(above[last])]
    if _names_columns(above[last]):
        return last
    distinct = [i for i in named if len(set(filter(None, above[i]))) == len(list(filter(None, above[i])))]
    return min(distinct, key=lambda i: spelling(above[i][0]) in ("name", "security"), default=last)


def all_fields(row: Sequence[str]) -> bool:
    """Whether a row, behind its first cell, names fields of bars only, and dates at most beside them."""
    cells = [cell for cell in row[1:] if cell and spelling(cell) not in DATE_NAMES]
    return bool(cells) and all(_is_field(cell) for cell in cells)


def _names_symbols(fields: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row beside that of the fields names the securities that these belong to."""
    if len(row) < 2 or all_fields(row):
        return False
    if row[0] and dates_apart(fields):
        return len(list(filter(None, row))) > 1
    if not row[1]:
        return False
    names = [cell for cell in fields[1:] if cell and spelling(cell) not in DATE_NAMES]
    return len(set(names)) < len(names) or spelling(row[0]) in _LEVEL_NAMES or spelling(fields[0]) in _LEVEL_NAMES


def dates_apart(fields: Sequence[str]) -> bool:
    """Whether each security has a column of dates of its own."""
    return sum(spelling(cell) in DATE_NAMES for cell in fields) > 1


def filled(row: Sequence[str], *, first: bool) -> list[str]:
    """Names of merged cells, which stand in the first of them only; the first cell of the row may be one."""
    out, last = [row[0]], row[0] if first and spelling(row[0]) not in _LEVEL_NAMES else ""
    for cell in row[1:]:
        last = cell.strip() or last
        out.append(last)
    return out


def flattened(header: Sequence[str]) -> list[list[str]]:
    """Fields and symbols of names that hold both, as ``Close_AAPL``, ``AAPL Close`` or ``('Close', 'AAPL')``."""
    if any(_is_field(name) for name in header):
        return []
    dates = [spelling(re.sub(r"[^\w<> ]|_$", "", name)) in DATE_NAMES for name in header]
    for pattern in _FLAT:
        found = [pattern.match(name.strip()) for name in header]
        held = [match for match, date in zip(found, dates, strict=True) if not date]
        if not any(dates) or len(held) < 2 or not all(held):
            continue
        pairs = [(match["field"], match["symbol"]) for match in held if match]
        words = {symbol.strip("()[]").lower() for _, symbol in pairs}
        closes = any(spelling(field) in COLUMN_NAMES["close"] for field, _ in pairs)
        if closes and len(set(pairs)) == len(pairs) and not words <= _NO_SYMBOLS:
            rest = iter(pairs)
            both = [("Date", "") if date else next(rest) for date in dates]
            return [[field for field, _ in both], [symbol for _, symbol in both]]
    return []
