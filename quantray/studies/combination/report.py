"""The report of a combination: whether sharing capital by rule was worth it, in words, intervals and pictures."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.figures import PALETTE, to_html
from quantray.analytics.metrics import performance, sharpe_ratio
from quantray.analytics.page import render_page
from quantray.studies.combination import figures as combination_figures
from quantray.studies.combination.figures import KINDS, kind
from quantray.studies.combination.record import BEST, EQUAL, MIX, Account, CombinationRecord

__all__ = ["CombinationReportInput", "account_metrics", "netting_summary", "render_combination", "verdict"]

_ACCEPTED = 0.95
"""Deflated Sharpe ratio from which a portfolio counts as more than luck."""
_SURVIVORS = 0.01
"""Below this share of names lost per year a universe holds survivors: of US listings some 5 % leave each year."""


@dataclass(frozen=True, eq=False)
class CombinationReportInput:
    """All that the report shows."""

    title: str
    about: Mapping[str, object]
    """Facts of the run: data, costs, digest, versions, seconds, memory."""
    settings: Mapping[str, str]
    """Flattened settings."""
    record: CombinationRecord
    options: tuple[str, ...] = ()
    """How options were priced, a sentence each."""


def verdict(record: CombinationRecord) -> str:
    """Whether the mix beat equal shares, in a sentence or two."""
    mix, equal = record.outcome(MIX), record.outcome(EQUAL)
    if mix.sharpe is None or equal.sharpe is None or equal.mix_over is None:
        return "The mix held nothing, so nothing can be said."
    gain = equal.mix_over
    if gain.interval.low > 0:
        word = "Sharing capital by rule helped"
    elif gain.interval.high < 0:
        word = "Sharing capital by rule hurt"
    else:
        word = "There is no evidence that sharing capital by rule helped"
    return (
        f"{word}: the mix of {len(record.members)} strategies reached a Sharpe ratio of {mix.sharpe.mean:.2f} out of "
        f"sample, against {equal.sharpe.mean:.2f} for equal shares (difference {_signed(gain)})."
    )


def account_metrics(record: CombinationRecord, account: Account) -> dict[str, float]:
    """All metrics of an account by name; yearly where the name does not say otherwise."""
    outcome, measures = record.outcome(account.name), account.netting
    turnover = float(account.turnover.sum()) / record.years
    names = measures.effective_names[np.isfinite(measures.effective_names)]
    found = performance(account.returns, periods_per_year=record.periods_per_year).as_dict() | {
        "annual_turnover": turnover,
        "annual_cost": float(account.costs.sum()) / record.years,
        "mean_effective_names": float(names.mean()) if len(names) else math.nan,
        "mean_invested": float(account.shares.sum(axis=1).mean()),
        "mean_gross_exposure": float(measures.exposure_net.mean()),
    }
    estimates = {"sharpe": outcome.sharpe, "mix_over": outcome.mix_over}
    for name, estimate in estimates.items():
        if estimate is not None:
            found |= {f"{name}_low": estimate.interval.low, f"{name}_high": estimate.interval.high}
    if outcome.mix_over is not None:
        found |= {"mix_over": outcome.mix_over.mean, "mix_over_p_value": outcome.mix_over.p_value}
    if outcome.deflated is not None:
        found |= {"deflated_sharpe": outcome.deflated.probability, "deflated_hurdle": outcome.deflated.hurdle}
    return found


def netting_summary(record: CombinationRecord, account: Account) -> dict[str, float]:
    """What one book saves over strategies that trade alone; costs are fractions of NAV a year.

    ``own_cost`` is that of the strategies' own trades, all of them charged. ``own_saving_estimate`` is what one book
    would save of it if on all days as much cancelled as on those of rebalancing; it is not in the returns.
    """
    years, measures = record.years, account.netting
    moving, netted = float(measures.moving_cost_gross.sum()), float(measures.moving_cost_net.sum())
    own = max(float(account.costs.sum()) - netted, 0.0) / years
    traded = float(measures.traded_gross.sum())
    cancelled = 1 - float(measures.traded_net.sum()) / traded if traded > 0 else 0.0
    return {
        "exposure_before": float(measures.exposure_gross.mean()),
        "exposure_after": float(measures.exposure_net.mean()),
        "moving_cost_before": moving / years,
        "moving_cost_after": netted / years,
        "moving_saving": (moving - netted) / years,
        "own_cost": own,
        "own_trades_cancelled": cancelled,
        "own_saving_estimate": own * cancelled,
    }


def render_combination(content: CombinationReportInput) -> str:
    """The report as HTML."""
    record = content.record
    charts = [
        ("Growth", combination_figures.growth(record)),
        ("Capital by family", combination_figures.capital(record)),
        ("Who holds capital", combination_figures.selection(record)),
        ("Where capital went", combination_figures.where_capital_went(record)),
        ("Netting", combination_figures.netting(record)),
        ("How strategies move together", combination_figures.correlations(record)),
    ]
    return render_page(
        "combination.html.j2",
        {
            "title": content.title,
            "about": content.about,
            "headline": verdict(record),
            "findings": [*_findings(record), *content.options],
            "warnings": _warnings(content),
            "rows": [_row(record, account, PALETTE[i]) for i, account in enumerate(record.accounts)],
            "charts": [(name, p.note, to_html(p, f"chart{i}")) for i, (name, p) in enumerate(charts)],
            "entries": [_entry(record, entry) for entry in dict.fromkeys(m.entry for m in record.members)],
            "last": _last_decision(record),
            "settings": content.settings,
            "record": record,
        },
    )


def _findings(record: CombinationRecord) -> list[str]:
    """What else the numbers say, a sentence or two each."""
    found = []
    for outcome in record.outcomes:
        if outcome.account not in (MIX, EQUAL) and outcome.mix_over is not None and outcome.sharpe is not None:
            what = f" ({record.members[record.best].name})" if outcome.account == BEST else ""
            found.append(
                f"{outcome.account}{what} reached {outcome.sharpe.mean:.2f}; from there to the mix the difference is "
                f"{_signed(outcome.mix_over)}."
            )
    best = record.outcome(BEST).deflated
    if best is not None:
        luck = "is more than luck" if best.probability >= _ACCEPTED else "cannot be told from luck"
        found.append(
            f"The best of {len(record.members)} strategies without skill would have shown about {best.hurdle:.2f}; so "
            f"the best in hindsight {luck} (deflated Sharpe ratio {best.probability:.2f}). The strategies "
            f"amount to {record.n_effective:.0f} independent ones."
        )
    held = len(record.members) - np.array([len(decision.dropped) for decision in record.decisions])
    reasons = Counter(kind(reason) for decision in record.decisions for reason in decision.dropped.values())
    left = ", ".join(f"{reasons[name] / len(held):.0f} {name}" for name in KINDS if reasons[name])
    cash = 1 - record.account(MIX).shares.sum(axis=1).mean()
    found.append(
        f"On average {held.mean():.0f} strategies held capital and {cash:.0%} was cash; the others: {left or 'none'}."
    )
    saved = netting_summary(record, record.account(MIX))
    found.append(
        f"In one book the strategies' positions of {saved['exposure_before']:.0%} of NAV come down to "
        f"{saved['exposure_after']:.0%}. Moving capital costs {_bps(saved['moving_cost_after'])} a year rather than "
        f"{_bps(saved['moving_cost_before'])}, a saving of {_bps(saved['moving_saving'])}."
    )
    mean = record.account(MIX).returns.mean() * record.periods_per_year
    cost = saved["own_cost"] + saved["moving_cost_after"]
    found.append(f"Before costs the mix earned {mean + cost:.2%} a year on average; trading took {cost:.2%}.")
    found.append(
        f"The strategies' own trades cost {_bps(saved['own_cost'])} a year, charged in full. On days of rebalancing "
        f"{saved['own_trades_cancelled']:.0%} of them cancel; if that held on all days, one book would save about "
        f"another {_bps(saved['own_saving_estimate'])} a year, which is not in the returns."
    )
    return found


def _warnings(content: CombinationReportInput) -> list[str]:
    found, exits = [], content.about.get("yearly_exits")
    if isinstance(exits, float) and exits < _SURVIVORS:
        found.append(
            f"Only {exits:.1%} of the names leave the data per year, so it holds survivors: returns of long positions "
            "are biased upward. Compare the portfolios with one another."
        )
    return found


def _row(record: CombinationRecord, account: Account, colour: str) -> dict[str, object]:
    """One line of the table of portfolios."""
    metrics, outcome = account_metrics(record, account), record.outcome(account.name)
    ranged = ("–", "")
    if outcome.sharpe is not None:
        low, high = outcome.sharpe.interval.low, outcome.sharpe.interval.high
        ranged = f"{outcome.sharpe.mean:.2f}", f"{low:.2f} to {high:.2f}"
    return {
        "name": account.name,
        "colour": colour,
        "sharpe": ranged,
        "cells": [
            f"{metrics['annual_return']:.2%}",
            f"{metrics['annual_volatility']:.2%}",
            f"{metrics['max_drawdown']:.1%}",
            f"{metrics['deflated_sharpe']:.2f}" if "deflated_sharpe" in metrics else "–",
            "–" if outcome.mix_over is None else _signed(outcome.mix_over),
            f"{metrics['annual_turnover']:.1f}",
            f"{metrics['annual_cost']:.2%}",
            f"{metrics['mean_gross_exposure']:.0%}",
            "–" if math.isnan(metrics["mean_effective_names"]) else f"{metrics['mean_effective_names']:.0f}",
        ],
    }


def _entry(record: CombinationRecord, entry: str) -> dict[str, object]:
    """One line of the table of rules."""
    which = [i for i, member in enumerate(record.members) if member.entry == entry]
    names = {record.members[i].name for i in which}
    ratios = sharpe_ratio(record.member_returns[:, which], periods_per_year=record.periods_per_year)
    ratios = ratios[~np.isnan(ratios)]
    cells, decided = len(which) * len(record.decisions), record.decisions
    reasons = Counter(kind(why) for d in decided for name, why in d.dropped.items() if name in names)
    reduced = sum(name in names for decision in decided for name in decision.reduced)
    share = record.account(MIX).shares[:, which].sum(axis=1).mean()
    spread = f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})" if len(ratios) else "–"
    return {
        "name": entry,
        "family": record.members[which[0]].family,
        "cells": [
            f"{len(which)}",
            spread,
            f"{record.member_turnover[:, which].mean() * record.periods_per_year:.1f}",
            f"{share:.1%}",
            f"{1 - sum(reasons.values()) / cells:.0%}",
            *(f"{reasons[name] / cells:.0%}" if reasons[name] else "–" for name in KINDS),
            f"{reduced / cells:.0%}" if reduced else "–",
        ],
    }


def _last_decision(record: CombinationRecord) -> list[tuple[str, str, str]]:
    """Strategy, share and why it is left out or reduced, at the last rebalance; the largest first."""
    decision = record.decisions[-1]
    order = np.argsort(-decision.weights, kind="stable")
    found = []
    for i in order.tolist():
        name, weight = record.members[i].name, float(decision.weights[i])
        why = decision.dropped.get(name) or decision.reduced.get(name, "")
        found.append((name, f"{weight:.2%}" if weight > 0 else "–", why))
    return found


def _bps(fraction: float) -> str:
    return f"{fraction * 1e4:.1f} bp"


def _signed(estimate: Estimate) -> str:
    low, high = estimate.interval.low, estimate.interval.high
    return f"{estimate.mean:+.2f}, {estimate.interval.level:.0%} interval {low:+.2f} to {high:+.2f}"
