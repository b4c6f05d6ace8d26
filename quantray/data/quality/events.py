"""Splits and dividends beside the prices of bars: which of those that a file lists are in the prices already."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from quantray.arrays import Bool, Float, Int
from quantray.data.quality.evidence import Verdict, price_evidence, vendor_evidence, weigh
from quantray.data.quality.implied import BarSeries, implied_events, sorted_series
from quantray.data.vendors.formats import ADJUSTMENTS, CERTAIN

__all__ = ["Adjustment", "normalise_events"]

_STATED = np.log(30.0)
"""Log odds of what a file's maker states of its prices."""
_SURE = 3.0
"""Log odds from which evidence against a statement, or without one, decides."""
_NEAR_STATEMENT = np.log(4.0)
"""Log odds down to which a statement stands although the prices lean the other way."""
_LISTED = "dividend and split columns"
_VERIFIED = np.log(100.0)
"""Log odds from which the prices confirm or contradict a statement."""
_CERTAIN = 1e3
"""How much more a statement counts that the caller makes."""
_MATTERS = 0.01
"""Difference in total return between two readings below which an undecided one is only reported."""

_IN_PRICES = {
    "splits": np.array([0.0, -_STATED, _STATED, _STATED]),
    "dividends": np.array([-_STATED, -_STATED, -_STATED, _STATED]),
}
"""Log odds that events are in the prices, by ``ADJUSTMENTS``; dividends of which nothing is said are beside them."""


_NOTHING_TELLS = (
    "nothing tells of dividends, and splits only where they are missing from the prices: returns are those of prices",
    "nothing tells of dividends, and splits only where the prices jump: returns are those of prices",
    "nothing tells of dividends: returns are those of prices",
    "the prices contain splits and dividends as the format states; nothing tells them apart",
)
"""What can be said of files without any column of events, by ``ADJUSTMENTS``."""


class Adjustment(BaseModel):
    """What was learnt and done about splits and dividends when bars were imported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Where events came from: ``dividend and split columns``, ``adj_close``, ``total_return`` or ``none``."""
    prices: str
    """What the closes account for: ``unadjusted``, ``split-adjusted`` or ``adjusted for splits and dividends``."""
    n_splits: int = 0
    n_dividends: int = 0
    evidence: tuple[str, ...] = ()
    """What was taken to be in the prices already, and what says so."""
    unverified: tuple[str, ...] = ()
    """Of ``splits`` and ``dividends``: what is as the format states, because the prices say too little."""
    departures: tuple[str, ...] = ()
    """Single events that are read otherwise than the rest of their symbol's."""
    doubts: tuple[str, ...] = ()
    """Symbols whose events can be read in two ways, with what each would give."""
    mismatched_days: int = 0
    """Days on which the vendor's adj_close moves by over 0.5 % more or less than closes and events say."""
    mismatches: tuple[str, ...] = ()
    """The largest of these; on each the smaller of the two moves was taken."""


