"""The risk report as a page that opens offline."""

from collections.abc import Iterator, Mapping, Sequence

from quantray.analytics.page import Cell, Column, Note, Page, Rows, Section, Table, chart, shown
from quantray.errors import InputError
from quantray.risk.reporting import figures
from quantray.risk.reporting.sections import LimitState, RiskReport, ScenarioLoss

__all__ = ["joint_page", "risk_page", "risk_summary"]

_MOST_ROWS = 50
"""Positions and groups that the page lists; JSON holds all."""
_MOST_WARNINGS = 6
_SHOWN_DAYS = (1, 5, 20)
_LEVELS = (0.95, 0.99)


def risk_page(report: RiskReport, *, title: str = "Risk", about: str = "") -> Page:
    """The page of a report.

    Parameters
    ----------
    about : what the book is, for the line under the title.
    """
    meta = [about] if about else []
    meta += [report.date, f"{report.n_positions:,} positions", f"NAV {report.nav:,.0f} {report.currency}"]
    return Page(
        title=title,
        meta=" · ".join(meta),
        headline=_headline(report),
        warnings=(*_broken([use for use in report.limits if use.state == "hard"]), *_uncounted(report.uncounted)),
        findings=report.marks,
        sections=tuple(_sections(report)),
        summary=risk_summary({"": report}, title),
    )


def risk_summary(reports: Mapping[str, RiskReport], title: str = "Risk") -> Table:
    """The main numbers of one book or of several of one day, as a terminal shows them."""
    columns = [list(_main(report)) for report in reports.values()]
    labels = dict.fromkeys(label for column in columns for label, _ in column)
    values = [dict(column) for column in columns]
    rows = tuple((label, *(column.get(label, "–") for column in values)) for label in labels)
    days = ", ".join(dict.fromkeys(report.date for report in reports.values()))
    return Table(
        title=f"{title}, {days}; of NAV", columns=("", *reports), groups=(Rows(rows=rows),), dense=len(reports) > 1
    )


def joint_page(reports: Mapping[str, RiskReport], *, title: str, about: str) -> Page:
    """One page of the reports of several books: side by side, then one after the other.

    Raises
    ------
    InputError
        There is none.
    """
    if not reports:
        raise InputError("there is no report to show; assess a book first.")
    pages = {name: risk_page(report, title=name) for name, report in reports.items()}
    if len(pages) == 1:
        (page,) = pages.values()
        return page.model_copy(update={"title": title, "meta": f"{about} · {page.meta}"})
    summary = risk_summary(reports, title)
    together = Section(title="Side by side", parts=(summary.model_copy(update={"title": ""}),))
    each = [
        section.model_copy(update={"title": f"{name}: {section.title}"})
        for name, page in pages.items()
        for section in page.sections
    ]
    return Page(
        title=title,
        meta=about,
        headline=_extremes(reports),
        warnings=tuple(f"{name}: {line}" for name, page in pages.items() for line in page.warnings),
        findings=tuple(f"{name}: {line}" for name, page in pages.items() for line in page.findings),
        sections=(together, *each),
        summary=summary,
    )


def _extremes(reports: Mapping[str, RiskReport]) -> str:
    """Which of several books may lose least and most."""
    losses = {name: report.market.estimate(_LEVELS[-1]).var for name, report in reports.items()}
    known = {name: loss for name, loss in losses.items() if loss is not None}
    if not known:
        return "No book has a past that is long enough for its value-at-risk."
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return f"On a bad day {least} loses least, {known[least]:.2%} or more, and {most} most, {known[most]:.2%} or more."


def _main(report: RiskReport) -> Iterator[tuple[str, str]]:
    liquidity, factors = report.liquidity, report.factors
    yield "Gross, net exposure", f"{report.gross:.0%}, {report.net:.0%}"
    for name, level, value in _quoted(report):
        yield f"{_capital(name)} at {level:.0%}", _percent(value)
    yield "Volatility a year, by the model", f"{factors.yearly_volatility:.1%}"
    yield "Part of the variance owed to factors", f"{_factor_share(report):.0%}"
    yield "Effective names", f"{report.concentration[0].effective:,.0f} of {report.n_positions:,}"
    for day, share in zip(liquidity.horizons, liquidity.sold, strict=True):
        if day in _SHOWN_DAYS:
            yield f"Sold within {day} day{'s' * (day > 1)}", f"{share:.0%}"
    yield "Cost of selling all", f"{liquidity.cost:.2%}"
    for each in report.stress:
        yield f"Lost in {_words(each.name)}", _percent(each.loss, ".1%")
    yield "Limits passed: hard, soft; unknown", _passed(report.limits)


