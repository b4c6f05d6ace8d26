"""The path of regimes through time: labels, probabilities, and what they say about dwelling and switching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from quantray.arrays import Bool, Dates, Float, Int, Names, as_day, frozen
from quantray.errors import DataError, InputError

__all__ = [
    "UNKNOWN",
    "Agreement",
    "RegimePath",
    "Spells",
    "adjusted_rand",
    "by_costs",
    "minimum_dwell",
    "regroup",
    "transition_shares",
]

UNKNOWN = "unknown"
"""The name of label -1."""


@dataclass(frozen=True, eq=False)
class Spells:
    """Stretches of one regime, in order; the last one may still be going on."""

    labels: Int
    """(S,) regime of each spell."""
    first: Dates
    """(S,) its first date."""
    last: Dates
    """(S,) its last date."""
    lengths: Int
    """(S,) its number of rows."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike two paths are on the rows where both are known."""

    rows: int
    same: float
    """Share of rows with the same name; NaN where the paths have no name in common."""
    adjusted_rand: float
    """1 for the same partition whatever its names, about 0 for unrelated ones; NaN without rows."""


@dataclass(frozen=True, eq=False)
class RegimePath:
    """Which of R regimes each of T rows is in; all arrays are read-only.

    Parameters
    ----------
    dates : (T,) strictly increasing: days, or the closing times of bars as ``datetime64[m]``.
    names : (R,) unique names of the regimes.
    labels : (T,) index into ``names``; -1 before anything is known, and never again afterwards.
    probabilities : (T, R) of each regime given what was known at the row: rows of sum one, NaN where the label is -1.
        The label need not be the likeliest regime: a filter such as ``minimum_dwell`` may hold on to the old one.

    Raises
    ------
    InputError
        Shapes disagree, dates do not increase, names repeat, a label is unknown after a known one, or a row of
        probabilities is none.
    """

    dates: Dates
    names: Names
    labels: Int
    probabilities: Float

    def __post_init__(self) -> None:
        dates = np.asarray(self.dates)
        if dates.dtype.kind != "M" or np.isnat(dates).any() or not (np.diff(dates).astype(np.int64) > 0).all():
            raise InputError("the dates of a regime path must be datetime64 and strictly increasing; sort them first.")
        names = np.asarray(self.names, dtype=np.str_)
        if names.ndim != 1 or len(names) == 0 or len(set(names.tolist())) != len(names) or UNKNOWN in names:
            raise InputError(f"regime names {names.tolist()} must be unique, one at least, and none {UNKNOWN!r}.")
        labels = np.asarray(self.labels)
        if labels.shape != dates.shape or labels.dtype.kind not in "iu":
            raise InputError(f"labels are {labels.shape} {labels.dtype} for {len(dates)} dates; give one integer each.")
        if len(labels) and (labels.min() < -1 or labels.max() >= len(names)):
            raise InputError(f"labels {labels.min()} to {labels.max()} must lie between -1 and {len(names) - 1}.")
        if (np.diff((labels >= 0).astype(np.int8)) < 0).any():
            row = int(np.argmax(np.diff((labels >= 0).astype(np.int8)) < 0)) + 1
            raise InputError(f"the label of {dates[row]} is -1 after known ones; carry the last known regime forward.")
        chances = np.asarray(self.probabilities, dtype=np.float64)
        if chances.shape != (len(dates), len(names)):
            raise InputError(f"probabilities are {chances.shape} for {len(dates)} dates and {len(names)} regimes.")
        _check_probabilities(chances, labels, dates)
        for name, value in (("dates", dates), ("names", names), ("labels", labels.astype(np.int64))):
            object.__setattr__(self, name, frozen(value))
        object.__setattr__(self, "probabilities", frozen(chances))

    def __repr__(self) -> str:
        span = f"{self.dates[0]} to {self.dates[-1]}" if len(self.dates) else "no dates"
        shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(self.names, self.shares, strict=True))
        return f"RegimePath({len(self.dates)} rows, {span}; {shares})"

    @classmethod
    def certain(cls, dates: Dates, names: Names | tuple[str, ...], labels: Int) -> Self:
        """A path of rules that know no doubt: probability one for the label."""
        labels = np.asarray(labels, dtype=np.int64)
        chances = np.eye(len(names))[np.maximum(labels, 0)]
        chances[labels < 0] = np.nan
        return cls(dates, np.asarray(names, dtype=np.str_), labels, chances)

    @classmethod
    def likeliest(cls, dates: Dates, names: Names | tuple[str, ...], probabilities: Float) -> Self:
        """A path whose label is the regime of highest probability, the first of equals; NaN rows are unknown."""
        known = ~np.isnan(probabilities).any(axis=1)
        labels = np.where(known, np.nan_to_num(probabilities).argmax(axis=1), -1)
        return cls(dates, np.asarray(names, dtype=np.str_), labels, probabilities)

    @property
    def known(self) -> Bool:
        """(T,) rows with a label."""
        return np.asarray(self.labels >= 0)

    @property
    def named(self) -> Names:
        """(T,) the name of each row's regime, ``unknown`` where there is none."""
        return np.append(self.names, UNKNOWN)[self.labels]

    @property
    def shares(self) -> Float:
        """(R,) share of the known rows spent in each regime; zeros where nothing is known."""
        counts = np.bincount(self.labels[self.known], minlength=len(self.names))
        return np.asarray(counts / max(counts.sum(), 1))

    @property
    def transitions(self) -> Float:
        """(R, R) share of rows in a regime (row) followed by each regime (column); NaN for one never left or seen."""
        return transition_shares(self.labels, len(self.names))

    @property
    def spells(self) -> Spells:
        """The stretches of one regime."""
        labels = self.labels[self.known]
        dates = self.dates[self.known]
        edges = np.flatnonzero(np.diff(labels)) + 1
        starts = np.concatenate([[0], edges]).astype(np.int64) if len(labels) else np.empty(0, dtype=np.int64)
        stops = np.append(edges, len(labels))[: len(starts)]
        return Spells(labels[starts], dates[starts], dates[stops - 1], np.asarray(stops - starts))

    @property
    def mean_dwell(self) -> Float:
        """(R,) mean length of a regime's spells in rows, the running one included; NaN where it never came."""
        found = self.spells
        visits = np.bincount(found.labels, minlength=len(self.names))
        total = np.bincount(found.labels, weights=found.lengths, minlength=len(self.names))
        return np.asarray(np.divide(total, visits, out=np.full(len(visits), np.nan), where=visits > 0))

    def row(self, date: object) -> int:
        """The last row at or before a date; where rows are times, at or before a time such as 2024-03-18T10:30.

        Raises
        ------
        InputError
            Neither a date nor a time.
        DataError
            The path begins later.
        """
        moment = as_day(date)
        if self.dates.dtype != "datetime64[D]":
            try:
                moment = np.datetime64(str(date))
            except ValueError as error:
                raise InputError(f"{date!r} is not a time; write YYYY-MM-DDTHH:MM.") from error
        position = int(np.searchsorted(self.dates, moment, side="right")) - 1
        if position < 0:
            begins = f"begins on {self.dates[0]}" if len(self.dates) else "has no dates"
            raise DataError(f"nothing is known on {moment}: the regime path {begins}.")
        return position

    def at(self, date: object) -> str:
        """The name of the regime known on a date: that of the last row at or before it."""
        return str(self.named[self.row(date)])

    def until(self, date: object) -> Self:
        """The path up to and including a date."""
        rows = slice(0, self.row(date) + 1)
        return replace(self, dates=self.dates[rows], labels=self.labels[rows], probabilities=self.probabilities[rows])

    def agreement(self, other: "RegimePath") -> Agreement:
        """How alike two paths are on the dates that both know."""
        _, mine, theirs = np.intersect1d(self.dates, other.dates, assume_unique=True, return_indices=True)
        both = self.known[mine] & other.known[theirs]
        left, right = self.named[mine][both], other.named[theirs][both]
        common = bool(set(self.names.tolist()) & set(other.names.tolist()))
        same = float((left == right).mean()) if len(left) and common else np.nan
        rand = adjusted_rand(self.labels[mine][both], other.labels[theirs][both]) if len(left) else np.nan
        return Agreement(len(left), same, rand)


