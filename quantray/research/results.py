"""Results by content: written once, atomically, found again by a hash of what they came from, and sealed under it."""

import contextlib
import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from quantray.errors import DataError, reason
from quantray.storage.files import read_file, write_atomically
from quantray.storage.seals import fault, from_parquet, to_parquet

__all__ = ["ResultState", "ResultStore"]

_NOTES = TypeAdapter(dict[str, str])


class ResultState(enum.Enum):
    """Whether there is a result, and whether it can be used."""

    WHOLE = enum.auto()
    ABSENT = enum.auto()
    DAMAGED = enum.auto()
    """Not what was written, of another key, or of an older quantray; whoever needs it computes it again."""


@dataclass(frozen=True)
class ResultStore:
    """Tables in a folder that all workers see, one sealed Parquet file per key.

    A file appears whole or not at all: it is written beside its place, flushed to disk, and renamed. Writing the same
    key twice is harmless, so a unit of work may run more than once. The seal covers every byte of the file and its key.
    """

    root: Path

    def has(self, key: str) -> bool:
        """Whether the result of a key is there, and whole."""
        return self.state(key) is ResultState.WHOLE

    def state(self, key: str) -> ResultState:
        """What there is under a key; the file is read and its seal compared, which takes far less than using it."""
        try:
            content = read_file(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return ResultState.ABSENT
        except OSError:
            return ResultState.DAMAGED
        return ResultState.WHOLE if fault(content, key) is None else ResultState.DAMAGED

    def put(self, key: str, table: pa.Table, notes: Mapping[str, str] | None = None) -> None:
        """Write a table under a key, with notes in its metadata.

        Raises
        ------
        DataError
            The folder cannot be written, or the disk is full; nothing half-written stays.
        """
        noted = table.replace_schema_metadata({"quantray": json.dumps(dict(notes or {}))})
        write_atomically(self.path(key), to_parquet(noted, key))

    def get(self, key: str) -> pa.Table:
        """The table of a key.

        Raises
        ------
        DataError
            There is none, or its file is damaged.
        """
        path = self.path(key)
        if not path.exists() and path.parent.parent.is_dir():
            # Network file systems remember for a while what was not there; listing the folders makes them look again.
            for folder in (path.parent.parent, path.parent):
                with contextlib.suppress(OSError):
                    os.listdir(folder)
        try:
            return from_parquet(read_file(path), key)
        except FileNotFoundError as error:
            raise DataError(
                f"result {path} is not there; if it was computed on another machine, choose a folder with runs= that "
                "all machines mount at the same path."
            ) from error
        except OSError as error:
            raise DataError(f"result {path} cannot be read: {reason(error)}; see to its folder.") from error
        except DataError as error:
            raise DataError(f"result {path} {error}; run the same command again, which computes it anew.") from error

    def notes(self, key: str) -> dict[str, str]:
        """What was noted beside a table; raises as ``get``."""
        found = (self.get(key).schema.metadata or {}).get(b"quantray", b"")
        try:
            return _NOTES.validate_json(found)
        except ValidationError as error:
            raise DataError(
                f"result {self.path(key)} has notes that no study wrote; delete it and run the study again."
            ) from error

    def path(self, key: str) -> Path:
        """Where the file of a key is, or would be."""
        return self.root / key[:2] / f"{key}.parquet"