def _sections(report: RiskReport) -> Iterator[Section]:
    if report.limits:
        drawn = chart("Limits", figures.gauges(report.limits))
        yield drawn.model_copy(update={"parts": (*drawn.parts, _limits(report.limits))})
    yield _losses(report)
    if report.gross > 0:
        drawn = chart("What adds to the risk", figures.contributions(report))
        yield drawn.model_copy(update={"parts": (*drawn.parts, _groups(report))})
        yield chart("Factors and names", figures.risk_tree(report.factors))
    if report.stress:
        drawn = chart("Scenarios", figures.scenario_losses(report.stress))
        yield drawn.model_copy(update={"parts": (*drawn.parts, _scenarios(report.stress))})
    yield _liquidity(report)
    yield Section(title="Concentration", parts=(_concentration(report),))
    if report.backtest is not None:
        drawn = chart("Were such forecasts right?", figures.var_backtest(report.backtest))
        yield drawn.model_copy(update={"parts": (*drawn.parts, _tests(report))})
    yield Section(title="Positions", note=_positions_note(report), parts=(_positions(report),))


def _headline(report: RiskReport) -> str:
    said: list[str] = []
    for name, level, value in _quoted(report):
        if level == report.level and value is not None:
            said.append(f"{name} at {level:.0%} is {value:.2%} of NAV" if not said else f"{name} {value:.2%}")
    worst = max(report.stress, key=lambda each: each.loss, default=None)
    if worst is not None and worst.loss > 0:
        said.append(f"the worst scenario, {_words(worst.name)}, loses {worst.loss:.1%}")
    text = ", ".join(said) or f"Gross exposure is {report.gross:.0%}"
    return f"{_capital(text)}. {_counted(report.limits)}."


def _quoted(report: RiskReport) -> Iterator[tuple[str, float, float | None]]:
    for level in _LEVELS:
        found = report.market.estimate(level)
        yield "value-at-risk", level, found.var
        yield "expected shortfall", level, found.es


def _counted(limits: Sequence[LimitState]) -> str:
    if not limits:
        return "No limits were given"
    hard, soft, unknown = (sum(use.state == state for use in limits) for state in ("hard", "soft", "unknown"))
    more = f", {unknown} cannot be counted" if unknown else ""
    if hard + soft:
        return f"{hard} hard and {soft} soft limits are passed{more}"
    used = max((use.usage for use in limits if use.usage is not None), default=0.0)
    first = (
        f"{unknown} of {len(limits)} limits cannot be counted, the others" if unknown else f"All {len(limits)} limits"
    )
    return f"{first} are met, {used:.0%} of the tightest is used"


def _passed(limits: Sequence[LimitState]) -> str:
    if not limits:
        return "none given"
    hard, soft, unknown = (sum(use.state == state for use in limits) for state in ("hard", "soft", "unknown"))
    return f"{hard}, {soft}; {unknown}"


def _broken(passed: Sequence[LimitState]) -> tuple[str, ...]:
    said = [f"{use.name} ({use.scope}) is {use.value:.4g} and must not exceed {use.hard:.4g}." for use in passed]
    if len(said) > _MOST_WARNINGS:
        said[_MOST_WARNINGS - 1 :] = [f"{len(said) - _MOST_WARNINGS + 1} more hard limits are passed; see the table."]
    return tuple(said)


def _uncounted(unknown: Sequence[LimitState]) -> tuple[str, ...]:
    return tuple(f"{use.name} ({use.scope}) cannot be counted: {use.note}." for use in unknown)


def _limits(limits: Sequence[LimitState]) -> Table:
    rows = [
        (
            Cell(text=use.name, hint=use.note),
            use.scope,
            use.metric,
            shown(use.value, ".4g"),
            f"{use.soft:.4g}",
            f"{use.hard:.4g}",
            _percent(use.usage, ".0%"),
            use.state,
        )
        for use in limits
    ]
    columns = ("Limit", _words_column("About"), _words_column("Metric"), "Value", "Soft", "Hard", "Used", "State")
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),), dense=True, folded="All limits")


def _losses(report: RiskReport) -> Section:
    market = report.market
    methods = dict.fromkeys(each.method for each in market.estimates)
    rows: list[tuple[str | Cell, ...]] = []
    said: dict[str, None] = {}
    for method in methods:
        found = [market.estimate(level, method) for level in _LEVELS]
        said |= {f"{_capital(method)}: {each.note}": None for each in found if each.note}
        cells = [_percent(value) for each in found for value in (each.var, each.es)]
        rows.append((Cell(text=_capital(method), hint="quoted" if method == market.default else ""), *cells))
    if (drawn := report.simulation) is not None:
        cells = [_percent(value) for each in drawn.estimates for value in (each.var, each.es)]
        rows.append((f"{drawn.n_scenarios:,} scenarios, {drawn.distribution}", *cells))
    columns = ["Method"]
    columns += [f"{what} {level:.0%}" for level in _LEVELS for what in ("VaR", "ES")]
    parts: list[Table | Note] = [Table(columns=tuple(columns), groups=(Rows(rows=tuple(rows)),))]
    parts += [Note(text=line) for line in said]
    if market.trades:
        trades = tuple((each.name, f"{each.exact:+.3%}", f"{each.first_order:+.3%}") for each in market.trades)
        parts.append(
            Table(columns=("Trade", "Adds to the VaR", "To first order"), groups=(Rows(rows=trades),), dense=True)
        )
    note = f"In a day, of NAV; history is that of today's book over {market.n_days:,} days."
    return Section(title="What a bad day loses", note=note, parts=tuple(parts))


