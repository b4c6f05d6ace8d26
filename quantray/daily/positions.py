"""From the book of the last day to what is held at the close of this one: trades filled, splits, dividends, ends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from quantray.backtest.accounts import DELIST_AFTER
from quantray.daily.book import Book, traded_by_session
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.errors import DataError, InputError

__all__ = ["Ends", "Positions", "carried", "read_positions", "starting"]

_MONEY = ("$CASH", "CASH")
"""Rows of holdings that are money; the second one only where it is no share."""


@dataclass(frozen=True)
class Positions:
    """Whole shares and money at the close of a day."""

    as_of: date
    shares: dict[str, int]
    """Symbol -> shares, none of them 0."""
    prices: dict[str, float]
    """Symbol -> the last close of what is held."""
    cash: float
    notes: tuple[str, ...] = field(default=())
    """What was taken for granted on the way."""
    earned: Mapping[str, float] = field(default_factory=dict)
    """Symbol -> money that it earned or lost since the book before, dividends with it; empty where there was none."""
    costs: float = 0.0
    """Money that the trades since then cost."""

    @property
    def nav(self) -> float:
        """Money: cash and shares at their last closes."""
        return self.cash + sum(count * self.prices[symbol] for symbol, count in self.shares.items())


def starting(as_of: date, nav: float) -> Positions:
    """Nothing but cash."""
    return Positions(as_of, {}, {}, nav)


@dataclass(frozen=True)
class Ends:
    """What is known of names that have gone.

    Parameters
    ----------
    unpriced : symbol -> trading days that it had been without a close on the day of the book; by default 0.
    returns : symbol -> simple return from its last close to what its holders received, where the data tell.
    after : trading days without a close after which a position is paid out.
    otherwise : return of those of which the data tell nothing.
    """

    unpriced: Mapping[str, int] = field(default_factory=dict)
    returns: Mapping[str, float] = field(default_factory=dict)
    after: int = DELIST_AFTER
    otherwise: float = 0.0


def carried(
    book: Book,
    quotes: pd.DataFrame,
    *,
    costs_bps: float,
    ends: Ends | None = None,
    exchange: str = DEFAULT_EXCHANGE,
) -> Positions:
    """What a book leaves at the close of the last day of some quotes.

    The slices of the book's orders fill at the close of their session, the first of which is the first day after the
    book: an order that takes more sessions has filled in part, and what is left of it is held on. Slices of names
    without a close that day do not fill. Splits turn shares into others, with money for a fraction; dividends are paid
    into cash. What had no close for long is paid out at its last one, and its delisting return booked.

    Parameters
    ----------
    quotes : rows of date, symbol, close and, where the data have them, split and dividend, as quoted, of the trading
        days after the book.
    costs_bps : paid on the money traded.
    exchange : whose sessions the slices are of.

    Raises
    ------
    DataError
        There is no day after the book.
    """
    frame = quotes[quotes["date"] > pd.Timestamp(book.as_of)].sort_values("date")
    if frame.empty:
        raise DataError(f"there are no bars after the book of {book.as_of}; append the day's bars first.")
    table = book.tables["portfolio"]
    symbols = table["symbol"].to_pylist()
    held = dict(zip(symbols, table["shares_before"].to_pylist(), strict=True))
    price = dict(zip(symbols, table["price"].to_pylist(), strict=True))
    cash = book.nav - sum(count * price[symbol] for symbol, count in held.items())
    days = sorted(frame["date"].unique())
    by_day = dict(list(frame[frame["symbol"].isin(symbols)].groupby("date")))
    state = _State(held, traded_by_session(book.tables["children"], exchange), price, cash, ends or Ends())
    for day in days:
        state.open(by_day.get(day))
        state.fill(costs_bps * 1e-4)
    state.pay_out()
    shares = {symbol: count for symbol, count in state.held.items() if count}
    return Positions(
        pd.Timestamp(days[-1]).date(),
        shares,
        {symbol: state.price[symbol] for symbol in shares},
        state.cash,
        tuple(state.notes),
        state.earned(),
        state.costs,
    )


class _State:
    """Shares, prices and money from day to day."""

    def __init__(
        self, held: dict[str, int], orders: list[dict[str, int]], price: dict[str, float], cash: float, ends: Ends
    ) -> None:
        self.held, self.orders, self.price, self.cash, self.ends = held, orders, price, cash, ends
        self.age = {symbol: ends.unpriced.get(symbol, 0) for symbol in held}
        self.notes: list[str] = []
        self.costs = 0.0
        # What each name has cost so far: its value at first, then what was paid for it, less what it paid.
        self.paid = {symbol: count * price[symbol] for symbol, count in held.items()}

    def open(self, rows: pd.DataFrame | None) -> None:
        """A day's closes, splits and dividends."""
        self.age = {symbol: age + 1 for symbol, age in self.age.items()}
        if rows is None:
            return
        splits = rows["split"] if "split" in rows else pd.Series(1.0, rows.index)
        dividends = rows["dividend"] if "dividend" in rows else pd.Series(0.0, rows.index)
        columns = rows["symbol"].tolist(), rows["close"].tolist(), splits.tolist(), dividends.tolist()
        for symbol, close, split, dividend in zip(*columns, strict=True):
            if np.isfinite(close):
                self.price[symbol], self.age[symbol] = float(close), 0
            if np.isfinite(split) and split not in (0.0, 1.0):
                self._split(symbol, float(split))
                if not np.isfinite(close):
                    self.price[symbol] /= float(split)
            if np.isfinite(dividend) and dividend:
                self._pay(symbol, -self.held[symbol] * float(dividend))

    def fill(self, rate: float) -> None:
        """The slices of the next session, at today's closes."""
        today = self.orders.pop(0) if self.orders else {}
        for symbol, shares in today.items():
            if self.age[symbol]:
                continue
            money = shares * self.price[symbol]
            self._pay(symbol, money)
            self.costs += abs(money) * rate
            self.cash -= abs(money) * rate
            self.held[symbol] += shares
        if unfilled := [symbol for symbol in today if self.age[symbol]]:
            self.notes.append(f"{len(unfilled)} orders without a close did not fill: {_some(unfilled)}")

    def pay_out(self) -> None:
        """End what has gone."""
        gone = [symbol for symbol, count in self.held.items() if count and self.age[symbol] >= self.ends.after]
        for symbol in gone:
            ending = self.ends.returns.get(symbol, self.ends.otherwise)
            self._pay(symbol, -self.held[symbol] * self.price[symbol] * (1 + ending))
            self.held[symbol] = 0
        if gone:
            self.notes.append(
                f"{len(gone)} names without a close for {self.ends.after} days were paid out: {_some(gone)}"
            )

    def earned(self) -> dict[str, float]:
        """What each name earned, money; with the costs they are what the NAV moved by."""
        return {symbol: count * self.price[symbol] - self.paid[symbol] for symbol, count in self.held.items()}

    def _pay(self, symbol: str, money: float) -> None:
        self.cash -= money
        self.paid[symbol] += money

    def _split(self, symbol: str, ratio: float) -> None:
        held, fraction = _whole(self.held[symbol] * ratio)
        self._pay(symbol, -fraction * self.price[symbol])
        self.held[symbol] = held
        for orders in self.orders:
            if symbol in orders:
                orders[symbol], _ = _whole(orders[symbol] * ratio)


