"""Wash sales: losses whose shares were replaced within 30 days before or after the sale, and lots that carry them on.

Losses come in the order of the sales, and in one sale in the order of acquisition. Each is matched with as many shares
bought by any account of the taxpayer, the first bought first; what is sold at a gain uses none up. These shares carry
the loss on in their basis, add the holding period of what was sold to theirs, and replace nothing else. In an IRA they
carry nothing: the loss is gone.

Where the rules leave room, this is what is done. Shares bought before the sale replace others only while they are
held. Shares of one purchase do not replace each other, as selling a part of it makes a holding smaller. Shares that
came without a taxable purchase (a spin-off) replace nothing. A loss on closing a short sale is matched alike with other
short sales, whose proceeds it lowers; that a sale of shares that were held comes within its window changes nothing.

Source: Internal Revenue Code, section 1091; 26 CFR 1.1091-1 and 1.1091-2; IRS Publication 550, *Wash Sales*; Revenue
Rulings 56-602 and 2008-5.
"""

from dataclasses import replace
from datetime import timedelta

from quantray.institution.lots.records import Lot, Unreplaced, of_first
from quantray.institution.lots.state import State

__all__ = ["WINDOW", "match_losses", "match_new"]

WINDOW = timedelta(days=30)
"""Either side of a sale."""


def match_losses(state: State, losses: list[Unreplaced]) -> None:
    """Match what one sale lost with shares bought before; what is left waits for later purchases."""
    for loss in losses:
        left: Unreplaced | None = loss
        for lot in _replacements(state, loss):
            if left is not None:
                left = _carried(state, lot, left)
        if left is not None:
            state.losses(loss.taxpayer, loss.symbol, loss.side).append(left)


def match_new(state: State, lot: Lot) -> None:
    """Match a lot that has just come, and is the last of its line, with the losses of the 30 days before."""
    waiting = state.losses(state.account(lot.account).taxpayer, lot.symbol, lot.side)
    line = state.line(lot.account, lot.symbol)
    still = []
    for loss in waiting:
        if loss.sold >= lot.acquired - WINDOW:
            left = _carried(state, line[-1], loss) if line[-1].may_replace else loss
            still.extend([] if left is None else [left])
    waiting[:] = still


def _replacements(state: State, loss: Unreplaced) -> list[Lot]:
    """A taxpayer's lots that may replace what was sold, in the order of acquisition; all are of one side."""
    lots = [lot for line in state.of_taxpayer(loss.taxpayer, loss.symbol) for lot in line]
    first = loss.sold - WINDOW
    able = [lot for lot in lots if lot.may_replace and lot.acquired >= first and lot.trade != loss.trade]
    return sorted(able, key=lambda lot: lot.number)


def _carried(state: State, lot: Lot, loss: Unreplaced) -> Unreplaced | None:
    """What a lot leaves of a loss once it carries on as much as it can; None where it carries all."""
    count = min(lot.shares, loss.shares)
    amount = of_first(loss.loss, loss.shares, count)
    told = state.realised[loss.line]
    gone = state.account(lot.account).kind == "ira"
    part = replace(lot.first(count), id=f"{lot.id}+{told.id}", may_replace=False)
    if not gone:
        part = replace(part, money=part.money + lot.side * amount, since=lot.acquired - (loss.sold - loss.since))
    line = state.line(lot.account, lot.symbol)
    place = line.index(lot)
    line[place : place + 1] = [part] if count == lot.shares else [part, lot.without_first(count)]
    lost = told.lost + (amount if gone else 0)
    state.realised[loss.line] = replace(told, disallowed=told.disallowed + amount, lost=lost)
    if count == loss.shares:
        return None
    return replace(loss, shares=loss.shares - count, loss=loss.loss - amount)
