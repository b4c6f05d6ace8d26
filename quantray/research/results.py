"""Results by content: written once, atomically, found again by a hash of what they came from."""

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from quantray.data.files import write_atomically
from quantray.errors import DataError

__all__ = ["ResultStore"]


@dataclass(frozen=True)
class ResultStore:
    """Tables in a folder that all workers see, one file per key.

    A file appears whole or not at all: it is written beside its place, flushed to disk, and renamed. Writing the same
    key twice is harmless, so a unit of work may run more than once.
    """

    root: Path

    def has(self, key: str) -> bool:
        """Whether the result of a key is there."""
        return self._path(key).is_file()

    def put(self, key: str, table: pa.Table, notes: Mapping[str, str] | None = None) -> None:
        """Write a table under a key, with notes in its metadata.

        Raises
        ------
        DataError
            The folder cannot be written, or the disk is full; nothing half-written stays.
        """
        sink = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({"quantray": json.dumps(dict(notes or {}))}), sink)
        write_atomically(self._path(key), sink.getvalue())

    def get(self, key: str) -> pa.Table:
        """The table of a key.

        Raises
        ------
        DataError
            There is none, or its file is damaged.
        """
        return self._read(key)

    def notes(self, key: str) -> dict[str, str]:
        """What was noted beside a table; raises as ``get``."""
        kept: dict[str, str] = json.loads(self._read(key).schema.metadata[b"quantray"])
        return kept

    def _read(self, key: str) -> pa.Table:
        path = self._path(key)
        if not path.exists() and path.parent.parent.is_dir():
            # Network file systems remember for a while what was not there; listing the folders makes them look again.
            for folder in (path.parent.parent, path.parent):
                with contextlib.suppress(OSError):
                    os.listdir(folder)
        try:
            # Without a partitioning guess: folder names here are parts of hashes.
            return pq.read_table(path, partitioning=None)
        except FileNotFoundError as error:
            raise DataError(
                f"result {path} is not there; if it was computed on another machine, choose a folder with runs= that "
                "all machines mount at the same path."
            ) from error
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"result {path} cannot be read; delete it and run the study again: {error}") from error

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.parquet"
