"""Splits, mergers, spin-offs and returns of capital: shares become others, and basis is shared out to the last unit.

Old shares stand in a line in the order of acquisition, and each new share takes a stretch of it, with the basis of that
stretch and the dates of the lot in which it begins. What is left at the end is less than a new share: it is paid out,
and taxed as if it had been sold.

Source: Internal Revenue Code, sections 301(c), 305, 354, 355, 356, 358 and 1223; IRS Publication 550, *Basis of
Investment Property*.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import accumulate

from quantray.errors import InputError
from quantray.institution.lots.disposals import close, refuse_both_sides
from quantray.institution.lots.events import Merger, ReturnOfCapital, SpinOff, Split
from quantray.institution.lots.records import Kind, Lot, Realised, of_first
from quantray.institution.lots.state import State

__all__ = ["act"]


def act(state: State, event: Split | Merger | SpinOff | ReturnOfCapital) -> None:
    """Change the lots of all accounts that hold a name.

    Raises
    ------
    InputError
        Nobody holds it, or somebody owes it and this is not a split into whole shares.
    """
    what = type(event).__name__
    holders = state.accounts_with(event.symbol)
    if not holders:
        raise InputError(f"the {what} of {event.symbol} on {event.date} meets no open lot; all of them are closed.")
    for account in holders:
        lots = state.line(account, event.symbol)
        if lots[0].side == -1:
            _change_owed(state, lots, event)
        elif isinstance(event, Split):
            _convert(state, state.take(account, event.symbol), event, event.symbol, event.fraction_price)
        elif isinstance(event, Merger):
            _merge(state, account, event)
        elif isinstance(event, SpinOff):
            _spin_off(state, account, event)
        else:
            _give_back(state, lots, event)
    if isinstance(event, Split):
        _split_losses(state, event)


def _change_owed(state: State, lots: list[Lot], event: Split | Merger | SpinOff | ReturnOfCapital) -> None:
    if not isinstance(event, Split) or any(lot.shares * event.new % event.old for lot in lots):
        raise InputError(
            f"account {lots[0].account} owes {event.symbol} as its {type(event).__name__} comes on {event.date}; only "
            "splits into whole shares are booked for short sales: cover first."
        )
    lots[:] = [replace(lot, shares=lot.shares * event.new // event.old) for lot in lots]


def _merge(state: State, account: str, event: Merger) -> None:
    lots = state.take(account, event.symbol)
    if event.into is None:
        state.put(account, event.symbol, lots)
        shares = sum(lot.shares for lot in lots)
        name = f"{event.symbol}:{event.date}:{account}"
        close(state, [(lot, lot.shares) for lot in lots], event.cash * shares, event.date, name, "merger")
        return
    after = []
    for lot in lots:
        cash = event.cash * lot.shares
        worth = cash + event.fair_value * lot.shares * event.new // event.old
        taxed = max(0, min(worth - lot.money, cash))
        if cash:
            _pay(state, lot, "merger", event.date, proceeds=cash, basis=cash - taxed)
        after.append(replace(lot, money=lot.money - cash + taxed))
    _convert(state, after, event, event.into, event.fair_value)


def _spin_off(state: State, account: str, event: SpinOff) -> None:
    old, new = event.parent_value * event.old, event.child_value * event.new
    line, given = state.line(account, event.symbol), []
    for place, lot in enumerate(line):
        # The nearest unit; what lies half-way stays with the parent.
        part = -((old + new - 2 * lot.money * new) // (2 * (old + new)))
        line[place] = replace(lot, money=lot.money - part)
        given.append(replace(lot, id=f"{lot.id}:{event.child}:{event.date}", money=part, may_replace=False))
    _convert(state, given, event, event.child, event.child_value)


def _give_back(state: State, lots: list[Lot], event: ReturnOfCapital) -> None:
    for place, lot in enumerate(lots):
        cash = event.cash * lot.shares
        if cash > lot.money:
            _pay(state, lot, "return of capital", event.date, proceeds=cash - lot.money, basis=0)
        lots[place] = replace(lot, money=max(lot.money - cash, 0))


def _convert(
    state: State, lots: Sequence[Lot], event: Split | Merger | SpinOff, symbol: str, fraction_price: int
) -> None:
    """Put new shares in the place of old ones, and pay out the fraction that is left."""
    account, what = lots[0].account, f"the {type(event).__name__} of {event.symbol} on {event.date}"
    refuse_both_sides(state, what, account, symbol, 1)
    ends = list(accumulate(lot.shares for lot in lots))
    whole, rest = divmod(ends[-1] * event.new, event.old)
    ratio = Fraction(event.old, event.new)
    kept: list[Lot] = []
    start = 0
    for lot, end in zip(lots, ends, strict=True):
        stop = min(-(-end * event.new // event.old), whole)
        money = _up_to(lots, stop * ratio) - _up_to(lots, start * ratio)
        if stop > start:
            kept.append(replace(lot, symbol=symbol, shares=stop - start, money=money))
        start = stop
    if rest:
        if fraction_price == 0:
            raise InputError(f"{what} leaves account {account} a fraction of a share; give what a new share is worth.")
        last = next(lot for lot, end in zip(lots, ends, strict=True) if whole * ratio < end)
        basis = sum(lot.money for lot in lots) - _up_to(lots, whole * ratio)
        paid = replace(last, symbol=symbol)
        _pay(state, paid, "cash in lieu", event.date, proceeds=fraction_price * rest // event.old, basis=basis)
    state.put(account, symbol, kept)


def _up_to(lots: Sequence[Lot], place: Fraction) -> int:
    """The basis of the line of lots up to a place in it, which may lie within a share."""
    total = 0
    for lot in lots:
        if place >= lot.shares:
            total, place = total + lot.money, place - lot.shares
            continue
        share = int(place)
        before = of_first(lot.money, lot.shares, share)
        here = of_first(lot.money, lot.shares, share + 1) - before
        return total + before + int((place - share) * here)
    return total


def _pay(state: State, lot: Lot, kind: Kind, day: date, *, proceeds: int, basis: int) -> None:
    """Money without a sale of whole shares."""
    account = state.account(lot.account)
    state.realised.append(
        Realised(
            id=f"{lot.symbol}:{day}:{lot.id}",
            kind=kind,
            account=lot.account,
            taxpayer=account.taxpayer,
            symbol=lot.symbol,
            lot=lot.id,
            shares=0,
            acquired=lot.acquired,
            since=lot.since,
            sold=day,
            proceeds=proceeds,
            basis=basis,
            taxed=account.kind != "ira",
        )
    )


def _split_losses(state: State, event: Split) -> None:
    """Shares that wait for a replacement are counted as the new ones that they would be, a fraction as a whole one."""
    for losses in state.unreplaced.values():
        losses[:] = [
            replace(loss, shares=-(-loss.shares * event.new // event.old)) if loss.symbol == event.symbol else loss
            for loss in losses
        ]
