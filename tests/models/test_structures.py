import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.features.graphs import capped_clusters, top_k_graph
from quantray.features.returns import simple_returns
from quantray.models.structures import GraphSettings, KnownGraph, graphs_by_row, known_graph

SETTINGS = GraphSettings(k=3, cap=5, window=100)


def sectors_of(panel, n_sectors=4):
    return {name: f"sector {place % n_sectors}" for place, name in enumerate(panel.assets.tolist()) if place != 6}


def first_row(panel, month):
    return int(np.searchsorted(panel.dates, np.datetime64(month, "D")))


def test_a_graph_is_made_of_the_window_before_it(study):
    panel, first = study.panel, first_row(study.panel, "2024-07")
    graph = known_graph(panel, SETTINGS, "neighbours", first, {})
    start = first - 101
    returns = simple_returns(panel.field("close")[start:first])[1:]
    linked = ~np.isnan(returns[-1]) & panel.member[start + 1 : first].any(axis=0)
    wanted = top_k_graph(returns, panel.assets, panel.dates[start + 1 : first], k=3, member=linked)
    assert_array_equal(graph.links.numpy(), wanted.neighbours)
    assert graph.window_end == panel.dates[first - 1] < np.datetime64("2024-07-01")
    assert graph.quarter == np.datetime64("2024-07")
    assert (graph.links[10] == -1).all()
    assert not (graph.links == 10).any()
    clusters = known_graph(panel, SETTINGS, "hierarchical", first, {})
    made = capped_clusters(returns, panel.assets, panel.dates[start + 1 : first], cap=5, member=linked)
    assert_array_equal(clusters.links.numpy(), made.members)
    assert clusters.clustered
    assert not graph.clustered


@pytest.mark.parametrize("attention", ["neighbours", "hierarchical"])
@pytest.mark.parametrize("kind", ["correlation", "sector", "random"])
def test_graphs_know_nothing_later(study, attention, kind):
    panel = study.panel
    settings, sectors = GraphSettings(kind=kind, k=3, cap=5, window=100), sectors_of(panel)
    rows = slice(200, 330)
    whole = graphs_by_row(panel, settings, attention, rows, sectors)
    assert sorted(whole) == [200, *(first_row(panel, m) for m in ("2024-07", "2024-10"))]
    for row, graph in whole.items():
        alone = graphs_by_row(panel.until(row), settings, attention, slice(row, row + 1), sectors)[row]
        assert_array_equal(alone.links.numpy(), graph.links.numpy())
        assert graph.window_end < panel.dates[row]
        assert (graph.links >= 0).any()


def test_a_date_alone_decides_its_graph(study):
    # Whatever the first row asked for, a date's graph is that of its quarter.
    by_start = [graphs_by_row(study.panel, SETTINGS, "neighbours", slice(s, s + 1), {})[s] for s in (254, 270, 315)]
    for graph in by_start[1:]:
        assert_array_equal(graph.links.numpy(), by_start[0].links.numpy())


def test_the_graph_in_force_is_used_again_within_its_quarter(study):
    panel = study.panel
    known = KnownGraph(panel.assets, np.datetime64("2024-07"), panel.dates[250], torch.full((40, 3), 7), False)
    found = graphs_by_row(panel, SETTINGS, "neighbours", slice(300, 320), {}, known)
    turn = first_row(panel, "2024-10")
    assert sorted(found) == [300, turn]
    assert found[300] is known
    assert found[turn].quarter == np.datetime64("2024-10")


def test_links_among_other_names():
    links = torch.tensor([[1, 2], [0, -1], [3, 1], [2, 0]], dtype=torch.int32)
    graph = KnownGraph(
        np.array(["A", "B", "C", "D"]), np.datetime64("2024-01"), np.datetime64("2023-12-29"), links, False
    )
    moved = graph.among(np.array(["D", "X", "A", "C"]))
    assert_array_equal(moved.links.numpy(), [[3, 2], [-1, -1], [-1, 3], [0, -1]])
    assert_array_equal(moved.assets, ["D", "X", "A", "C"])
    assert (moved.quarter, moved.window_end) == (graph.quarter, graph.window_end)
    assert graph.among(graph.assets.copy()) is graph
    clusters = KnownGraph(graph.assets, graph.quarter, graph.window_end, torch.tensor([[0, 3], [1, 2]]), True)
    assert_array_equal(clusters.among(np.array(["D", "X", "A", "C"])).links.numpy(), [[2, 0], [-1, 3]])


@pytest.mark.parametrize(("attention", "shape"), [("neighbours", (40, 3)), ("hierarchical", (1, 5))])
def test_too_few_days_leave_everybody_alone(study, attention, shape):
    for first in (0, 30):
        graph = known_graph(study.panel, SETTINGS, attention, first, {})
        assert graph.links.shape == shape
        assert (graph.links == -1).all()


def test_sector_graphs_stay_in_the_sector(study):
    sectors = sectors_of(study.panel)
    graph = known_graph(study.panel, GraphSettings(kind="sector", k=3), "neighbours", 300, sectors)
    names = study.panel.assets.tolist()
    edges = [(i, int(j)) for i, row in enumerate(graph.links) for j in row if j >= 0]
    assert len(edges) > 60
    assert all(sectors[names[i]] == sectors[names[j]] for i, j in edges)
    assert (graph.links[6] == -1).all()


def test_a_sector_graph_without_sectors_is_refused(study):
    with pytest.raises(InputError, match="a sector graph needs sectors, else nobody is linked"):
        known_graph(study.panel, GraphSettings(kind="sector"), "neighbours", 300, {})


def test_random_graphs_keep_degrees_and_change_by_quarter(study):
    def graph(first, kind="random", seed=0):
        settings = GraphSettings(kind=kind, k=3, window=100, seed=seed)
        return known_graph(study.panel, settings, "neighbours", first, {}).links

    first, second = first_row(study.panel, "2024-07"), first_row(study.panel, "2024-10")
    straight = graph(first, "correlation")
    assert_array_equal((graph(first) >= 0).sum(1), (straight >= 0).sum(1))
    assert_array_equal(graph(first), graph(first))
    assert (graph(first) != graph(first, seed=1)).any()
    assert (graph(first) != straight).any()
    assert (graph(first) != graph(second)).any()


def test_factors_may_be_taken_out_first(study):
    plain, pure = (
        known_graph(study.panel, GraphSettings(k=3, n_factors=f), "neighbours", 300, {}).links for f in (0, 5)
    )
    assert (plain != pure).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "news"}, "graph kind 'news' is not one of correlation, sector, random"),
        ({"k": 0}, "k 0 must be at least 1"),
        ({"cap": 1}, "cap 1 at least 2"),
        ({"window": 59}, "window 59 at least 60"),
        ({"n_factors": -1}, "n_factors -1 from 0"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        GraphSettings(**settings)
