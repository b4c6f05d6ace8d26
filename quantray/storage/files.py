"""Files that appear whole or not at all, are read without waiting, and the folders that they are in."""

import os
import re
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow as pa

from quantray.errors import DataError, reason
from quantray.inputs import open_file

__all__ = ["make_folder", "mapped_file", "read_file", "write_atomically"]


def make_folder(folder: Path) -> None:
    """Make a folder where it is not there yet.

    Raises
    ------
    DataError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {reason(error)}; free space or choose another folder.") from error


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file; raises OSError as ``open_file``."""
    with open_file(path) as opened:
        return opened.read()


def mapped_file(path: Path) -> pa.Buffer:
    """The bytes of an ordinary file, read from disk as they are used; raises OSError as ``open_file``."""
    with open_file(path) as opened:
        if os.fstat(opened.fileno()).st_size == 0:
            return pa.py_buffer(b"")
        # By its number, so that it is the file that was looked at; by Arrow, whose threads free it without Python.
        with pa.memory_map(f"/dev/fd/{opened.fileno()}") as mapped:
            return mapped.read_buffer()


def write_atomically(path: Path, content: bytes | memoryview | str, *, mode: int = 0o644) -> None:
    """Write a file so that it appears whole or not at all.

    Parameters
    ----------
    mode : who may read and write it, as ``chmod`` takes it.

    Raises
    ------
    DataError
        The folder cannot be written or the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    _tidy(path.parent)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as handle:
            temporary = handle.name
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {reason(error)}; free space or choose another folder.") from error


_PART = re.compile(r"\.part-[a-z0-9_]{8}")
_ABANDONED = 24 * 3600.0
"""Seconds after which nobody writes on."""


@cache
def _tidy(folder: Path) -> None:
    """Remove what killed writers left in a folder; once a process, for there may be thousands of files."""
    with suppress(OSError), os.scandir(folder) as found:
        for each in found:
            ours = _PART.fullmatch(each.name) and each.is_file(follow_symlinks=False)
            if ours and each.stat(follow_symlinks=False).st_mtime < time.time() - _ABANDONED:
                os.unlink(each.path)
