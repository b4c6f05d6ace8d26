"""Pictures of stress: a waterfall of a scenario's parts, scenarios side by side, and a map of two shocks."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from quantray.analytics.figures import Picture, styled
from quantray.errors import InputError
from quantray.risk.stress import LossParts, StressGrid, StressResult

__all__ = ["grid_map", "scenario_bars", "waterfall"]

# Told apart by colour-blind readers too: orange is lost, blue is gained, grey is the sum.
_LOST, _GAINED, _TOTAL = "#D55E00", "#0072B2", "#7A8794"
_MOST = 12
"""Parts that a waterfall shows."""


def waterfall(result: StressResult, kind: str = "sector", *, names: Sequence[str] | None = None) -> Picture:
    """How the parts of a scenario's loss add up, the largest first.

    Parameters
    ----------
    kind : of ``factor.GROUPS``, or ``factor``, or ``position``.
    names : (N,) of positions, for their kind.

    Raises
    ------
    InputError
        The result has no such kind, or positions have no names.
    """
    parts = _parts(result, kind, names)
    labels, losses = _largest(parts)
    figure = go.Figure(
        go.Waterfall(
            x=[*labels, "Total"],
            y=[*np.round(-losses, 6).tolist(), round(-result.loss, 6)],
            measure=["relative"] * len(labels) + ["total"],
            text=[f"{-value:+.1%}" for value in [*losses.tolist(), result.loss]],
            textposition="outside",
            decreasing={"marker": {"color": _LOST}},
            increasing={"marker": {"color": _GAINED}},
            totals={"marker": {"color": _TOTAL}},
            connector={"line": {"color": "#BBB", "width": 1}},
            hovertemplate="%{x}: %{y:.2%}<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.update_yaxes(tickformat=".0%", title="Gain of NAV", zeroline=True, zerolinecolor="#888")
    figure.update_layout(showlegend=False)
    return Picture(
        styled(figure, 380), f"{result.name}, by {kind}: each part of what is lost (orange) or gained (blue)."
    )


def scenario_bars(results: Sequence[StressResult], kind: str = "asset class") -> Picture:
    """The losses of some scenarios side by side, stacked by group; the mark is the whole.

    Raises
    ------
    InputError
        There is no result, or none of the kind.
    """
    if not results:
        raise InputError("there is no scenario to show; give one at least.")
    each = [_parts(result, kind, None) for result in results]
    titles = [result.name.replace("_", " ") for result in results]
    figure = go.Figure()
    palette = ("#4E79A7", "#F28E2B", "#59A14F", "#B07AA1", "#76B7B2", "#EDC948", "#9C755F", "#BAB0AC")
    ranked = sorted(
        dict.fromkeys(name for parts in each for name in parts.names),
        key=lambda name: -sum(abs(_of(parts, name)) for parts in each),
    )
    shown = ranked[: len(palette) - 1]
    for i, name in enumerate(shown):
        gains = [round(-_of(parts, name), 6) for parts in each]
        figure.add_bar(y=titles, x=gains, name=name or "none", marker_color=palette[i], orientation="h")
    if rest := ranked[len(shown) :]:
        gains = [round(-sum(_of(parts, name) for name in rest), 6) for parts in each]
        figure.add_bar(y=titles, x=gains, name="others", marker_color=palette[-1], orientation="h")
    figure.add_scatter(
        y=titles,
        x=[round(-result.loss, 6) for result in results],
        name="whole",
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": "#222"},
    )
    figure.update_layout(barmode="relative")
    figure.update_xaxes(tickformat=".0%", title="Gain of NAV", zeroline=True, zerolinecolor="#888")
    figure.update_yaxes(autorange="reversed")
    finished = styled(figure, 120 + 44 * len(results))
    finished.update_layout(margin={"l": 190, "b": 44}, hovermode="y unified")
    return Picture(finished, f"What each scenario takes or gives, by {kind}; the diamond is the whole.")


def grid_map(grid: StressGrid) -> Picture:
    """The losses of a grid as a map: orange where the book loses, blue where it gains."""
    gains = np.round(-grid.losses, 6)
    most = max(float(np.abs(gains).max(initial=0.0)), 1e-9)
    figure = go.Figure(
        go.Heatmap(
            z=gains,
            x=[f"{move:+.4g}" for move in grid.second_moves],
            y=[f"{move:+.4g}" for move in grid.first_moves],
            zmin=-most,
            zmax=most,
            colorscale=[[0.0, _LOST], [0.5, "#F7F7F7"], [1.0, _GAINED]],
            text=[[f"{value:+.1%}" for value in row] for row in gains.tolist()],
            texttemplate="%{text}",
            colorbar={"tickformat": ".0%", "title": {"text": "Gain"}},
            hovertemplate=f"{grid.first} %{{y}}, {grid.second} %{{x}}: %{{text}}<extra></extra>",
        )
    )
    figure.update_xaxes(title=grid.second, type="category")
    figure.update_yaxes(title=grid.first, type="category")
    finished = styled(figure, 150 + 34 * len(grid.first_moves))
    finished.update_layout(hovermode="closest", margin={"b": 50, "l": 90})
    return Picture(
        finished, f"Gain of NAV where {grid.first} and {grid.second} move, and all else as the model expects."
    )


def _parts(result: StressResult, kind: str, names: Sequence[str] | None) -> LossParts:
    if kind == "position" and names is not None:
        return LossParts(tuple(map(str, names)), result.by_position)
    if kind == "factor" and result.by_factor is not None:
        return result.by_factor
    if kind in result.groups:
        return result.groups[kind]
    known = [*result.groups, *(["factor"] if result.by_factor is not None else []), "position (with names)"]
    raise InputError(f"the scenario's parts are by {', '.join(known)}, not by {kind!r}.")


def _of(parts: LossParts, name: str) -> float:
    """The part of a name; zero where it has none."""
    return float(parts.losses[parts.names.index(name)]) if name in parts.names else 0.0


def _largest(parts: LossParts) -> tuple[list[str], np.ndarray]:
    """The largest parts by size, and the rest as one."""
    order = np.argsort(-np.abs(parts.losses), kind="stable")
    shown = order if len(order) <= _MOST else order[: _MOST - 1]
    shown = shown[np.argsort(-parts.losses[shown], kind="stable")]
    labels, losses = [parts.names[i] or "none" for i in shown], parts.losses[shown]
    if len(shown) < len(order):
        rest = order[len(shown) :]
        labels, losses = [*labels, f"{len(rest)} others"], np.append(losses, parts.losses[rest].sum())
    return labels, losses
