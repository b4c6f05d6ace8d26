"""A record's report for a reader: the client, the portfolio manager or the risk officer.

A client sees what was earned, why, and what may come; a manager every dimension; a risk officer what can be lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics import reader_tables as tables
from quantray.analytics.attribution.attribute import Attribution
from quantray.analytics.attribution.breakdown import Breakdown
from quantray.analytics.attribution.linking import compounded
from quantray.analytics.coverage import Coverage
from quantray.analytics.drawdowns import drawdown_table, underwater
from quantray.analytics.drawing import bars, fan, lines, waterfall
from quantray.analytics.measures import Basis, measures
from quantray.analytics.metrics import performance
from quantray.analytics.outlook import Outlook
from quantray.analytics.page import Note, Page, Section
from quantray.analytics.periods import extremes, rolling_volatility
from quantray.arrays import TRADING_DAYS, WEEKS, Dates, Float
from quantray.errors import InputError
from quantray.settings import nearest

__all__ = ["PERIODS", "READERS", "ReaderInput", "period_start", "reader_page"]

READERS = ("client", "manager", "risk")
PERIODS = ("day", "week", "month", "quarter", "year", "inception")

_FEWEST = 3
"""Returns below which a record has no measures."""
_MOST_ROWS = 40
"""Of a split by time on the page, such as that by quarter of a long record; the files beside it hold all of them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReaderInput:
    """All that a report for a reader is made of."""

    title: str
    meta: str
    reader: str
    """One of ``READERS``."""
    period: str
    """One of ``PERIODS``."""
    whole: Attribution
    """Since inception."""
    recent: Attribution
    """Of the period; the same where that is inception."""
    benchmark: str = ""
    """Its name, and whether its returns include dividends; empty without one."""
    risk_free: float | Float = 0.0
    """Simple yearly rate of cash, or (T,) its returns since inception."""
    periods_per_year: int = TRADING_DAYS
    outlook: Outlook | None = None
    coverage: Sequence[Coverage] = ()
    warnings: tuple[str, ...] = ()


def period_start(dates: Dates, period: str) -> np.datetime64:
    """The day before the last period of a record begins; that before its first day since inception.

    Raises
    ------
    InputError
        The period is unknown.
    """
    if period not in PERIODS:
        raise InputError(f"period {period!r} is unknown;{nearest(period, list(PERIODS))} take {', '.join(PERIODS)}.")
    day, last = np.timedelta64(1, "D"), np.asarray(dates)[-1].astype("datetime64[D]")
    if period == "inception":
        last = np.asarray(dates)[0].astype("datetime64[D]")
    elif period == "week":
        last = last - np.timedelta64(int((last.astype(np.int64) + 3) % 7), "D")
    elif period != "day":
        last = _first_of(last, period)
    return np.datetime64(last - day, "D")


def _first_of(day: np.datetime64, period: str) -> np.datetime64:
    month = day.astype("datetime64[M]")
    back = {"month": 0, "quarter": int(month.astype(np.int64)) % 3, "year": int(month.astype(np.int64)) % 12}[period]
    return np.datetime64(month - np.timedelta64(back, "M"), "D")


def reader_page(content: ReaderInput) -> Page:
    """The report.

    Raises
    ------
    InputError
        The reader is unknown, or the record has fewer than three returns.
    """
    if content.reader not in READERS:
        raise InputError(
            f"reader {content.reader!r} is unknown;{nearest(content.reader, list(READERS))} take {', '.join(READERS)}."
        )
    if len(content.whole.returns) < _FEWEST:
        raise InputError(f"{content.whole.name} has {len(content.whole.returns)} returns; a report needs {_FEWEST}.")
    sections = {"client": _client, "manager": _manager, "risk": _risk}[content.reader](content)
    own = performance(content.whole.returns, periods_per_year=content.periods_per_year)
    return Page(
        title=content.title,
        meta=content.meta,
        headline=_headline(content),
        warnings=content.warnings,
        findings=_findings(content, own.max_drawdown),
        sections=tuple(section for section in sections if section.parts),
        summary=tables.horizons(content.whole, content.benchmark),
    )


def _client(content: ReaderInput) -> list[Section]:
    return [
        _returns(content),
        _growth(content),
        _what_made_it(content),
        _months(content),
        _falls(content, most=3),
        _ahead(content, full=False),
    ]


