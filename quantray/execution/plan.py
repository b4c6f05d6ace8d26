"""From a list of trades to child orders: select, slice, route, over as many days as participation needs.

What comes out is arrays, for thousands of orders at once; ``ExecutionPlan.schedule`` makes the objects of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Dates, Float, Int, Names, as_day
from quantray.data.calendar import DEFAULT_EXCHANGE, time_zone, trading_days
from quantray.errors import InputError
from quantray.execution.almgren_chriss import (
    TradingTerms,
    optimal_trajectory,
    risk_aversion_of_urgency,
    trading_terms,
)
from quantray.execution.children import ChildOrders
from quantray.execution.impact import ImpactModel
from quantray.execution.orders import ALGORITHMS, ChildOrder, ExecutionSchedule, Order, Side
from quantray.execution.rounding import apportioned
from quantray.execution.schedules import usual_profile
from quantray.execution.selection import OrderFacts, Selection, SelectionRules, path_cost, select_algorithm
from quantray.execution.sessions import Session, session
from quantray.execution.venues import VENUES, Venue, route

__all__ = ["ExecutionPlan", "PlanTerms", "TradeList", "days_to_complete", "plan_execution", "trades_of_weights"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TradeList:
    """What shall be traded, and what is known of it.

    Parameters
    ----------
    symbols : (P,) unique.
    shares : (P,) whole; sales negative.
    price : (P,) money a share, on arrival.
    impact : of the P names, with ``adv`` in shares.
    halted : (P,) names that are not traded now.
    float_shares : (P,) shares that can be bought at all; infinite where nobody knows.
    limits : (P,) worst prices, by default none.

    Raises
    ------
    InputError
        A name repeats or is halted, shares are not whole or are zero, a price or a volume is unknown, or an order is
        larger than the float.
    """

    symbols: Names
    shares: Int
    price: Float
    impact: ImpactModel
    halted: Bool | None = None
    float_shares: Float | None = None
    limits: tuple[Decimal | None, ...] | None = None

    def __post_init__(self) -> None:
        n_orders = len(self.symbols)
        if self.shares.shape != (n_orders,) or self.price.shape != (n_orders,) or self.impact.adv.shape != (n_orders,):
            raise InputError(f"shares, prices and impact must be of all {n_orders} symbols.")
        if len(set(self.symbols.tolist())) != n_orders:
            raise InputError("symbols of a trade list repeat; add their shares up first.")
        if self.shares.dtype.kind != "i":
            raise InputError("shares of a trade list must be whole; round them first, as trades_of_weights does.")
        self._refuse(self.shares == 0, "have no shares; leave them out")
        self._refuse(~(self.price > 0) | ~np.isfinite(self.price), "have no price; leave them out or wait for one")
        self._refuse(
            ~self.impact.known, "have no known volume, volatility or spread; fill in their adv or leave them out"
        )
        self._refuse(~(self.impact.volatility > 0), "have no volatility; fill it in or leave them out")
        if self.halted is not None:
            self._refuse(self.halted, "are halted; leave them out until they trade again")
        if self.float_shares is not None:
            self._refuse(self.shares > self.float_shares, "are ordered beyond their float; make the orders smaller")

    def _refuse(self, bad: Bool, why: str) -> None:
        if bad.any():
            some = ", ".join(self.symbols[bad][:3].tolist())
            raise InputError(f"{int(bad.sum())} of {len(bad)} names ({some}) {why}.")

    @property
    def value(self) -> Float:
        """(P,) money, not negative."""
        return np.asarray(np.abs(self.shares) * self.price)


@dataclass(frozen=True, kw_only=True)
class PlanTerms:
    """How a list of trades is executed.

    Parameters
    ----------
    participation : most of a day's volume that an order may be; above 0 and at most 1.
    when_late : what happens to an order that needs more than ``most_days``; one that needs fewer is always stretched.
    most_days : trading days that an order may take.
    slices : of continuous trading in a day.
    closing : whether to trade in the closing auction, too.
    urgency : of orders that are not given one.
    rules : of the selection.
    venues : to send slices to.
    dark : share of each slice that is offered to dark pools.
    exchange : whose hours hold.

    Raises
    ------
    InputError
        A number is out of range.
    """

    participation: float = 0.10
    when_late: Literal["stretch", "refuse"] = "refuse"
    most_days: int = 10
    slices: int = 8
    closing: bool = False
    urgency: float = 1.0
    rules: SelectionRules = field(default_factory=SelectionRules)
    venues: tuple[Venue, ...] = VENUES
    dark: float = 0.15
    exchange: str = DEFAULT_EXCHANGE

    def __post_init__(self) -> None:
        if not 0 < self.participation <= 1 or self.most_days < 1 or self.urgency < 0:
            raise InputError(
                f"participation {self.participation:g} must be above 0 and at most 1, most_days {self.most_days} at "
                f"least 1, and urgency {self.urgency:g} not negative."
            )
        if self.when_late not in ("stretch", "refuse"):
            raise InputError(f"when_late {self.when_late!r} is not one of stretch, refuse.")


@dataclass(frozen=True, eq=False)
class ExecutionPlan:
    """Child orders of a list of trades, and what they are expected to cost."""

    trades: TradeList
    children: ChildOrders
    selection: Selection
    days: Int
    """(P,) trading days until done."""
    cost_bps: Float
    """(P,) expected, of each order's value on arrival."""
    risk_bps: Float
    """(P,) standard deviation of it."""
    candidate_cost_bps: Float
    """(P, 5) of every algorithm over the same days, in the order of ``orders.ALGORITHMS``; NaN where it cannot be."""
    candidate_risk_bps: Float
    """(P, 5)."""

    @property
    def total_cost_bps(self) -> float:
        """Of the value of all orders."""
        value = self.trades.value
        return float(self.cost_bps @ value / value.sum())

    def explained(self, order: int) -> str:
        """The choice for an order in words, with what every algorithm would cost."""
        names = zip(ALGORITHMS, self.candidate_cost_bps[order], self.candidate_risk_bps[order], strict=True)
        costs = ", ".join(f"{name} {cost:.1f} +- {risk:.1f}" for name, cost, risk in names if np.isfinite(cost))
        chosen = f"{self.trades.symbols[order]}: {self.selection.name(order)}, {self.selection.reason(order)}"
        return f"{chosen}; {int(self.days[order])} days; expected bp: {costs}"

    def schedule(self, order: int) -> ExecutionSchedule:
        """The objects of one order; its children carry its limit."""
        shares, symbol = int(self.trades.shares[order]), str(self.trades.symbols[order])
        limit = None if self.trades.limits is None else self.trades.limits[order]
        side = Side.BUY if shares > 0 else Side.SELL
        parent = Order(id=symbol, symbol=symbol, side=side, quantity=abs(shares), limit=limit)
        rows, made = self.children.rows(order), self.children
        columns = zip(made.time[rows], made.quantity[rows], made.venue[rows], strict=True)
        children = tuple(
            ChildOrder(
                id=f"{symbol}-{k}",
                parent=symbol,
                time=datetime.fromtimestamp(int(time.astype("datetime64[s]").astype(np.int64)), UTC),
                quantity=int(quantity),
                venue=made.venues[int(venue)],
                algorithm=self.selection.name(order),
                limit=limit,
            )
            for k, (time, quantity, venue) in enumerate(columns)
        )
        return ExecutionSchedule(
            parent=parent,
            algorithm=self.selection.name(order),
            children=children,
            expected_cost_bps=float(self.cost_bps[order]),
            risk_bps=float(self.risk_bps[order]),
            reason=self.selection.reason(order),
        )


