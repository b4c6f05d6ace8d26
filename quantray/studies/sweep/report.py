"""The report of a regime sweep: whether knowing the regime helped, in words, intervals and pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import Picture
from quantray.analytics.page import Cell, Column, Page, Rows, Section, Table, chart, concluded, ranged, shown, signed
from quantray.analytics.regime_figures import regimes_over_price
from quantray.analytics.selection import ACCEPTED
from quantray.regimes.market import index_returns
from quantray.regimes.path import RegimePath
from quantray.research.market import MarketData
from quantray.studies.sweep import figures as sweep_figures
from quantray.studies.sweep.record import ALL, POLICIES, ParameterChoice, PolicyOutcome, SweepRecord

__all__ = ["SweepReportInput", "sweep_page", "verdict"]


@dataclass(frozen=True, eq=False)
class SweepReportInput:
    """All that the report shows."""

    title: str
    meta: str
    costs: str
    """What trades are charged, in words."""
    record: SweepRecord
    data: MarketData
    regimes: RegimePath
    options: tuple[str, ...] = ()
    """How options were priced, a sentence each."""


def verdict(outcome: PolicyOutcome) -> str:
    """Whether conditioning on regimes helped a strategy out of sample, in one or two sentences."""
    conditional, plain = outcome.sharpe["conditional"], outcome.sharpe["unconditional"]
    gain = outcome.over_unconditional
    if conditional is None or plain is None or gain is None:
        return f"{outcome.strategy} held nothing out of sample, so nothing can be said."
    word = concluded(
        gain,
        helped="Searching by regime helped",
        hurt="Searching by regime hurt",
        unsure="There is no evidence that searching by regime helped",
    )
    text = (
        f"{word}: {outcome.strategy} reached a Sharpe ratio of {conditional.mean:.2f} out of sample, against "
        f"{plain.mean:.2f} when searched on all days (difference {signed(gain)})."
    )
    default, over = outcome.sharpe["default"], outcome.over_default
    if default is not None and over is not None:
        text += f" Default parameters reached {default.mean:.2f} (difference {signed(over)})."
    return text


def sweep_page(content: SweepReportInput) -> Page:
    """The report."""
    record = content.record
    main = record.strategies[-1]
    sections = [
        Section(title="Strategies", note=_strategies_note(content), parts=(_strategies(record),)),
        chart("Regimes", _regimes(content)),
        chart("Growth", sweep_figures.growth(record, main)),
    ]
    if len(record.strategies) > 2:
        sections.append(chart("Growth of the best in training", sweep_figures.growth(record, record.strategies[-2])))
    sections.append(chart("What regimes added", sweep_figures.differences(record)))
    sections.append(chart("Regime by regime", sweep_figures.by_regime(record)))
    if record.overfitting:
        sections.append(chart("Overfitting", sweep_figures.overfitting(record)))
    if any(len(table.sets) > 1 for table in record.stability):
        sections.append(chart("Stability of parameters", sweep_figures.stability(record)))
    return Page(
        title=content.title,
        meta=content.meta,
        headline=verdict(record.outcome(main)),
        warnings=_warnings(content),
        findings=(*_findings(record), *content.options),
        sections=(*sections, _chosen_last(record)),
        summary=_summary(content),
    )


def _regimes(content: SweepReportInput) -> Picture:
    """The regimes behind an index of equal shares of all members."""
    panel = content.data.panel
    index = np.asarray(np.cumprod(1 + np.nan_to_num(index_returns(panel))), dtype=np.float64)
    return regimes_over_price(panel.dates, index, content.regimes, title="Equal shares of all members")


def _strategies_note(content: SweepReportInput) -> str:
    first, second, third = (sweep_figures.WORDS[policy] for policy in POLICIES)
    return (
        f"{content.data.delistings} Out of sample and after costs of {content.costs}, those of changing parameters "
        f"included. Yearly Sharpe ratios with block-bootstrap intervals; parameters were {first}, {second}, or left at "
        f"their {third.replace('parameters', 'values')}. Deflated: share of the choices whose deflated Sharpe ratio in "
        "training is 0.95 or more. Overfitting: probability that the set chosen on all days falls below the median "
        "elsewhere."
    )


def _strategies(record: SweepRecord) -> Table:
    columns = (
        "",
        *(Column(title=sweep_figures.WORDS[p], colour=sweep_figures.COLOURS[p]) for p in POLICIES),
        "by regime less all days",
        "by regime less default",
        "yearly turnover (NAVs)",
        "deflated",
        "overfitting",
    )
    return Table(
        columns=columns, groups=(Rows(rows=tuple(_row(record, name) for name in record.strategies)),), dense=True
    )


def _chosen_last(record: SweepRecord) -> Section:
    columns = (
        Column(title="Strategy", text=True),
        Column(title="Regime", text=True),
        Column(title="Parameters", text=True),
        *("Sets tried", "Days trained / tested", "Training", "Test", "Deflated"),
    )
    last = len(record.folds) - 1
    rows = tuple(_choice(c) for c in record.choices if c.fold == last)
    return Section(
        title="What was chosen last",
        note=f"For the test range {record.folds[last]}. Sharpe ratios of the set on the regime's own days; deflated is "
        "the probability that the one in training exceeds what the best of as many sets without skill would show.",
        parts=(Table(columns=columns, groups=(Rows(rows=rows),), dense=True),),
    )


def _summary(content: SweepReportInput) -> Table:
    record, rows = content.record, []
    for strategy in record.strategies:
        outcome, overfitted = record.outcome(strategy), record.overfitting.get((strategy, ALL))
        gain = outcome.over_unconditional
        sharpe = [shown(None if (e := outcome.sharpe[p]) is None else e.mean, ".2f") for p in POLICIES]
        gained = ("–", "") if gain is None else (f"{gain.mean:+.2f}", ranged(gain))
        rows.append((strategy, *sharpe, *gained, shown(None if overfitted is None else overfitted.probability, ".0%")))
    columns = (
        "strategy",
        "Sharpe by regime",
        "on all days",
        "defaults",
        "by regime less all days",
        "interval",
        "overfitting",
    )
    title = f"{content.title}: {record.dates[0]} to {record.dates[-1]}, after costs"
    return Table(title=title, columns=columns, groups=(Rows(rows=tuple(rows)),))


def _findings(record: SweepRecord) -> list[str]:
    """What else the numbers say, a sentence each."""
    searched = record.searched
    gains = [gain for name in searched if (gain := record.outcome(name).over_unconditional) is not None]
    better, worse = sum(g.interval.low > 0 for g in gains), sum(g.interval.high < 0 for g in gains)
    level = gains[0].interval.level if gains else 0.95
    found = [
        f"Of {len(searched)} strategies, searching by regime was better for {better} and worse for {worse} with "
        f"{level:.0%} confidence; by chance alone one expects {len(gains) * (1 - level) / 2:.1f} of each."
    ]
    own = [choice for choice in record.choices if choice.own and choice.deflated is not None]
    each, among = ([c for c in own if (c.strategy in searched) == single] for single in (True, False))
    if each:
        found.append(
            f"{record.n_sets:,} parameter sets were tried. {_passed(each)} of {len(each)} choices have a deflated "
            f"Sharpe ratio of {ACCEPTED} or more: the others did no better in training than the best of as many "
            "without skill."
        )
        kept = [(c.train_sharpe, c.test_sharpe) for c in each if math.isfinite(c.test_sharpe)]
        if kept:
            train, test = np.median(np.array(kept), axis=0)
            found.append(f"The median choice had a Sharpe ratio of {train:.2f} in training and {test:.2f} in its test.")
    if among:
        found.append(
            f"Choices among all strategies are held against all sets of all of them: {_passed(among)} of {len(among)} "
            f"with a deflated Sharpe ratio of {ACCEPTED} or more."
        )
    overfitted = {key: o.probability for key, o in record.overfitting.items() if key[0] in searched}
    if overfitted:
        all_days = [probability for (_, scope), probability in overfitted.items() if scope == ALL]
        regimes = [probability for (_, scope), probability in overfitted.items() if scope != ALL]
        text = f"The probability of overfitting is {np.mean(all_days):.0%} on all days on average" if all_days else ""
        if regimes:
            text += f"{' and' if text else 'The probability of overfitting is'} {np.mean(regimes):.0%} within regimes"
        found.append(f"{text}; half is chance.")
    return found


def _passed(choices: Sequence[ParameterChoice]) -> int:
    return sum(c.deflated is not None and c.deflated.probability >= ACCEPTED for c in choices)


def _warnings(content: SweepReportInput) -> tuple[str, ...]:
    record = content.record
    found = content.data.survivors("returns of long positions are biased upward. Compare policies with one another")
    choices = [c for c in record.choices if c.strategy in record.searched]
    missing = {c.scope for c in choices if not c.own}
    if missing:
        share = sum(not c.own for c in choices) / max(sum(c.scope != ALL for c in choices), 1)
        found += (
            f"In {share:.0%} of the searches by regime ({', '.join(sorted(missing))}) training held too few days of "
            "the regime; the parameters chosen on all days stood in.",
        )
    return found


def _row(record: SweepRecord, name: str) -> tuple[str | Cell, ...]:
    """One line of the table of strategies."""
    outcome = record.outcome(name)
    periods, days = record.periods_per_year, max(len(record.dates), 1)
    accepted = [
        c.deflated.probability for c in record.choices if c.strategy == name and c.own and c.deflated is not None
    ]
    overfitted = record.overfitting.get((name, ALL))
    return (
        name,
        *(_ranged(outcome.sharpe[policy], ".2f") for policy in POLICIES),
        _ranged(outcome.over_unconditional, "+.2f"),
        _ranged(outcome.over_default, "+.2f"),
        " / ".join(f"{record.stream(name, p).turnover.sum() * periods / days:.1f}" for p in POLICIES),
        f"{np.mean(np.array(accepted) >= ACCEPTED):.0%}" if accepted else "–",
        f"{overfitted.probability:.0%}" if overfitted else "–",
    )


def _choice(choice: ParameterChoice) -> tuple[str, ...]:
    """One line of the table of choices."""
    return (
        choice.strategy,
        choice.scope,
        sweep_figures.written(choice.parameters) + ("" if choice.own else " (that of all days)"),
        f"{choice.n_trials}",
        f"{choice.trained_days:,} / {choice.tested_days:,}",
        f"{choice.train_sharpe:.2f}",
        shown(choice.test_sharpe, ".2f"),
        f"{choice.deflated.probability:.2f}" if choice.deflated is not None else "–",
    )


def _ranged(estimate: Estimate | None, form: str) -> Cell:
    """A value over its interval."""
    return Cell(text=shown(None if estimate is None else estimate.mean, form), below=ranged(estimate, form))
