"""What was said over FIX in both directions, a line each, on disk before anything is done with it.

The engine counts a report as received once it is in the journal, and asks the venue for it again until then; the gate
books from the journal, from the last line that it has booked. So a report survives the end of the gate, of the engine's
process, or of both. The file survives the end of processes, not a loss of power: what that takes away is found again by
asking for the status of what is open.
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
    """The journal for the one process that writes it.

    Parameters
    ----------
    after : number that is given to no line, nor those before it: they were booked from a journal that is lost.

    Raises
    ------
    DataError
        The file cannot be written.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        try:
            reader = _read_through(path)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            # What a writer that was killed left of its last line.
            os.ftruncate(self._handle, reader.offset)
        except OSError as error:
            raise DataError(
                f"{path} cannot be written: {reason(error)}; free space or choose another folder."
            ) from error
        self.last, self._size = max(reader.last, after), reader.offset
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

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class JournalReader:
    """Follows a journal while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offset = self.last = 0

    def read(self, most: int = 8_000_000) -> list[Line]:
        """The whole lines that came since, of about so many bytes at most, up to one that makes no sense.

        Raises
        ------
        DataError
            The next one makes no sense.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                content = file.read(most)
        except FileNotFoundError:
            return []
        lines: list[Line] = []
        for each in content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]:
            try:
                lines.append(_line(each))
            except (ValueError, TypeError) as error:
                if lines:
                    break
                raise DataError(f"{self._path} is no journal after byte {self.offset}; move it away.") from error
            self.offset += len(each) + 1
        self.last = lines[-1].number if lines else self.last
        return lines


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