def _manager(content: ReaderInput) -> list[Section]:
    left_out = ("By rebalancing period", "By month", "Contributions", "Sectors", "Factors")
    shown = [
        split
        for title, split in content.recent.dimensions.items()
        if title not in left_out and (title not in content.recent.segments or len(split.rows) <= _MOST_ROWS)
    ]
    return [
        _returns(content),
        _growth(content),
        _what_made_it(content),
        _against(content),
        _factors(content),
        *(_dimension(content, split) for split in shown),
        _months(content),
        _falls(content, most=10),
        _measures(content),
        _ahead(content, full=True),
    ]


def _risk(content: ReaderInput) -> list[Section]:
    return [
        _volatility(content),
        _falls(content, most=10),
        _worst(content),
        _factors(content),
        *(_dimension(content, content.recent.dimensions[t]) for t in ("By regime", "Execution") if _has(content, t)),
        _measures(content),
        _ahead(content, full=True),
    ]


def _has(content: ReaderInput, title: str) -> bool:
    return title in content.recent.dimensions


def _headline(content: ReaderInput) -> str:
    recent, whole = content.recent, content.whole
    days = f"{recent.dates[0]} to {recent.dates[-1]}" if len(recent.dates) > 1 else str(recent.dates[0])
    other = 0.0 if recent.benchmark is None else compounded(recent.benchmark)
    form = tables.signed((recent.total, other))
    said = f"{whole.name} returned {form.format(recent.total)} from {days}"
    if recent.benchmark is not None:
        more = recent.total - other
        size = form.replace("+", "").format(abs(more))
        said += f", {size} {'more' if more >= 0 else 'less'} than {content.benchmark} ({form.format(other)})"
    if content.period == "inception":
        return f"{said}, after all costs."
    since = tables.signed([whole.total]).format(whole.total)
    return f"{said}, after all costs. Since {whole.dates[0]} it returned {since}."


def _findings(content: ReaderInput, depth: float) -> tuple[str, ...]:
    found = []
    split = content.recent.dimensions.get("Contributions")
    if split is not None:
        parts = sorted(split.by_row().items(), key=lambda item: item[1])
        (most, best), (least, worst) = parts[-1], parts[0]
        form = tables.signed((best, worst))
        found.append(f"Most came from {most} ({form.format(best)}); least from {least} ({form.format(worst)}).")
    cost = content.recent.dimensions.get("Execution")
    if cost is not None:
        lost = sum(value for row, value in cost.by_row().items() if row != "before trading")
        found.append(f"Trading took {-lost:.2%}.")
    found.append(f"The deepest fall below an earlier high was {depth:.1%}.")
    rounding = "" if content.reader == "client" else f"; the largest rounding is {content.recent.largest_gap:.0e}"
    found.append(f"Every split below adds up to the return{rounding}.")
    return tuple(found)


def _returns(content: ReaderInput) -> Section:
    return Section(
        title="Returns",
        note="After costs; periods over a year are yearly.",
        parts=(tables.horizons(content.whole, content.benchmark),),
    )


def _growth(content: ReaderInput) -> Section:
    whole = content.whole
    series: list[tuple[str, Float]] = [(whole.name, _wealth(whole.returns))]
    if whole.benchmark is not None:
        series.append((content.benchmark, _wealth(whole.benchmark)))
    drawn = lines(whole.dates, series, label="growth of one unit of money")
    return Section(title="Growth of 1", note="Dividends and costs included.", parts=(drawn,))


def _wealth(returns: Float) -> Float:
    return np.asarray(np.cumprod(1 + returns), dtype=np.float64)


def _what_made_it(content: ReaderInput) -> Section:
    split = content.recent.dimensions.get("Contributions") or content.recent.dimensions.get("Strategies")
    if split is None:
        return Section(title="What made the return")
    form = tables.signed([split.total])
    names, values = tables.largest({row: value for row, value in split.by_row().items() if value}, 14)
    drawn = waterfall(names, values, total=("return", split.total), label="contributions to the return", form=form)
    notes = tuple(Note(text=note) for note in split.notes)
    return Section(title="What made the return", note="Each part in per cent of capital.", parts=(drawn, *notes))


