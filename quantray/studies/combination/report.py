"""The report of a combination: whether sharing capital by rule was worth it, in words, intervals and pictures."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from quantray.analytics.figures import PALETTE
from quantray.analytics.metrics import performance, sharpe_ratio
from quantray.analytics.page import Cell, Column, Page, Rows, Section, Table, chart, concluded, ranged, shown, signed
from quantray.analytics.selection import ACCEPTED
from quantray.analytics.summary import accounts_table
from quantray.research.market import MarketData
from quantray.studies.combination import figures as combination_figures
from quantray.studies.combination.figures import KINDS, kind
from quantray.studies.combination.record import BEST, EQUAL, MIX, Account, CombinationRecord

__all__ = ["CombinationReportInput", "account_metrics", "combination_page", "netting_summary", "verdict"]


@dataclass(frozen=True, eq=False)
class CombinationReportInput:
    """All that the report shows."""

    title: str
    meta: str
    lookback_days: int
    method: str
    lag: int
    costs: str
    """What trades are charged, in words."""
    record: CombinationRecord
    data: MarketData
    options: tuple[str, ...] = ()
    """How options were priced, a sentence each."""


def verdict(record: CombinationRecord) -> str:
    """Whether the mix beat equal shares, in a sentence or two."""
    mix, equal = record.outcome(MIX), record.outcome(EQUAL)
    if mix.sharpe is None or equal.sharpe is None or equal.mix_over is None:
        return "The mix held nothing, so nothing can be said."
    gain = equal.mix_over
    word = concluded(
        gain,
        helped="Sharing capital by rule helped",
        hurt="Sharing capital by rule hurt",
        unsure="There is no evidence that sharing capital by rule helped",
    )
    return (
        f"{word}: the mix of {len(record.members)} strategies reached a Sharpe ratio of {mix.sharpe.mean:.2f} out of "
        f"sample, against {equal.sharpe.mean:.2f} for equal shares (difference {signed(gain)})."
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


def combination_page(content: CombinationReportInput) -> Page:
    """The report."""
    record = content.record
    return Page(
        title=content.title,
        meta=content.meta,
        headline=verdict(record),
        warnings=content.data.survivors(
            "returns of long positions are biased upward. Compare the portfolios with one another"
        ),
        findings=(*_findings(record), *content.options),
        sections=(
            _portfolios(content),
            chart("Growth", combination_figures.growth(record)),
            chart("Capital by family", combination_figures.capital(record)),
            chart("Who holds capital", combination_figures.selection(record)),
            chart("Where capital went", combination_figures.where_capital_went(record)),
            chart("Netting", combination_figures.netting(record)),
            chart("How strategies move together", combination_figures.correlations(record)),
            _rules(record),
            _last_decision(record),
        ),
        summary=_summary(content),
    )


def _portfolios(content: CombinationReportInput) -> Section:
    record = content.record
    columns = (
        *(
            "",
            "Sharpe ratio",
            "Return",
            "Volatility",
            "Max drawdown",
            "Deflated",
            "The mix over it",
            "Turnover",
            "Cost",
        ),
        *("Gross exposure", "Effective names"),
    )
    rows = tuple(_row(record, account, PALETTE[i]) for i, account in enumerate(record.accounts))
    return Section(
        title="Portfolios",
        note=f"{content.data.delistings} After costs of {content.costs}. Shares are decided from "
        f"{content.lookback_days} days of past returns ({content.method}) and traded {content.lag} "
        f"day{'' if content.lag == 1 else 's'} later; they drift in between. Intervals are from a block bootstrap, of "
        "differences in pairs. Deflated: probability that the true Sharpe ratio exceeds what the best of as many "
        "strategies without skill would show. Turnover is one-way a year, exposure that of the netted book.",
        parts=(Table(columns=columns, groups=(Rows(rows=rows),), dense=True),),
    )


def _rules(record: CombinationRecord) -> Section:
    columns = (
        "Rule",
        Column(title="Family", text=True),
        *("Sets", "Sharpe ratio", "Turnover", "Capital", "Held", "Too correlated", "Too little history"),
        *("Held nothing", "By the method", "Reduced"),
    )
    rows = tuple(_entry(record, entry) for entry in dict.fromkeys(m.entry for m in record.members))
    return Section(
        title="Rules of the catalogue",
        note="Sharpe ratios of the strategies alone, out of sample: median and range over parameter sets. Held and the "
        "reasons against are shares of all strategies and rebalances; a strategy reduced for its drawdown is held.",
        parts=(Table(columns=columns, groups=(Rows(rows=rows),), dense=True),),
    )


def _summary(content: CombinationReportInput) -> Table:
    record = content.record
    metrics = {account.name: account_metrics(record, account) for account in record.accounts}
    return accounts_table(f"{content.title}: {record.dates[0]} to {record.dates[-1]}, after costs", metrics)


def _findings(record: CombinationRecord) -> list[str]:
    """What else the numbers say, a sentence or two each."""
    found = []
    for outcome in record.outcomes:
        if outcome.account not in (MIX, EQUAL) and outcome.mix_over is not None and outcome.sharpe is not None:
            what = f" ({record.members[record.best].name})" if outcome.account == BEST else ""
            found.append(
                f"{outcome.account}{what} reached {outcome.sharpe.mean:.2f}; from there to the mix the difference is "
                f"{signed(outcome.mix_over)}."
            )
    best = record.outcome(BEST).deflated
    if best is not None:
        luck = "is more than luck" if best.probability >= ACCEPTED else "cannot be told from luck"
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


def _row(record: CombinationRecord, account: Account, colour: str) -> tuple[str | Cell, ...]:
    """One line of the table of portfolios."""
    metrics, outcome = account_metrics(record, account), record.outcome(account.name)
    gain = outcome.mix_over
    return (
        Cell(text=account.name, colour=colour),
        Cell(text=shown(None if outcome.sharpe is None else outcome.sharpe.mean, ".2f"), below=ranged(outcome.sharpe)),
        f"{metrics['annual_return']:.2%}",
        f"{metrics['annual_volatility']:.2%}",
        f"{metrics['max_drawdown']:.1%}",
        shown(metrics.get("deflated_sharpe"), ".2f"),
        Cell(text=shown(None if gain is None else gain.mean, "+.2f"), below=ranged(gain, "+.2f")),
        f"{metrics['annual_turnover']:.1f}",
        f"{metrics['annual_cost']:.2%}",
        f"{metrics['mean_gross_exposure']:.0%}",
        shown(metrics["mean_effective_names"], ".0f"),
    )


def _entry(record: CombinationRecord, entry: str) -> tuple[str | Cell, ...]:
    """One line of the table of rules."""
    which = [i for i, member in enumerate(record.members) if member.entry == entry]
    names = {record.members[i].name for i in which}
    ratios = sharpe_ratio(record.member_returns[:, which], periods_per_year=record.periods_per_year)
    ratios = ratios[~np.isnan(ratios)]
    cells, decided = len(which) * len(record.decisions), record.decisions
    reasons = Counter(kind(why) for d in decided for name, why in d.dropped.items() if name in names)
    reduced = sum(name in names for decision in decided for name in decision.reduced)
    share = record.account(MIX).shares[:, which].sum(axis=1).mean()
    middle = Cell(text="–")
    if len(ratios):
        middle = Cell(text=f"{np.median(ratios):.2f}", below=f"{ratios.min():.2f} to {ratios.max():.2f}")
    return (
        entry,
        record.members[which[0]].family,
        f"{len(which)}",
        middle,
        f"{record.member_turnover[:, which].mean() * record.periods_per_year:.1f}",
        f"{share:.1%}",
        f"{1 - sum(reasons.values()) / cells:.0%}",
        *(f"{reasons[name] / cells:.0%}" if reasons[name] else "–" for name in KINDS),
        f"{reduced / cells:.0%}" if reduced else "–",
    )


def _last_decision(record: CombinationRecord) -> Section:
    """Strategy, share and why it is left out or reduced, at the last rebalance; the largest first."""
    decision = record.decisions[-1]
    rows = []
    for i in np.argsort(-decision.weights, kind="stable").tolist():
        name, weight = record.members[i].name, float(decision.weights[i])
        why = decision.dropped.get(name) or decision.reduced.get(name, "")
        rows.append((name, f"{weight:.2%}" if weight > 0 else "–", why))
    columns = ("Strategy", "Share", Column(title="Why", text=True))
    table = Table(columns=columns, groups=(Rows(rows=tuple(rows)),), folded=f"All {len(rows)} strategies")
    return Section(
        title="The last decision",
        note=f"{record.decided[-1]}: shares of NAV, and why strategies are left out or reduced. All decisions are in "
        "decisions.parquet.",
        parts=(table,),
    )


def _bps(fraction: float) -> str:
    return f"{fraction * 1e4:.1f} bp"
