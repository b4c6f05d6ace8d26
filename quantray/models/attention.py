"""Attention over the names of one date, in memory linear in their number.

Shapes everywhere: B dates, N names, H heads, C channels of a head, k neighbours. The functions work on tensors of any
floating type and any device, are differentiable, and are equivariant under a permutation of the names. A name that is
not a ``member`` is attended to by nobody; what it receives itself is of no meaning.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, leaky_relu_, scaled_dot_product_attention

from quantray.errors import InputError

__all__ = ["dense_attention", "dense_gat", "hierarchical_attention", "neighbour_gat", "sorted_gat"]

_EDGE_NUMBERS = 1 << 18
"""Numbers that the edges of a block of nodes may hold at a time, so that they stay in a CPU's cache."""

_EDGE_NUMBERS_GPU = 1 << 26
"""The same on a GPU, which wants more at a time to be busy."""

_SLOPE = 0.2
"""Of the leaky ReLU below zero in attention of the second kind."""


def dense_attention(queries: Tensor, keys: Tensor, values: Tensor, member: Tensor | None = None) -> Tensor:
    """Softmax attention of every name to all members by scaled dot products; no N x N matrix is kept.

    Parameters
    ----------
    queries, keys, values : (B, N, H, C).
    member : (B, N) bool; all, if left out.

    Returns
    -------
    Tensor
        (B, N, H, C); zero on a date without members.

    Source: Vaswani et al. (2017), *Attention is all you need*; Dao et al. (2022), *FlashAttention*.
    """
    _same("values", values.shape, queries.shape)
    q, k, v = (tensor.transpose(1, 2) for tensor in (queries, keys, values))
    if member is None or bool(member.all()):
        return _attended(q, k, v).transpose(1, 2)
    # Dates one by one: a mask would be expanded to N x N by some of the kernels.
    out = []
    for date in range(len(q)):
        mine, theirs = q[date : date + 1], member[date].nonzero().squeeze(1)
        heard = [tensor[date : date + 1, :, theirs] for tensor in (k, v)]
        out.append(_attended(mine, *heard) if len(theirs) else torch.zeros_like(mine))
    return torch.cat(out).transpose(1, 2)


def dense_gat(
    receiver: Tensor, sender: Tensor, values: Tensor, member: Tensor | None = None, *, slope: float = 0.2
) -> Tensor:
    """Graph attention on the complete graph, written out: N x N scores in memory. The reference for ``sorted_gat``.

    Parameters
    ----------
    receiver, sender : (B, N, H); name i attends to j with score ``leaky_relu(receiver_i + sender_j)``.
    values : (B, N, H, C).
    member : (B, N) bool; all, if left out.
    slope : of the leaky ReLU below zero.

    Returns
    -------
    Tensor
        (B, N, H, C).

    Source: Velickovic et al. (2018), *Graph attention networks*.
    """
    _same("sender", sender.shape, receiver.shape)
    scores = leaky_relu(receiver[:, :, None] + sender[:, None], slope)
    if member is not None:
        scores = scores.masked_fill(~member[:, None, :, None], -torch.inf)
        scores = torch.where(member.any(dim=1)[:, None, None, None], scores, scores.new_zeros(()))
    return torch.einsum("bijh,bjhc->bihc", scores.softmax(dim=2), values)


