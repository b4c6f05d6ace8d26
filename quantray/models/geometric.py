"""A panel and its graphs as PyTorch Geometric's data, for notebooks and for models outside of quantray."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from quantray.arrays import Dates
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns, standardised_labels
from quantray.features.returns import DELIST_RETURN
from quantray.inputs import imported
from quantray.models.layers import disjoint_edges, quiet_library
from quantray.models.structures import GraphSettings, graphs_by_row

__all__ = ["graph_data"]


def graph_data(
    panel: Panel,
    dates: Dates,
    *,
    graph: GraphSettings | None = None,
    features: Features | None = None,
    sectors: Mapping[str, str] | None = None,
    horizon: int = 5,
    lag: int = 1,
) -> list[Any]:
    """One ``torch_geometric.data.Data`` a date: what a network of quantray would see of it, and what followed.

    Parameters
    ----------
    panel : with rows before the first date, of which features and graphs are made.
    dates : (D,) consecutive rows of the panel.
    graph : how the graph is made; each date has the one of its quarter, from the returns before it.
    features : of the panel; by default all of the catalogue that it allows.
    sectors : asset -> sector.
    horizon, lag : of the returns that followed; see ``features.labels.forward_returns``.

    Returns
    -------
    list
        (D,) of Data with ``x`` (N, F) features, zero where unknown; ``edge_index`` (2, E) from the name that is heard
        to the one that listens; ``y`` (N,) standardised returns, NaN where unknown; ``member`` (N,) bool, a member
        with a close that day; ``train_mask`` (N,) bool, members whose return is known; and the ``date``. Nodes are in
        the order of ``panel.assets``.

    Raises
    ------
    InputError
        The dates are not consecutive rows, the features are of another panel, or a sector graph has no sectors.
    """
    given = feature_set(panel, sectors=sectors) if features is None else features
    if not (np.array_equal(given.dates, panel.dates) and np.array_equal(given.assets, panel.assets)):
        raise InputError("the features given are of another panel; compute them from the panel.")
    rows = _consecutive(panel, dates)
    with quiet_library():
        data = imported("torch_geometric.data:Data", "class")
    member = panel.member & given.present
    earned = forward_returns(panel.field("close"), horizon=horizon, lag=lag, delist_tn=panel.fields.get(DELIST_RETURN))
    labels = torch.from_numpy(standardised_labels(earned, member)).float()
    graphs = graphs_by_row(panel, graph or GraphSettings(), "neighbours", rows, sectors or {})
    out, links = [], None
    for row in range(rows.start, rows.stop):
        links = graphs[row].links if row in graphs else links
        assert links is not None, "the first row has a graph"
        there = torch.from_numpy(member[row].copy())
        out.append(
            data(
                x=torch.from_numpy(np.nan_to_num(given.values[row])),
                edge_index=disjoint_edges(links, there[None]),
                y=labels[row],
                member=there,
                train_mask=there & ~labels[row].isnan(),
                date=str(panel.dates[row]),
            )
        )
    return out


def _consecutive(panel: Panel, dates: Dates) -> slice:
    if len(dates) == 0:
        raise InputError("no dates to give; name at least one.")
    first = panel.row(dates[0])
    rows = slice(first, first + len(dates))
    if not np.array_equal(panel.dates[rows], np.asarray(dates).astype("datetime64[D]")):
        raise InputError("the dates are not consecutive rows of the panel; give them range by range.")
    return rows
