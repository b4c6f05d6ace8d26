"""The report of forecasters: what they know beyond the controls, or that they know nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.forecasts import Decay
from quantray.analytics.page import Cell, Page, Rows, Section, Table, chart, ranged, shown
from quantray.arrays import Dates, Float
from quantray.studies.forecasts import figures as pictures

__all__ = ["ForecastReportInput", "ForecastRow", "forecast_page", "verdict"]


@dataclass(frozen=True, eq=False)
class ForecastRow:
    """One model in the report."""

    name: str
    is_control: bool
    ic: Estimate
    rank_ic: Estimate | None
    """None for a forecast that tells no names apart; likewise below."""
    icir: float | None
    positive_days: float | None
    seed_ic: Float
    """(S,)."""
    epochs: float
    daily: Float
    """(D,)."""
    deciles: Float | None
    """(10,) mean return of each tenth by score."""
    differences: Mapping[str, Estimate]
    """Control -> paired difference."""

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation of the seeds' coefficients; none of a single seed."""
        return float(np.std(self.seed_ic, ddof=1)) if len(self.seed_ic) > 1 else None

    @property
    def spread(self) -> float | None:
        """Mean return of the highest tenth less that of the lowest; none without tenths."""
        return None if self.deciles is None else float(self.deciles[-1] - self.deciles[0])


@dataclass(frozen=True, eq=False)
class ForecastReportInput:
    """All that the report shows."""

    title: str
    meta: str
    note: str
    """What the table's numbers are."""
    span: str
    """Of the test dates, and the confidence of intervals."""
    dates: Dates
    rows: Sequence[ForecastRow]
    horizon: int
    warnings: tuple[str, ...]
    decays: Mapping[str, Decay] = field(default_factory=dict)
    """Model -> how fast its skill fades; of those that tell names apart, where enough days are known."""


def forecast_page(content: ForecastReportInput) -> Page:
    """The report."""
    rows, daily = content.rows, {row.name: row.daily for row in content.rows}
    models = [row for row in rows if not row.is_control]
    ic, seeds = {row.name: row.ic for row in rows}, {row.name: row.seed_ic for row in rows}
    controls = frozenset(row.name for row in rows if row.is_control)
    sections = [
        Section(title="Results", note=content.note, parts=(_table(rows),)),
        chart("Skill", pictures.skill(ic, seeds, controls)),
    ]
    if models:
        gains = {row.name: row.differences for row in models}
        sections.append(chart("Against the controls", pictures.differences(gains)))
    sections.append(chart("Through time", pictures.cumulative_skill(content.dates, daily)))
    deciles = {row.name: row.deciles for row in rows if row.deciles is not None}
    if deciles:
        sections.append(chart("By tenths of the score", pictures.quantile_bars(deciles, content.horizon)))
    if content.decays:
        sections.append(_decay(content.decays))
    return Page(
        title=content.title,
        meta=content.meta,
        headline=" ".join(verdict(row.name, row.differences) for row in models) or "Controls only.",
        warnings=content.warnings,
        sections=tuple(sections),
        summary=_summary(content),
    )


def verdict(name: str, differences: Mapping[str, Estimate]) -> str:
    """What paired differences to the controls allow to say of a model, in a sentence."""
    beaten = [control for control, found in differences.items() if found.interval.low > 0]
    lost = [control for control, found in differences.items() if found.interval.high < 0]
    if lost:
        return f"{name} is worse than {_and(lost)}" + (f", though better than {_and(beaten)}." if beaten else ".")
    if len(beaten) == len(differences):
        return f"{name} beats every control."
    if not beaten:
        return f"{name} cannot be told from any control."
    others = [control for control in differences if control not in beaten]
    return f"{name} beats {_and(beaten)}, but cannot be told from {_and(others)}."


def _table(rows: Sequence[ForecastRow]) -> Table:
    level = f"{rows[0].ic.interval.level:.0%} interval"
    columns = (
        *("Forecast", "IC", level, "Rank IC", "IC over its deviation", "Days above 0", "Deviation of seeds", "Epochs"),
        "Top less bottom tenth",
    )
    lines = tuple(
        (
            Cell(text=row.name, hint="control" if row.is_control else ""),
            shown(row.ic.mean, ".4f"),
            ranged(row.ic, ".4f"),
            shown(None if row.rank_ic is None else row.rank_ic.mean, ".4f"),
            shown(row.icir, ".2f"),
            shown(row.positive_days, ".0%"),
            shown(row.seed_deviation, ".4f"),
            shown(row.epochs, ".1f"),
            "–" if row.spread is None else f"{row.spread * 1e4:.0f} bp",
        )
        for row in rows
    )
    return Table(columns=columns, groups=(Rows(rows=lines),), dense=True)


def _decay(decays: Mapping[str, Decay]) -> Section:
    """Skill against returns over longer and shorter horizons than the one that was asked for."""
    horizons = next(iter(decays.values())).horizons.tolist()
    rows = tuple(
        (name, *(Cell(text=shown(e.mean, ".4f"), below=ranged(e, ".4f")) for e in decay.estimates))
        for name, decay in decays.items()
    )
    columns = ("Forecast", *(f"{days} day{'' if days == 1 else 's'}" for days in horizons))
    return Section(
        title="How fast skill fades",
        note="Mean daily correlation of the same scores with returns over other horizons, all on the days on which the "
        "longest is known.",
        parts=(Table(columns=columns, groups=(Rows(rows=rows),), dense=True),),
    )


def _summary(content: ForecastReportInput) -> Table:
    rows = []
    for row in content.rows:
        rank = None if row.rank_ic is None else row.rank_ic.mean
        skill = (row.ic.mean, row.ic.interval.low, row.ic.interval.high, rank)
        rows.append((row.name, *(shown(value, ".4f") for value in skill), shown(row.epochs, ".1f")))
    columns = ("forecast", "IC", "from", "to", "rank IC", "epochs")
    return Table(title=f"{content.title}: {content.span}", columns=columns, groups=(Rows(rows=tuple(rows)),))


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
