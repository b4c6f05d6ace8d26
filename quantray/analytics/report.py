"""The report: one self-contained HTML file that opens offline."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantray.analytics import figures
from quantray.analytics.pages import render_page
from quantray.analytics.snapshot import Snapshot
from quantray.analytics.track import TrackRecord
from quantray.data.quality import QualityReport

__all__ = ["ReportInput", "delisting_note", "render"]

Metrics = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ReportInput:
    """All that a report shows."""

    title: str
    about: Mapping[str, object]
    """Facts of the run: data, dates, digest, versions, seconds."""
    settings: Mapping[str, str]
    """Flattened settings."""
    records: tuple[TrackRecord, ...]
    metrics: Metrics
    """Record name -> metric -> value, those against the benchmark with the prefix ``vs_``."""
    benchmark: str
    sectors: Mapping[str, str]
    snapshot: Snapshot | None
    """None where there was nothing to see."""
    quality: tuple[QualityReport, ...]
    delisting_return: float = 0.0
    """What the accounts booked where the data hold no delisting return."""


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

_SURVIVORS = 0.01
"""Below this share of names lost per year a universe holds survivors: of US listings some 5 % leave each year."""


def render(content: ReportInput) -> str:
    """The report as HTML."""
    charts = [
        ("Growth and drawdown", figures.growth(content.records, content.benchmark)),
        ("Year by year", figures.years(content.records)),
        ("Rolling risk", figures.rolling(content.records)),
        ("Weights over time", figures.weights(content.records, content.sectors)),
        ("Concentration", figures.concentration(content.records)),
        ("Turnover and costs", figures.trading(content.records)),
    ]
    if content.snapshot is not None:
        charts.append(("Where the risk comes from", figures.risk(content.snapshot)))
        charts.append(("Under the efficient frontier", figures.frontier(content.snapshot, content.records)))
    names = [record.name for record in content.records]
    values = {
        "title": content.title,
        "about": content.about,
        "headline": _headline(content),
        "warnings": _warnings(content),
        "delistings": delisting_note(content.records, content.delisting_return),
        "names": names,
        "benchmark": content.benchmark,
        "table": _table(_with_bets(content), names, weekly=content.records[0].is_weekly),
        "charts": [(name, shown.note, figures.to_html(shown, f"chart{i}")) for i, (name, shown) in enumerate(charts)],
        "quality": content.quality,
        "settings": content.settings,
        "colours": figures.colours(content.records),
    }
    return render_page("report.html.j2", values)


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


def _warnings(content: ReportInput) -> list[str]:
    found = []
    exits = content.about.get("yearly_exits")
    if isinstance(exits, float) and exits < _SURVIVORS:
        found.append(
            f"Only {exits:.1%} of the names leave the data per year, so it holds survivors: returns of all portfolios "
            "are biased upward. Compare them with one another, not with an index."
        )
    sharpes = [(values["sharpe"], values["sharpe_error"]) for values in content.metrics.values()]
    spread = max(s for s, _ in sharpes) - min(s for s, _ in sharpes)
    if len(sharpes) > 1 and spread < 2 * max(e for _, e in sharpes):
        found.append("The Sharpe ratios differ by less than two of their standard errors.")
    return found


def _table(
    metrics: Metrics, names: list[str], *, weekly: bool = False
) -> list[tuple[str, list[tuple[str, str, list[tuple[str, bool]]]]]]:
    """Groups of (label, hint, cells), each cell with its text and whether it is the best of its row."""
    said = {"Daily": "Weekly", "trading days": "weeks", "share of days": "share of weeks"} if weekly else {}
    groups = []
    for group, rows in _ROWS:
        lines = []
        for row in rows:
            values = [metrics[name].get(row.key, math.nan) for name in names]
            finite = [value for value in values if math.isfinite(value)]
            top = None
            if row.best and len(set(finite)) > 1:
                top = max(finite) if row.best == "high" else min(finite)
            cells = [(row.form.format(v) if math.isfinite(v) else "–", v == top) for v in values]
            lines.append((_reworded(row.label, said), _reworded(row.hint, said), cells))
        groups.append((group, lines))
    return groups


def _reworded(text: str, said: Mapping[str, str]) -> str:
    for word, other in said.items():
        text = text.replace(word, other)
    return text
