"""The report of a study of portfolios."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantray.analytics import figures
from quantray.analytics.page import Cell, Column, Page, Rows, Section, Table, chart
from quantray.analytics.snapshot import Snapshot
from quantray.analytics.summary import accounts_table
from quantray.analytics.track import TrackRecord
from quantray.research.market import MarketData
from quantray.studies.portfolios.quality import quality_section

__all__ = ["ReportInput", "delisting_note", "portfolio_page"]

Metrics = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ReportInput:
    """All that a report shows."""

    title: str
    meta: str
    span: str
    """Of the days of the accounts."""
    records: tuple[TrackRecord, ...]
    metrics: Metrics
    """Record name -> metric -> value, those against the benchmark with the prefix ``vs_``."""
    benchmark: str
    data: MarketData
    snapshot: Snapshot | None
    """None where there was nothing to see."""
    delisting_return: float = 0.0
    """What the accounts booked where the data hold no delisting return."""
    risk_free: str = ""
    """Name of the series that ratios are in excess of, where the settings have one."""
    risk: tuple[Section, ...] = ()
    """Sections of risk, where the settings ask for them."""


@dataclass(frozen=True)
class _Row:
    """One line of the metric table."""

    label: str
    key: str
    form: str
    best: str = ""
    """``high`` or ``low`` where one end is better."""
    hint: str = ""


_ROWS: tuple[tuple[str, tuple[_Row, ...]], ...] = (
    (
        "Return",
        (
            _Row("Annual return", "annual_return", "{:.2%}", "high", "geometric, after costs"),
            _Row("Total return", "total_return", "{:.1%}", "high"),
            _Row("Hit rate", "hit_rate", "{:.1%}", "high", "share of days with a gain"),
        ),
    ),
    (
        "Risk",
        (
            _Row("Annual volatility", "annual_volatility", "{:.2%}", "low"),
            _Row("Maximum drawdown", "max_drawdown", "{:.1%}", "low"),
            _Row(
                "Longest drawdown (trading days)", "max_drawdown_days", "{:,.0f}", "low", "from a high to its recovery"
            ),
            _Row("Daily value at risk, 95 %", "daily_var_95", "{:.2%}", "low", "historical"),
            _Row("Daily expected shortfall, 95 %", "daily_es_95", "{:.2%}", "low"),
            _Row("Skewness", "skewness", "{:.2f}"),
            _Row("Excess kurtosis", "excess_kurtosis", "{:.1f}"),
        ),
    ),
    (
        "Return for risk",
        (
            _Row("Sharpe ratio", "sharpe", "{:.2f}", "high"),
            _Row("its standard error", "sharpe_error", "± {:.2f}", "", "Mertens, allowing for skewness and kurtosis"),
            _Row(
                "Years until it is above 0 with 95 %",
                "minimum_track_record",
                "{:.1f}",
                "low",
                "minimum track record (Bailey and Lopez de Prado)",
            ),
            _Row("Sortino ratio", "sortino", "{:.2f}", "high"),
            _Row("Calmar ratio", "calmar", "{:.2f}", "high", "annual return over maximum drawdown"),
        ),
    ),
    (
        "Against the benchmark",
        (
            _Row("Beta", "vs_beta", "{:.2f}"),
            _Row("Volatility ratio", "vs_volatility_ratio", "{:.2f}", "low"),
            _Row("Tracking error", "vs_tracking_error", "{:.2%}"),
            _Row("Information ratio", "vs_information_ratio", "{:.2f}", "high"),
        ),
    ),
    (
        "Trading and concentration",
        (
            _Row("Annual turnover", "annual_turnover", "{:.0%}", "low", "one-way: half of all money traded, over NAV"),
            _Row("Turnover taken back", "unnecessary_turnover", "{:.0%}", "low", "within three rebalances"),
            _Row("Annual trading cost", "annual_cost", "{:.2%}", "low"),
            _Row("Names held", "mean_names", "{:,.0f}"),
            _Row("Effective names", "mean_effective_names", "{:,.0f}", "high", "one over the sum of squared weights"),
            _Row("Effective bets", "effective_bets", "{:,.1f}", "high", "uncorrelated, at the last trade (Meucci)"),
            _Row("Largest weight", "largest_weight", "{:.1%}", "low"),
        ),
    ),
)


def portfolio_page(content: ReportInput) -> Page:
    """The report."""
    records = content.records
    excess = f"Ratios are in excess of {content.risk_free}. " if content.risk_free else ""
    sections = [
        Section(
            title="Results",
            note="Out of sample and after trading costs. The benchmark is "
            f"{content.benchmark}; the best of each row is bold. {excess}"
            f"{delisting_note(records, content.delisting_return)}",
            parts=(_table(content),),
        ),
        chart("Growth and drawdown", figures.growth(records, content.benchmark)),
        chart("Year by year", figures.years(records)),
        chart("Rolling risk", figures.rolling(records)),
        chart("Weights over time", figures.weights(records, content.data.sectors)),
        chart("Concentration", figures.concentration(records)),
        chart("Turnover and costs", figures.trading(records)),
    ]
    if content.snapshot is not None:
        sections.append(chart("Where the risk comes from", figures.risk(content.snapshot)))
        sections.append(chart("Under the efficient frontier", figures.frontier(content.snapshot, records)))
    sections += content.risk
    return Page(
        title=content.title,
        meta=content.meta,
        headline=_headline(content),
        warnings=_warnings(content),
        sections=(*sections, quality_section(content.data.quality)),
        summary=accounts_table(f"{content.title}: {content.span}, after costs", content.metrics),
    )


def delisting_note(records: Sequence[TrackRecord], delisting_return: float) -> str:
    """What was booked on holdings that ended because their asset stopped trading.

    Parameters
    ----------
    delisting_return : the accounting's, for those of which the data hold none.
    """
    if not any(record.delistings.total for record in records):
        return "No portfolio held an asset until it was delisted."
    counts = (f"{record.name} {record.delistings.recorded} / {record.delistings.assumed}" for record in records)
    return (
        "Holdings that ended with a delisting, at the return in the data / at accounting.delisting_return, which is "
        f"{delisting_return:.0%}: {', '.join(counts)}."
    )


def _with_bets(content: ReportInput) -> Metrics:
    """The metrics with the effective bets of the snapshot."""
    if content.snapshot is None:
        return content.metrics
    bets = {name: {"effective_bets": holding.effective_bets} for name, holding in content.snapshot.holdings.items()}
    return {name: {**values, **bets.get(name, {})} for name, values in content.metrics.items()}


def _headline(content: ReportInput) -> str:
    """What the study found, in one sentence."""
    names = [record.name for record in content.records]
    calmest = min(names, key=lambda name: content.metrics[name]["annual_volatility"])
    ratio = content.metrics[calmest]["vs_volatility_ratio"]
    best = max(names, key=lambda name: content.metrics[name]["sharpe"])
    least = f"{calmest} was least volatile"
    if calmest != content.benchmark:
        least += f", {1 - ratio:.0%} below {content.benchmark}"
    sharpe, error = content.metrics[best]["sharpe"], content.metrics[best]["sharpe_error"]
    return f"{least}; {best} had the highest Sharpe ratio ({sharpe:.2f} ± {error:.2f})."


def _warnings(content: ReportInput) -> tuple[str, ...]:
    found = content.data.survivors(
        "returns of all portfolios are biased upward. Compare them with one another, not with an index"
    )
    sharpes = [(values["sharpe"], values["sharpe_error"]) for values in content.metrics.values()]
    spread = max(s for s, _ in sharpes) - min(s for s, _ in sharpes)
    if len(sharpes) > 1 and spread < 2 * max(e for _, e in sharpes):
        found += ("The Sharpe ratios differ by less than two of their standard errors.",)
    return found


def _table(content: ReportInput) -> Table:
    """Metrics by portfolio, the best of each row marked."""
    names, metrics = [record.name for record in content.records], _with_bets(content)
    weekly, colours = content.records[0].is_weekly, figures.colours(content.records)
    said = {"Daily": "Weekly", "trading days": "weeks", "share of days": "share of weeks"} if weekly else {}
    dense = len(names) > 5
    groups = []
    for group, rows in _ROWS:
        lines = []
        for row in rows:
            values = [metrics[name].get(row.key, math.nan) for name in names]
            finite = [value for value in values if math.isfinite(value)]
            top = None
            if row.best and len(set(finite)) > 1:
                top = max(finite) if row.best == "high" else min(finite)
            label = Cell(text=_reworded(row.label, said), hint="" if dense else _reworded(row.hint, said))
            cells = [Cell(text=row.form.format(v) if math.isfinite(v) else "–", best=v == top) for v in values]
            lines.append((label, *cells))
        groups.append(Rows(title=group, rows=tuple(lines)))
    columns = ("", *(Column(title=name, colour=colours[name]) for name in names))
    return Table(columns=columns, groups=tuple(groups), dense=dense)


def _reworded(text: str, said: Mapping[str, str]) -> str:
    for word, other in said.items():
        text = text.replace(word, other)
    return text
