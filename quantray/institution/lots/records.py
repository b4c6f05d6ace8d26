"""Lots that are open and gains that are realised, and for how long shares have been held."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal

__all__ = ["Kind", "Lot", "Realised", "Unreplaced", "first_shares", "is_long_term", "of_first"]

Kind = Literal["sale", "short", "merger", "cash in lieu", "return of capital"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Shares of one purchase, or of one short sale, that have had the same fate.

    A share's part of the money is the whole quotient; what is left over lies on the first shares, a unit on each.
    """

    id: str
    trade: str
    """Id of the purchase or short sale that it comes from."""
    account: str
    symbol: str
    side: Literal[1, -1]
    """-1 for shares that are owed."""
    shares: int
    money: int
    """The basis; of a short sale the proceeds."""
    acquired: date
    since: date
    """What the holding period counts from: the day of the trade, or earlier by that of what was sold at a loss."""
    may_replace: bool = True
    """Whether the shares may still stand in for some that were sold at a loss."""
    number: int = field(compare=False)
    """Place in the order of acquisition."""

    def first(self, shares: int) -> "Lot":
        """The first shares of it."""
        return replace(self, shares=shares, money=of_first(self.money, self.shares, shares))

    def without_first(self, shares: int) -> "Lot":
        """What the first shares leave."""
        money = self.money - of_first(self.money, self.shares, shares)
        return replace(self, shares=self.shares - shares, money=money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """One line of a report of gains, as of Form 8949: shares of one lot in one sale.

    ``shares`` is 0 for a fraction that was paid out, and for money without a sale.
    """

    id: str
    kind: Kind
    account: str
    taxpayer: str
    symbol: str
    lot: str
    shares: int
    acquired: date
    since: date
    sold: date
    proceeds: int
    basis: int
    taxed: bool = True
    """False in an account whose gains are not taxed."""
    disallowed: int = 0
    """Loss, positive, that a wash sale does not allow (code W)."""
    lost: int = 0
    """Part of it that no basis carries on, as the replacement is in an IRA."""

    @property
    def gain(self) -> int:
        """What counts: proceeds less basis, with the loss that is not allowed added back."""
        return self.proceeds - self.basis + self.disallowed

    @property
    def long_term(self) -> bool:
        """Whether held for more than a year; a short sale never is."""
        return self.kind != "short" and is_long_term(self.since, self.sold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreplaced:
    """The shares of a loss that no purchase has replaced yet.

    Parameters
    ----------
    line : place among the realised lines.
    loss : money, positive.
    """

    line: int
    trade: str
    taxpayer: str
    symbol: str
    side: Literal[1, -1]
    shares: int
    loss: int
    since: date
    sold: date


def of_first(money: int, shares: int, count: int) -> int:
    """What the first of some shares have of their money."""
    each, more = divmod(money, shares)
    return each * count + min(more, count)


def first_shares(lots: Iterable[Lot], shares: int) -> list[tuple[Lot, int]]:
    """The first lots, as far as some shares go, and how many of each."""
    taken = []
    for lot in lots:
        if shares == 0:
            break
        count = min(lot.shares, shares)
        taken.append((lot, count))
        shares -= count
    return taken


def is_long_term(since: date, sold: date) -> bool:
    """Whether shares acquired on a day were held for more than a year when sold.

    The count begins on the day after the acquisition, so that what is bought on 28 February 2023 is long term from
    1 March 2024 on.

    Source: IRS Publication 550, *Holding period*; Revenue Ruling 66-7.
    """
    first = since + timedelta(days=1)
    leap_day = first.month == 2 and first.day == 29
    over = date(first.year + 1, 3, 1) if leap_day else first.replace(year=first.year + 1)
    return sold >= over
