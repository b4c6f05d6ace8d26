import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError
from quantray.models.networks import ATTENTIONS, CrossSection, Network, NetworkSettings, Structure

EXACT = {"rtol": 0.0, "atol": 1e-12}
WITH_CROSS = [kind for kind in ATTENTIONS if kind != "none"]


def network_of(kind, **settings):
    torch.manual_seed(0)
    shape = {"inputs": 3, "width": 8, "layers": 2, "heads": 2, "dropout": 0.0} | settings
    return Network(NetworkSettings(attention=kind, **shape)).double().eval()


def draws(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def structure_of(n_dates=4, n_names=11, seed=2):
    generator = torch.Generator().manual_seed(seed)
    member = torch.rand(n_dates, n_names, generator=generator) < 0.8
    near = torch.rand(n_dates, n_names, n_names, generator=generator).argsort(dim=-1)[..., :3]
    near = torch.where(near == torch.arange(n_names)[None, :, None], -1, near)
    clusters = torch.stack([torch.randperm(12, generator=generator) for _ in range(n_dates)]).view(n_dates, 4, 3)
    return Structure(member, near.to(torch.int32), torch.where(clusters < n_names, clusters, -1).to(torch.int32))


def scores_of(network, x, structure, state=None, reset=None):
    """(L, N) scores of L days of one market, a structure for each."""
    tokens, state = network.encode(x, state, reset)
    return network.head(tokens, structure), state


def loss_gradients(network, x, structure):
    x = x.clone().requires_grad_()
    scores, _ = scores_of(network, x, structure)
    weights = draws(*scores.shape, seed=9) * structure.member
    return scores, torch.autograd.grad((scores * weights).sum(), [x, *network.parameters()], allow_unused=True)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_permuting_names_permutes_the_scores(kind):
    network, x, structure = network_of(kind), draws(4, 11, 3), structure_of()
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    place = torch.empty_like(order)
    place[order] = torch.arange(11)

    def renamed(links):
        return torch.where(links >= 0, place[links.clamp(min=0).long()], -1).to(torch.int32)

    moved = Structure(structure.member[:, order], renamed(structure.neighbours)[:, order], renamed(structure.clusters))
    before, state = scores_of(network, x, structure)
    after, moved_state = scores_of(network, x[:, order], moved)
    assert_close(after[moved.member], before[:, order][moved.member], **EXACT)
    assert_close(moved_state.hidden, state.hidden[:, order], **EXACT)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_recomputing_gives_the_same_values_and_gradients(kind):
    x, structure = draws(4, 11, 3), structure_of()
    scores, gradients = loss_gradients(network_of(kind), x, structure)
    again, recomputed = loss_gradients(network_of(kind, recompute=True), x, structure)
    assert_close(again[structure.member], scores[structure.member], **EXACT)
    for mine, other in zip(recomputed, gradients, strict=True):
        assert_close(mine, other, **EXACT)


@pytest.mark.parametrize("kind", WITH_CROSS)
def test_every_parameter_gets_a_gradient(kind):
    network = network_of(kind)
    _, gradients = loss_gradients(network, draws(4, 11, 3), structure_of())
    # Dot products have no scores of their own.
    for gradient in (g for g, p in zip(gradients[1:], network.parameters(), strict=True) if p.numel()):
        assert gradient.isfinite().all()
        assert (gradient != 0).any()


def test_sorted_and_written_out_complete_graphs_agree():
    x, structure = draws(4, 11, 3), structure_of()
    one, other = (loss_gradients(network_of(kind), x, structure) for kind in ("complete", "complete_explicit"))
    assert_close(one[0][structure.member], other[0][structure.member], **EXACT)
    for mine, theirs in zip(one[1], other[1], strict=True):
        assert_close(mine, theirs, **EXACT)


@pytest.mark.parametrize("kind", WITH_CROSS)
def test_names_see_one_another(kind):
    network, x, structure = network_of(kind), draws(1, 11, 3), structure_of(1)
    listener = int(structure.member[0].nonzero()[0])
    if kind == "hierarchical":
        peers = next(row for row in structure.clusters[0] if listener in row)
    else:
        peers = structure.neighbours[0, listener]
    other = x.clone()
    peer = next(p for p in peers.tolist() if p >= 0 and p != listener and structure.member[0, p])
    other[0, peer] += 1.0
    before, after = scores_of(network, x, structure)[0], scores_of(network, other, structure)[0]
    assert before[0, listener] != after[0, listener]


def test_without_attention_names_are_alone():
    network, x, structure = network_of("none"), draws(4, 11, 3), structure_of()
    other = x.clone()
    other[:, 0] = 5.0
    assert_close(scores_of(network, x, structure)[0][:, 1:], scores_of(network, other, structure)[0][:, 1:], **EXACT)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_those_outside_move_no_member(kind):
    network, x, structure = network_of(kind), draws(1, 11, 3), structure_of(1)
    other = torch.where(structure.member[0, :, None], x, 3.0)
    before, after = scores_of(network, x, structure)[0], scores_of(network, other, structure)[0]
    assert_close(before[structure.member], after[structure.member], rtol=0, atol=0)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_one_network_serves_any_number_of_names(kind):
    network = network_of(kind)
    for n_names in (5, 40):
        everyone = torch.arange(n_names)
        structure = Structure(torch.ones(2, n_names, dtype=torch.bool), everyone.roll(1)[:, None], everyone.view(-1, 5))
        assert scores_of(network, draws(2, n_names, 3), structure)[0].shape == (2, n_names)


@pytest.mark.parametrize("kind", WITH_CROSS)
def test_parts_of_the_heads_make_the_whole(kind):
    torch.manual_seed(0)
    whole = CrossSection(kind, 12, 4).double()
    tokens, structure = draws(4, 11, 12), structure_of()
    parts = []
    for first, last in ((0, 1), (1, 4)):
        part = CrossSection(kind, 12, 4, part=(first, last)).double()
        part.load_state_dict({name: tensor[:, first:last] for name, tensor in whole.state_dict().items()})
        parts.append(part(tokens, structure))
    assert_close(torch.cat(parts, dim=-1), whole(tokens, structure), **EXACT)


def test_without_cross_is_a_network_of_its_encoder():
    network, x, structure = network_of("dense"), draws(4, 11, 3), structure_of()
    plain = network_of("none")
    plain.load_state_dict({n: t for n, t in network.state_dict().items() if not n.startswith(("cross.", "mix."))})
    assert_close(scores_of(network.without_cross(), x, structure)[0], scores_of(plain, x, structure)[0], **EXACT)
    assert network.cross is not None
    assert network.without_cross().encoder is network.encoder


def test_structure_of_one_date():
    structure = structure_of()
    one = structure.date(2)
    assert_close(one.member, structure.member[2:3])
    assert_close(one.clusters, structure.clusters[2:3])
    shared = Structure(structure.member, structure.neighbours[0])
    assert shared.date(1).neighbours is shared.neighbours
    assert shared.date(1).clusters is None


@pytest.mark.parametrize(("kind", "needed"), [("neighbours", "neighbours"), ("hierarchical", "clusters")])
def test_missing_links_are_refused(kind, needed):
    with pytest.raises(InputError, match=f"this attention needs {needed}"):
        scores_of(network_of(kind), draws(4, 11, 3), Structure(structure_of().member))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": 0}, "inputs 0"),
        ({"width": 10, "heads": 4}, "width 10 a multiple of the heads"),
        ({"layers": 0}, "layers 0"),
        ({"dropout": 1.0}, r"dropout 1\.0 must be at least 0 and below 1"),
        ({"attention": "all"}, "attention 'all' is not one of none, dense"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        NetworkSettings(**({"inputs": 3} | settings))