def normalise_events(bars: pd.DataFrame) -> tuple[pd.DataFrame, Adjustment]:
    """Bars sorted by symbol and date, with complete ``dividend`` and ``split`` columns.

    Listed events that the prices already contain are left out: what each file's maker states (``basis``), the moves on
    the days of events and the adjusted close, where there is one, decide for each event; see ``data.evidence``. What a
    file does not list is read from the daily moves of its ``adj_close`` or ``total_return`` against the close. Where
    both are given and disagree on a day, the smaller move stands and the day is recorded.

    Parameters
    ----------
    bars : rows of (date, symbol, close, optional open, adj_close, total_return, price_factor, dividend, split and
        ``basis`` as index into ``formats.ADJUSTMENTS``, plus ``formats.CERTAIN`` where the caller knows; ``lists``: 1
        where a row's file has a column of dividends, plus 2 where it has one of splits), in any order.

    Returns
    -------
    The bars without the columns that were evidence, and what was learnt. Events that the prices contain stand in
    ``inside_split`` and ``inside_dividend``, where there are any; rows whose events an adjusted close implied stand in
    ``implied``. Where two readings of a symbol differ and
    nothing decides between them, a column ``doubt`` says so on the rows of its events. ``adj_close`` stays where it is
    zero or below somewhere, for the checks to see.
    """
    series = sorted_series(bars)
    made = _told_events(series)
    settled, mismatches = _smaller_moves(series, made)
    used = ["total_return", "price_factor", "basis", "lists"]
    if "adj_close" in bars and not (bars["adj_close"] <= 0).any():
        used.append("adj_close")
    out = series.frame.drop(columns=used, errors="ignore").assign(dividend=settled.dividend, split=settled.split)
    helpers = {
        "inside_split": made.inside_split if (made.inside_split != 1).any() else None,
        "inside_dividend": made.inside_dividend if (made.inside_dividend > 0).any() else None,
        "implied": made.implied if made.implied.any() else None,
        "doubt": made.doubt if made.doubts else None,
    }
    out = out.assign(**{name: values for name, values in helpers.items() if values is not None})
    return out, Adjustment(
        source=made.source,
        prices=_quoted(made, series.frame),
        n_splits=int((settled.split != 1).sum()),
        n_dividends=int((settled.dividend > 0).sum()),
        evidence=made.evidence,
        unverified=made.unverified,
        departures=made.departures,
        doubts=made.doubts,
        mismatched_days=len(mismatches),
        mismatches=mismatches[:10],
    )


@dataclass(frozen=True, eq=False)
class _Events:
    """Splits and dividends that are beside the prices, and what was found about those that are not."""

    split: Float
    dividend: Float
    inside_split: Float
    """Splits that the prices contain; 1 elsewhere."""
    inside_dividend: Float
    implied: Bool
    """Rows whose events were read from an adjusted close or a total return, for their file lists none."""
    doubt: np.ndarray
    """Text on rows of events that can be read in two ways."""
    source: str = "none"
    evidence: tuple[str, ...] = ()
    departures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()


def _told_events(series: BarSeries) -> _Events:
    """Listed events where a file lists them, and those that its adjusted close implies where it does not."""
    bars, n = series.frame, len(series.frame)
    has_dividends, has_splits = _lists(bars)
    split = np.where(has_splits, series.column("split", default=1.0), 1.0)
    dividend = np.where(has_dividends, series.column("dividend", default=0.0), 0.0)
    empty = np.zeros(n, dtype=np.bool_), np.full(n, "", dtype=object)
    listed = _Events(
        np.where(split > 0, split, 1.0), np.maximum(dividend, 0.0), np.ones(n), np.zeros(n), empty[0], empty[1]
    )
    listing, vendor = has_dividends | has_splits, "total_return" if "total_return" in bars else "adj_close"
    if series.theirs is None:
        if listing.any():
            return replace(_listed_events(series, listed), source=_LISTED)
        return replace(listed, evidence=(_NOTHING_TELLS[int(_statements(bars)[0].max())],))
    made = _listed_events(series, listed) if listing.any() else listed
    both = has_dividends & has_splits
    if both.all():
        return replace(made, source=_LISTED)
    # Of what a file does not list, the adjusted close tells: it moves beyond the price and the listed events.
    implied = implied_events(series, made.split, made.dividend)
    sources = [_LISTED] if listing.any() else []
    return replace(
        made,
        split=np.where(has_splits, made.split, implied[0]),
        dividend=np.where(has_dividends, made.dividend, implied[1]),
        implied=~both & ~np.isnan(bars[vendor].to_numpy(dtype=np.float64)),
        source=", ".join([*sources, vendor]),
    )


def _lists(bars: pd.DataFrame) -> tuple[Bool, Bool]:
    """Rows of files with a column of dividends, and of files with one of splits."""
    n = len(bars)
    if "lists" not in bars:
        return np.full(n, "dividend" in bars), np.full(n, "split" in bars)
    flags = np.nan_to_num(bars["lists"].to_numpy(dtype=np.float64)).astype(np.int64)
    return (flags & 1) > 0, (flags & 2) > 0


