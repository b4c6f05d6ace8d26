"""The report of the five phases: what each of them added out of sample, and what it chose on the way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.metrics import performance
from quantray.analytics.page import (
    Cell,
    Column,
    Page,
    Rows,
    Section,
    Table,
    chart,
    concluded,
    money,
    ranged,
    shown,
    signed,
)
from quantray.arrays import Float
from quantray.studies.institutional import figures
from quantray.studies.institutional.objective import Constraints, Objectives
from quantray.studies.institutional.parameters import ParameterChoice
from quantray.studies.institutional.record import ALL, NOTHING, PHASES, VARIANTS, Gain, InstitutionalRecord

__all__ = ["InstitutionalReportInput", "institutional_page", "left_metrics", "verdict"]


@dataclass(frozen=True, eq=False)
class InstitutionalReportInput:
    """All that the report shows."""

    title: str
    meta: str
    costs: str
    """What trades are charged, in words."""
    objectives: Objectives
    record: InstitutionalRecord
    index: Float
    """(D,) of equal shares of all members on the days out of sample."""
    warnings: tuple[str, ...]
    schedule: Section
    """The last trades as orders."""
    options: tuple[str, ...] = ()
    """How options were priced, a sentence each."""


def verdict(phase: str, gain: Gain) -> str:
    """Whether a phase paid for itself, in a sentence."""
    name = phase.capitalize()
    if gain.gain is None or gain.sharpe is None:
        return f"{name}: without it nothing was held at {money(gain.aum)}, so nothing can be said."
    word = concluded(gain.gain, helped="it helped", hurt="it hurt", unsure="there is no evidence that it helped")
    return f"{name}: {word} at {money(gain.aum)} (Sharpe ratio {signed(gain.gain)})."


def institutional_page(content: InstitutionalReportInput) -> Page:
    """The report."""
    record = content.record
    return Page(
        title=content.title,
        meta=content.meta,
        headline=_headline(record),
        warnings=content.warnings,
        findings=(*_findings(content), *content.options),
        sections=(
            Section(title="With and without each phase", note=_ablation_note(content), parts=(_ablation(record),)),
            chart("What each phase added", figures.gains(record)),
            chart("Growth", figures.growth(record)),
            Section(title="What had to be kept", note=_CONSTRAINTS, parts=(_constraints(content),)),
            chart("Regimes", figures.regimes(record, content.index)),
            Section(title="What each phase chose", note=_CHOICES, parts=(_choices(record),)),
            Section(title="Do the regime paths agree?", note=_PATHS, parts=(_paths(record),)),
            Section(title="Do the searches agree?", note=_SEARCHES, parts=(_searches(record),)),
            chart("Capital", figures.capital(record)),
            content.schedule,
        ),
        summary=_summary(content),
    )


def left_metrics(record: InstitutionalRecord, variant: str, aum: float) -> dict[str, float | None]:
    """What a variant left out of sample, for files."""
    replay, gain = record.replays[variant, aum], record.gain(variant, aum)
    found = performance(replay.net, periods_per_year=record.periods_per_year)
    out: dict[str, float | None] = {
        "sharpe": found.sharpe,
        "sharpe_low": None if gain.sharpe is None else gain.sharpe.interval.low,
        "sharpe_high": None if gain.sharpe is None else gain.sharpe.interval.high,
        "sortino": found.sortino,
        "calmar": found.calmar,
        "annual_return": found.annual_return,
        "annual_volatility": found.annual_volatility,
        "max_drawdown": found.max_drawdown,
        "annual_turnover": float(replay.turnover.sum()) / record.years,
        "annual_cost": float(replay.cost.sum()) / record.years,
        "cost_bps": replay.cost_bps,
        "max_gross": float(replay.gross.max()),
        "mean_exposure": float(replay.exposure.mean()),
    }
    if gain.gain is not None:
        out |= {
            "all_over": gain.gain.mean,
            "all_over_low": gain.gain.interval.low,
            "all_over_high": gain.gain.interval.high,
        }
    return out


_CONSTRAINTS = (
    "Gross exposure, names and the risk budget are kept by every decision of a study that has the phases for it. "
    "Drawdown and turnover are bounds on candidates in training: out of sample they may be exceeded."
)
_CHOICES = "Each on the training days of its fold, with all phases, and tested on the days that follow."
_PATHS = "Share of the days on which two paths name the same regime."
_SEARCHES = (
    "Every algorithm began several times on each fold and scope. Agree: share of the searches that ended at the set "
    "taken or one as good. Short: by how much the worst search fell short of it, in units of the score, on average."
)


def _headline(record: InstitutionalRecord) -> str:
    aum = record.aums[0]
    whole, nothing = record.gain(ALL.name, aum), record.gain(NOTHING.name, aum)
    if whole.sharpe is None or nothing.gain is None:
        return "With all phases nothing was held out of sample, so nothing can be said."
    word = concluded(
        nothing.gain,
        helped="more than without any",
        hurt="less than without any",
        unsure="which cannot be told from that without any",
    )
    return (
        f"With all phases the net Sharpe ratio at {money(aum)} is {whole.sharpe.mean:.2f} out of sample "
        f"({ranged(whole.sharpe)}), {word} (difference {signed(nothing.gain)})."
    )


def _findings(content: InstitutionalReportInput) -> list[str]:
    record = content.record
    found = [verdict(phase, record.gain(f"Without {phase}", record.aums[0])) for phase in PHASES]
    gains = [gain for each in record.gains if each.variant not in (ALL.name, NOTHING.name) and (gain := each.gain)]
    level = gains[0].interval.level if gains else 0.95
    sure = sum(0 not in gain.interval for gain in gains)
    found.append(
        f"Of {len(gains)} differences {sure} leave out zero; by chance one expects {len(gains) * (1 - level):.1f}."
    )
    own = [choice for choice in record.parameters if choice.runs]
    found.append(
        f"In {np.mean([choice.agreement == 1 for choice in own]):.0%} of {len(own):,} searches of parameters all "
        f"algorithms and starts ended at sets of the same score."
    )
    costs = [f"{record.replays[ALL.name, aum].cost_bps:.1f} bp at {money(aum)}" for aum in record.aums]
    found.append(f"With all phases trades cost {', '.join(costs)} of the money traded.")
    return found


def _ablation_note(content: InstitutionalReportInput) -> str:
    aims = " + ".join(f"{weight:g} {name.replace('_', ' ')}" for name, weight in content.objectives.weights.items())
    return (
        f"Out of sample and after costs of {content.costs}. Made large in training: {aims}. Gained: the Sharpe ratio "
        "of all phases less that of the study without one, paired by day. Without regimes parameters are those of all "
        "days; without parameters each strategy keeps its default, whatever the regime; without weights capital is "
        "shared equally; without risk exposure is full and nothing is limited; without execution the book is traded at "
        "once, as often as it is decided."
    )


def _ablation(record: InstitutionalRecord) -> Table:
    columns = ("", "Sharpe, net", "Gained", "Sortino", "Calmar", "Return a year", "Drawdown", "Turnover", "Cost, bp")
    groups = []
    for aum in record.aums:
        rows = tuple(_left(record, variant.name, aum) for variant in VARIANTS)
        groups.append(Rows(title=money(aum), rows=rows))
    return Table(columns=columns, groups=tuple(groups), dense=True)


def _left(record: InstitutionalRecord, variant: str, aum: float) -> tuple[str | Cell, ...]:
    found, gain = left_metrics(record, variant, aum), record.gain(variant, aum)
    sharpe = Cell(text=shown(found["sharpe"], ".2f"), below=ranged(gain.sharpe))
    gained: str | Cell = "–"
    if gain.gain is not None:
        sure = 0 not in gain.gain.interval
        gained = Cell(text=f"{gain.gain.mean:+.2f}", below=ranged(gain.gain, "+.2f"), best=sure)
    return (
        variant,
        sharpe,
        gained,
        shown(found["sortino"], ".2f"),
        shown(found["calmar"], ".2f"),
        shown(found["annual_return"], ".1%"),
        shown(found["max_drawdown"], ".1%"),
        shown(found["annual_turnover"], ".1f"),
        shown(found["cost_bps"], ".1f"),
    )


def _constraints(content: InstitutionalReportInput) -> Table:
    record, bounds = content.record, content.objectives.constraints
    rows = tuple(_kept(record, bounds, aum) for aum in record.aums)
    columns = (
        "",
        f"Drawdown, at most {bounds.max_drawdown:.0%}",
        f"Turnover a year, at most {bounds.turnover:g}",
        f"Gross at a close (decided at most {bounds.gross:.0%})",
    )
    return Table(columns=columns, groups=(Rows(rows=rows),))


def _kept(record: InstitutionalRecord, bounds: Constraints, aum: float) -> tuple[str, ...]:
    found = left_metrics(record, ALL.name, aum)

    def told(name: str, form: str, bound: float) -> str:
        value = found[name]
        assert value is not None, "measured"
        return f"{value:{form}}{'' if value <= bound else ', exceeded'}"

    return (
        money(aum),
        told("max_drawdown", ".1%", bounds.max_drawdown),
        told("annual_turnover", ".1f", bounds.turnover),
        f"{found['max_gross']:.0%}",
    )


def _choices(record: InstitutionalRecord) -> Table:
    heads = [("regimes", None), ("weights", None), ("risk", None), *(("execution", aum) for aum in record.aums)]
    titles = [phase.capitalize() if aum is None else f"Execution at {money(aum)}" for phase, aum in heads]
    chosen = {(c.phase, c.aum, c.fold): c.choice for c in record.choices}
    rows = []
    for fold, test in enumerate(record.folds):
        cells = []
        for phase, aum in heads:
            best = chosen[phase, aum, fold].best
            beyond = ", beyond a bound" if best.excess > 0 else ""
            cells.append(Cell(text=best.name.replace("_", " "), below=f"{best.score:.2f}{beyond}"))
        rows.append((test, *cells))
    columns = (Column(title="Tested", text=True), *(Column(title=title, text=True) for title in titles))
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),), dense=True)


def _paths(record: InstitutionalRecord) -> Table:
    rows = tuple(
        (name, *(shown(float(value), ".0%") for value in row))
        for name, row in zip(record.paths, record.agreement, strict=True)
    )
    return Table(columns=("", *record.paths), groups=(Rows(rows=rows),), dense=True)


def _searches(record: InstitutionalRecord) -> Table:
    runs = [f"{run.method}, start {run.start + 1}" for run in record.parameters[0].runs]
    rows = []
    for name in record.strategies:
        own = [choice for choice in record.parameters if choice.strategy == name]
        rows.append(
            (
                name,
                f"{np.mean([choice.agreement for choice in own]):.0%}",
                f"{np.mean([choice.spread for choice in own]):.2f}",
                f"{np.mean([choice.score - choice.default_score for choice in own]):+.2f}",
                f"{np.mean([choice.trials for choice in own]):.0f}",
                *(f"{share:.0%}" for share in _found_best(own)),
            )
        )
    columns = ("", "Agree", "Short", "Over default", "Sets tried", *runs)
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),), dense=True)


def _found_best(choices: Sequence[ParameterChoice]) -> list[float]:
    """Of each search, the share of cells in which it found the best."""
    found = [[run.score >= choice.score - 1e-12 for run in choice.runs] for choice in choices]
    return [float(share) for share in np.mean(found, axis=0)]


def _summary(content: InstitutionalReportInput) -> Table:
    record, rows = content.record, []
    for aum in record.aums:
        for variant in VARIANTS:
            gain, found = record.gain(variant.name, aum), left_metrics(record, variant.name, aum)
            gained = ("–", "") if gain.gain is None else (f"{gain.gain.mean:+.2f}", ranged(gain.gain, "+.2f"))
            numbers = (shown(found["max_drawdown"], ".1%"), shown(found["cost_bps"], ".1f"))
            rows.append((money(aum), variant.name, shown(found["sharpe"], ".2f"), *gained, *numbers))
    columns = ("money", "study", "Sharpe, net", "gained by all", "interval", "drawdown", "cost, bp")
    title = f"{content.title}: {record.dates[0]} to {record.dates[-1]}, after costs and impact"
    return Table(title=title, columns=columns, groups=(Rows(rows=tuple(rows)),))
