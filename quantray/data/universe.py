"""Who was a member when: point-in-time universes and sector labels."""

import csv
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quantray.arrays import Bool, Float, as_day
from quantray.data.calendar import Frequency, rebalance_dates
from quantray.data.panel import Panel
from quantray.data.symbols import NO_IDS, SymbolTable
from quantray.errors import DataError, InputError
from quantray.inputs import ordinary_file

__all__ = ["PRESETS", "Among", "Everything", "MembershipFile", "RankBand", "Symbols", "Universe", "read_sectors"]


class Universe(ABC):
    """Says which assets of a panel are members on which date, from what was known then."""

    @property
    def warm_up_days(self) -> int:
        """Trading days of history needed before the first membership; 0 where membership needs none."""
        return 0

    @property
    def fields(self) -> tuple[str, ...]:
        """What it looks at, beside the close."""
        return ()

    @abstractmethod
    def membership(self, panel: Panel) -> Bool:
        """(T, N) membership; row t uses rows up to t only."""

    def among(self, names: SymbolTable) -> "Universe":
        """The universe where assets go by permanent ids and have had several symbols; itself where it names none."""
        return self

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """What a reader should know of how the universe met the data, such as members that have none."""
        return ()


@dataclass(frozen=True)
class Everything(Universe):
    """Every asset with a close on the day."""

    def membership(self, panel: Panel) -> Bool:
        """(T, N): the close is known."""
        return ~np.isnan(panel.field("close"))


@dataclass(frozen=True)
class Symbols(Universe):
    """A fixed list of names, members whenever they have a close."""

    names: tuple[str, ...]
    table: SymbolTable = NO_IDS

    def among(self, names: SymbolTable) -> "Symbols":
        """The list, told by ids or by symbols that assets have or had."""
        return replace(self, table=names)

    def membership(self, panel: Panel) -> Bool:
        """(T, N): the asset is on the list and its close is known."""
        member = np.zeros(panel.shape, dtype=np.bool_)
        unknown = [name for name in self.names if not self.table.mark(member, panel, name)]
        if unknown:
            raise DataError(f"{len(unknown)} symbols of the universe are not in the data, such as {min(unknown)}.")
        return member & ~np.isnan(panel.field("close"))


@dataclass(frozen=True)
class MembershipFile(Universe):
    """Members from a CSV with columns symbol, start, end (both included; an empty end means still a member)."""

    path: str
    table: SymbolTable = NO_IDS

    def among(self, names: SymbolTable) -> "MembershipFile":
        """The file's members, told by ids or by the symbols that assets had during their spells."""
        return replace(self, table=names)

    def membership(self, panel: Panel) -> Bool:
        """(T, N): inside a membership interval, with a known close."""
        member = np.zeros(panel.shape, dtype=np.bool_)
        for symbol, start, end in self._spells():
            self.table.mark(member, panel, symbol, start, end)
        return member & ~np.isnan(panel.field("close"))

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """Members without a bar in the panel, and members whose spells overlap."""
        spells, nowhere = self._spells(), np.zeros(panel.shape, dtype=np.bool_)
        first, last = panel.dates[0], panel.dates[-1]
        wanted = {s: None for s, start, end in spells if start <= last and (end is None or end >= first)}
        absent = [s for s in wanted if not self.table.mark(nowhere, panel, s)]
        told = []
        if absent:
            more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
            told.append(f"{len(absent)} of {len(wanted)} members have no data: {', '.join(absent[:10])}{more}")
        if twice := _overlapping(spells):
            told.append(f"spells of {', '.join(twice[:10])} overlap in {self.path} and count once")
        return tuple(told)

    def _spells(self) -> list[tuple[str, np.datetime64, np.datetime64 | None]]:
        spells = []
        for line, row in _rows(Path(self.path), ("symbol", "start", "end"), "membership file"):
            try:
                start, end = as_day(row["start"]), as_day(row["end"]) if row["end"] else None
            except InputError as error:
                raise DataError(f"{self.path} row {line}: {error}") from error
            if end is not None and end < start:
                raise DataError(f"{self.path} row {line}: {row['symbol']} ends on {end}, before its start {start}.")
            spells.append((row["symbol"], start, end))
        return spells


