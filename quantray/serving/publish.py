"""A shelf of published books: versions that never change, and a pointer to the latest that changes at once.

A book lies in a folder of its own, named by its day and a hash of what it holds. The pointer is written last, so
whoever follows it finds a whole book; a book whose publication was cut off is on nobody's way, and publishing it again
completes it. All files are checked against the hashes in the book's manifest when it is read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantray.daily.book import Book
from quantray.errors import DataError, InputError, first_line
from quantray.storage.locks import alone
from quantray.storage.places import Place
from quantray.storage.seals import file_hash

__all__ = ["Pointer", "Shelf"]

_LATEST = "latest.json"
_VERSION = r"^\d{4}-\d\d-\d\d-[0-9a-f]{12}$"
_DAY = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))\.json")
"""Other files beside these, such as what some systems leave on a disk, are nobody's books."""
_NO_FILE = (OSError, KeyError)


class Pointer(BaseModel):
    """Which book is the one of a day, or the latest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date
    version: str = Field(pattern=_VERSION)
    manifest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the book's manifest."""


@dataclass(frozen=True)
class Shelf:
    """Published books of one portfolio in a folder or an object store.

    Parameters
    ----------
    place : as ``Place.at`` finds it. One process at a time publishes.
    """

    place: Place

    @classmethod
    def at(cls, uri: str, options: Mapping[str, str] | None = None) -> "Shelf":
        """The shelf of an address: a path, ``file://`` or an object store's; raises as ``store_address``."""
        return cls(Place.at(uri, options))

    def publish(self, book: Book) -> Pointer:
        """Keep a book and point to it; a book that is there already is completed and pointed to, not kept twice.

        The latest book stays the latest where this one is of an earlier day.

        Raises
        ------
        DataError
            The place cannot be written.
        """
        files, version = book.files(), book.version
        manifest = json.dumps({name: file_hash(content) for name, content in files.items()}, indent=2).encode()
        pointer = Pointer(as_of=book.as_of, version=version, manifest=file_hash(manifest))
        if self.place.folder is None:
            return self._keep(pointer, files, manifest)
        with alone(self.place.folder):
            return self._keep(pointer, files, manifest)

    def latest(self) -> Pointer | None:
        """Which book is the latest; None before the first.

        Raises
        ------
        DataError
            The pointer is damaged.
        """
        return self._pointer(_LATEST)

    def of(self, day: date) -> Pointer:
        """Which book is the one of a day.

        Raises
        ------
        InputError
            There is none.
        DataError
            The pointer is damaged.
        """
        found = self._pointer(_day(day))
        if found is None:
            days = self.days()
            there = f"{len(days)} from {days[0]} to {days[-1]}" if days else "none yet"
            raise InputError(f"no book of {day} was published; there are {there}.")
        return found

    def days(self) -> tuple[date, ...]:
        """Days with a book, in order of time."""
        found = (_DAY.fullmatch(name) for name in self.place.names("days"))
        return tuple(sorted(date.fromisoformat(each[1]) for each in found if each))

    def read(self, pointer: Pointer) -> Book:
        """The book that a pointer points to, every byte as it was published.

        Raises
        ------
        DataError
            A file is missing or damaged.
        """
        manifest = self._content(f"books/{pointer.version}/manifest.json", pointer.manifest)
        hashes: dict[str, Any] = json.loads(manifest)
        return Book.read(lambda name: self._content(f"books/{pointer.version}/{name}", str(hashes.get(name))))

    def prune(self, keep: int) -> tuple[str, ...]:
        """Remove all but the newest days' books and say which versions went; the latest always stays.

        Raises
        ------
        InputError
            Nothing would be kept.
        """
        if keep < 1:
            raise InputError(f"{keep} books cannot be kept; keep at least the latest.")
        if self.place.folder is None:
            return self._prune(keep)
        # A book that is being published has no pointer yet.
        with alone(self.place.folder):
            return self._prune(keep)

    def _prune(self, keep: int) -> tuple[str, ...]:
        for day in self.days()[:-keep]:
            self.place.remove(_day(day))
        pointed = {self.of(day).version for day in self.days()}
        latest = self.latest()
        pointed |= {latest.version} if latest else set()
        there = [name for name in self.place.names("books") if re.fullmatch(_VERSION, name)]
        old = sorted(set(there) - pointed)
        for version in old:
            for name in self.place.names(f"books/{version}"):
                self.place.remove(f"books/{version}/{name}")
            if self.place.folder is not None:
                (self.place.folder / "books" / version).rmdir()
        return tuple(old)

    def _keep(self, pointer: Pointer, files: Mapping[str, bytes], manifest: bytes) -> Pointer:
        folder = f"books/{pointer.version}"
        for name, content in {**files, "manifest.json": manifest}.items():
            self._write(f"{folder}/{name}", content)
        self.read(pointer)
        said = pointer.model_dump_json(indent=2).encode()
        self._write(_day(pointer.as_of), said)
        latest = self.latest()
        if latest is None or pointer.as_of >= latest.as_of:
            self._write(_LATEST, said)
        return pointer

    def _write(self, name: str, content: bytes) -> None:
        if self.place.has(name) and bytes(self.place.read(name)) == content:
            return
        try:
            self.place.write(name, content)
        except OSError as error:
            raise DataError(f"{self.place.address}/{name} cannot be written: {first_line(error)}.") from error

    def _pointer(self, name: str) -> Pointer | None:
        try:
            if not self.place.has(name):
                return None
            return Pointer.model_validate_json(bytes(self.place.read(name)))
        except ValidationError as error:
            raise DataError(f"{self.place.address}/{name} points to no book; publish the day's book again.") from error

    def _content(self, name: str, expected: str) -> bytes:
        try:
            content = bytes(self.place.read(name))
        except _NO_FILE as error:
            raise DataError(f"{self.place.address}/{name} cannot be read; publish the book again.") from error
        if file_hash(content) != expected:
            raise DataError(f"{self.place.address}/{name} is not what was published; publish the book again.")
        return content


def _day(day: date) -> str:
    return f"days/{day}.json"