def minimum_dwell(path: RegimePath, days: int) -> RegimePath:
    """Let a new label count only after it has been seen for ``days`` rows running; until then the old one stays.

    The filter looks back only, so a switch that lasts comes ``days - 1`` rows later. The first known label counts at
    once, and the probabilities stay as they are.

    Raises
    ------
    InputError
        ``days`` is below 1.
    """
    if days < 1:
        raise InputError(f"days {days} must be 1 or more; 1 changes nothing.")
    labels, rows = path.labels, np.arange(len(path.labels))
    fresh = np.append(True, labels[1:] != labels[:-1])[: len(labels)]
    run = rows - np.maximum.accumulate(np.where(fresh, rows, 0)) + 1 if len(rows) else rows
    first = int(np.argmax(path.known)) if path.known.any() else 0
    counts = path.known & ((run >= days) | (rows == first))
    held = np.maximum.accumulate(np.where(counts, rows, 0)) if len(rows) else rows
    return replace(path, labels=np.where(path.known, labels[held], -1))


def by_costs(
    dates: Dates, names: Names | tuple[str, ...], probabilities: Float, costs: Sequence[float], hysteresis: float = 0.0
) -> RegimePath:
    """Label each row by the regime that would cost most to miss, and keep a label until another leads it clearly.

    Parameters
    ----------
    probabilities : (T, R); NaN rows are unknown.
    costs : (R,) of missing each regime, positive. With 1 and 3 for normal and stressed, stress is called from a
        probability of a quarter on.
    hysteresis : by how much a new regime's share of the expected costs must exceed the present one's.

    Raises
    ------
    InputError
        Another number of costs than names, a cost that is not positive, or a hysteresis outside 0 to 1.
    """
    weights = np.asarray(costs, dtype=np.float64)
    if weights.shape != (len(names),) or not ((weights > 0) & np.isfinite(weights)).all() or not 0 <= hysteresis < 1:
        raise InputError(
            f"costs {list(costs)} must be {len(names)}, all positive, and hysteresis {hysteresis} from 0 to below 1."
        )
    shares = probabilities * weights
    shares = shares / shares.sum(axis=1, keepdims=True)
    labels, now = np.full(len(dates), -1), -1
    for t in np.flatnonzero(~np.isnan(shares).any(axis=1)).tolist():
        best = int(shares[t].argmax())
        if now < 0 or shares[t, best] > shares[t, now] + hysteresis:
            now = best
        labels[t] = now
    return RegimePath(dates, np.asarray(names, dtype=np.str_), labels, probabilities)


