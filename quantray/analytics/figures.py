"""The report's pictures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.metrics import sharpe_of_moments
from quantray.analytics.track import TrackRecord
from quantray.arrays import Bool, Float

if TYPE_CHECKING:
    from quantray.analytics.snapshot import Snapshot

__all__ = [
    "PALETTE",
    "Picture",
    "colours",
    "concentration",
    "frontier",
    "growth",
    "log_ticks",
    "risk",
    "rolling",
    "styled",
    "to_html",
    "trading",
    "weights",
    "years",
]

Records = tuple[TrackRecord, ...]

# Okabe and Ito's palette: told apart also by colour-blind readers.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#555555", "#7F3FBF", "#B22222",
    "#6B8E23", "#20B2AA",
)  # fmt: skip
_STACK = (
    "#4E79A7", "#F28E2B", "#59A14F", "#E15759", "#76B7B2", "#EDC948",
    "#B07AA1", "#FF9DA7", "#9C755F", "#3B3B58", "#BAB0AC", "#D4D4D4",
)  # fmt: skip
_MOST_BANDS = 11


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure and the line under its title."""

    figure: go.Figure
    note: str


def colours(records: Records) -> dict[str, str]:
    """The colour of each record in all pictures."""
    return {record.name: PALETTE[i % len(PALETTE)] for i, record in enumerate(records)}


def to_html(picture: Picture, identity: str) -> str:
    """A figure as an HTML fragment that needs plotly.js on the page."""
    html: str = picture.figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=identity,
        config={"displayModeBar": False, "responsive": True},
    )
    return html


