"""Which of the splits and dividends that files list are in the prices already: evidence of all blocks of bars together.

Each block tells of its own events; what is believed of a symbol's convention, and of a maker's, pools them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from quantray.arrays import Bool, Float, Int
from quantray.data.blocks import Block
from quantray.data.quality.evidence import Verdict, price_evidence, vendor_evidence, weigh
from quantray.data.quality.implied import BarSeries
from quantray.data.vendors.formats import ADJUSTMENTS, CERTAIN

__all__ = ["Judgement", "listed_events", "lists", "pooled", "statements"]

_STATED = np.log(30.0)
"""Log odds of what a file's maker states of its prices."""
_SURE = 3.0
"""Log odds from which evidence against a statement, or without one, decides."""
_NEAR_STATEMENT = np.log(4.0)
"""Log odds down to which a statement stands although the prices lean the other way."""
_VERIFIED = np.log(100.0)
"""Log odds from which the prices confirm or contradict a statement."""
_CERTAIN = 1e3
"""How much more a statement counts that the caller makes."""
_MATTERS = 0.01
"""Difference in total return between two readings below which an undecided one is only reported."""
_SHOWN = 20
"""Of departures, and of doubts."""

_IN_PRICES = {
    "splits": np.array([0.0, -_STATED, _STATED, _STATED]),
    "dividends": np.array([-_STATED, -_STATED, -_STATED, _STATED]),
}
"""Log odds that events are in the prices, by ``ADJUSTMENTS``; dividends of which nothing is said are beside them."""


def lists(bars: Block) -> tuple[Bool, Bool]:
    """Rows of files with a column of dividends, and of files with one of splits."""
    n = len(bars)
    if "lists" not in bars:
        return np.full(n, "dividend" in bars), np.full(n, "split" in bars)
    flags = np.nan_to_num(bars.columns["lists"]).astype(np.int8)
    return (flags & 1) > 0, (flags & 2) > 0


def listed_events(series: BarSeries) -> tuple[Float, Float]:
    """(B,) splits and dividends that the files list; 1 and 0 elsewhere."""
    has_dividends, has_splits = lists(series.block)
    split = np.where(has_splits, series.column("split", default=1.0), 1.0)
    dividend = np.where(has_dividends, series.column("dividend", default=0.0), 0.0)
    return np.where(split > 0, split, 1.0), np.maximum(dividend, 0.0)


def statements(bars: Block) -> tuple[np.ndarray, Bool]:
    """What is stated of each row's price, as index into ``ADJUSTMENTS``, and whether that leaves no question."""
    if "basis" not in bars:
        return np.zeros(len(bars), dtype=np.int8), np.zeros(len(bars), dtype=np.bool_)
    basis = np.nan_to_num(bars.columns["basis"]).astype(np.int8)
    return basis % CERTAIN, basis >= CERTAIN


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is believed of the listed events of one kind."""

    block: Int
    """(E,) number of each event's block."""
    row: Int
    """(E,) its row there."""
    inside: Bool
    """(E,) whether it is in the prices already."""
    doubt: np.ndarray
    """(E,) text on events that can be read in two ways; empty elsewhere."""
    evidence: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    departures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def of(self, block: int) -> tuple[Int, Bool, np.ndarray]:
        """Rows of the events of a block, whether they are in the prices, and doubts on them."""
        mine = self.block == block
        return self.row[mine], self.inside[mine], self.doubt[mine]


def pooled(blocks: Sequence[Block]) -> tuple[Judgement, Judgement]:
    """Judgements on the splits and on the dividends that all bars list."""
    splits, dividends = zip(*(_told(block, number) for number, block in enumerate(blocks)), strict=True)
    return _judged("splits", _joined(splits), blocks), _judged("dividends", _joined(dividends), blocks)


@dataclass(frozen=True, eq=False)
class _Told:
    """Events of one kind, and what the bars around them say."""

    block: Int
    row: Int
    code: Int
    """Of the symbol."""
    size: Float
    """Log ratio."""
    found: Float
    """Log likelihood ratio that it is in the prices, by the bars alone."""
    stated: Int
    certain: Bool
    known: Bool
    """Whether the vendor says what that day returned."""


def _joined(parts: Sequence[_Told]) -> _Told:
    return _Told(**{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(_Told)})


