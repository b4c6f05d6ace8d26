"""What was said over FIX in both directions, a line each, on disk before anything is done with it.

The engine counts a report as received once it is in the journal, and asks the venue for it again until then; the gate
books from the journal, from the last line that it has booked. So a report survives the end of the gate, of the engine's
process, or of both. The file survives the end of processes, not a loss of power: what that takes away is found again by
asking for the status of what is open. It has two files, so that one that runs for months does not fill the disk: the
one that is written, and the one before, whose lines are all booked.
"""

import errno
import json
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Literal, NamedTuple

from quantray.errors import DataError, first_line, reason
from quantray.oms.fixing.fields import Fields

__all__ = ["Journal", "JournalReader", "Line"]

_LOG = logging.getLogger("quantray.oms")


class Line(NamedTuple):
    """A message that was received or is about to leave, and its number."""

    number: int
    way: Literal["in", "out"]
    fields: Fields


class Journal:
    """The journal for the one process that writes it; what was said before the last ``turn`` is in a file beside it.

    Parameters
    ----------
    after : number that is given to no line, nor those before it: they were booked from a journal that is lost.

    Raises
    ------
    DataError
        The file cannot be written.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        self._path = path
        try:
            reader = _read_through(path)
            self._handle = self._opened()
            # What a writer that was killed left of its last line.
            os.ftruncate(self._handle, reader.offset)
        except OSError as error:
            raise DataError(
                f"{path} cannot be written: {reason(error)}; free space or choose another folder."
            ) from error
        self.last, self._size = max(reader.last, after), reader.offset
        self._begun = self.last
        """Number of the last line when this file was begun, or was gone on with."""
        self._lock = threading.Lock()

    def add(self, way: Literal["in", "out"], fields: Fields) -> int:
        """Write a line; tells its number."""
        with self._lock:
            number = self.last + 1
            content = (json.dumps([number, way, [list(each) for each in fields]]) + "\n").encode()
            if os.write(self._handle, content) != len(content):
                os.ftruncate(self._handle, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.last, self._size = number, self._size + len(content)
            return number

    def turn(self, least: int, booked: int) -> None:
        """Begin another file, if this one has so many bytes; of those before, only this one is kept.

        Parameters
        ----------
        booked : number of the last line that is needed no more; without those of the file before nothing is done.
        """
        with self._lock:
            if self._size < least or booked < self._begun:
                return
            os.replace(self._path, _before(self._path))
            os.close(self._handle)
            self._handle, self._size, self._begun = self._opened(), 0, self.last

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)


class JournalReader:
    """Follows a journal while it is written, from the file before the one that is written now.

    ``offset`` is how far it is in its file, and ``turns`` how often it has come to the next one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode: int | None = None
        self._is_before, self._is_long = True, False
        self.offset = self.last = self.turns = 0

    @property
    def is_behind(self) -> bool:
        """Whether more was there than it has read."""
        return self._is_before or self._is_long

    def read(self, most: int = 8_000_000) -> list[Line]:
        """The whole lines that came since, of one file and of about so many bytes at most, up to one without sense.

        Raises
        ------
        DataError
            The next one makes no sense.
        """
        lines = [] if self._is_before else self._lines(self._path, most)
        if self._is_before:
            lines = self._lines(_before(self._path), most)
            if not lines:
                self._is_before, self._inode, self.offset, self.turns = False, None, 0, self.turns + 1
                lines = self._lines(self._path, most)
        self.last = lines[-1].number if lines else self.last
        return lines

    def _lines(self, path: Path, most: int) -> list[Line]:
        lines: list[Line] = []
        for each in self._content(path, most):
            try:
                lines.append(_line(each))
            except (ValueError, TypeError) as error:
                # Of the file before nothing more comes: what was torn there is asked about.
                if lines or self._is_before:
                    break
                raise DataError(f"{self._path} is no journal after byte {self.offset}; move it away.") from error
            self.offset += len(each) + 1
        return lines

    def _content(self, path: Path, most: int) -> list[bytes]:
        """The next whole lines of a file; none where it is not the one that it was, which is the one before by now."""
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return []
        try:
            there = os.fstat(handle)
            if not self._is_before and self._inode not in (None, there.st_ino):
                self._is_before = True
                return []
            self._inode = there.st_ino
            content = os.pread(handle, min(most, max(there.st_size - self.offset, 0)), self.offset)
        finally:
            os.close(handle)
        self._is_long = self.offset + len(content) < there.st_size
        return content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]


def _before(path: Path) -> Path:
    return path.with_name(f"{path.stem}.before{path.suffix}")


def _read_through(path: Path) -> JournalReader:
    """A reader at the end of what makes sense; of what a loss of power left after that, a copy is kept."""
    reader = JournalReader(path)
    try:
        for _ in iter(reader.read, []):
            pass
    except DataError as error:
        kept = path.with_suffix(".damaged")
        shutil.copyfile(path, kept)
        _LOG.error("%s; what follows is in %s, and what is open is asked about", first_line(error), kept)
    return reader


def _line(content: bytes) -> Line:
    number, way, fields = json.loads(content)
    return Line(number, way, [(tag, value) for tag, value in fields])
