"""Which axes the workers of a row share, and which choices make no sense."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch.distributed as dist

from quantray.distributed.axes.features import split_features
from quantray.distributed.axes.heads import split_heads
from quantray.distributed.axes.pipeline import STAGES, split_stages
from quantray.errors import InputError
from quantray.models.learned import NetworkForecaster
from quantray.models.networks import Network

__all__ = ["Axes", "Axis", "check_axes", "dividing"]

Axis = Literal["heads", "features", "pipeline"]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """How workers stand in rows: the workers of a row compute the same dates together, and the rows share the dates.

    Parameters
    ----------
    row : workers of a row; with 1 there are dates alone.
    split : what the workers of a row share: attention ``heads``, the encoder's ``features``, or both; or ``pipeline``,
        the encoder on one and attention on the next.
    micro_batches : parts of a step that go through the pipeline.
    """

    row: int = 1
    split: tuple[Axis, ...] = ("heads",)
    micro_batches: int = 4

    def __post_init__(self) -> None:
        known = get_args(Axis)
        if not self.split or len(set(self.split)) < len(self.split) or not set(self.split) <= set(known):
            raise InputError(f"split {self.split} must name some of {', '.join(known)}, each once.")
        if "pipeline" in self.split and len(self.split) > 1:
            raise InputError(f"split {self.split}: a pipeline shares nothing else; leave out pipeline, or the others.")
        if self.row < 1 or self.micro_batches < 1:
            raise InputError(f"row {self.row} and micro_batches {self.micro_batches} must be at least 1.")
        if "pipeline" in self.split and self.row > STAGES:
            raise InputError(
                f"a row of {self.row} workers is more than the {STAGES} stages of a pipeline, encoder and attention; "
                f"set row to {STAGES}, and let the rows share the dates."
            )


def check_axes(forecaster: NetworkForecaster, axes: Axes, workers: int) -> None:
    """Refuse before workers start what each of them would refuse.

    Raises
    ------
    InputError
        Workers do not divide into rows, dates among the rows, or heads or features among the workers of a row; there is
        no attention to share; or a stage of training would leave a worker of the pipeline without work.
    """
    workers = max(workers, 1)
    if workers % axes.row:
        raise InputError(f"{workers} workers do not divide into rows of {axes.row}; make them a multiple.")
    training, rows = forecaster.training, workers // axes.row
    if training.batch % rows:
        raise InputError(f"batch {training.batch} does not divide among {rows} rows of workers; make it a multiple.")
    if axes.row == 1:
        return
    attends = forecaster.attention != "none"
    if "heads" in axes.split and (
        not isinstance(forecaster.attention, str) or not attends or forecaster.heads % axes.row
    ):
        raise InputError(
            f"{forecaster.heads} heads of attention {forecaster.attention!r} do not divide among the {axes.row} "
            "workers of a row; make them a multiple, or split something else."
        )
    if "features" in axes.split and forecaster.width % axes.row:
        raise InputError(
            f"width {forecaster.width} does not divide among the {axes.row} workers of a row; make it a multiple."
        )
    if "pipeline" in axes.split and not attends:
        raise InputError("attention none leaves the second worker of a pipeline without work; split features instead.")
    if "pipeline" in axes.split and "cross" in training.stages:
        raise InputError(
            "stage cross leaves the first worker of a pipeline without work; leave it out of stages, or split heads."
        )


def dividing(axes: Axes, group: dist.ProcessGroup | None) -> Callable[[Network], None] | None:
    """What spreads a network over the workers of a row; none where each has all of it."""
    if axes.row == 1:
        return None
    if "pipeline" in axes.split:
        return partial(split_stages, group=group, micro_batches=axes.micro_batches)

    def divide(network: Network) -> None:
        if "heads" in axes.split:
            split_heads(network, group)
        if "features" in axes.split:
            split_features(network, group)

    return divide
