"""The day's report of compliance: which rules were in force, what breaks them, what is unknown, and who let it pass."""

from collections.abc import Sequence
from datetime import date
from math import isfinite
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quantray.analytics.page import Column, Page, Rows, Section, Table
from quantray.institution.compliance import Finding, post_trade
from quantray.institution.overrides import Override
from quantray.institution.positions import Positions
from quantray.institution.rules import Rule, Severity, check_distinct

__all__ = ["ComplianceReport", "Line", "RuleLine", "compliance_page", "daily_report"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleLine(_Part):
    """A rule on the day."""

    rule: str
    kind: str
    severity: Severity
    source: str
    in_force: bool
    broken: int
    unknown: int
    overridden: int


class Line(_Part):
    """Something that breaks a rule, or that nobody can check; see ``compliance.Finding``."""

    rule: str
    severity: Severity
    state: Literal["broken", "unknown"]
    account: str
    symbol: str
    value: float | None
    limit: float | None
    text: str
    signed: tuple[str, ...] = ()
    """Those who let it pass."""
    until: date | None = None
    reason: str = ""


class ComplianceReport(_Part):
    """A day; ``model_dump_json`` writes it, and ``model_validate_json`` reads it back."""

    day: date
    accounts: int
    names: int
    rules: tuple[RuleLine, ...]
    findings: tuple[Line, ...]
    """Blocking ones first, then warnings, then what is only reported; of each those that nobody overrode first."""
    unsigned: tuple[Override, ...] = ()
    """Overrides that wait for a second signature."""

    @property
    def clean(self) -> bool:
        """Whether nothing that blocks or warns stands without an override."""
        return all(it.signed or it.severity == "report" for it in self.findings)


def daily_report(
    rules: Sequence[Rule], positions: Positions, day: date, overrides: Sequence[Override] = ()
) -> ComplianceReport:
    """Check all positions against all rules that are in force; raises ``InputError`` where two have one id."""
    check_distinct(rules)
    found = post_trade(rules, positions, day, overrides)
    ordered = sorted(found, key=lambda it: (_ORDER.index(it.severity), it.override is not None))
    return ComplianceReport(
        day=day,
        accounts=len(positions.accounts),
        names=len(positions.symbols),
        rules=tuple(_rule(rule, day, [it for it in found if it.rule == rule.id]) for rule in rules),
        findings=tuple(_line(it) for it in ordered),
        unsigned=tuple(it for it in overrides if not it.holds and day <= it.expires),
    )


def compliance_page(report: ComplianceReport) -> Page:
    """The report as a page."""
    open_, let = ([it for it in report.findings if bool(it.signed) == signed] for signed in (False, True))
    summary = Table(
        title="Rules",
        columns=("Rule", *(Column(title=it, text=True) for it in ("Kind", "Severity", "Source")), *_COUNTS),
        groups=(Rows(rows=tuple(_cells(it) for it in report.rules)),),
    )
    found = (("Open", open_), ("Overridden", let))
    return Page(
        title="Compliance",
        meta=f"{report.day} · {report.accounts:,} accounts · {report.names:,} names · {len(report.rules)} rules",
        headline=_headline(report, len(open_)),
        sections=(
            Section(title="Rules", parts=(summary,)),
            *(Section(title=title, parts=(_table(lines),)) for title, lines in found if lines),
        ),
        summary=summary,
    )


_ORDER: tuple[Severity, ...] = ("block", "warn", "report")
_COUNTS = ("Broken", "Unknown", "Overridden")


def _rule(rule: Rule, day: date, found: Sequence[Finding]) -> RuleLine:
    states = [it.state for it in found]
    return RuleLine(
        rule=rule.id,
        kind=rule.kind,
        severity=rule.severity,
        source=rule.source,
        in_force=rule.in_force(day),
        broken=states.count("broken"),
        unknown=states.count("unknown"),
        overridden=sum(it.override is not None for it in found),
    )


def _line(it: Finding) -> Line:
    by = it.override
    return Line(
        rule=it.rule,
        severity=it.severity,
        state=it.state,
        account=it.account,
        symbol=it.symbol,
        value=it.value if it.value is None or isfinite(it.value) else None,
        limit=it.limit,
        text=it.text,
        signed=by.signatures if by else (),
        until=by.expires if by else None,
        reason=by.reason if by else "",
    )


def _headline(report: ComplianceReport, count: int) -> str:
    if not report.findings:
        return "No rule is broken, and all could be checked."
    serious = sum(not it.signed and it.severity == "block" for it in report.findings)
    said = f"{count:,} findings stand open, {serious:,} of them of rules that block"
    return f"{said}; {len(report.findings) - count:,} were let pass by two signatures."


def _cells(it: RuleLine) -> tuple[str, ...]:
    counts = (it.broken, it.unknown, it.overridden)
    kind = it.kind.replace("_", " ") if it.in_force else f"{it.kind.replace('_', ' ')} (not in force)"
    return it.rule, kind, it.severity, it.source, *(f"{count:,}" for count in counts)


def _table(lines: Sequence[Line]) -> Table:
    titles = ("Severity", "State", "Account", "About", "What", "Signed")
    rows = tuple(
        (
            it.rule,
            it.severity,
            it.state,
            it.account or "all together",
            it.symbol or "all",
            it.text,
            f"{' and '.join(it.signed)} until {it.until}: {it.reason}" if it.signed else "",
        )
        for it in lines
    )
    columns = ("Rule", *(Column(title=title, text=True) for title in titles))
    return Table(columns=columns, groups=(Rows(rows=rows),), dense=True)
