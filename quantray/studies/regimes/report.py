"""The report of a study of regimes: where the market is, how steady the labels are, and what was said when it fell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.analytics.figures import Picture
from quantray.analytics.page import Cell, Page, Rows, Section, Table, chart, shown
from quantray.analytics.regime_figures import lens_strips, regimes_over_price
from quantray.arrays import Float
from quantray.regimes.episodes import Detection, Episode, FalseAlarms
from quantray.regimes.path import Agreement, RegimePath
from quantray.studies.evaluation.regime_choice import RegimeMethod

__all__ = ["Refit", "RegimesInput", "Seen", "Weekly", "regimes_page"]

_WORDS: Mapping[RegimeMethod, str] = {
    "market": "Market",
    "trend": "Market by trend",
    "volatility": "Volatility",
    "liquidity": "Liquidity",
    "correlation": "Correlation",
    "sector": "Sectors",
    "hmm": "Hidden Markov model",
    "ensemble": "Ensemble",
}


@dataclass(frozen=True)
class Refit:
    """The past as one fit tells it."""

    fitted: np.datetime64
    """Its last day."""
    days: int
    """That it and what was said at the time both know."""
    changed: float
    """Share of them with another label than was said at the time."""
    changed_again: float
    """Share of days with another label than by the fit before; NaN at the first."""


@dataclass(frozen=True, eq=False)
class Weekly:
    """A lens on weeks."""

    path: RegimePath
    agreement: Agreement
    """With the same lens on days, each day against the last week that had closed."""


@dataclass(frozen=True)
class Seen:
    """What one method said of one episode."""

    method: RegimeMethod
    episode: Episode
    detection: Detection
    fall: float
    """Return of the index from the peak to the trough."""
    fallen: float
    """Return of the index from the peak to the alarm; NaN without one."""


@dataclass(frozen=True, eq=False)
class RegimesInput:
    """All that the report shows."""

    title: str
    meta: str
    level: Float
    """(T,) index on the days of the paths, from one on; NaN before it begins."""
    said: Mapping[RegimeMethod, RegimePath]
    weekly: Mapping[RegimeMethod, Weekly]
    refits: Mapping[RegimeMethod, tuple[Refit, ...]]
    seen: tuple[Seen, ...]
    quiet: Mapping[RegimeMethod, FalseAlarms]
    """Alarms outside all episodes."""
    warnings: tuple[str, ...]


def regimes_page(content: RegimesInput) -> Page:
    """The report."""
    last = next(iter(content.said.values())).dates[-1]
    now = [f"{_WORDS[name].lower()} {_last(path)} ({_chance(path)})" for name, path in content.said.items()]
    note = "A label stays until another has led it clearly, or for some days: its probability may be low by then."
    sections = [Section(title="Now", note=note, parts=(_now(content),))]
    sections += [chart("All methods", _strips(content))]
    if content.seen:
        sections.append(_falls(content))
    if any(content.refits.values()):
        sections.append(_refits(content))
    if content.weekly:
        sections.append(_weeks(content))
    return Page(
        title=content.title,
        meta=content.meta,
        headline=f"On {last}: {', '.join(now)}.",
        warnings=content.warnings,
        findings=_findings(content),
        sections=(*sections, *(_method(content, name) for name in content.said)),
        summary=_summary(content),
    )


def _last(path: RegimePath) -> str:
    return str(path.named[-1])


def _chance(path: RegimePath) -> str:
    """Of the last label; of a rule without doubts, its word."""
    sure = float(path.probabilities[-1, path.labels[-1]])
    return "by rule" if _certain(path) else f"{sure:.0%}"


def _certain(path: RegimePath) -> bool:
    return bool(np.isin(path.probabilities[path.known], (0.0, 1.0)).all())


def _findings(content: RegimesInput) -> tuple[str, ...]:
    out = []
    for name in content.said:
        seen = [one.detection.days for one in content.seen if one.method == name]
        days = [one for one in seen if one is not None]
        if not seen:
            continue
        when = f", {np.median(days):.0f} trading days after the peak in the median" if days else ""
        rate = content.quiet[name].a_year
        false = "" if np.isnan(rate) else f", and gave {rate:.1f} false alarms a year between them"
        out.append(f"{_WORDS[name]} saw {len(days)} of {len(seen)} falls{when}{false}.")
    changed = {name: refits[-1].changed for name, refits in content.refits.items() if refits}
    if changed:
        out.append(f"The last fit tells {_span(changed)} of days otherwise than was said at the time.")
    same = {name: weekly.agreement.same for name, weekly in content.weekly.items() if weekly.agreement.rows}
    if same:
        out.append(f"On weeks the same regime is named on {_span(same)} of days.")
    return tuple(out)


def _span(shares: Mapping[RegimeMethod, float]) -> str:
    low, high = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
    least = f"{shares[low]:.0%} ({_WORDS[low].lower()})"
    return least if low == high else f"{least} to {shares[high]:.0%} ({_WORDS[high].lower()})"


def _now(content: RegimesInput) -> Table:
    rows = []
    for name, path in content.said.items():
        shares = dict(zip(path.names.tolist(), path.shares.tolist(), strict=True))
        spells = path.spells
        rows.append(
            (
                _WORDS[name],
                Cell(text=_last(path), below=f"since {spells.first[-1]}"),
                _chance(path),
                f"{spells.lengths[-1]:,}",
                f"{path.mean_dwell[path.labels[-1]]:,.0f}",
                f"{shares[_last(path)]:.0%}",
            )
        )
    columns = ("Method", "Regime", "Probability", "Days so far", "Mean spell of it, days", "Share of all days")
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),))


def _strips(content: RegimesInput) -> Picture:
    return lens_strips({_WORDS[name]: path for name, path in content.said.items()}, content.level)


def _falls(content: RegimesInput) -> Section:
    episodes = list(dict.fromkeys(one.episode for one in content.seen))
    rows = []
    for episode in episodes:
        found = {one.method: one for one in content.seen if one.episode == episode}
        any_of = next(iter(found.values()))
        span = f"{any_of.detection.first} to {episode.trough}"
        rows.append(
            (
                Cell(text=episode.name, below=span),
                f"{any_of.fall:.0%}",
                *(_saw(found[name]) if name in found else "–" for name in content.said),
            )
        )
    quiet = [content.quiet[name] for name in content.said]
    between = (
        ("False alarms a year", "", *(shown(each.a_year, ".1f") for each in quiet)),
        ("Share of days with one", "", *(shown(each.share, ".0%") for each in quiet)),
    )
    columns = ("Fall", "Index", *(_WORDS[name] for name in content.said))
    note = (
        "Trading days from the peak to the first alarm, which is a market that is not bull, high volatility, stress, a "
        "crisis or concentration; 0 where it was on already. Below: what the index had lost by then, and the "
        "share of the days from there to the trough with an alarm. Falls that began before a method knew anything "
        "count from its first day. False alarms begin outside all falls and the 63 days after them."
    )
    groups = (Rows(rows=tuple(rows)), Rows(title="Between falls", rows=between))
    return Section(title="When markets fell", note=note, parts=(Table(columns=columns, groups=groups, dense=True),))


def _saw(one: Seen) -> Cell:
    found = one.detection
    if found.date is None:
        return Cell(text="never", below=f"{found.said} to the end")
    return Cell(text=f"{found.days}", below=f"{one.fallen:.0%}, on {found.held:.0%}")


def _refits(content: RegimesInput) -> Section:
    groups = tuple(
        Rows(
            title=_WORDS[name],
            rows=tuple(
                (str(one.fitted), f"{one.days:,}", shown(one.changed, ".1%"), shown(one.changed_again, ".1%"))
                for one in refits
            ),
        )
        for name, refits in content.refits.items()
        if refits
    )
    columns = (
        "Fitted on days up to",
        "Days told",
        "Otherwise than said at the time",
        "Otherwise than by the fit before",
    )
    note = (
        "Labels are never changed afterwards. Here one fit on the days up to a date tells all of them again: where it "
        "tells them otherwise, what was said depended on what had been learnt by then."
    )
    return Section(title="Refits", note=note, parts=(Table(columns=columns, groups=groups, dense=True),))


def _weeks(content: RegimesInput) -> Section:
    rows = tuple(
        (
            _WORDS[name],
            _last(weekly.path),
            f"{weekly.agreement.rows:,}",
            shown(weekly.agreement.same, ".0%"),
            shown(weekly.agreement.adjusted_rand, ".2f"),
        )
        for name, weekly in content.weekly.items()
    )
    columns = ("Lens", "On weeks now", "Days that both know", "Same regime", "Adjusted Rand index")
    note = (
        "Each day against the last week that had closed. The adjusted Rand index is 1 for the same partition of days "
        "and about 0 for unrelated ones, however often one regime is the usual one."
    )
    return Section(title="Days against weeks", note=note, parts=(Table(columns=columns, groups=(Rows(rows=rows),)),))


def _method(content: RegimesInput, name: RegimeMethod) -> Section:
    path = content.said[name]
    dates = path.dates
    drawn = chart(_WORDS[name], regimes_over_price(dates, content.level, path))
    table = [Rows(title="On days", rows=_rows(path))]
    if name in content.weekly and content.weekly[name].path.known.any():
        table.append(Rows(title="On weeks", rows=_rows(content.weekly[name].path)))
    columns = ("Regime", "Share", "Spells", "Mean length", "Longest", *(f"Then {each}" for each in path.names.tolist()))
    return Section(
        title=drawn.title,
        note=drawn.note,
        parts=(*drawn.parts, Table(columns=columns, groups=tuple(table), dense=True), _spells(path)),
    )


def _rows(path: RegimePath) -> tuple[tuple[str, ...], ...]:
    """Of each regime its spells, lengths in rows, and the shares of rows that follow one of it."""
    spells, moves = path.spells, path.transitions
    return tuple(
        (
            name,
            f"{path.shares[i]:.0%}",
            f"{int((spells.labels == i).sum()):,}",
            shown(float(path.mean_dwell[i]), ",.0f"),
            f"{int(spells.lengths[spells.labels == i].max(initial=0)):,}",
            *(shown(float(share), ".1%") for share in moves[i]),
        )
        for i, name in enumerate(path.names.tolist())
    )


def _spells(path: RegimePath) -> Table:
    spells = path.spells
    rows = tuple(
        (str(first), str(last), f"{days:,}", str(path.names[label]))
        for label, first, last, days in zip(spells.labels, spells.first, spells.last, spells.lengths, strict=True)
    )
    columns = ("From", "To", "Days", "Regime")
    return Table(columns=columns, groups=(Rows(rows=rows),), dense=True, folded="Show every spell")


def _summary(content: RegimesInput) -> Table:
    rows = []
    for name, path in content.said.items():
        refits, weekly = content.refits[name], content.weekly.get(name)
        rows.append(
            (
                _WORDS[name],
                _last(path),
                str(path.spells.first[-1]),
                _chance(path),
                f"{len(path.spells.lengths):,}",
                f"{refits[-1].changed:.0%}" if refits else "–",
                shown(weekly.agreement.same, ".0%") if weekly else "–",
            )
        )
    columns = ("method", "regime", "since", "probability", "spells", "told otherwise by the last fit", "same on weeks")
    return Table(title=content.title, columns=columns, groups=(Rows(rows=tuple(rows)),))
