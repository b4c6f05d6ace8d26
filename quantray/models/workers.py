"""The seams through which several processes train one network; ``quantray.distributed`` has those that do."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from quantray.models.networks import Structure

__all__ = ["Alone", "OneStage", "Stages", "Workers"]


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


class Stages(Protocol):
    """Where the two stages of a network run: the encoder, and the head with its attention."""

    encodes: bool
    """Whether this process runs the encoder, and so knows its state."""
    micro_batches: int
    """Parts, at most, in which the dates of a step go from stage to stage."""

    def scores(
        self,
        tokens: Iterator[Tensor],
        structures: "Sequence[Structure]",
        head: "Callable[[Tensor, Structure], Tensor]",
    ) -> list[Tensor]:
        """Scores of each part.

        Parameters
        ----------
        tokens : encodes the next part when it is asked for it; a process that does not encode does not ask.
        structures : of each part.
        head : see ``Network.head``.
        """
        ...

    def add_up(self, gradients: list[Tensor]) -> None:
        """Let all stages have the gradients of all parameters; each comes with zeros where it has none."""
        ...


class OneStage:
    """Both in this process."""

    encodes = True
    micro_batches = 1

    def scores(
        self,
        tokens: Iterator[Tensor],
        structures: "Sequence[Structure]",
        head: "Callable[[Tensor, Structure], Tensor]",
    ) -> list[Tensor]:
        """One part after the other."""
        return [head(part, structure) for part, structure in zip(tokens, structures, strict=True)]

    def add_up(self, gradients: list[Tensor]) -> None:
        """Nothing to add."""
