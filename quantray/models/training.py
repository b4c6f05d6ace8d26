"""The one training loop: chunks or windows, early stopping, stages, mixed precision, resumable to the bit.

It knows nothing of a cluster: ``Workers`` is the seam through which several processes add up their gradients.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from quantray.errors import InputError, SolverError
from quantray.memory import kept_memory
from quantray.models.examples import Examples
from quantray.models.losses import LOSSES, information_coefficient
from quantray.models.networks import Network
from quantray.models.optimiser import AdamW
from quantray.models.scoring import (
    TimeReading,
    chunk_scores,
    encoded_rows,
    half_precision,
    score_rows,
    span_rows,
    warm_state,
    window_scores,
)
from quantray.models.workers import Alone, Workers

__all__ = ["EpochReport", "Trained", "TrainingSettings", "TrainingState", "mean_ic", "train"]

Stage = Literal["joint", "encoder", "cross"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    reading : in chunks or windows, and how long they are.
    batch : streams (stretches of the training range that run side by side) of chunks, or dates of windows, in a step.
    accumulate : steps whose gradients are added up before the weights move.
    epochs : at most, in each stage.
    patience : epochs without a better validation IC after which a stage ends.
    stages : ``joint`` trains everything; ``encoder`` leaves the cross-section out; ``cross`` trains it on the encoder's
        cached outputs. ``("encoder", "cross", "joint")`` is training layer by layer.
    learning_rate, weight_decay : of AdamW; the rate rises over the first epoch and falls as a cosine to a tenth.
    clip : largest norm of the gradient.
    loss : ``mse``, ``ic``, ``pairwise`` or ``listmle``.
    seed : of the starting weights, the order of dates and dropout.
    """

    reading: TimeReading = field(default_factory=TimeReading)
    batch: int = 1
    accumulate: int = 1
    epochs: int = 30
    patience: int = 6
    stages: tuple[Stage, ...] = ("joint",)
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    clip: float = 1.0
    loss: str = "ic"
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {n: getattr(self, n) for n in ("batch", "accumulate", "epochs", "patience")}
        wrong = [f"{name} {value}" for name, value in counts.items() if value < 1]
        if wrong:
            raise InputError(f"{', '.join(wrong)} must be at least 1.")
        if not (self.learning_rate > 0 and self.weight_decay >= 0 and self.clip > 0):
            raise InputError("learning_rate and clip must be positive, weight_decay not negative.")
        if self.loss not in LOSSES:
            raise InputError(f"loss {self.loss!r} is not one of {', '.join(LOSSES)}.")
        if not self.stages or any(stage not in ("joint", "encoder", "cross") for stage in self.stages):
            raise InputError(f"stages {self.stages} must be some of encoder, cross and joint.")


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to."""

    stage: Stage
    epoch: int
    """From 1 within the stage."""
    loss: float
    """Mean over training dates."""
    valid_ic: float
    """Mean daily information coefficient on the validation dates; NaN without any."""
    best_ic: float


@dataclass(eq=False)
class TrainingState:
    """Everything that the next epoch depends on; with it training continues as if it had never stopped.

    No random generator is among it: each epoch draws its dropout and its order of dates from seeds of its own.
    """

    stage: int = 0
    """Index of the stage that runs."""
    epoch: int = 0
    """Epochs done in it."""
    since_best: int = 0
    best_ic: float = -math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the best epoch so far."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    moves: int = 0
    """Steps of the optimiser in this stage, which set the learning rate."""
    history: list[EpochReport] = field(default_factory=list)
    finished: bool = False


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network, with the weights of its best epoch, and how it got there."""

    network: Network
    state: TrainingState


def train(
    network: Network,
    examples: Examples,
    train_rows: slice,
    valid_rows: slice | None,
    settings: TrainingSettings,
    *,
    workers: Workers | None = None,
    resume: TrainingState | None = None,
    after_epoch: Callable[[TrainingState, Network], None] | None = None,
) -> Trained:
    """Train a network; it ends with the weights of the epoch with the best validation IC, or the last without one.

    Parameters
    ----------
    network : its weights are the start, fresh or warm; on the device to train on.
    examples : rows before ``train_rows`` fill the state; rows after ``valid_rows`` are never read.
    train_rows, valid_rows : rows of ``examples``.
    workers : with several, every one calls this with the same arguments, and ``batch`` is that of all together.
    resume : state of an interrupted run with the same arguments.
    after_epoch : is called with the state after every epoch, to keep it and to report.

    Raises
    ------
    InputError
        The batch does not divide among the workers, the training range is too short for it, or attention would be
        used without ever being trained.
    SolverError
        The loss, a weight or the validation IC is not finite.
    """
    workers = Alone() if workers is None else workers
    if settings.batch % workers.count:
        raise InputError(f"batch {settings.batch} does not divide among {workers.count} workers; make it a multiple.")
    dates = train_rows.stop - settings.reading.first_row(train_rows.start)
    if dates < settings.batch * 2:
        raise InputError(f"{max(dates, 0)} training dates are too few for batch {settings.batch}; train on more days.")
    if network.cross is not None and set(settings.stages) == {"encoder"}:
        raise InputError("stages ('encoder',) would leave the attention untrained; add 'cross' or 'joint'.")
    state = TrainingState() if resume is None else copy.deepcopy(resume)
    with kept_memory():
        while not state.finished:
            run = _StageRun(network, examples, train_rows, valid_rows, settings, workers, state)
            run.to_the_end(after_epoch)
    network.load_state_dict(state.best)
    network.eval()
    return Trained(network, state)


