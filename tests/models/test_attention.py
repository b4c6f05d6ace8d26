import warnings

import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError
from quantray.models import attention
from quantray.models.attention import (
    dense_attention,
    dense_gat,
    hierarchical_attention,
    neighbour_gat,
    sorted_gat,
)

EXACT = {"rtol": 0.0, "atol": 1e-12}


@pytest.fixture(scope="module")
def geometric():
    with warnings.catch_warnings():
        # The library scripts functions as it is imported, which torch is giving up.
        warnings.simplefilter("ignore")
        import torch_geometric.nn
    return torch_geometric.nn


def draws(*shape, seed=0, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)


def gat_inputs(n_dates=2, n_names=9, heads=3, channels=4, seed=0, scale=1.0):
    p = draws(n_dates, n_names, heads, seed=seed, scale=scale)
    q = draws(n_dates, n_names, heads, seed=seed + 1, scale=scale)
    return p, q, draws(n_dates, n_names, heads, channels, seed=seed + 2)


def some(n_dates, n_names, seed=5, share=0.7):
    return torch.rand(n_dates, n_names, generator=torch.Generator().manual_seed(seed)) < share


def lists(n_names, k, seed=6, share=0.8, n_dates=None):
    """Random neighbours without repetition, some places empty."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_names,) if n_dates is None else (n_dates, n_names)
    near = torch.rand(*shape, n_names, generator=generator).argsort(dim=-1)[..., :k]
    return torch.where(torch.rand(near.shape, generator=generator) < share, near, -1).to(torch.int32)


def gradients(function, *inputs):
    """Gradients of a fixed mixture of the outputs by the inputs."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    out = function(*leaves)
    return torch.autograd.grad((out * draws(*out.shape, seed=99, dtype=out.dtype)).sum(), leaves)


def assert_alike(ours, theirs, *inputs, **tolerance):
    """Same values and same gradients."""
    assert_close(ours(*inputs), theirs(*inputs), **(tolerance or EXACT))
    for mine, other in zip(gradients(ours, *inputs), gradients(theirs, *inputs), strict=True):
        assert_close(mine, other, **(tolerance or EXACT))


def test_dense_gat_by_hand():
    # Scores of name 0: relu(1 + 0) = 1 and leaky(1 - 6) = -1; of name 1: leaky(-1 + 0) = -0.2 and leaky(-1 - 6) = -1.4.
    p = torch.tensor([[[1.0], [-1.0]]], dtype=torch.float64)
    q = torch.tensor([[[0.0], [-6.0]]], dtype=torch.float64)
    v = torch.tensor([[[[1.0]], [[0.0]]]], dtype=torch.float64)
    share = torch.sigmoid(torch.tensor([2.0, 1.2], dtype=torch.float64))
    for gat in (dense_gat, sorted_gat):
        assert_close(gat(p, q, v).flatten(), share, **EXACT)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_sorted_equals_dense(scale, masked, slope):
    inputs = gat_inputs(n_dates=3, n_names=40, scale=scale)
    member = some(3, 40) if masked else None
    assert_alike(
        lambda p, q, v: sorted_gat(p, q, v, member, slope=slope),
        lambda p, q, v: dense_gat(p, q, v, member, slope=slope),
        *inputs,
    )


def test_complete_graph_equals_pyg(geometric):
    n_names, width, heads, channels = 12, 7, 3, 4
    layer = geometric.GATConv(width, channels, heads=heads, add_self_loops=False, bias=False).double()
    tokens = draws(n_names, width)
    everyone = torch.cartesian_prod(torch.arange(n_names), torch.arange(n_names)).t()

    def ours(tokens, weight, receiver_vector, sender_vector, gat):
        values = (tokens @ weight.t()).view(1, n_names, heads, channels)
        receiver = (values * receiver_vector).sum(dim=-1)
        sender = (values * sender_vector).sum(dim=-1)
        return gat(receiver, sender, values).reshape(n_names, heads * channels)

    leaves = [tokens, layer.lin.weight, layer.att_dst, layer.att_src]
    wanted = gradients(lambda tokens: layer(tokens, everyone), tokens)
    mix = draws(n_names, heads * channels, seed=99)
    (layer(tokens, everyone) * mix).sum().backward()
    by_weights = [layer.lin.weight.grad, layer.att_dst.grad, layer.att_src.grad]
    for gat in (dense_gat, sorted_gat):
        assert_close(ours(*leaves, gat), layer(tokens, everyone), **EXACT)
        found = gradients(lambda *inputs, gat=gat: ours(*inputs, gat), *leaves)
        for mine, theirs in zip(found, [*wanted, *by_weights], strict=True):
            assert_close(mine, theirs, **EXACT)


