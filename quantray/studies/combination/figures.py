"""The pictures of a combination of strategies."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.figures import PALETTE, Picture, log_ticks, styled
from quantray.analytics.metrics import sharpe_ratio
from quantray.arrays import Float, Names
from quantray.portfolio.strategy_mix import pairwise_correlation
from quantray.studies.combination.record import BEST, MIX, CombinationRecord

__all__ = ["KINDS", "capital", "correlations", "growth", "kind", "netting", "selection", "where_capital_went"]

KINDS = ("too correlated", "too little history", "held nothing", "left out by the method")
"""Why a strategy gets no capital, in short."""
_KIND_COLOURS = ("#F2D3BC", "#BAB0AC", "#E5E5E5", "#CC79A7")
_DIVERGING = [[0.0, "#2166AC"], [0.5, "#F7F7F7"], [1.0, "#B2182B"]]


def kind(reason: str) -> str:
    """The short form of a reason that ``strategy_mix`` gives."""
    if reason.startswith("correlation"):
        return KINDS[0]
    if "do not vary" in reason:
        return KINDS[2]
    return KINDS[1] if "days" in reason else KINDS[3]


def growth(record: CombinationRecord) -> Picture:
    """Wealth of all accounts on a log scale and drawdown below it."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    dates, lows, highs = record.dates.astype(str), [1.0], [1.0]
    for number, account in enumerate(record.accounts):
        wealth = np.cumprod(1 + account.returns)
        below = wealth / np.maximum(np.maximum.accumulate(wealth), 1.0) - 1
        lows.append(float(wealth.min()))
        highs.append(float(wealth.max()))
        line = {
            "color": PALETTE[number],
            "width": 2.2 if account.name == MIX else 1.4,
            "dash": "dot" if account.name == BEST else "solid",
        }
        shown = {"name": account.name, "legendgroup": account.name, "mode": "lines", "line": line}
        figure.add_trace(go.Scatter(x=dates, y=np.round(wealth, 4), **shown), row=1, col=1)
        figure.add_trace(go.Scatter(x=dates, y=np.round(below, 4), showlegend=False, **shown), row=2, col=1)
    ticks = log_ticks(min(lows), max(highs))
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{v:g}" for v in ticks], title="Growth of 1", row=1)
    figure.update_yaxes(tickformat=".0%", title="Drawdown", row=2)
    note = f"After costs, log scale. The dotted line is {record.members[record.best].name}, known only afterwards."
    return Picture(styled(figure, 500), note)


def capital(record: CombinationRecord) -> Picture:
    """Shares of the mix by family through time, cash on top."""
    shares = record.account(MIX).shares
    families = np.array([member.family for member in record.members])
    figure = go.Figure()
    dates = record.decided.astype(str)
    for number, family in enumerate(dict.fromkeys(families.tolist())):
        together = shares[:, : len(families)][:, families == family].sum(axis=1)
        figure.add_trace(_band(dates, together, family, PALETTE[number]))
    figure.add_trace(_band(dates, 1 - shares.sum(axis=1), "cash", "#E3E8EE"))
    figure.update_yaxes(tickformat=".0%", range=[0, 1])
    note = "Decided on each day of rebalancing; between them shares drift with what the strategies earn."
    return Picture(styled(figure, 330), note)


def selection(record: CombinationRecord) -> Picture:
    """How many strategies get capital, and why the others get none."""
    figure, dates = go.Figure(), record.decided.astype(str)
    reasons = [[kind(reason) for reason in decision.dropped.values()] for decision in record.decisions]
    reduced = np.array([len(decision.reduced) for decision in record.decisions])
    held = len(record.members) - np.array([len(names) for names in reasons])
    bands = {"held in full": (held - reduced, PALETTE[2]), "reduced for a drawdown": (reduced, PALETTE[5])}
    for name, colour in zip(KINDS, _KIND_COLOURS, strict=True):
        bands[name] = np.array([names.count(name) for names in reasons]), colour
    for name, (counts, colour) in bands.items():
        if counts.any():
            figure.add_trace(_band(dates, counts, name, colour, form="%{y}"))
    figure.update_yaxes(title="Strategies", range=[0, len(record.members)])
    return Picture(styled(figure, 330), f"Of {len(record.members)} strategies, on each day of rebalancing.")


