"""The tax lots of a firm's accounts: events in, open lots and realised gains out, with wash sales over accounts.

This is bookkeeping by published rules of US federal tax, not tax advice: it knows neither elections nor facts beyond
the events, and takes one reading where the rules leave room (see ``lots.wash_sales``). A preparer has the last word.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import groupby

from quantray.errors import InputError
from quantray.institution.lots.corporate_actions import act
from quantray.institution.lots.disposals import cover, open_lot, sell
from quantray.institution.lots.events import Cover, Event, Purchase, Sale, ShortSale, TaxAccount, Trade
from quantray.institution.lots.records import Lot, Realised, Unreplaced
from quantray.institution.lots.state import State
from quantray.institution.lots.wash_sales import WINDOW

__all__ = ["LotBook", "lot_book"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LotBook:
    """Lots of accounts at the end of a day; see ``lot_book``."""

    accounts: Mapping[str, TaxAccount]
    identical: Mapping[str, str]
    as_of: date | None = None
    """Day of the last event; None before the first."""
    lots: tuple[Lot, ...] = ()
    """Open ones by account, symbol and order of acquisition."""
    realised: tuple[Realised, ...] = ()
    """In the order of the events. A purchase may still add to what is disallowed of the last 30 days' losses."""
    unreplaced: tuple[Unreplaced, ...] = ()
    """Losses that a purchase within 30 days of them would still disallow."""
    trades: frozenset[str] = field(default=frozenset(), repr=False)
    """Ids that are taken."""

    def after(self, events: Iterable[Event], *, today: date) -> "LotBook":
        """The book after some events, all of them or, where one is refused, none.

        Parameters
        ----------
        events : in the order in which they happened, which decides among those of a day.
        today : no event may be later.

        Raises
        ------
        InputError
            An account is unknown, an id is used twice, an event is out of order or in the future, more is sold than
            held or covered than owed, named lots do not add up, a taxpayer would be long and short, or nobody holds
            what a corporate action is about.
        """
        state = State.of(self.accounts, self.identical, self.lots, self.realised, self.unreplaced)
        day, trades = self.as_of, set(self.trades)
        for event in events:
            _in_time(event, day, today)
            day = event.date
            if isinstance(event, Trade):
                if event.id in trades:
                    raise InputError(f"trade {event.id} is booked twice; give each an id of its own.")
                trades.add(event.id)
            _book(state, event)
        waiting = [loss for key in sorted(state.unreplaced) for loss in state.unreplaced[key]]
        return LotBook(
            accounts=self.accounts,
            identical=self.identical,
            as_of=day,
            lots=tuple(lot for key in sorted(state.lots) for lot in state.lots[key]),
            realised=tuple(state.realised),
            unreplaced=tuple(loss for loss in waiting if day is not None and loss.sold >= day - WINDOW),
            trades=frozenset(trades),
        )

    def held(self, account: str, symbol: str) -> tuple[Lot, ...]:
        """The lots of an account in a symbol, in the order of acquisition."""
        return self._by_holding.get((account, symbol), ())

    def alike(self, account: str, symbol: str) -> tuple[Lot, ...]:
        """All lots of an account's taxpayer in what counts as a symbol."""
        return self._by_group.get((self.accounts[account].taxpayer, self.identical.get(symbol, symbol)), ())

    @cached_property
    def _by_group(self) -> dict[tuple[str, str], tuple[Lot, ...]]:
        found: dict[tuple[str, str], list[Lot]] = {}
        for lot in self.lots:
            key = self.accounts[lot.account].taxpayer, self.identical.get(lot.symbol, lot.symbol)
            found.setdefault(key, []).append(lot)
        return {key: tuple(lots) for key, lots in found.items()}

    @cached_property
    def _by_holding(self) -> dict[tuple[str, str], tuple[Lot, ...]]:
        found = groupby(self.lots, key=lambda lot: (lot.account, lot.symbol))
        return {key: tuple(lots) for key, lots in found}


def lot_book(accounts: Iterable[TaxAccount], *, identical: Mapping[str, str] | None = None) -> LotBook:
    """An empty book.

    Parameters
    ----------
    identical : symbol -> name of a group whose symbols count as substantially identical in wash sales; by default
        each symbol is identical with itself alone. What is substantially identical is a question of fact that you
        answer.

    Raises
    ------
    InputError
        An account comes twice.
    """
    found: dict[str, TaxAccount] = {}
    for account in accounts:
        if account.id in found:
            raise InputError(f"account {account.id} comes twice; give each account one taxpayer and one tax method.")
        found[account.id] = account
    return LotBook(accounts=found, identical=dict(identical or {}))


def _in_time(event: Event, last: date | None, today: date) -> None:
    name = f"trade {event.id}" if isinstance(event, Trade) else f"{type(event).__name__} of {event.symbol}"
    if last is not None and event.date < last:
        raise InputError(f"{name} of {event.date} comes after {last}; give events in the order of their days.")
    if event.date > today:
        raise InputError(f"{name} is of {event.date}, after today, {today}; book it when it has happened.")


def _book(state: State, event: Event) -> None:
    if isinstance(event, Trade):
        state.account(event.account)
    if isinstance(event, Purchase | ShortSale):
        open_lot(state, event)
    elif isinstance(event, Sale):
        sell(state, event)
    elif isinstance(event, Cover):
        cover(state, event)
    else:
        act(state, event)