def _smaller_moves(series: BarSeries, made: _Events) -> tuple[_Events, tuple[str, ...]]:
    """The events where closes and adjusted closes agree on the day's return, else the smaller of the two moves.

    An event that one of the two missed or invented shows as a large move.
    """
    theirs = series.theirs
    listing = np.logical_and(*_lists(series.frame))
    if theirs is None or not listing.any():
        return made, ()
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = series.gross * made.split * (1 + made.dividend / series.close)
        differs = (np.abs(ours - theirs) > 0.005) & listing
        wrong = differs & (np.abs(np.log(theirs)) < np.abs(np.log(ours)))
        split = np.where(wrong, theirs / series.gross, made.split)
    settled = replace(made, split=split, dividend=np.where(wrong, 0.0, made.dividend))
    return settled, _mismatches(series.frame, ours, theirs, differs)


def _quoted(made: _Events, bars: pd.DataFrame) -> str:
    if (made.split != 1).any():
        return "unadjusted"
    inside = int((made.inside_dividend > 0).sum())
    listed = inside + int((made.dividend > 0).sum())
    stated = _statements(bars)[0]
    if inside > listed / 2 or (not listed and (stated == ADJUSTMENTS.index("splits and dividends")).all()):
        return "adjusted for splits and dividends"
    return "unadjusted" if (stated == ADJUSTMENTS.index("none")).all() else "split-adjusted"


def _listed_events(series: BarSeries, listed: _Events) -> _Events:
    """Decide which of the listed events are in the prices; say in ``doubt`` of which rows nothing decides it."""
    split, dividend, doubt = listed.split.copy(), listed.dividend.copy(), listed.doubt.copy()
    bars, close = series.frame, series.close
    # On the first bar no price tells; it has no return either.
    open_question = series.before >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where((dividend > 0) & (close > 0), np.log1p(dividend / close), 0.0)
        ratio = np.log(split)
    stated, certain = _statements(bars)
    event = (paid != 0) | (ratio != 0)
    evidence, departures, doubts, unverified, inside = [], [], [], [], []
    for kind, size, other in (("splits", ratio, paid), ("dividends", paid, ratio)):
        rows = np.flatnonzero((size != 0) & open_question)
        if len(rows) == 0:
            inside.append(rows)
            continue
        says = _IN_PRICES[kind][stated[rows]] * np.where(certain[rows], _CERTAIN, 1.0)
        verdict, owner, names = _judged(series, rows, size, other, event, says)
        held = np.where(certain[rows], verdict.symbols[owner] > 0, verdict.events > 0)
        inside.append(rows[held])
        evidence.append(_evidence_text(kind, held, verdict, stated[rows]))
        unverified += [kind] if np.abs(verdict.evidence.sum()) < _VERIFIED and (says != 0).all() else []
        symbols = names.astype(str)
        for i in np.flatnonzero(held != (verdict.symbols[owner] > 0)):
            if np.abs(size[rows[i]]) > _MATTERS:
                departures.append(
                    f"{symbols[owner[i]]} {str(bars['date'].iloc[rows[i]])[:10]}: {kind[:-1]} "
                    f"{'is' if held[i] else 'is not'} in the prices, unlike its others"
                )
        for s in _undecided(verdict, owner, size[rows], says):
            mine = rows[owner == s]
            doubts.append(_doubt_text(series, symbols[s], mine, size, kind, float(verdict.symbols[s])))
            # Where the vendor says what the day returned, its word and the smaller move settle it.
            settled = series.theirs is not None and np.isfinite(series.theirs[mine]).all()
            if np.abs(size[mine]).sum() >= _MATTERS and not settled:
                doubt[mine] = doubts[-1]
    inside_split, inside_dividend = np.ones(len(bars)), np.zeros(len(bars))
    inside_split[inside[0]], split[inside[0]] = split[inside[0]], 1.0
    inside_dividend[inside[1]], dividend[inside[1]] = dividend[inside[1]], 0.0
    return _Events(
        split,
        dividend,
        inside_split,
        inside_dividend,
        listed.implied,
        doubt,
        evidence=tuple(evidence),
        departures=tuple(departures[:20]),
        doubts=tuple(doubts[:20]),
        unverified=tuple(unverified),
    )