def mean_ic(scores: Tensor, examples: Examples, rows: Tensor) -> tuple[Tensor, int]:
    """The mean daily information coefficient of the scores (D, N) of some rows, and of how many of them it is.

    Days on which fewer than two names have a label do not count; NaN where none does.
    """
    known = examples.known(rows)
    counted = known.sum(dim=1) >= 2
    ic = information_coefficient(scores, examples.labels[rows], known)[counted].mean()
    return ic, int(counted.sum())


class _StageRun:
    """One stage of training, from where its state left off."""

    def __init__(
        self,
        network: Network,
        examples: Examples,
        train_rows: slice,
        valid_rows: slice | None,
        settings: TrainingSettings,
        workers: Workers,
        state: TrainingState,
    ) -> None:
        self.network, self.examples, self.settings = network, examples, settings
        self.workers, self.state = workers, state
        self.train_rows, self.valid_rows = train_rows, valid_rows
        self.stage = settings.stages[state.stage]
        self.loss = LOSSES[settings.loss]
        if state.weights:
            network.load_state_dict(state.weights)
        self.trained = _choose_parameters(network, self.stage)
        self.optimiser = AdamW(self.trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        # A joint stage after others goes on from weights that work already.
        self.rate = settings.learning_rate * (0.3 if state.stage and self.stage == "joint" else 1.0)
        self.moves_of_an_epoch = math.ceil(self._steps_of_an_epoch() / settings.accumulate)
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)
        self.cache = self._encoded() if self.stage == "cross" else None

    def to_the_end(self, after_epoch: Callable[[TrainingState, Network], None] | None) -> None:
        """Epochs until patience or their number runs out; then the state points to the next stage."""
        state, settings = self.state, self.settings
        while True:
            loss = self._epoch()
            ic = self._validate()
            state.epoch += 1
            better = math.isnan(ic) or ic > state.best_ic
            if better:
                state.best_ic, state.since_best = ic, 0
                state.best = _copied(self.network)
            else:
                state.since_best += 1
            state.history.append(EpochReport(self.stage, state.epoch, loss, ic, state.best_ic))
            ended = state.epoch >= settings.epochs or state.since_best >= settings.patience
            if ended and state.stage + 1 < len(settings.stages):
                # The next stage starts from the best weights, and must beat them to replace them.
                state.stage, state.epoch, state.since_best = state.stage + 1, 0, 0
                state.weights, state.optimiser, state.moves = state.best, {}, 0
                if self.stage == "encoder" and self.network.cross is not None:
                    # What was measured without the cross-section is no mark for a network with it.
                    state.best_ic = -math.inf
            else:
                state.finished = ended
                state.weights = _copied(self.network)
                state.optimiser = copy.deepcopy(self.optimiser.state_dict())
            if after_epoch is not None:
                after_epoch(state, self.network)
            if ended:
                return

    def _epoch(self) -> float:
        self.network.train()
        # Of each epoch, worker and stage anew, so that a run which was interrupted goes on with the same dropout.
        place = (self.workers.rank + 1, *(() if self.network.stages.encodes else (1,)))
        torch.manual_seed(_seed(self.settings, self.state.stage + 1, self.state.epoch, *place))
        device = self.examples.values.device
        sums, dates = torch.zeros((), device=device), torch.zeros((), device=device)
        pending = torch.zeros((), device=device)
        steps = self._steps_of_an_epoch()
        for number, (rows, scores) in enumerate(self._batches(), 1):
            known = self.examples.known(rows)
            losses = self.loss(scores, self.examples.labels[rows], known)
            counted = (known.sum(dim=1) >= 2).sum()
            if len(rows):
                losses.sum().backward()  # type: ignore[no-untyped-call]
            sums, pending = sums + losses.detach().sum(), pending + counted
            if number % self.settings.accumulate == 0 or number == steps:
                dates = dates + self._move(pending)
                pending = torch.zeros((), device=device)
        broken = torch.stack([~p.isfinite().all() for p in self.trained]).sum().to(sums)
        self.workers.add_up([sums, broken])
        mean = float(sums / dates.clamp(min=1))
        if not math.isfinite(mean) or bool(broken):
            raise SolverError(f"training diverged to loss {mean} or weights not finite; lower learning_rate or clip.")
        return mean

    def _move(self, counted: Tensor) -> Tensor:
        """One step of the optimiser along the mean gradient over the dates of all workers; returns their number."""
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.trained]
        self.network.stages.add_up(gradients)
        self.workers.add_up([*gradients, counted])
        for parameter, gradient in zip(self.trained, gradients, strict=True):
            parameter.grad = gradient / counted.clamp(min=1)
        nn.utils.clip_grad_norm_(self.trained, self.settings.clip)
        rate = self.rate * _rate(self.state.moves, self.moves_of_an_epoch, self.settings.epochs)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.state.moves += 1
        self.optimiser.zero_grad(set_to_none=True)
        return counted

    def _validate(self) -> float:
        if self.valid_rows is None:
            return math.nan
        rows = torch.arange(self.valid_rows.start, self.valid_rows.stop, device=self.examples.values.device)
        if self.stage == "cross":
            self.network.eval()
            with torch.no_grad():
                parts = [self._cached_scores(part) for part in torch.split(rows, self.settings.reading.steps)]
            scores = torch.cat(parts)
        else:
            scores, _ = score_rows(self._seen(), self.examples, self.valid_rows, self.settings.reading)
        ic, counted = mean_ic(scores, self.examples, rows)
        # One figure for all: workers whose last bits differ must not disagree on when to stop.
        self.workers.add_up([ic])
        if counted and not bool(ic.isfinite()):
            raise SolverError(f"training diverged to validation IC {float(ic)}; lower learning_rate or clip.")
        return float(ic) / self.workers.count

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The steps of an epoch: rows (B,) and their scores (B, N)."""
        return self._chunks() if self._in_order else self._shuffled_dates()

    def _shuffled_dates(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.random.default_rng(_seed(self.settings, self.state.stage + 1, self.state.epoch))
        rows = order.permutation(np.arange(self._first_row(), self.train_rows.stop))
        size = self._dates_of_a_step()
        for start in range(0, len(rows), size):
            mine = torch.from_numpy(rows[start : start + size][self.workers.rank :: self.workers.count])
            mine = mine.to(self.examples.values.device)
            if not len(mine):
                # A worker without a date in the last step still takes part in it.
                yield mine, self.examples.labels[mine]
            elif self.stage == "cross":
                yield mine, self._cached_scores(mine)
            else:
                yield mine, window_scores(self._seen(), self.examples, mine, self.settings.reading)

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        starts, length = self._streams()
        mine = starts[self.workers.rank :: self.workers.count]
        network, reading = self._seen(), self.settings.reading
        state = warm_state(network, self.examples, mine, reading)
        for offset in range(0, length, reading.steps):
            spans = [range(s + offset, s + min(offset + reading.steps, length)) for s in mine]
            scores, state = chunk_scores(network, self.examples, spans, state.detached(), reading)
            yield span_rows(spans, scores.device), scores

    @property
    def _in_order(self) -> bool:
        return self.stage != "cross" and self.settings.reading.mode == "chunks"

    def _first_row(self) -> int:
        return self.settings.reading.first_row(self.train_rows.start)

    def _dates_of_a_step(self) -> int:
        in_windows = self.settings.reading.mode == "windows"
        return self.settings.batch * (1 if in_windows else self.settings.reading.steps)

    def _streams(self) -> tuple[list[int], int]:
        """First rows and length of the stretches that run side by side; days that do not fit only fill the state."""
        days = self.train_rows.stop - self.train_rows.start
        length = days // self.settings.batch
        left = days - length * self.settings.batch
        return [self.train_rows.start + left + i * length for i in range(self.settings.batch)], length

    def _steps_of_an_epoch(self) -> int:
        if self._in_order:
            return math.ceil(int(self._streams()[1]) / self.settings.reading.steps)
        return math.ceil(int(self.train_rows.stop - self._first_row()) / self._dates_of_a_step())

    def _seen(self) -> Network:
        """The network as the stage sees it: without its cross-section while only the encoder is trained."""
        return self.network if self.stage != "encoder" else self.network.without_cross()

    def _encoded(self) -> Tensor:
        """Tokens of all rows up to the end of validation: a small cache instead of the encoder."""
        stop = self.train_rows.stop if self.valid_rows is None else self.valid_rows.stop
        return encoded_rows(self.network, self.examples, slice(self._first_row(), stop), self.settings.reading)

    def _cached_scores(self, rows: Tensor) -> Tensor:
        assert self.cache is not None
        with half_precision(self.settings.reading, self.cache.device):
            return self.network.head(
                self.cache[rows].to(self.network.score.weight.dtype), self.examples.structure(rows)
            )


def _choose_parameters(network: Network, stage: Stage) -> list[nn.Parameter]:
    """The parameters that a stage trains, in a fixed order."""
    if stage == "joint":
        return list(network.parameters())
    of_encoder = ("encoder.", "today.")
    of_cross = ("cross.", "mix.")
    left_out = of_cross if stage == "encoder" else of_encoder
    return [p for name, p in network.named_parameters() if not name.startswith(left_out)]


def _rate(move: int, moves_of_an_epoch: int, epochs: int) -> float:
    rising = min(1.0, (move + 1) / moves_of_an_epoch)
    done = min(1.0, move / max(1, moves_of_an_epoch * epochs))
    return rising * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def _copied(network: Network) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def _seed(settings: TrainingSettings, *place: int) -> int:
    words: Sequence[int] = np.random.SeedSequence([settings.seed, *place]).generate_state(1).tolist()
    return words[0]
