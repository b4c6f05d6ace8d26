"""Return by stretches of time: regimes, the calendar, periods between rebalances, types of weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.linking import Linking, compounded
from quantray.arrays import TRADING_DAYS, Dates, Float
from quantray.errors import InputError
from quantray.regimes.path import UNKNOWN, RegimePath

__all__ = [
    "Calendar",
    "Segment",
    "SegmentAttribution",
    "attribute_segments",
    "calendar_labels",
    "calendar_order",
    "rebalance_labels",
    "regime_labels",
]

Calendar = Literal["weekday", "month", "month of the year", "quarter", "year"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Segment:
    """What the days of one label were like."""

    days: int
    compounded: float
    """Return of its days put one after another; those of all segments compound, but do not add up, to the total."""
    volatility: float
    """Yearly; NaN of a single day."""
    hit_rate: float
    """Share of days above zero."""


@dataclass(frozen=True, eq=False)
class SegmentAttribution:
    """A return by label: linked parts, which add up, and what each segment's days were like."""

    breakdown: Breakdown
    segments: dict[str, Segment]
    """In order of first appearance, as are the rows."""


def attribute_segments(
    title: str,
    dates: Dates,
    returns: Float,
    labels: Sequence[str],
    *,
    benchmark: Float | None = None,
    order: Sequence[str] | None = None,
    method: Linking = "carino",
    periods_per_year: int = TRADING_DAYS,
) -> SegmentAttribution:
    """Split returns by the label of their day.

    Parameters
    ----------
    labels : (T,).
    benchmark : (T,), whose returns are taken off; segments describe the returns themselves.
    order : of the rows; by default that of their first days.

    Raises
    ------
    InputError
        There is not one label for each day, or returns are missing.
    """
    returns = known(returns, dates, f"{title}: returns")
    if len(labels) != len(dates):
        raise InputError(f"{title}: {len(labels)} labels for {len(dates)} days; give each day one.")
    given = np.asarray(labels, dtype=np.str_)
    found, first, place = np.unique(given, return_index=True, return_inverse=True)
    wanted = [str(found[i]) for i in np.argsort(first)]
    if order is not None:
        wanted.sort(key=lambda label: order.index(label) if label in order else len(order))
    column = {label: i for i, label in enumerate(wanted)}
    excess = returns if benchmark is None else returns - benchmark
    parts = np.zeros((len(dates), len(wanted)))
    parts[np.arange(len(dates)), [column[str(found[i])] for i in place]] = excess
    split = break_down(title, dates, wanted, "contribution", parts, returns, benchmark=benchmark, method=method)
    described = {label: _segment(returns[given == label], periods_per_year) for label in wanted}
    return SegmentAttribution(split, described)


def calendar_labels(dates: Dates, by: Calendar) -> list[str]:
    """(T,) such as ``Monday``, ``2020-03``, ``Mar``, ``2020 Q1`` and ``2020``.

    Raises
    ------
    InputError
        The division is unknown.
    """
    days = np.asarray(dates).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(int)
    if by == "weekday":
        return [_WEEKDAYS[i] for i in ((days.astype(int) + 3) % 7).tolist()]
    if by == "month":
        return [str(month) for month in days.astype("datetime64[M]")]
    if by == "month of the year":
        return [_MONTHS[i] for i in (months % 12).tolist()]
    if by == "quarter":
        return [f"{1970 + m // 12} Q{m % 12 // 3 + 1}" for m in months.tolist()]
    if by == "year":
        return [str(1970 + m // 12) for m in months.tolist()]
    raise InputError(f"calendar {by!r} is unknown; choose one of {', '.join(get_args(Calendar))}.")


def calendar_order(by: Calendar) -> tuple[str, ...] | None:
    """Order of the rows where it is not that of time."""
    return {"weekday": _WEEKDAYS, "month of the year": _MONTHS}.get(by)


def rebalance_labels(dates: Dates, traded: Dates) -> list[str]:
    """(T,) by the last day of trading before each day, whose portfolio earned its return."""
    place = np.searchsorted(np.asarray(traded), dates, side="left") - 1
    return ["before the first trade" if i < 0 else f"from {traded[i]}" for i in place.tolist()]


def regime_labels(path: RegimePath, dates: Dates) -> list[str]:
    """(T,) the regime known at the close before each day.

    Raises
    ------
    InputError
        The path begins after the first close before, or has a break longer than exchanges take.
    """
    known_on = path.dates.astype("datetime64[D]")
    place = np.searchsorted(known_on, dates, side="left") - 1
    if place[0] < 0:
        raise InputError(f"regimes begin on {known_on[0]}; they must be known before {dates[0]}, the first return.")
    late = dates - known_on[place] > np.timedelta64(_LONGEST_BREAK, "D")
    if late.any():
        raise InputError(
            f"regimes are not known for {int(late.sum())} of {len(dates)} days from {dates[late][0]} on, the last "
            f"before is of {known_on[place][late][0]}; extend the path, or end the record there."
        )
    return [UNKNOWN if label < 0 else str(path.names[label]) for label in path.labels[place].tolist()]


_LONGEST_BREAK = 7
"""Days without a close that exchanges have taken, such as in September 2001."""


def _segment(returns: Float, periods_per_year: int) -> Segment:
    varies = len(returns) > 1
    return Segment(
        days=len(returns),
        compounded=compounded(returns),
        volatility=float(returns.std(ddof=1) * np.sqrt(periods_per_year)) if varies else float("nan"),
        hit_rate=float((returns > 0).mean()),
    )
