"""Networks after training: predict in one go or day by day, from a checkpoint or fresh from the fit."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from quantray.arrays import Dates, Float
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.errors import DataError, InputError
from quantray.features.catalogue import FEATURES
from quantray.features.feature_set import Features, feature_set
from quantray.models.checkpoint import Checkpoint, ForecastState, load_checkpoint
from quantray.models.controls import check_history, prediction_rows
from quantray.models.devices import torch_device
from quantray.models.encoders import LSTMState
from quantray.models.examples import GAP_DAYS, Examples, make_examples
from quantray.models.forecaster import FitContext, FoldData, Scores, features_of, fold_data
from quantray.models.networks import Network, needs_graph
from quantray.models.scoring import score_rows
from quantray.models.structures import KnownGraph, graphs_by_row, rows_behind
from quantray.models.training import mean_ic

__all__ = ["FittedNetwork", "fold_examples", "shifted", "validation_ic"]


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
        scores, after = score_rows(self.network, examples.to(device), shifted(rows, first), reading, lstm)
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
    examples, _ = fold_examples(data, checkpoint, context, first, shuffled=False)
    rows, device = shifted(data.valid, first), torch_device(fitted.device)
    scores, _ = score_rows(fitted.network, examples.to(device), rows, checkpoint.training.reading)
    ic, _ = mean_ic(scores.cpu(), examples, torch.arange(rows.start, rows.stop))
    return float(ic)


def fold_examples(
    data: FoldData, start: Checkpoint, context: FitContext, first: int, shuffled: bool
) -> tuple[Examples, dict[int, KnownGraph]]:
    """The tensors of a fold from row ``first`` on, with labels as known or dealt out at random, and the graphs."""
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


def shifted(rows: slice, by: int) -> slice:
    """The same rows, counted from row ``by`` on."""
    return slice(rows.start - by, rows.stop - by)
