"""Processes that train one network together over ``torch.distributed``, whoever started them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.distributed.axes.choice import Axes, check_axes, dividing
from quantray.distributed.axes.messages import add_up
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
        """See ``Workers``."""
        add_up(tensors, self.group)


@dataclass(frozen=True, eq=False)
class WorkerGrid:
    """Rows of workers that compute the same dates together; the workers of a column share the dates."""

    data: ProcessGroup
    """Workers at the same place of their rows, this one among them."""
    row: dist.ProcessGroup | None
    """Workers of this one's row; none where each is alone in it."""


def worker_grid(row: int = 1) -> WorkerGrid:
    """Arrange all processes so that neighbours stand in a row; every process must call this alike.

    Raises
    ------
    InputError
        The processes do not divide into rows of so many.
    ClusterError
        They have not been joined.
    """
    everyone = ProcessGroup()
    if row < 1 or everyone.count % row:
        raise InputError(f"{everyone.count} workers do not divide into rows of {row}; make them a multiple.")
    if row == 1:
        return WorkerGrid(everyone, None)
    # Every process has to take part in making every group, its own or not.
    rows = [dist.new_group(list(range(i, i + row))) for i in range(0, everyone.count, row)]
    columns = [dist.new_group(list(range(i, everyone.count, row))) for i in range(row)]
    mine, place = divmod(everyone.rank, row)
    return WorkerGrid(ProcessGroup(columns[place]), rows[mine])


def fit_share(
    forecaster: NetworkForecaster,
    panel: Panel,
    fold: Split,
    *,
    init: Any = None,
    context: FitContext,
    axes: Axes | None = None,
) -> FittedNetwork:
    """One process's share of a fit; all processes of ``torch.distributed`` call it with the same arguments.

    Only the first process reads and writes the context's folder. It sends the others what it found there, so all go
    on from the same epoch even where a shared disk shows them different files.

    Parameters
    ----------
    init, context : see ``NetworkForecaster.fit``.
    axes : how the processes stand in rows, and what those of a row share; by default all share the dates alone.

    Returns
    -------
    FittedNetwork
        The same on every process.

    Raises
    ------
    InputError
        See ``check_axes`` and ``NetworkForecaster.fit``.
    DataError
        The checkpoint cannot be read.
    SolverError
        The training diverged.
    """
    axes = Axes() if axes is None else axes
    grid = worker_grid(axes.row)
    check_axes(forecaster, axes, dist.get_world_size())
    divide = dividing(axes, grid.row)
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