@pytest.mark.parametrize("masked", [False, True])
def test_sorted_gradcheck(masked):
    inputs = [tensor.requires_grad_() for tensor in gat_inputs(n_dates=2, n_names=6, heads=2, channels=3)]
    member = some(2, 6) if masked else None
    assert torch.autograd.gradcheck(lambda p, q, v: sorted_gat(p, q, v, member), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "case", ["wide", "equal", "negative", "far above", "far below", "opposite", "one name", "one member", "nobody"]
)
def test_extreme_scores_stay_finite(case, dtype):
    n_names = 1 if case == "one name" else 30
    p, q, v = gat_inputs(n_dates=2, n_names=n_names)
    member = None
    if case == "wide":
        p, q = (torch.where(draws(*t.shape, seed=8) > 0, 1e3, -1e3).to(t) + t for t in (p, q))
    elif case == "equal":
        p, q = torch.full_like(p, 0.3), torch.full_like(q, -0.3)
    elif case == "negative":
        p, q = -p.abs() - 5, -q.abs() - 5
    elif case == "far above":
        p = p + 1e3
    elif case == "far below":
        p, q = p - 1e3, q - 1e3
    elif case == "opposite":
        p, q = p + 1e3, q - 1e3
    elif case == "one member":
        member = torch.zeros(2, n_names, dtype=torch.bool)
        member[:, 3] = True
    elif case == "nobody":
        member = torch.stack([torch.zeros(n_names, dtype=torch.bool), torch.ones(n_names, dtype=torch.bool)])
    inputs = [t.to(dtype) for t in (p, q, v)]
    out = sorted_gat(*inputs, member)
    assert out.isfinite().all()
    for gradient in gradients(lambda p, q, v: sorted_gat(p, q, v, member), *inputs):
        assert gradient.isfinite().all()
    if case == "nobody":
        assert (out[0] == 0).all()
        out, member, inputs = out[1:], None, [t[1:] for t in inputs]
    expected = dense_gat(*[t.double() for t in inputs], member)
    # Scores of a thousand have lost four digits before the attention begins.
    loss = 1e3 if case in ("wide", "far above", "far below", "opposite") else 1.0
    eps = torch.finfo(dtype).eps
    assert_close(out.double(), expected, rtol=0, atol=30 * loss * eps)


def test_single_precision_error():
    inputs = gat_inputs(n_dates=1, n_names=2000, heads=2, channels=8)
    out = sorted_gat(*[t.float() for t in inputs])
    assert out.dtype == torch.float32
    assert (out - dense_gat(*inputs)).abs().max() < 2e-6


def test_half_precision_is_summed_in_single():
    inputs = [t.to(torch.bfloat16) for t in gat_inputs(n_dates=1, n_names=500)]
    out = sorted_gat(*inputs)
    assert out.dtype == torch.bfloat16
    expected = dense_gat(*[t.double() for t in inputs])
    assert_close(out.double(), expected, rtol=2**-8, atol=1e-3)


def test_sorted_keeps_memory_linear_in_the_names():
    def kept(n_names):
        numbers = 0

        def count(tensor):
            nonlocal numbers
            numbers += tensor.numel()
            return tensor

        inputs = [t.float().requires_grad_() for t in gat_inputs(n_dates=1, n_names=n_names, heads=2, channels=8)]
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            sorted_gat(*inputs)
        return numbers

    assert kept(4000) == pytest.approx(4 * kept(1000), rel=0.01)
    assert kept(1000) < 1000 * 2 * 8 * 20


