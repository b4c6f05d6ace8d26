"""Tables in versions on Delta Lake: each commit is whole, and every byte that is read is the byte that was written.

The rows of a table lie in parts, one Parquet file each, such as one for a year. A commit replaces some parts, and the
notes that Delta keeps with it name the files of the whole version with their SHA-256; the notes carry one of
themselves. So reading takes the log's entry of a version and the files that it names, notices any change to either, and
can say which earlier version does without a damaged file. Delta settles who may commit; its own files have no checksums
and its reader looks for none, so files are written and read here.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from quantray.errors import DataError, first_line
from quantray.storage.entries import ForeignError, Part, Snapshot, opened, sealed
from quantray.storage.places import Place

__all__ = ["OvertakenError", "Verification", "VersionedTable"]

_LOG = "_delta_log"
_LATEST = "_latest_version"
"""The last version that was committed, so that a log which lost its end is noticed."""
_ENTRY = re.compile(r"(\d{20})\.json")
# Logs and replaced files stay for ten years, so that a study's data can be read again in its exact version.
_CONFIGURATION: dict[str, str | None] = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}


class OvertakenError(DataError):
    """Another writer committed since the version that a write was made from."""


class _DamagedError(Exception):
    """A file is not as it was written."""


@dataclass(frozen=True)
class Verification:
    """What a look at every byte of a table found."""

    n_versions: int
    n_files: int
    problems: tuple[str, ...]
    """One line for each thing that is damaged or gone, with what to do; none where all is as it was written."""
    strays: tuple[str, ...]
    """Files of rows that no version names, as a killed writer leaves them, or one that is still at work."""


class VersionedTable:
    """Rows in parts under a folder or an object-store address, versioned and safe for concurrent readers.

    Parameters
    ----------
    uri : a local folder, or an address such as ``s3://bucket/market``.
    kind : what the table is, as ``market store``; a table of another kind is refused.
    schema : of its rows.
    remedies : how to make one where there is none, and what to do where another table is; both end a sentence.
    storage_options : credentials and the like for object stores, as ``deltalake`` takes them.
    """

    def __init__(
        self,
        uri: str,
        *,
        kind: str,
        schema: pa.Schema,
        remedies: tuple[str, str],
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self.uri = uri
        self._kind, self._schema, self._remedies = kind, schema, remedies
        self._options = dict(storage_options) if storage_options else None

    @cached_property
    def _place(self) -> Place:
        return Place.at(self.uri, self._options)

    def exists(self) -> bool:
        """Whether there is any Delta table.

        Raises
        ------
        DataError
            The place cannot be read.
        """
        return bool(self._numbers())

    def snapshot(self, number: int | None = None) -> Snapshot:
        """A version, by default the latest.

        Raises
        ------
        DataError
            There is no table, no such version, or its entry in the log is damaged or gone.
        """
        numbers = self._numbers()
        if not numbers:
            raise DataError(f"there is no {self._kind} at {self.uri}; {self._remedies[0]}.")
        latest = max(numbers)
        if number is not None and not 0 <= number <= latest:
            raise DataError(f"{self.uri} has no version {number}; they run from 0 to {latest}.")
        for each in range(latest if number is None else number, -1, -1):
            if (found := self._entry(each)) is not None:
                return found
        raise DataError(f"{self.uri} is a Delta table but no {self._kind}; {self._remedies[1]}.")

    def snapshots(self) -> tuple[Snapshot, ...]:
        """All versions, oldest first; raises as ``snapshot``."""
        found = [self._entry(number) for number in range(self.snapshot().number + 1)]
        return tuple(each for each in found if each is not None)

    def read(
        self,
        version: Snapshot,
        columns: Sequence[str] | None = None,
        *,
        parts: Callable[[str], bool] = lambda name: True,
        keep: ds.Expression | None = None,
    ) -> Iterator[pa.Table]:
        """The rows of a version, part by part in the order of their names; texts come as dictionaries.

        Parameters
        ----------
        parts : which parts to read, by name.
        keep : which rows, by the columns that are read.

        Raises
        ------
        DataError
            A file is not as it was written; the message says which version does without it.
        """
        texts = [field.name for field in self._schema if field.type == pa.string()]
        chosen = list(columns or self._schema.names)
        for part in version.parts:
            if not parts(part.name):
                continue
            content = self._content(version, part)
            try:
                if not pq.read_schema(pa.BufferReader(content)).equals(self._schema):
                    raise DataError(f"{self.uri}: {part.file} holds other columns; write it anew.")
                # Not by a scanner: its threads may still hold the bytes when Python ends, and take it down with them.
                with pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts) as opened:
                    rows = opened.read(chosen).select(chosen)
                yield rows if keep is None else rows.filter(keep)
            except (pa.ArrowException, OSError) as error:
                raise DataError(
                    f"{self.uri}: {part.file} cannot be read: {first_line(error)}; write it anew."
                ) from error

    def write(
        self,
        parts: Iterable[tuple[str, pa.Table]],
        notes: Mapping[str, Any],
        *,
        base: Snapshot | None,
        whole: bool = False,
    ) -> Snapshot:
        """Commit parts in place of those of the same names; all or nothing.

        Parameters
        ----------
        parts : names and rows, taken one at a time; a part without rows is gone from then on.
        notes : kept with the version; anything that JSON holds.
        base : the version that the parts were made from; none for a new table.
        whole : whether the parts are all that the new version holds.

        Raises
        ------
        OvertakenError
            Another writer committed since ``base``.
        DataError
            The place cannot be written; it holds what it held before.
        """
        writing: list[Future[Part]] = []
        replaced = set()
        try:
            # A part is encoded and written while the next is made; more of them would take more memory.
            with ThreadPoolExecutor(1) as writer:
                for name, rows in parts:
                    replaced.add(name)
                    if rows.num_rows:
                        writing.append(writer.submit(self._keep, name, rows))
                    del rows
                    for before in writing[-2:-1]:
                        before.result()
            written = [each.result() for each in writing]
            kept = [] if base is None or whole else [part for part in base.parts if part.name not in replaced]
            everything = tuple(sorted([*kept, *written], key=lambda part: part.name))
            return self._commit(everything, notes, base)
        except (DeltaError, OSError, DataError) as error:
            for part in (each.result() for each in writing if each.exception() is None):
                with suppress(DeltaError, OSError):
                    self._place.remove(part.file)
            if isinstance(error, DataError):
                raise
            raise DataError(f"cannot write {self.uri}: {first_line(error)}") from error

    def verify(self) -> Verification:
        """Look at every byte of every version.

        Raises
        ------
        DataError
            There is no table, or it cannot be read at all.
        """
        entries: dict[int, Snapshot] = {}
        problems = []
        latest = max(self._numbers() or [self.snapshot().number])
        for number in range(latest + 1):
            try:
                found = self._entry(number)
            except DataError as error:
                problems.append(str(error))
            else:
                entries |= {} if found is None else {number: found}
        files = {part.file: part for entry in entries.values() for part in entry.parts}
        damaged = {}
        for file, part in files.items():
            try:
                self._intact(part)
            except _DamagedError as error:
                damaged[file] = str(error)
        problems += [self._told(file, what, entries.values(), damaged) for file, what in damaged.items()]
        strays = sorted(name for name in self._place.names("") if name.endswith(".parquet") and name not in files)
        # Where an entry is lost, what it named is no stray.
        return Verification(len(entries), len(files), tuple(problems), () if problems else tuple(strays))

    def _keep(self, name: str, rows: pa.Table) -> Part:
        sink = pa.BufferOutputStream()
        pq.write_table(rows.cast(self._schema), sink, compression="zstd")
        content = sink.getvalue()
        part = Part(name, f"{uuid.uuid4().hex}.parquet", rows.num_rows, sha256(content).hexdigest())
        self._place.write(part.file, content)
        return part

    def _commit(self, parts: tuple[Part, ...], notes: Mapping[str, Any], base: Snapshot | None) -> Snapshot:
        latest = max(self._numbers(), default=-1)
        current = self.snapshot() if latest >= 0 else None
        if (current and current.number) != (base and base.number):
            raise self._overtaken()
        made = Snapshot(latest + 1, datetime.now(UTC), dict(notes), parts)
        old = set() if base is None else {part.file for part in base.parts}
        adds = [self._added(part) for part in parts if part.file not in old]
        gone = old - {part.file for part in parts}
        now = int(time.time() * 1000)
        properties = CommitProperties(custom_metadata=sealed(made, self._kind), max_commit_retries=0)
        schema = Schema.from_arrow(self._schema)
        try:
            if base is None:
                create_table_with_add_actions(
                    self._place.address,
                    schema,
                    adds,
                    mode="error",
                    configuration=_CONFIGURATION,
                    storage_options=self._options,
                    commit_properties=properties,
                )
            else:
                table = DeltaTable(self._place.address, version=latest, storage_options=self._options)
                removes = [RemoveAction(file, True, now, None, {}) for file in sorted(gone)]
                table.create_write_transaction([*adds, *removes], "append", schema, commit_properties=properties)
        except (DeltaError, OSError) as error:
            landed = self._readable(made.number)
            if landed is None or landed.parts != made.parts or landed.time != made.time:
                if max(self._numbers(), default=-1) > latest:
                    raise self._overtaken() from error
                raise
            # The commit is in the log, and what Delta does after it is no part of it.
        self._remember(made.number)
        return made

    def _remember(self, number: int) -> None:
        """Note the last version; without it a loss at the log's end would go unseen, but nothing is lost."""
        with suppress(DataError, DeltaError, OSError, ValueError):
            if not self._place.has(_LATEST) or int(self._place.read(_LATEST).to_pybytes()) < number:
                self._place.write(_LATEST, str(number).encode())

    def _added(self, part: Part) -> AddAction:
        size = self._place.size(part.file)
        return AddAction(part.file, size, {}, int(time.time() * 1000), True, json.dumps({"numRecords": part.n_rows}))

    def _numbers(self) -> Collection[int]:
        """Of the entries in the log."""
        try:
            # In this order, or a commit between the two would look like a loss.
            known = self._place.read(_LATEST).to_pybytes() if self._place.has(_LATEST) else b"-1"
            found = {int(match[1]) for name in self._place.names(_LOG) if (match := _ENTRY.fullmatch(name))}
        except (DeltaError, OSError) as error:
            raise DataError(f"{self.uri} cannot be read: {first_line(error)}") from error
        last = int(known) if re.fullmatch(rb"-?\d{1,18}", known) else None
        if last is None or (last > max(found, default=-1)):
            there = f"its log ends with {max(found)}" if found else "its log is gone"
            told = f"{self.uri} has lost version {last}: {there}" if last is not None else f"{self.uri} is damaged"
            raise DataError(
                f"{told}; put {_LOG} back from a copy, or go on with what is there by deleting {self.uri}/{_LATEST}."
            )
        return found

    def _entry(self, number: int) -> Snapshot | None:
        """What was committed; none for an entry that changed no rows, such as a vacuum's."""
        name = f"{_LOG}/{number:020d}.json"
        try:
            return opened(number, self._place.read(name).to_pybytes(), self._kind)
        except FileNotFoundError as error:
            raise DataError(f"{self.uri} has lost the entry of version {number}, {name}; put it back.") from error
        except (DeltaError, OSError, ValueError) as error:
            told = f"{self.uri} cannot be read: {name} is damaged ({first_line(error)})"
            raise DataError(f"{told}; put it back, or read an earlier version.") from error
        except ForeignError as error:
            raise DataError(
                f"{self.uri} is a Delta table but no {self._kind} at version {number}; {self._remedies[1]}."
            ) from error

    def _content(self, version: Snapshot, part: Part) -> pa.Buffer:
        try:
            return self._intact(part)
        except _DamagedError as error:
            earlier = [entry for number in range(version.number) if (entry := self._readable(number)) is not None]
            told = self._told(part.file, str(error), [*earlier, version], [part.file])
            raise DataError(told) from error

    def _intact(self, part: Part) -> pa.Buffer:
        """The bytes of a file, as they were written."""
        try:
            content = self._place.read(part.file)
        except FileNotFoundError as error:
            raise _DamagedError("is gone") from error
        except (DeltaError, OSError) as error:
            raise _DamagedError(f"cannot be read ({first_line(error)})") from error
        if sha256(content).hexdigest() != part.sha256:
            raise _DamagedError("is damaged: its bytes are not those written")
        return content

    def _readable(self, number: int) -> Snapshot | None:
        with suppress(DataError):
            return self._entry(number)
        return None

    def _told(self, file: str, what: str, entries: Iterable[Snapshot], damaged: Collection[str]) -> str:
        """What is wrong with a file, who needs it, and where to go back to."""
        using = [entry for entry in entries if any(part.file == file for part in entry.parts)]
        name = next(part.name for part in using[0].parts if part.file == file)
        without = [entry for entry in entries if not {part.file for part in entry.parts} & {*damaged}]
        whole = [entry.number for entry in without if entry.number < using[-1].number]
        numbers = [entry.number for entry in using]
        versions = f"version {numbers[0]}" if len(numbers) == 1 else f"versions {numbers[0]} to {numbers[-1]}"
        back = f"version {whole[-1]} does without it: data.version={whole[-1]}; or " if whole else ""
        return f"{self.uri}: {file} ({name}, of {versions}) {what}; {back}put it back from a copy, or write it anew."

    def _overtaken(self) -> OvertakenError:
        return OvertakenError(f"another writer changed {self.uri} meanwhile; run the same command again.")