def _overlapping(spells: list[tuple[str, np.datetime64, np.datetime64 | None]]) -> list[str]:
    """Symbols one of whose spells begins before another of theirs has ended."""
    until: dict[str, np.datetime64] = {}
    found: dict[str, None] = {}
    forever = np.datetime64("9999-12-31")
    for symbol, start, end in sorted(spells, key=lambda spell: (spell[0], spell[1])):
        if symbol in until and start <= until[symbol]:
            found[symbol] = None
        until[symbol] = max(until.get(symbol, start), forever if end is None else end)
    return list(found)


@dataclass(frozen=True)
class RankBand(Universe):
    """The assets whose rank by trailing median dollar volume lies in a band, reviewed on a schedule.

    At each review a member stays while its rank is within the band widened by ``buffer`` of its width on both sides;
    free places go to the best-ranked newcomers inside the band, then to the nearest outside it. Between reviews
    membership ends only where the close does.

    Parameters
    ----------
    first, last : ranks, from 1, both included.
    window : trading days of the trailing median.
    buffer : fraction of the band's width, between 0 and 1.
    min_days : days with a trade that the window must hold for an asset to be ranked.
    exchange : whose calendar says when a review's period ends.
    """

    first: int
    last: int
    window: int = 126
    review: Frequency = "monthly"
    buffer: float = 0.1
    min_days: int = 63
    exchange: str = "XNYS"

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise InputError(f"rank band {self.first}-{self.last} is empty; ranks start at 1.")
        if not 0 <= self.buffer <= 1 or not 1 <= self.min_days <= self.window:
            raise InputError(
                f"buffer {self.buffer} must be 0 to 1, and min_days {self.min_days} 1 to window {self.window}."
            )

    @property
    def warm_up_days(self) -> int:
        """Trading days of history needed before the first membership: the window and one review period."""
        return self.window + {"daily": 1, "weekly": 5, "monthly": 23, "quarterly": 66}[self.review]

    @property
    def fields(self) -> tuple[str, ...]:
        """The volume, beside the close."""
        return ("volume",)

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """Where the band asks for more names than there are."""
        most, asked = int(panel.member.sum(axis=1).max()), self.last - self.first + 1
        if most >= asked:
            return ()
        return (f"ranks {self.first} to {self.last} are {asked:,} names, of which the data hold {most:,} at most",)

    def membership(self, panel: Panel) -> Bool:
        """(T, N): chosen at the last review at or before the date, and still quoted."""
        close = panel.field("close")
        traded = close * panel.field("volume")
        # Daily observations of a day without trade are zeros, not gaps: they pull an illiquid name's median down.
        traded = np.where(close > 0, traded, np.nan)
        rows = np.searchsorted(panel.dates, rebalance_dates(panel.dates, self.review, exchange=self.exchange))
        rows = rows[rows >= self.min_days - 1]
        member = np.zeros(panel.shape, dtype=np.bool_)
        current = np.zeros(panel.shape[1], dtype=np.bool_)
        for k, row in enumerate(rows):
            current = self._choose(self._ranks(traded[max(0, row + 1 - self.window) : row + 1]), current)
            member[row : rows[k + 1] if k + 1 < len(rows) else None] = current
        return member & ~np.isnan(close)

    def _ranks(self, traded_tn: Float) -> Float:
        """Rank of each asset, 1 for the most traded; infinite for assets without enough days or a last close."""
        counts = (~np.isnan(traded_tn)).sum(axis=0)
        known = (counts >= self.min_days) & ~np.isnan(traded_tn[-1])
        ranks = np.full(traded_tn.shape[1], np.inf)
        if known.any():
            # NaN sort last, so the middle of the known values is a matter of counting; nanmedian is ten times slower.
            ordered, count = np.sort(traded_tn[:, known], axis=0), counts[known]
            column = np.arange(len(count))
            median = (ordered[(count - 1) // 2, column] + ordered[count // 2, column]) / 2
            # Ties go to the asset that stands first: a stable sort, so that equal input gives equal members.
            order = np.argsort(-median, kind="stable")
            place = np.empty(len(order))
            place[order] = np.arange(1, len(order) + 1)
            ranks[known] = place
        return ranks

    def _choose(self, ranks: Float, current: Bool) -> Bool:
        size = self.last - self.first + 1
        slack = self.buffer * size
        stays = current & (ranks >= self.first - slack) & (ranks <= self.last + slack)
        # Incumbents first, then by distance from the band, then by rank.
        distance = np.maximum(np.maximum(self.first - ranks, ranks - self.last), 0.0)
        order = np.lexsort((ranks, distance, ~stays))
        near = np.isfinite(ranks[order]) & (stays[order] | (distance[order] <= slack))
        chosen = np.zeros(len(ranks), dtype=np.bool_)
        chosen[order[near][:size]] = True
        return chosen


@dataclass(frozen=True)
class Among(Universe):
    """Another universe, chosen from some names only: stocks without funds, say."""

    names: tuple[str, ...]
    universe: Universe

    @property
    def warm_up_days(self) -> int:
        """As the other universe's."""
        return self.universe.warm_up_days

    @property
    def fields(self) -> tuple[str, ...]:
        """As the other universe's."""
        return self.universe.fields

    def among(self, names: SymbolTable) -> "Among":
        """As the other universe."""
        return replace(self, universe=self.universe.among(names))

    def notes(self, panel: Panel) -> tuple[str, ...]:
        """As the other universe's."""
        return self.universe.notes(panel)

    def membership(self, panel: Panel) -> Bool:
        """(T, N): as the other universe says of the panel of these names; all others are no members."""
        listed = np.isin(panel.assets, np.asarray(self.names, dtype=np.str_))
        if not listed.any():
            raise DataError(f"none of the {len(self.names)} names to choose from is in the data.")
        member = np.zeros(panel.shape, dtype=np.bool_)
        member[:, listed] = self.universe.membership(panel.select(panel.assets[listed]))
        return member


PRESETS: dict[str, RankBand] = {
    "sp500-like": RankBand(1, 500),
    "sp400-like": RankBand(501, 900),
    "russell1000-like": RankBand(1, 1000),
    "russell2000-like": RankBand(1001, 3000),
    "top2000": RankBand(1, 2000),
}
"""Universes by rank of dollar volume, standing in for index membership where no list of members is at hand."""


def read_sectors(path: str | Path) -> dict[str, str]:
    """Sector of each symbol from a CSV whose header has a symbol and a sector column (any capitalisation).

    Symbols without a sector are left out.

    Raises
    ------
    DataError
        The file is missing, cannot be read or lacks one of the columns.
    """
    rows = _rows(Path(path), ("symbol", "sector"), "sector file")
    return {row["symbol"]: row["sector"] for _, row in rows if row["symbol"] and row["sector"]}


def _rows(file: Path, columns: tuple[str, ...], what: str) -> list[tuple[int, dict[str, str]]]:
    """Line number and some columns of each row of a CSV, as text without outer blanks: NA is a listed name."""
    needed = ",".join(columns)
    ordinary_file(file, what, remedy=f"write a CSV with the columns {needed}", error=DataError)
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, skipinitialspace=True)
            header = [name.strip().lower() for name in next(reader, [])]
            if missing := [name for name in columns if name not in header]:
                raise DataError(f"{file} lacks the columns {missing}; it needs {needed}.")
            rows = []
            for row in reader:
                if len(row) > len(header):
                    raise DataError(f"{file} row {reader.line_num}: {len(row)} fields for {len(header)} columns.")
                values = dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=True))
                if row:
                    rows.append((reader.line_num, {name: values[name].strip() for name in columns}))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as a CSV with {needed}: {error}") from error