def test_sorted_refuses():
    p, q, v = gat_inputs()
    with pytest.raises(InputError, match=r"sender is \(2, 8, 3\) where \(2, 9, 3\) is needed"):
        sorted_gat(p, q[:, :8], v)
    with pytest.raises(InputError, match=r"values is \(2, 9, 2\)"):
        sorted_gat(p, q, v[:, :, :2])
    with pytest.raises(InputError, match="slope -0.1 of the leaky ReLU must lie between 0 and 1"):
        sorted_gat(p, q, v, slope=-0.1)


def written_out(receiver, sender, scoring, neighbours, member=None):
    """GATv2 with a dense mask."""
    n_dates, n_names = receiver.shape[:2]
    if neighbours.dim() == 2:
        neighbours = neighbours.expand(n_dates, -1, -1)
    linked = torch.zeros(n_dates, n_names, n_names, dtype=torch.bool)
    for date in range(n_dates):
        for name in range(n_names):
            linked[date, name, [j for j in neighbours[date, name].tolist() if j >= 0]] = True
    if member is not None:
        linked &= member[:, None]
    sums = receiver[:, :, None] + sender[:, None]
    scores = (torch.nn.functional.leaky_relu(sums, 0.2) * scoring).sum(dim=-1)
    weights = scores.masked_fill(~linked[..., None], -torch.inf).softmax(dim=2).nan_to_num()
    return torch.einsum("bijh,bjhc->bihc", weights, sender)


def test_neighbours_equal_pyg(geometric):
    n_names, width, heads, channels = 15, 6, 2, 5
    layer = geometric.GATv2Conv(
        width, channels, heads=heads, add_self_loops=False, share_weights=False, bias=False
    ).double()
    near = lists(n_names, 4)
    near[3] = -1
    listener, slot = (near >= 0).nonzero(as_tuple=True)
    edges = torch.stack([near[listener, slot].long(), listener])
    tokens = draws(n_names, width)

    def ours(tokens, left, right, scoring):
        sender, receiver = ((tokens @ weight.t()).view(1, n_names, heads, channels) for weight in (left, right))
        return neighbour_gat(receiver, sender, scoring[0], near).view(n_names, heads * channels)

    leaves = [tokens, layer.lin_l.weight, layer.lin_r.weight, layer.att]
    assert_close(ours(*leaves), layer(tokens, edges), **EXACT)
    assert (ours(*leaves)[3] == 0).all()
    wanted = gradients(lambda tokens: layer(tokens, edges), tokens)
    (layer(tokens, edges) * draws(n_names, heads * channels, seed=99)).sum().backward()
    by_weights = [layer.lin_l.weight.grad, layer.lin_r.weight.grad, layer.att.grad]
    for mine, theirs in zip(gradients(ours, *leaves), [*wanted, *by_weights], strict=True):
        assert_close(mine, theirs, **EXACT)


