"""The log read again by somebody who knows only the log, and the tables held against what it leads to.

Row by row: its form, its number, its link to the row before; whether what it says was allowed; what positions, cash,
reservations, limits and exposures are after it; and whether an order that was accepted kept within all limits that were
in force then. What does not agree is returned as findings, not raised: whoever audits wants all of it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantray.oms.exporting import exported_rows
from quantray.oms.reading import LogRow, log_rows, moment
from quantray.oms.replaying.findings import Finding, Findings
from quantray.oms.replaying.happened import happen
from quantray.oms.replaying.lines import Lines
from quantray.oms.replaying.standing import Standing
from quantray.oms.replaying.tables import compare

__all__ = ["Finding", "Replay", "replay_database", "replay_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a log holds, and what does not agree.

    Parameters
    ----------
    rows, orders, executions : how many; orders with those that were refused at the gate.
    head : hash of the last row; ``seq`` its number and ``time`` its time.
    seals : the number of the last seal that the log speaks of; 0 where it was never sealed.
    heads : hashes of the rows that were asked for, as far as they are there.
    findings : the first of them, in the order of the rows; ``found`` is how many there are.
    """

    rows: int
    orders: int
    executions: int
    seq: int
    head: str
    time: str
    seals: int
    heads: Mapping[int, str]
    findings: tuple[Finding, ...]
    found: int

    @property
    def agrees(self) -> bool:
        """Whether nothing was found."""
        return self.found == 0


def replay_database(url: str, *, at: Collection[int] = ()) -> Replay:
    """Replay the log of a database, at one moment, and compare it with the tables.

    Parameters
    ----------
    url : ``sqlite:///FILE`` or ``postgresql+DRIVER://...``; a gate may be at work.
    at : numbers of rows whose hashes are wanted.

    Raises
    ------
    InputError
        The address is none.
    DataError
        The database cannot be read, or its tables are of another version.
    """
    reader = _Reader(at)
    with moment(url) as connection:
        reader.read(log_rows(connection))
        compare(reader.now, connection, reader.findings)
    return reader.replay()


def replay_file(path: Path, *, at: Collection[int] = ()) -> Replay:
    """Replay an exported log; raises ``DataError`` where it was cut off or is none."""
    reader = _Reader(at)
    reader.read(exported_rows(path))
    return reader.replay()


class _Reader:
    def __init__(self, at: Collection[int]) -> None:
        self.findings, self.now = Findings(), Standing()
        self._lines, self._wanted, self._heads = Lines(self.findings), frozenset(at), dict[int, str]()
        self._rows, self._time = 0, ""

    def read(self, rows: Iterable[LogRow]) -> None:
        now, findings, take, wanted = self.now, self.findings, self._lines.take, self._wanted
        for seq, line, previous, digest in rows:
            self._rows += 1
            if seq in wanted:
                self._heads[seq] = digest
            now.origin = now.origin or digest
            row = take(seq, line, previous, digest)
            if row is not None:
                self._time = row.time
                happen(now, row, findings)

    def replay(self) -> Replay:
        now, lines = self.now, self._lines
        return Replay(
            rows=self._rows,
            orders=len(now.orders),
            executions=len(now.executions),
            seq=lines.seq,
            head=lines.head,
            time=self._time,
            seals=now.seals,
            heads=self._heads,
            findings=tuple(self.findings),
            found=self.findings.count,
        )
