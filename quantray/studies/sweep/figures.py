"""The pictures of a regime sweep."""

from collections.abc import Iterator, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import PALETTE, Picture, log_ticks, styled
from quantray.analytics.regime_figures import regime_colours
from quantray.arrays import Float
from quantray.studies.sweep.record import ALL, POLICIES, SearchPolicy, SweepRecord

__all__ = ["COLOURS", "WORDS", "by_regime", "differences", "growth", "overfitting", "stability", "written"]

COLOURS: dict[SearchPolicy, str] = {"conditional": PALETTE[0], "unconditional": PALETTE[1], "default": "#777777"}
WORDS: dict[SearchPolicy, str] = {
    "conditional": "searched by regime",
    "unconditional": "searched on all days",
    "default": "default parameters",
}
_DIVERGING = [[0.0, "#B2182B"], [0.5, "#F7F7F7"], [1.0, "#2166AC"]]


def written(parameters: tuple[tuple[str, object], ...]) -> str:
    """A parameter set in short."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in parameters
    )


def growth(record: SweepRecord, strategy: str) -> Picture:
    """Wealth of the three policies of a strategy, and the regimes below."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.9, 0.1], vertical_spacing=0.03)
    dates, lows, highs = record.dates.astype(str), [1.0], [1.0]
    for policy in POLICIES:
        wealth = np.cumprod(1 + record.stream(strategy, policy).returns)
        lows.append(float(wealth.min()))
        highs.append(float(wealth.max()))
        line = {"color": COLOURS[policy], "width": 1.7, "dash": "dot" if policy == "default" else "solid"}
        trace = go.Scatter(x=dates, y=np.round(wealth, 4), name=WORDS[policy], mode="lines", line=line)
        figure.add_trace(trace, row=1, col=1)
    for strip in _strips(record):
        figure.add_trace(strip, row=2, col=1)
    ticks = log_ticks(min(lows), max(highs))
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks], title="Growth of 1", row=1)
    figure.update_yaxes(visible=False, range=[0, 1], row=2)
    figure.update_layout(barmode="overlay")
    note = f"{strategy}, out of sample, after costs, log scale; below, the regime known at each decision."
    return Picture(styled(figure, 430), note)


def _strips(record: SweepRecord) -> Iterator[go.Bar]:
    """A bar for each spell of each regime, in the colours that the regimes have over the price."""
    begins = np.flatnonzero(np.diff(record.labels, prepend=record.labels[0] - 1))
    ends = np.append(record.dates[begins[1:]], record.dates[-1] + 1)
    lasts = (ends - record.dates[begins]).astype("timedelta64[ms]").astype(np.int64)
    colours = regime_colours(record.regimes)
    for number, name in enumerate(record.regimes):
        own = record.labels[begins] == number
        if own.any():
            yield go.Bar(
                x=record.dates[begins[own]].astype(str),
                y=np.ones(own.sum()),
                width=lasts[own],
                offset=0,
                name=name,
                marker={"color": colours[name], "line": {"width": 0}},
                hovertemplate=name,
            )


def differences(record: SweepRecord) -> Picture:
    """How much regimes added to each strategy's Sharpe ratio, with intervals."""
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, subplot_titles=["Over searching on all days", "Over default parameters"]
    )
    for column, kind in enumerate(("over_unconditional", "over_default"), 1):
        found: list[tuple[str, Estimate]] = [
            (name, value)
            for name in reversed(record.strategies)
            if (value := getattr(record.outcome(name), kind)) is not None
        ]
        names, means = [name for name, _ in found], np.array([value.mean for _, value in found])
        low, high = (np.array([getattr(value.interval, side) for _, value in found]) for side in ("low", "high"))
        colours = ["#2166AC" if a > 0 else "#B2182B" if b < 0 else "#777777" for a, b in zip(low, high, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=np.round(means, 3),
                y=names,
                mode="markers",
                marker={"size": 9, "color": colours},
                error_x={"array": high - means, "arrayminus": means - low, "color": "#999999", "thickness": 1.4},
                showlegend=False,
                hovertemplate="%{y}: %{x:.2f}<extra></extra>",
            ),
            row=1,
            col=column,
        )
        figure.add_vline(x=0, line={"color": "#333", "width": 1}, row=1, col=column)
    figure.update_xaxes(title="Difference of yearly Sharpe ratios")
    level = next((o.over_unconditional.interval.level for o in record.outcomes if o.over_unconditional), 0.95)
    shown = styled(figure, 130 + 30 * len(record.strategies))
    shown.update_layout(hovermode="closest", margin={"l": 170, "b": 50})
    note = f"Paired block-bootstrap intervals of {level:.0%}; coloured where they leave out zero, blue above it."
    return Picture(shown, note)


