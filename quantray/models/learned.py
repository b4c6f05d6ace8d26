"""Networks as forecasters: fit on a fold, predict in one go or day by day, start from an earlier fit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from quantray.arrays import Dates, Float, digest
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError
from quantray.features.catalogue import FEATURES
from quantray.features.feature_set import Features, feature_set
from quantray.models.checkpoint import Checkpoint, ForecastState, load_checkpoint, save_checkpoint, settings_hash
from quantray.models.controls import check_history, prediction_rows
from quantray.models.devices import torch_device
from quantray.models.encoders import LSTMState
from quantray.models.examples import GAP_DAYS, Examples, Normaliser, make_examples
from quantray.models.forecaster import FitContext, FoldData, Scores, features_of, fold_data
from quantray.models.layers import LayerSettings
from quantray.models.networks import Attention, Network, NetworkSettings, needs_graph
from quantray.models.scoring import score_rows
from quantray.models.structures import GraphSettings, KnownGraph, graphs_by_row, rows_behind
from quantray.models.training import TrainingSettings, TrainingState, mean_ic, train
from quantray.models.workers import Workers

__all__ = ["FittedNetwork", "NetworkForecaster", "torch_threads", "validation_ic", "warm_settings"]


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
    ) -> "FittedNetwork":
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
    ) -> "FittedNetwork":
        path = None if context.folder is None else context.folder / "checkpoint.pt"
        done = None if path is None else _resumable(path, start)
        if done is not None and done.progress.finished and done.state is not None:
            return FittedNetwork(done, context, self.device)
        first = max(data.train.start - start.training.reading.warm_up, 0)
        examples, graphs = _examples_of_fold(data, start, context, first, self.shuffled_labels)
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
            _shifted(data.train, first),
            None if data.valid is None else _shifted(data.valid, first),
            start.training,
            workers=workers,
            resume=None if done is None else done.progress,
            after_epoch=after_epoch,
        )
        rows = slice(len(examples.values) - 1, len(examples.values))
        _, lstm = score_rows(network, examples.to(device), rows, start.training.reading)
        last_graph = graphs[max(graphs)] if graphs else None
        state = ForecastState(data.panel.dates[-1], data.panel.assets, None if lstm is None else lstm, last_graph)
        checkpoint = replace(start, progress=trained.state, state=state)
        if writes and path is not None:
            save_checkpoint(path, checkpoint)
        return FittedNetwork(checkpoint, context, self.device)


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network; see ``Fitted``."""

    checkpoint: Checkpoint
    context: FitContext = field(default_factory=FitContext)
    device: str = "cpu"

    @classmethod
    def load(cls, path: Path, context: FitContext | None = None, *, device: str = "cpu") -> "FittedNetwork":
        """From a checkpoint file.

        Raises
        ------
        DataError
            There is none, it is damaged, or its training has not finished.
        """
        checkpoint = load_checkpoint(path)
        if not checkpoint.progress.finished or checkpoint.state is None:
            raise DataError(f"checkpoint {path} is of a training that has not finished; run the training again.")
        return cls(checkpoint, FitContext() if context is None else context, device)

    @property
    def data_through(self) -> np.datetime64:
        """See ``Fitted``."""
        return self.checkpoint.data_through

    @property
    def network(self) -> Network:
        """The network with its best weights, ready to predict."""
        network = Network(self.checkpoint.network)
        network.load_state_dict(self.checkpoint.progress.best)
        return network.to(torch_device(self.device)).eval()

    def predict(
        self, panel: Panel, dates: Dates, *, state: ForecastState | None = None, features: Features | None = None
    ) -> Scores:
        """See ``Fitted``. The state that comes back holds every asset of the panel, member or not.

        Raises
        ------
        InputError
            Besides: the features are others than those trained on, the state is not of the row before, or the panel
            begins too late for features, warm-up or graph, or fewer than ten rows before a state goes on.
        """
        rows = prediction_rows(panel, dates, self.data_through)
        reading = self.checkpoint.training.reading
        if state is not None and state.lstm is not None and rows.start < GAP_DAYS:
            raise InputError(
                f"the panel begins {rows.start} rows before {panel.dates[rows.start]}; give {GAP_DAYS} or more, which "
                "tell whether a name was away so long that its state is void."
            )
        if state is not None and (rows.start == 0 or panel.dates[rows.start - 1] != state.date):
            raise InputError(f"the state is of {state.date}, but the first date {panel.dates[rows.start]} is not next.")
        needs_past = state is None or state.lstm is None
        before = (reading.warm_up if reading.mode == "chunks" else reading.steps - 1) if needs_past else 0
        needed = self._lookback(panel, rows, before, None if state is None else state.graph, features)
        check_history(panel, rows.start, needed, self.checkpoint.fold.train.first)
        first = max(rows.start - before, 0)
        given = self._features(panel, first, rows.stop, features)
        span = slice(first, rows.stop)
        graphs = self._graphs(panel, span, None if state is None else state.graph)
        examples = _examples(self.checkpoint, panel, given, None, graphs, first)
        lstm = None
        if state is not None and state.lstm is not None:
            place = {name: i for i, name in enumerate(state.assets.tolist())}
            lstm = state.lstm.take(torch.tensor([place.get(name, -1) for name in panel.assets.tolist()]))
        device = torch_device(self.device)
        if lstm is not None:
            lstm = LSTMState(lstm.hidden.to(device), lstm.cell.to(device))
        scores, after = score_rows(self.network, examples.to(device), _shifted(rows, first), reading, lstm)
        there = panel.member[rows] & given.present[rows.start - first :]
        values: Float = np.where(there, scores.cpu().numpy().astype(np.float64), np.nan)
        last = graphs[max(graphs)] if graphs else None
        return Scores(panel.dates[rows], panel.assets, values, ForecastState(dates[-1], panel.assets, after, last))

    def _lookback(
        self, panel: Panel, rows: slice, before: int, known: KnownGraph | None, features: Features | None
    ) -> int:
        """Rows before the first of some that scores are made of, if the encoder begins ``before`` rows early."""
        if features is None and self.context.features is None:
            before += self._furthest
        if not needs_graph(self.checkpoint.network.attention):
            return before
        return max(before, rows_behind(panel.dates, rows, self.checkpoint.graph, known))

    @property
    def _furthest(self) -> int:
        """Rows that its features need behind their own."""
        known = {**FEATURES, **self.context.own_features}
        return max(known[name].lookback for name in self.checkpoint.feature_names)

    def _features(self, panel: Panel, first: int, stop: int, features: Features | None) -> Features:
        """Features of the rows from ``first`` on, from no more rows than they need."""
        names = self.checkpoint.feature_names
        if features is None and self.context.features is None:
            near = panel.between(panel.dates[max(first - self._furthest, 0)], panel.dates[stop - 1])
            sectors, own = self.context.sectors or None, self.context.own_features
            given = feature_set(near, sectors=sectors, names=names, last=stop - first, own=own)
        else:
            given = features_of(panel, self.context, features, seen=[stop - 1]).between(first, stop - 1)
        if given.schema != self.checkpoint.schema:
            raise InputError(
                "these features are not those that the network was trained on (other names, parameters or fields of "
                f"the panel); it wants {', '.join(names)}."
            )
        return given

    def _graphs(self, panel: Panel, span: slice, known: KnownGraph | None) -> dict[int, KnownGraph]:
        attention = self.checkpoint.network.attention
        if not needs_graph(attention):
            return {}
        return graphs_by_row(panel, self.checkpoint.graph, attention, span, self.context.sectors, known)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute on so many threads inside the block; sums in another order differ in the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def validation_ic(fitted: FittedNetwork, panel: Panel, fold: Split) -> float:
    """The mean daily information coefficient of a network on the validation range of a fold, as training measures it.

    What the network has seen of that range is not asked: it may flatter one that is older than the fold, never a fit
    on the fold's own training range.

    Parameters
    ----------
    panel, fold : as ``NetworkForecaster.fit`` takes them; the fold has a validation range.

    Raises
    ------
    InputError
        The features are others than those that the network was trained on.
    """
    checkpoint, context = fitted.checkpoint, fitted.context
    data = fold_data(panel, fold, context)
    assert data.valid is not None, "the fold has one"
    if data.features.schema != checkpoint.schema:
        raise InputError("the network was trained on other features than this panel has; train it anew.")
    first = max(data.train.start - checkpoint.training.reading.warm_up, 0)
    examples, _ = _examples_of_fold(data, checkpoint, context, first, shuffled=False)
    rows, device = _shifted(data.valid, first), torch_device(fitted.device)
    scores, _ = score_rows(fitted.network, examples.to(device), rows, checkpoint.training.reading)
    ic, _ = mean_ic(scores.cpu(), examples, torch.arange(rows.start, rows.stop))
    return float(ic)


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


