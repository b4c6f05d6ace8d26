"""Positions by label: sectors, strategies, asset classes, currencies."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from quantray.arrays import Float, Int, Names

__all__ = ["Groups"]


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
        each = labels.tolist()
        if each and each.count(each[0]) == len(each):
            return cls((each[0],), np.zeros(len(each), dtype=np.int64))
        # A table of the few labels is several times as fast as sorting all.
        names = sorted(set(each))
        at = {name: i for i, name in enumerate(names)}
        return cls(tuple(names), np.fromiter(map(at.__getitem__, each), dtype=np.int64, count=len(each)))

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
        member = np.zeros((len(self.places), len(self.names)))
        member[np.arange(len(self.places)), self.places] = 1.0
        return np.asarray(amounts @ member)

    @property
    def labels(self) -> Names:
        """(N,)."""
        return np.array(self.names, dtype=np.str_)[self.places] if self.names else np.zeros(0, dtype=np.str_)
