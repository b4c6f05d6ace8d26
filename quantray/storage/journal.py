"""Files that only grow: JSON lines, each sealed together with the one before, so that none is changed or taken out.

Lines that were cut off at the end leave no trace in the file; where that matters, keep the last seal elsewhere.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quantray.errors import DataError, InputError, reason
from quantray.storage.files import make_folder, read_file
from quantray.storage.locks import alone
from quantray.storage.seals import fault, seal_line, seal_of

__all__ = ["append_lines", "read_lines", "set_aside_torn", "torn_line"]


def append_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Add records at the end of a journal, which is made where it is not there; on disk when this returns.

    All lines before are checked first, so a journal is for what happens now and then.

    Parameters
    ----------
    records : what JSON holds, with finite numbers and without a key ``seal``.

    Raises
    ------
    InputError
        A record is none that JSON holds.
    DataError
        The file cannot be written, or what it holds is damaged.
    """
    texts = [_text(record) for record in records]
    make_folder(path.parent)
    with alone(path):
        before = _last_seal(path)
        content = b""
        for text in texts:
            line = seal_line(text, _name(path, before))
            content, before = content + line, seal_of(line)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
            try:
                _write_whole(handle, content)
            finally:
                os.close(handle)
        except OSError as error:
            raise DataError(f"cannot write {path}: {reason(error)}; free space or choose another folder.") from error


def read_lines(path: Path, *, torn: bool = False) -> list[dict[str, Any]]:
    """All records of a journal, oldest first; none where there is no file.

    Parameters
    ----------
    torn : pass over a last line that was cut off, as ``torn_line`` has it.

    Raises
    ------
    DataError
        A line is not what was written, or one was changed, moved or taken out before it.
    """
    found, before = [], ""
    lines = _lines(path)
    if torn and lines and not lines[-1].endswith(b"\n"):
        del lines[-1]
    for number, line in enumerate(lines, 1):
        if fault(line, _name(path, before)):
            raise DataError(
                f"line {number} of {path} is not what was written after the line before it; restore the file from a "
                "copy, or move it away to begin another."
            )
        record = json.loads(line)
        before = seal_of(line)
        del record["seal"]
        found.append(record)
    return found


def torn_line(path: Path) -> bytes:
    """What is left of a last line that was not written to its end, as by a power cut; nothing where all are whole."""
    lines = _lines(path)
    return lines[-1] if lines and not lines[-1].endswith(b"\n") else b""


def set_aside_torn(path: Path) -> Path | None:
    """Move a last line that was cut off to a file beside the journal, which goes on; None where all are whole.

    Raises
    ------
    DataError
        A line before it is damaged, or the files cannot be written.
    """
    if not torn_line(path):
        return None
    aside = path.with_name(path.name + ".torn")
    with alone(path):
        read_lines(path, torn=True)
        rest = torn_line(path)
        try:
            # Copied before it is cut off: a power cut in between leaves it twice, and never nowhere.
            with aside.open("ab") as copy:
                copy.write(rest + b"\n")
                copy.flush()
                os.fsync(copy.fileno())
            with path.open("r+b") as journal:
                journal.truncate(path.stat().st_size - len(rest))
                os.fsync(journal.fileno())
        except OSError as error:
            raise DataError(f"the torn end of {path} cannot be set aside: {reason(error)}; free space.") from error
    return aside


def _write_whole(handle: int, content: bytes) -> None:
    """Write to the end of a file, all of it or nothing."""
    size = os.fstat(handle).st_size
    try:
        if os.write(handle, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _last_seal(path: Path) -> str:
    """The seal that the next line goes on from; the lines before are checked."""
    read_lines(path)
    lines = _lines(path)
    return seal_of(lines[-1]) if lines else ""


def _lines(path: Path) -> list[bytes]:
    try:
        return read_file(path).splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}.") from error


def _name(path: Path, before: str) -> str:
    return f"{path.name} {before}"


def _text(record: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(record), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"a record is none that JSON holds: {error}") from error
    if not record or "seal" in record:
        raise InputError(f"a record needs entries, none called 'seal'; it has {', '.join(record) or 'none'}.")
    return text
