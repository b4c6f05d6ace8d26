"""A return split into parts that add up: day by day and linked over the whole time; what does not is an error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.attribution.linking import Linking, link
from quantray.arrays import Dates, Float
from quantray.errors import DataError, InputError

__all__ = ["CLOSING", "Breakdown", "break_down", "closed", "known"]

CLOSING = 1e-10
"""Largest gap between a sum and what it should be, as a fraction of NAV, or of the total where that exceeds one."""


@dataclass(frozen=True, eq=False)
class Breakdown:
    """A return of T periods in E parts, each with a row (a sector) and an effect (selection)."""

    title: str
    dates: Dates
    """(T,) last day of each period."""
    rows: tuple[str, ...]
    """(E,)."""
    effects: tuple[str, ...]
    """(E,)."""
    parts: Float
    """(T, E) of each period's return; they sum to it."""
    linked: Float
    """(E,) of the return of the whole time; they sum to ``total``."""
    total: float
    method: Linking
    relative: bool
    """Whether the total is a return in excess of a benchmark's."""
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """What is missing from the sum: rounding."""
        return float(self.linked.sum()) - self.total

    def by_row(self) -> dict[str, float]:
        """Linked return of each row, all effects together."""
        return _summed(self.rows, self.linked)

    def by_effect(self) -> dict[str, float]:
        """Linked return of each effect, all rows together."""
        return _summed(self.effects, self.linked)

    def cell(self, row: str, effect: str) -> float:
        """Linked return of one effect in one row; zero where there is none."""
        pairs = zip(self.rows, self.effects, self.linked.tolist(), strict=True)
        return float(sum(value for r, e, value in pairs if (r, e) == (row, effect)))


def break_down(
    title: str,
    dates: Dates,
    rows: Sequence[str],
    effects: Sequence[str] | str,
    parts: Float,
    returns: Float,
    *,
    benchmark: Float | None = None,
    method: Linking = "carino",
    notes: Sequence[str] = (),
) -> Breakdown:
    """Link parts of returns once they are found to close.

    Parameters
    ----------
    rows, effects : (E,); one effect for all where it is a text.
    parts : (T, E) fractions of NAV.
    returns : (T,) that they sum to; with a ``benchmark``, (T,) too, less its returns.
    method : see ``linking.link``.

    Raises
    ------
    InputError
        Something is not known, shapes disagree, or a return cannot be linked.
    DataError
        The parts do not sum to the return within ``CLOSING``, in a period or over the whole time.
    """
    effects = (effects,) * len(rows) if isinstance(effects, str) else tuple(effects)
    if parts.shape != (len(dates), len(rows)) or len(effects) != len(rows):
        raise InputError(f"{title}: parts are {parts.shape} for {len(dates)} periods and {len(rows)} rows.")
    returns = known(returns, dates, f"{title}: returns")
    target = returns if benchmark is None else returns - known(benchmark, dates, "benchmark returns")
    closed(parts.sum(axis=1), target, title, dates)
    linked = link(parts, returns, benchmark, method=method)
    closed(np.atleast_1d(linked.parts.sum()), np.atleast_1d(linked.total), f"{title}, linked by {method}")
    summed = linked.parts.sum(axis=0)
    return Breakdown(
        title=title,
        dates=dates,
        rows=tuple(rows),
        effects=effects,
        parts=parts,
        linked=summed,
        total=linked.total,
        method=method,
        relative=benchmark is not None,
        notes=tuple(notes),
    )


def closed(sums: Float, targets: Float, what: str, dates: Dates | None = None) -> None:
    """See that (T,) sums are (T,) targets within ``CLOSING``.

    Raises
    ------
    DataError
        They are not; it says where the gap is largest and how large.
    """
    gap = np.abs(sums - targets) / np.maximum(1.0, np.abs(targets))
    worst = int(np.argmax(gap)) if len(gap) else 0
    if len(gap) and not gap[worst] <= CLOSING:
        when = "" if dates is None else f" on {dates[worst]}"
        raise DataError(
            f"{what}: the parts sum to {sums[worst]:.10g}{when} where {targets[worst]:.10g} was earned, a gap of "
            f"{sums[worst] - targets[worst]:.3g}; give the prices, costs and netting that the accounts were kept with."
        )


def known(values: Float, dates: Dates, name: str) -> Float:
    """(T, ...) values after checking that each period has one and all are numbers.

    Raises
    ------
    InputError
        They do not; it names the first day without.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or len(values) != len(dates) or len(dates) == 0:
        raise InputError(f"{name} are {values.shape} for {len(dates)} periods; at least one is needed, for each one.")
    missing = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if missing.any():
        raise InputError(
            f"{name} are unknown in {int(missing.sum())} of {len(dates)} periods, first on {dates[missing][0]}; "
            "fill them or take the days in between."
        )
    return values


def _summed(labels: tuple[str, ...], values: Float) -> dict[str, float]:
    out: dict[str, float] = dict.fromkeys(labels, 0.0)
    for label, value in zip(labels, values.tolist(), strict=True):
        out[label] += value
    return out
