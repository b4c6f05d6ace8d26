"""The pictures of a risk report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.risk.reporting.sections import Backtest, FactorRisk, LimitState, Liquidity, RiskReport, ScenarioLoss

__all__ = ["contributions", "gauges", "ladder", "risk_tree", "scenario_losses", "var_backtest"]

_ADDS, _HEDGES, _WARNS = PALETTE[0], PALETTE[2], PALETTE[4]
_BREAKS = PALETTE[1]
_UNKNOWN = "#9a9a9a"
_MOST_BARS = 12
_MOST_GAUGES = 20
_LONGEST_NAME = 28


def contributions(report: RiskReport) -> Picture:
    """Parts of the value-at-risk by position and by the groups that tell most apart."""
    positions = report.positions
    kinds = [kind for kind, groups in report.groups.items() if len(groups) > 1]
    kind = max(kinds, key=lambda each: min(len(report.groups[each]), _MOST_BARS), default="")
    panels: list[tuple[str, Sequence[str], Sequence[float]]] = [("Positions", positions.names, positions.component_var)]
    if kind:
        groups = report.groups[kind]
        panels.append((kind.capitalize(), [g.name or "none" for g in groups], [g.component_var for g in groups]))
    figure = make_subplots(
        rows=1, cols=len(panels), subplot_titles=[panel[0] for panel in panels], horizontal_spacing=0.2
    )
    for column, (_, names, parts) in enumerate(panels, start=1):
        shown = _largest(names, parts)
        figure.add_trace(_bars(shown), row=1, col=column)
        # Room for the numbers beside the bars.
        ends = [part for _, part in shown]
        low, high = min(0.0, *ends), max(0.0, *ends)
        figure.update_xaxes(range=[low - 0.18 * (high - low) * (low < 0), high + 0.2 * (high - low)], col=column)
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickformat=".2%", zeroline=True)
    finished = styled(figure, 110 + 26 * (_MOST_BARS + 1))
    finished.update_layout(hovermode="closest", margin={"l": 150, "b": 40}, bargap=0.3, showlegend=False)
    note = f"Of the normal value-at-risk at {report.level:.0%}, {_var(report):.2%} of NAV; parts below zero hedge."
    return Picture(finished, note)


def risk_tree(factors: FactorRisk) -> Picture:
    """Total risk, factors by group, and what is specific to names, each by its size."""
    total = sum(group.component_var for group in factors.groups) + factors.specific_var
    share = (lambda part: part / total) if total > 0 else (lambda part: 0.0)
    rows: list[tuple[str, str, str, float]] = [("specific", "Specific", "", factors.specific_var)]
    for group in factors.groups:
        members = [f for f in factors.factors if f.name.split(":")[0].strip() == group.name]
        alone = len(members) == 1
        rows.append((f"group {group.name}", group.name.capitalize(), "", group.component_var if alone else 0.0))
        if not alone:
            rows += [
                (f"factor {f.name}", f.name.split(":", 1)[-1].strip(), f"group {group.name}", f.component_var)
                for f in members
            ]
    sums = {f"group {g.name}": g.component_var for g in factors.groups}
    figure = go.Figure(
        go.Treemap(
            ids=[row[0] for row in rows],
            labels=[row[1] for row in rows],
            parents=[row[2] for row in rows],
            values=[abs(row[3]) for row in rows],
            text=[f"{share(sums.get(row[0], row[3])):.0%}" for row in rows],
            textinfo="label+text",
            hoverinfo="label+text",
            marker={"colors": [_HEDGES if sums.get(row[0], row[3]) < 0 else _tint(row[2] != "") for row in rows]},
            tiling={"pad": 2},
        )
    )
    finished = styled(figure, 380)
    finished.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10})
    return Picture(finished, "Shares of the variance; green parts hedge the others and count by their size.")


def scenario_losses(stress: Sequence[ScenarioLoss]) -> Picture:
    """What every scenario loses, and how the worst one comes about."""
    ordered = sorted(stress, key=lambda each: -each.loss)
    worst = ordered[0]
    parts = [each for each in worst.by if len(each.names) > 1 and each.kind != "factor"]
    figure = make_subplots(
        rows=1,
        cols=2 if parts else 1,
        subplot_titles=["Scenarios", f"{_words(worst.name)}, by {parts[0].kind}"] if parts else ["Scenarios"],
        horizontal_spacing=0.14,
    )
    names = [_words(each.name) for each in ordered]
    losses = [round(each.loss, 6) for each in ordered]
    colours = [_BREAKS if loss > 0 else _HEDGES for loss in losses]
    figure.add_trace(
        go.Bar(
            x=[-loss for loss in losses],
            y=names,
            orientation="h",
            marker_color=colours,
            text=[f"{-loss:.1%}" for loss in losses],
            textposition="auto",
            hoverinfo="y+text",
        ),
        row=1,
        col=1,
    )
    figure.update_yaxes(autorange="reversed", row=1, col=1)
    figure.update_xaxes(tickformat=".0%", title="Gain or loss of NAV", row=1, col=1)
    if parts:
        figure.add_trace(_waterfall(parts[0].names, parts[0].losses), row=1, col=2)
        figure.update_yaxes(tickformat=".0%", row=1, col=2)
    finished = styled(figure, max(360, 120 + 30 * len(names)))
    finished.update_layout(showlegend=False, hovermode="closest", margin={"l": 170, "b": 90}, bargap=0.3)
    return Picture(finished, "Every position is valued again; what is not shocked moves as the model expects.")


def ladder(liquidity: Liquidity, days: Sequence[float | None], exposure: Sequence[float]) -> Picture:
    """How much is sold by when, and how much needs how long."""
    figure = make_subplots(
        rows=1,
        cols=2,
        subplot_titles=["Sold by the end of day", "Gross exposure by days to sell"],
        horizontal_spacing=0.1,
    )
    labels = [f"{day}" for day in liquidity.horizons]
    sold = [round(share, 4) for share in liquidity.sold]
    figure.add_trace(
        go.Bar(x=labels, y=sold, marker_color=_ADDS, text=[f"{share:.0%}" for share in sold], textposition="auto"),
        row=1,
        col=1,
    )
    titles, shares = _needing(liquidity.horizons, days, exposure)
    colours = [_ADDS] * (len(titles) - 1) + [_BREAKS]
    figure.add_trace(
        go.Bar(
            x=titles, y=shares, marker_color=colours, text=[f"{share:.0%}" for share in shares], textposition="auto"
        ),
        row=1,
        col=2,
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(range=[0, 1.05], row=1, col=1)
    finished = styled(figure, 320)
    finished.update_layout(showlegend=False, hovermode="closest")
    note = f"At {liquidity.participation:.0%} of each day's volume. What nobody knows the volume of is never sold."
    return Picture(finished, note)


def gauges(limits: Sequence[LimitState]) -> Picture:
    """How much of each limit is used."""
    shown = list(limits[:_MOST_GAUGES])
    names = [_short(f"{use.name}: {use.scope}" if use.scope != "book" else use.name) for use in shown]
    colours = {"met": _ADDS, "unknown": _UNKNOWN, "soft": _WARNS, "hard": _BREAKS}
    # What cannot be counted has a grey bar up to the hard level, for it may be there.
    used = [1.0 if use.usage is None else use.usage for use in shown]
    most = max([1.0, *used])
    figure = go.Figure()
    figure.add_bar(
        x=used,
        y=_unique(names),
        orientation="h",
        marker_color=[colours[use.state] for use in shown],
        text=["unknown" if use.usage is None else f"{use.usage:.0%}" for use in shown],
        textposition="auto",
        hovertext=[f"{use.metric} {_value(use)}, soft {use.soft:.4g}, hard {use.hard:.4g}" for use in shown],
        hoverinfo="text",
        showlegend=False,
    )
    figure.add_scatter(
        x=[use.soft / use.hard for use in shown],
        y=_unique(names),
        mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": "#333"}},
        name="soft level",
        hoverinfo="skip",
    )
    figure.add_vline(x=1.0, line={"color": "#B22222", "width": 2})
    figure.update_xaxes(tickformat=".0%", title="Share of the hard level", range=[0, most * 1.05])
    figure.update_yaxes(autorange="reversed")
    finished = styled(figure, 110 + 26 * max(len(shown), 3))
    finished.update_layout(hovermode="closest", margin={"l": 230, "b": 45}, bargap=0.35)
    more = f" The {_MOST_GAUGES} most used of {len(limits)}." if len(limits) > _MOST_GAUGES else ""
    grey = " Grey cannot be counted." if any(use.state == "unknown" for use in shown) else ""
    return Picture(finished, f"Red passes the hard level, amber the soft one.{grey}{more}")


def _value(use: LimitState) -> str:
    return f"unknown: {use.note}" if use.value is None else f"{use.value:.4g}"


def var_backtest(backtest: Backtest) -> Picture:
    """Gains of today's book in the past, the loss that was forecast for each day, and the days that exceeded it."""
    gains, var = np.array(backtest.gains), np.array(backtest.var)
    hits = gains < -var
    figure = go.Figure()
    days = list(backtest.dates)
    figure.add_bar(x=days, y=np.round(gains, 6), name="gain", marker_color="#9db4c8")
    figure.add_scatter(
        x=days, y=np.round(-var, 6), name=f"forecast at {backtest.level:.0%}", line={"color": _ADDS, "width": 1.6}
    )
    figure.add_scatter(
        x=[day for day, hit in zip(days, hits, strict=True) if hit],
        y=np.round(gains[hits], 6),
        mode="markers",
        name="beyond it",
        marker={"color": _BREAKS, "size": 7},
    )
    figure.update_yaxes(tickformat=".1%", title="Of NAV")
    figure.update_xaxes(type="date")
    finished = styled(figure, 340)
    finished.update_layout(bargap=0)
    expected = len(days) * (1 - backtest.level)
    note = f"{int(hits.sum())} days of {len(days)} lost more than forecast; {expected:.1f} would be expected."
    return Picture(finished, note)


