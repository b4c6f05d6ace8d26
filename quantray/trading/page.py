"""A firm's day as a page: who earned what, how it was traded, how fast, and what was refused."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.analytics.page import Column, Page, Rows, Section, Table, chart
from quantray.institution.books import InstitutionSettings
from quantray.trading.bars import MarketDay
from quantray.trading.outcome import Outcome
from quantray.trading.profit import Profit
from quantray.trading.record import Summary

__all__ = ["day_page"]

_MOST_STRATEGIES = 10
"""Shown at either end."""


def day_page(
    institution: InstitutionSettings, market: MarketDay, outcome: Outcome, earned: Profit, summary: Summary
) -> Page:
    """The page of a day that has ended."""
    managers = _managers(institution, outcome, earned)
    warnings = [
        f"{pm} was silent: {', '.join(f'{why} ({count:,})' for why, count in said.items())}"
        for pm, said in summary.silent.items()
    ]
    if summary.failed:
        most = max(summary.failed, key=lambda name: (summary.failed[name], name))
        warnings.append(
            f"{len(summary.failed):,} strategies could not decide at times and kept what they wanted before, most "
            f"often {most} ({summary.failed[most]:,} times: {outcome.failed[most].most_common(1)[0][0]})"
        )
    if summary.breaches:
        warnings.append(f"{summary.breaches:,} rows of the log do not agree; see quantray audit verify")
    refusals = _counts({"refused": summary.refused, "left out": summary.left_out})
    size = (
        f"{len(institution.pms):,} managers · {len(institution.accounts):,} accounts · "
        f"{len(institution.strategies):,} strategies · {len(market.symbols):,} names · {len(market.today):,} bars"
    )
    return Page(
        title=f"{institution.firm.name}, a trading day",
        meta=f"{market.time(0):%Y-%m-%d} · {size}",
        headline=_headline(summary),
        warnings=tuple(warnings),
        sections=(
            Section(title="Managers", parts=(managers,)),
            chart("Where it came from", _sources(earned)),
            Section(title="Strategies on paper", note=_NOTE, parts=(_strategies(institution, outcome, earned),)),
            chart("Orders and fills through the day", _pace(market, outcome)),
            chart("From decision to approval", _latency(outcome)),
            Section(title="Refused and left out", parts=(refusals,)),
        ),
        summary=managers,
    )


_NOTE = "Each holds what it wants from the close at which it decided; the best and the worst."


def _headline(it: Summary) -> str:
    verb = "earned" if it.earned >= 0 else "lost"
    implementation, latency = it.earned - it.paper, it.latency_ms
    return (
        f"The firm {verb} {abs(it.earned):,.0f}: strategies {it.paper:+,.0f} on paper, their implementation "
        f"{implementation:+,.0f}. {it.filled:.0%} of the shares of {it.blocks:,} blocks were filled, and orders were "
        f"approved {latency['mean']:.0f} ms after they were decided on (99 %: {latency['p99']:.0f})."
    )


def _managers(institution: InstitutionSettings, outcome: Outcome, earned: Profit) -> Table:
    blocks = Counter(block.pm for block in outcome.blocks)
    rows = []
    for pm, profit in earned.managers.items():
        before = sum(outcome.worth[name][0] for name in institution.accounts_of(pm)) / 1e4
        on_paper = profit - earned.implementation[pm]
        rows.append(
            (
                pm,
                f"{before:,.0f}",
                f"{profit:+,.0f}",
                f"{1e4 * profit / before:+.1f}" if before else "",
                f"{on_paper:+,.0f}",
                f"{earned.implementation[pm]:+,.0f}",
                f"{earned.fees[pm]:,.0f}",
                f"{blocks[pm]:,}",
            )
        )
    titles = ("Manager", "Money", "Earned", "Basis points", "On paper", "Implementation", "Fees", "Blocks")
    return Table(title="Managers", columns=titles, groups=(Rows(rows=tuple(rows)),))


def _strategies(institution: InstitutionSettings, outcome: Outcome, earned: Profit) -> Table:
    ranked = sorted(earned.paper, key=lambda name: (-earned.paper[name], name))
    if len(ranked) > 2 * _MOST_STRATEGIES:
        ranked = ranked[:_MOST_STRATEGIES] + ranked[-_MOST_STRATEGIES:]
    rows = tuple(
        (
            name,
            institution.strategies[name].pm,
            institution.strategies[name].rule,
            f"{earned.paper[name]:+,.0f}",
            ", ".join(f"{why} ({count:,})" for why, count in outcome.failed.get(name, {}).items()),
        )
        for name in ranked
    )
    words = (Column(title="Manager", text=True), Column(title="Rule", text=True))
    return Table(
        title="Strategies",
        columns=("Strategy", *words, "On paper", Column(title="Could not decide", text=True)),
        groups=(Rows(rows=rows),),
    )


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Table:
    rows = tuple(
        (code, what, f"{count:,}")
        for what, those in counts.items()
        for code, count in sorted(those.items(), key=lambda one: -one[1])
    )
    titles = ("Reason", Column(title="What", text=True), "Times")
    return Table(title="Refused", columns=titles, groups=(Rows(rows=rows or (("nothing", "", "0"),)),))


def _sources(earned: Profit) -> Picture:
    names = list(earned.managers)
    paper = [earned.managers[pm] - earned.implementation[pm] for pm in names]
    figure = go.Figure(
        [
            go.Bar(name="on paper", x=names, y=np.round(paper, 0), marker_color=PALETTE[0]),
            go.Bar(
                name="implementation",
                x=names,
                y=np.round(list(earned.implementation.values()), 0),
                marker_color=PALETTE[1],
            ),
        ]
    )
    figure.update_layout(barmode="relative")
    figure.update_yaxes(title="Money")
    return Picture(styled(figure, 380), "What strategies earned on paper, and what trading made of it.")


def _pace(market: MarketDay, outcome: Outcome) -> Picture:
    """Money wanted and filled by bar: the number of the bar stands in the id of a block."""
    wanted, filled = np.zeros(len(market.today)), np.zeros(len(market.today))
    prices = market.today.open / 1e4
    for block in outcome.blocks:
        bar = int(block.id.rpartition("/")[2].partition("-")[0])
        price = prices[bar, market.today.columns[block.symbol]]
        wanted[bar] += sum(block.demands.values()) * price
        filled[bar] += block.filled * price
    times = [f"{market.time(bar):%H:%M}" for bar in range(len(wanted))]
    figure = go.Figure(
        [
            go.Bar(name="wanted", x=times, y=np.round(wanted, 0), marker_color="#c9d2dc"),
            go.Bar(name="filled", x=times, y=np.round(filled, 0), marker_color=PALETTE[0]),
        ]
    )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title="Bar (UTC)", type="category", nticks=14)
    figure.update_yaxes(title="Money")
    return Picture(
        styled(figure, 380), "At the prices at which bars open; what was not filled was wanted anew a bar later."
    )


def _latency(outcome: Outcome) -> Picture:
    times = outcome.latency
    counts, edges = np.histogram(times, bins=40) if len(times) else (np.zeros(1), np.zeros(2))
    middles = np.round((edges[1:] + edges[:-1]) / 2, 2)
    figure = go.Figure(go.Bar(x=middles, y=counts, marker_color=PALETTE[0], width=np.diff(edges)))
    figure.update_xaxes(title="Milliseconds")
    figure.update_yaxes(title="Orders")
    figure.update_layout(showlegend=False, bargap=0.02)
    return Picture(styled(figure, 320), "On disk, waiting for other managers' orders included.")
