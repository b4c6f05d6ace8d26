"""The encoder on one worker, attention and head on the next; dates pass in parts, so that both are busy."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from quantray.distributed.axes.messages import add_up
from quantray.errors import InputError
from quantray.models.networks import Network, Structure

__all__ = ["STAGES", "TwoStages", "split_stages"]

STAGES = 2
"""Encoder; attention and head."""


def split_stages(network: Network, group: dist.ProcessGroup | None = None, *, micro_batches: int = 4) -> None:
    """Let the first worker of a pair run the network's encoder, and the second its attention and head.

    The dates of a step go in parts: consecutive days of a chunk, or dates of windows. While the second worker scores
    a part, the first encodes the next; backwards they go in the other order, so while the first still works on the
    gradient of a part, the second makes that of the part before. A step takes as long as the slower stage, and one part
    of the other. Tokens go one way and their gradient the other, B x N x D numbers each; then every worker receives the
    gradient of all parameters.

    All workers must call the network with the same inputs and compute the same loss; then scores and gradients are
    those of the whole network, and parameters and ``state_dict`` stay whole. Of the encoder's state only the first
    worker knows. Each stage draws its own dropout, so numbers are those of one process only without.

    Parameters
    ----------
    network : its ``stages`` are replaced.
    group : of the two workers; all of them by default.
    micro_batches : parts of a step, at most.

    Raises
    ------
    InputError
        The stages are split already, there is no attention, or there are not two workers.

    Source: Huang et al. (2019), *GPipe*, section 2.
    """
    count = dist.get_world_size(group)
    if count != STAGES or micro_batches < 1:
        raise InputError(
            f"{count} workers for {STAGES} stages, encoder and head, in {micro_batches} micro-batches; give one worker "
            "to each stage, and at least one micro-batch."
        )
    if network.cross is None or isinstance(network.stages, TwoStages):
        raise InputError("the network has no attention, or is split into stages already; split a whole one with some.")
    network.stages = TwoStages(network, group, micro_batches)


class TwoStages:
    """``Stages`` of the training loop, one in each of two processes."""

    def __init__(self, network: Network, group: dist.ProcessGroup | None, micro_batches: int) -> None:
        rank = dist.get_rank(group)
        self.encodes, self.micro_batches = rank == 0, micro_batches
        self._group, self._other = group, 1 - rank
        # Of the type and on the device that tokens have.
        self._like, self._width = network.score.weight, network.settings.width
        self._sent: list[tuple[dist.Work, Tensor]] = []

    def scores(
        self,
        tokens: Iterator[Tensor],
        structures: Sequence[Structure],
        head: Callable[[Tensor, Structure], Tensor],
    ) -> list[Tensor]:
        """See ``Stages``."""
        self._settle()
        scores = self._encoded(tokens, structures) if self.encodes else self._scored(structures, head)
        # A message that nobody waits for is lost with whoever sent it, and there may be no next step.
        self._settle()
        return scores

    def add_up(self, gradients: list[Tensor]) -> None:
        """See ``Stages``."""
        self._settle()
        add_up(gradients, self._group)

    def send(self, tensor: Tensor) -> None:
        """Begin to send to the other stage."""
        tensor = tensor.contiguous()
        self._sent.append((_begun(dist.isend(tensor, group=self._group, group_dst=self._other)), tensor))

    def expect(self, tensor: Tensor) -> dist.Work:
        """Begin to receive from the other stage; messages come in the order in which they were sent."""
        return _begun(dist.irecv(tensor, group=self._group, group_src=self._other))

    def _encoded(self, tokens: Iterator[Tensor], structures: Sequence[Structure]) -> list[Tensor]:
        """The first stage: tokens go out part by part, and the scores of all parts come back."""
        dates = [len(structure.member) for structure in structures]
        names = structures[0].member.shape[1]
        found = self._like.new_empty(sum(dates), names)
        gradients = [self._like.new_empty(count, names, self._width) for count in dates]
        arrivals: dict[int, dist.Work] = {}
        # A part's scores join the graph before the next part is encoded, though they are not there yet: so the backward
        # pass, which begins with what came last, reaches a part's encoder before it waits for an earlier gradient.
        parts = [
            _Beyond.apply(made, into, self, arrivals, place, gradients[place])  # type: ignore[no-untyped-call]
            for place, (made, into) in enumerate(zip(tokens, torch.split(found, dates), strict=True))
        ]
        self.expect(found).wait()
        if torch.is_grad_enabled():
            for place in reversed(range(len(parts))):
                arrivals[place] = self.expect(gradients[place])
        return parts

    def _scored(self, structures: Sequence[Structure], head: Callable[[Tensor, Structure], Tensor]) -> list[Tensor]:
        """The second stage: tokens come in part by part, and the scores of all parts go back."""
        shapes = [(*structure.member.shape, self._width) for structure in structures]
        arriving = [(into, self.expect(into)) for into in map(self._like.new_empty, shapes)]
        parts = []
        for (tokens, arrival), structure in zip(arriving, structures, strict=True):
            arrival.wait()
            received: Tensor = _Before.apply(tokens.requires_grad_(), self)  # type: ignore[no-untyped-call]
            parts.append(head(received, structure).to(tokens.dtype))
        self.send(torch.cat([part.detach() for part in parts]))
        return parts

    def _settle(self) -> None:
        """Wait until the other stage has all that was sent to it."""
        for work, _ in self._sent:
            work.wait()
        self._sent.clear()


class _Beyond(torch.autograd.Function):
    """Tokens to the second stage, whose scores will stand in a tensor that is given; back comes their gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        scores: Tensor,
        stages: TwoStages,
        arrivals: dict[int, dist.Work],
        place: int,
        gradient: Tensor,
    ) -> Tensor:
        stages.send(tokens)
        ctx.arrivals, ctx.place, ctx.gradient = arrivals, place, gradient
        return scores.view_as(scores)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        ctx.arrivals[ctx.place].wait()
        return ctx.gradient, None, None, None, None, None


class _Before(torch.autograd.Function):
    """Tokens from the first stage; back goes their gradient."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, stages: TwoStages) -> Tensor:
        ctx.stages = stages
        return tokens.view_as(tokens)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        ctx.stages.send(gradients[0])
        return None, None


def _begun(work: dist.Work | None) -> dist.Work:
    assert work is not None, "this process is in the group"
    return work
