"""The quality gate of a day: whether its bars are good enough to act on. A bad day stops here."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from quantray.data.panel import Panel
from quantray.data.quality.findings import QualityReport
from quantray.errors import DataError
from quantray.settings import SettingsModel

__all__ = ["GateError", "GateReport", "GateSettings", "examine_day"]


class GateError(DataError):
    """A day's bars are not good enough; nothing was decided, and the last good book stays."""


class GateSettings(SettingsModel):
    """What a day's bars must be."""

    least_coverage: float = Field(0.97, ge=0, le=1)
    """Share of the names with a close on the day before that have one."""
    most_flagged: float = Field(0.02, ge=0, le=1)
    """Share of the day's rows that quality checks changed or took out."""
    large_move: float = Field(0.4, gt=0)
    """Return of a day, of either sign, that counts as a large move."""
    most_large_moves: float = Field(0.01, ge=0, le=1)
    """Share of the names with a large move."""
    most_unmoved: float = Field(0.2, ge=0, le=1)
    """Share of the names whose close is the day before's to the last digit: a day that was delivered twice has all."""


@dataclass(frozen=True)
class GateReport:
    """What was looked at on a day, and what of it was too much."""

    n_names: int
    coverage: float
    flagged: float
    large_moves: float
    unmoved: float
    reasons: tuple[str, ...]
    """Why the day is refused; empty where it is not."""


def examine_day(panel: Panel, quality: QualityReport | None, settings: GateSettings) -> GateReport:
    """Look at the last day of a panel.

    Parameters
    ----------
    panel : closes of the day and of the one before at least.
    quality : of the day's append; None where its bars were there already.

    Raises
    ------
    GateError
        The panel has no day before.
    """
    close = panel.field("close")
    if len(close) < 2:
        raise GateError(f"{panel.dates[-1]} is the first day of the data, so nothing tells whether it is good.")
    before, now = close[-2], close[-1]
    known = ~np.isnan(before)
    both = known & ~np.isnan(now)
    moves = now[both] / before[both] - 1
    flagged = 0 if quality is None else sum(finding.n_changed for finding in quality.findings)
    rows = 1 if quality is None else max(quality.n_rows_read, 1)
    found = {
        "coverage": float(both.sum() / max(int(known.sum()), 1)),
        "flagged": min(1.0, flagged / rows),
        "large_moves": float((np.abs(moves) >= settings.large_move).mean()) if len(moves) else 0.0,
        "unmoved": float((moves == 0).mean()) if len(moves) else 0.0,
    }
    limits = {
        "flagged": (settings.most_flagged, "of its rows were changed or taken out by quality checks"),
        "large_moves": (settings.most_large_moves, f"of the names moved by {settings.large_move:.0%} or more"),
        "unmoved": (settings.most_unmoved, "of the names closed where they did the day before, to the last digit"),
    }
    exceeded = {name: told for name, told in limits.items() if found[name] > told[0]}
    reasons = [f"{found[name]:.1%} {what}; at most {most:.1%} may" for name, (most, what) in exceeded.items()]
    if found["coverage"] < settings.least_coverage:
        said = f"{found['coverage']:.1%} of the names of {panel.dates[-2]} have a close"
        reasons.insert(0, f"{said}; at least {settings.least_coverage:.1%} must")
    return GateReport(int(known.sum()), **found, reasons=tuple(reasons))
