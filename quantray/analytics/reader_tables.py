"""The tables of reports for readers, with numbers to sensible digits, and the same numbers whole for other programs."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from quantray.analytics.attribution.attribute import Attribution
from quantray.analytics.attribution.breakdown import Breakdown
from quantray.analytics.attribution.factor import FactorAttribution
from quantray.analytics.attribution.linking import compounded
from quantray.analytics.attribution.segments import SegmentAttribution
from quantray.analytics.attribution.strategies import StrategyAttribution
from quantray.analytics.coverage import BANDS, Coverage
from quantray.analytics.drawdowns import Drawdown
from quantray.analytics.page import Cell, Column, Rows, Table, shown
from quantray.analytics.periods import Period, month_grid
from quantray.arrays import TRADING_DAYS, WEEKS, Dates, Float

__all__ = [
    "coverage",
    "drawdowns",
    "ends",
    "factors",
    "grid",
    "horizons",
    "largest",
    "months",
    "named",
    "right_so_far",
    "segments",
    "signed",
    "strategies",
]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PERCENT = (
    "return", "volatility", "drawdown", "deviation", "risk", "_var_95", "_es_95", "index", "error", "alpha", "m2",
    "_day", "_month", "hit_rate", "share", "frequency", "winning", "batting", "under_water",
)  # fmt: skip


def signed(values: Iterable[float]) -> str:
    """How returns that stand together are written: the larger the largest of them, the fewer decimals."""
    largest_of = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return "{:+,.2%}" if largest_of < 1 else "{:+,.1%}" if largest_of < 10 else "{:+,.0%}"


def horizons(whole: Attribution, benchmark: str) -> Table:
    """Returns over the last months and years, and since inception, beside the benchmark's."""
    last = whole.dates[-1].astype("datetime64[D]")
    rows = []
    for label, months in (("1 month", 1), ("3 months", 3), ("1 year", 12), ("3 years", 36), ("5 years", 60)):
        start = _months_before(last, months)
        if start >= whole.dates[0] - np.timedelta64(4, "D"):
            rows.append((label, whole.dates > start, months / 12))
    year = last.astype("datetime64[Y]").astype("datetime64[D]")
    rows.insert(min(2, len(rows)), ("this year", whole.dates >= year, 1.0))
    years = float((last - whole.dates[0]).astype(np.int64)) / 365.25
    rows.append((f"since {whole.dates[0]}", np.ones(len(whole.dates), dtype=np.bool_), years))
    lines = []
    for label, days, length in rows:
        own = _yearly(whole.returns[days], length)
        cells = [label, f"{own:+.2%}"]
        if whole.benchmark is not None:
            other = _yearly(whole.benchmark[days], length)
            cells += [f"{other:+.2%}", f"{own - other:+.2%}"]
        lines.append(tuple(cells))
    columns = ("", whole.name) if whole.benchmark is None else ("", whole.name, benchmark, "difference")
    return Table(title=f"{whole.name}: returns after costs", columns=columns, groups=(Rows(rows=tuple(lines)),))


def grid(split: Breakdown) -> Table:
    """Rows by effects, with sums."""
    effects, total = list(dict.fromkeys(split.effects)), split.by_row()
    sums = split.by_effect()
    form = signed([split.total, *sums.values(), *total.values()])
    lines = []
    for row in dict.fromkeys(split.rows):
        cells = [split.cell(row, effect) for effect in effects]
        lines.append((row, *(form.format(value) if value else "–" for value in cells), form.format(total[row])))
    lines.append(("all", *(form.format(sums[effect]) for effect in effects), form.format(split.total)))
    return Table(columns=("", *effects, "sum"), groups=(Rows(rows=tuple(lines)),), dense=len(lines) > 14)


