"""From the slices of some days to child orders at venues, on the exchange's days and hours."""

from collections.abc import Sequence

import numpy as np

from quantray.arrays import Dates, Int, as_day
from quantray.data.calendar import trading_days
from quantray.errors import InputError
from quantray.execution.children import ChildOrders
from quantray.execution.schedules import usual_profile
from quantray.execution.sessions import Session, in_utc, session
from quantray.execution.trade_list import PlanTerms, TradeList
from quantray.execution.venues import route

__all__ = ["plan_hours", "routed_children"]


def plan_hours(date: object, count: int, terms: PlanTerms) -> list[Session]:
    """The sessions of a trading day and of those after it.

    Raises
    ------
    InputError
        The exchange is closed on that day, or its calendar ends before the last.
    """
    days = _dates(date, count, terms)
    return [session(day, terms.slices, closing=terms.closing, exchange=terms.exchange) for day in days]


def routed_children(
    trades: TradeList, hours: Sequence[Session], sliced: Sequence[Int], algorithm: Int, terms: PlanTerms
) -> ChildOrders:
    """Child orders of slices.

    Parameters
    ----------
    sliced : (P, B) shares for each session.
    algorithm : (P,) positions in ``orders.ALGORITHMS``.

    Raises
    ------
    InputError
        A slice is larger than what the venues may take.
    """
    parts = [_routed(trades, each, shares, terms) for each, shares in zip(hours, sliced, strict=True)]
    parent, time, quantity, venue = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(parent, kind="stable")
    names = tuple(each.name for each in terms.venues)
    parent = parent[order]
    return ChildOrders(trades.symbols, names, parent, time[order], quantity[order], venue[order], algorithm[parent])


def _dates(date: object, count: int, terms: PlanTerms) -> Dates:
    first = as_day(date)
    found = trading_days(first, first + np.timedelta64(2 * count + 14, "D"), exchange=terms.exchange)[:count]
    if found[0] != first:
        raise InputError(f"{terms.exchange} is closed on {first}; choose a trading day such as {found[0]}.")
    if len(found) < count:
        raise InputError(f"an order needs {count} days, beyond the calendar of {terms.exchange}; trade less or faster.")
    return found


def _routed(trades: TradeList, hours: Session, sliced: Int, terms: PlanTerms) -> list[np.ndarray]:
    """Columns parent, time, quantity, venue of a day's children."""
    order, slot = np.nonzero(sliced)
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
    time = in_utc(hours.times, terms.exchange)[slot[row]]
    return [order[row], time, routed[row, venue], venue]
