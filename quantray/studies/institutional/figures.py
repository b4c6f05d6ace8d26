"""The pictures of the five phases."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.figures import PALETTE, Picture, log_ticks, styled
from quantray.analytics.page import money, ranged
from quantray.analytics.regime_figures import regimes_over_price
from quantray.arrays import Float
from quantray.regimes.path import RegimePath
from quantray.studies.institutional.record import ALL, NOTHING, PHASES, VARIANTS, InstitutionalRecord

__all__ = ["capital", "gains", "growth", "regimes"]

_NONE = "none told apart"


def growth(record: InstitutionalRecord) -> Picture:
    """Wealth with all phases, with none, and without each, at the least money; drawdown below."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    dates, lows, highs, aum = record.dates.astype(str), [1.0], [1.0], record.aums[0]
    for number, variant in enumerate(VARIANTS):
        wealth = np.cumprod(1 + record.replays[variant.name, aum].net)
        below = wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1
        lows.append(float(wealth.min()))
        highs.append(float(wealth.max()))
        main = variant in (ALL, NOTHING)
        line = {
            "color": "#777777" if variant == NOTHING else PALETTE[number % len(PALETTE)],
            "width": 2.2 if main else 1.1,
            "dash": "solid" if main else "dot",
        }
        shown = {"name": variant.name, "legendgroup": variant.name, "mode": "lines", "line": line}
        figure.add_trace(go.Scatter(x=dates, y=np.round(wealth, 4), **shown), row=1, col=1)
        figure.add_trace(go.Scatter(x=dates, y=np.round(below, 4), showlegend=False, **shown), row=2, col=1)
    ticks = log_ticks(min(lows), max(highs))
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks], title="Growth of 1", row=1)
    figure.update_yaxes(tickformat=".0%", title="Drawdown", row=2)
    return Picture(styled(figure, 520), f"Out of sample, at {money(aum)}, after all costs, log scale.")


def gains(record: InstitutionalRecord) -> Picture:
    """What each phase added to the Sharpe ratio, with intervals."""
    figure, names = go.Figure(), [f"Without {phase}" for phase in PHASES]
    for number, aum in enumerate(record.aums):
        found = [gain for name in names for gain in [record.gain(name, aum).gain] if gain is not None]
        means = np.array([each.mean for each in found])
        figure.add_scatter(
            x=means.round(3),
            y=np.arange(len(PHASES)) + 0.2 * (number - (len(record.aums) - 1) / 2),
            customdata=[phase.capitalize() for phase in PHASES],
            error_x={
                "array": [each.interval.high - each.mean for each in found],
                "arrayminus": [each.mean - each.interval.low for each in found],
                "thickness": 1.2,
            },
            text=[ranged(each, "+.2f") for each in found],
            mode="markers",
            name=money(aum),
            marker={"color": PALETTE[number % len(PALETTE)], "size": 9},
            hovertemplate="%{customdata}: %{x:+.2f} (%{text})<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": "#999999", "width": 1})
    places = {"tickvals": list(range(len(PHASES))), "ticktext": [phase.capitalize() for phase in PHASES]}
    figure.update_yaxes(autorange="reversed", **places)
    figure.update_xaxes(title="Sharpe ratio of all phases less that without this one")
    shown = styled(figure, 330)
    shown.update_layout(hovermode="closest", margin={"l": 90, "b": 50})
    return Picture(shown, "Paired by day, with block-bootstrap intervals; right of the line a phase paid for itself.")


def regimes(record: InstitutionalRecord, index: Float) -> Picture:
    """The regimes in force out of sample behind the index of those days."""
    names, labels = record.regimes, record.labels
    if (labels < 0).any():
        names, labels = (*names, _NONE), np.where(labels < 0, len(names), labels)
    path = RegimePath.certain(record.dates, names, labels)
    return regimes_over_price(record.dates, index, path, title="Equal shares of all members")


def capital(record: InstitutionalRecord) -> Picture:
    """Capital of the strategies through time with all phases; what is left is cash."""
    figure, dates = go.Figure(), record.dates.astype(str)
    order = np.argsort(-record.shares.mean(axis=0), kind="stable")
    most = order[: len(PALETTE) - 1]
    bands = [(record.strategies[i], record.shares[:, i]) for i in most.tolist()]
    if len(order) > len(most):
        bands.append(("all others", record.shares[:, order[len(most) :]].sum(axis=1)))
    for number, (name, values) in enumerate(bands):
        figure.add_scatter(
            x=dates,
            y=np.round(values, 4),
            name=name,
            stackgroup="all",
            line={"width": 0, "shape": "hv"},
            fillcolor=PALETTE[number % len(PALETTE)],
            hovertemplate="%{y:.1%}",
        )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return Picture(styled(figure, 340), "What capital each strategy had, by the method that its fold chose.")