def sorted_gat(
    receiver: Tensor, sender: Tensor, values: Tensor, member: Tensor | None = None, *, slope: float = 0.2
) -> Tensor:
    """Graph attention on the complete graph, exactly, in O(N log N) time and O(N) memory.

    The score ``leaky_relu(p_i + q_j)`` is linear on either side of ``q_j = -p_i``, so its exponential is a product of
    a term of i and a term of j there. With the senders sorted by q, the softmax sums of every i are one value of a
    reverse cumulative sum of ``exp(q_j)`` and one of a cumulative sum of ``exp(slope * q_j)``; a binary search finds
    where they meet. The largest score of each row is factored out, so nothing overflows.

    Parameters
    ----------
    receiver, sender : (B, N, H); name i attends to j with score ``leaky_relu(receiver_i + sender_j)``.
    values : (B, N, H, C).
    member : (B, N) bool; all, if left out.
    slope : of the leaky ReLU below zero, from 0 to 1.

    Returns
    -------
    Tensor
        (B, N, H, C), equal to ``dense_gat`` but for rounding.

    Raises
    ------
    InputError
        Shapes disagree or the slope is outside 0 to 1.
    """
    _same("sender", sender.shape, receiver.shape)
    _same("values", values.shape[:-1], receiver.shape)
    if not 0 <= slope <= 1:
        raise InputError(f"slope {slope} of the leaky ReLU must lie between 0 and 1.")
    kind = values.dtype
    # Names last, so that sorting, sums and searches run along contiguous memory; and sums in fp32 or wider.
    wide = _wide(values)
    p, q = (scores.to(wide).transpose(1, 2) for scores in (receiver, sender))
    v = values.to(wide).permute(0, 2, 3, 1)
    if member is not None:
        q = q.masked_fill(~member[:, None], -torch.inf)
    q, order = q.sort(dim=-1)
    top = q[..., -1:].detach()
    top = top.masked_fill(top == -torch.inf, 0.0)
    v = v.gather(-1, order[:, :, None].expand(v.shape))
    # A slope of zero would make NaN of the infinitely low scores of those outside.
    low = torch.where(q == -torch.inf, q, slope * (q - top))
    above, below = torch.exp(q - top), torch.exp(low)
    weighted = torch.cat([above[:, :, None] * v, above[:, :, None]], dim=2)
    rising = _from_the_end(weighted)
    falling = torch.cat([below[:, :, None] * v, below[:, :, None]], dim=2).cumsum(dim=-1)
    falling = torch.cat([torch.zeros_like(falling[..., :1]), falling], dim=-1)
    cut = torch.searchsorted(q.detach().contiguous(), (-p).detach().contiguous(), right=True)
    at = cut[:, :, None].expand(*falling.shape[:3], p.shape[-1])
    # The largest score of row i is leaky_relu(p_i + top); it is taken out of both sides.
    high = p + top
    largest = torch.where(high > 0, high, slope * high)
    share_above = torch.exp(torch.where(high > 0, high - largest, torch.full_like(high, -torch.inf)))
    share_below = torch.exp(slope * high - largest)
    both = share_above[:, :, None] * rising.gather(-1, at) + share_below[:, :, None] * falling.gather(-1, at)
    total = both[:, :, -1:]
    out = both[:, :, :-1] / torch.where(total > 0, total, torch.ones_like(total))
    return out.permute(0, 3, 1, 2).to(kind)


def neighbour_gat(
    receiver: Tensor, sender: Tensor, scoring: Tensor, neighbours: Tensor, member: Tensor | None = None
) -> Tensor:
    """Graph attention of the second kind over lists of neighbours, keeping O(N) for the backward pass.

    Name i attends to its neighbour j with score ``scoring . leaky_relu(receiver_i + sender_j, 0.2)`` and receives
    ``sender_j``. What an edge needs is gathered again in the backward pass instead of being kept.

    Parameters
    ----------
    receiver, sender : (B, N, H, C).
    scoring : (H, C).
    neighbours : (N, k), or (B, N, k) for a graph per date; the names that i listens to, -1 for none.
    member : (B, N) bool; all, if left out.

    Returns
    -------
    Tensor
        (B, N, H, C); zero for a name without neighbours among the members.

    Raises
    ------
    InputError
        Shapes disagree.

    Source: Brody, Alon and Yahav (2022), *How attentive are graph attention networks?*
    """
    _same("sender", sender.shape, receiver.shape)
    _same("scoring", scoring.shape, receiver.shape[2:])
    if neighbours.dim() == 2:
        neighbours = neighbours.expand(len(receiver), -1, -1)
    _same("neighbours", neighbours.shape[:2], receiver.shape[:2])
    n_dates, n_names, heads, channels = receiver.shape
    there = neighbours >= 0
    index = neighbours.clamp(min=0).long() + n_names * torch.arange(n_dates, device=neighbours.device)[:, None, None]
    if member is not None:
        there = there & member.reshape(-1)[index]
    nodes = [tensor.reshape(-1, heads, channels) for tensor in (receiver, sender)]
    edges = index.flatten(0, 1), there.flatten(0, 1)
    out: Tensor = _NeighbourGAT.apply(*nodes, scoring, *edges)  # type: ignore[no-untyped-call]
    return out.view(receiver.shape)


