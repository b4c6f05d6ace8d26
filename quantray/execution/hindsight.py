"""A plan worked on the sessions that came, of which the daily bars are known: what it would have cost in the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.execution.bridge import day_paths, day_volumes
from quantray.execution.plan import ExecutionPlan
from quantray.execution.routing import plan_hours
from quantray.execution.schedules import usual_profile
from quantray.execution.sessions import Session, in_utc
from quantray.execution.simulate import Execution, MarketPaths, execute
from quantray.execution.tca import Executed
from quantray.execution.trade_list import PlanTerms

__all__ = ["SessionBars", "worked"]

_STEPS = 4
"""Of a path in each slice."""
_MOST = 0.5
"""Of what is traded in a slice that fills may be."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SessionBars:
    """(P, D) bars of a plan's names on its sessions, in the prices and shares of the plan; NaN where there is none.

    Raises
    ------
    InputError
        Shapes disagree.
    """

    open: Float
    high: Float
    low: Float
    close: Float
    volume: Float

    def __post_init__(self) -> None:
        shapes = {np.shape(getattr(self, name)) for name in self.__dataclass_fields__}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise InputError(f"bars are {sorted(shapes)}; give one of each for every order and session.")

    @property
    def known(self) -> Float:
        """(P,) sessions from the first on that have a bar."""
        there = np.isfinite(self.open + self.high + self.low + self.close) & (self.volume > 0)
        return np.asarray(np.cumprod(there, axis=1).sum(axis=1))


def worked(
    plan: ExecutionPlan, bars: SessionBars, date: object, terms: PlanTerms | None = None, *, seed: int = 0
) -> Executed:
    """What became of a plan's orders, whose price of decision is that of the plan, and of arrival the first open.

    Each order has a path of its own within its bars (see ``bridge.day_paths``), which it moves by its impact; fills are
    at most half of what is traded in a slice. After a session without a bar nothing is filled any more. Fees are those
    of the plan's venues.

    Parameters
    ----------
    date, terms : as the plan was made with.

    Raises
    ------
    InputError
        There are not as many bars as orders and sessions.
    """
    terms = terms or PlanTerms()
    count = int(plan.days.max())
    if np.shape(bars.open) != (len(plan.days), count):
        raise InputError(f"bars are {np.shape(bars.open)} for {len(plan.days)} orders over {count} sessions.")
    hours = plan_hours(date, count, terms)
    shares = _by_slice(plan, hours, terms)
    sign, price = np.sign(plan.trades.shares), plan.trades.price
    filled, paid, last, arrival = (np.zeros(len(price)) for _ in range(4))
    for order, known in enumerate(np.minimum(bars.known, plan.days).tolist()):
        arrival[order] = last[order] = price[order]
        if not shares[order, : int(known)].any():
            continue
        arrival[order] = bars.open[order, 0]
        done = _executed(sign[order] * shares[order], bars, order, hours[: int(known)], plan, seed)
        filled[order], last[order] = done.filled.sum(), done.last[0]
        paid[order] = np.nansum(done.filled * done.paid) / filled[order] if filled[order] else price[order]
    fees = _fees(plan, terms) * np.abs(filled)
    return Executed(
        ordered=plan.trades.shares.astype(np.float64),
        filled=filled,
        decision=price,
        arrival=arrival,
        paid=paid,
        last=last,
        fees=fees,
    )


def _by_slice(plan: ExecutionPlan, hours: Sequence[Session], terms: PlanTerms) -> Int:
    """(P, D, B) shares."""
    times = np.concatenate([in_utc(each.times, terms.exchange) for each in hours])
    shares = np.zeros((len(plan.days), len(times)), dtype=np.int64)
    made = plan.children
    # An auction stands at the moment at which the last slice ends, after all that began before.
    np.add.at(shares, (made.parent, np.searchsorted(times, made.time)), made.quantity)
    return shares.reshape(len(plan.days), len(hours), -1)


def _executed(
    shares: Int, bars: SessionBars, order: int, hours: Sequence[Session], plan: ExecutionPlan, seed: int
) -> Execution:
    """An order on one path through its sessions."""
    starts, volumes = [], []
    for day, each in enumerate(hours):
        first, high, low, last, volume = (
            float(getattr(bars, name)[order, day]) for name in ("open", "high", "low", "close", "volume")
        )
        profile = usual_profile(each)
        bar = (first, max(high, first, last), min(low, first, last), last)
        path = day_paths(bar, n_steps=_STEPS * len(profile), n_paths=1, seed=(seed, order, day))[0, ::_STEPS]
        starts.append(path[:-1])
        volumes.append(day_volumes(volume, profile, n_paths=1, noise=0.0, seed=0)[0])
    prices = np.append(np.concatenate(starts), float(bars.close[order, len(hours) - 1]))
    length = hours[0].days / len(profile)
    market = MarketPaths(prices[None], np.concatenate(volumes)[None], length)
    impact = plan.trades.impact.select(np.array([order]))
    return execute(shares[: len(hours)].ravel().astype(np.float64), market, impact, participation=_MOST)


def _fees(plan: ExecutionPlan, terms: PlanTerms) -> Float:
    """(P,) money a share, by where the children of each order go."""
    made = plan.children
    fee = np.array([{venue.name: venue.fee for venue in terms.venues}[name] for name in made.venues])
    money = np.bincount(made.parent, fee[made.venue] * made.quantity, len(plan.days))
    return np.asarray(money / np.abs(plan.trades.shares))