def _largest(names: Sequence[str], parts: Sequence[float]) -> list[tuple[str, float]]:
    """The largest parts by size, and the others together."""
    order = sorted(range(len(parts)), key=lambda i: -abs(parts[i]))
    chosen = [(_short(names[i]), parts[i]) for i in order[:_MOST_BARS]]
    if rest := order[_MOST_BARS:]:
        chosen.append((f"{len(rest):,} others", sum(parts[i] for i in rest)))
    return list(zip(_unique([name for name, _ in chosen]), [part for _, part in chosen], strict=True))


def _bars(shown: Sequence[tuple[str, float]]) -> Any:
    return go.Bar(
        x=[round(part, 7) for _, part in shown],
        y=[name for name, _ in shown],
        orientation="h",
        marker_color=[_HEDGES if part < 0 else _ADDS for _, part in shown],
        text=[f"{part:.2%}" for _, part in shown],
        textposition="outside",
        hoverinfo="y+text",
    )


def _waterfall(names: Sequence[str], losses: Sequence[float]) -> Any:
    shown = _largest([name or "none" for name in names], [-loss for loss in losses])
    values = [part for _, part in shown]
    return go.Waterfall(
        x=[*(name for name, _ in shown), "book"],
        y=[*values, sum(values)],
        measure=[*["relative"] * len(shown), "total"],
        text=[f"{value:.1%}" for value in (*values, sum(values))],
        textposition="auto",
        decreasing={"marker": {"color": _BREAKS}},
        increasing={"marker": {"color": _HEDGES}},
        totals={"marker": {"color": "#555555"}},
        connector={"line": {"color": "#bbb", "width": 1}},
        hoverinfo="x+text",
    )


def _needing(
    horizons: Sequence[int], days: Sequence[float | None], exposure: Sequence[float]
) -> tuple[list[str], list[float]]:
    """Titles of the steps of a ladder, and the share of the gross exposure that needs so long."""
    size = np.abs(np.array(exposure, dtype=np.float64))
    known = np.array([np.nan if day is None else day for day in days], dtype=np.float64)
    edges = np.array([0.0, *horizons, np.inf])
    place = np.searchsorted(edges[1:], known, side="left")
    total = max(float(size.sum()), 1e-300)
    titles = [f"up to {horizons[0]}", *(f"to {day}" for day in horizons[1:]), "longer", "unknown"]
    unknown = np.isnan(known)
    parts = [float(size[(place == i) & ~unknown].sum()) / total for i in range(len(horizons) + 1)]
    return titles, [round(part, 4) for part in (*parts, float(size[unknown].sum()) / total)]


def _var(report: RiskReport) -> float:
    return sum(report.positions.component_var)


def _tint(leaf: bool) -> str:
    return "#a9c9e6" if leaf else "#7fb0d9"


def _words(name: str) -> str:
    return _short(name.replace("_", " "))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _unique(names: Sequence[str]) -> list[str]:
    """Names that plotly does not take for one another."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out