def growth(records: Records, benchmark: str) -> Picture:
    """Wealth on a log scale and drawdown below it."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.04)
    palette = colours(records)
    lows, highs = [], []
    for record in records:
        wealth = record.nav / record.nav[0]
        style = {"color": palette[record.name], "width": 1.6, "dash": "dot" if record.name == benchmark else "solid"}
        lows.append(wealth.min())
        highs.append(wealth.max())
        figure.add_trace(_line(record, wealth, 4, style), row=1, col=1)
        below = wealth / np.maximum.accumulate(wealth) - 1
        trace = _line(record, below, 4, style, legend=False)
        figure.add_trace(trace, row=2, col=1)
    ticks = log_ticks(min(lows), max(highs))
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks], title="Growth of 1", row=1)
    figure.update_yaxes(tickformat=".0%", title="Drawdown", row=2)
    dotted = f"; the dotted line is {benchmark}" if any(record.name == benchmark for record in records) else ""
    return Picture(styled(figure, 520), f"After costs, dividends included, log scale{dotted}.")


def years(records: Records) -> Picture:
    """Return of each calendar year as bars."""
    figure = go.Figure()
    for record in records:
        nav = pd.Series(record.nav, index=pd.DatetimeIndex(record.dates))
        # The first day holds no return yet, so a year that has only that day is none.
        last = nav.iloc[1:].groupby(pd.DatetimeIndex(record.dates[1:]).year).last()
        values = last.to_numpy() / np.concatenate([nav.to_numpy()[:1], last.to_numpy()[:-1]]) - 1
        labels = [str(year) for year in last.index]
        figure.add_bar(x=labels, y=np.round(values, 4), name=record.name, marker_color=colours(records)[record.name])
    figure.update_yaxes(tickformat=".0%", title="Return")
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", bargap=0.25, hovermode="x unified")
    return Picture(styled(figure, 320), "The first and the last year may be incomplete.")


def rolling(records: Records, *, window: int | None = None) -> Picture:
    """Volatility and Sharpe ratio over trailing windows, by default of half a year."""
    window = window or records[0].periods_per_year // 2
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    # A short record would be all warm-up.
    window = min(window, max(len(records[0].dates) // 3, 2))
    for record in records:
        style = {"color": colours(records)[record.name], "width": 1.5}
        returns = pd.Series(np.concatenate([[np.nan], record.returns]))
        deviation = returns.rolling(window).std()
        year = record.periods_per_year
        sharpe = sharpe_of_moments(returns.rolling(window).mean(), deviation, periods_per_year=year)
        figure.add_trace(_line(record, (deviation * np.sqrt(year)).to_numpy(), 4, style), row=1, col=1)
        figure.add_trace(_line(record, sharpe, 3, style, legend=False), row=2, col=1)
    figure.update_yaxes(tickformat=".0%", title="Volatility", rangemode="tozero", row=1)
    figure.update_yaxes(title="Sharpe ratio", row=2)
    unit = "weeks" if records[0].is_weekly else "trading days"
    return Picture(styled(figure, 460), f"Trailing {window} {unit}, annualised.")


def weights(records: Records, sectors: Mapping[str, str]) -> Picture:
    """Stacked weights by sector, or by the largest names where sectors are unknown; one panel per record."""
    figure = make_subplots(
        rows=len(records),
        cols=1,
        shared_xaxes=True,
        subplot_titles=[record.name for record in records],
        vertical_spacing=0.25 / max(len(records), 1) * 0.6,
    )
    bands = {record.name: _bands(record, sectors) for record in records}
    order = list(dict.fromkeys(label for found in bands.values() for label in found))
    # "Other" closes the stack in every panel.
    order = [label for label in order if label != "Other"] + (["Other"] if "Other" in order else [])
    colour = {label: _STACK[i % (len(_STACK) - 1)] for i, label in enumerate(order)} | {"Other": _STACK[-1]}
    shown: set[str] = set()
    for number, record in enumerate(records, 1):
        for label in order:
            if label in bands[record.name]:
                trace = go.Scatter(
                    x=record.on_trade_dates().holding_dates.astype(str),
                    y=np.round(bands[record.name][label], 4),
                    name=label,
                    legendgroup=label,
                    showlegend=label not in shown,
                    stackgroup=f"s{number}",
                    line={"width": 0, "shape": "hv"},
                    fillcolor=colour[label],
                    hovertemplate="%{y:.1%}",
                )
                shown.add(label)
                figure.add_trace(trace, row=number, col=1)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    for annotation in figure.layout.annotations:
        annotation.update(x=0, xanchor="left", font={"size": 13, "color": "#333"})
    finished = styled(figure, 90 + 190 * len(records))
    finished.update_layout(
        legend={"orientation": "v", "x": 1.01, "y": 1, "xanchor": "left", "yanchor": "top"}, margin={"r": 170, "t": 30}
    )
    what = "by sector" if sectors else "by name, the largest on average"
    return Picture(finished, f"Weights on the days of trades, {what}.")


def concentration(records: Records) -> Picture:
    """Effective number of names and the largest weight."""
    figure = make_subplots(rows=1, cols=2, subplot_titles=["Effective number of names", "Ten largest weights together"])
    for record in records:
        kept = record.on_trade_dates()
        style = {"color": colours(records)[record.name], "width": 1.5, "shape": "hv"}
        squares = (kept.weights**2).sum(axis=1)
        effective = np.divide(1.0, squares, out=np.full(len(squares), np.nan), where=squares > 0)
        top = np.sort(np.abs(kept.weights), axis=1)[:, -10:].sum(axis=1)
        figure.add_trace(_line(kept, effective, 1, style, held=True), row=1, col=1)
        figure.add_trace(_line(kept, top, 4, style, legend=False, held=True), row=1, col=2)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(tickformat=".0%", col=2)
    note = "One over the sum of squared weights: the number of equal weights that would be as concentrated."
    return Picture(styled(figure, 330), note)


def trading(records: Records) -> Picture:
    """One-way turnover of each rebalance, and costs added up."""
    figure = make_subplots(rows=1, cols=2, subplot_titles=["Turnover per rebalance", "Trading costs, added up"])
    for record in records:
        colour = colours(records)[record.name]
        traded = _rebalanced(record)
        turnover = np.round(record.turnover[traded], 4)
        figure.add_trace(
            go.Scatter(
                x=record.dates[traded].astype(str),
                y=turnover,
                name=record.name,
                legendgroup=record.name,
                mode="markers",
                marker={"color": colour, "size": 5},
            ),
            row=1,
            col=1,
        )
        share = np.cumsum(record.cost_series / (record.nav + record.cost_series))
        figure.add_trace(_line(record, share, 5, {"color": colour, "width": 1.6}, legend=False), row=1, col=2)
        # The first purchase of the whole portfolio would squeeze all later points together.
        charged = [r.turnover[_rebalanced(r)] for r in records]
        later = [float(np.quantile(turnover[1:], 0.99)) for turnover in charged if len(turnover) > 2]
        if later:
            figure.update_yaxes(range=[0, 1.25 * max(later)], row=1, col=1)
    figure.update_yaxes(tickformat=".0%", row=1, col=1)
    figure.update_yaxes(tickformat=".2%", rangemode="tozero", row=1, col=2)
    note = "Turnover counts one way (half of what is bought and sold); the first purchase is beyond the scale."
    return Picture(styled(figure, 330), note)


def risk(snapshot: "Snapshot") -> Picture:
    """Yearly volatility of each portfolio split among groups of factors and specific risk."""
    figure = go.Figure()
    groups = list(dict.fromkeys(name for holding in snapshot.holdings.values() for name in holding.risk))
    for number, group in enumerate(groups):
        figure.add_bar(
            x=[round(holding.risk.get(group, 0.0), 4) for holding in snapshot.holdings.values()],
            y=list(snapshot.holdings),
            name=group,
            orientation="h",
            marker_color=_STACK[number % len(_STACK)],
        )
    figure.update_layout(barmode="relative", bargap=0.35)
    figure.update_xaxes(tickformat=".0%", title="Volatility a year")
    figure.update_yaxes(autorange="reversed")
    # Not ``capitalize``, which would make names and abbreviations small.
    last = snapshot.notes[-1]
    note = f"Ex ante on {snapshot.date}; a part below zero hedges the others. {last[:1].upper()}{last[1:]}."
    name, most = max(((n, holding.left_out) for n, holding in snapshot.holdings.items()), key=lambda pair: pair[1])
    if most >= 0.005:
        note += f" Names with too few prices are not counted; in {name} they weigh {most:.0%}."
    finished = styled(figure, 150 + 34 * len(snapshot.holdings))
    finished.update_layout(hovermode="y unified", margin={"l": 150, "b": 50})
    return Picture(finished, note)


def frontier(snapshot: "Snapshot", records: Records) -> Picture:
    """Efficient portfolios at trailing means, and where the study's portfolios stand."""
    figure = go.Figure()
    curve = np.array(snapshot.frontier)
    # With hindsight the frontier climbs far beyond where anybody stands; that part would dwarf the rest.
    reach = 1.25 * max(holding.volatility for holding in snapshot.holdings.values())
    curve = curve[(curve[:, 0] <= reach) | (np.arange(len(curve)) < 2)]
    figure.add_scatter(x=curve[:, 0], y=curve[:, 1], name="efficient", mode="lines", line={"color": "#555", "width": 2})
    for record in records:
        holding = snapshot.holdings[record.name]
        figure.add_scatter(
            x=[holding.volatility],
            y=[holding.expected_return],
            name=record.name,
            mode="markers",
            marker={"size": 11, "color": colours(records)[record.name]},
        )
    figure.update_xaxes(tickformat=".0%", title="Volatility a year", rangemode="tozero")
    figure.update_yaxes(tickformat=".0%", title="Trailing mean return a year")
    finished = styled(figure, 420)
    finished.update_layout(hovermode="closest", margin={"b": 50})
    note = (
        f"On {snapshot.date}, long-only with at most 5 % a name, at the mean returns of the two years before. "
        "Portfolios with larger weights may stand left of it. Nobody knows such means in advance: the distance shows "
        "what they would have been worth, not what was missed."
    )
    return Picture(finished, note)


