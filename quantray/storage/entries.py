"""Entries of a log: what a commit says of the version that it made, with a seal of its own."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

__all__ = ["ForeignError", "Part", "Snapshot", "opened", "sealed"]

_FILE = r"^[0-9a-f]{32}\.parquet$"
_NO_ENTRY = (LookupError, TypeError, AttributeError, StopIteration, RecursionError)
"""What JSON that is no entry of a log leads to."""


class ForeignError(Exception):
    """Another program made the entry, or the table is of another kind."""


@dataclass(frozen=True)
class Part:
    """Rows of a version that lie in one file."""

    name: str
    """What they have in common, such as their year."""
    file: str
    n_rows: int
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """One committed state of a table."""

    number: int
    time: datetime
    notes: Mapping[str, Any]
    """What the writer said of the commit."""
    parts: tuple[Part, ...]
    """Of the whole version, by name."""

    @property
    def n_rows(self) -> int:
        """Rows of the whole version."""
        return sum(part.n_rows for part in self.parts)


class _Sealed(BaseModel):
    """What the notes of a commit hold; anybody may have written them."""

    kind: str
    time: datetime
    notes: dict[str, Any]
    parts: tuple[tuple[str, Annotated[str, Field(pattern=_FILE)], NonNegativeInt, str], ...]


def sealed(made: Snapshot, kind: str) -> dict[str, str]:
    """What Delta keeps with the commit of a version of a table of some kind."""
    about = {"kind": kind, "time": made.time.isoformat(), "notes": made.notes}
    text = json.dumps(about | {"parts": [list(asdict(part).values()) for part in made.parts]})
    return {"quantray": text, "quantray_sha256": _seal(made.number, text)}


def opened(number: int, content: bytes, kind: str) -> Snapshot | None:
    """The version that an entry made; none where it changed no rows, such as a vacuum's.

    Raises
    ------
    ValueError
        The entry is not as it was written.
    ForeignError
        Another program changed rows, or the table is of another kind.
    """
    try:
        actions = [json.loads(line) for line in content.splitlines() if line.strip()]
        about: dict[str, Any] = next(each["commitInfo"] for each in actions if "commitInfo" in each)
        text, seal = about.get("quantray"), about.get("quantray_sha256")
    except _NO_ENTRY as error:
        raise ValueError("it is no entry of a log") from error
    if text is None and seal is None:
        if any("add" in each or "remove" in each or "metaData" in each for each in actions):
            raise ForeignError
        return None
    if not isinstance(text, str) or seal != _seal(number, text):
        raise ValueError("its seal does not fit")
    try:
        found = _Sealed.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("it describes no version") from error
    if found.kind != kind:
        raise ForeignError
    return Snapshot(number, found.time, found.notes, tuple(Part(*part) for part in found.parts))


def _seal(number: int, text: str) -> str:
    return sha256(f"{number}\n{text}".encode()).hexdigest()
