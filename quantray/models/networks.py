"""Encoder, cross-section, head: one network from features to scores, with no parameter sized by the number of names.

L steps, B dates, N names, F inputs, D wide, H heads. A permutation of the names permutes the scores.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear
from torch.utils.checkpoint import checkpoint

from quantray.errors import InputError
from quantray.models.attention import (
    dense_attention,
    dense_gat,
    hierarchical_attention,
    neighbour_gat,
    sorted_gat,
)
from quantray.models.encoders import LSTMEncoder, LSTMState
from quantray.models.layers import GraphLayer, LayerSettings
from quantray.models.workers import OneStage, Stages

__all__ = ["ATTENTIONS", "Attention", "CrossSection", "Network", "NetworkSettings", "Structure", "needs_graph"]

Attention = Literal["none", "dense", "complete", "complete_explicit", "neighbours", "hierarchical"]

ATTENTIONS: tuple[Attention, ...] = ("none", "dense", "complete", "complete_explicit", "neighbours", "hierarchical")
"""None; dot products; GATv1 on the complete graph, sorted or written out; GATv2 on neighbours; clusters."""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The shape of a network.

    Parameters
    ----------
    inputs : F, features per stock-day.
    width : D; a multiple of ``heads``.
    layers : of the LSTM.
    attention : how names see one another: one of ``ATTENTIONS``, or a layer of PyTorch Geometric on the neighbours.
    heads : H of the attention.
    dropout : share of the head's and the encoder's units left out in training.
    recompute : compute the cross-section again in the backward pass rather than keep it.
    """

    inputs: int
    width: int = 64
    layers: int = 2
    attention: Attention | LayerSettings = "neighbours"
    heads: int = 4
    dropout: float = 0.1
    recompute: bool = False

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.layers < 1 or self.heads < 1 or self.width < 1 or self.width % self.heads:
            raise InputError(
                f"inputs {self.inputs}, layers {self.layers} and heads {self.heads} must be at least 1, and width "
                f"{self.width} a multiple of the heads."
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout} must be at least 0 and below 1.")
        if not isinstance(self.attention, LayerSettings) and self.attention not in ATTENTIONS:
            raise InputError(f"attention {self.attention!r} is not one of {', '.join(ATTENTIONS)}.")


@dataclass(frozen=True, eq=False)
class Structure:
    """Who may see whom on B dates; what the attention in use does not need may be left out."""

    member: Tensor
    """(B, N) bool."""
    neighbours: Tensor | None = None
    """(N, k) or (B, N, k), -1 for none."""
    clusters: Tensor | None = None
    """(M, cap) or (B, M, cap), -1 for empty places."""

    def date(self, row: int) -> "Structure":
        """The structure of one date, with its first axis kept."""
        cut = [t if t is None or t.dim() == 2 else t[row : row + 1] for t in (self.neighbours, self.clusters)]
        return Structure(self.member[row : row + 1], *cut)


