"""Which lots to sell: those of least tax at given rates, with the gain capped, and lots as a rebalancer takes them.

A loss counts as what it saves at its rate, which supposes that there are gains to set it off against. A loss that a
purchase of the 30 days before would disallow counts as nothing. Not tax advice; see ``institution.tax_lots``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from quantray.errors import InputError, LimitBreachError
from quantray.institution.lots.records import Lot, first_shares, is_long_term
from quantray.institution.lots.wash_sales import WINDOW
from quantray.institution.tax_lots import LotBook
from quantray.portfolio.taxed_sales import SaleLot

__all__ = ["LotChoice", "TaxRates", "choose_lots", "sale_lots"]


@dataclass(frozen=True, kw_only=True)
class TaxRates:
    """Parts of a gain that are paid as tax, between 0 and 1."""

    short: float
    long: float

    def __post_init__(self) -> None:
        if not (0 <= self.short <= 1 and 0 <= self.long <= 1):
            raise InputError(f"tax rates are {self.short} and {self.long}; give parts of a gain between 0 and 1.")


@dataclass(frozen=True, eq=False)
class LotChoice:
    """Lots for a sale."""

    lots: Mapping[str, int]
    """Id -> shares, as ``Sale.lots`` takes them."""
    gain: int
    """Money that counts."""
    tax: float
    """Money; what losses save is negative."""


def sale_lots(book: LotBook, account: str, *, day: date, rates: TaxRates, unit: int) -> dict[str, tuple[SaleLot, ...]]:
    """Symbol -> lots that an account can sell on a day, for ``portfolio.taxed_sales`` and the daily rebalance.

    Parameters
    ----------
    unit : of the book's money in one of what prices are in: ``oms.messages.MONEY`` where these are in the currency.
    """
    held: dict[str, list[SaleLot]] = {}
    for lot in book.lots:
        if lot.account == account and lot.side == 1:
            held.setdefault(lot.symbol, []).append(_sale_lot(book, lot, day, rates, unit))
    return {symbol: tuple(lots) for symbol, lots in held.items()}


def choose_lots(
    book: LotBook,
    account: str,
    symbol: str,
    shares: int,
    *,
    price: int,
    day: date,
    rates: TaxRates,
    most_gain: int | None = None,
) -> LotChoice:
    """The lots of least tax for a sale.

    Within a term the lots of least gain go first, whatever the rates; between the terms the number of long-term shares
    decides, in which tax and gain are convex. So the least tax within a cap on the gain is found by bisection.

    Parameters
    ----------
    price : money a share.
    most_gain : money that the sale may gain at most; no cap by default.

    Raises
    ------
    InputError
        More is sold than is held.
    LimitBreachError
        Any choice of lots gains more.
    """
    held = [lot for lot in book.held(account, symbol) if lot.side == 1]
    total = sum(lot.shares for lot in held)
    if not 0 < shares <= total:
        raise InputError(f"{shares} shares of {symbol} are to be chosen of {total} in account {account}; choose fewer.")
    choices = _Choices([(lot, _sale_lot(book, lot, day, rates, 1)) for lot in held], shares, price, day)
    long = choices.longs(lambda offer: offer.tax(price))
    if most_gain is not None and choices.gain(long) > most_gain:
        least = choices.longs(lambda offer: offer.gain(price))
        if choices.gain(least) > most_gain:
            raise LimitBreachError(
                f"{shares} shares of {symbol} gain {choices.gain(least)} at least, more than the {most_gain} allowed; "
                "sell fewer."
            )
        long = _nearest(long, least, lambda count: choices.gain(count) <= most_gain)
    return choices.of(long)


@dataclass(frozen=True, eq=False)
class _Choices:
    """Ways to sell some shares: how many of them long-term ones, and of either term the lots of least gain."""

    offers: list[tuple[Lot, SaleLot]]
    shares: int
    price: int
    day: date

    def longs(self, key: Callable[[SaleLot], float]) -> int:
        """How many long-term shares there are among those that come first by a key."""
        order = sorted(self.offers, key=lambda each: key(each[1]))
        taken = first_shares([lot for lot, _ in order], self.shares)
        return sum(count for lot, count in taken if is_long_term(lot.since, self.day))

    def gain(self, long: int) -> int:
        """Of so many long-term shares and the rest of the other term."""
        return self.of(long).gain

    def of(self, long: int) -> LotChoice:
        """The lots."""
        order = sorted(self.offers, key=lambda each: each[1].gain(self.price))
        terms: dict[bool, list[Lot]] = {True: [], False: []}
        for lot, _ in order:
            terms[is_long_term(lot.since, self.day)].append(lot)
        taken = [*first_shares(terms[True], long), *first_shares(terms[False], self.shares - long)]
        offers = {lot.id: offer for lot, offer in self.offers}
        gains = {lot.id: self.price * count - lot.first(count).money for lot, count in taken}
        counted = {name: gain if offers[name].loss_counts else max(gain, 0) for name, gain in gains.items()}
        tax = sum(offers[name].rate * gain for name, gain in counted.items())
        return LotChoice({lot.id: count for lot, count in taken}, sum(counted.values()), float(tax))


def _sale_lot(book: LotBook, lot: Lot, day: date, rates: TaxRates, unit: int) -> SaleLot:
    account = book.accounts[lot.account]
    rate = rates.long if is_long_term(lot.since, day) else rates.short
    return SaleLot(
        id=lot.id,
        shares=lot.shares,
        basis=lot.money / lot.shares / unit,
        rate=0.0 if account.kind == "ira" else rate,
        loss_counts=account.kind == "ira" or not _replaced(book, lot, day),
    )


def _replaced(book: LotBook, lot: Lot, day: date) -> bool:
    """Whether shares bought in the 30 days before would take over a loss."""
    return any(
        other.may_replace and other.side == 1 and other.acquired >= day - WINDOW and other.trade != lot.trade
        for other in book.alike(lot.account, lot.symbol)
    )


def _nearest(start: int, good: int, holds: Callable[[int], bool]) -> int:
    """The count nearest to ``start``, where something does not hold, at which it does, on the way to where it does."""
    bad = start
    while abs(good - bad) > 1:
        middle = (bad + good) // 2
        bad, good = (bad, middle) if holds(middle) else (middle, good)
    return good