@pytest.mark.parametrize("per_date", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_neighbours_equal_a_dense_mask(per_date, masked):
    receiver, sender = draws(3, 14, 2, 4), draws(3, 14, 2, 4, seed=1)
    near = lists(14, 5, n_dates=3 if per_date else None)
    near[..., 2, :] = -1
    member = some(3, 14) if masked else None
    inputs = receiver, sender, draws(2, 4, seed=2)
    assert_alike(lambda *x: neighbour_gat(*x, near, member), lambda *x: written_out(*x, near, member), *inputs)
    assert (neighbour_gat(*inputs, near, member)[:, 2] == 0).all()


def test_neighbour_graphs_per_date_equal_one_by_one():
    receiver, sender, scoring = draws(3, 14, 2, 4), draws(3, 14, 2, 4, seed=1), draws(2, 4, seed=2)
    near, member = lists(14, 5, n_dates=3), some(3, 14)
    together = neighbour_gat(receiver, sender, scoring, near, member)
    for date in range(3):
        one = slice(date, date + 1)
        alone = neighbour_gat(receiver[one], sender[one], scoring, near[date], member[one])
        assert_close(together[one], alone, rtol=0, atol=0)


def test_blocks_of_nodes_change_nothing(monkeypatch):
    inputs = draws(5, 14, 2, 4), draws(5, 14, 2, 4, seed=1), draws(2, 4, seed=2)
    near, member = lists(14, 5, n_dates=5), some(5, 14)

    def run(*inputs):
        return neighbour_gat(*inputs, near, member)

    values, slopes = run(*inputs), gradients(run, *inputs)
    for nodes in (1, 3, 14, 30):
        monkeypatch.setattr(attention, "_EDGE_NUMBERS", nodes * 5 * 2 * 4)
        assert_close(run(*inputs), values, rtol=0, atol=0)
        for mine, other in zip(gradients(run, *inputs), slopes, strict=True):
            assert_close(mine, other, **EXACT)


def test_neighbours_gradcheck():
    inputs = [t.requires_grad_() for t in (draws(2, 6, 2, 3), draws(2, 6, 2, 3, seed=1), draws(2, 3, seed=2))]
    near, member = lists(6, 3), some(2, 6)
    assert torch.autograd.gradcheck(lambda *x: neighbour_gat(*x, near, member), inputs)


def test_neighbours_in_half_precision():
    inputs = [t.to(torch.bfloat16) for t in (draws(2, 14, 2, 4), draws(2, 14, 2, 4, seed=1))]
    near = lists(14, 5)
    # Under autocast the weights stay in single precision and the tokens do not.
    for kind in (torch.bfloat16, torch.float32):
        scoring = draws(2, 4, seed=2).to(kind)
        out = neighbour_gat(*inputs, scoring, near)
        wide = [t.double() for t in (*inputs, scoring)]
        assert_close(out.double(), neighbour_gat(*wide, near), rtol=0.05, atol=0.05)
        found = gradients(lambda *x: neighbour_gat(*x, near), *inputs, scoring)
        wanted = gradients(lambda *x: neighbour_gat(*x, near), *wide)
        for mine, other in zip(found, wanted, strict=True):
            assert_close(mine.double(), other, rtol=0.1, atol=0.15)


def test_neighbours_refuse():
    receiver, scoring = draws(2, 6, 2, 3), draws(2, 3)
    with pytest.raises(InputError, match=r"sender is \(2, 5, 2, 3\)"):
        neighbour_gat(receiver, receiver[:, :5], scoring, lists(6, 2))
    with pytest.raises(InputError, match=r"scoring is \(3, 2\) where \(2, 3\)"):
        neighbour_gat(receiver, receiver, scoring.t(), lists(6, 2))
    with pytest.raises(InputError, match=r"neighbours is \(2, 5\) where \(2, 6\)"):
        neighbour_gat(receiver, receiver, scoring, lists(5, 2))


def softmax_attention(q, k, v, member=None):
    scores = torch.einsum("bihc,bjhc->bijh", q, k) / q.shape[-1] ** 0.5
    if member is not None:
        scores = scores.masked_fill(~member[:, None, :, None], -torch.inf)
    return torch.einsum("bijh,bjhc->bihc", scores.softmax(dim=2).nan_to_num(), v)


@pytest.mark.parametrize("masked", [False, True])
def test_dense_attention_is_a_softmax(masked):
    inputs = [draws(3, 12, 2, 4, seed=seed) for seed in range(3)]
    member = some(3, 12) if masked else None
    if member is not None:
        member[1] = False
    assert_alike(lambda *x: dense_attention(*x, member), lambda *x: softmax_attention(*x, member), *inputs)
    if member is not None:
        assert (dense_attention(*inputs, member)[1] == 0).all()


def test_dense_attention_refuses():
    q = draws(2, 6, 2, 3)
    with pytest.raises(InputError, match=r"values is \(2, 5, 2, 3\)"):
        dense_attention(q, q, q[:, :5])


def inside_and_between(q, k, v, clusters, member):
    """Cluster by cluster and name by name."""
    n_dates, _, heads, channels = q.shape
    out = torch.zeros_like(v)

    def attend(query, keys, values):
        return torch.softmax(keys @ query / channels**0.5, dim=0) @ values

    for date in range(n_dates):
        groups = [[n for n in row.tolist() if n >= 0 and member[date, n]] for row in clusters[date]]
        groups = [group for group in groups if group]
        for head in range(heads):
            q1, k1, v1 = q[date, :, head], k[date, :, head], v[date, :, head]
            means = [torch.stack([t[group].mean(dim=0) for group in groups]) for t in (q1, k1, v1)] if groups else []
            for number, group in enumerate(groups):
                token = attend(means[0][number], means[1], means[2])
                for name in group:
                    out[date, name, head] = attend(q1[name], k1[group], v1[group]) + token
    return out


@pytest.mark.parametrize("masked", [False, True])
def test_hierarchical_attention_by_brute_force(masked):
    inputs = [draws(2, 11, 2, 3, seed=seed) for seed in range(3)]
    first = torch.tensor([[0, 3, 5, 7], [1, 2, -1, -1], [4, 8, 9, -1], [-1, -1, -1, -1]])
    second = torch.tensor([[10, 9, 8, 7], [6, -1, -1, -1], [5, 4, 3, -1], [2, 1, -1, -1]])
    clusters = torch.stack([first, second]).to(torch.int32)
    member = some(2, 11) if masked else torch.ones(2, 11, dtype=torch.bool)
    # A cluster without members, whose token nobody must hear.
    member[0, [1, 2]] = member[0, [1, 2]] & ~torch.tensor(masked)

    def ours(*x):
        # What a name that is no member receives has no meaning.
        return hierarchical_attention(*x, clusters, member if masked else None) * member[..., None, None]

    assert_alike(ours, lambda *x: inside_and_between(*x, clusters, member), *inputs)
    assert (hierarchical_attention(*inputs, clusters)[0, 6] == 0).all()


def test_one_cluster_of_all_is_dense_attention_and_the_mean():
    q, k, v = (draws(2, 8, 2, 3, seed=seed) for seed in range(3))
    clusters = torch.arange(8, dtype=torch.int32)[None]
    expected = dense_attention(q, k, v) + v.mean(dim=1, keepdim=True)
    assert_close(hierarchical_attention(q, k, v, clusters), expected, **EXACT)


@pytest.mark.parametrize("masked", [False, True])
def test_permuting_names_permutes_every_attention(masked):
    n_names = 13
    member = some(2, n_names) if masked else torch.ones(2, n_names, dtype=torch.bool)
    order = torch.randperm(n_names, generator=torch.Generator().manual_seed(3))
    place = torch.empty_like(order)
    place[order] = torch.arange(n_names)

    def renamed(links):
        return torch.where(links >= 0, place[links.clamp(min=0).long()], -1).to(torch.int32)

    x = [draws(2, n_names, 2, 4, seed=seed) for seed in range(3)]
    p, q = x[0][..., 0], x[1][..., 0]
    near, clusters = lists(n_names, 4), torch.arange(15).where(torch.arange(15) < n_names, -1).view(5, 3)
    cases = [
        (dense_attention(*x, member), dense_attention(*[t[:, order] for t in x], member[:, order])),
        (dense_gat(p, q, x[2], member), dense_gat(p[:, order], q[:, order], x[2][:, order], member[:, order])),
        (sorted_gat(p, q, x[2], member), sorted_gat(p[:, order], q[:, order], x[2][:, order], member[:, order])),
        (
            neighbour_gat(x[0], x[1], x[2][0, 0], near, member),
            neighbour_gat(x[0][:, order], x[1][:, order], x[2][0, 0], renamed(near[order]), member[:, order]),
        ),
        (
            hierarchical_attention(*x, clusters, member),
            hierarchical_attention(*[t[:, order] for t in x], renamed(clusters).flip(0), member[:, order]),
        ),
    ]
    for before, after in cases:
        assert_close(before[:, order][member[:, order]], after[member[:, order]], **EXACT)


def test_those_outside_move_nobody():
    x = [draws(2, 13, 2, 4, seed=seed) for seed in range(3)]
    member = some(2, 13)
    other = [torch.where(member[..., None, None], t, 7.0) for t in x]
    near, clusters = lists(13, 4), torch.arange(15).where(torch.arange(15) < 13, -1).view(5, 3)
    attentions = (
        lambda a, b, c: dense_attention(a, b, c, member),
        lambda a, b, c: sorted_gat(a[..., 0], b[..., 0], c, member),
        lambda a, b, c: neighbour_gat(a, b, x[2][0, 0], near, member),
        lambda a, b, c: hierarchical_attention(a, b, c, clusters, member),
    )
    for attend in attentions:
        assert_close(attend(*x)[member], attend(*other)[member], rtol=0, atol=0)
