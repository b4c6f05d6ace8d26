"""Processes that train one network together over ``torch.distributed``, whoever started them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.distributed.heads import split_heads
from quantray.errors import ClusterError, DataError, InputError, reason
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster

__all__ = ["CHECKPOINT", "ProcessGroup", "WorkerGrid", "fit_share", "worker_grid"]

CHECKPOINT = "checkpoint.pt"
"""The file that a fit keeps in its folder."""


class ProcessGroup:
    """``Workers`` of the training loop that add up over a group of ``torch.distributed``.

    Parameters
    ----------
    group : all processes by default.

    Raises
    ------
    ClusterError
        The processes have not been joined, or this one is not in the group.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        if not dist.is_initialized():
            raise ClusterError("the processes are not joined; call torch.distributed.init_process_group first.")
        self.group, self.rank, self.count = group, dist.get_rank(group), dist.get_world_size(group)
        if self.rank < 0:
            raise ClusterError("this process is not in the group; give it the group that it is a member of.")

    def add_up(self, tensors: list[Tensor]) -> None:
        """See ``Workers``: one message for all tensors of a kind, not one for each."""
        kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        under_way = []
        with torch.no_grad():
            for alike in kinds.values():
                flat = torch.cat([tensor.reshape(-1) for tensor in alike])
                under_way.append((alike, flat, dist.all_reduce(flat, group=self.group, async_op=True)))
            for alike, flat, message in under_way:
                message.wait()
                for tensor, total in zip(alike, torch.split(flat, [t.numel() for t in alike]), strict=True):
                    tensor.copy_(total.view_as(tensor))


@dataclass(frozen=True, eq=False)
class WorkerGrid:
    """Rows of workers that share a network's heads; the workers of a column share the dates."""

    data: ProcessGroup
    """Workers that hold the same heads, this one among them."""
    heads: dist.ProcessGroup | None
    """Workers that compute the same dates; none where each holds all heads."""


def worker_grid(head_workers: int = 1) -> WorkerGrid:
    """Arrange all processes so that neighbours share the heads; every process must call this alike.

    Raises
    ------
    InputError
        The processes do not divide into rows of ``head_workers``.
    ClusterError
        They have not been joined.
    """
    everyone = ProcessGroup()
    if head_workers < 1 or everyone.count % head_workers:
        raise InputError(f"{everyone.count} workers do not divide into rows of {head_workers}; make them a multiple.")
    if head_workers == 1:
        return WorkerGrid(everyone, None)
    # Every process has to take part in making every group, its own or not.
    rows = [dist.new_group(list(range(i, i + head_workers))) for i in range(0, everyone.count, head_workers)]
    columns = [dist.new_group(list(range(i, everyone.count, head_workers))) for i in range(head_workers)]
    row, column = divmod(everyone.rank, head_workers)
    return WorkerGrid(ProcessGroup(columns[column]), rows[row])


def fit_share(
    forecaster: NetworkForecaster,
    panel: Panel,
    fold: Split,
    *,
    init: Any = None,
    context: FitContext,
    head_workers: int = 1,
) -> FittedNetwork:
    """One process's share of a fit; all processes of ``torch.distributed`` call it with the same arguments.

    Only the first process reads and writes the context's folder. It sends the others what it found there, so all go
    on from the same epoch even where a shared disk shows them different files.

    Parameters
    ----------
    init, context : see ``NetworkForecaster.fit``.
    head_workers : processes among which the heads of each date are split; the others share the dates.

    Returns
    -------
    FittedNetwork
        The same on every process.

    Raises
    ------
    InputError
        Dates or heads do not divide among the workers; besides, see ``NetworkForecaster.fit``.
    DataError
        The checkpoint cannot be read.
    SolverError
        The training diverged.
    """
    grid = worker_grid(head_workers)
    divide = None if grid.heads is None else partial(split_heads, group=grid.heads)
    with _same_checkpoint(context.folder) as folder:
        return forecaster.fit(
            panel, fold, init=init, context=replace(context, folder=folder), workers=grid.data, divide=divide
        )


@contextmanager
def _same_checkpoint(folder: Path | None) -> Iterator[Path | None]:
    """The folder to the first process; to the others one of their own, with the same checkpoint."""
    if folder is None:
        yield None
        return
    first, path = dist.get_rank() == 0, folder / CHECKPOINT
    found: list[bytes | None] = [None]
    if first and path.is_file():
        try:
            found = [path.read_bytes()]
        except OSError as error:
            raise DataError(f"checkpoint {path} cannot be read: {reason(error)}; make its folder readable.") from error
    # Nobody can pass here before the first process has read, and it cannot write before all have passed.
    dist.broadcast_object_list(found, src=0)
    if first:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="quantray-") as own:
        if found[0] is not None:
            (Path(own) / CHECKPOINT).write_bytes(found[0])
        yield Path(own)
