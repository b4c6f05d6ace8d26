"""Losses over the names of one date, all masked, all in memory below N x N.

Shapes: scores, labels (B, N); mask (B, N) bool, True where a label is known and counts. Each loss returns one number
per date, (B,), zero where fewer than two names count; ``LOSSES`` names them. They are computed in fp32 or wider.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["LOSSES", "Loss", "information_coefficient", "listmle", "mean_squared_error", "one_minus_ic", "pairwise"]

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_PAIR_ROWS = 256
"""Rows of pairs that the pairwise loss holds at a time."""


def mean_squared_error(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference."""
    scores, labels = _wide(scores, labels, mask)
    return ((scores - labels) ** 2 * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1) * _enough(mask)


def information_coefficient(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Pearson correlation of scores and labels; zero where either does not vary."""
    scores, labels = _wide(scores, labels, mask)
    count = mask.sum(dim=1, keepdim=True).clamp(min=1)
    x = (scores - scores.sum(dim=1, keepdim=True) / count) * mask
    y = (labels - labels.sum(dim=1, keepdim=True) / count) * mask
    variances = (x * x).sum(dim=1) * (y * y).sum(dim=1)
    # A variance that is NaN is not constant: a network that has diverged must show.
    constant = variances <= torch.finfo(scores.dtype).tiny
    scale = torch.where(constant, torch.ones_like(variances), variances).sqrt()
    return torch.where(constant, torch.zeros_like(scale), (x * y).sum(dim=1) / scale)


def one_minus_ic(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """One minus the information coefficient."""
    return (1 - information_coefficient(scores, labels, mask)) * _enough(mask)


def pairwise(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Mean logistic loss over all ordered pairs whose labels differ, in blocks of rows.

    Source: Burges et al. (2005), *Learning to rank using gradient descent*.
    """
    scores, labels = _wide(scores, labels, mask)
    rows = [
        _Pairwise.apply(s[m], y[m])  # type: ignore[no-untyped-call]
        for s, y, m in zip(scores, labels, mask, strict=True)
    ]
    return torch.stack(rows)


def listmle(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of the order of the labels under a Plackett-Luce model, per name.

    Source: Xia et al. (2008), *Listwise approach to learning to rank*.
    """
    scores, labels = _wide(scores, labels, mask)
    order = labels.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    ranked = scores.masked_fill(~mask, -torch.inf).gather(1, order)
    counts = mask.gather(1, order)
    # The log of the sum over all names ranked at or below each place; empty places hold no weight.
    remaining = ranked.flip(1).masked_fill(~counts.flip(1), torch.finfo(scores.dtype).min / 4).logcumsumexp(1).flip(1)
    terms = torch.where(counts, remaining - ranked.masked_fill(~counts, 0.0), torch.zeros_like(remaining))
    return terms.sum(dim=1) / mask.sum(dim=1).clamp(min=1) * _enough(mask)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"mse": mean_squared_error, "ic": one_minus_ic, "pairwise": pairwise, "listmle": listmle}
)


class _Pairwise(torch.autograd.Function):
    """One date's loss; the gradient by score is summed on the way, so no pair is kept."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor) -> Tensor:
        gradient, total, pairs = torch.zeros_like(scores), scores.new_zeros(()), scores.new_zeros(())
        for start in range(0, len(scores), _PAIR_ROWS):
            rows = slice(start, start + _PAIR_ROWS)
            better = (labels[rows, None] > labels[None]).to(scores.dtype)
            behind = scores[None] - scores[rows, None]
            total = total + (softplus(behind) * better).sum()
            pull = torch.sigmoid(behind) * better
            gradient += pull.sum(dim=0)
            gradient[rows] -= pull.sum(dim=1)
            pairs = pairs + better.sum()
        pairs = pairs.clamp(min=1)
        ctx.save_for_backward(gradient / pairs)
        return total / pairs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (saved,) = ctx.saved_tensors
        return saved * gradients[0], None


def _wide(scores: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Both in at least fp32, with zero where the mask is off, so that NaN there reaches no gradient."""
    wide = torch.float64 if scores.dtype == torch.float64 else torch.float32
    zero = torch.zeros((), dtype=wide, device=scores.device)
    return torch.where(mask, scores.to(wide), zero), torch.where(mask, labels.to(wide), zero)


def _enough(mask: Tensor) -> Tensor:
    return mask.sum(dim=1) >= 2
