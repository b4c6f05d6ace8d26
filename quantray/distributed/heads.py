"""Attention heads split over workers, each of which attends with its own heads among all names."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.func import functional_call

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
            "maps": _TakeHeads.apply(self.maps, self.part, self.group),  # type: ignore[no-untyped-call]
            "scores": _TakeHeads.apply(self.scores, self.part, self.group),  # type: ignore[no-untyped-call]
        }
        shared = _ToAll.apply(tokens, self.group)  # type: ignore[no-untyped-call]
        out = functional_call(self._lent[0], mine, (shared, structure))
        joined: Tensor = _FromAll.apply(out, self.group)  # type: ignore[no-untyped-call]
        return joined

    def whole(self) -> CrossSection:
        """The layer that was split, with the parameters of this one."""
        with torch.device("meta"):
            cross = CrossSection(self.kind, self.width, self.maps.shape[1])
        cross.maps, cross.scores = self.maps, self.scores
        return cross


class _TakeHeads(torch.autograd.Function):
    """A worker's heads of a parameter; back comes the gradient of all heads, each from the worker that has it."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, part: tuple[int, int], group: dist.ProcessGroup | None) -> Tensor:
        ctx.shape, ctx.part, ctx.group = parameter.shape, part, group
        return parameter[:, part[0] : part[1]].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].new_zeros(ctx.shape)
        whole[:, ctx.part[0] : ctx.part[1]] = gradients[0]
        dist.all_reduce(whole, group=ctx.group)
        return whole, None, None


class _ToAll(torch.autograd.Function):
    """The same tokens to every worker; back comes the sum of what their heads ask for."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        return tokens.view_as(tokens)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


class _FromAll(torch.autograd.Function):
    """The outputs of all workers side by side; back goes to each the share of its own.

    The loss is computed by every worker alike, so adding up their gradients would count it once per worker.
    """

    @staticmethod
    def forward(ctx: Any, mine: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.rank, ctx.channels = dist.get_rank(group), mine.shape[-1]
        mine = mine.contiguous()
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, mine, group=group)
        return torch.cat(parts, dim=-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        first = ctx.rank * ctx.channels
        return gradients[0][..., first : first + ctx.channels], None
