"""The lines of a log: whether each is in its one form, has its number, and is chained to the one before."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from quantray.oms.replaying.findings import Findings

__all__ = ["Lines", "Row", "written"]


class Row(NamedTuple):
    """What a line says."""

    seq: int
    time: str
    actor: str
    pm: str
    kind: str
    entity: str
    body: dict[str, Any]


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


_read = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse).raw_decode
# What was read refers to nothing around itself.
written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False).encode
"""The one form of what a row says."""


@dataclass(slots=True)
class Lines:
    """The chain, as far as it was read."""

    findings: Findings
    seq: int = 0
    head: str = ""

    def take(self, seq: int, line: str, previous: str | None, digest: str) -> Row | None:
        """What the next line says; None where it cannot be read. ``previous`` is None where it was not kept."""
        self.findings.row = seq
        if seq != self.seq + 1:
            self.findings.add("numbering", _gap(self.seq + 1, seq))
        if previous is not None and previous != self.head:
            self.findings.add("chain", f"says that {previous[:12]} was before it, and that is {self.head[:12]}")
        if sha256(f"{self.head}\n{line}".encode()).hexdigest() != digest:
            self.findings.add("chain", f"the hash {digest[:12]} is not that of its text after the row before it")
        # On from what is there: one change is one finding.
        self.seq, self.head = seq, digest
        return self._row(seq, line)

    def _row(self, seq: int, line: str) -> Row | None:
        try:
            fields, _ = _read(line)
            row = Row(*fields)
            if written(fields) != line:
                self.findings.add("form", "is not written in the one form of its content")
        except (ValueError, TypeError, RecursionError) as error:
            self.findings.add("form", f"cannot be read: {error}")
            return None
        if row.seq != seq:
            self.findings.add("numbering", f"says that it is row {row.seq}")
        if not isinstance(row.body, dict):
            self.findings.add("form", "has no body")
            return None
        return row


def _gap(expected: int, seq: int) -> str:
    if seq < expected:
        return f"comes after row {expected - 1:,}"
    if seq == expected + 1:
        return f"row {expected:,} is missing before it"
    return f"rows {expected:,} to {seq - 1:,} are missing before it"
