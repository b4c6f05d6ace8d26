"""What a store said at first and says otherwise now, and the bars as they were known at the time.

A store keeps its versions, so each value has a first one. Later ones may be corrections, prices adjusted for events
that took place since, which no return sees, or prices scaled by what nobody could know then, such as their largest.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Float
from quantray.data.quality.overlap import join

__all__ = ["VersionedBars", "as_known", "restated", "summary"]

_PRICES = ("open", "high", "low", "close")
_FIELDS = (*_PRICES, "volume", "dividend", "split", "delist_return")
_KEYS = ["symbol", "date"]
_COMMON = pd.Timedelta(days=60)
"""How long before its first new day a commit is compared with what was known."""
_SAME = 1e-6
"""Log ratio within which prices stand in one constant ratio."""


class VersionedBars(Protocol):
    """What is needed of a store: the commits, and the bars of any of them."""

    def versions(self) -> tuple["Commit", ...]:
        """All commits, oldest first."""

    def bars(self, first: object = None, last: object = None, *, version: int | None = None) -> pd.DataFrame:
        """Rows as stored."""


class Commit(Protocol):
    """One commit of a store: its number, what it did and the days that it wrote."""

    @property
    def number(self) -> int: ...
    @property
    def operation(self) -> str: ...
    @property
    def first(self) -> str: ...
    @property
    def last(self) -> str: ...


def _written(store: VersionedBars, version: int | None) -> Iterator[tuple[int, pd.DataFrame]]:
    """Number and rows of each commit: of an import all, of an append those of its days."""
    for commit in store.versions():
        if version is not None and commit.number > version:
            return
        whole = commit.operation == "import"
        span = (None, None) if whole else (commit.first, commit.last)
        yield commit.number, store.bars(*span, version=commit.number)


def as_known(store: VersionedBars, *, version: int | None = None) -> pd.DataFrame:
    """Bars with the values of the commit that first held each (date, symbol).

    Where a later import came on another basis of splits or dividends, what follows goes on from what was known; see
    ``overlap.join``.

    Parameters
    ----------
    version : the last commit that counts; by default the latest.
    """
    parts: list[pd.DataFrame] = []
    for _, rows in _written(store, version):
        fresh = rows.sort_values(_KEYS, ignore_index=True)
        if parts:
            fresh = _unknown(fresh, parts)
        if len(fresh):
            parts.append(fresh)
    return pd.concat(parts).sort_values(["date", "symbol"], ignore_index=True)


def _unknown(fresh: pd.DataFrame, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of a commit that earlier ones do not hold, going on from what these hold."""
    start = fresh["date"].min() - _COMMON
    known = pd.concat([part[part["date"] >= start] for part in parts if part["date"].max() >= start] or parts[-1:])
    new = ~_member(fresh, known)
    if not new.any():
        return fresh[:0]
    # The days in common tell the basis; of those long ago nothing is needed.
    recent = fresh["date"] >= fresh["date"][new].min() - _COMMON
    joined = join(fresh[recent].reset_index(drop=True), known, refuse=False)
    return joined.bars[~_member(joined.bars, known)]


def _member(rows: pd.DataFrame, known: pd.DataFrame) -> Bool:
    return np.asarray(pd.MultiIndex.from_frame(rows[_KEYS]).isin(pd.MultiIndex.from_frame(known[_KEYS])))


def restated(store: VersionedBars, *, version: int | None = None) -> pd.DataFrame:
    """Fields and dates whose values were different when they were first known.

    Parameters
    ----------
    version : the last commit that counts; by default the latest.

    Returns
    -------
    Rows of symbol, field, kind, first and last date, number of cells, the largest change as a ratio, version that first
    held the values and the values then and now (of the first date). Kinds: ``corrected``, single cells; ``withdrawn``,
    bars that are gone; ``rescaled``, all prices of a span in one constant ratio, as where they are adjusted for events
    that took place since, or divided by their largest value: returns do not see it, but levels knew the future.
    """
    commits = list(_written(store, version))
    numbers = [number for number, _ in commits]
    stacked = pd.concat([rows.assign(version=number) for number, rows in commits], ignore_index=True)
    first = stacked.drop_duplicates(_KEYS, keep="first")
    now = store.bars(version=numbers[-1])
    both = first.merge(now, how="left", on=_KEYS, suffixes=("", "_now"), indicator="found")
    other = (both["found"] == "left_only").to_numpy(copy=True)
    for field in _FIELDS:
        other |= _differs(*(both[name].to_numpy(dtype=np.float64) for name in (field, f"{field}_now")))
    # Most symbols of most commits are as they were.
    differing = pd.MultiIndex.from_frame(both.loc[other, ["symbol", "version"]]).unique()
    both = both[pd.MultiIndex.from_frame(both[["symbol", "version"]]).isin(differing)]
    found = []
    for (symbol, number), rows in both.sort_values(_KEYS).groupby(["symbol", "version"], sort=True):
        if (known := int(str(number))) != numbers[-1]:
            found += _changes(str(symbol), known, rows)
    columns = ["symbol", "field", "kind", "first", "last", "cells", "ratio", "version", "then", "now"]
    return pd.DataFrame(found, columns=columns)