def hierarchical_attention(
    queries: Tensor, keys: Tensor, values: Tensor, clusters: Tensor, member: Tensor | None = None
) -> Tensor:
    """Attention inside clusters of bounded size, plus attention between the clusters' means.

    With clusters of at most ``cap`` names the work inside is O(N cap), and the N / cap cluster tokens attend to one
    another through a kernel that keeps no matrix.

    Parameters
    ----------
    queries, keys, values : (B, N, H, C).
    clusters : (M, cap), or (B, M, cap) for clusters per date; names of each cluster, -1 for empty places.
    member : (B, N) bool; all, if left out.

    Returns
    -------
    Tensor
        (B, N, H, C), the sum of both; zero for a name in no cluster.
    """
    _same("values", values.shape, queries.shape)
    if clusters.dim() == 2:
        clusters = clusters.expand(len(queries), -1, -1)
    out = []
    for date in range(len(queries)):
        place, there = clusters[date].clamp(min=0).long(), clusters[date] >= 0
        if member is not None:
            there = there & member[date][place]
        q, k, v = (tensor[date][place].transpose(1, 2) for tensor in (queries, keys, values))
        # (M, H, cap, C) each; an empty place attends to itself, so that no row is without a key.
        allowed = there[:, None, None, :] | torch.eye(place.shape[1], dtype=torch.bool, device=place.device)
        inside = scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        share = there.to(values.dtype) / there.sum(dim=1, keepdim=True).clamp(min=1)
        tokens = [torch.einsum("mhnc,mn->hmc", tensor, share) for tensor in (q, k, v)]
        full = there.any(dim=1)
        between = torch.zeros_like(tokens[0])
        if bool(full.any()):
            kept = full.nonzero().squeeze(1)
            between = _attended(tokens[0][None], tokens[1][None, :, kept], tokens[2][None, :, kept])[0]
        both = inside + between.transpose(0, 1)[:, :, None]
        flat, chosen = place.reshape(-1), (clusters[date] >= 0).reshape(-1)
        received = both.transpose(1, 2).reshape(-1, *values.shape[2:])
        out.append(torch.zeros_like(values[date]).index_copy(0, flat[chosen], received[chosen]))
    return torch.stack(out)