def regroup(path: RegimePath, groups: Mapping[str, str]) -> RegimePath:
    """The same path in coarser regimes, whose probabilities add up.

    Parameters
    ----------
    groups : name of each regime of the path -> name of its group; groups come in the order of their first mention.

    Raises
    ------
    InputError
        A regime of the path has no group.
    """
    missing = [name for name in path.names.tolist() if name not in groups]
    if missing:
        raise InputError(f"regimes {missing} have no group; give one to each of {path.names.tolist()}.")
    names = list(dict.fromkeys(groups.values()))
    to = np.array([names.index(groups[name]) for name in path.names.tolist()])
    chances = path.probabilities @ np.eye(len(names))[to]
    labels = np.where(path.known, to[path.labels], -1)
    return RegimePath(path.dates, np.asarray(names, dtype=np.str_), labels, chances)


def transition_shares(labels: Int, count: int) -> Float:
    """(R, R) share of moves from one label to the next, rows from; -1 is left out, NaN where nothing was left."""
    before, after = labels[:-1], labels[1:]
    both = (before >= 0) & (after >= 0)
    moves = np.bincount(before[both] * count + after[both], minlength=count * count).reshape(count, count)
    total = moves.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(moves, total, out=np.full((count, count), np.nan), where=total > 0))


def adjusted_rand(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """How alike two partitions of the same rows are, beyond chance; the names of the classes do not matter.

    Two partitions of one class each are the same: 1.

    Raises
    ------
    InputError
        The partitions have different lengths, or none.

    Source: Hubert and Arabie (1985), "Comparing Partitions", *Journal of Classification* 2.
    """
    left, right = np.asarray(first), np.asarray(second)
    if left.shape != right.shape or left.ndim != 1 or len(left) == 0:
        raise InputError(f"partitions of {left.shape} and {right.shape} rows cannot be compared; give (T,) each.")
    _, a = np.unique(left, return_inverse=True)
    _, b = np.unique(right, return_inverse=True)
    table = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1)).reshape(a.max() + 1, -1)
    both, rows, columns = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    expected = rows * columns / max(len(left) * (len(left) - 1) / 2, 1)
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))


def _pairs(counts: Int) -> float:
    return float((counts * (counts - 1.0)).sum() / 2)


def _check_probabilities(chances: Float, labels: Int, dates: Dates) -> None:
    known = labels >= 0
    if not np.isnan(chances[~known]).all():
        row = int(np.argmax(~known & ~np.isnan(chances).all(axis=1)))
        raise InputError(f"{dates[row]} has label -1 and probabilities; make them NaN.")
    with np.errstate(invalid="ignore"):
        good = (chances >= 0).all(axis=1) & (np.abs(chances.sum(axis=1) - 1) <= 1e-6)
    if not good[known].all():
        row = int(np.argmax(known & ~good))
        raise InputError(
            f"the probabilities of {dates[row]} are {chances[row].tolist()}; they must have sum one, none negative."
        )
