"""The seam through which several processes train one network; ``distributed.workers`` has those that do."""

from typing import Protocol

from torch import Tensor

__all__ = ["Alone", "Workers"]


class Workers(Protocol):
    """Processes that train one network together, each on its share of every batch."""

    rank: int
    """Of this process, from 0."""
    count: int

    def add_up(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over all workers."""
        ...


class Alone:
    """One process."""

    rank = 0
    count = 1

    def add_up(self, tensors: list[Tensor]) -> None:
        """Nothing to add."""
