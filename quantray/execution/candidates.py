"""How every algorithm would slice a day's part of an order, and what each would cost and risk until all is done."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.execution.almgren_chriss import (
    TradingTerms,
    optimal_trajectory,
    risk_aversion_of_urgency,
    trading_terms,
)
from quantray.execution.routing import plan_hours
from quantray.execution.schedules import usual_profile
from quantray.execution.selection import OrderFacts, path_cost
from quantray.execution.sessions import Session
from quantray.execution.trade_list import PlanTerms, TradeList, days_to_complete

__all__ = ["OrderFrontier", "algorithm_shapes", "candidate_costs", "order_frontier"]

_URGENCIES = tuple(np.geomspace(0.05, 15.0, 25).tolist())


@dataclass(frozen=True, eq=False)
class OrderFrontier:
    """What one order costs and risks, the more urgently it is traded."""

    urgency: Float
    """(U,) how often it falls by a factor e in a day."""
    cost_bps: Float
    """(U,) of its value on arrival."""
    risk_bps: Float
    """(U,) standard deviation of that."""


def algorithm_shapes(trades: TradeList, hours: Session, facts: OrderFacts, days: Int, terms: PlanTerms) -> Float:
    """(5, P, B) shares of a day's part of each order in each slice, by algorithm; NaN where it cannot be done.

    Parameters
    ----------
    days : (P,) over which each order is spread evenly.
    """
    profile, n_orders = usual_profile(hours), len(days)
    even = np.where(hours.continuous, hours.minutes / hours.minutes.sum(), 0.0)
    part = np.abs(trades.shares) / days / trades.impact.adv
    rate = terms.participation / (1 - min(terms.participation, 0.99))
    able = np.minimum(rate * hours.length * np.cumsum(profile) / part[:, None], 1.0)
    followed = np.where(able[:, -1:] >= 1 - 1e-9, np.diff(able, axis=1, prepend=0.0), np.nan)
    market, span = _market(trades, days), np.full(n_orders, hours.days)
    urgency = np.asarray(facts.urgency, dtype=np.float64)
    asked = np.asarray(facts.risk_aversion, dtype=np.float64)
    hurried, calm = (
        risk_aversion_of_urgency(each, market, days=span, slices=terms.slices)
        for each in (np.maximum(urgency, terms.rules.urgent), urgency)
    )
    aversions = (hurried, np.where(np.isfinite(asked), asked, calm))
    paths = [_path(market, hours, aversion, terms) for aversion in aversions]
    whole = (n_orders, len(even))
    return np.array([np.broadcast_to(even, whole), np.broadcast_to(profile, whole), followed, *paths])


def candidate_costs(trades: TradeList, hours: Session, shapes: Float, days: Int) -> tuple[Float, Float]:
    """(P, A) costs and risks in basis points of A ways to slice a day, over all days of each order.

    Days are alike, so what a day of an order costs is what each of them does, and what is left falls by a part a day:
    the variance of D days with d left is the day's own beside the days' squares. Overnight counts as nothing.

    Parameters
    ----------
    shapes : (A, P, B).
    """
    count = days.astype(np.float64)
    volume, span = usual_profile(hours) * hours.length, hours.minutes / hours.minutes.sum() * hours.days
    costs, risks = [], []
    for shape in shapes:
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


def order_frontier(
    trades: TradeList,
    order: int,
    date: object,
    terms: PlanTerms | None = None,
    urgencies: tuple[float, ...] = _URGENCIES,
) -> OrderFrontier:
    """The schedules of Almgren and Chriss of one order, by the same measure as the candidates of a plan.

    Parameters
    ----------
    date : the first trading day.

    Raises
    ------
    InputError
        There is no such order, an urgency is not positive, or the exchange is closed on that day.
    """
    terms = terms or PlanTerms()
    if not 0 <= order < len(trades.symbols) or not urgencies or min(urgencies) <= 0:
        raise InputError(f"order {order} of {len(trades.symbols)} at urgencies {urgencies}: give one of them, and > 0.")
    one = trades.select(np.array([order]))
    days = days_to_complete(one.shares, one.impact.adv, terms.participation)
    (hours,) = plan_hours(date, 1, terms)
    market, span = _market(one, days), np.full(1, hours.days)
    aversions = [risk_aversion_of_urgency(each, market, days=span, slices=terms.slices) for each in urgencies]
    shapes = np.array([_path(market, hours, aversion, terms) for aversion in aversions])
    costs, risks = candidate_costs(one, hours, shapes, days)
    return OrderFrontier(np.array(urgencies), costs[0], risks[0])


def _market(trades: TradeList, days: Int) -> TradingTerms:
    """What a day's part of each order meets, spread left out: every schedule pays it once."""
    part = np.abs(trades.shares) / days / trades.impact.adv
    found = trading_terms(trades.impact, trades.price, at=np.minimum(part, 1.0))
    return TradingTerms(volatility=found.volatility, temporary=found.temporary, permanent=found.permanent)


def _path(market: TradingTerms, hours: Session, aversion: Float, terms: PlanTerms) -> Float:
    """(P, B) shares of a day's part in each slice, by risk aversion; nothing in auctions."""
    ones = np.ones(np.shape(aversion))
    best = optimal_trajectory(ones, market, days=hours.days * ones, slices=terms.slices, risk_aversion=aversion)
    path = np.zeros((len(ones), len(hours.minutes)))
    path[:, hours.continuous] = np.maximum(best.trades, 0.0)
    return path