def by_regime(record: SweepRecord) -> Picture:
    """Out-of-sample Sharpe ratios in each regime, and what choosing by regime changed there."""
    titles = ["Sharpe ratio, searched by regime", "Less that of searching on all days"]
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.04)
    scopes = [scope for scope in (ALL, *record.regimes) if any(o.scope == scope for o in record.outcomes)]
    table = {(o.strategy, o.scope): o for o in record.outcomes}
    values = np.full((2, len(record.strategies), len(scopes)), np.nan)
    for row, strategy in enumerate(record.strategies):
        for column, scope in enumerate(scopes):
            outcome = table.get((strategy, scope))
            estimates = (None, None) if outcome is None else (outcome.sharpe["conditional"], outcome.over_unconditional)
            values[:, row, column] = [np.nan if e is None else e.mean for e in estimates]
    for column, cells in enumerate(values, 1):
        reach = min(float(np.nanmax(np.abs(cells), initial=0.5)), 3.0)
        trace = _cells(cells, scopes, record.strategies, reach=reach)
        figure.add_trace(_lettered(trace, cells, ".2f"), row=1, col=column)
    figure.update_yaxes(autorange="reversed")
    shown = styled(figure, 130 + 28 * len(record.strategies))
    shown.update_layout(hovermode="closest", margin={"l": 170})
    return Picture(shown, "Regimes as known at each decision; few days make these numbers uncertain.")


def overfitting(record: SweepRecord) -> Picture:
    """Probability of backtest overfitting by strategy and regime."""
    strategies = [name for name in record.strategies if any(s == name for s, _ in record.overfitting)]
    scopes = [scope for scope in (ALL, *record.regimes) if any(s == scope for _, s in record.overfitting)]
    cells = np.array(
        [
            [record.overfitting[s, c].probability if (s, c) in record.overfitting else np.nan for c in scopes]
            for s in strategies
        ]
    )
    figure = go.Figure(_lettered(_cells(1 - cells, scopes, strategies, reach=1.0, low=0.0), cells, ".0%"))
    figure.update_yaxes(autorange="reversed")
    shown = styled(figure, 90 + 28 * len(strategies))
    shown.update_layout(hovermode="closest", margin={"l": 170})
    note = (
        "How often the set that was best in one half of the days came out below the median in the other, over all "
        "halvings (CSCV). Half is chance: choosing was worth nothing."
    )
    return Picture(shown, note)


def stability(record: SweepRecord) -> Picture:
    """Training scores of parameter sets by fold, one strategy and scope at a time."""
    figure, buttons = go.Figure(), []
    starts = [fold.split("..")[0] for fold in record.folds]
    tables = [table for table in record.stability if len(table.sets) > 1]
    for number, table in enumerate(tables):
        order = np.argsort(-np.nan_to_num(np.nanmean(_known(table.sharpe), axis=1), nan=-np.inf), kind="stable")
        ranked = np.argsort(order)
        labels = [written(table.sets[i]) for i in order]
        reach = float(np.nanmax(np.abs(table.sharpe), initial=0.5))
        trace = _cells(table.sharpe[order], starts, labels, reach=min(reach, 3.0))
        trace.update(visible=number == 0, showscale=True, colorbar={"title": "Sharpe", "thickness": 12})
        figure.add_trace(trace)
        folds = [fold for fold, place in enumerate(table.chosen) if place >= 0]
        figure.add_scatter(
            x=[starts[fold] for fold in folds],
            y=[labels[ranked[table.chosen[fold]]] for fold in folds],
            mode="markers",
            marker={"symbol": "circle-open", "size": 9, "color": "#111", "line": {"width": 2}},
            name="chosen",
            showlegend=False,
            hoverinfo="skip",
            visible=number == 0,
        )
        seen = [i // 2 == number for i in range(2 * len(tables))]
        buttons.append(
            {
                "label": f"{table.strategy}, {table.scope}",
                "method": "update",
                "args": [{"visible": seen}, {"yaxis.categoryarray": labels}],
            }
        )
    figure.update_yaxes(autorange="reversed", showticklabels=False)
    figure.update_xaxes(tickangle=-30, type="category")
    shown = styled(figure, 520)
    shown.update_layout(hovermode="closest", margin={"t": 60, "b": 70})
    if buttons:
        menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.14, "yanchor": "top", "showactive": True}
        shown.update_layout(updatemenus=[menu])
    note = (
        "Training Sharpe ratio of each set (rows, best on average first; pointing names it) in each fold (columns, "
        "by the start of the test), circles where it was chosen. Stable parameters keep their colour along a row."
    )
    return Picture(shown, note)


def _known(values: Float) -> Float:
    """Rows without any number get a zero, so that their mean raises no warning."""
    return np.where(np.isfinite(values).any(axis=1, keepdims=True), values, 0.0)


def _cells(
    values: Float, columns: list[str], rows: Sequence[str], *, reach: float, low: float | None = None
) -> go.Heatmap:
    """Cells coloured from red over white to blue; NaN stays empty."""
    return go.Heatmap(
        z=np.round(values, 3),
        x=columns,
        y=list(rows),
        zmin=-reach if low is None else low,
        zmax=reach,
        colorscale=_DIVERGING,
        showscale=False,
        hovertemplate="%{y}<br>%{x}: %{z:.2f}<extra></extra>",
        xgap=1,
        ygap=1,
    )


def _lettered(trace: go.Heatmap, values: Float, form: str) -> go.Heatmap:
    """The cells with numbers in them."""
    texts = [[format(value, form) if np.isfinite(value) else "" for value in row] for row in values.tolist()]
    trace.update(text=texts, texttemplate="%{text}", hovertemplate="%{y}<br>%{x}: %{text}<extra></extra>")
    return trace
