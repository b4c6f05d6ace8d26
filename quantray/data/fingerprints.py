"""Hashes of windows of a panel, in which windows that overlap share the work."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Dates, Float, Int, Names, digest, plain
from quantray.errors import InputError

__all__ = ["Fingerprints", "Window"]

_NAMES = 24
"""Of a group of assets: few enough that a change of members touches little, enough that a block is worth its call."""
_DIGEST = 16
"""Bytes of the digest of a block."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Window:
    """Some rows and columns of a panel.

    Raises
    ------
    InputError
        Rows without a start and a stop, of another step than one or counted from the end, or columns that are no mask.
    """

    rows: slice
    columns: Bool
    """(N,) of the panel's assets."""

    def __post_init__(self) -> None:
        start, stop = self.rows.start, self.rows.stop
        if start is None or stop is None or start < 0 or stop < start or self.rows.step not in (None, 1):
            raise InputError(f"rows {self.rows} must have a start and a later stop, both counted from the first row.")
        if self.columns.dtype != np.bool_ or self.columns.ndim != 1:
            raise InputError("columns must be a mask, one boolean for each asset.")


class _Kept:
    """Digests of whole months, for groups of the names that the last window had.

    Parameters
    ----------
    group : (N,) of each asset.
    """

    def __init__(self, group: Int, groups: int, months: int) -> None:
        self._group = group
        self._columns = np.zeros(len(group), dtype=np.bool_)
        self.order: Int = np.zeros(0, dtype=np.int64)
        """Columns of the last window, group after group."""
        self.sizes: Int = np.zeros(groups, dtype=np.int64)
        """(groups,) how many each has."""
        self.digests: Bytes = np.zeros((months, groups, _DIGEST), dtype=np.uint8)
        self.known: Bool = np.zeros((months, groups), dtype=np.bool_)

    def move(self, columns: Bool) -> None:
        """Go over to (N,) other columns; of groups whose names are not the same as before, nothing is known."""
        changed = columns != self._columns
        if changed.any():
            self.known[:, self._group[changed]] = False
            chosen = np.flatnonzero(columns)
            group = self._group[chosen]
            self.order = chosen[np.argsort(group, kind="stable")]
            self.sizes = np.bincount(group, minlength=len(self.sizes))
            self._columns = columns.copy()


class Fingerprints:
    """Fingerprints of windows of a panel: equal content gives equal ones, whatever panel the window lies in.

    A window is cut into blocks: the rows of its first calendar month, those of its last, and between them each month by
    a group of its names. Its fingerprint is a hash of its dates, its names and the digests of its blocks. Which group a
    name is in follows from the name and from how many there are in the window. So a window that begins some months
    later than the last one hashes its ends and the months that are new, and where a name has come or gone, the months
    of its group; the digests of months by groups are kept.

    Takes 16 bytes for every two dozen names and month, and while it hashes 9 bytes for every value of a month. It is
    for one thread at a time.

    Parameters
    ----------
    dates, assets, fields, member, periods_per_year : of the panel.
    """

    def __init__(
        self, dates: Dates, assets: Names, fields: Mapping[str, Float], member: Bool, periods_per_year: int
    ) -> None:
        self._dates, self._assets, self._fields, self._member = dates, assets, fields, member
        self._told = [*fields, f"{periods_per_year} periods a year"]
        months = dates.astype("datetime64[M]").astype(np.int64)
        self._edges = np.concatenate([[0], np.flatnonzero(np.diff(months)) + 1, [len(dates)]])
        self._hashes = np.array([zlib.crc32(name.encode()) for name in assets.tolist()], dtype=np.int64)
        self._kept: dict[int, _Kept] = {}

    def of(self, window: Window) -> str:
        """Hash of everything in a window, as 32 hexadecimal digits; see ``arrays.digest`` for what is equal.

        Raises
        ------
        InputError
            The window reaches beyond the panel.
        """
        rows, chosen = window.rows, np.flatnonzero(window.columns)
        if rows.stop > len(self._dates) or len(window.columns) != len(self._assets):
            raise InputError(
                f"a window of rows {rows.start} to {rows.stop} and {len(window.columns)} columns does not lie in a "
                f"panel of {len(self._dates)} dates and {len(self._assets)} assets."
            )
        names = json.dumps(self._assets[chosen].tolist())
        told: list[str | npt.NDArray[np.generic]] = [self._dates[rows], names, *self._told]
        if rows.stop > rows.start and len(chosen):
            first = int(np.searchsorted(self._edges, rows.start, side="right"))
            last = int(np.searchsorted(self._edges, rows.stop, side="left")) - 1
            ends = (
                [rows] if first > last else [slice(rows.start, self._edges[first]), slice(self._edges[last], rows.stop)]
            )
            told += [self._hashed(end, chosen, [len(chosen)]) for end in ends]
            told.append(self._between(range(first, max(first, last)), window.columns))
        return digest(told)

    def _between(self, months: range, columns: Bool) -> Bytes:
        """(months, groups, 16) digests of whole months."""
        kept = self._of_groups(_groups(int(columns.sum())))
        kept.move(columns)
        missing = ~kept.known[months.start : months.stop]
        for month in (months.start + np.flatnonzero(missing.any(axis=1))).tolist():
            groups = ~kept.known[month]
            chosen = kept.order[np.repeat(groups, kept.sizes)]
            rows = slice(self._edges[month], self._edges[month + 1])
            kept.digests[month, groups] = self._hashed(rows, chosen, kept.sizes[groups].tolist())
            kept.known[month] = True
        return kept.digests[months.start : months.stop]

    def _hashed(self, rows: slice, columns: Int, sizes: list[int]) -> Bytes:
        """(blocks, 16) digests of blocks of rows, each of the next so many of the columns."""
        # A name after the other, so that a block's values lie together.
        values = np.empty((len(columns), len(self._fields), rows.stop - rows.start))
        for number, field in enumerate(self._fields.values()):
            values[:, number] = field[rows].T[columns]
        member = np.ascontiguousarray(self._member[rows].T[columns])
        parts = [(_bytes(array), array[:1].nbytes) for array in (plain(values, out=values), member)]
        hashed = []
        for start, stop in pairwise(accumulate(sizes, initial=0)):
            hasher = blake2b(digest_size=_DIGEST)
            for data, size in parts:
                hasher.update(data[start * size : stop * size])
            hashed.append(hasher.digest())
        return np.frombuffer(b"".join(hashed), dtype=np.uint8).reshape(-1, _DIGEST)

    def _of_groups(self, groups: int) -> _Kept:
        if groups not in self._kept:
            self._kept[groups] = _Kept(self._hashes % groups, groups, len(self._edges) - 1)
        return self._kept[groups]


def _bytes(array: npt.NDArray[np.generic]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _groups(names: int) -> int:
    """Of so many names: a power of two, so that most windows of a panel have as many."""
    return 1 << max(0, round(float(np.log2(names / _NAMES))))
