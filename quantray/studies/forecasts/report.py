"""The report of forecasters: what they know beyond the controls, or that they know nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import Picture, to_html
from quantray.analytics.page import render_page
from quantray.arrays import Dates, Float
from quantray.studies.forecasts import figures as pictures

__all__ = ["ForecastReportInput", "ForecastRow", "render_forecasts", "verdict"]


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
    about: Mapping[str, object]
    settings: Mapping[str, str]
    dates: Dates
    rows: Sequence[ForecastRow]
    horizon: int
    warnings: Sequence[str]


def render_forecasts(content: ForecastReportInput) -> str:
    """The report as HTML."""
    models = [row for row in content.rows if not row.is_control]
    charts: list[tuple[str, Picture]] = [
        (
            "Skill",
            pictures.skill(
                {row.name: row.ic for row in content.rows},
                {row.name: row.seed_ic for row in content.rows},
                frozenset(row.name for row in content.rows if row.is_control),
            ),
        ),
    ]
    if models:
        charts.append(("Against the controls", pictures.differences({row.name: row.differences for row in models})))
    daily = {row.name: row.daily for row in content.rows}
    charts.append(("Through time", pictures.cumulative_skill(content.dates, daily)))
    deciles = {row.name: row.deciles for row in content.rows if row.deciles is not None}
    if deciles:
        charts.append(("By tenths of the score", pictures.quantile_bars(deciles, content.horizon)))
    return render_page(
        "forecasts.html.j2",
        {
            "title": content.title,
            "about": content.about,
            "headline": " ".join(verdict(row.name, row.differences) for row in models) or "Controls only.",
            "warnings": content.warnings,
            "rows": [_cells(row) for row in content.rows],
            "charts": [(name, shown.note, to_html(shown, f"chart{i}")) for i, (name, shown) in enumerate(charts)],
            "settings": content.settings,
        },
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


def _cells(row: ForecastRow) -> list[object]:
    return [
        row.name,
        row.is_control,
        _shown(row.ic.mean, "{:.4f}"),
        f"{row.ic.interval.low:.4f} to {row.ic.interval.high:.4f}",
        _shown(None if row.rank_ic is None else row.rank_ic.mean, "{:.4f}"),
        _shown(row.icir, "{:.2f}"),
        _shown(row.positive_days, "{:.0%}"),
        _shown(row.seed_deviation, "{:.4f}"),
        _shown(row.epochs, "{:.1f}"),
        _shown(None if row.spread is None else row.spread * 1e4, "{:.0f} bp"),
    ]


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None or np.isnan(value) else form.format(value)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
