"""From a list of trades to child orders: select, slice, route, over as many days as participation needs.

What comes out is arrays, for thousands of orders at once; ``ExecutionPlan.schedule`` makes the objects of one.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from quantray.arrays import Float, Int
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.execution.basket import basket_trajectory
from quantray.execution.candidates import algorithm_shapes, candidate_costs
from quantray.execution.children import ChildOrders
from quantray.execution.orders import ALGORITHMS, ChildOrder, ExecutionSchedule, Order, Side
from quantray.execution.rounding import apportioned
from quantray.execution.routing import plan_hours, routed_children
from quantray.execution.selection import OrderFacts, Selection, select_algorithm
from quantray.execution.trade_list import PlanTerms, TradeList, days_to_complete

__all__ = ["ExecutionPlan", "plan_basket", "plan_execution"]


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
    total_risk_bps: float | None = None
    """Standard deviation of the cost of all orders, of their value, where they were scheduled together."""

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
        days = int(self.days[order])
        return f"{chosen}; {days} day{'' if days == 1 else 's'}; expected bp: {costs}"

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
    facts = facts.of(len(days))
    selection = select_algorithm(facts, terms.rules)
    hours = plan_hours(date, int(days.max()), terms)
    # Sessions of one length have the same slices and the same shapes.
    shapes = {h.days: algorithm_shapes(trades, h, facts, days, terms) for h in hours}
    costs, risks = candidate_costs(trades, hours[0], shapes[hours[0].days], days)
    chosen = selection.algorithm
    one = np.arange(len(chosen))
    bad = np.isnan(costs[one, chosen])
    if bad.any():
        raise InputError(
            f"{selection.name(int(np.argmax(bad)))} of {trades.symbols[bad][0]} cannot be done in its days at a "
            f"participation of {terms.participation:g}; give it more days or a higher participation."
        )
    by_day = apportioned(np.abs(trades.shares), (np.arange(len(hours)) < days[:, None]).astype(np.float64))
    sliced = [apportioned(by_day[:, k], shapes[h.days][chosen, one]) for k, h in enumerate(hours)]
    children = routed_children(trades, hours, sliced, chosen, terms)
    return ExecutionPlan(trades, children, selection, days, costs[one, chosen], risks[one, chosen], costs, risks)


def plan_basket(
    trades: TradeList,
    date: object,
    risk: FactorModel | Float,
    terms: PlanTerms | None = None,
    *,
    days: int = 1,
    risk_aversion: float = 1e-7,
    cash: float | None = None,
) -> ExecutionPlan:
    """Schedule a list of trades together, so that what is left of it stays hedged, then slice and route it.

    The participation of the terms holds in every slice; there is no closing auction.

    Parameters
    ----------
    date : the first trading day.
    risk : of daily returns of the P names; see ``basket.basket_trajectory``.
    days : trading days, of one length, until all is done.
    risk_aversion : per money.
    cash : money that purchases may use beyond what sales have brought.

    Raises
    ------
    InputError
        As ``basket_trajectory``, or a half-day is among the days.
    SolverError
        The schedule was not found.
    """
    terms = replace(terms or PlanTerms(), closing=False)
    hours = plan_hours(date, days, terms)
    if len({each.days for each in hours}) > 1:
        raise InputError("a half-day is among the days of the basket; begin after it, or end before it.")
    money = replace(trades.impact, adv=trades.impact.adv * trades.price)
    orders = trades.shares * trades.price
    found = basket_trajectory(
        orders,
        money,
        risk,
        days=days * hours[0].days,
        slices=days * terms.slices,
        risk_aversion=risk_aversion,
        participation=terms.participation,
        cash=cash,
    )
    shapes = np.maximum(found.trades / orders, 0.0).T
    sliced = apportioned(np.abs(trades.shares), shapes)
    code = np.full(len(orders), ALGORITHMS.index("AC"))
    by_day = np.split(sliced, days, axis=1)
    children = routed_children(trades, hours, by_day, code, terms)
    last = sliced.shape[1] - np.argmax(sliced[:, ::-1] > 0, axis=1)
    facts = OrderFacts(
        adv_share=np.abs(trades.shares) / trades.impact.adv,
        volatility=trades.impact.volatility,
        risk_aversion=risk_aversion,
    )
    why = Selection(code, np.zeros_like(code), facts, ("scheduled with the others, so that what is left stays hedged",))
    cost = found.costs / np.abs(orders) * 1e4
    left = (found.holdings[1:] / orders) ** 2
    alone = trades.impact.volatility * np.sqrt(left.sum(axis=0) * hours[0].days / terms.slices) * 1e4
    costs, risks = (np.where(np.arange(len(ALGORITHMS)) == code[0], v[:, None], np.nan) for v in (cost, alone))
    together = float(np.sqrt(found.variance) / np.abs(orders).sum() * 1e4)
    spent = -(-last // terms.slices)
    return ExecutionPlan(trades, children, why, spent, cost, alone, costs, risks, together)


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
