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
    offers = [(lot, _sale_lot(book, lot, day, rates, 1)) for lot in held]
    ranked = sorted(offers, key=lambda each: each[1].gain(price))
    terms = {long: [lot for lot, _ in ranked if is_long_term(lot.since, day) is long] for long in (True, False)}
    counts = {lot.id: each.loss_counts for lot, each in offers}

    def gain_of(long: int) -> int:
        taken = [*first_shares(terms[True], long), *first_shares(terms[False], shares - long)]
        return sum(_gain(lot, count, price, counts[lot.id]) for lot, count in taken)

    def longs_of(key: Callable[[SaleLot], float]) -> int:
        order = [lot for lot, _ in sorted(ranked, key=lambda each: key(each[1]))]
        return sum(count for lot, count in first_shares(order, shares) if is_long_term(lot.since, day))

    long = longs_of(lambda each: each.tax(price))
    if most_gain is not None and gain_of(long) > most_gain:
        least = longs_of(lambda each: each.gain(price))
        if gain_of(least) > most_gain:
            raise LimitBreachError(
                f"{shares} shares of {symbol} gain {gain_of(least)} at least, more than the {most_gain} allowed; sell "
                "fewer."
            )
        long = _nearest(long, least, lambda count: gain_of(count) <= most_gain)
    taken = [*first_shares(terms[True], long), *first_shares(terms[False], shares - long)]
    gains = [(lot, _gain(lot, count, price, counts[lot.id])) for lot, count in taken]
    tax = sum(gain * (rates.long if is_long_term(lot.since, day) else rates.short) for lot, gain in gains)
    return LotChoice({lot.id: count for lot, count in taken}, sum(gain for _, gain in gains), float(tax))


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


def _gain(lot: Lot, count: int, price: int, loss_counts: bool) -> int:
    gain = price * count - lot.first(count).money
    return gain if loss_counts else max(gain, 0)


def _nearest(start: int, good: int, holds: Callable[[int], bool]) -> int:
    """The count nearest to ``start``, where something does not hold, at which it does, on the way to where it does."""
    bad = start
    while abs(good - bad) > 1:
        middle = (bad + good) // 2
        bad, good = (bad, middle) if holds(middle) else (middle, good)
    return good
