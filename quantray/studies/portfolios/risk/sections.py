"""What the report of a study says of risk: the overlay against doing without, and the last day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from quantray.analytics.bootstrap import Estimate, Resampling, estimated_mean
from quantray.analytics.page import Cell, Note, Rows, Section, Table, ranged
from quantray.analytics.track import TrackRecord
from quantray.errors import QuantrayError
from quantray.research.market import MarketData
from quantray.risk.limiting.limit_levels import LevelChange
from quantray.risk.reporting.page import risk_summary
from quantray.risk.reporting.sections import RiskReport
from quantray.studies.portfolios.risk.last_day import Asked, portfolio_risk
from quantray.studies.portfolios.risk.overlay import OverlayUse
from quantray.studies.portfolios.risk.settings import RiskSettings, overlay_name

__all__ = [
    "OverlayEffect",
    "last_day_section",
    "level_changes",
    "overlay_effects",
    "overlay_metrics",
    "overlay_section",
]

_CHANGE = tuple(field.name for field in fields(LevelChange))
_WORST = 0.05
"""Share of the days without the overlay that count as the worst."""


@dataclass(frozen=True)
class OverlayEffect:
    """What an overlay did to a portfolio, yearly."""

    use: OverlayUse
    gain: Estimate
    """Of return, on the same days; below zero where the overlay cost some."""
    saved: Estimate
    """Of that, on the worst days."""
    given_up: Estimate
    """Of that, on all others; below zero where returns were missed."""
    costs: float
    """More trading costs than without, a fraction of NAV."""


def overlay_effects(
    records: Sequence[TrackRecord], uses: Sequence[OverlayUse], resampling: Resampling
) -> tuple[OverlayEffect, ...]:
    """The effect on each portfolio; saved and given up sum to the gain."""
    known = {record.name: record for record in records}
    found = []
    for use in uses:
        without, held = known[use.name], known[overlay_name(use.name)]
        periods = without.periods_per_year
        gain = (held.returns - without.returns) * periods
        worst = without.returns <= np.quantile(without.returns, _WORST)
        costs = [float((each.cost_series / each.nav).sum()) / each.years for each in (held, without)]
        whole, saved, given_up = (
            estimated_mean(each, resampling=resampling) for each in (gain, gain * worst, gain * ~worst)
        )
        found.append(OverlayEffect(use, whole, saved, given_up, costs[0] - costs[1]))
    return tuple(found)


def overlay_metrics(effect: OverlayEffect) -> dict[str, float]:
    """As a run keeps them beside the other metrics of the portfolio with the overlay."""
    found = {"overlay_costs": effect.costs, "overlay_exposure": effect.use.mean_exposure}
    for name, part in (("gain", effect.gain), ("saved", effect.saved), ("given_up", effect.given_up)):
        found |= {
            f"overlay_{name}": part.mean,
            f"overlay_{name}_low": part.interval.low,
            f"overlay_{name}_high": part.interval.high,
        }
    return found


def overlay_section(effects: Sequence[OverlayEffect], metrics: Mapping[str, Mapping[str, float]]) -> Section:
    """What the overlay cost and saved, portfolio by portfolio."""
    rows = []
    for effect in effects:
        use = effect.use
        before, after = metrics[use.name], metrics[overlay_name(use.name)]
        rows.append(
            (
                use.name,
                *(_interval(each) for each in (effect.gain, effect.saved, effect.given_up)),
                f"{before['annual_volatility']:.1%} → {after['annual_volatility']:.1%}",
                f"{before['max_drawdown']:.0%} → {after['max_drawdown']:.0%}",
                f"{effect.costs:+.2%}",
                Cell(text=f"{use.mean_exposure:.0%}", below=f"lowest {use.lowest_exposure:.0%}"),
                Cell(text=f"{use.undone}", below=f"{use.dearer} dearer"),
                Cell(text=f"{use.scaled}, {use.cured}", below=f"of {use.decisions}"),
            )
        )
    columns = (
        "",
        "Return a year",
        "on the worst days",
        "on the others",
        "Volatility",
        "Maximum drawdown",
        "Costs a year",
        "Exposure",
        "Cuts taken back",
        "Cut to budget, limits",
    )
    note = (
        f"Against the same portfolio without it, with intervals. The worst days are the {_WORST:.0%} on which that "
        "lost most; what is saved on them and given up on the others sum to the change in return."
    )
    return Section(
        title="What the risk overlay cost and saved",
        note=note,
        parts=(Table(columns=columns, groups=(Rows(rows=tuple(rows)),), dense=True), *_moved(effects)),
    )


def level_changes(uses: Sequence[OverlayUse]) -> pa.Table:
    """Every level that moved, portfolio by portfolio in order of time, with its reason."""
    found = [(use.name, change) for use in uses for change in use.changes]
    columns = {name: [getattr(change, name) for _, change in found] for name in _CHANGE}
    return pa.table({"portfolio": [name for name, _ in found], "limit": columns.pop("name"), **columns})


def _moved(effects: Sequence[OverlayEffect]) -> list[Note]:
    """How often levels moved, and why they did last."""
    return [
        Note(
            text=f"{effect.use.name}: levels moved {len(effect.use.changes)} times, last {last.name} on {last.day} "
            f"from {last.before:.4g} to {last.after:.4g}: {last.why}"
        )
        for effect in effects
        for last in effect.use.changes[-1:]
    ]


def last_day_section(
    data: MarketData, records: Sequence[TrackRecord], settings: RiskSettings, half_spread_bps: float
) -> Section:
    """The risk of the portfolios at the end, or why it cannot be told."""
    asked = Asked(limits=settings.limits, level=settings.level, half_spread_bps=half_spread_bps)
    reports: dict[str, RiskReport] = {}
    lines: dict[str, None] = {}
    for record in records:
        try:
            reports[record.name] = portfolio_risk(data, record, asked)
        except QuantrayError as error:
            lines[f"{record.name}: {error}"] = None
    notes = [Note(text=line) for line in lines]
    notes += [Note(text=f"{name}: {mark}") for name, report in reports.items() for mark in report.marks]
    table = (risk_summary(reports).model_copy(update={"title": ""}),) if reports else ()
    return Section(
        title="Risk on the last day",
        note="What a bad day, a scenario and a sale in haste would cost; `quantray risk` shows all of it.",
        parts=(*table, *notes),
    )


def _interval(estimate: Estimate) -> Cell:
    return Cell(text=f"{estimate.mean:+.2%}", below=ranged(estimate, "+.2%"))