def segments(found: SegmentAttribution) -> Table:
    """Part of the return, and what the days were like."""
    parts = found.breakdown.by_row()
    form = signed([found.breakdown.total, *parts.values()])
    own = signed(segment.compounded for segment in found.segments.values())
    lines = tuple(
        (
            label,
            form.format(parts[label]),
            own.format(segment.compounded),
            str(segment.days),
            shown(segment.volatility, ".1%"),
            f"{segment.hit_rate:.0%}",
        )
        for label, segment in found.segments.items()
    )
    sums = ("all", form.format(found.breakdown.total), "", str(sum(s.days for s in found.segments.values())), "", "")
    columns = ("", "part of the return", "compounded", "days", "volatility", "days with a gain")
    return Table(columns=columns, groups=(Rows(rows=(*lines, sums)),), dense=True)


def factors(found: FactorAttribution) -> Table:
    """Exposure, return and risk by factor."""
    split, n_factors = found.breakdown, found.exposures.shape[1]
    form = signed([split.total, *split.linked.tolist()])
    lines = []
    for i, row in enumerate(split.rows):
        exposure = f"{found.exposures[:, i].mean():+.2f}" if i < n_factors else ""
        lines.append(
            (
                row,
                exposure,
                form.format(split.linked[i]),
                shown(float(found.t[i]), "+.1f"),
                f"{found.volatility[i]:.2%}",
                shown(float(found.correlation[i]), "+.2f"),
                f"{found.risk[i]:+.2%}",
            )
        )
    lines.append(("all", "", form.format(split.total), "", "", "", f"{found.risk.sum():.2%}"))
    columns = ("", "mean exposure", "return", "t", "volatility", "correlation", "risk")
    return Table(columns=columns, groups=(Rows(rows=tuple(lines)),), dense=True)


def strategies(found: StrategyAttribution) -> Table:
    """The requirement's table."""
    split, lines = found.breakdown, []
    form = signed([split.total, *found.contribution.values()])
    for name, value in found.contribution.items():
        effects = (split.cell(name, effect) for effect in ("benchmark", "selection", "allocation", "interaction"))
        weight = f"{found.average_weight[name]:.1%}" if name in found.average_weight else "–"
        swing = f"{found.weight_volatility[name]:.1%}" if name in found.weight_volatility else "–"
        lines.append((name, form.format(value), *(form.format(e) if e else "–" for e in effects), weight, swing))
    lines.append(("all", form.format(split.total), "", "", "", "", "", ""))
    columns = (
        "",
        "contribution",
        "policy",
        "selection",
        "allocation",
        "interaction",
        "average weight",
        "weight volatility",
    )
    return Table(columns=columns, groups=(Rows(rows=tuple(lines)),), dense=True)


def months(dates: Dates, returns: Float) -> Table:
    """Years by months, in per cent, the latest year first."""
    found = month_grid(dates, returns)
    lines = tuple(
        (str(year), *(shown(float(value) * 100, "+.1f") for value in row), f"{total:+.1%}")
        for year, row, total in reversed(list(zip(found.years, found.months, found.totals.tolist(), strict=True)))
    )
    return Table(columns=("", *_MONTHS, "year"), groups=(Rows(rows=lines),), dense=True)


def drawdowns(found: Sequence[Drawdown]) -> Table:
    """Start, trough and recovery of each fall."""
    lines = tuple(
        (
            f"{each.depth:.1%}",
            str(each.start),
            str(each.trough),
            "not yet" if each.recovery is None else str(each.recovery),
            str(each.periods),
        )
        for each in found
    )
    return Table(columns=("depth", "high", "trough", "recovered", "days"), groups=(Rows(rows=lines),))


def ends(best: Sequence[Period], worst: Sequence[Period]) -> Table:
    """The best and the worst periods side by side."""
    lines = tuple((a.label, f"{a.total:+.1%}", b.label, f"{b.total:+.1%}") for a, b in zip(best, worst, strict=True))
    columns = (Column(title="best"), "return", Column(title="worst"), "return")
    return Table(columns=columns, groups=(Rows(rows=lines),))


