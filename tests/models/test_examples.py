import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.models.examples import Normaliser, listing_resets, make_examples

NAN = np.nan


def feature_values(n_days=8, n_names=5, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.normal(2.0, 3.0, size=(n_days, n_names, 3)).astype(np.float32)
    values[generator.random(values.shape) < 0.2] = NAN
    values[..., 2] = 7.0
    return values


def everybody(n_days=8, n_names=5):
    return np.ones((n_days, n_names), dtype=bool)


def test_normaliser_reads_members_alone():
    values, member = feature_values(), everybody()
    member[:, 4] = False
    normaliser = Normaliser.fit(values, member)
    known = values[member][:, :2].astype(np.float64)
    assert_allclose(normaliser.mean, [*np.nanmean(known, axis=0), 7.0])
    # A feature that does not vary keeps scale one.
    assert_allclose(normaliser.scale, [*np.nanstd(known, axis=0), 1.0])
    values[:, 4] = 1e6
    assert_array_equal(Normaliser.fit(values, member).mean, normaliser.mean)


def test_normalised_values_and_their_share():
    values = feature_values()
    out = Normaliser.fit(values, everybody()).apply(values).numpy()
    assert out.shape == (8, 5, 4)
    assert out.dtype == np.float32
    assert_array_equal(out[..., :3][np.isnan(values)], 0.0)
    assert_allclose(out[..., 3], (~np.isnan(values)).mean(axis=2), rtol=1e-6)
    shown = np.where(np.isnan(values), NAN, out[..., :3])[..., :2]
    assert_allclose(np.nanmean(shown, axis=(0, 1)), 0, atol=1e-6)
    assert_allclose(np.nanstd(shown, axis=(0, 1)), 1, atol=1e-6)


def test_a_feature_never_known_is_zero():
    values = np.full((4, 3, 1), NAN, dtype=np.float32)
    normaliser = Normaliser.fit(values, everybody(4, 3))
    assert_array_equal(normaliser.scale, [1.0])
    assert_array_equal(normaliser.apply(values).numpy(), np.zeros((4, 3, 2)))


def test_resets_at_listings_and_after_long_gaps():
    present = np.ones((40, 4), dtype=bool)
    present[:5, 1] = False  # listed on day 5
    present[10:19, 2] = False  # nine days away
    present[10:20, 3] = False  # ten days away
    resets = listing_resets(present)
    expected = np.zeros((40, 4), dtype=bool)
    expected[0, [0, 2, 3]] = True
    expected[5, 1] = True
    expected[20, 3] = True
    assert_array_equal(resets, expected)


def test_resets_of_nobody():
    assert not listing_resets(np.zeros((20, 3), dtype=bool)).any()


def test_examples_hold_members_with_a_close():
    values, present, member = feature_values(), everybody(), everybody()
    present[2, 1] = False
    member[3, 0] = False
    labels = np.arange(40.0).reshape(8, 5)
    labels[5, 3] = NAN
    examples = make_examples(values, present, member, labels, Normaliser.fit(values, member))
    assert_array_equal(examples.member.numpy(), present & member)
    rows = torch.tensor([2, 5])
    assert_array_equal(examples.known(rows).numpy(), (present & member)[[2, 5]] & ~np.isnan(labels[[2, 5]]))
    assert_array_equal(examples.structure(rows).member.numpy(), (present & member)[[2, 5]])
    assert examples.structure(rows).neighbours is None
    assert not examples.values.isnan().any()


def test_examples_without_labels():
    values = feature_values()
    examples = make_examples(values, everybody(), everybody(), None, Normaliser.fit(values, everybody()))
    assert examples.labels.isnan().all()
    assert not examples.known(torch.arange(8)).any()


@pytest.mark.parametrize("kind", ["neighbours", "clusters"])
def test_each_date_sees_the_last_graph_before_it(kind):
    values = feature_values()
    first, second = torch.full((2, 3), 1), torch.full((3, 3), 2)
    by_row = {0: first, 6: second}
    graphs, clusters = (by_row, None) if kind == "neighbours" else (None, by_row)
    normaliser = Normaliser.fit(values, everybody())
    examples = make_examples(values, everybody(), everybody(), None, normaliser, graphs, clusters=clusters)
    seen = getattr(examples.structure(torch.tensor([5, 6, 0])), kind)
    padded = torch.tensor([[1, 1, 1], [1, 1, 1], [-1, -1, -1]])
    assert_array_equal(seen.numpy(), torch.stack([padded, second, padded]))
    assert seen.dtype == torch.int32


def test_moving_keeps_everything():
    values = feature_values()
    links = {0: torch.zeros(5, 2, dtype=torch.int32)}
    examples = make_examples(values, everybody(), everybody(), None, Normaliser.fit(values, everybody()), links)
    moved = examples.to(torch.device("cpu"))
    assert_array_equal(moved.values.numpy(), examples.values.numpy())
    assert_array_equal(moved.graphs.neighbours.numpy(), examples.graphs.neighbours.numpy())
    assert moved.graphs.clusters is None


def test_wrong_examples_are_refused():
    values = feature_values()
    normaliser = Normaliser.fit(values, everybody())
    with pytest.raises(InputError, match=r"features are for \(8, 5\) dates and names"):
        make_examples(values, everybody(7), everybody(), None, normaliser)
    with pytest.raises(InputError, match="presence, membership and labels must match"):
        make_examples(values, everybody(), everybody(), np.zeros((8, 4)), normaliser)
    for by_row in ({}, {3: torch.zeros(5, 2)}):
        with pytest.raises(InputError, match="no graph is known on the first date"):
            make_examples(values, everybody(), everybody(), None, normaliser, by_row)
