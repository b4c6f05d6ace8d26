import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.features.graphs import capped_clusters, random_graph, sector_graph, top_k_graph, transposed
from quantray.features.returns import simple_returns

NAN = np.nan


def names(n):
    return np.array([f"S{i:04d}" for i in range(n)])


def days(n):
    return np.datetime64("2024-01-01") + np.arange(n)


def random_returns(n_days=80, n_assets=40, seed=0, gaps=0.0):
    generator = np.random.default_rng(seed)
    returns = 0.01 * generator.normal(size=(n_days, n_assets)) + 0.005 * generator.normal(size=(n_days, 1))
    returns[generator.random(returns.shape) < gaps] = NAN
    return returns


def block_returns(sizes, n_days=250, seed=0):
    """Returns of blocks that share a factor each, in a shuffled order, and the block of each asset."""
    generator = np.random.default_rng(seed)
    block = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    factors = generator.normal(size=(n_days, len(sizes)))
    return 0.01 * (factors[:, block] + 0.8 * generator.normal(size=(n_days, len(block)))), block


def graph_of(returns, **settings):
    return top_k_graph(returns, names(returns.shape[1]), days(len(returns)), **settings)


def brute_force(correlation, k, threshold, absolute=False):
    """Neighbour lists by sorting every row of the dense matrix."""
    score = np.abs(correlation) if absolute else correlation.copy()
    np.fill_diagonal(score, -np.inf)
    score[~(score > threshold)] = -np.inf
    order = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(score, order, axis=1)), order, -1)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(("k", "threshold"), [(1, 0.0), (5, 0.1), (39, -0.5), (5, 0.9)])
@pytest.mark.parametrize("residual", [False, True])
def test_equals_brute_force(k, threshold, residual, absolute):
    returns = random_returns()
    graph = graph_of(returns, k=k, threshold=threshold, residual=residual, absolute=absolute)
    used = returns - returns.mean(axis=1, keepdims=True) if residual else returns
    expected = brute_force(np.corrcoef(used.T), k, threshold, absolute)
    assert_array_equal(graph.neighbours, expected)
    assert graph.neighbours.dtype == np.int32
    assert_array_equal(graph.degree(), (expected >= 0).sum(axis=1))


def test_blocks_of_rows_are_joined_correctly():
    returns = random_returns(n_days=50, n_assets=600, seed=3)
    graph = graph_of(returns, k=4, residual=False)
    assert_array_equal(graph.neighbours, brute_force(np.corrcoef(returns.T), 4, 0.0))


def test_gaps_leave_pairwise_complete_correlations():
    returns = random_returns(n_days=100, seed=2, gaps=0.15)
    expected = pd.DataFrame(returns).corr(min_periods=50).to_numpy()
    assert_array_equal(graph_of(returns, k=6, residual=False).neighbours, brute_force(expected, 6, 0.0))


def test_pairs_with_too_few_common_days_are_not_linked():
    returns = random_returns(n_days=100, n_assets=3, seed=1)
    returns[:40, 0] = NAN
    returns[60:, 1] = NAN
    returns[:, 1] = np.where(np.isnan(returns[:, 1]), NAN, returns[:, 0])
    returns[:40, 1] = 0.01
    graph = graph_of(returns, k=2, threshold=-1, residual=False, min_history=0.5)
    # Assets 0 and 1 share 20 of 100 days only, though they agree on all of them.
    assert 1 not in graph.neighbours[0]
    assert 0 not in graph.neighbours[1]


def test_assets_without_history_membership_or_movement_have_no_edges():
    returns = random_returns()
    returns[:50, 3] = NAN
    returns[:, 5] = 0.001
    member = np.arange(40) != 8
    graph = graph_of(returns, k=39, threshold=-1, member=member, residual=False)
    for node in (3, 5, 8):
        assert (graph.neighbours[node] == -1).all()
        assert node not in graph.neighbours
    assert_array_equal(np.delete(graph.degree(), [3, 5, 8]), 36)


def test_permuting_assets_permutes_the_graph():
    returns = random_returns(gaps=0.1, seed=5)
    order = np.random.default_rng(1).permutation(40)
    before, after = graph_of(returns, k=5), graph_of(returns[:, order], k=5)
    renamed = np.where(after.neighbours >= 0, order[after.neighbours], -1)
    assert_array_equal(renamed, before.neighbours[order])


