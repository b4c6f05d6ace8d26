"""A book that moves with its drivers to second order, one driver at a time."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float, Int
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import Sensitivities

__all__ = ["Moved", "MovingBook"]


@dataclass(frozen=True, eq=False, slots=True)
class Moved:
    """What the move of one driver changed."""

    drivers: Int
    """(D,) whose exposure changed, each once."""
    exposures: Float
    """(D,) before."""
    rows: Int
    """(R,) positions whose weight changed, each once."""
    weights: Float
    """(R,) before."""


@dataclass(frozen=True, eq=False, slots=True)
class _Driver:
    """The parts of a book that one driver moves."""

    entries: Int
    """Of the driver."""
    rows: Int
    """Their positions, each once, for an entry is one for a position and a driver."""
    partners: Int
    """Entries of other drivers that are paired with it."""
    cross: Float
    """Of the partners."""
    drivers: Int
    """Itself and those of its partners, each once."""
    place: Int
    """Of each partner's driver among these."""
    touched: Int
    """Positions whose weight depends on it, each once."""


class MovingBook:
    """The state of a book after any changes of its drivers since the close.

    A share's weight is its value, a future's the notional, an option's delta times the underlying, all at the prices of
    now; the weight of what follows a yield is its value.

    Parameters
    ----------
    book : at the close.
    absolute : (M,) True of drivers whose changes are differences.
    """

    def __init__(self, book: Book, absolute: Bool) -> None:
        seen = _entries(book)
        n, m = len(book.weights), seen.n_drivers
        self.changes, self.gains = np.zeros(m), np.zeros(n)
        self._absolute = absolute
        self._rows, self._columns = seen.rows, seen.columns
        self._slope, self._gamma = seen.delta.copy(), seen.gamma
        self._main = _first_entries(book, seen)
        self._by_price = (self._main >= 0) & ~absolute[seen.columns[self._main]]
        self._offset = book.weights - np.where(self._by_price, self._slope[self._main], 0.0)
        self.weights, self.exposure = book.weights.copy(), self._exposures()
        self._drivers = _by_driver(seen, m)

    def move(self, driver: int, change: float) -> Moved:
        """Bring a driver to (since the close) a change, and all that depends on it."""
        parts = self._drivers[driver]
        step = change - float(self.changes[driver])
        entries = parts.entries
        bend = self._gamma[entries] * step
        self.gains[parts.rows] += (self._slope[entries] + bend / 2) * step
        self._slope[entries] += bend
        self.changes[driver] = change
        before = self.exposure[parts.drivers]
        unit = 1.0 if self._absolute[driver] else 1.0 + change
        self.exposure[driver] = self._slope[entries].sum() * unit
        if len(parts.partners):
            moved = parts.cross * step
            # An entry may be paired with a driver once only, as entries and pairs are unique.
            self._slope[parts.partners] += moved
            columns = self._columns[parts.partners]
            moved = moved * np.where(self._absolute[columns], 1.0, 1.0 + self.changes[columns])
            self.exposure[parts.drivers[1:]] += np.bincount(parts.place, moved, len(parts.drivers))[1:]
        rows = parts.touched
        weights = self.weights[rows]
        self.weights[rows] = self._weights_of(rows)
        return Moved(parts.drivers, before, rows, weights)

    def settle(self) -> None:
        """Compute the exposures again, which sums of many moves lose digits of."""
        self.exposure = self._exposures()

    def _weights_of(self, rows: Int) -> Float:
        main = self._main[rows]
        price = self._slope[main] * (1.0 + self.changes[self._columns[main]])
        return np.asarray(self._offset[rows] + np.where(self._by_price[rows], price, self.gains[rows]))

    def _exposures(self) -> Float:
        unit = np.where(self._absolute, 1.0, 1.0 + self.changes)
        return np.asarray(np.bincount(self._columns, self._slope, len(unit)) * unit)


def _entries(book: Book) -> Sensitivities:
    """The book's sensitivities with each position and driver, and each pair of drivers, once."""
    if book.sensitivities is None:
        own, nothing = np.arange(len(book.weights)), np.zeros(len(book.weights))
        return Sensitivities(book.weights, own, own, book.weights, nothing, len(own))
    seen, m = book.sensitivities, book.sensitivities.n_drivers
    first, second = (np.asarray(side, dtype=np.int64) for side in seen.cross_columns)
    low, high = np.minimum(first, second), np.maximum(first, second)
    pairs, place = np.unique((seen.cross_rows * m + low) * m + high, return_inverse=True)
    cross = _sums(place, seen.cross, len(pairs))
    pair_rows, low, high = pairs // (m * m), pairs // m % m, pairs % m
    rows = np.concatenate([seen.rows, pair_rows, pair_rows])
    columns = np.concatenate([seen.columns, low, high])
    keys, place = np.unique(rows * m + columns, return_inverse=True)
    listed = place[: len(seen.rows)]
    return Sensitivities(
        seen.value,
        keys // m,
        keys % m,
        _sums(listed, seen.delta, len(keys)),
        _sums(listed, seen.gamma, len(keys)),
        m,
        pair_rows,
        (low, high),
        cross,
        seen.notional,
    )


def _first_entries(book: Book, seen: Sensitivities) -> Int:
    """(N,) the entry of each position that the book lists first, its own driver; -1 where it has none."""
    n = len(book.weights)
    if book.sensitivities is None:
        return np.arange(n)
    listed, m = book.sensitivities, seen.n_drivers
    main = np.full(n, -1, dtype=np.int64)
    backwards = slice(None, None, -1)
    keys = seen.rows * m + seen.columns
    main[listed.rows[backwards]] = np.searchsorted(keys, (listed.rows * m + listed.columns)[backwards])
    return main


def _by_driver(seen: Sensitivities, m: int) -> list[_Driver]:
    keys = seen.rows * m + seen.columns
    low, high = seen.cross_columns
    own, other = np.concatenate([low, high]), np.concatenate([high, low])
    rows, cross = np.concatenate([seen.cross_rows, seen.cross_rows]), np.concatenate([seen.cross, seen.cross])
    partners = np.searchsorted(keys, rows * m + other)
    by_column, by_own = np.argsort(seen.columns, kind="stable"), np.argsort(own, kind="stable")
    ends = np.searchsorted(seen.columns[by_column], np.arange(m + 1))
    stops = np.searchsorted(own[by_own], np.arange(m + 1))
    found = []
    for driver in range(m):
        entries = by_column[ends[driver] : ends[driver + 1]]
        pairs = by_own[stops[driver] : stops[driver + 1]]
        others, place = np.unique(other[pairs], return_inverse=True)
        found.append(
            _Driver(
                entries=entries,
                rows=seen.rows[entries],
                partners=partners[pairs],
                cross=cross[pairs],
                drivers=np.concatenate([[driver], others]).astype(np.int64),
                place=place.astype(np.int64) + 1,
                touched=np.unique(np.concatenate([seen.rows[entries], rows[pairs]])),
            )
        )
    return found


def _sums(places: Int, values: Float, n: int) -> Float:
    return np.asarray(np.bincount(places, values, n), dtype=np.float64)
