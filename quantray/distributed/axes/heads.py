"""Attention heads split over workers, each of which attends with its own heads among all names."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.func import functional_call

from quantray.distributed.axes.messages import FromAll, TakeShare, ToAll
from quantray.errors import InputError
from quantray.models.networks import CrossSection, Network, Structure

__all__ = ["SplitCrossSection", "join_heads", "split_heads"]


def split_heads(network: Network, group: dist.ProcessGroup | None = None) -> None:
    """Let each worker of a group compute an equal share of the network's attention heads.

    What a worker maps, scores and keeps for the backward pass shrinks to its share; tokens go in whole and come out
    whole, so every other module runs as before and on every worker alike. All workers must call the network with the
    same inputs and compute the same loss. Then scores and gradients are those of the whole network on every worker:
    clipping, the optimiser and checkpoints need not know. The parameters, a few times the width squared, stay whole;
    so does ``state_dict``.

    Parameters
    ----------
    network : its ``cross`` is replaced.
    group : of the workers; all of them by default.

    Raises
    ------
    InputError
        The network has no attention, its heads are split already, or they do not divide among the workers.

    Source: Shoeybi et al. (2019), *Megatron-LM*, section 3, for what is added up in which direction.
    """
    cross = network.cross
    if not isinstance(cross, CrossSection):
        found = "none" if cross is None else type(cross).__name__
        raise InputError(f"the network's attention is {found}; split the heads of a whole network with attention.")
    network.cross = SplitCrossSection(cross, network.settings.width, group)


def join_heads(network: Network) -> None:
    """Undo ``split_heads``: this process computes all heads again, with the same parameters.

    Raises
    ------
    InputError
        The heads are not split.
    """
    if not isinstance(network.cross, SplitCrossSection):
        raise InputError("the heads of this network are not split; join those that split_heads has split.")
    network.cross = network.cross.whole()


class SplitCrossSection(nn.Module):
    """A ``CrossSection`` of which this worker computes some heads and receives the others."""

    def __init__(self, cross: CrossSection, width: int, group: dist.ProcessGroup | None) -> None:
        super().__init__()
        heads, count = cross.maps.shape[1], dist.get_world_size(group)
        if heads % count:
            raise InputError(f"{heads} heads do not divide among {count} workers; make them a multiple.")
        first = dist.get_rank(group) * (heads // count)
        self.kind, self.width, self.group = cross.kind, width, group
        self.part = (first, first + heads // count)
        self.maps, self.scores = cross.maps, cross.scores
        # In a tuple, and without storage: it lends its code, and its parameters are no others than those above.
        with torch.device("meta"):
            self._lent = (CrossSection(cross.kind, width, heads, part=self.part),)

    def forward(self, tokens: Tensor, structure: Structure) -> Tensor:
        """(B, N, D) tokens to (B, N, heads x channels), those of all workers."""
        mine = {
            "maps": TakeShare.apply(self.maps, self.part, self.group),  # type: ignore[no-untyped-call]
            "scores": TakeShare.apply(self.scores, self.part, self.group),  # type: ignore[no-untyped-call]
        }
        shared = ToAll.apply(tokens, self.group)  # type: ignore[no-untyped-call]
        out = functional_call(self._lent[0], mine, (shared, structure))
        joined: Tensor = FromAll.apply(out, self.group)  # type: ignore[no-untyped-call]
        return joined

    def whole(self) -> CrossSection:
        """The layer that was split, with the parameters of this one."""
        with torch.device("meta"):
            cross = CrossSection(self.kind, self.width, self.maps.shape[1])
        cross.maps, cross.scores = self.maps, self.scores
        return cross
