import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError
from quantray.models.layers import GraphLayer, LayerSettings, disjoint_edges, quiet_library
from quantray.models.networks import CrossSection, Network, NetworkSettings, Structure, needs_graph

WIDTH, HEADS = 8, 2


@pytest.fixture(scope="module")
def passing():
    with quiet_library():
        from torch_geometric.nn import MessagePassing
    return MessagePassing


def structure(n_dates=3, n_names=10, k=4):
    generator = torch.Generator().manual_seed(5)
    near = torch.rand(n_dates, n_names, n_names, generator=generator).argsort(dim=-1)[..., :k].to(torch.int32)
    near[:, 2] = -1
    return Structure(torch.rand(n_dates, n_names, generator=generator) > 0.2, near)


def tokens(n_dates=3, n_names=10):
    return torch.randn(n_dates, n_names, WIDTH, generator=torch.Generator().manual_seed(6))


def network(attention):
    torch.manual_seed(1)
    return Network(NetworkSettings(inputs=3, width=WIDTH, layers=1, heads=HEADS, attention=attention, dropout=0)).eval()


def test_edges_of_dates_are_apart():
    member = torch.tensor([[True, True, True], [True, False, True]])
    edges = disjoint_edges(torch.tensor([[1, 2], [2, -1], [-1, -1]]), member)
    assert edges.tolist() == [[1, 2, 2, 5, 5], [0, 0, 1, 3, 4]]


def test_gatv2_by_name_equals_the_built_in_neighbours():
    parameters = {"add_self_loops": False, "bias": False}
    built_in, by_name = network("neighbours"), network(LayerSettings("GATv2Conv", parameters))
    assert isinstance(built_in.cross, CrossSection)
    weights = built_in.state_dict()
    receiver, sender = weights.pop("cross.maps").flatten(1, 2)
    weights |= {
        "cross.layer.att": weights.pop("cross.scores"),
        "cross.layer.lin_l.weight": sender,
        "cross.layer.lin_r.weight": receiver,
    }
    by_name.load_state_dict(weights)
    whom = structure()
    assert_close(by_name.head(tokens(), whom), built_in.head(tokens(), whom), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        LayerSettings("GATv2Conv"),
        LayerSettings("TransformerConv", {"heads": 4, "concat": False}),
        LayerSettings("SAGEConv", {"aggr": "max"}),
        LayerSettings("GCNConv"),
        LayerSettings("torch_geometric.nn.conv:GraphConv"),
        LayerSettings("APPNP", {"K": 2, "alpha": 0.1}),
    ],
    ids=lambda settings: settings.layer,
)
def test_dates_and_orders_change_nothing(settings):
    assert needs_graph(settings)
    one, whom, x = network(settings), structure(), tokens()
    scores = one.head(x, whom)
    assert_close(torch.cat([one.head(x[row : row + 1], whom.date(row)) for row in range(3)]), scores)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(7))
    place = torch.cat([order.argsort(), torch.tensor([-1])]).to(torch.int32)
    assert whom.neighbours is not None
    turned = Structure(whom.member[:, order], place[whom.neighbours[:, order].long()])
    assert_close(one.head(x[:, order], turned), scores[:, order])


def test_memory_for_time_gives_the_same():
    plain, whom = network(LayerSettings("SAGEConv")), structure()
    again = Network(NetworkSettings(**vars(plain.settings) | {"recompute": True})).eval()
    again.load_state_dict(plain.state_dict())
    for one in (plain, again):
        one.head(tokens(), whom).sum().backward()
    for mine, theirs in zip(again.parameters(), plain.parameters(), strict=True):
        assert (mine.grad is None) == (theirs.grad is None)
        if mine.grad is not None:
            assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (LayerSettings("GATv3Conv"), "layer 'torch_geometric.nn:GATv3Conv' cannot be imported"),
        (LayerSettings("Linear"), "'Linear' is no MessagePassing"),
        (LayerSettings("GCNConv", {"power": 2}), r"GCNConv \(power: 2\) cannot be made \(TypeError"),
        (LayerSettings("NNConv", {"nn": None}), "NNConv .* cannot be made|fails on values and edges alone"),
        (LayerSettings("SAGEConv", {"aggr": "lstm"}), "other numbers when the names are in another order"),
        (LayerSettings("GCNConv", {"cached": True}), r"GCNConv \(cached: True\) (gives other|fails on)"),
    ],
    ids=lambda value: value.layer if isinstance(value, LayerSettings) else "",
)
def test_what_does_not_fit_is_refused(settings, told):
    with pytest.raises(InputError, match=told):
        GraphLayer(settings, WIDTH, HEADS)


def test_a_layer_that_mixes_dates_is_refused(passing, monkeypatch):
    class Mixing(passing):
        def forward(self, x, edge_index):
            return x - x.mean(dim=0)

    monkeypatch.setattr("torch_geometric.nn.Mixing", Mixing, raising=False)
    with pytest.raises(InputError, match="Mixing gives other numbers to a date when another date stands beside it"):
        GraphLayer(LayerSettings("Mixing"), WIDTH, HEADS)


def test_a_layer_wants_neighbours():
    with pytest.raises(InputError, match="needs neighbours"):
        network(LayerSettings("SAGEConv")).head(tokens(), Structure(torch.ones(3, 10, dtype=torch.bool)))


def test_parameters_are_in_one_order():
    assert repr(LayerSettings("A", {"b": 1, "a": 2})) == repr(LayerSettings("A", {"a": 2, "b": 1}))