def _told(bars: Block, number: int) -> tuple[_Told, _Told]:
    series = BarSeries(bars)
    split, dividend = listed_events(series)
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.where((dividend > 0) & (series.close > 0), np.log1p(dividend / series.close), 0.0)
        ratio = np.log(split)
    event = (paid != 0) | (ratio != 0)
    stated, certain = statements(bars)
    made = []
    for size, other in ((ratio, paid), (paid, ratio)):
        # On the first bar no price tells; it has no return either.
        rows = np.flatnonzero((size != 0) & (series.before >= 0)) if event.any() else np.empty(0, dtype=np.int64)
        made.append(
            _Told(
                block=np.full(len(rows), number),
                row=rows,
                code=series.code[rows].astype(np.int64),
                size=size[rows],
                found=_found(series, rows, size, other, event),
                stated=stated[rows],
                certain=certain[rows],
                known=np.zeros(len(rows), np.bool_) if series.theirs is None else np.isfinite(series.theirs[rows]),
            )
        )
    return made[0], made[1]


def _found(series: BarSeries, rows: Int, size: Float, other: Float, event: Bool) -> Float:
    if len(rows) == 0:
        return np.empty(0)
    found = price_evidence(series.moves, series.code, rows, size[rows], event)
    if series.theirs is None:
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.log(series.theirs[rows] / series.gross[rows])
        tolerance = np.maximum(5e-4, 0.01 / series.close[rows])
    factor = np.where(np.isfinite(factor), factor, np.nan)
    return found + vendor_evidence(factor, size[rows], other[rows], tolerance)


def _judged(kind: str, told: _Told, blocks: Sequence[Block]) -> Judgement:
    """Decide which of the events are in the prices; say of which nothing decides it."""
    doubt = np.full(len(told.row), "", dtype=object)
    if len(told.row) == 0:
        return Judgement(told.block, told.row, np.zeros(0, dtype=np.bool_), doubt)
    says = _IN_PRICES[kind][told.stated] * np.where(told.certain, _CERTAIN, 1.0)
    codes, first, owner = np.unique(told.code, return_index=True, return_inverse=True)
    # Symbols of one statement share a maker.
    group = np.unique(says[first], return_inverse=True)[1]
    verdict = weigh(told.found, owner, group, says[first])
    inside = np.where(told.certain, verdict.symbols[owner] > 0, verdict.events > 0)
    names = blocks[0].texts["symbol"].categories[codes].astype(str)
    odd = (inside != (verdict.symbols[owner] > 0)) & (np.abs(told.size) > _MATTERS)
    departures = tuple(
        f"{names[owner[i]]} {str(blocks[told.block[i]].columns['date'][told.row[i]])[:10]}: {kind[:-1]} "
        f"{'is' if inside[i] else 'is not'} in the prices, unlike its others"
        for i in np.flatnonzero(odd)[:_SHOWN]
    )
    doubts = []
    for s in _undecided(verdict, owner, told.size, says):
        mine = np.flatnonzero(owner == s)
        block, code = blocks[told.block[mine[0]]], told.code[mine[0]]
        doubts.append(_doubt_text(block, code, names[s], told.size[mine], kind, float(verdict.symbols[s])))
        # Where the vendor says what the day returned, its word and the smaller move settle it.
        if np.abs(told.size[mine]).sum() >= _MATTERS and not told.known[mine].all():
            doubt[mine] = doubts[-1]
    unverified = np.abs(verdict.evidence.sum()) < _VERIFIED and (says != 0).all()
    return Judgement(
        told.block,
        told.row,
        inside,
        doubt,
        evidence=(_evidence_text(kind, inside, verdict, told.stated),),
        unverified=(kind,) if unverified else (),
        departures=departures,
        doubts=tuple(doubts[:_SHOWN]),
    )


def _undecided(verdict: Verdict, owner: Int, size: Float, says: Float) -> Int:
    """Symbols whose two readings differ and stay close to even, also for the single event."""
    stated = says[np.unique(owner, return_index=True)[1]]
    open_events = np.bincount(owner, weights=np.abs(verdict.events) < _SURE, minlength=len(stated)) > 0
    towards = np.where(stated < 0, -verdict.symbols, verdict.symbols)
    unsure = (towards < np.where(stated == 0, _SURE, _NEAR_STATEMENT)) & (towards > -_SURE)
    large = np.bincount(owner, weights=np.abs(size), minlength=len(stated)) > 1e-4
    return np.flatnonzero(unsure & large & open_events)


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


def _doubt_text(bars: Block, code: int, symbol: str, size: Float, kind: str, odds: float) -> str:
    close = bars.columns["close"]
    first, *_, last = np.flatnonzero((bars.columns["symbol"] == code) & (close > 0))
    growth = close[last] / close[first]
    outside = growth * np.exp(size.sum())
    return (
        f"{symbol}: {len(size)} {kind} may be in the prices (return {growth - 1:+.1%} from "
        f"{str(bars.columns['date'][first])[:10]} to {str(bars.columns['date'][last])[:10]}) or not "
        f"({outside - 1:+.1%}); odds {np.exp(odds):.2g} to 1"
    )