class CrossSection(nn.Module):
    """One layer of attention among the names of a date, some or all of its heads.

    Parameters
    ----------
    kind : see ``ATTENTIONS``, but not ``none``.
    width, heads : D and H of the whole layer.
    part : (first, last + 1) heads that this module holds; all by default. Parts that together hold all heads, with
        their outputs joined along the last axis, equal the whole layer: that is how heads are split among workers.
    """

    def __init__(self, kind: Attention, width: int, heads: int, *, part: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.part = (0, heads) if part is None else part
        self.channels = width // heads
        held = self.part[1] - self.part[0]
        n_maps = 3 if kind in ("dense", "hierarchical") else (2 if kind == "neighbours" else 1)
        self.maps = nn.Parameter(torch.empty(n_maps, held, self.channels, width))
        n_scores = {"complete": 2, "complete_explicit": 2, "neighbours": 1}.get(kind, 0)
        self.scores = nn.Parameter(torch.empty(n_scores, held, self.channels))
        bound = (3.0 / width) ** 0.5
        nn.init.uniform_(self.maps, -bound, bound)
        # Small scores at first: attention begins as a plain mean.
        nn.init.uniform_(self.scores, -0.1, 0.1)

    def forward(self, tokens: Tensor, structure: Structure) -> Tensor:
        """(B, N, D) tokens to (B, N, held heads x channels)."""
        # As one product, whose numbers of a name lie side by side: neighbours are gathered twice as fast.
        maps = self.maps.to(tokens.dtype)
        mapped = linear(tokens, maps.flatten(0, 2)).view(*tokens.shape[:2], *maps.shape[:3]).movedim(2, 0)
        scores, member = self.scores.to(tokens.dtype), structure.member
        if self.kind == "dense":
            out = dense_attention(mapped[0], mapped[1], mapped[2], member)
        elif self.kind == "hierarchical":
            clusters = _needed(structure.clusters, "clusters")
            out = hierarchical_attention(mapped[0], mapped[1], mapped[2], clusters, member)
        elif self.kind == "neighbours":
            neighbours = _needed(structure.neighbours, "neighbours")
            out = neighbour_gat(mapped[0], mapped[1], scores[0], neighbours, member)
        else:
            receiver, sender = torch.einsum("bnhc,shc->sbnh", mapped[0], scores)
            gat = sorted_gat if self.kind == "complete" else dense_gat
            out = gat(receiver, sender, mapped[0], member)
        return out.flatten(2)


class Network(nn.Module):
    """LSTM over each name's history, attention among names, and a head that gives one score per name and date."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.stages: Stages = OneStage()
        width = settings.width
        self.encoder = LSTMEncoder(settings.inputs, width, layers=settings.layers, dropout=settings.dropout)
        # Today's features reach the head directly, so the LSTM need not learn to copy them.
        self.today = nn.Linear(settings.inputs, width)
        self.cross: nn.Module | None = None
        if isinstance(settings.attention, LayerSettings):
            layer = GraphLayer(settings.attention, width, settings.heads)
            self.cross, self.mix = layer, nn.Linear(layer.out_channels, width)
        elif settings.attention != "none":
            self.cross = CrossSection(settings.attention, width, settings.heads)
            self.mix = nn.Linear(width, width)
        self.drop = nn.Dropout(settings.dropout)
        self.inner = nn.Linear(width, width)
        self.score = nn.Linear(2 * width, 1)

    def encode(
        self, x: Tensor, state: LSTMState | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """(L, B, F) features to (L, B, D) tokens, and the LSTM's state after the last step."""
        out, state = self.encoder(x, state, reset)
        return out + self.today(x), state

    def head(self, tokens: Tensor, structure: Structure) -> Tensor:
        """(B, N, D) tokens of B dates to (B, N) scores."""
        if self.cross is not None:
            tokens = tokens + self.mix(self._across(self.cross, tokens, structure))
        joined = torch.cat([tokens, gelu(self.inner(self.drop(tokens)))], dim=-1)
        scores: Tensor = self.score(joined).squeeze(-1)
        return scores

    def without_cross(self) -> "Network":
        """The same modules and weights, but no attention."""
        bare = copy.copy(self)
        bare._modules = {**self._modules, "cross": None}
        return bare

    def _across(self, cross: nn.Module, tokens: Tensor, structure: Structure) -> Tensor:
        if not (self.settings.recompute and torch.is_grad_enabled()):
            out: Tensor = cross(tokens, structure)
            return out
        # Date by date, so that one date's attention is in memory at a time.
        dates = [
            checkpoint(cross, tokens[row : row + 1], structure.date(row), use_reentrant=False)
            for row in range(len(tokens))
        ]
        return torch.cat(dates)


def needs_graph(attention: Attention | LayerSettings) -> bool:
    """Whether it has to be known who listens to whom."""
    return isinstance(attention, LayerSettings) or attention in ("neighbours", "hierarchical")


def _needed(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise InputError(f"this attention needs {name}; give them in the structure.")
    return value