def test_listeners_are_the_dense_transpose():
    graph = graph_of(random_returns(gaps=0.1), k=7, threshold=0.05)
    n_assets, k = graph.neighbours.shape
    dense = np.zeros((n_assets, n_assets), dtype=bool)
    listener, slot = np.nonzero(graph.neighbours >= 0)
    dense[listener, graph.neighbours[listener, slot]] = True
    offsets, edges = graph.listeners.offsets, graph.listeners.edges
    assert offsets.dtype == edges.dtype == np.int32
    assert len(edges) == graph.degree().sum()
    for source in range(n_assets):
        mine = edges[offsets[source] : offsets[source + 1]]
        assert (graph.neighbours.ravel()[mine] == source).all()
        assert_array_equal(mine // k, np.flatnonzero(dense[:, source]))


def test_listeners_of_an_empty_graph():
    listeners = transposed(np.full((3, 2), -1, dtype=np.int32))
    assert_array_equal(listeners.offsets, [0, 0, 0, 0])
    assert len(listeners.edges) == 0


def test_finds_planted_blocks():
    returns, block = block_returns([12] * 8)
    graph = graph_of(returns, k=8)
    assert (block[graph.neighbours] == block[:, None]).mean() > 0.99


def test_finds_the_sectors_of_a_simulation(market):
    returns = simple_returns(market.panel.field("close"))[1:]
    graph = top_k_graph(returns, market.panel.assets, market.panel.dates[1:], k=3)
    sectors = market.truth.sectors
    linked = graph.neighbours >= 0
    same = (sectors[graph.neighbours] == sectors[:, None])[linked].mean()
    assert same > 3 * (sectors[:, None] == sectors).mean()


def test_a_graph_refuses_earlier_decisions():
    graph = graph_of(random_returns(n_days=80))
    assert graph.window_end == np.datetime64("2024-03-20")
    graph.check("2024-03-20")
    with pytest.raises(InputError, match="the graph uses data up to 2024-03-20, after the decision on 2024-03-19"):
        graph.check("2024-03-19")


def test_memory_stays_far_below_the_matrix():
    returns = random_returns(n_days=40, n_assets=3000)
    tracemalloc.start()
    graph_of(returns, k=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000**2 * 8


def test_sector_graph_by_correlation():
    returns, block = block_returns([6, 6, 1], seed=4)
    sectors = np.where(np.arange(13) == 0, -1, block)
    graph = sector_graph(sectors, names(13), days(250), k=3, returns_tn=returns)
    dense = np.corrcoef((returns - returns.mean(axis=1, keepdims=True)).T)
    for node in range(13):
        peers = [n for n in np.argsort(-dense[node]) if n != node and sectors[n] == sectors[node] >= 0]
        assert_array_equal([n for n in graph.neighbours[node] if n >= 0], peers[:3])
    assert graph.degree()[0] == 0


def test_sector_graph_at_random():
    sectors = np.repeat([0, 1, 2, -1], [10, 2, 1, 3])
    member = np.arange(16) != 4
    graph = sector_graph(sectors, names(16), days(1), k=4, seed=1, member=member)
    assert_array_equal(graph.degree(), [4, 4, 4, 4, 0, 4, 4, 4, 4, 4, 1, 1, 0, 0, 0, 0])
    linked = graph.neighbours >= 0
    assert (sectors[graph.neighbours] == sectors[:, None])[linked].all()
    assert 4 not in graph.neighbours
    again = sector_graph(sectors, names(16), days(1), k=4, seed=1, member=member)
    assert_array_equal(graph.neighbours, again.neighbours)
    other = sector_graph(sectors, names(16), days(1), k=4, seed=2, member=member)
    assert (graph.neighbours != other.neighbours).any()


def test_random_graph_has_the_same_degrees_and_nodes():
    returns = random_returns(n_assets=300, gaps=0.05)
    returns[:70, :20] = NAN
    like = graph_of(returns, k=6, threshold=0.1)
    graph = random_graph(like, seed=3)
    assert_array_equal(graph.degree(), like.degree())
    assert (graph.degree()[:20] == 0).all()
    assert not np.isin(np.arange(20), graph.neighbours).any()
    for row in graph.neighbours:
        assert len(set(row[row >= 0])) == (row >= 0).sum()
    assert (graph.neighbours != like.neighbours).any()
    assert_array_equal(graph.neighbours, random_graph(like, seed=3).neighbours)
    assert (graph.neighbours != random_graph(like, seed=4).neighbours).any()
    assert (graph.window_end, graph.kind) == (like.window_end, "random like residual correlation")


def test_random_sources_are_uniform():
    like = graph_of(random_returns(n_assets=30), k=5, threshold=-1)
    counts = sum(np.bincount(random_graph(like, seed=s).neighbours.ravel(), minlength=30) for s in range(60))
    # 60 draws of 30 x 5 edges over 30 sources: 300 each, with a standard deviation of about 16.
    assert np.abs(counts - 300).max() < 5 * 16


@pytest.mark.parametrize("cap", [1, 7, 50, 1000])
def test_clusters_hold_everything_once_and_keep_the_cap(cap):
    returns = random_returns(n_assets=333, gaps=0.05)
    returns[:60, 5] = NAN
    clusters = capped_clusters(returns, names(333), days(80), cap=cap)
    used = clusters.members[clusters.members >= 0]
    assert_array_equal(np.sort(used), np.delete(np.arange(333), 5))
    assert clusters.members.shape[1] == cap
    assert clusters.labels[5] == -1
    for number, row in enumerate(clusters.members):
        assert_array_equal(np.flatnonzero(clusters.labels == number), row[row >= 0])
    sizes = (clusters.members >= 0).sum(axis=1)
    assert sizes.min() >= min(cap, 332) // 3


@pytest.mark.parametrize("n_days", [60, 400])
def test_clusters_find_planted_blocks(n_days):
    returns, block = block_returns([18, 20, 22, 20, 25, 15], n_days=n_days)
    clusters = capped_clusters(returns, names(120), days(n_days), cap=26)
    together = clusters.labels[:, None] == clusters.labels
    planted = block[:, None] == block
    off = ~np.eye(120, dtype=bool)
    assert planted[together & off].mean() > 0.95
    assert together[planted & off].mean() > 0.8


def test_permuting_assets_permutes_clusters():
    returns = random_returns(n_days=120, n_assets=90, gaps=0.05, seed=8)
    order = np.random.default_rng(2).permutation(90)
    before = capped_clusters(returns, names(90), days(120), cap=10).labels[order]
    after = capped_clusters(returns[:, order], names(90), days(120), cap=10).labels
    assert_array_equal(before[:, None] == before, after[:, None] == after)


def test_clusters_refuse_earlier_decisions():
    clusters = capped_clusters(random_returns(), names(40), days(80))
    clusters.check("2024-03-21")
    with pytest.raises(InputError, match="the clustering uses data up to 2024-03-20"):
        clusters.check("2024-03-19")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k 0 must be 1 or more"),
        ({"threshold": 1.0}, r"threshold 1\.0 lie in"),
        ({"min_history": 0.0}, r"min_history 0\.0 is a share"),
        ({"member": np.ones(3, dtype=bool)}, r"member is \(3,\) for 40 assets"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        graph_of(random_returns(), **settings)


def test_bad_input_is_refused():
    returns = random_returns()
    with pytest.raises(InputError, match=r"returns are \(80, 40\) for 79 dates"):
        top_k_graph(returns, names(40), days(79))
    with pytest.raises(InputError, match="dates do not increase"):
        top_k_graph(returns, names(40), days(80)[::-1])
    with pytest.raises(InputError, match="infinite values"):
        graph_of(np.where(returns == returns[0, 0], np.inf, returns))
    with pytest.raises(InputError, match="give either returns_tn"):
        sector_graph(np.zeros(40, dtype=int), names(40), days(80))
    with pytest.raises(InputError, match=r"sectors \(3,\) and 80 dates do not fit 40 assets"):
        sector_graph(np.zeros(3, dtype=int), names(40), days(80), seed=1)
    with pytest.raises(InputError, match="cap 0 must be 1 or more"):
        capped_clusters(returns, names(40), days(80), cap=0)


def test_broken_graphs_are_refused():
    graph = graph_of(random_returns(), k=3)
    with pytest.raises(InputError, match=r"neighbours are \(39, 3\) for 40 assets"):
        replace(graph, neighbours=graph.neighbours[1:])
    with pytest.raises(InputError, match="a neighbour is no node"):
        replace(graph, neighbours=np.full((40, 3), 40, dtype=np.int32))
    with pytest.raises(InputError, match="its own neighbour"):
        replace(graph, neighbours=np.zeros((40, 3), dtype=np.int32))


def test_leading_factors_hide_the_pairs_until_they_are_taken_out():
    generator = np.random.default_rng(5)
    n_pairs, n_days = 30, 400
    factors = generator.normal(size=(n_days, 3)) * 3
    loadings = generator.normal(size=(3, 2 * n_pairs))
    shared = np.repeat(generator.normal(size=(n_days, n_pairs)), 2, axis=1)
    returns = 0.01 * (factors @ loadings + shared + generator.normal(size=shared.shape))
    assets = np.array([f"A{i:02d}" for i in range(2 * n_pairs)])
    dates = np.datetime64("2020-01-01") + np.arange(n_days)
    partner = np.arange(2 * n_pairs) ^ 1
    found = [(top_k_graph(returns, assets, dates, k=1, n_factors=n).neighbours[:, 0] == partner).mean() for n in (0, 3)]
    assert found[0] < 0.5
    assert found[1] == 1.0
    with pytest.raises(InputError, match="400 factors cannot be taken out of 400 dates"):
        top_k_graph(returns, assets, dates, k=1, n_factors=n_days)
