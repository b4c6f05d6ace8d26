"""Four orders of different sizes, and a fifth of which no volume is known."""

from dataclasses import replace

import numpy as np

from quantray.execution.day_orders import Wanted, day_orders
from quantray.execution.hindsight import SessionBars, worked
from quantray.execution.impact import linear_impact, square_root_impact
from quantray.execution.reporting.schedules import DaySchedule
from quantray.execution.trade_list import PlanTerms

SYMBOLS = np.array(["CALM", "USUAL", "LARGE", "WILD", "DARK"])
SHARES = np.array([4000, -20_000, 100_000, -8000, 300])
PRICE = np.array([50.0, 20.0, 80.0, 10.0, 5.0])
ADV = np.array([2e6, 1e6, 5e5, 4e5, np.nan])
VOLATILITY = np.array([0.012, 0.02, 0.015, 0.045, np.nan])
SPREAD_BPS = np.array([2.0, 4.0, 6.0, 10.0, 10.0])
DAY = np.datetime64("2024-03-15")


def wanted(shares=SHARES, *, linear=False):
    law = linear_impact if linear else square_root_impact
    impact = law(ADV, VOLATILITY, SPREAD_BPS)
    return Wanted(symbols=SYMBOLS, shares=np.asarray(shares), price=PRICE, impact=impact, unknown_bps=50.0)


def schedule(shares=SHARES, *, name="HRP", linear=False, terms=None):
    """A day's schedule of a portfolio of a hundred million."""
    terms = terms or PlanTerms(when_late="stretch")
    orders = day_orders(wanted(shares, linear=linear), DAY, terms)
    return DaySchedule(
        name=name, session=DAY, aum=1e8, orders=orders, terms=terms, notes=("1 order goes to the close",)
    )


def still(plan, *, at=1.0, volume=1.0):
    """Two sessions in which no price moves, opened at a share of the plan's price."""
    price = np.outer(plan.trades.price, np.full(2, at))
    traded = np.outer(plan.trades.impact.adv, np.full(2, volume))
    return SessionBars(open=price, high=price, low=price, close=price, volume=traded)


def hindsighted():
    """The schedule, worked on sessions that opened higher."""
    one = schedule()
    return replace(one, worked=worked(one.orders.plan, still(one.orders.plan, at=1.01), DAY, one.terms))
