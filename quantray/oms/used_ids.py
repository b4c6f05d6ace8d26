"""Which ids of orders may have been used: a small map that forgets none, and errs now and then by one too many."""

from collections.abc import Iterable

__all__ = ["UsedIds"]

_PLACES = 16
"""Bytes for each id: of 16 that are new, one at most looks as if it were not."""
_FEWEST = 1 << 20
"""Ids for which there is always room."""


class UsedIds:
    """Ids as marks in a map, at places that their hashes say; with more of them it errs more often, and loses none.

    Parameters
    ----------
    count : ids that there are at first, for each of which the map has 16 bytes; it has 16 MiB at least.
    """

    def __init__(self, count: int) -> None:
        self._mask = (1 << (_PLACES * max(count, _FEWEST) - 1).bit_length()) - 1
        self._marks = bytearray(self._mask + 1)

    def add(self, names: Iterable[str]) -> None:
        """Take in ids."""
        marks, mask = self._marks, self._mask
        for name in names:
            marks[hash(name) & mask] = 1

    def __contains__(self, name: str) -> bool:
        """Whether an id may be among them; False where it surely is not."""
        return self._marks[hash(name) & self._mask] == 1
