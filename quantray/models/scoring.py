"""Scores of dates: chunk by chunk with a carried state, or window by window."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from quantray.errors import InputError
from quantray.models.encoders import LSTMState
from quantray.models.examples import Examples
from quantray.models.networks import Network

__all__ = [
    "TimeReading",
    "chunk_scores",
    "encoded_rows",
    "half_precision",
    "score_rows",
    "span_rows",
    "warm_state",
    "window_scores",
]


@dataclass(frozen=True, kw_only=True)
class TimeReading:
    """How a network reads time.

    Parameters
    ----------
    mode : ``chunks`` carries the LSTM's state through time and encodes each stock-day once; ``windows`` begins with an
        empty state ``steps - 1`` days before every date.
    steps : days of a chunk, through which gradients flow; or of a window.
    warm_up : days before the first scored one that only fill the LSTM's state; of chunks.
    precision : ``bf16`` computes linear maps and attention in half precision; the LSTM and all sums stay in fp32.
    """

    mode: Literal["chunks", "windows"] = "chunks"
    steps: int = 20
    warm_up: int = 60
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        if self.mode not in ("chunks", "windows") or self.precision not in ("fp32", "bf16"):
            raise InputError(f"mode {self.mode!r} is chunks or windows, precision {self.precision!r} fp32 or bf16.")
        if self.steps < 1 or self.warm_up < 0:
            raise InputError(f"steps {self.steps} must be at least 1 and warm_up {self.warm_up} not negative.")

    def first_row(self, wanted: int) -> int:
        """The first row at or after a wanted one that can be scored."""
        return max(wanted, self.steps - 1) if self.mode == "windows" else wanted


def score_rows(
    network: Network, examples: Examples, rows: slice, reading: TimeReading, state: LSTMState | None = None
) -> tuple[Tensor, LSTMState | None]:
    """Scores of some rows, and the LSTM's state after the last one (none in windows).

    Parameters
    ----------
    rows : of the examples; with ``chunks`` and no state, up to ``warm_up`` rows before them fill it first.
    state : after the row before the first.

    Returns
    -------
    Tensor
        (rows, N) fp32; of no meaning where a name is not a member.

    Raises
    ------
    InputError
        A window reaches before the first row.
    """
    network.eval()
    out = []
    with torch.no_grad():
        if reading.mode == "windows":
            for row in range(rows.start, rows.stop):
                at = torch.tensor([row], device=examples.values.device)
                out.append(window_scores(network, examples, at, reading).float())
            return torch.cat(out), None
        if state is None:
            state = warm_state(network, examples, [rows.start], reading)
        for start in range(rows.start, rows.stop, reading.steps):
            span = range(start, min(start + reading.steps, rows.stop))
            scores, state = chunk_scores(network, examples, [span], state, reading)
            out.append(scores.float())
    return torch.cat(out), state


def chunk_scores(
    network: Network, examples: Examples, spans: list[range], state: LSTMState, reading: TimeReading
) -> tuple[Tensor, LSTMState]:
    """Scores (streams x days, N) of one chunk of each stream, all of one length, and the state after it.

    The state is of no meaning in a process that does not encode.
    """
    if len(spans) == 1:
        cut = slice(spans[0].start, spans[0].stop)
        x, reset = examples.values[cut], examples.reset[cut]
    else:
        x = torch.cat([examples.values[s.start : s.stop] for s in spans], dim=1)
        reset = torch.cat([examples.reset[s.start : s.stop] for s in spans], dim=1)
    n_names = examples.values.shape[1]
    days = _parts(len(spans[0]), network.stages.micro_batches)
    rows = [span_rows([span[part] for span in spans], x.device) for part in days]

    def encoded() -> Iterator[Tensor]:
        nonlocal state
        for part in days:
            tokens, state = network.encode(x[part], state, reset[part])
            yield tokens.view(-1, len(spans), n_names, tokens.shape[-1]).transpose(0, 1).flatten(0, 1)

    with half_precision(reading, x.device):
        scores = network.stages.scores(encoded(), [examples.structure(part) for part in rows], network.head)
    # The days of a part follow one another stream by stream, and so shall those of all parts.
    return torch.cat([part.view(len(spans), -1, n_names) for part in scores], dim=1).flatten(0, 1), state


def window_scores(network: Network, examples: Examples, rows: Tensor, reading: TimeReading) -> Tensor:
    """Scores (B, N) of some dates, given by rows (B,), each from its own look-back window with an empty state."""
    if int(rows.min()) < reading.steps - 1:
        raise InputError(
            f"a window of {reading.steps} days reaches before the first row; give rows from {reading.steps - 1} on."
        )
    window = torch.arange(1 - reading.steps, 1, device=rows.device)[:, None]
    parts = [rows[part] for part in _parts(len(rows), network.stages.micro_batches)]

    def encoded() -> Iterator[Tensor]:
        for part in parts:
            at = part[None] + window
            tokens, _ = network.encode(examples.values[at].flatten(1, 2), None, examples.reset[at].flatten(1, 2))
            yield tokens[-1].view(len(part), examples.values.shape[1], -1)

    with half_precision(reading, examples.values.device):
        return torch.cat(network.stages.scores(encoded(), [examples.structure(part) for part in parts], network.head))


def encoded_rows(network: Network, examples: Examples, rows: slice, reading: TimeReading) -> Tensor:
    """(rows.stop, N, D) tokens of some rows in bf16, zero before the first: what the encoder made of each stock-day."""
    network.eval()
    tokens = []
    with torch.no_grad(), half_precision(reading, examples.values.device):
        if reading.mode == "windows":
            for row in range(rows.start, rows.stop):
                window = slice(row - reading.steps + 1, row + 1)
                out, _ = network.encode(examples.values[window], None, examples.reset[window])
                tokens.append(out[-1:].to(torch.bfloat16))
        else:
            state = warm_state(network, examples, [rows.start], reading)
            for start in range(rows.start, rows.stop, reading.steps):
                span = slice(start, min(start + reading.steps, rows.stop))
                out, state = network.encode(examples.values[span], state, examples.reset[span])
                tokens.append(out.to(torch.bfloat16))
    return torch.cat([tokens[0].new_zeros(rows.start, *tokens[0].shape[1:]), *tokens])


def warm_state(network: Network, examples: Examples, starts: list[int], reading: TimeReading) -> LSTMState:
    """The state of all streams before their first rows, from up to ``warm_up`` rows before each; no gradient.

    It is empty in a process that does not encode.
    """
    states = []
    with torch.no_grad():
        for start in starts:
            state = network.encoder.empty(examples.values.shape[1])
            span = slice(max(start - reading.warm_up, 0), start)
            if span.start < span.stop and network.stages.encodes:
                _, state = network.encoder(examples.values[span], state, examples.reset[span])
            states.append(state)
    return LSTMState(torch.cat([s.hidden for s in states], dim=1), torch.cat([s.cell for s in states], dim=1))


def span_rows(spans: list[range], device: torch.device) -> Tensor:
    """The rows of all spans, one after the other."""
    return torch.tensor([row for span in spans for row in span], device=device)


def half_precision(reading: TimeReading, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bf16 where the reading asks for it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=reading.precision == "bf16")


def _parts(count: int, most: int) -> list[slice]:
    """So many things in order, in at most so many parts."""
    size = -(-count // most)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