def _groups(report: RiskReport) -> Table:
    groups = []
    for kind, found in report.groups.items():
        order = sorted(found, key=lambda each: -abs(each.component_var))[:_MOST_ROWS]
        rows = tuple(
            (each.name or "none", f"{each.net:.1%}", f"{each.gross:.1%}", f"{each.component_var:.2%}") for each in order
        )
        groups.append(Rows(title=kind.capitalize(), rows=rows))
    factors = sorted(report.factors.factors, key=lambda each: -abs(each.component_var))[:_MOST_ROWS]
    loadings = tuple((each.name, f"{each.exposure:.2f}", "", f"{each.component_var:.2%}") for each in factors)
    groups.append(Rows(title="Factor (loading of the book)", rows=loadings))
    columns = ("", "Net", "Gross", f"Part of VaR {report.level:.0%}")
    return Table(columns=columns, groups=tuple(groups), dense=True, folded="By group and factor")


def _scenarios(stress: Sequence[ScenarioLoss]) -> Table:
    rows = [
        (_words(each.name), _percent(each.loss), each.source, "; ".join(each.notes))
        for each in sorted(stress, key=lambda each: -each.loss)
    ]
    columns = ("Scenario", "Loss", _words_column("Source"), _words_column("Notes"))
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),), dense=True, folded="Sizes and sources")


def _liquidity(report: RiskReport) -> Section:
    found = report.liquidity
    rows = [
        ("Half of the spread on all", f"{found.spread_cost:.3%}"),
        ("Market impact of selling all", f"{found.impact_cost:.3%}"),
        ("Longest sale of known volume", f"{found.longest:,.1f} days"),
        ("Normal value-at-risk, of a day", f"{found.var:.2%}"),
        ("With wide spreads and impact", f"{found.adjusted_var:.2%}"),
        ("Risk until all is sold, over that of a day", f"{found.multiplier:.2f}"),
    ]
    if (need := found.funding) is not None:
        when = "by no horizon" if need.days is None else f"raised within {need.days:g} days"
        rows.append(("To be funded beyond cash", f"{need.need:.2%}, {when}" if need.need > 0 else "nothing"))
    table = Table(columns=("", ""), groups=(Rows(rows=tuple(rows)),))
    positions = report.positions
    drawn = chart("How fast it can be sold", figures.ladder(found, positions.days, positions.exposure))
    return drawn.model_copy(update={"parts": (*drawn.parts, table)})


def _concentration(report: RiskReport) -> Table:
    rows = tuple(
        (
            f"By {each.of}",
            f"{each.effective:,.1f}",
            f"{each.herfindahl:.3f}",
            ", ".join(f"{name or 'none'} {share:.1%}" for name, share in each.largest[:3]),
        )
        for each in report.concentration
    )
    columns = ("", "Effective number", "Herfindahl", _words_column("Largest"))
    return Table(columns=columns, groups=(Rows(rows=rows),))


def _tests(report: RiskReport) -> Table:
    assert report.backtest is not None, "checked by the caller"
    rows = tuple(
        (
            each.name,
            f"{each.level:.0%}",
            f"{each.n_hits} of {each.n_days}",
            f"{each.statistic:.2f}",
            shown(each.p_value, ".3f"),
        )
        for each in report.backtest.tests
    )
    return Table(columns=("Test", "Level", "Hits", "Statistic", "p-value"), groups=(Rows(rows=rows),))


def _positions_note(report: RiskReport) -> str:
    if report.n_positions <= _MOST_ROWS:
        return "By what they add to the value-at-risk."
    return f"The {_MOST_ROWS} that add most to the value-at-risk, of {report.n_positions:,}."


def _positions(report: RiskReport) -> Table:
    found = report.positions
    order = sorted(range(len(found.names)), key=lambda i: -abs(found.component_var[i]))[:_MOST_ROWS]
    rows = tuple(
        (
            found.names[i],
            f"{found.exposure[i]:.2%}",
            f"{found.component_var[i]:.3%}",
            _percent(found.component_es[i], ".3%"),
            shown(found.days[i], ",.1f"),
            f"{found.score[i]:.2f}",
            shown(None if (cost := found.cost[i]) is None else cost * 1e4, ",.1f"),
        )
        for i in order
    )
    columns = (
        "",
        "Exposure",
        f"Part of VaR {report.level:.0%}",
        "Part of ES",
        "Days to sell",
        "Score",
        "Cost, bp of NAV",
    )
    return Table(columns=columns, groups=(Rows(rows=rows),), dense=True, folded="Positions")


def _factor_share(report: RiskReport) -> float:
    parts = sum(each.component_var for each in report.factors.groups)
    total = parts + report.factors.specific_var
    return parts / total if total > 0 else 0.0


def _words_column(title: str) -> Column:
    return Column(title=title, text=True)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _capital(text: str) -> str:
    """Not ``capitalize``, which would make names and abbreviations small."""
    return f"{text[:1].upper()}{text[1:]}"


def _percent(value: float | None, form: str = ".2%") -> str:
    return shown(value, form)
