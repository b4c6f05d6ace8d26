"""Pictures of what execution costs: waterfalls, frontiers with what really happened, and how fast orders are traded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.arrays import Float
from quantray.errors import InputError

__all__ = ["Point", "cost_waterfall", "frontier_with_points", "trading_pace"]

_PAYS, _SAVES, _TOTAL = PALETTE[1], PALETTE[2], "#555555"
_CURVE = PALETTE[0]


@dataclass(frozen=True)
class Point:
    """A schedule, or what became of one, beside a frontier."""

    name: str
    risk_bps: float
    """Standard deviation of the cost."""
    cost_bps: float
    realised: bool = False
    """Whether it happened rather than was expected."""
    chosen: bool = False


def cost_waterfall(parts: Mapping[str, float], *, total: str = "Total", note: str = "") -> Picture:
    """Parts of a cost that lead to its total, one below the other.

    Parameters
    ----------
    parts : name -> basis points, such as those of ``tca.aggregate`` without the total; savings negative.

    Raises
    ------
    InputError
        There is no part, or one is not a number.
    """
    values = np.array(list(parts.values()), dtype=np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise InputError(f"parts of a cost are {dict(parts)}; give a number of basis points for each.")
    names, shown = [_title(name) for name in (*parts, total)], [*values.tolist(), float(values.sum())]
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            measure=["relative"] * len(values) + ["total"],
            x=[round(value, 4) for value in shown],
            y=names,
            text=[f"{value:+.1f}" for value in shown[:-1]] + [f"{shown[-1]:.1f}"],
            textposition="outside",
            cliponaxis=False,
            increasing={"marker": {"color": _PAYS}},
            decreasing={"marker": {"color": _SAVES}},
            totals={"marker": {"color": _TOTAL}},
            connector={"line": {"color": "#b6bfca", "width": 1}},
            hoverinfo="skip",
        )
    )
    ends = np.concatenate([[0.0], np.cumsum(values)])
    room = 0.15 * (float(ends.max() - ends.min()) or 1.0)
    figure.update_xaxes(
        title="Basis points", range=[float(ends.min()) - room * (ends.min() < 0), float(ends.max()) + room]
    )
    figure.update_yaxes(autorange="reversed")
    finished = styled(figure, 110 + 38 * len(names))
    finished.update_layout(margin={"l": 110, "t": 10, "b": 50}, showlegend=False, hovermode="closest")
    return Picture(finished, note or "Of the money ordered; parts below zero were gained.")


def frontier_with_points(risk_bps: Float, cost_bps: Float, points: Sequence[Point], *, note: str = "") -> Picture:
    """The schedules between which one chooses, and others, or what really happened, beside them.

    Parameters
    ----------
    risk_bps, cost_bps : (L,) of the best schedules, in any order.

    Raises
    ------
    InputError
        Shapes disagree.
    """
    risk, cost = (np.asarray(each, dtype=np.float64) for each in (risk_bps, cost_bps))
    if risk.shape != cost.shape or risk.ndim != 1:
        raise InputError(f"a frontier of risks {risk.shape} and costs {cost.shape}: give one of each for a schedule.")
    order = np.argsort(risk, kind="stable")
    curve = go.Scatter(
        x=np.round(risk[order], 4).tolist(),
        y=np.round(cost[order], 4).tolist(),
        mode="lines",
        name="Almgren and Chriss, by urgency",
        line={"color": _CURVE, "width": 2},
    )
    figure = go.Figure(curve)
    for i, point in enumerate(points):
        symbol = "diamond" if point.realised else "circle" if point.chosen else "circle-open"
        marker = {"size": 13 if point.chosen else 10, "symbol": symbol, "color": PALETTE[(i + 1) % len(PALETTE)]}
        what = ", realised" if point.realised else ", chosen" if point.chosen else ""
        figure.add_trace(
            go.Scatter(
                x=[round(point.risk_bps, 4)],
                y=[round(point.cost_bps, 4)],
                mode="markers",
                name=f"{point.name}{what}",
                marker={**marker, "line": {"width": 2}},
            )
        )
    figure.update_xaxes(title="Risk: standard deviation of the cost, bp")
    figure.update_yaxes(title="Cost, bp")
    finished = styled(figure, 400)
    finished.update_layout(hovermode="closest", margin={"b": 50})
    return Picture(finished, note or "What more and less urgency costs and risks; nearer to the lower left is better.")


def trading_pace(times: Sequence[str], money: Mapping[str, Float], *, note: str = "") -> Picture:
    """Money traded in each slice or on each day, stacked by what it is told apart by.

    Parameters
    ----------
    times : (B,) labels in order.
    money : name -> (B,) money, not negative.
    """
    figure = go.Figure()
    for i, (name, values) in enumerate(money.items()):
        figure.add_bar(x=list(times), y=np.round(values, 0).tolist(), name=name, marker_color=PALETTE[i % len(PALETTE)])
    figure.update_xaxes(type="category")
    figure.update_yaxes(title="Money", rangemode="tozero", tickformat=".3~s")
    finished = styled(figure, 320)
    finished.update_layout(barmode="stack", bargap=0.25)
    return Picture(finished, note)


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
