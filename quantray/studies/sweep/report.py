"""The report of a regime sweep: whether knowing the regime helped, in words, intervals and pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import to_html
from quantray.analytics.page import render_page
from quantray.studies.sweep import figures as sweep_figures
from quantray.studies.sweep.record import ALL, POLICIES, Choice, Outcome, SweepRecord

__all__ = ["SweepReportInput", "render_sweep", "verdict"]

_ACCEPTED = 0.95
"""Deflated Sharpe ratio from which a choice counts as more than luck."""
_SURVIVORS = 0.01
"""Below this share of names lost per year a universe holds survivors: of US listings some 5 % leave each year."""


@dataclass(frozen=True, eq=False)
class SweepReportInput:
    """All that the report shows."""

    title: str
    about: Mapping[str, object]
    """Facts of the run: data, regimes, search, costs, digest, versions, seconds."""
    settings: Mapping[str, str]
    """Flattened settings."""
    record: SweepRecord
    options: tuple[str, ...] = ()
    """How options were priced, a sentence each."""


def verdict(outcome: Outcome) -> str:
    """Whether conditioning on regimes helped a strategy out of sample, in one or two sentences."""
    conditional, plain = outcome.sharpe["conditional"], outcome.sharpe["unconditional"]
    gain = outcome.over_unconditional
    if conditional is None or plain is None or gain is None:
        return f"{outcome.strategy} held nothing out of sample, so nothing can be said."
    if gain.interval.low > 0:
        word = "Searching by regime helped"
    elif gain.interval.high < 0:
        word = "Searching by regime hurt"
    else:
        word = "There is no evidence that searching by regime helped"
    text = (
        f"{word}: {outcome.strategy} reached a Sharpe ratio of {conditional.mean:.2f} out of sample, against "
        f"{plain.mean:.2f} when searched on all days (difference {_signed(gain)})."
    )
    default, over = outcome.sharpe["default"], outcome.over_default
    if default is not None and over is not None:
        text += f" Default parameters reached {default.mean:.2f} (difference {_signed(over)})."
    return text


def render_sweep(content: SweepReportInput) -> str:
    """The report as HTML."""
    record = content.record
    main = record.strategies[-1]
    charts = [("Growth", sweep_figures.growth(record, main))]
    if len(record.strategies) > 2:
        charts.append(("Growth of the best in training", sweep_figures.growth(record, record.strategies[-2])))
    charts += [
        ("What regimes added", sweep_figures.differences(record)),
        ("Regime by regime", sweep_figures.by_regime(record)),
    ]
    if record.overfitting:
        charts.append(("Overfitting", sweep_figures.overfitting(record)))
    if any(len(table.sets) > 1 for table in record.stability):
        charts.append(("Stability of parameters", sweep_figures.stability(record)))
    return render_page(
        "sweep.html.j2",
        {
            "title": content.title,
            "about": content.about,
            "headline": verdict(record.outcome(main)),
            "findings": [*_findings(record), *content.options],
            "warnings": _warnings(content),
            "words": [sweep_figures.WORDS[policy] for policy in POLICIES],
            "colours": [sweep_figures.COLOURS[policy] for policy in POLICIES],
            "rows": [_row(record, name) for name in record.strategies],
            "charts": [(name, p.note, to_html(p, f"chart{i}")) for i, (name, p) in enumerate(charts)],
            "last_fold": record.folds[-1],
            "choices": [_choice(c) for c in record.choices if c.fold == len(record.folds) - 1],
            "settings": content.settings,
            "record": record,
        },
    )


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
            f"Sharpe ratio of {_ACCEPTED} or more: the others did no better in training than the best of as many "
            "without skill."
        )
        kept = [(c.train_sharpe, c.test_sharpe) for c in each if math.isfinite(c.test_sharpe)]
        if kept:
            train, test = np.median(np.array(kept), axis=0)
            found.append(f"The median choice had a Sharpe ratio of {train:.2f} in training and {test:.2f} in its test.")
    if among:
        found.append(
            f"Choices among all strategies are held against all sets of all of them: {_passed(among)} of {len(among)} "
            f"with a deflated Sharpe ratio of {_ACCEPTED} or more."
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


def _passed(choices: Sequence[Choice]) -> int:
    return sum(c.deflated is not None and c.deflated.probability >= _ACCEPTED for c in choices)


def _warnings(content: SweepReportInput) -> list[str]:
    record, found = content.record, []
    exits = content.about.get("yearly_exits")
    if isinstance(exits, float) and exits < _SURVIVORS:
        found.append(
            f"Only {exits:.1%} of the names leave the data per year, so it holds survivors: returns of long positions "
            "are biased upward. Compare policies with one another."
        )
    choices = [c for c in record.choices if c.strategy in record.searched]
    missing = {c.scope for c in choices if not c.own}
    if missing:
        share = sum(not c.own for c in choices) / max(sum(c.scope != ALL for c in choices), 1)
        found.append(
            f"In {share:.0%} of the searches by regime ({', '.join(sorted(missing))}) training held too few days of "
            "the regime; the parameters chosen on all days stood in."
        )
    return found


def _row(record: SweepRecord, name: str) -> dict[str, object]:
    """One line of the table of strategies."""
    outcome = record.outcome(name)
    periods, days = record.periods_per_year, max(len(record.dates), 1)
    accepted = [
        c.deflated.probability for c in record.choices if c.strategy == name and c.own and c.deflated is not None
    ]
    overfitted = record.overfitting.get((name, ALL))
    return {
        "name": name,
        "sharpe": [_ranged(outcome.sharpe[policy]) for policy in POLICIES],
        "gains": [_signed(outcome.over_unconditional), _signed(outcome.over_default)],
        "turnover": " / ".join(f"{record.stream(name, p).turnover.sum() * periods / days:.1f}" for p in POLICIES),
        "deflated": f"{np.mean(np.array(accepted) >= _ACCEPTED):.0%}" if accepted else "–",
        "overfitting": f"{overfitted.probability:.0%}" if overfitted else "–",
    }


def _choice(choice: Choice) -> dict[str, str]:
    """One line of the table of choices."""
    return {
        "strategy": choice.strategy,
        "scope": choice.scope,
        "parameters": sweep_figures.written(choice.parameters) + ("" if choice.own else " (that of all days)"),
        "trials": f"{choice.n_trials}",
        "days": f"{choice.trained_days:,} / {choice.tested_days:,}",
        "train": f"{choice.train_sharpe:.2f}",
        "test": f"{choice.test_sharpe:.2f}" if math.isfinite(choice.test_sharpe) else "–",
        "deflated": f"{choice.deflated.probability:.2f}" if choice.deflated is not None else "–",
    }


def _ranged(estimate: Estimate | None) -> tuple[str, str]:
    """A value and its interval."""
    if estimate is None:
        return "–", ""
    return f"{estimate.mean:.2f}", f"{estimate.interval.low:.2f} to {estimate.interval.high:.2f}"


def _signed(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    low, high = estimate.interval.low, estimate.interval.high
    return f"{estimate.mean:+.2f}, {estimate.interval.level:.0%} interval {low:+.2f} to {high:+.2f}"
