"""Positions by label: sectors, strategies, asset classes, currencies."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from quantray.arrays import Float, Int, Names

__all__ = ["Groups"]

_PRIMES = np.random.default_rng(0).integers(1 << 62, size=32, dtype=np.uint64) * 2 + 1
"""Odd weights of letters; two labels of one sum are told apart by a second look."""
_TABLE_BITS = 12


@dataclass(frozen=True, eq=False)
class Groups:
    """N things in G groups."""

    names: tuple[str, ...]
    """(G,) in alphabetical order; empty for things without a label."""
    places: Int
    """(N,) group of each."""

    @classmethod
    def of(cls, labels: Names) -> Self:
        """The groups of (N,) labels."""
        letters = np.ascontiguousarray(labels).view(np.uint32).reshape(len(labels), labels.dtype.itemsize // 4)
        if (letters == letters[:1]).all():
            return cls(tuple(labels[:1].tolist()), np.zeros(len(labels), dtype=np.int64))
        alike = _first_alike(labels, letters)
        own = alike == np.arange(len(labels))
        first, places = np.flatnonzero(own), (np.cumsum(own) - 1)[alike]
        # The few that differ are sorted, and the places with them.
        order = np.argsort(labels[first], kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return cls(tuple(labels[first[order]].tolist()), rank[places])

    def at(self, rows: Int) -> "Groups":
        """Those of some of the things, without groups that have none of them."""
        places = self.places[rows]
        used = np.bincount(places, minlength=len(self.names)) > 0
        names = tuple(name for name, there in zip(self.names, used.tolist(), strict=True) if there)
        return Groups(names, (np.cumsum(used) - 1)[places])

    def renamed(self, old: str, new: str) -> "Groups":
        """With another name of a group, which may have been there."""
        if old not in self.names:
            return self
        names = [new if name == old else name for name in self.names]
        merged = sorted(set(names))
        moved = np.array([merged.index(name) for name in names], dtype=np.int64)
        return Groups(tuple(merged), moved[self.places])

    def sums(self, amounts: Float) -> Float:
        """(G,) sums of (N,) amounts, or (S, G) of (S, N)."""
        if amounts.ndim == 1:
            return np.asarray(np.bincount(self.places, amounts, len(self.names)), dtype=np.float64)
        n, g = len(amounts), len(self.names)
        if g == 1:
            return np.asarray(amounts.sum(axis=1, keepdims=True))
        places = self.places + g * np.arange(n)[:, None]
        return np.asarray(np.bincount(places.ravel(), amounts.ravel(), n * g), dtype=np.float64).reshape(n, g)

    @property
    def labels(self) -> Names:
        """(N,)."""
        return np.array(self.names, dtype=np.str_)[self.places] if self.names else np.zeros(0, dtype=np.str_)


def _first_alike(labels: Names, letters: np.ndarray) -> Int:
    """(N,) first place of each label; sums of its (N, L) letters stand in for it, for speed."""
    sums = letters[:, : len(_PRIMES)].astype(np.uint64) @ _PRIMES[: letters.shape[1]]
    # Few labels seldom share the upper bits of their sums, and a table of those is faster than sorting.
    bits, table = (sums >> np.uint64(64 - _TABLE_BITS)).astype(np.int64), np.zeros(1 << _TABLE_BITS, dtype=np.int64)
    table[bits[::-1]] = np.arange(len(sums))[::-1]
    alike = table[bits]
    if not (sums[alike] == sums).all():
        alike = _first_of(np.unique(sums, return_index=True, return_inverse=True))
    if not (letters.take(alike, axis=0) == letters).all():
        alike = _first_of(np.unique(labels, return_index=True, return_inverse=True))
    return np.asarray(alike)


def _first_of(found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Int:
    _, first, places = found
    return np.asarray(first[places])
