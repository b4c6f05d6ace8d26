"""Layers of PyTorch Geometric by name, on the graph of neighbours: the dates of a step are graphs apart in one."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from quantray.errors import InputError, first_line
from quantray.inputs import imported

if TYPE_CHECKING:
    from quantray.models.networks import Structure

__all__ = ["GraphLayer", "LayerSettings", "disjoint_edges", "quiet_library"]

_LIBRARY = "torch_geometric.nn"
_SAME = 1e-4


@dataclass(frozen=True)
class LayerSettings:
    """A layer that passes messages along edges.

    Parameters
    ----------
    layer : name in ``torch_geometric.nn``, such as ``GATv2Conv``, or ``module:name`` of a ``MessagePassing``.
    parameters : of its constructor. Where it takes ``in_channels``, ``out_channels`` or ``heads`` and none are given,
        the network's width and heads are taken; all else is as PyG has it.
    """

    layer: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # In one order, for the settings are hashed by what they look like.
        object.__setattr__(self, "parameters", dict(sorted(self.parameters.items())))

    @property
    def path(self) -> str:
        """``module:name``."""
        return self.layer if ":" in self.layer else f"{_LIBRARY}:{self.layer}"


class GraphLayer(nn.Module):
    """A layer by name, on the neighbours of each date; it computes in fp32.

    Parameters
    ----------
    width, heads : of the network.

    Raises
    ------
    InputError
        There is no such layer, it takes no such parameters, needs more than values and edges, or gives other numbers
        to a name when the names are in another order or other dates stand beside its own.
    """

    def __init__(self, settings: LayerSettings, width: int, heads: int) -> None:
        super().__init__()
        self.layer = _made(settings, width, heads)
        self.out_channels = _tried(self.layer, settings, width)

    def forward(self, tokens: Tensor, structure: "Structure") -> Tensor:
        """(B, N, D) tokens to (B, N, ``out_channels``)."""
        if structure.neighbours is None:
            raise InputError("this layer needs neighbours; give them in the structure.")
        edges = disjoint_edges(structure.neighbours, structure.member)
        # Layers of others sum messages of one type into another only in full precision.
        with torch.autocast(tokens.device.type, enabled=False):
            out: Tensor = self.layer(tokens.float().flatten(0, 1), edges)
        return out.view(*tokens.shape[:2], -1).to(tokens.dtype)


def disjoint_edges(neighbours: Tensor, member: Tensor) -> Tensor:
    """Edges of B graphs apart as those of one graph, whose nodes are the names date by date.

    Parameters
    ----------
    neighbours : (N, k) or (B, N, k) names that each name listens to, -1 for none.
    member : (B, N) bool; nobody listens to the others.

    Returns
    -------
    Tensor
        (2, E) int64: who sends, and who receives.
    """
    n_dates, n_names = member.shape
    if neighbours.dim() == 2:
        neighbours = neighbours.expand(n_dates, -1, -1)
    first = n_names * torch.arange(n_dates, device=neighbours.device)[:, None, None]
    sender = neighbours.clamp(min=0).long() + first
    there = (neighbours >= 0) & member.reshape(-1)[sender]
    receiver = (torch.arange(n_names, device=neighbours.device)[None, :, None] + first).expand(sender.shape)
    return torch.stack([sender[there], receiver[there]])


@contextmanager
def quiet_library() -> Iterator[None]:
    """Import PyG in here: it takes seconds, so it is not imported above, and warns about what it uses of torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _made(settings: LayerSettings, width: int, heads: int) -> nn.Module:
    with quiet_library():
        kind = imported(settings.path, "layer")
        base = imported(f"{_LIBRARY}:MessagePassing", "layer")
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise InputError(f"layer {settings.layer!r} is no MessagePassing; name one such as GATv2Conv or SAGEConv.")
    given, known = dict(settings.parameters), inspect.signature(kind).parameters
    heads = int(given.get("heads", heads))
    channels = width // heads if "heads" in known and given.get("concat", True) else width
    usual = {"in_channels": width, "out_channels": channels, "heads": heads}
    try:
        made: nn.Module = kind(**{name: value for name, value in usual.items() if name in known} | given)
    except Exception as error:
        raise _refused(settings, f"cannot be made ({type(error).__name__}: {first_line(error)})") from error
    return made


def _tried(layer: nn.Module, settings: LayerSettings, width: int) -> int:
    """Channels that a layer gives; refuses one that minds the order of names, or other dates."""
    n = 6
    x = torch.sin(torch.arange(2.0 * n * width)).view(2, n, width)
    ring = torch.stack([torch.arange(1, n + 1) % n, torch.arange(2, n + 2) % n], dim=1)
    # The names backwards: edges come in another order, and senders of a name as well.
    order = torch.arange(n - 1, -1, -1)
    turned = (n - 1 - ring)[order].flip(1)
    one, two = torch.ones(1, n, dtype=torch.bool), torch.ones(2, n, dtype=torch.bool)
    was = layer.training
    layer.eval()
    try:
        with torch.no_grad():
            alone = layer(x[0], disjoint_edges(ring, one))
            other = layer(x[0, order], disjoint_edges(turned, one))[order]
            both = layer(x.flatten(0, 1), disjoint_edges(ring, two))[:n]
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise _refused(settings, f"fails on values and edges alone ({said})") from error
    finally:
        layer.train(was)
    if not isinstance(alone, Tensor) or alone.dim() != 2 or len(alone) != n or not bool(alone.isfinite().all()):
        raise _refused(settings, f"does not give a finite row for each of {n} names")
    if not torch.allclose(other, alone, atol=_SAME):
        raise _refused(settings, "gives other numbers when the names are in another order")
    if not torch.allclose(both, alone, atol=_SAME):
        raise _refused(settings, "gives other numbers to a date when another date stands beside it")
    return int(alone.shape[1])


def _refused(settings: LayerSettings, what: str) -> InputError:
    told = ", ".join(f"{name}: {value}" for name, value in settings.parameters.items())
    return InputError(f"layer {settings.layer}{f' ({told})' if told else ''} {what}.")
