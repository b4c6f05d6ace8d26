"""Which orders trade in a bar, how much and at what price: a pure function of the orders, the bars and a seed.

A bar says what happened in an interval, not when, so all that are at work in it are matched together at its end, in an
order that does not depend on who came first within it: the more aggressive price, then the earlier bar, then a draw by
the order's own name.

An order that reaches the price at which a bar opens takes liquidity: it pays half the spread and the impact of
``execution.impact`` at an even rate over the bar, of which orders of one side in a symbol pay their parts one after the
other, so that ten orders cost what one of their size costs. What was taken moves the symbol's prices for good by the
model's permanent part. A limit that rests is filled at its own price, without a fee, where the bar goes through it.
Dark pools trade at the middle, without impact. No bar gives more than each venue's share of its volume, and all orders
in a symbol together no more than a participation: own = rate / (1 - rate) of what others trade.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from quantray.errors import InputError
from quantray.execution.impact import ImpactModel
from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.draws import drawn
from quantray.oms.paper.places import PLACES, Place

__all__ = ["Rules", "Trade", "Working", "fee_of", "matched"]

_ROUNDING = 1e-6
"""Of a unit of money: noise of floats that no price is rounded up for."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the paper venue trades.

    Parameters
    ----------
    seed : of all that is left to chance.
    participation : most of a bar's volume, our own included, that all orders in a symbol may be.
    tick : of limits at or above one of the currency, in units of money; below it is one unit.

    Raises
    ------
    InputError
        A number is out of range.
    """

    seed: int = 0
    participation: float = 0.1
    tick: int = 100
    places: Mapping[str, Place] = field(default_factory=lambda: PLACES)

    def __post_init__(self) -> None:
        if not 0 < self.participation < 1 or self.seed < 0 or self.tick < 1 or not self.places:
            raise InputError(
                f"participation {self.participation:g} must lie between 0 and 1, seed {self.seed} and tick {self.tick} "
                "be whole and positive, and there be a venue."
            )

    def told(self) -> str:
        """All of it as text, the same for equal rules."""
        places = sorted(map(str, self.places.values()))
        return f"seed {self.seed}, participation {self.participation!r}, tick {self.tick}, {'; '.join(places)}"


@dataclass(slots=True)
class Working:
    """An order that may trade.

    Parameters
    ----------
    left : shares that may still be filled.
    bar : first in which it may.
    """

    order: NewOrder
    left: int
    bar: int


@dataclass(frozen=True, slots=True)
class Trade:
    """Shares of an order that a bar filled.

    Parameters
    ----------
    price, fee : units of money, the first a share.
    seconds : into the bar.
    taken : whether it took liquidity at a lit venue, and so moved prices.
    """

    order: str
    quantity: int
    price: int
    fee: int
    seconds: float
    taken: bool


@dataclass(slots=True)
class _Symbol:
    """What is left of a symbol in a bar."""

    column: int
    first: int
    """Price at the open, as replayed."""
    shift: float
    """Money a share that earlier trades moved it by."""
    low: float
    high: float
    room: int
    depth: dict[str, int]
    done: dict[int, int] = field(default_factory=lambda: {1: 0, -1: 0})


def fee_of(order: NewOrder, quantity: int, rules: Rules, *, pays: bool) -> int:
    """Units of money that shares of an order pay to their venue, if they are of those that pay."""
    return round(rules.places[order.venue].venue.fee * MONEY * quantity) if pays else 0


def matched(
    working: Iterable[Working], bars: Bars, bar: int, moved: Mapping[str, int], rules: Rules
) -> Sequence[Trade]:
    """The trades of a bar, by symbol and then in order of priority.

    Parameters
    ----------
    working : orders of which the symbols and venues are known.
    moved : by symbol, shares taken in earlier bars times the open at which they were, sales negative.
    """
    by_symbol: dict[str, list[Working]] = defaultdict(list)
    for one in working:
        if one.bar <= bar and one.left > 0:
            by_symbol[one.order.symbol].append(one)
    trades: list[Trade] = []
    for symbol in sorted(by_symbol):
        market = _market(bars, bar, bars.columns[symbol], moved.get(symbol, 0), rules)
        if market is None:
            continue
        for one in _ranked(by_symbol[symbol], market, rules):
            trade = _traded(one, market, bars, bar, rules)
            if trade is not None:
                trades.append(trade)
    return trades


def _market(bars: Bars, bar: int, column: int, moved: int, rules: Rules) -> _Symbol | None:
    volume = int(bars.volume[bar, column])
    if volume == 0:
        return None
    shift = moved * float(bars.impact.permanent[column] / bars.impact.adv[column])
    rate = rules.participation
    depth = {
        name: math.floor(volume * place.venue.liquidity * place.venue.cap + _ROUNDING)
        for name, place in rules.places.items()
    }
    return _Symbol(
        column=column,
        first=int(bars.open[bar, column]),
        shift=shift,
        low=int(bars.low[bar, column]) + shift,
        high=int(bars.high[bar, column]) + shift,
        room=math.floor(rate / (1 - rate) * volume + _ROUNDING),
        depth=depth,
    )


def _ranked(orders: list[Working], market: _Symbol, rules: Rules) -> list[Working]:
    def rank(one: Working) -> tuple[float, int, float, str]:
        order = one.order
        reach = math.inf if order.limit is None else order.side.sign * (order.limit - market.first)
        return -reach, one.bar, _turn(rules.seed, order.id), order.id

    return sorted(orders, key=rank)


@lru_cache(maxsize=1 << 17)
def _turn(seed: int, order: str) -> float:
    return drawn(seed, "rank", order)


def _traded(one: Working, market: _Symbol, bars: Bars, bar: int, rules: Rules) -> Trade | None:
    order, place = one.order, rules.places[one.order.venue]
    late = place.venue.latency_ms / 1000 if one.bar == bar else 0.0
    seen = max(1 - late / bars.seconds, 0.0)
    # What was traded before the order arrived is not there any more.
    depth = min(market.depth[order.venue], math.floor(seen * market.depth[order.venue] + _ROUNDING))
    most = min(one.left, market.room, depth)
    if most < 1 or (place.chance < 1 and drawn(rules.seed, "chance", order.id, bar) >= place.chance):
        return None
    quantity, price, taken = _priced(order, most, market, bars, dark=place.venue.kind == "dark")
    if quantity < 1:
        return None
    market.room -= quantity
    market.depth[order.venue] -= quantity
    if taken:
        market.done[order.side.sign] += quantity
    fee = fee_of(order, quantity, rules, pays=taken or place.venue.kind == "dark")
    moment = late + drawn(rules.seed, "moment", order.id, bar) * max(bars.seconds - late, 0.0)
    return Trade(order.id, quantity, price, fee, moment, taken)


def _priced(order: NewOrder, most: int, market: _Symbol, bars: Bars, *, dark: bool) -> tuple[int, int, bool]:
    """Shares, price a share, and whether they are taken from a lit venue."""
    sign, limit = order.side.sign, order.limit
    if dark:
        middle = _rounded(market.first + market.shift, sign)
        if limit is None or sign * (limit - middle) >= 0:
            return most, middle, False
    else:
        quantity = most if limit is None else _most_within(limit, sign, most, market, bars)
        if quantity:
            return quantity, _taker_price(sign, quantity, market, bars), True
    extreme = market.low if sign > 0 else market.high
    # Where a bar only touches a limit, nobody knows who of those that rest there was served.
    if limit is not None and sign * (limit - extreme) > _ROUNDING:
        return most, limit, False
    return 0, 0, False


def _most_within(limit: int, sign: int, most: int, market: _Symbol, bars: Bars) -> int:
    """Largest number of shares whose mean price keeps to a limit; the price gets worse with each."""

    def within(quantity: int) -> bool:
        return sign * (limit - _taker_price(sign, quantity, market, bars)) >= 0

    if within(most) or not within(1):
        return most if within(most) else 0
    return bisect_right(range(1, most), False, key=lambda quantity: not within(quantity))


def _taker_price(sign: int, quantity: int, market: _Symbol, bars: Bars) -> int:
    """Mean price of the next shares that are taken on a side, rounded against who takes them."""
    done = market.done[sign]
    sizes = np.array([done, done + quantity], dtype=np.float64)
    before, after = sizes * _model(bars, market.column).fraction(sizes, days=bars.days)
    paid = market.first * float(after - before) / quantity
    return _rounded(market.first + market.shift + sign * paid, sign)


@lru_cache(maxsize=1 << 14)
def _model(bars: Bars, column: int) -> ImpactModel:
    return bars.impact.select([column])


def _rounded(price: float, sign: int) -> int:
    whole = math.ceil(price - _ROUNDING) if sign > 0 else math.floor(price + _ROUNDING)
    return max(whole, 1)
