"""The log in a file that goes elsewhere: a line a row, a first line that says what it is, a last one that ends it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from quantray.errors import DataError, reason
from quantray.inputs import open_file
from quantray.oms.reading import LogRow, log_rows, moment
from quantray.storage.files import write_atomically

__all__ = ["export_log", "exported_rows", "is_export", "write_log"]

_FIRST = b'{"log":"quantray orders","version":1}\n'


def export_log(url: str, path: Path) -> int:
    """Write the log of a database to a file, whole or not at all; returns how many rows.

    Raises
    ------
    InputError, DataError
        The database cannot be read, or the file cannot be written.
    """
    with moment(url) as connection:
        return write_log(path, log_rows(connection))


def write_log(path: Path, rows: Iterable[LogRow]) -> int:
    """Write rows of a log to a file, whole or not at all; returns how many. Raises ``DataError``."""
    lines, head = [_FIRST], ""
    for seq, line, _, head in rows:
        lines.append(_line([seq, head, line]))
    count = len(lines) - 1
    lines.append(_line({"rows": count, "head": head}))
    write_atomically(path, b"".join(lines), mode=0o600)
    return count


def is_export(path: Path) -> bool:
    """Whether a file begins as an exported log does; raises ``DataError`` where it cannot be read."""
    try:
        with open_file(path) as file:
            return file.read(len(_FIRST)) == _FIRST
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.") from error


def exported_rows(path: Path) -> Iterator[LogRow]:
    """The rows of an exported log.

    Raises
    ------
    DataError
        The file is none, was cut off, or a line is not what was written.
    """
    if not is_export(path):
        raise DataError(f"{path} is no exported log; make one with `quantray audit export`.")
    rows, last = 0, ""
    with open_file(path) as file:
        file.readline()
        for number, text in enumerate(file, 2):
            found = _read(path, number, text)
            if isinstance(found, dict):
                if (found.get("rows"), found.get("head")) != (rows, last) or file.readline():
                    raise DataError(
                        f"{path} has {rows:,} rows before line {number:,}, which ends it with {found.get('rows')}; "
                        "lines were taken out or added, export it again."
                    )
                return
            seq, digest, line = found
            rows, last = rows + 1, digest
            yield seq, line, None, digest
    raise DataError(f"{path} ends after {rows:,} rows without its last line: it was cut off, export it again.")


def _read(path: Path, number: int, text: bytes) -> "dict[str, object] | tuple[int, str, str]":
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            return found
        seq, digest, line = found
    except (ValueError, TypeError, RecursionError) as error:
        what = "was cut off" if not text.endswith(b"\n") else "is not what was written"
        raise DataError(f"line {number:,} of {path} {what}; export the log again.") from error
    if type(seq) is not int or type(digest) is not str or type(line) is not str:
        raise DataError(f"line {number:,} of {path} is not what was written; export the log again.")
    return seq, digest, line


def _line(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"