def netting(record: CombinationRecord) -> Picture:
    """Exposure and money moved, strategy by strategy and in one book."""
    measures, dates = record.account(MIX).netting, record.decided.astype(str)
    titles = ["Gross exposure", "Capital moved at rebalances, added up"]
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.09)
    pairs = [
        (measures.exposure_gross, measures.exposure_net),
        (np.cumsum(measures.moved_gross), np.cumsum(measures.moved_net)),
    ]
    for column, pair in enumerate(pairs, 1):
        for values, name, colour in zip(pair, ("strategy by strategy", "one book"), PALETTE[1::-1], strict=True):
            trace = go.Scatter(
                x=dates,
                y=np.round(values, 4),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                mode="lines",
                line={"color": colour, "width": 1.6, "shape": "hv"},
            )
            figure.add_trace(trace, row=1, col=column)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    note = "Fractions of NAV; purchases and sales both count. What cancels between strategies need not be held or paid."
    return Picture(styled(figure, 330), note)


def correlations(record: CombinationRecord) -> Picture:
    """Mean correlation of the strategies of two catalogue entries, entries in the order of their families."""
    order = list(dict.fromkeys(member.family for member in record.members))
    pairs = dict.fromkeys((member.family, member.entry) for member in record.members)
    entries = sorted(pairs, key=lambda pair: order.index(pair[0]))
    own = np.array([member.entry for member in record.members])
    correlation = pairwise_correlation(record.member_returns)
    np.fill_diagonal(correlation, np.nan)
    cells = np.array(
        [[_mean(correlation[np.ix_(own == a, own == b)]) for _, b in entries] for _, a in entries], dtype=np.float64
    )
    names = [f"{entry} <span style='color:#888'>({family})</span>" for family, entry in entries]
    texts = [[f"{value:.2f}" if np.isfinite(value) else "" for value in row] for row in cells.tolist()]
    figure = go.Figure(
        go.Heatmap(
            z=np.round(cells, 3),
            x=[entry for _, entry in entries],
            y=names,
            zmin=-1,
            zmax=1,
            colorscale=_DIVERGING,
            showscale=False,
            text=texts,
            texttemplate="%{text}",
            hovertemplate="%{y}<br>%{x}: %{text}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(tickangle=-35)
    shown = styled(figure, 190 + 30 * len(entries))
    shown.update_layout(hovermode="closest", margin={"l": 270, "b": 110, "t": 10})
    note = "Mean over pairs of daily returns out of sample; on the diagonal, between a rule's different parameters."
    return Picture(shown, note)


def where_capital_went(record: CombinationRecord) -> Picture:
    """Each strategy's mean share against how it turned out."""
    n = len(record.members)
    shares = record.account(MIX).shares[:, :n].mean(axis=0)
    ratios = sharpe_ratio(record.member_returns, periods_per_year=record.periods_per_year)
    figure = go.Figure()
    for number, family in enumerate(dict.fromkeys(member.family for member in record.members)):
        which = [i for i, member in enumerate(record.members) if member.family == family]
        figure.add_scatter(
            x=np.round(ratios[which], 3),
            y=np.round(shares[which], 5),
            text=[record.members[i].name for i in which],
            name=family,
            mode="markers",
            marker={"color": PALETTE[number], "size": 8, "opacity": 0.8},
            hovertemplate="%{text}<br>Sharpe %{x:.2f}, mean share %{y:.2%}<extra></extra>",
        )
    figure.update_xaxes(title="Sharpe ratio out of sample, alone")
    figure.update_yaxes(title="Mean share in the mix", tickformat=".1%", rangemode="tozero")
    shown = styled(figure, 400)
    shown.update_layout(hovermode="closest", margin={"b": 50})
    return Picture(shown, "One point for each strategy; pointing names it. The mix saw only what was past.")


def _band(dates: Names, values: Float, name: str, colour: str, *, form: str = "%{y:.1%}") -> go.Scatter:
    return go.Scatter(
        x=dates,
        y=np.round(values, 4),
        name=name,
        stackgroup="all",
        line={"width": 0, "shape": "hv"},
        fillcolor=colour,
        hovertemplate=form,
    )


def _mean(values: Float) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
