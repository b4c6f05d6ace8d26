"""What workers that compute the same loss send one another, forwards and back.

All of them hold all parameters, see the same inputs and compute the same loss; each computes a share of some layers.
After the backward pass each has the gradient of the whole network.

Source: Shoeybi et al. (2019), *Megatron-LM*, section 3.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["FromAll", "TakeShare", "ToAll", "add_up", "gathered", "summed_share"]


class TakeShare(torch.autograd.Function):
    """A worker's share of a parameter along its second axis; back comes the gradient of all shares."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, part: tuple[int, int], group: dist.ProcessGroup | None) -> Tensor:
        """See the class."""
        ctx.shape, ctx.part, ctx.group = parameter.shape, part, group
        return parameter[:, part[0] : part[1]].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """See the class."""
        whole = gradients[0].new_zeros(ctx.shape)
        whole[:, ctx.part[0] : ctx.part[1]] = gradients[0]
        dist.all_reduce(whole, group=ctx.group)
        return whole, None, None


class ToAll(torch.autograd.Function):
    """The same tokens to every worker; back comes the sum of what their shares ask for."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        """See the class."""
        ctx.group = group
        return tokens.view_as(tokens)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """See the class."""
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


class FromAll(torch.autograd.Function):
    """The outputs of all workers side by side; back goes to each the share of its own.

    The loss is computed by every worker alike, so adding up their gradients would count it once per worker.
    """

    @staticmethod
    def forward(ctx: Any, mine: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        """See the class."""
        ctx.rank, ctx.channels = dist.get_rank(group), mine.shape[-1]
        return gathered(mine, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """See the class."""
        first = ctx.rank * ctx.channels
        return gradients[0][..., first : first + ctx.channels], None


def gathered(mine: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The shares of all workers side by side along the last axis; no gradient flows."""
    mine = mine.contiguous()
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, mine, group=group)
    return torch.cat(parts, dim=-1)


def summed_share(asked: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """(n, D) of every worker to the (n, D / workers) columns of this one, added up over all; no gradient flows."""
    count = dist.get_world_size(group)
    by_worker = asked.view(len(asked), count, asked.shape[-1] // count).transpose(0, 1).contiguous()
    theirs = torch.empty_like(by_worker)
    dist.all_to_all_single(theirs, by_worker, group=group)
    return theirs.sum(dim=0)


def add_up(tensors: list[Tensor], group: dist.ProcessGroup | None) -> None:
    """Replace each tensor by its sum over all workers: one message for all tensors of a kind, not one for each."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    under_way = []
    with torch.no_grad():
        for alike in kinds.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in alike])
            under_way.append((alike, flat, dist.all_reduce(flat, group=group, async_op=True)))
        for alike, flat, message in under_way:
            message.wait()
            for tensor, total in zip(alike, torch.split(flat, [t.numel() for t in alike]), strict=True):
                tensor.copy_(total.view_as(tensor))
