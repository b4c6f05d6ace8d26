"""Networks as forecasters: fit on a fold, go on with a fit that was interrupted, start from an earlier one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quantray.arrays import digest
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import InputError
from quantray.models.checkpoint import Checkpoint, ForecastState, load_checkpoint, save_checkpoint, settings_hash
from quantray.models.devices import torch_device
from quantray.models.examples import Normaliser
from quantray.models.fitted import FittedNetwork, fold_examples, shifted
from quantray.models.forecaster import FitContext, FoldData, fold_data
from quantray.models.layers import LayerSettings
from quantray.models.networks import Attention, Network, NetworkSettings
from quantray.models.scoring import score_rows
from quantray.models.structures import GraphSettings
from quantray.models.training import TrainingSettings, TrainingState, train
from quantray.models.workers import Workers

__all__ = ["NetworkForecaster", "torch_threads", "warm_settings"]


@dataclass(frozen=True, kw_only=True)
class NetworkForecaster:
    """An LSTM, with or without attention among names; see ``NetworkSettings`` and ``TrainingSettings``.

    Parameters
    ----------
    shuffled_labels : learn from labels that were dealt out anew among the names of each training date: the control
        that shows what the protocol itself gives away. Validation keeps its labels.
    device : where it computes; see ``devices.torch_device``.
    """

    name: str
    attention: Attention | LayerSettings = "neighbours"
    width: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    recompute: bool = False
    graph: GraphSettings = field(default_factory=GraphSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    shuffled_labels: bool = False
    device: str = "cpu"

    def fit(
        self,
        panel: Panel,
        fold: Split,
        *,
        init: Any = None,
        context: FitContext,
        workers: Workers | None = None,
        divide: Callable[[Network], None] | None = None,
    ) -> FittedNetwork:
        """See ``Forecaster``; with a folder in the context, an interrupted fit goes on from its last epoch.

        Parameters
        ----------
        init : an earlier ``FittedNetwork`` or ``Checkpoint`` of a network of the same shape, on any universe.
        workers : processes that train together; only the first of them writes checkpoints.
        divide : is given the network before training, to spread its own work; its parameters must keep their names
            and shapes.

        Raises
        ------
        InputError
            ``init`` has seen data after the training range, or is of another shape or other features; a sector graph
            without sectors; or no such device here.
        SolverError
            The training diverged.
        """
        data = fold_data(panel, fold, context)
        shape = NetworkSettings(
            inputs=len(data.features.names) + 1,
            width=self.width,
            layers=self.layers,
            attention=self.attention,
            heads=self.heads,
            dropout=self.dropout,
            recompute=self.recompute,
        )
        training = replace(self.training, seed=context.seed)
        before = init.checkpoint if isinstance(init, FittedNetwork) else init
        start = Checkpoint(
            network=shape,
            training=training,
            graph=self.graph,
            feature_names=data.features.names,
            schema=data.features.schema,
            normaliser=Normaliser.fit(data.features.values[data.train], data.member[data.train])
            if before is None
            else before.normaliser,
            fold=fold,
            data_through=data.panel.dates[-1],
            data=digest(["\n".join(data.panel.assets.tolist()), data.member, data.labels, str(self.shuffled_labels)]),
            progress=TrainingState(),
            parent=None if before is None else before.identity,
        )
        if before is not None:
            _check_parent(before, start)
        return self._train(data, start, before, context, workers, divide)

    def _train(
        self,
        data: FoldData,
        start: Checkpoint,
        before: Checkpoint | None,
        context: FitContext,
        workers: Workers | None,
        divide: Callable[[Network], None] | None,
    ) -> FittedNetwork:
        path = None if context.folder is None else context.folder / "checkpoint.pt"
        done = None if path is None else _resumable(path, start)
        if done is not None and done.progress.finished and done.state is not None:
            return FittedNetwork(done, context, self.device)
        first = max(data.train.start - start.training.reading.warm_up, 0)
        examples, graphs = fold_examples(data, start, context, first, self.shuffled_labels)
        torch.manual_seed(int(np.random.SeedSequence([context.seed, 1]).generate_state(1)[0]))
        device = torch_device(self.device)
        network = Network(start.network).to(device)
        if before is not None:
            network.load_state_dict(before.progress.best)
        if divide is not None:
            divide(network)
        writes = path is not None and (workers is None or workers.rank == 0)

        def after_epoch(progress: TrainingState, _: Network) -> None:
            report = progress.history[-1]
            if context.say is not None:
                context.say(
                    f"{self.name} seed {context.seed} to {start.fold.train.last}: {report.stage} epoch {report.epoch}, "
                    f"loss {report.loss:.4f}, valid IC {report.valid_ic:.4f} (best {report.best_ic:.4f})"
                )
            if writes and path is not None:
                save_checkpoint(path, replace(start, progress=progress))
            if context.report is not None:
                context.report(report)

        trained = train(
            network,
            examples.to(device),
            shifted(data.train, first),
            None if data.valid is None else shifted(data.valid, first),
            start.training,
            workers=workers,
            resume=None if done is None else done.progress,
            after_epoch=after_epoch,
        )
        rows = slice(len(examples.values) - 1, len(examples.values))
        # Of the whole network: what it was divided into need not know the state.
        whole = FittedNetwork(replace(start, progress=trained.state), context, self.device).network
        _, lstm = score_rows(whole, examples.to(device), rows, start.training.reading)
        last_graph = graphs[max(graphs)] if graphs else None
        state = ForecastState(data.panel.dates[-1], data.panel.assets, None if lstm is None else lstm, last_graph)
        checkpoint = replace(start, progress=trained.state, state=state)
        if writes and path is not None:
            save_checkpoint(path, checkpoint)
        return FittedNetwork(checkpoint, context, self.device)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute on so many threads inside the block; sums in another order differ in the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def warm_settings(training: TrainingSettings, *, epochs: int = 6, patience: int = 2) -> TrainingSettings:
    """Training that goes on from an earlier fit: few epochs in one joint stage, at a third of the rate."""
    return replace(
        training, epochs=epochs, patience=patience, stages=("joint",), learning_rate=training.learning_rate / 3
    )


def _check_parent(before: Checkpoint, child: Checkpoint) -> None:
    if before.data_through > child.fold.train.last:
        raise InputError(
            f"the earlier fit has seen data through {before.data_through}, after this training ends on "
            f"{child.fold.train.last}; start from a fit that ended before."
        )
    if before.schema != child.schema or before.network.inputs != child.network.inputs:
        raise InputError(
            "the earlier fit was made on other features; train from fresh weights, or on the same features."
        )
    same = ("width", "layers", "heads", "attention")
    other = [n for n in same if getattr(before.network, n) != getattr(child.network, n)]
    if other:
        raise InputError(f"the earlier fit has another {' and '.join(other)}; use the same network.")


def _resumable(path: Path, start: Checkpoint) -> Checkpoint | None:
    """What a folder holds of this very fit.

    Raises
    ------
    InputError
        It holds another fit.
    """
    if not path.is_file():
        return None
    found = load_checkpoint(path)
    keys = [settings_hash(c.network, c.training, c.graph, c.schema) for c in (found, start)]
    same = all(getattr(found, name) == getattr(start, name) for name in ("fold", "data", "parent"))
    if keys[0] != keys[1] or not same:
        raise InputError(f"{path} is of another fit, by its settings or data; give each fit a folder of its own.")
    return found
