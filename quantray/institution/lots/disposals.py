"""Trades: lots that come, lots that are chosen by an account's method as shares go, and what that realises."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Literal

from quantray.errors import InputError
from quantray.institution.lots.events import Cover, Method, Purchase, Sale, ShortSale
from quantray.institution.lots.records import Kind, Lot, Realised, Unreplaced, first_shares, of_first
from quantray.institution.lots.state import State
from quantray.institution.lots.wash_sales import match_losses, match_new

__all__ = ["close", "cover", "open_lot", "refuse_both_sides", "sell"]


def open_lot(state: State, trade: Purchase | ShortSale) -> None:
    """A new lot, which replaces what was sold at a loss in the 30 days before.

    Raises
    ------
    InputError
        The taxpayer holds the other side of it.
    """
    side: Literal[1, -1] = -1 if isinstance(trade, ShortSale) else 1
    refuse_both_sides(state, f"trade {trade.id}", trade.account, trade.symbol, side)
    state.number += 1
    lot = Lot(
        id=trade.id,
        trade=trade.id,
        account=trade.account,
        symbol=trade.symbol,
        side=side,
        shares=trade.shares,
        money=trade.money,
        acquired=trade.date,
        since=trade.date,
        number=state.number,
    )
    state.line(trade.account, trade.symbol).append(lot)
    match_new(state, lot)


def sell(state: State, sale: Sale) -> None:
    """Shares held go, by the account's method.

    Raises
    ------
    InputError
        More is sold than is held, or the lots named are not those of the method or do not add up.
    """
    method = state.account(sale.account).method
    line = [lot for lot in state.line(sale.account, sale.symbol) if lot.side == 1]
    held = sum(lot.shares for lot in line)
    if sale.shares > held:
        raise InputError(
            f"sale {sale.id} is of {sale.shares} {sale.symbol}, and account {sale.account} holds {held}; a sale of "
            "borrowed shares is a ShortSale."
        )
    if (sale.lots is not None) != (method == "specific"):
        raise InputError(
            f"sale {sale.id} {'names' if sale.lots else 'does not name'} lots, and the tax method of account "
            f"{sale.account} is {method}; name lots where it is specific, and only there."
        )
    if method == "average":
        line = _averaged(line)
        state.line(sale.account, sale.symbol)[:] = line
    taken = _named(line, sale) if sale.lots is not None else first_shares(_in_order(line, method), sale.shares)
    close(state, taken, sale.money, sale.date, sale.id, "sale")


def cover(state: State, trade: Cover) -> None:
    """Borrowed shares go back, those of the first short sale first.

    Raises
    ------
    InputError
        More is bought than is owed.
    """
    line = [lot for lot in state.line(trade.account, trade.symbol) if lot.side == -1]
    owed = sum(lot.shares for lot in line)
    if trade.shares > owed:
        raise InputError(
            f"cover {trade.id} is of {trade.shares} {trade.symbol}, and account {trade.account} owes {owed}; what is "
            "beyond is a Purchase of its own."
        )
    close(state, first_shares(line, trade.shares), trade.money, trade.date, trade.id, "short")


def close(state: State, taken: Sequence[tuple[Lot, int]], money: int, day: date, name: str, kind: Kind) -> None:
    """Take the first shares of lots away for money that they share evenly, and match what they lost.

    Parameters
    ----------
    taken : lots of one account in one symbol, and how many shares of each.
    name : of the trade; its lines are numbered.
    """
    total = sum(count for _, count in taken)
    line = list(state.line(taken[0][0].account, taken[0][0].symbol))
    losses, done = [], 0
    for number, (lot, count) in enumerate(taken, start=1):
        part = of_first(money, total, done + count) - of_first(money, total, done)
        done += count
        told = _told(state, lot.first(count), part, day, f"{name}.{number}", kind)
        if told.gain < 0 and told.taxed:
            losses.append((line.index(lot), _unreplaced(lot, told, len(state.realised))))
        state.realised.append(told)
        _reduce(state, lot, count)
    losses.sort(key=lambda each: each[0])
    match_losses(state, [loss for _, loss in losses])


def _in_order(line: list[Lot], method: Method) -> list[Lot]:
    """Lots in the order in which a method sells them."""
    if method == "lifo":
        return line[::-1]
    if method == "hifo":
        return sorted(line, key=lambda lot: -Fraction(lot.money, lot.shares))
    return line


def refuse_both_sides(state: State, what: str, account: str, symbol: str, side: Literal[1, -1]) -> None:
    """Raise ``InputError`` where a taxpayer would hold and owe what counts as one symbol."""
    taxpayer = state.account(account).taxpayer
    lots = (lot for line in state.of_taxpayer(taxpayer, symbol) for lot in line)
    if other := next((lot for lot in lots if lot.side == -side), None):
        held, remedy = ("owes", "cover it first") if other.side == -1 else ("holds", "sell what is held")
        raise InputError(
            f"{what} makes taxpayer {taxpayer} long and short in {symbol}, as account {other.account} {held} "
            f"{other.symbol}: constructive sales (section 1259) are not booked here; {remedy}."
        )


def _averaged(line: Sequence[Lot]) -> list[Lot]:
    """Lots at the average cost of all of them."""
    money, shares = sum(lot.money for lot in line), sum(lot.shares for lot in line)
    found, done = [], 0
    for lot in line:
        part = of_first(money, shares, done + lot.shares) - of_first(money, shares, done)
        done += lot.shares
        found.append(replace(lot, money=part))
    return found


def _named(line: Sequence[Lot], sale: Sale) -> list[tuple[Lot, int]]:
    """The lots that a sale names, in the order of acquisition."""
    named: Mapping[str, int] = sale.lots or {}
    if wrong := sorted(set(named) - {lot.id for lot in line}):
        raise InputError(f"sale {sale.id} names lot {wrong[0]!r}, which account {sale.account} does not hold.")
    for lot in line:
        if not 0 < named.get(lot.id, 1) <= lot.shares:
            raise InputError(f"sale {sale.id} names {named[lot.id]} shares of lot {lot.id!r}, which has {lot.shares}.")
    if (total := sum(named.values())) != sale.shares:
        raise InputError(f"the lots of sale {sale.id} add up to {total} shares, not to its {sale.shares}.")
    return [(lot, named[lot.id]) for lot in line if lot.id in named]


def _reduce(state: State, lot: Lot, count: int) -> None:
    line = state.line(lot.account, lot.symbol)
    place = line.index(lot)
    line[place : place + 1] = [] if count == lot.shares else [lot.without_first(count)]


def _told(state: State, gone: Lot, money: int, day: date, name: str, kind: Kind) -> Realised:
    account = state.account(gone.account)
    return Realised(
        id=name,
        kind=kind,
        account=gone.account,
        taxpayer=account.taxpayer,
        symbol=gone.symbol,
        lot=gone.id,
        shares=gone.shares,
        acquired=gone.acquired,
        since=gone.since,
        sold=day,
        proceeds=money if gone.side == 1 else gone.money,
        basis=gone.money if gone.side == 1 else money,
        taxed=account.kind != "ira",
    )


def _unreplaced(lot: Lot, told: Realised, place: int) -> Unreplaced:
    return Unreplaced(
        line=place,
        trade=lot.trade,
        taxpayer=told.taxpayer,
        symbol=lot.symbol,
        side=lot.side,
        shares=told.shares,
        loss=-told.gain,
        since=lot.since,
        sold=told.sold,
    )
