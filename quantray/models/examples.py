"""One fold as tensors: features, labels, membership and the graphs known at each date."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quantray.arrays import Bool, Float, Names
from quantray.errors import InputError
from quantray.models.networks import Structure

__all__ = ["GAP_DAYS", "Examples", "Graphs", "Normaliser", "listing_resets", "make_examples"]

GAP_DAYS = 10
"""Days without a close after which a name's history counts as a new one."""


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Location and scale of each feature, from training rows alone; missing values become zero afterwards."""

    mean: Float
    """(F,)."""
    scale: Float
    """(F,) positive."""

    @classmethod
    def fit(cls, values_tnf: np.ndarray, member_tn: Bool) -> "Normaliser":
        """From (T, N, F) values of the members, NaN left out; a feature that does not vary keeps scale one."""
        count = np.zeros(values_tnf.shape[2])
        total, square = np.zeros_like(count), np.zeros_like(count)
        for row, there in zip(values_tnf, member_tn, strict=True):
            known = row[there].astype(np.float64)
            count += (~np.isnan(known)).sum(axis=0)
            total += np.nansum(known, axis=0)
            square += np.nansum(known * known, axis=0)
        mean = total / np.maximum(count, 1)
        variance = square / np.maximum(count, 1) - mean**2
        return cls(mean, np.sqrt(np.where(variance > 1e-12, variance, 1.0)))

    def apply(self, values_tnf: np.ndarray) -> Tensor:
        """(T, N, F + 1) fp32 without NaN; the last channel is the share of features that are known."""
        out = np.empty((*values_tnf.shape[:2], values_tnf.shape[2] + 1), dtype=np.float32)
        mean, scale = self.mean.astype(np.float32), self.scale.astype(np.float32)
        for row, into in zip(values_tnf, out, strict=True):
            into[:, :-1] = np.nan_to_num((row - mean) / scale)
            into[:, -1] = (~np.isnan(row)).mean(axis=1)
        return torch.from_numpy(out)


@dataclass(frozen=True, eq=False)
class Graphs:
    """Graphs of G refresh dates over the same N names, and which of them is known at each of T dates."""

    of_date: Tensor
    """(T,) int64, row of the graph; its window ends on that date or before."""
    neighbours: Tensor | None = None
    """(G, N, k) int32, -1 for none."""
    clusters: Tensor | None = None
    """(G, M, cap) int32, -1 for empty places."""


@dataclass(frozen=True, eq=False)
class Examples:
    """T dates of N names, ready for the network."""

    values: Tensor
    """(T, N, F) fp32, no NaN."""
    reset: Tensor
    """(T, N) bool; the name's history begins anew that day."""
    member: Tensor
    """(T, N) bool; scored, and seen by others."""
    labels: Tensor
    """(T, N) fp32, NaN where unknown."""
    graphs: Graphs

    def to(self, device: torch.device) -> "Examples":
        """The same on a device."""

        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        old = self.graphs
        graphs = Graphs(old.of_date.to(device), move(old.neighbours), move(old.clusters))
        parts = [t.to(device) for t in (self.values, self.reset, self.member, self.labels)]
        return Examples(parts[0], parts[1], parts[2], parts[3], graphs)

    def structure(self, rows: Tensor) -> Structure:
        """Who sees whom on some dates, given by their rows (B,)."""
        which = self.graphs.of_date[rows]
        return Structure(
            self.member[rows],
            None if self.graphs.neighbours is None else self.graphs.neighbours[which],
            None if self.graphs.clusters is None else self.graphs.clusters[which],
        )

    def known(self, rows: Tensor) -> Tensor:
        """(B, N) bool; members whose label is known."""
        return self.member[rows] & ~self.labels[rows].isnan()


def listing_resets(present_tn: Bool) -> Bool:
    """(T, N) True on the first day of a name, and on its first day after a gap of ten days or more.

    A short gap leaves the state as it is; while a name is away its empty inputs change a state that is then dropped.
    """
    rows = np.arange(len(present_tn))[:, None]
    last = np.maximum.accumulate(np.where(present_tn, rows, -GAP_DAYS - 1), axis=0)
    before = np.vstack([np.full((1, present_tn.shape[1]), -GAP_DAYS - 1), last[:-1]])
    return np.asarray(present_tn & (rows - before > GAP_DAYS))


def make_examples(
    values_tnf: np.ndarray,
    present_tn: Bool,
    member_tn: Bool,
    labels_tn: Float | None,
    normaliser: Normaliser,
    graphs: Mapping[int, Tensor] | None = None,
    *,
    clusters: Mapping[int, Tensor] | None = None,
    earlier: Bool | None = None,
) -> Examples:
    """Tensors of a fold.

    Parameters
    ----------
    values_tnf : (T, N, F) features, NaN where unknown.
    present_tn, member_tn : (T, N).
    labels_tn : (T, N), NaN where unknown; none at prediction.
    graphs : row -> (N, k) neighbours, known from that row on; the first row must be 0.
    clusters : row -> (M, cap), likewise; M may differ.
    earlier : (R, N) presence on the rows before; a name that was there within ``GAP_DAYS`` does not begin anew.

    Raises
    ------
    InputError
        Shapes disagree or no graph is known on the first row.
    """
    shape = values_tnf.shape[:2]
    if present_tn.shape != shape or member_tn.shape != shape or (labels_tn is not None and labels_tn.shape != shape):
        raise InputError(f"features are for {shape} dates and names; presence, membership and labels must match.")
    of_date = torch.zeros(shape[0], dtype=torch.int64)
    stacked: list[Tensor | None] = []
    for by_row in (graphs, clusters):
        if by_row is None:
            stacked.append(None)
            continue
        starts = sorted(by_row)
        if not starts or starts[0] != 0:
            raise InputError("no graph is known on the first date; give one for row 0.")
        of_date = torch.from_numpy(np.searchsorted(starts, np.arange(shape[0]), side="right") - 1)
        most = max(len(by_row[row]) for row in starts)
        padded = [torch.nn.functional.pad(by_row[r], (0, 0, 0, most - len(by_row[r])), value=-1) for r in starts]
        stacked.append(torch.stack(padded).to(torch.int32))
    history = present_tn if earlier is None else np.vstack([earlier, present_tn])
    labels = np.full(shape, np.nan, np.float32) if labels_tn is None else labels_tn.astype(np.float32)
    return Examples(
        values=normaliser.apply(values_tnf),
        reset=torch.from_numpy(listing_resets(history)[-len(present_tn) :]),
        member=torch.from_numpy(np.array(member_tn & present_tn)),
        labels=torch.from_numpy(labels),
        graphs=Graphs(of_date, *stacked),
    )


def assets_in(member_tn: Bool, assets: Names) -> Names:
    """The names that are members on any of the dates."""
    return np.asarray(assets[member_tn.any(axis=0)])