def trades_of_weights(target: Float, held: Float, price: Float, aum: float) -> Int:
    """(N,) shares to trade from held weights to target ones, towards zero; sales negative.

    Raises
    ------
    InputError
        The AUM is not positive, or a name to trade has no price.
    """
    moved = np.asarray(target, dtype=np.float64) - np.asarray(held, dtype=np.float64)
    if not aum > 0 or not (np.asarray(price)[moved != 0] > 0).all():
        raise InputError(f"aum {aum:g} must be positive, and every name that is traded must have a price.")
    return np.trunc(np.divide(moved * aum, price, out=np.zeros_like(moved), where=moved != 0)).astype(np.int64)


def days_to_complete(shares: Int, adv: Float, participation: float) -> Int:
    """(P,) trading days that orders need at a share of a usual day's volume, 1 at least."""
    return np.maximum(np.ceil(np.abs(shares) / (participation * adv) - 1e-9), 1).astype(np.int64)


def plan_execution(
    trades: TradeList, date: object, terms: PlanTerms | None = None, *, facts: OrderFacts | None = None
) -> ExecutionPlan:
    """Select, slice and route a list of trades, from a day's open on.

    An order that needs several days is spread evenly over them, so that its share of each day's volume is the same.

    Parameters
    ----------
    date : the first trading day.
    facts : of the (P,) orders; by default their size and volatility, and the urgency of the terms.

    Raises
    ------
    InputError
        The exchange is closed on that day, or an order needs more days than it may take.
    """
    terms = terms or PlanTerms()
    days = _days(trades, terms)
    facts = facts or OrderFacts(
        adv_share=np.abs(trades.shares) / trades.impact.adv,
        volatility=trades.impact.volatility,
        urgency=terms.urgency,
    )
    selection = select_algorithm(facts, terms.rules)
    hours = [
        session(day, terms.slices, closing=terms.closing, exchange=terms.exchange) for day in _dates(date, days, terms)
    ]
    part = np.abs(trades.shares) / days / trades.impact.adv
    market = trading_terms(trades.impact, trades.price, at=np.minimum(part, 1.0))
    # Sessions of one length have the same slices and the same shapes.
    shapes = {h.days: _shapes(trades, h, market, facts, days, terms) for h in hours}
    costs, risks = _candidates(trades, hours, shapes, days)
    chosen = selection.algorithm
    one = np.arange(len(chosen))
    bad = np.isnan(costs[one, chosen])
    if bad.any():
        raise InputError(
            f"{selection.name(int(np.argmax(bad)))} of {trades.symbols[bad][0]} cannot be done in its days at a "
            f"participation of {terms.participation:g}; give it more days or a higher participation."
        )
    by_day = apportioned(np.abs(trades.shares), (np.arange(len(hours)) < days[:, None]).astype(np.float64))
    parts = [_children(trades, h, shapes[h.days][chosen, one], by_day[:, k], terms) for k, h in enumerate(hours)]
    children = _joined(trades, parts, chosen, terms)
    return ExecutionPlan(trades, children, selection, days, costs[one, chosen], risks[one, chosen], costs, risks)