def _rebalanced(record: TrackRecord) -> Bool:
    """(T,) days of rebalancing; where trades cost something, sales at a delisting, which do not, are left out."""
    charged = record.cost_series > 0
    return charged if charged.any() else record.turnover > 0


def _line(
    record: TrackRecord,
    values: Float,
    digits: int,
    style: Mapping[str, object],
    *,
    legend: bool = True,
    held: bool = False,
) -> go.Scatter:
    return go.Scatter(
        x=(record.holding_dates if held else record.dates).astype(str),
        y=np.round(values, digits),
        name=record.name,
        legendgroup=record.name,
        showlegend=legend,
        mode="lines",
        line=dict(style),
    )


def _bands(record: TrackRecord, sectors: Mapping[str, str]) -> dict[str, Float]:
    """Weights on trade dates summed by sector, or those of the largest names and the rest."""
    kept = record.on_trade_dates()
    if sectors:
        labels = np.array([sectors.get(asset, "No sector") for asset in kept.assets.tolist()])
    else:
        size = np.abs(kept.weights).mean(axis=0)
        largest = set(np.argsort(-size, kind="stable")[:_MOST_BANDS].tolist())
        labels = np.array([asset if i in largest else "Other" for i, asset in enumerate(kept.assets.tolist())])
    sums = {str(label): kept.weights[:, labels == label].sum(axis=1) for label in np.unique(labels)}
    ranked = sorted(sums, key=lambda label: -float(np.abs(sums[label]).mean()))
    named = [label for label in ranked if label != "Other"]
    out = {label: sums[label] for label in named[:_MOST_BANDS]}
    rest = [sums[label] for label in ranked if label not in out]
    return out | ({"Other": np.sum(rest, axis=0)} if rest else {})


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers inside a range, the finer the narrower it is."""
    if high < 1.3 * low:
        # As narrow as this, logarithms are as good as straight.
        rough = (high - low) / 8
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
        return [round(n * step, 12) for n in range(math.floor(low / step), math.ceil(high / step) + 1)]
    mantissas: tuple[float, ...] = (1, 2, 5)
    if high < 8 * low:
        mantissas = (1, 1.5, 2, 3, 5)
    if high < 2.5 * low:
        mantissas = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    steps = [m * 10.0**e for e in range(-4, 6) for m in mantissas]
    return [v for v in steps if low * 0.95 <= v <= high * 1.05]


def styled(figure: go.Figure, height: int) -> go.Figure:
    """The figure in the house's fonts and margins, of a height in pixels."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 60, "r": 20, "t": 40, "b": 30},
        font={
            "family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif",
            "size": 12,
            "color": "#333",
        },
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        hovermode="x unified",
    )
    for annotation in figure.layout.annotations:
        annotation.update(font={"size": 13, "color": "#333"})
    if figure.layout.annotations:
        # Titles of side-by-side panels stand where the legend would.
        figure.update_layout(legend={"y": 1.1}, margin={"t": 64})
    return figure