def _whole(exact: float) -> tuple[int, float]:
    """Whole shares, and what is left beyond rounding: ratios come as fractions of few digits."""
    if abs(exact - round(exact)) <= 1e-6 * max(abs(exact), 1.0):
        return round(exact), 0.0
    return int(np.trunc(exact)), exact - float(np.trunc(exact))


def read_positions(frame: pd.DataFrame, as_of: date, prices: dict[str, float]) -> Positions:
    """What is really held, as a broker says it, instead of what the last book would leave.

    Parameters
    ----------
    frame : columns symbol and shares; the row of symbol ``CASH`` holds money, or ``$CASH`` where CASH is a share.
    prices : closes of the day.

    Raises
    ------
    InputError
        A column or the money is missing, a symbol repeats or has no close, or shares are not whole.
    """
    if missing := {"symbol", "shares"} - set(frame.columns):
        raise InputError(f"the holdings lack the column {sorted(missing)[0]}; give symbol and shares.")
    symbols, counts = [str(each) for each in frame["symbol"]], pd.to_numeric(frame["shares"], errors="coerce").tolist()
    if len(set(symbols)) != len(symbols):
        raise InputError("the holdings name a symbol twice; add its shares up.")
    held = dict(zip(symbols, counts, strict=True))
    money = next((name for name in _MONEY if name in held and name not in prices), None)
    if money is None:
        share = " (CASH is a share with a close)" if "CASH" in prices else ""
        raise InputError(
            f"the holdings have no row of money{share}; add one with symbol $CASH, of 0 where there is none."
        )
    cash = held.pop(money)
    if not np.isfinite(cash):
        raise InputError(f"the money in the row {money} of the holdings is missing; give a number.")
    shares: dict[str, int] = {}
    for symbol, count in held.items():
        if not np.isfinite(count) or count != int(count):
            raise InputError(f"the holdings have {count} shares of {symbol}; give a whole number.")
        if count and not np.isfinite(prices.get(symbol, np.nan)):
            raise InputError(f"{symbol} is held and has no close on {as_of}; import its bars, or leave it out.")
        shares |= {symbol: int(count)} if count else {}
    return Positions(as_of, shares, {symbol: prices[symbol] for symbol in shares}, float(cash))


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
