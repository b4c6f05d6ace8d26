"""What does not agree: each with the row of the log that shows it, and numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Finding", "Findings"]

_MOST = 200
"""Findings that are kept: the first ones say what is wrong, those after them follow from it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree; ``row`` is 0 where it is of no row of the log."""

    row: int
    subject: str
    text: str

    def __str__(self) -> str:
        """In a line."""
        return f"row {self.row:,}: {self.subject}: {self.text}" if self.row else f"{self.subject}: {self.text}"


@dataclass(slots=True)
class Findings:
    """The first findings, and how many there are."""

    count: int = 0
    row: int = 0
    """Of the log, at which the reader is; 0 when it is past all."""
    kept: list[Finding] = field(default_factory=list)

    def add(self, subject: str, text: str) -> None:
        """Something that does not agree at this row."""
        self.count += 1
        if len(self.kept) < _MOST:
            self.kept.append(Finding(self.row, subject, text))

    def __iter__(self) -> Iterator[Finding]:
        """Those that are kept."""
        return iter(self.kept)