def named(values: Mapping[str, float]) -> Table:
    """All measures, those against the benchmark in a group of their own."""
    own = [(name, value) for name, value in values.items() if not name.startswith("vs_")]
    other = [(name.removeprefix("vs_"), value) for name, value in values.items() if name.startswith("vs_")]
    groups = [Rows(rows=tuple(_pairs(own)))]
    if other:
        groups.append(Rows(title="Against the benchmark", rows=tuple(_pairs(other))))
    columns = (Column(title="", text=True), "", Column(title="", text=True), "")
    return Table(columns=columns, groups=tuple(groups), dense=True)


def coverage(found: Sequence[Coverage]) -> Table:
    """How often bands held what they promise."""
    lines = []
    for each in found:
        shares = [
            Cell(text=f"{share:.1%}", below=f"{interval.low:.0%} to {interval.high:.0%}")
            for share, interval in zip(each.covered, each.intervals, strict=True)
        ]
        hit = f"{each.hit_rate:.0%} / {each.base_rate:.0%}" if math.isfinite(each.hit_rate) else "–"
        lines.append((f"{each.quantity}, {each.days} ahead", str(each.n), *shares, f"{each.pinball:.3%}", hit))
    bands = tuple(f"in the {band:.0%} band" for band in BANDS)
    columns = ("", "forecasts", *bands, "pinball loss", "direction / base rate")
    return Table(columns=columns, groups=(Rows(rows=tuple(lines)),), dense=True)


def right_so_far(found: Sequence[Coverage], *, periods_per_year: int = TRADING_DAYS) -> str:
    """One sentence on how often the outlook was right; empty where nothing was measured."""
    of_returns = [each for each in found if each.quantity == "return"]
    if not of_returns:
        return ""
    each = min(of_returns, key=lambda one: abs(one.days - periods_per_year // 12))
    interval = each.hit_interval
    within = "" if interval is None else f" ({interval.low:.0%} to {interval.high:.0%})"
    unit = "weeks" if periods_per_year == WEEKS else "days"
    return (
        f"Made {each.n} times along this record, the 95 % band over {each.days} {unit} held {each.covered[-1]:.1%} of "
        f"outcomes. The likelier direction came in {each.hit_rate:.0%}{within}; always naming the more frequent one, "
        f"{each.base_rate:.0%}."
    )


def largest(parts: Mapping[str, float], most: int) -> tuple[list[str], list[float]]:
    """The parts of largest size, largest first; the others as one row that says how many they are."""
    ordered = sorted(parts.items(), key=lambda item: -abs(item[1]))
    names, values = [name for name, _ in ordered[:most]], [value for _, value in ordered[:most]]
    if rest := ordered[most:]:
        names.append(f"{len(rest)} smaller ones")
        values.append(sum(value for _, value in rest))
    return names, values


def _pairs(values: Sequence[tuple[str, float]]) -> list[tuple[str, ...]]:
    """Two measures a line."""
    cells = [(name.replace("_", " "), _formatted(name, value)) for name, value in values]
    half = -(-len(cells) // 2)
    return [cells[i] + (cells[half + i] if half + i < len(cells) else ("", "")) for i in range(half)]


def _formatted(name: str, value: float) -> str:
    if math.isinf(value):
        return "never"
    if name.endswith(("_days", "n_days")):
        return shown(value, ",.0f")
    percent = any(word in name for word in _PERCENT) and not name.endswith(
        ("ratio", "sharpe_error", "beta_error", "_t")
    )
    return shown(value, ".2%" if percent else ".3g")


def _yearly(returns: Float, years: float) -> float:
    total = compounded(returns)
    return (1 + total) ** (1 / years) - 1 if years > 1 and total > -1 else total


def _months_before(day: np.datetime64, months: int) -> np.datetime64:
    month = day.astype("datetime64[M]")
    into = day - month.astype("datetime64[D]")
    start = (month - np.timedelta64(months, "M")).astype("datetime64[D]") + into
    return np.datetime64(start, "D")
