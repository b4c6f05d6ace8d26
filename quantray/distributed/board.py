"""What the workers of a training leave for its driver; light, for a process of its own is started for it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["Board", "Item"]

Item = str | Mapping[str, Any]
"""A line, or the figures of an epoch by name."""


class Board:
    """An actor on which the first worker leaves what the driver is to hear."""

    def __init__(self) -> None:
        self._left: list[Item] = []

    def leave(self, item: Item) -> None:
        """Called by the worker, which waits until it is there."""
        self._left.append(item)

    def take(self) -> list[Item]:
        """What was left since the last time."""
        left, self._left = self._left, []
        return left