def _changes(symbol: str, known: int, rows: pd.DataFrame) -> list[tuple[object, ...]]:
    """Differences of the rows of a symbol that one commit first held."""
    out: list[tuple[object, ...]] = []
    gone = (rows["found"] == "left_only").to_numpy()
    if gone.any():
        out.append(
            _line(symbol, "all", "withdrawn", known, rows[gone], rows["close"][gone], np.full(gone.sum(), np.nan))
        )
    rows = rows[~gone]
    level = _level(rows)
    if level:
        close = rows["close"].to_numpy(dtype=np.float64)
        out.append(_line(symbol, "prices", "rescaled", known, rows, close, close * np.exp(level)))
    for field in _FIELDS:
        then, later = (rows[name].to_numpy(dtype=np.float64) for name in (field, f"{field}_now"))
        expected = then * np.exp(level) if field in (*_PRICES, "dividend") else then
        changed = _differs(expected, later)
        if level and field == "volume":
            # Shares became more or fewer with the prices.
            changed &= _differs(then * np.exp(-level), later)
        if changed.any():
            for row in np.flatnonzero(changed).tolist():
                one = rows.iloc[[row]]
                out.append(_line(symbol, field, "corrected", known, one, then[[row]], later[[row]]))
    return out


def _differs(then: Float, later: Float) -> Bool:
    with np.errstate(invalid="ignore"):
        away = np.abs(then - later) > _SAME * np.maximum(np.abs(then), np.abs(later))
    return np.asarray(away | (np.isnan(then) != np.isnan(later)))


def _level(rows: pd.DataFrame) -> float:
    """The log ratio in which most closes of a span stand to those of now; 0 where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(rows["close_now"].to_numpy(dtype=np.float64) / rows["close"].to_numpy(dtype=np.float64))
    seen = ratio[np.isfinite(ratio)]
    if len(seen) < 3:
        return 0.0
    level = float(np.median(seen))
    if abs(level) < _SAME or (np.abs(seen - level) < 1e-4).mean() < 0.8:
        return 0.0
    return level


def _line(
    symbol: str, field: str, kind: str, known: int, rows: pd.DataFrame, then: object, now: object
) -> tuple[object, ...]:
    old, new = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = new / old
    largest = float(ratio[np.nanargmax(np.abs(np.log(ratio)))]) if np.isfinite(np.log(np.abs(ratio))).any() else np.nan
    days = rows["date"]
    return symbol, field, kind, days.min(), days.max(), len(rows), largest, known, float(old[0]), float(new[0])


def summary(changes: pd.DataFrame) -> str:
    """Restatements in one sentence."""
    counts = changes.groupby("kind")["cells"].sum()
    if changes.empty:
        return "no value has changed since it was first known"
    told = ", ".join(f"{int(count):,} {kind}" for kind, count in counts.items())
    corrected = changes[changes["kind"] == "corrected"]
    worst = ""
    if len(corrected):
        size = np.abs(np.log(corrected["ratio"].where(corrected["ratio"] > 0)))
        if size.notna().any():
            row = corrected.loc[size.idxmax()]
            change = f"{row['symbol']} {row['field']} {str(row['first'])[:10]}, {row['then']:g} to {row['now']:g}"
            worst = f"; the largest correction: {change}"
    return f"values that were different when first known: {told}, of {changes['symbol'].nunique():,} symbols{worst}"
