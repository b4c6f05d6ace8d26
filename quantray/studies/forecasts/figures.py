"""Pictures of forecasts: skill with intervals, differences to controls, skill through time, and scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.arrays import Dates, Float

__all__ = ["ScaleCurve", "cumulative_skill", "differences", "quantile_bars", "scale", "skill"]


@dataclass(frozen=True, eq=False)
class ScaleCurve:
    """One model over universes of several sizes."""

    name: str
    names: Float
    """(U,) names in each universe."""
    seconds: Float
    """(U,) of an epoch; NaN where nothing is trained."""
    gigabytes: Float
    """(U,) held by training; NaN likewise."""
    ic: Sequence[Estimate]
    """(U,) mean daily information coefficient."""
    nested: Sequence[Estimate]
    """(U,) the same on the names of the smallest universe."""


def skill(estimates: Mapping[str, Estimate], seeds: Mapping[str, Float], controls: frozenset[str]) -> Picture:
    """Mean information coefficient of each model with its interval, and each seed as a dot."""
    figure = go.Figure()
    names = list(estimates)[::-1]
    for name in names:
        found = estimates[name]
        colour = "#888888" if name in controls else PALETTE[0]
        figure.add_trace(_bar(found, name, colour))
        if len(seeds[name]) > 1:
            figure.add_trace(
                go.Scatter(
                    x=seeds[name],
                    y=[name] * len(seeds[name]),
                    mode="markers",
                    marker={"color": colour, "size": 6, "symbol": "line-ns-open", "line": {"width": 1.5}},
                    hovertemplate="one seed %{x:.4f}<extra></extra>",
                )
            )
    figure.add_vline(x=0, line={"color": "#333", "width": 1})
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="Mean daily information coefficient", tickformat=".3f")
    note = "Dot and line: mean over seeds and its block-bootstrap interval; ticks: single seeds; grey: controls."
    return Picture(styled(figure, 90 + 34 * len(names)), note)


def differences(pairs: Mapping[str, Mapping[str, Estimate]]) -> Picture:
    """Model less control, paired by day; right of zero the model is better."""
    rows = [(model, control, pairs[model][control]) for model in pairs for control in pairs[model]]
    figure = go.Figure()
    models = list(pairs)
    for model, control, found in rows[::-1]:
        figure.add_trace(_bar(found, f"{model} − {control}", PALETTE[models.index(model) % len(PALETTE)]))
    figure.add_vline(x=0, line={"color": "#333", "width": 1})
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="Difference of mean daily information coefficients", tickformat=".3f")
    note = "Both on the same days, so what both share cancels. An interval that holds zero shows no difference."
    return Picture(styled(figure, 90 + 24 * len(rows)), note)


def cumulative_skill(dates: Dates, daily: Mapping[str, Float]) -> Picture:
    """Sum of daily information coefficients through time."""
    figure = go.Figure()
    for i, (name, values) in enumerate(daily.items()):
        line = {"color": PALETTE[i % len(PALETTE)], "width": 1.6}
        total = np.cumsum(np.nan_to_num(values))
        figure.add_trace(go.Scatter(x=dates, y=total, name=name, mode="lines", line=line))
    figure.update_yaxes(title="Sum of daily coefficients", tickformat=".1f")
    return Picture(styled(figure, 380), "A steady slope is steady skill; a staircase is luck on a few days.")


def quantile_bars(returns: Mapping[str, Float], horizon: int) -> Picture:
    """Mean return of each score quantile in excess of the mean of all, per model."""
    figure = go.Figure()
    for i, (name, values) in enumerate(returns.items()):
        excess = (values - values.mean()) * 1e4
        figure.add_trace(
            go.Bar(x=np.arange(1, len(values) + 1), y=excess, name=name, marker={"color": PALETTE[i % len(PALETTE)]})
        )
    figure.update_xaxes(title="Tenth of the names by score, lowest first", dtick=1)
    figure.update_yaxes(title="Basis points in a day" if horizon == 1 else f"Basis points in {horizon} days")
    return Picture(styled(figure, 340), "Return beyond the mean of all names, before costs; skill rises to the right.")


def scale(curves: Sequence[ScaleCurve]) -> Picture:
    """Seconds, memory and skill over the number of names, in one picture."""
    titles = ("Seconds of an epoch", "Memory of training, GB", "Information coefficient", "… on the smallest universe")
    figure = make_subplots(rows=2, cols=2, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.16)
    for i, curve in enumerate(curves):
        style = {"color": PALETTE[i % len(PALETTE)], "width": 1.8}
        for column, values in ((1, curve.seconds), (2, curve.gigabytes)):
            if not np.isnan(values).all():
                trace = go.Scatter(x=curve.names, y=values, name=curve.name, legendgroup=curve.name, line=style)
                figure.add_trace(trace.update(mode="lines+markers", showlegend=False), row=1, col=column)
        # Side by side rather than on one another.
        shifted = curve.names * (1 + 0.02 * (i - len(curves) / 2))
        for column, found in ((1, curve.ic), (2, curve.nested)):
            mean = np.array([estimate.mean for estimate in found])
            above = np.array([estimate.interval.high for estimate in found]) - mean
            below = mean - np.array([estimate.interval.low for estimate in found])
            bars = {"array": above, "arrayminus": below, "thickness": 1, "width": 3}
            trace = go.Scatter(x=shifted, y=mean, error_y=bars, name=curve.name, legendgroup=curve.name, line=style)
            figure.add_trace(trace.update(mode="lines+markers", showlegend=column == 1), row=2, col=column)
    ticks = sorted({int(value) for curve in curves for value in curve.names})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:,}" for tick in ticks])
    figure.update_xaxes(title="Names", row=2)
    figure.update_yaxes(type="log", row=1)
    figure.update_yaxes(tickformat=".3f", row=2)
    figure = styled(figure, 680)
    figure.update_layout(hovermode="closest")
    return Picture(figure, "Costs on log axes: a straight line of slope one is linear. Skill with its intervals.")


def _bar(found: Estimate, name: str, colour: str) -> go.Scatter:
    above, below = found.interval.high - found.mean, found.mean - found.interval.low
    return go.Scatter(
        x=[found.mean],
        y=[name],
        error_x={"array": [above], "arrayminus": [below], "color": colour, "thickness": 2, "width": 5},
        mode="markers",
        marker={"color": colour, "size": 9},
        hovertemplate=f"{found.mean:.4f}, {found.interval.low:.4f} to {found.interval.high:.4f}<extra>{name}</extra>",
    )
