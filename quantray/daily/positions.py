"""From the book of the last day to what is held at the close of this one: trades filled, splits, dividends, ends."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from quantray.daily.book import Book
from quantray.errors import DataError, InputError

__all__ = ["Positions", "carried", "read_positions", "starting"]

_GONE_AFTER = 10
"""Trading days without a close after which a position counts as paid out at its last one."""


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

    @property
    def nav(self) -> float:
        """Money: cash and shares at their last closes."""
        return self.cash + sum(count * self.prices[symbol] for symbol, count in self.shares.items())


def starting(as_of: date, nav: float) -> Positions:
    """Nothing but cash."""
    return Positions(as_of, {}, {}, nav)


def carried(
    book: Book, quotes: pd.DataFrame, *, costs_bps: float, unpriced: Mapping[str, int] | None = None
) -> Positions:
    """What a book leaves at the close of the last day of some quotes.

    The orders of the book fill whole at the close of the first day after it; those of names without a close that day do
    not fill. Splits turn shares into others, with money for a fraction; dividends are paid into cash. What had no close
    for ten days is paid out at its last one.

    Parameters
    ----------
    quotes : rows of date, symbol, close and, where the data have them, split and dividend, as quoted, of the trading
        days after the book.
    costs_bps : paid on the money traded.
    unpriced : symbol -> trading days that it had been without a close on the day of the book; by default 0.

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
    wanted = dict(zip(symbols, table["shares"].to_pylist(), strict=True))
    price = dict(zip(symbols, table["price"].to_pylist(), strict=True))
    state = _State(held, wanted, price, book.nav - sum(count * price[symbol] for symbol, count in held.items()))
    frame = frame[frame["symbol"].isin(symbols)]
    days = sorted(set(quotes["date"]) - {day for day in quotes["date"] if day <= pd.Timestamp(book.as_of)})
    by_day = dict(list(frame.groupby("date")))
    state.age |= {symbol: age for symbol, age in (unpriced or {}).items() if symbol in state.age}
    for number, day in enumerate(days):
        state.open(by_day.get(day))
        if number == 0:
            state.fill(costs_bps * 1e-4)
    state.pay_out()
    shares = {symbol: count for symbol, count in state.held.items() if count}
    return Positions(
        pd.Timestamp(days[-1]).date(),
        shares,
        {symbol: state.price[symbol] for symbol in shares},
        state.cash,
        tuple(state.notes),
    )


class _State:
    """Shares, prices and money from day to day."""

    def __init__(self, held: dict[str, int], wanted: dict[str, int], price: dict[str, float], cash: float) -> None:
        self.held, self.wanted, self.price, self.cash = held, wanted, price, cash
        self.age = dict.fromkeys(held, 0)
        self.notes: list[str] = []

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
                self.cash += self.held[symbol] * float(dividend)

    def fill(self, rate: float) -> None:
        """The book's orders at today's closes."""
        unfilled = []
        for symbol, wanted in self.wanted.items():
            change = wanted - self.held[symbol]
            if not change:
                continue
            if self.age[symbol]:
                unfilled.append(symbol)
                continue
            money = change * self.price[symbol]
            self.cash -= money + abs(money) * rate
            self.held[symbol] = wanted
        if unfilled:
            self.notes.append(f"{len(unfilled)} orders without a close did not fill: {_some(unfilled)}")

    def pay_out(self) -> None:
        """End what has gone."""
        gone = [symbol for symbol, count in self.held.items() if count and self.age[symbol] >= _GONE_AFTER]
        for symbol in gone:
            self.cash += self.held[symbol] * self.price[symbol]
            self.held[symbol] = 0
        if gone:
            self.notes.append(f"{len(gone)} names without a close for {_GONE_AFTER} days were paid out: {_some(gone)}")

    def _split(self, symbol: str, ratio: float) -> None:
        for side in (self.held, self.wanted):
            exact = side[symbol] * ratio
            # Ratios come as fractions of few digits; what is left beyond rounding is paid in money.
            whole = round(exact) if abs(exact - round(exact)) <= 1e-6 * max(abs(exact), 1.0) else int(np.trunc(exact))
            if side is self.held:
                self.cash += (exact - whole) * self.price[symbol] if exact != whole else 0.0
            side[symbol] = int(whole)


def read_positions(frame: pd.DataFrame, as_of: date, prices: dict[str, float]) -> Positions:
    """What is really held, as a broker says it, instead of what the last book would leave.

    Parameters
    ----------
    frame : columns symbol and shares; the row of symbol ``CASH`` holds money.
    prices : closes of the day.

    Raises
    ------
    InputError
        A column is missing, a symbol repeats or has no close, or shares are not whole.
    """
    if missing := {"symbol", "shares"} - set(frame.columns):
        raise InputError(f"the holdings lack the column {sorted(missing)[0]}; give symbol and shares.")
    symbols, counts = [str(each) for each in frame["symbol"]], pd.to_numeric(frame["shares"], errors="coerce").tolist()
    if len(set(symbols)) != len(symbols):
        raise InputError("the holdings name a symbol twice; add its shares up.")
    cash = sum(count for symbol, count in zip(symbols, counts, strict=True) if symbol == "CASH")
    shares: dict[str, int] = {}
    for symbol, count in zip(symbols, counts, strict=True):
        if symbol == "CASH" or count == 0:
            continue
        if not np.isfinite(count) or count != int(count):
            raise InputError(f"the holdings have {count} shares of {symbol}; give a whole number.")
        if not np.isfinite(prices.get(symbol, np.nan)):
            raise InputError(f"{symbol} is held and has no close on {as_of}; import its bars, or leave it out.")
        shares[symbol] = int(count)
    if not np.isfinite(cash):
        raise InputError("the money in the row CASH of the holdings is missing; give a number.")
    return Positions(as_of, shares, {symbol: prices[symbol] for symbol in shares}, float(cash))


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
