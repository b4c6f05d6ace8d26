"""Short words for tax lots in tests: money in whole units of the currency, days as text."""

from datetime import date

from quantray.institution.lots.events import Cover, Purchase, Sale, ShortSale, TaxAccount
from quantray.institution.tax_lots import lot_book

__all__ = ["booked", "bought", "covered", "day", "dollars", "shorted", "sold"]

UNIT = 10_000
TODAY = date(2050, 1, 1)


def day(text):
    return date.fromisoformat(text)


def dollars(units):
    """The amount that units are, whole where it is."""
    return units // UNIT if units % UNIT == 0 else units / UNIT


def bought(name, when, shares, cost, *, account="A", symbol="M", kind=Purchase):
    return kind(id=name, date=day(when), account=account, symbol=symbol, shares=shares, money=round(cost * UNIT))


def sold(name, when, shares, proceeds, *, account="A", symbol="M", lots=None):
    money = round(proceeds * UNIT)
    return Sale(id=name, date=day(when), account=account, symbol=symbol, shares=shares, money=money, lots=lots)


def shorted(name, when, shares, proceeds, **more):
    return bought(name, when, shares, proceeds, kind=ShortSale, **more)


def covered(name, when, shares, cost, **more):
    return bought(name, when, shares, cost, kind=Cover, **more)


def booked(*events, method="fifo", accounts=None, identical=None):
    """The book of one account A, or of the accounts, after events."""
    accounts = accounts or [TaxAccount(id="A", taxpayer="one", method=method)]
    return lot_book(accounts, identical=identical).after(events, today=TODAY)