def _days(trades: TradeList, terms: PlanTerms) -> Int:
    days = days_to_complete(trades.shares, trades.impact.adv, terms.participation)
    late = days > terms.most_days
    if late.any() and terms.when_late == "refuse":
        worst = int(np.argmax(days))
        raise InputError(
            f"{int(late.sum())} orders need more than {terms.most_days} days at {terms.participation:.0%} of the "
            f"volume; {trades.symbols[worst]} needs {int(days[worst])}: raise most_days or participation, trade less, "
            "or set when_late to stretch."
        )
    return days


def _dates(date: object, days: Int, terms: PlanTerms) -> Dates:
    first, count = as_day(date), int(days.max())
    found = trading_days(first, first + np.timedelta64(2 * count + 14, "D"), exchange=terms.exchange)[:count]
    if found[0] != first:
        raise InputError(f"{terms.exchange} is closed on {first}; choose a trading day such as {found[0]}.")
    if len(found) < count:
        raise InputError(f"an order needs {count} days, beyond the calendar of {terms.exchange}; trade less or faster.")
    return found


def _shapes(
    trades: TradeList, hours: Session, market: TradingTerms, facts: OrderFacts, days: Int, terms: PlanTerms
) -> Float:
    """(5, P, B) shares of a day's part of each order in each slice, by algorithm; NaN where it cannot be done."""
    profile, n_orders = usual_profile(hours), len(days)
    even = np.where(hours.continuous, hours.minutes / hours.minutes.sum(), 0.0)
    part = np.abs(trades.shares) / days / trades.impact.adv
    rate = terms.participation / (1 - min(terms.participation, 0.99))
    able = np.minimum(rate * hours.length * np.cumsum(profile) / part[:, None], 1.0)
    followed = np.where(able[:, -1:] >= 1 - 1e-9, np.diff(able, axis=1, prepend=0.0), np.nan)
    urgency = np.asarray(facts.urgency, dtype=np.float64)
    asked = np.asarray(facts.risk_aversion, dtype=np.float64)
    paths: list[Float] = []
    for hurry in (np.maximum(urgency, terms.rules.urgent), urgency):
        span = np.full(n_orders, hours.days)
        still = TradingTerms(volatility=market.volatility, temporary=market.temporary, permanent=market.permanent)
        aversion = risk_aversion_of_urgency(hurry, still, days=span, slices=terms.slices)
        if len(paths) == 1:
            aversion = np.where(np.isfinite(asked), asked, aversion)
        best = optimal_trajectory(np.ones(n_orders), still, days=span, slices=terms.slices, risk_aversion=aversion)
        path = np.zeros((n_orders, len(even)))
        path[:, hours.continuous] = np.maximum(best.trades, 0.0)
        paths.append(path)
    whole = (n_orders, len(even))
    return np.array([np.broadcast_to(even, whole), np.broadcast_to(profile, whole), followed, *paths])


