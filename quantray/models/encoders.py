"""The LSTM over each name's own history, in windows or carried on from chunk to chunk.

Carrying the state encodes each stock-day once: over a look-back of 20 days that is 20 times less work than windows,
and in one pass exactly the same numbers. A window that begins with an empty state is another model; both are here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from quantray.errors import InputError

__all__ = ["LSTMEncoder", "LSTMState"]


@dataclass(frozen=True, eq=False)
class LSTMState:
    """What an LSTM remembers of each of B sequences."""

    hidden: Tensor
    """(layers, B, D)."""
    cell: Tensor
    """(layers, B, D)."""

    def detached(self) -> "LSTMState":
        """The same numbers, through which no gradient flows back."""
        return LSTMState(self.hidden.detach(), self.cell.detach())

    def take(self, rows: Tensor) -> "LSTMState":
        """The states of some sequences; an empty state where the row is -1."""
        known = (rows >= 0).to(self.hidden.dtype)[:, None]
        chosen = rows.clamp(min=0)
        return LSTMState(self.hidden[:, chosen] * known, self.cell[:, chosen] * known)


class LSTMEncoder(nn.Module):
    """LSTM over time with resets; L steps, B sequences, F inputs, D wide.

    Source: Hochreiter and Schmidhuber (1997), *Long short-term memory*.
    """

    def __init__(self, inputs: int, width: int, *, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, width, layers, dropout=dropout if layers > 1 else 0.0)

    def empty(self, n_sequences: int) -> LSTMState:
        """The state before anything was seen."""
        zero = next(self.lstm.parameters()).new_zeros(self.lstm.num_layers, n_sequences, self.lstm.hidden_size)
        return LSTMState(zero, zero)

    def forward(
        self, x: Tensor, state: LSTMState | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """Encode the next L steps.

        Parameters
        ----------
        x : (L, B, F).
        state : after the step before; empty, if left out.
        reset : (L, B) bool; True where a sequence begins anew, so that it starts that step with an empty state.

        Returns
        -------
        Tensor
            (L, B, D), the top layer after every step.
        LSTMState
            After the last step.

        Raises
        ------
        InputError
            Shapes disagree.
        """
        if state is None:
            state = self.empty(x.shape[1])
        if x.dim() != 3 or state.hidden.shape[1] != x.shape[1]:
            raise InputError(f"x is {tuple(x.shape)} for a state of {state.hidden.shape[1]} sequences; give (L, B, F).")
        # LSTM gates in half precision drift over long histories.
        with torch.autocast(x.device.type, enabled=False):
            if reset is None or not bool(reset.any()):
                out, (hidden, cell) = self.lstm(x, (state.hidden, state.cell))
                return out, LSTMState(hidden, cell)
            return self._with_resets(x, state, reset)

    def _with_resets(self, x: Tensor, state: LSTMState, reset: Tensor) -> tuple[Tensor, LSTMState]:
        """Sequences that begin anew are cut there; the pieces run side by side as short sequences of their own."""
        keep = ~reset.any(dim=0)
        whole, broken = keep.nonzero().squeeze(1), (~keep).nonzero().squeeze(1)
        steps, n_sequences = reset.shape
        starts = reset[:, broken].clone()
        first_is_new = starts[0].clone()
        starts[0] = True
        # Pieces in order of sequence and then of time.
        owner, start = starts.t().nonzero(as_tuple=True)
        stop = torch.cat([start[1:], start.new_tensor([steps])])
        stop = torch.where(stop > start, stop, torch.full_like(stop, steps))
        length = stop - start
        fresh = (start > 0) | first_is_new[owner]
        carried = state.take(torch.where(fresh, torch.full_like(owner, -1), broken[owner]))
        time = start[None] + torch.arange(steps, device=x.device)[:, None]
        pieces = x[time.clamp(max=steps - 1), broken[owner][None]]
        packed = pack_padded_sequence(pieces, length.cpu(), enforce_sorted=False)
        run, (hidden, cell) = self.lstm(packed, (carried.hidden, carried.cell))
        short, _ = pad_packed_sequence(run, total_length=steps)
        inside = time < stop[None]
        flat = (time * n_sequences + broken[owner][None])[inside]
        out_whole, (hidden_whole, cell_whole) = self.lstm(
            x[:, whole], (state.hidden[:, whole].contiguous(), state.cell[:, whole].contiguous())
        )
        width = self.lstm.hidden_size
        everyone = torch.arange(steps, device=x.device)[:, None] * n_sequences + whole[None]
        out = x.new_zeros(steps * n_sequences, width)
        out = out.index_copy(0, everyone.reshape(-1), out_whole.reshape(-1, width)).index_copy(0, flat, short[inside])
        last = (stop == steps).nonzero().squeeze(1)
        after = [
            torch.zeros_like(old).index_copy(1, whole, of_whole).index_copy(1, broken[owner[last]], of_pieces[:, last])
            for old, of_whole, of_pieces in (
                (state.hidden, hidden_whole, hidden),
                (state.cell, cell_whole, cell),
            )
        ]
        return out.view(steps, n_sequences, width), LSTMState(*after)
