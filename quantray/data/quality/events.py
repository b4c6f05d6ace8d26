"""Splits and dividends beside the prices of bars: listed ones, those that adjusted closes imply, and how both agree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from quantray.arrays import Bool, Float, Int
from quantray.data.blocks import Block, in_blocks, together
from quantray.data.quality.implied import BarSeries, implied_events
from quantray.data.quality.listed import listed_events, lists, pooled, statements
from quantray.data.vendors.formats import ADJUSTMENTS

__all__ = ["Adjustment", "normalise_blocks", "normalise_events"]

_LISTED = "dividend and split columns"
_SHOWN, _MISMATCHES = 20, 10
"""Departures, or doubts, and mismatched days that a report shows."""
_HELPERS = ("inside_split", "inside_dividend", "implied")

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
    blocks = in_blocks(bars.copy(deep=False))
    adjustment = normalise_blocks(blocks, helpers=True)
    return together(blocks), adjustment


def normalise_blocks(blocks: Sequence[Block], *, helpers: bool) -> Adjustment:
    """What ``normalise_events`` does, to bars in blocks in place.

    Parameters
    ----------
    helpers : whether to add ``inside_split``, ``inside_dividend`` and ``implied``.
    """
    facts = _Facts.of(blocks)
    judged = pooled(blocks) if facts.listing else ()
    doubts = tuple(text for kind in judged for text in kind.doubts)
    found = []
    for number, block in enumerate(blocks):
        series = BarSeries(block)
        made = _told_events(series, [kind.of(number) for kind in judged], facts.vendor)
        settled, n_mismatches, worst = _smaller_moves(series, made, number)
        found.append(_Learnt.of(made, settled, n_mismatches, worst))
        block.put("dividend", settled.dividend)
        block.put("split", settled.split)
        if doubts:
            block.put("doubt", made.doubt)
        for name in _HELPERS if helpers else ():
            block.put(name, getattr(made, name))
        block.drop(*facts.used)
    for block in blocks if helpers else ():
        block.drop(*(name for name in _HELPERS if not any(name in each.helpers for each in found)))
    mismatches = sorted(each for learnt in found for each in learnt.mismatches)[:_MISMATCHES]
    nothing = () if facts.listing or facts.vendor else (_NOTHING_TELLS[max(facts.stated)],)
    return Adjustment(
        source=facts.source,
        prices=_quoted(found, facts),
        n_splits=sum(each.n_splits for each in found),
        n_dividends=sum(each.n_dividends for each in found),
        evidence=(*nothing, *(text for kind in judged for text in kind.evidence)),
        unverified=tuple(text for kind in judged for text in kind.unverified),
        departures=tuple(text for kind in judged for text in kind.departures)[:_SHOWN],
        doubts=doubts[:_SHOWN],
        mismatched_days=sum(each.n_mismatches for each in found),
        mismatches=tuple(text for *_, text in mismatches),
    )


@dataclass(frozen=True, eq=False)
class _Facts:
    """What holds of all bars together."""

    vendor: str | None
    """The column by which the vendor says what a day returned; None where it says nothing."""
    listing: bool
    """Whether any file lists events."""
    complete: bool
    """Whether all list dividends and splits."""
    stated: frozenset[int]
    """Indices into ``ADJUSTMENTS``."""
    used: tuple[str, ...]
    """Columns that were evidence."""

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> "_Facts":
        vendor = next((name for name in ("total_return", "adj_close") if name in blocks[0]), None)
        listing, complete, stated = False, True, set[int]()
        for block in blocks:
            dividends, splits = lists(block)
            listing = listing or bool((dividends | splits).any())
            complete = complete and bool((dividends & splits).all())
            stated |= {int(each) for each in np.unique(statements(block)[0])}
        used = ["total_return", "price_factor", "basis", "lists"]
        if "adj_close" in blocks[0] and not any((block.columns["adj_close"] <= 0).any() for block in blocks):
            used.append("adj_close")
        return cls(vendor, listing, complete, frozenset(stated), tuple(used))

    @property
    def source(self) -> str:
        """Where events come from."""
        listed = [_LISTED] if self.listing else []
        implied = [self.vendor] if self.vendor and not (self.listing and self.complete) else []
        return ", ".join([*listed, *implied]) or "none"


@dataclass(frozen=True, eq=False)
class _Events:
    """Splits and dividends of a block that are beside the prices, and those that are not."""

    split: Float
    dividend: Float
    inside_split: Float
    """Splits that the prices contain; 1 elsewhere."""
    inside_dividend: Float
    implied: Bool
    """Rows whose events were read from an adjusted close or a total return, for their file lists none."""
    doubt: np.ndarray
    """Text on rows of events that can be read in two ways."""


_Mismatch = tuple[float, int, int, str]
"""Less the difference, block, row and text of a day on which the vendor disagrees with its own events."""


@dataclass(frozen=True)
class _Learnt:
    """What a block adds to the report."""

    splits: bool
    """Whether any is beside the prices."""
    n_inside: int
    """Dividends in the prices."""
    n_beside: int
    n_splits: int
    n_dividends: int
    helpers: frozenset[str]
    """Those that say anything."""
    n_mismatches: int
    mismatches: tuple[_Mismatch, ...]

    @classmethod
    def of(cls, made: _Events, settled: _Events, n_mismatches: int, worst: tuple[_Mismatch, ...]) -> "_Learnt":
        says = {
            "inside_split": (made.inside_split != 1).any(),
            "inside_dividend": (made.inside_dividend > 0).any(),
            "implied": made.implied.any(),
        }
        return cls(
            bool((made.split != 1).any()),
            int((made.inside_dividend > 0).sum()),
            int((made.dividend > 0).sum()),
            int((settled.split != 1).sum()),
            int((settled.dividend > 0).sum()),
            frozenset(name for name, any_ in says.items() if any_),
            n_mismatches,
            worst,
        )


def _told_events(series: BarSeries, judged: Sequence[tuple[Int, Bool, np.ndarray]], vendor: str | None) -> _Events:
    """Listed events where a file lists them, and those that its adjusted close implies where it does not."""
    bars, n = series.block, len(series.block)
    split, dividend = listed_events(series)
    made = _Events(split, dividend, np.ones(n), np.zeros(n), np.zeros(n, np.bool_), np.full(n, "", dtype=object))
    for (rows, inside, doubt), beside, within, none in zip(
        judged, (split, dividend), (made.inside_split, made.inside_dividend), (1.0, 0.0), strict=False
    ):
        made.doubt[rows[doubt != ""]] = doubt[doubt != ""]
        held = rows[inside]
        within[held], beside[held] = beside[held], none
    has_dividends, has_splits = lists(bars)
    both = has_dividends & has_splits
    if vendor is None or both.all():
        return made
    # Of what a file does not list, the adjusted close tells: it moves beyond the price and the listed events.
    implied = implied_events(series, split, dividend)
    return replace(
        made,
        split=np.where(has_splits, split, implied[0]),
        dividend=np.where(has_dividends, dividend, implied[1]),
        implied=~both & ~np.isnan(bars.columns[vendor]),
    )


def _smaller_moves(series: BarSeries, made: _Events, number: int) -> tuple[_Events, int, tuple[_Mismatch, ...]]:
    """The events where closes and adjusted closes agree on the day's return, else the smaller of the two moves.

    An event that one of the two missed or invented shows as a large move. Beside them the number of days on which the
    two differ, and the worst.
    """
    theirs, bars = series.theirs, series.block
    listing = np.logical_and(*lists(bars))
    if theirs is None or not listing.any():
        return made, 0, ()
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = series.gross * made.split * (1 + made.dividend / series.close)
        differs = (np.abs(ours - theirs) > 0.005) & listing
        wrong = differs & (np.abs(np.log(theirs)) < np.abs(np.log(ours)))
        split = np.where(wrong, theirs / series.gross, made.split)
    rows, names = np.flatnonzero(differs), bars.texts["symbol"].categories
    worst = rows[np.argsort(-np.abs(ours - theirs)[rows], kind="stable")][:_MISMATCHES]
    told = (
        f"{names[bars.columns['symbol'][i]]} {str(bars.columns['date'][i])[:10]}: "
        f"closes and events say {ours[i] - 1:+.1%}, adj_close {theirs[i] - 1:+.1%}"
        for i in worst
    )
    places = ((-float(abs(ours[i] - theirs[i])), number, int(i), text) for i, text in zip(worst, told, strict=True))
    return replace(made, split=split, dividend=np.where(wrong, 0.0, made.dividend)), len(rows), tuple(places)


def _quoted(found: Sequence[_Learnt], facts: _Facts) -> str:
    if any(each.splits for each in found):
        return "unadjusted"
    inside = sum(each.n_inside for each in found)
    listed = inside + sum(each.n_beside for each in found)
    if inside > listed / 2 or (not listed and facts.stated == {ADJUSTMENTS.index("splits and dividends")}):
        return "adjusted for splits and dividends"
    return "unadjusted" if facts.stated == {ADJUSTMENTS.index("none")} else "split-adjusted"