def _candidates(trades: TradeList, hours: list[Session], shapes: dict[float, Float], days: Int) -> tuple[Float, Float]:
    """(P, 5) costs and risks of every algorithm, over all days of each order.

    Days are alike, so what a day of an order costs is what each of them does, and what is left falls by a part a day:
    the variance of D days with d left is the day's own beside the days' squares. Overnight counts as nothing.
    """
    first, count = hours[0], days.astype(np.float64)
    volume, span = usual_profile(first) * first.length, first.minutes / first.minutes.sum() * first.days
    costs, risks = [], []
    for shape in shapes[first.days]:
        day = path_cost(shape, trades.shares / count, trades.impact, volume, span)
        # Permanent impact is that of the whole order, of which the day's own was counted.
        lasting = trades.impact.permanent * np.abs(trades.shares) / trades.impact.adv / 2 * (1 - 1 / count) * 1e4
        own = (day["risk_bps"] / 1e4) ** 2 / count**2
        left = 1 - np.cumsum(shape, axis=1) + shape / 2
        mean = (left * span).sum(axis=1)
        # Sum over k = 0..D-1 days after this one of ((k + left) / D)^2.
        after = (count - 1) * count / 2, (count - 1) * count * (2 * count - 1) / 6
        variance = own * count + trades.impact.volatility**2 / count**2 * (2 * after[0] * mean + after[1] * span.sum())
        costs.append(day["cost_bps"] + lasting)
        risks.append(np.sqrt(variance) * 1e4)
    return np.array(costs).T, np.array(risks).T


def _children(trades: TradeList, hours: Session, shape: Float, quantity: Int, terms: PlanTerms) -> list[np.ndarray]:
    """Columns parent, slice, time, quantity, venue of a day's children."""
    active = np.flatnonzero(quantity)
    sliced = apportioned(quantity[active], shape[active])
    order, slot = np.nonzero(sliced)
    order = active[order]
    shares = sliced[sliced > 0]
    volume = (usual_profile(hours) * hours.length)[slot] * trades.impact.adv[order]
    # The spread is what the last share at a venue may cost; a penny stands for one that is not known.
    depth = np.maximum(2 * trades.impact.half_spread * trades.price, 0.01)[order]
    auction = ~hours.continuous[slot]
    routed = np.zeros((len(shares), len(terms.venues)), dtype=np.int64)
    routed[~auction] = route(
        shares[~auction], volume[~auction], terms.venues, depth_cost=depth[~auction], dark=terms.dark
    )
    primary = next((k for k, venue in enumerate(terms.venues) if venue.kind == "lit"), 0)
    routed[auction, primary] = shares[auction]
    row, venue = np.nonzero(routed)
    time = _utc(hours.times, terms.exchange)[slot[row]]
    return [order[row], time, routed[row, venue], venue]


def _joined(trades: TradeList, parts: Sequence[list[np.ndarray]], chosen: Int, terms: PlanTerms) -> ChildOrders:
    parent, time, quantity, venue = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(parent, kind="stable")
    names = tuple(each.name for each in terms.venues)
    parent = parent[order]
    return ChildOrders(trades.symbols, names, parent, time[order], quantity[order], venue[order], chosen[parent])


def _utc(times: Dates, exchange: str) -> Dates:
    local = pd.DatetimeIndex(times.astype("datetime64[s]")).tz_localize(time_zone(exchange))
    return np.asarray(local.tz_convert("UTC").tz_localize(None).to_numpy(), dtype="datetime64[s]")