def _against(content: ReaderInput) -> Section:
    split = content.recent.dimensions.get("Sectors")
    if split is None:
        why = content.recent.absent.get("Sectors", "")
        return Section(title="Against the benchmark", parts=(Note(text=f"Not split by sector: {why}."),))
    effects = split.by_effect()
    base = compounded(content.recent.benchmark) if content.recent.benchmark is not None else 0.0
    drawn = waterfall(
        list(effects),
        list(effects.values()),
        start=(content.benchmark or "benchmark", base),
        total=("return", content.recent.total),
        label="from the benchmark's return to the portfolio's",
        form=tables.signed((base, content.recent.total)),
    )
    note = f"Brinson-Fachler from daily holdings, linked by {split.method}; trading is costs, less the benchmark's."
    return Section(title="Against the benchmark", note=note, parts=(drawn, tables.grid(split)))


def _dimension(content: ReaderInput, split: Breakdown) -> Section:
    segments = content.recent.segments.get(split.title)
    if segments is not None:
        parts = (tables.segments(segments),)
        note = "Parts add up to the return; the days of a row compound to what stands beside it."
        return Section(title=split.title, note=note, parts=parts)
    if content.recent.strategies is not None and split.title == "Strategies":
        return Section(title=split.title, parts=(tables.strategies(content.recent.strategies),))
    names, values = tables.largest(split.by_row(), 20)
    form = tables.signed(values)
    return Section(title=split.title, parts=(bars(names, values, label=f"return {split.title}", form=form),))


def _factors(content: ReaderInput) -> Section:
    found = content.recent.factors
    if found is None:
        return Section(title="Factors")
    note = "Yesterday's exposures times today's factor returns. Risk is volatility times correlation, and adds up."
    return Section(title="Factors", note=note, parts=(tables.factors(found),))


def _months(content: ReaderInput) -> Section:
    grid = tables.months(content.whole.dates, content.whole.returns)
    return Section(title="Month by month", note="In per cent; the first and last may be incomplete.", parts=(grid,))


def _falls(content: ReaderInput, most: int) -> Section:
    whole = content.whole
    found = drawdown_table(whole.dates, whole.returns, most=most)
    drawn = lines(whole.dates, [("below the high", -underwater(whole.returns))], label="drawdown", form="{:.0%}")
    return Section(title="Falls below an earlier high", parts=(drawn, tables.drawdowns(found)) if found else ())


def _worst(content: ReaderInput) -> Section:
    best, worst = extremes(content.whole.dates, content.whole.returns, "month", 5)
    return Section(title="Best and worst months", parts=(tables.ends(best, worst),))


def _volatility(content: ReaderInput) -> Section:
    whole, year = content.whole, content.periods_per_year
    window = min(63, max(len(whole.returns) // 3, 2))
    series: list[tuple[str, Float]] = [(whole.name, rolling_volatility(whole.returns, window, periods_per_year=year))]
    if whole.benchmark is not None:
        series.append((content.benchmark, rolling_volatility(whole.benchmark, window, periods_per_year=year)))
    drawn = lines(whole.dates, series, label="rolling volatility", form="{:.0%}")
    return Section(title="Volatility", note=f"Yearly, over {window} days.", parts=(drawn,))


def _measures(content: ReaderInput) -> Section:
    basis = Basis(
        risk_free=content.risk_free,
        benchmark=content.whole.benchmark,
        dates=content.whole.dates,
        periods_per_year=content.periods_per_year,
    )
    found = measures(content.whole.returns, basis)
    rate = float(np.mean(content.risk_free)) * (content.periods_per_year if np.ndim(content.risk_free) else 1)
    excess = f" Ratios of excess returns are over cash at {rate:.2%} a year." if rate else ""
    note = f"Since inception; yearly where that has a meaning.{excess}"
    return Section(title="Measures", note=note, parts=(tables.named(found),))


def _ahead(content: ReaderInput, *, full: bool) -> Section:
    if content.outlook is None:
        return Section(title="What may come")
    horizons = content.outlook.horizons
    grid = np.array([horizon.quantiles["return"][-1] for horizon in horizons])
    unit = "w" if content.periods_per_year == WEEKS else "d"
    drawn = fan(
        [horizon.days for horizon in horizons], grid, label="bands of 50, 80 and 95 % of returns ahead", unit=unit
    )
    sentence = tables.right_so_far(content.coverage, periods_per_year=content.periods_per_year)
    parts = (drawn, Note(text=sentence)) if sentence else (drawn,)
    if full and content.coverage:
        parts = (*parts, tables.coverage(content.coverage))
    note = "Bands that hold 50, 80 and 95 % of outcomes, if the days ahead are like those past. Not a promise."
    return Section(title="What may come", note=note, parts=parts)
