"""The width of the encoder split over workers, each of which computes and keeps some units of every LSTM layer."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from quantray.distributed.axes.messages import TakeShare, ToAll, gathered, summed_share
from quantray.errors import InputError
from quantray.models.networks import Network

__all__ = ["SplitLSTM", "join_features", "split_features"]


def split_features(network: Network, group: dist.ProcessGroup | None = None) -> None:
    """Let each worker of a group compute an equal share of the units of the network's LSTM.

    A unit's four gates read all units of the step before, so after every step each worker sends its own to the others,
    and in the backward pass receives for them what the others ask for: N x D numbers a step and layer each way, counted
    over all workers. Work and memory of a worker shrink to its share. Splitting the inputs of a layer instead, and
    adding up the gates, would send more, four gates for each unit, and leave the product with the step before whole.
    The linear layers beside the LSTM stay whole: they are a tenth of its work, and would send half as much as it does.

    What holds for ``heads.split_heads`` holds here: with the same inputs and loss on all workers, scores and gradients
    are those of the whole network, and ``state_dict`` stays as it is. Both may be split over the same workers.

    Parameters
    ----------
    network : the LSTM of its ``encoder`` is replaced.
    group : of the workers; all of them by default.

    Raises
    ------
    InputError
        The features are split already, or do not divide among the workers.

    Source: Shoeybi et al. (2019), *Megatron-LM*, section 3: rows of a weight here, and sums for what they read.
    """
    lstm = network.encoder.lstm
    if not isinstance(lstm, nn.LSTM):
        raise InputError(f"the network's encoder is a {type(lstm).__name__}; split the features of a whole network.")
    network.encoder.add_module("lstm", SplitLSTM(lstm, group))


def join_features(network: Network) -> None:
    """Undo ``split_features``: this process computes all units again, with the same parameters.

    Raises
    ------
    InputError
        The features are not split.
    """
    split = network.encoder.lstm
    if not isinstance(split, SplitLSTM):
        raise InputError("the features of this network are not split; join those that split_features has split.")
    network.encoder.add_module("lstm", split.whole())


class SplitLSTM(nn.Module):
    """An ``LSTM`` of which this worker computes some units and receives the others.

    The state that comes out is the whole one; no gradient flows through it from one call to the next, as training cuts
    it there.

    Raises
    ------
    InputError
        The units do not divide among the workers.
    """

    def __init__(self, lstm: nn.LSTM, group: dist.ProcessGroup | None) -> None:
        super().__init__()
        width, count = lstm.hidden_size, dist.get_world_size(group)
        if width % count:
            raise InputError(f"width {width} does not divide among {count} workers; make it a multiple.")
        first = dist.get_rank(group) * (width // count)
        self.input_size, self.hidden_size, self.num_layers = lstm.input_size, width, lstm.num_layers
        self.dropout, self.group, self.part = lstm.dropout, group, (first, first + width // count)
        for name, parameter in lstm.named_parameters():
            self.register_parameter(name, parameter)

    def forward(
        self, x: Tensor | PackedSequence, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """(L, B, F) or sequences that end one after the other, and (layers, B, D) twice, as ``nn.LSTM`` has them."""
        hidden, cell = state
        if isinstance(x, PackedSequence):
            order, back = x.sorted_indices, x.unsorted_indices
            hidden, cell = hidden[:, order], cell[:, order]
            rows, sizes = x.data, x.batch_sizes.tolist()
        else:
            rows, sizes = x.flatten(0, 1), [x.shape[1]] * len(x)
        rows = ToAll.apply(rows, self.group)  # type: ignore[no-untyped-call]
        ends = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                # Drawn by all workers alike.
                rows = dropout(rows, self.dropout, self.training)
            rows, *end = self._layer(layer, rows, hidden[layer], cell[layer], sizes)
            ends.append(end)
        hidden, cell = (torch.stack([end[place] for end in ends]) for place in range(2))
        if isinstance(x, PackedSequence):
            return x._replace(data=rows), (hidden[:, back], cell[:, back])
        return rows.view(*x.shape[:2], -1), (hidden, cell)

    def whole(self) -> nn.LSTM:
        """The layers that were split, with the parameters of this one."""
        with torch.device("meta"):
            lstm = nn.LSTM(self.input_size, self.hidden_size, self.num_layers, dropout=self.dropout)
        for name, parameter in self.named_parameters():
            setattr(lstm, name, parameter)
        return lstm

    def _layer(
        self, layer: int, rows: Tensor, hidden: Tensor, cell: Tensor, sizes: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        mine = [
            # The gates of a unit lie a width apart.
            TakeShare.apply(  # type: ignore[no-untyped-call]
                getattr(self, f"{name}_l{layer}").view(4, self.hidden_size, -1), self.part, self.group
            ).flatten(0, 1)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        top = layer == self.num_layers - 1
        found: tuple[Tensor, Tensor, Tensor] = _Units.apply(  # type: ignore[no-untyped-call]
            rows, hidden, cell, *mine[:2], (mine[2] + mine[3]).squeeze(1), sizes, top, self.part, self.group
        )
        return found


class _Units(torch.autograd.Function):
    """Some units d of a layer D wide over R rows: those of all steps, one step after the other, never more in a later.

    Of the top layer every worker knows the gradient; of a lower one each knows what its own units above ask for, and
    what comes back to the rows below is likewise its own share.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        hidden: Tensor,
        cell: Tensor,
        w_in: Tensor,
        w_rec: Tensor,
        bias: Tensor,
        sizes: Sequence[int],
        top: bool,
        part: tuple[int, int],
        group: dist.ProcessGroup | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mine = slice(*part)
        units = part[1] - part[0]
        gates = torch.addmm(bias, rows, w_in.t())
        out, cells = rows.new_empty(len(rows), hidden.shape[1]), rows.new_empty(len(rows), units)
        h, c = hidden.clone(), cell[:, mine].clone()
        for step in _steps(sizes):
            n = step.stop - step.start
            now = gates[step].addmm_(h[:n], w_rec.t())
            now[:, : 2 * units].sigmoid_(), now[:, 2 * units : 3 * units].tanh_(), now[:, 3 * units :].sigmoid_()
            enter, keep, new, leave = now.chunk(4, dim=1)
            c[:n].mul_(keep).addcmul_(enter, new)
            cells[step] = c[:n]
            h[:n] = out[step] = gathered(leave * c[:n].tanh(), group)
        ctx.save_for_backward(rows, hidden, cell, w_in, w_rec, gates, out, cells)
        ctx.given = sizes, top, part, group
        after = gathered(c, group)
        ctx.mark_non_differentiable(h, after)
        return out, h, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, hidden, cell, w_in, w_rec, gates, out, cells = ctx.saved_tensors
        sizes, top, part, group = ctx.given
        mine, steps = slice(*part), _steps(sizes)
        asked, to_cell = torch.zeros_like(hidden), torch.zeros_like(cell[:, mine])
        to_gates, before = torch.empty_like(gates), torch.empty_like(out)
        for place in range(len(steps) - 1, -1, -1):
            step, n = steps[place], steps[place].stop - steps[place].start
            earlier = slice(steps[place - 1].start, steps[place - 1].start + n) if place else None
            before[step] = hidden[:n] if earlier is None else out[earlier]
            cells_before = cell[:n, mine] if earlier is None else cells[earlier]
            if top:
                to_units = summed_share(asked[:n], group).add_(gradients[0][step, mine])
            else:
                to_units = summed_share(asked[:n] + gradients[0][step], group)
            enter, keep, new, leave = gates[step].chunk(4, dim=1)
            shown = cells[step].tanh()
            to_now = to_cell[:n] + to_units * leave * (1 - shown * shown)
            to_gates[step] = torch.cat(
                [
                    to_now * new * enter * (1 - enter),
                    to_now * cells_before * keep * (1 - keep),
                    to_now * enter * (1 - new * new),
                    to_units * shown * leave * (1 - leave),
                ],
                dim=1,
            )
            to_cell[:n] = to_now * keep
            asked[:n] = to_gates[step] @ w_rec
        to_rows = to_gates @ w_in if ctx.needs_input_grad[0] else None
        of_weights = to_gates.t() @ rows, to_gates.t() @ before, to_gates.sum(dim=0)
        return to_rows, None, None, *of_weights, None, None, None, None


def _steps(sizes: Sequence[int]) -> list[slice]:
    """Rows of each step."""
    return [slice(stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True)]
