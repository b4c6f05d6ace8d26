"""The log that nobody can change unseen: each row is hashed together with the one before it.

A row is canonical JSON of ``[seq, time, actor, pm, type, entity, body]``: sorted keys, no spaces, ASCII, whole numbers
only. Its hash is SHA-256 of the hash before it and the line. A chain does not show that its end was cut off:
``sealing`` signs its head.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

__all__ = ["AuditRow", "Chain", "chained", "line_of", "quoted"]

AuditRow = tuple[int, str, str, str]
"""Number, line, hash of the row before it and hash, as the columns of the table are."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False)


def line_of(seq: int, time: str, actor: str, pm: str, kind: str, entity: str, body: Mapping[str, Any] | str) -> str:
    """The canonical text of a row; a body may be given as its canonical text."""
    text = body if isinstance(body, str) else _CANONICAL.encode(body)
    return f"[{seq},{quoted(time)},{quoted(actor)},{quoted(pm)},{quoted(kind)},{quoted(entity)},{text}]"


def chained(previous: str, line: str) -> str:
    """The hash of a row; ``previous`` is that of the row before it, and empty for the first."""
    return sha256(f"{previous}\n{line}".encode()).hexdigest()


@dataclass(slots=True)
class Chain:
    """The end of a log, to which rows are added."""

    seq: int = 0
    head: str = ""
    origin: str = ""
    """Hash of the first row, which nobody who trades knows, and which is no other whatever is traded."""

    def row(self, time: str, actor: str, pm: str, kind: str, entity: str, body: Mapping[str, Any] | str) -> AuditRow:
        """The next row; see ``line_of``."""
        self.seq += 1
        line, previous = line_of(self.seq, time, actor, pm, kind, entity, body), self.head
        self.head = chained(previous, line)
        self.origin = self.origin or self.head
        return self.seq, line, previous, self.head