class _NeighbourGAT(torch.autograd.Function):
    """``neighbour_gat`` of one graph; keeps its inputs and the attention, and gathers the edges again.

    An edge holds ``heads * channels`` numbers, and the time goes into passing over all of them; so nodes come in blocks
    whose edges stay in the cache, products with the scoring vectors are matrix products, and the rest works in place.
    Edges are in fp32 or wider.
    """

    @staticmethod
    def forward(ctx: Any, receiver: Tensor, sender: Tensor, scoring: Tensor, index: Tensor, there: Tensor) -> Tensor:
        wide, by_head = _wide(sender), _by_head(scoring.to(_wide(sender)))
        sent, out = sender.to(wide), torch.empty_like(sender)
        attention = sent.new_empty(*index.shape, len(scoring))
        with torch.autocast(sender.device.type, enabled=False):
            for rows in _blocks(index, scoring):
                heard = _heard(sent, index[rows])
                active = leaky_relu_((receiver[rows].to(wide)[:, None] + heard).flatten(2), _SLOPE)
                attention[rows] = _softmax(active @ by_head, there[rows])
                out[rows] = heard.mul_(attention[rows][..., None]).sum(dim=1)
        ctx.save_for_backward(receiver, sender, scoring, index, attention)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        receiver, sender, scoring, index, attention = ctx.saved_tensors
        wide, (heads, channels) = attention.dtype, scoring.shape
        by_head, sent = _by_head(scoring.to(wide)), sender.to(wide)
        to_receiver, to_sender = torch.empty_like(sent), torch.zeros_like(sent)
        # (H * C, H) of every head's numbers with every head's scores; each head's own are wanted.
        every = sent.new_zeros(heads * channels, heads)
        with torch.autocast(sender.device.type, enabled=False):
            for rows in _blocks(index, scoring):
                gradient, weights = gradients[0][rows].to(wide)[:, None], attention[rows]
                heard = _heard(sent, index[rows])
                to_attention = (heard * gradient).sum(dim=-1)
                to_scores = weights * (to_attention - (weights * to_attention).sum(dim=1, keepdim=True))
                active = leaky_relu_(heard.add_(receiver[rows].to(wide)[:, None]), _SLOPE)
                every.addmm_(active.flatten(2).flatten(0, 1).t(), to_scores.flatten(0, 1))
                to_edges = (to_scores @ by_head.t()).view(active.shape)
                to_edges = torch.ops.aten.leaky_relu_backward(to_edges, active, _SLOPE, True)
                to_receiver[rows] = to_edges.sum(dim=1)
                to_edges.addcmul_(weights[..., None], gradient)
                to_sender.index_add_(0, index[rows].reshape(-1), to_edges.flatten(0, 1))
        to_scoring = every.view(heads, channels, heads).diagonal(dim1=0, dim2=2).t()
        return to_receiver.to(receiver.dtype), to_sender.to(sender.dtype), to_scoring.to(scoring.dtype), None, None


def _blocks(index: Tensor, scoring: Tensor) -> Iterator[slice]:
    """Rows of the (n, k) edges that are worked on together."""
    most = _EDGE_NUMBERS_GPU if index.is_cuda else _EDGE_NUMBERS
    size = max(1, most // (index.shape[1] * scoring.numel()))
    for start in range(0, len(index), size):
        yield slice(start, start + size)


def _by_head(scoring: Tensor) -> Tensor:
    """(H * C, H): the scoring vectors (H, C) of all heads below one another, each in its own column."""
    heads = len(scoring)
    return (scoring[:, :, None] * torch.eye(heads, dtype=scoring.dtype, device=scoring.device)[:, None]).view(-1, heads)


def _attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention, all (B, H, N, C).

    The kernels that keep no matrix want four axes and the channels of a name side by side; without them the one that
    keeps N x N would be taken in silence.
    """
    q, k, v = (tensor if tensor.stride(-1) == 1 else tensor.contiguous() for tensor in (queries, keys, values))
    return scaled_dot_product_attention(q, k, v)


def _heard(sender: Tensor, index: Tensor) -> Tensor:
    """(n, k, H, C) what the neighbours send; selecting rows is ten times faster than indexing with a table."""
    return sender.index_select(0, index.reshape(-1)).view(*index.shape, *sender.shape[1:])


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _softmax(scores: Tensor, there: Tensor) -> Tensor:
    """Softmax over the neighbours (N, k, H) that are ``there`` (N, k); zero where none is."""
    masked = scores.masked_fill(~there[..., None], -torch.inf)
    top = masked.amax(dim=1, keepdim=True)
    weights = torch.exp(masked - top.masked_fill(top == -torch.inf, 0.0))
    total = weights.sum(dim=1, keepdim=True)
    return weights / torch.where(total > 0, total, torch.ones_like(total))


def _from_the_end(terms: Tensor) -> Tensor:
    """Sums of the terms from each place to the end, and zero after it: a true reverse sum, so nothing cancels."""
    sums = terms.flip(-1).cumsum(dim=-1).flip(-1)
    return torch.cat([sums, torch.zeros_like(sums[..., :1])], dim=-1)


def _same(name: str, got: torch.Size, wanted: torch.Size) -> None:
    if got != wanted:
        raise InputError(f"{name} is {tuple(got)} where {tuple(wanted)} is needed; see the shapes in the docstring.")
