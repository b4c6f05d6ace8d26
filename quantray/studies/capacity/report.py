"""The report of a study of capacity: what is left of each allocator as it grows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.analytics.page import Cell as PageCell
from quantray.analytics.page import Page, Rows, Section, Table, chart, concluded, money, ranged
from quantray.studies.capacity.settings import Cell

__all__ = ["CapacityInput", "CellNumbers", "capacity_page"]


@dataclass(frozen=True)
class CellNumbers:
    """One allocator in one cell; yearly, net of costs."""

    sharpe: float
    annual_return: float
    annual_cost: float
    """Fraction of NAV."""
    turnover: float
    """Half of what is traded over NAV."""


@dataclass(frozen=True, eq=False)
class CapacityInput:
    """All that the report shows."""

    title: str
    meta: str
    names: tuple[str, ...]
    benchmark: str
    aums: tuple[float, ...]
    best: Mapping[tuple[str, float], Cell]
    """Allocator and money -> the cell of the highest net Sharpe ratio."""
    numbers: Mapping[tuple[str, Cell], CellNumbers]
    sharpes: Mapping[tuple[str, float], Estimate]
    against: Mapping[tuple[str, float], Estimate]
    """Sharpe ratio less the benchmark's."""
    impact: str
    warnings: tuple[str, ...]


def capacity_page(content: CapacityInput) -> Page:
    """The report."""
    first, last = content.aums[0], content.aums[-1]
    ranks = {aum: sorted(content.names, key=lambda name: -content.sharpes[name, aum].mean) for aum in content.aums}
    kept = ranks[first] == ranks[last]
    order = (
        "the order of the allocators stays" if kept else f"{ranks[last][0]} comes first instead of {ranks[first][0]}"
    )
    if not kept and ranks[last][0] == ranks[first][0]:
        order = f"{ranks[first][0]} stays first, and the order behind it changes"
    lost = {name: content.sharpes[name, first].mean - content.sharpes[name, last].mean for name in content.names}
    most = max(lost, key=lambda name: lost[name])
    headline = (
        f"From {money(first)} to {money(last)}, {most} loses most: {lost[most]:.2f} of its net Sharpe ratio; {order}."
    )
    note = (
        f"Net of spread, commission and {content.impact} impact. Of every allocator and size the frequency and the "
        "days of execution with the highest Sharpe ratio are shown, chosen on the same days: differences between them "
        "are flattered a little."
    )
    return Page(
        title=content.title,
        meta=content.meta,
        headline=headline,
        warnings=content.warnings,
        findings=tuple(_verdict(content, name) for name in content.names if name != content.benchmark),
        sections=(
            chart("Capacity", _picture(content)),
            Section(title="At each size", note=note, parts=(_table(content),)),
            Section(
                title="Against the benchmark",
                note=f"Sharpe ratio less that of {content.benchmark}; bold where the interval leaves out zero.",
                parts=(_differences(content),),
            ),
            Section(title="All ways to run them", parts=(_cells(content),)),
        ),
        summary=_summary(content),
    )


def _verdict(content: CapacityInput, name: str) -> str:
    first, last = (content.against[name, aum] for aum in (content.aums[0], content.aums[-1]))
    at_first, at_last = (
        concluded(found, helped="is ahead of", hurt="is behind", unsure="cannot be told from")
        for found in (first, last)
    )
    small, large = money(content.aums[0]), money(content.aums[-1])
    return f"{name} {at_first} {content.benchmark} at {small}, and {at_last} it at {large}."


def _picture(content: CapacityInput) -> Picture:
    figure = go.Figure()
    for i, name in enumerate(content.names):
        found = [content.sharpes[name, aum] for aum in content.aums]
        mean = np.array([each.mean for each in found])
        above = np.array([each.interval.high for each in found]) - mean
        below = mean - np.array([each.interval.low for each in found])
        shifted = np.array(content.aums) * (1 + 0.03 * (i - len(content.names) / 2))
        bars = {"array": above, "arrayminus": below, "thickness": 1, "width": 3}
        colour = PALETTE[i % len(PALETTE)]
        trace = go.Scatter(x=shifted, y=mean, error_y=bars, name=name, mode="lines+markers", line={"color": colour})
        figure.add_trace(trace)
    ticks = list(content.aums)
    figure.update_xaxes(type="log", title="Money", tickvals=ticks, ticktext=[money(tick) for tick in ticks])
    figure.update_yaxes(title="Sharpe ratio, net")
    figure = styled(figure, 420)
    figure.update_layout(hovermode="closest")
    return Picture(figure, "With intervals; each point is the best frequency and days of execution of its size.")


def _table(content: CapacityInput) -> Table:
    groups = []
    for name in content.names:
        rows = []
        for aum in content.aums:
            cell = content.best[name, aum]
            found, sharpe = content.numbers[name, cell], content.sharpes[name, aum]
            rows.append(
                (
                    money(aum),
                    PageCell(text=f"{found.sharpe:.2f}", below=ranged(sharpe)),
                    f"{found.annual_return:.1%}",
                    f"{found.annual_cost * 1e4:.0f}",
                    f"{found.turnover:.0%}",
                    cell.name,
                )
            )
        groups.append(Rows(title=name, rows=tuple(rows)))
    columns = ("Money", "Sharpe, net", "Return a year", "Cost, bp a year", "Turnover", "Traded")
    return Table(columns=columns, groups=tuple(groups))


def _differences(content: CapacityInput) -> Table:
    names = [name for name in content.names if name != content.benchmark]
    rows = tuple(
        (
            name,
            *(
                PageCell(
                    text=f"{found.mean:+.2f}",
                    below=ranged(found, "+.2f"),
                    best=found.interval.low > 0 or found.interval.high < 0,
                )
                for found in (content.against[name, aum] for aum in content.aums)
            ),
        )
        for name in names
    )
    return Table(columns=("Allocator", *(money(aum) for aum in content.aums)), groups=(Rows(rows=rows),))


def _cells(content: CapacityInput) -> Table:
    rows = tuple(
        (
            name,
            money(cell.aum),
            cell.name,
            f"{found.sharpe:.2f}",
            f"{found.annual_cost * 1e4:.0f}",
            f"{found.turnover:.0%}",
        )
        for (name, cell), found in content.numbers.items()
    )
    columns = ("Allocator", "Money", "Traded", "Sharpe, net", "Cost, bp a year", "Turnover")
    return Table(columns=columns, groups=(Rows(rows=rows),), dense=True, folded="Show every cell")


def _summary(content: CapacityInput) -> Table:
    rows = tuple((name, *(f"{content.sharpes[name, aum].mean:.2f}" for aum in content.aums)) for name in content.names)
    columns = ("portfolio", *(money(aum) for aum in content.aums))
    return Table(title=f"{content.title}: net Sharpe ratio by money", columns=columns, groups=(Rows(rows=rows),))
