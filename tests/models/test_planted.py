"""A signal that only a model of peers can read in full, in a market whose best information coefficient is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from _planted import GRAPH, TRAINING, Planted, planted

from quantray.arrays import Float
from quantray.models.forecaster import FitContext, Forecaster
from quantray.models.learned import NetworkForecaster
from quantray.models.linear import Ridge
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings, known_graph


@pytest.fixture(scope="module")
def large() -> Planted:
    return planted(306, 800, 360, seed=3)


@pytest.fixture(scope="module")
def small() -> Planted:
    return planted(99, 700, 120, seed=5)


@pytest.fixture
def share(large: Planted) -> Callable[[Forecaster], float]:
    """Information coefficient of a forecaster, in units of the best possible."""
    best = large.ic(large.truth.expected_returns[large.test])

    def of(forecaster: Forecaster) -> float:
        fit = forecaster.fit(large.panel, large.fold, context=FitContext(features=large.features, seed=1))
        return large.ic(fit.predict(large.panel, large.panel.dates[large.test]).values) / best

    return of


def network(attention: str, graph: GraphSettings = GRAPH) -> NetworkForecaster:
    return NetworkForecaster(name=attention, attention=attention, graph=graph, width=16, layers=1, training=TRAINING)


def test_the_graph_finds_the_peers(large: Planted) -> None:
    graph = known_graph(large.panel, GRAPH, "neighbours", large.test.start, {})
    found = [
        np.isin(row[row >= 0], peers).mean()
        for row, peers in zip(graph.links.numpy(), large.truth.peers, strict=True)
        if (row >= 0).any()
    ]
    assert np.mean(found) > 0.9


@pytest.mark.slow
def test_only_peers_read_the_signal_in_full(share: Callable[[Forecaster], float]) -> None:
    ridge, alone, peers = share(Ridge()), share(network("none")), share(network("neighbours"))
    # A name's own return tells at most 62 % of the signal: see ``LeadLag``.
    assert 0.45 < ridge < 0.65
    assert 0.45 < alone < 0.65
    assert peers > 0.85
    # Neighbours drawn at random are worth no more than none.
    strangers = share(network("neighbours", replace(GRAPH, kind="random")))
    assert abs(strangers - alone) < 0.05


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(small: Planted) -> None:
    def ics(shuffled: bool, n_seeds: int) -> Float:
        training = replace(TRAINING, epochs=3, batch=2, learning_rate=5e-3, reading=TimeReading(steps=20, warm_up=20))
        forecaster = replace(network("neighbours"), training=training, shuffled_labels=shuffled)
        # Validation picks the best of several epochs, so with it even noise would look a little better than nothing.
        fold = replace(small.fold, valid=None)
        out = []
        for seed in range(n_seeds):
            fit = forecaster.fit(small.panel, fold, context=FitContext(features=small.features, seed=seed))
            out.append(small.ic(fit.predict(small.panel, small.panel.dates[small.test]).values))
        return np.array(out)

    noise = ics(True, 8)
    error = noise.std(ddof=1) / np.sqrt(len(noise))
    assert abs(noise.mean()) < 3 * error
    assert ics(False, 2).mean() > 5 * error