def _examples_of_fold(
    data: FoldData, start: Checkpoint, context: FitContext, first: int, shuffled: bool
) -> tuple[Examples, dict[int, KnownGraph]]:
    attention = start.network.attention
    span = slice(first, len(data.panel.dates))
    graphs = {}
    if needs_graph(attention):
        graphs = graphs_by_row(data.panel, start.graph, attention, span, context.sectors)
    labels = _dealt(data, context.seed) if shuffled else data.labels
    features = data.features.between(first, span.stop - 1)
    return _examples(start, data.panel, features, labels[span], graphs, first), graphs


def _examples(
    checkpoint: Checkpoint,
    panel: Panel,
    features: Features,
    labels: Float | None,
    graphs: dict[int, KnownGraph],
    first: int,
) -> Examples:
    """Of the panel's rows from ``first`` on, as many as there are features."""
    links = {row - first: graph.links for row, graph in graphs.items()} or None
    clustered = checkpoint.network.attention == "hierarchical"
    return make_examples(
        features.values,
        features.present,
        panel.member[first : first + len(features.dates)],
        labels,
        checkpoint.normaliser,
        None if clustered else links,
        clusters=links if clustered else None,
        earlier=~np.isnan(panel.field("close")[max(first - GAP_DAYS, 0) : first]),
    )


def _dealt(data: FoldData, seed: int) -> Float:
    """Training labels in random order among the names of each date."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    labels = data.labels.copy()
    for row in range(data.train.start, data.train.stop):
        known = np.flatnonzero(~np.isnan(labels[row]))
        labels[row, known] = labels[row, generator.permutation(known)]
    return labels


def _shifted(rows: slice, by: int) -> slice:
    return slice(rows.start - by, rows.stop - by)
