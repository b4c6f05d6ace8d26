"""Results by content: written once, atomically, found again by a hash of what they came from, and sealed under it."""

import contextlib
import enum
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from quantray.arrays import Dates, Int, Names
from quantray.errors import DataError, first_line, reason
from quantray.storage.files import read_file, write_atomically
from quantray.storage.seals import fault, from_parquet, to_parquet

__all__ = ["Layout", "ResultState", "ResultStore", "places"]

_NOTES = TypeAdapter(dict[str, str])
_AGAIN = "run the same command again, which computes it anew"


class ResultState(enum.Enum):
    """Whether there is a result, and whether it can be used."""

    WHOLE = enum.auto()
    ABSENT = enum.auto()
    DAMAGED = enum.auto()
    """Not what was written, of another key or layout, or of an older quantray; whoever needs it computes it again."""


@dataclass(frozen=True)
class Layout:
    """What a result holds. A seal is anybody's to make, so that a result from elsewhere may hold anything."""

    schema: pa.Schema
    n_rows: int | None = None
    """None where it depends on what was computed."""

    def fault(self, content: bytes) -> str | None:
        """What is wrong with the bytes of a file, in words that follow its name; None where they are laid out so."""
        try:
            found = pq.read_metadata(pa.BufferReader(content))
            schema = found.schema.to_arrow_schema()
        except (OSError, ValueError, TypeError, pa.ArrowException) as error:
            return f"is no table: {first_line(error)}"
        if not schema.equals(self.schema):
            return f"holds {_columns(schema)}, and the study's results {_columns(self.schema)}"
        if self.n_rows not in (None, found.num_rows):
            return f"has {found.num_rows} rows and not {self.n_rows}"
        return None


@dataclass(frozen=True)
class ResultStore:
    """Tables in a folder that all workers see, one sealed Parquet file per key.

    A file appears whole or not at all: it is written beside its place, flushed to disk, and renamed. Writing the same
    key twice is harmless, so a unit of work may run more than once. The seal covers every byte of the file and its key.
    """

    root: Path

    def has(self, key: str, layout: Layout | None = None) -> bool:
        """Whether the result of a key is there, and whole."""
        return self.state(key, layout) is ResultState.WHOLE

    def state(self, key: str, layout: Layout | None = None) -> ResultState:
        """What there is under a key; the file is read and its seal compared, which takes far less than using it.

        Parameters
        ----------
        layout : a result that is laid out otherwise counts as damaged.
        """
        try:
            content = read_file(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return ResultState.ABSENT
        except OSError:
            return ResultState.DAMAGED
        wrong = fault(content, key) or (layout.fault(content) if layout else None)
        return ResultState.WHOLE if wrong is None else ResultState.DAMAGED

    def put(self, key: str, table: pa.Table, notes: Mapping[str, str] | None = None) -> None:
        """Write a table under a key, with notes in its metadata.

        Raises
        ------
        DataError
            The folder cannot be written, or the disk is full; nothing half-written stays.
        """
        noted = table.replace_schema_metadata({"quantray": json.dumps(dict(notes or {}))})
        write_atomically(self.path(key), to_parquet(noted, key))

    def get(self, key: str, layout: Layout | None = None) -> pa.Table:
        """The table of a key.

        Raises
        ------
        DataError
            There is none, or its file is damaged or laid out otherwise.
        """
        path = self.path(key)
        if not path.exists() and path.parent.parent.is_dir():
            # Network file systems remember for a while what was not there; listing the folders makes them look again.
            for folder in (path.parent.parent, path.parent):
                with contextlib.suppress(OSError):
                    os.listdir(folder)
        try:
            content = read_file(path)
            table = from_parquet(content, key)
        except FileNotFoundError as error:
            raise DataError(
                f"result {path} is not there; if it was computed on another machine, choose a folder with runs= that "
                "all machines mount at the same path."
            ) from error
        except OSError as error:
            raise DataError(f"result {path} cannot be read: {reason(error)}; see to its folder.") from error
        except DataError as error:
            raise DataError(f"result {path} {error}; {_AGAIN}.") from error
        if layout and (wrong := layout.fault(content)):
            raise DataError(f"result {path} {wrong}; {_AGAIN}.")
        return table

    def notes(self, key: str, table: pa.Table | None = None) -> dict[str, str]:
        """What was noted beside a table; raises as ``get``.

        Parameters
        ----------
        table : of the key, where it has been read already.
        """
        found = ((self.get(key) if table is None else table).schema.metadata or {}).get(b"quantray", b"")
        try:
            return _NOTES.validate_json(found)
        except ValidationError as error:
            raise DataError(
                f"result {self.path(key)} has notes that no study wrote; delete it and run the study again."
            ) from error

    def size(self, keys: Iterable[str]) -> int:
        """Bytes on disk of the results of some keys and of what is beside them; of what is not there, none."""
        found = [path for key in set(keys) for path in (self.path(key), *self.folder(key).glob("*"))]
        return sum(path.stat().st_size for path in found if path.is_file())

    def path(self, key: str) -> Path:
        """Where the file of a key is, or would be."""
        return self.root / key[:2] / f"{key}.parquet"

    def folder(self, key: str) -> Path:
        """Where the work on a key may keep what it goes on from, such as a checkpoint."""
        return self.root / "checkpoints" / key[:2] / key


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def places(table: pa.Table, dates: Dates, assets: Names) -> tuple[Int, Int]:
    """Rows and columns of a panel that the columns ``date`` and ``symbol`` of a result stand for.

    Raises
    ------
    DataError
        The panel has no such date or name.
    """
    days = table["date"].to_numpy().astype("datetime64[D]")
    rows = np.searchsorted(dates, days)
    column = {asset: i for i, asset in enumerate(assets.tolist())}
    columns = [column.get(symbol, -1) for symbol in table["symbol"].to_pylist()]
    strange = (dates[np.minimum(rows, len(dates) - 1)] != days) | (np.array(columns, dtype=np.int64) < 0)
    if strange.any():
        first = int(np.argmax(strange))
        raise DataError(
            f"a result speaks of {table['symbol'][first]} on {days[first]}, which the study does not; delete the "
            "folder of results, and run the study again."
        )
    return rows, np.array(columns, dtype=np.int64)