def _judged(
    series: BarSeries, rows: Int, size: Float, other: Float, event: Bool, says: Float
) -> tuple[Verdict, Int, np.ndarray]:
    """What is to be believed of events, the number of each one's symbol, and the symbols' names."""
    found = price_evidence(series.moves, series.code, rows, size[rows], event)
    if series.theirs is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.log(series.theirs / series.gross)[rows]
            tolerance = np.maximum(5e-4, 0.01 / series.close[rows])
        factor = np.where(np.isfinite(factor), factor, np.nan)
        found = found + vendor_evidence(factor, size[rows], other[rows], tolerance)
    _, first, owner = np.unique(series.code[rows], return_index=True, return_inverse=True)
    # Symbols of one statement share a maker.
    group = np.unique(says[first], return_inverse=True)[1]
    return weigh(found, owner, group, says[first]), owner, series.frame["symbol"].to_numpy()[rows][first]


def _undecided(verdict: Verdict, owner: Int, size: Float, says: Float) -> Int:
    """Symbols whose two readings differ and stay close to even, also for the single event."""
    stated = says[np.unique(owner, return_index=True)[1]]
    open_events = np.bincount(owner, weights=np.abs(verdict.events) < _SURE, minlength=len(stated)) > 0
    towards = np.where(stated < 0, -verdict.symbols, verdict.symbols)
    unsure = (towards < np.where(stated == 0, _SURE, _NEAR_STATEMENT)) & (towards > -_SURE)
    large = np.bincount(owner, weights=np.abs(size), minlength=len(stated)) > 1e-4
    return np.flatnonzero(unsure & large & open_events)


def _statements(bars: pd.DataFrame) -> tuple[np.ndarray, Bool]:
    """What is stated of each row's price, as index into ``ADJUSTMENTS``, and whether that leaves no question."""
    if "basis" not in bars:
        return np.zeros(len(bars), dtype=np.int8), np.zeros(len(bars), dtype=np.bool_)
    basis = np.nan_to_num(bars["basis"].to_numpy()).astype(np.int8)
    return basis % CERTAIN, basis >= CERTAIN


def _evidence_text(kind: str, held: Bool, verdict: Verdict, stated: np.ndarray) -> str:
    total = float(verdict.evidence.sum())
    leaning = "in them" if total > 0 else "not in them"
    strength = f"{np.exp(min(abs(total), 13.8)):,.0f} to 1" + (" or more" if abs(total) > 13.8 else "")
    strength += ", too little to tell" if abs(total) < _VERIFIED else ""
    files = " and ".join(ADJUSTMENTS[i] for i in np.unique(stated))
    states = "the format does not say" if files == "unknown" else f"the format says adjusted for {files}"
    return (
        f"{kind}: {int(held.sum()):,} of {len(held):,} listed are in the prices already; {states}; "
        f"the prices say {leaning}, {strength}"
    )


def _doubt_text(series: BarSeries, symbol: str, rows: Int, size: Float, kind: str, odds: float) -> str:
    mine = np.flatnonzero((series.code == series.code[rows[0]]) & (series.close > 0))
    growth = series.close[mine[-1]] / series.close[mine[0]]
    outside = growth * np.exp(size[rows].sum())
    return (
        f"{symbol}: {len(rows)} {kind} may be in the prices (return {growth - 1:+.1%} from "
        f"{str(series.frame['date'].iloc[mine[0]])[:10]} to {str(series.frame['date'].iloc[mine[-1]])[:10]}) or not "
        f"({outside - 1:+.1%}); odds {np.exp(odds):.2g} to 1"
    )


def _mismatches(bars: pd.DataFrame, ours: Float, theirs: Float, differs: np.ndarray) -> tuple[str, ...]:
    rows = np.flatnonzero(differs)
    worst = rows[np.argsort(-np.abs(ours - theirs)[rows], kind="stable")]
    return tuple(
        f"{bars['symbol'].iloc[i]} {str(bars['date'].iloc[i])[:10]}: closes and events say {ours[i] - 1:+.1%}, "
        f"adj_close {theirs[i] - 1:+.1%}"
        for i in worst
    )
