"""The graphs that a network sees at each date, made from data before it and renewed every quarter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from quantray.arrays import Dates, Names
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.graphs import Clusters, NeighbourGraph, capped_clusters, random_graph, sector_graph, top_k_graph
from quantray.features.returns import simple_returns
from quantray.models.layers import LayerSettings
from quantray.models.networks import Attention

__all__ = ["GraphSettings", "KnownGraph", "graphs_by_row", "known_graph", "rows_behind"]

_FEWEST_DAYS = 60
"""Days of returns below which no graph is made."""


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """How the graph among names is made.

    Parameters
    ----------
    kind : ``correlation`` takes the k names that moved most alike; ``sector`` of those in the own sector; ``random``
        keeps the degrees of ``correlation`` and draws the names: the control that shows what the edges are worth.
    k : neighbours of each name.
    cap : most names in a cluster, for hierarchical attention.
    window : trading days of returns behind a graph; fewer where the data is younger, but at least 60.
    threshold : least correlation of an edge.
    n_factors : leading principal components taken out of the returns first; see ``top_k_graph``.
    seed : of the random graph.
    """

    kind: Literal["correlation", "sector", "random"] = "correlation"
    k: int = 10
    cap: int = 50
    window: int = 252
    threshold: float = 0.0
    n_factors: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("correlation", "sector", "random"):
            raise InputError(f"graph kind {self.kind!r} is not one of correlation, sector, random.")
        if self.k < 1 or self.cap < 2 or self.window < _FEWEST_DAYS or not 0 <= self.n_factors < _FEWEST_DAYS:
            raise InputError(
                f"k {self.k} must be at least 1, cap {self.cap} at least 2, window {self.window} at least "
                f"{_FEWEST_DAYS}, and n_factors {self.n_factors} from 0 to below {_FEWEST_DAYS}."
            )


@dataclass(frozen=True, eq=False)
class KnownGraph:
    """One graph in force: who it is among, the quarter it serves and the last date behind it."""

    assets: Names
    quarter: np.datetime64
    """First month of the quarter, datetime64[M]."""
    window_end: np.datetime64
    links: Tensor
    """(N, k) neighbours or (M, cap) clusters, int32, -1 for none."""
    clustered: bool

    def among(self, assets: Names) -> "KnownGraph":
        """The same links among other names: those not among them are dropped, newcomers have none."""
        if np.array_equal(assets, self.assets):
            return self
        place = {name: i for i, name in enumerate(assets.tolist())}
        new = torch.tensor([place.get(name, -1) for name in self.assets.tolist()] + [-1], dtype=torch.int32)
        moved = new[self.links.long()]
        if self.clustered:
            return replace(self, assets=assets, links=moved)
        out = torch.full((len(assets), self.links.shape[1]), -1, dtype=torch.int32)
        kept = new[:-1] >= 0
        out[new[:-1][kept].long()] = moved[kept]
        return replace(self, assets=assets, links=out)


def graphs_by_row(
    panel: Panel,
    settings: GraphSettings,
    attention: Attention | LayerSettings,
    rows: slice,
    sectors: Mapping[str, str],
    known: KnownGraph | None = None,
) -> dict[int, KnownGraph]:
    """The graph from each row on at which a new one comes into force, the first row of ``rows`` included.

    A date's graph is made from the returns before the first day of its quarter, so it depends on the date alone.

    Parameters
    ----------
    rows : of the panel.
    known : the graph in force before; used again within its quarter.
    """
    quarters = _quarters(panel.dates)
    out: dict[int, KnownGraph] = {}
    for row in range(rows.start, rows.stop):
        if row > rows.start and quarters[row] == quarters[row - 1]:
            continue
        if known is not None and known.quarter == quarters[row]:
            out[row] = known.among(panel.assets)
        else:
            first = int(np.searchsorted(quarters, quarters[row]))
            out[row] = known_graph(panel, settings, attention, first, sectors)
    return out


def known_graph(
    panel: Panel,
    settings: GraphSettings,
    attention: Attention | LayerSettings,
    first: int,
    sectors: Mapping[str, str],
) -> KnownGraph:
    """The graph in force from a row on, made from the rows before it; without links where those are too few.

    Names that were members on none of those rows have no links.

    Raises
    ------
    InputError
        A sector graph without sectors.
    """
    end = first - 1
    start = max(first - settings.window - 1, 0)
    quarter = _quarters(panel.dates[first : first + 1])[0]
    hierarchical = attention == "hierarchical"
    if end - start < _FEWEST_DAYS:
        nobody = torch.full(
            (1, settings.cap) if hierarchical else (len(panel.assets), settings.k), -1, dtype=torch.int32
        )
        return KnownGraph(panel.assets, quarter, panel.dates[max(end, 0)], nobody, hierarchical)
    span = slice(start + 1, first)
    returns = simple_returns(panel.field("close")[start:first])[1:]
    window = returns, panel.assets, panel.dates[span]
    # Whoever was a member of late. Names outside, which a panel may hold for other dates' sake, must change nothing.
    linked = ~np.isnan(returns[-1]) & panel.member[span].any(axis=0)
    made: NeighbourGraph | Clusters
    if hierarchical:
        made = capped_clusters(*window, cap=settings.cap, member=linked)
        links = made.members
    else:
        made = _neighbours(window, settings, linked, sectors, quarter)
        links = made.neighbours
    made.check(panel.dates[first])
    return KnownGraph(panel.assets, quarter, made.window_end, torch.from_numpy(np.array(links)), hierarchical)


def rows_behind(dates: Dates, rows: slice, settings: GraphSettings, known: KnownGraph | None = None) -> int:
    """Rows before the first of some that graphs other than ``known`` are made of; 0 or less if none are needed.

    Parameters
    ----------
    dates : (T,) of a panel.
    rows : of it.
    known : the graph in force before, which serves its quarter.
    """
    quarters = _quarters(dates[: rows.stop])
    new = quarters[rows] != (None if known is None else known.quarter)
    if not new.any():
        return 0
    first = int(np.searchsorted(quarters, quarters[rows.start + int(new.argmax())]))
    return int(rows.start) - first + settings.window + 1


def _neighbours(
    window: tuple[np.ndarray, Names, Dates],
    settings: GraphSettings,
    linked: np.ndarray,
    sectors: Mapping[str, str],
    quarter: np.datetime64,
) -> NeighbourGraph:
    returns, assets, dates = window
    if settings.kind == "sector":
        if not sectors:
            raise InputError("a sector graph needs sectors, else nobody is linked; give them, or take correlation.")
        names = sorted(set(sectors.values()))
        codes = np.array([names.index(sectors[a]) if a in sectors else -1 for a in assets.tolist()])
        return sector_graph(codes, assets, dates, k=settings.k, returns_tn=returns, member=linked)
    graph = top_k_graph(
        returns,
        assets,
        dates,
        k=settings.k,
        threshold=settings.threshold,
        member=linked,
        n_factors=settings.n_factors,
    )
    if settings.kind == "random":
        number = int(quarter.astype(np.int64))
        return random_graph(graph, seed=int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0]))
    return graph


def _quarters(dates: Dates) -> np.ndarray:
    """(T,) first month of each date's quarter."""
    months = dates.astype("datetime64[M]").astype(np.int64)
    return np.asarray((months - months % 3).astype("datetime64[M]"))
