"""Orders for what a day's targets change: at the close of the next session, as the backtest trades."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from quantray.backtest.costs import LinearCosts, from_bps
from quantray.daily.book import TABLES
from quantray.daily.targets import Targets
from quantray.data.calendar import DEFAULT_EXCHANGE, clock, next_session, session_hours

__all__ = ["Orders", "orders_of"]


@dataclass(frozen=True, eq=False)
class Orders:
    """The schedule of a book."""

    parents: pa.Table
    children: pa.Table

    @property
    def cost(self) -> float:
        """Expected, money."""
        return float(np.nansum(self.parents["expected_cost"].to_numpy()))


def orders_of(targets: Targets, day: np.datetime64, costs: LinearCosts, exchange: str = DEFAULT_EXCHANGE) -> Orders:
    """An order for the closing auction of the next session for every name whose shares change.

    Parameters
    ----------
    day : of the decision.
    exchange : whose sessions and hours are kept.

    Raises
    ------
    InputError
        The calendar ends before the next session.
    """
    session = next_session(day, exchange=exchange)
    _, closes = session_hours(np.array([session]), exchange=exchange)
    local = datetime.fromisoformat(str(closes[0])).replace(tzinfo=ZoneInfo(clock(exchange)))
    change = targets.after - targets.before
    traded = np.flatnonzero(change)
    money = np.abs(change[traded]) * targets.prices[traded]
    bps = costs.half_spread_bps + costs.commission_bps
    names = targets.symbols[traded].tolist()
    parents = {
        "parent": [f"{day}-{name}" for name in names],
        "symbol": names,
        "shares": change[traded],
        "algorithm": ["CLOSE"] * len(names),
        "expected_cost": money * from_bps(bps),
        "expected_cost_bps": np.full(len(names), bps),
        "risk": np.full(len(names), np.nan),
    }
    children = {
        "parent": parents["parent"],
        "child": [f"{each}-1" for each in parents["parent"]],
        "symbol": names,
        "time": [local.astimezone(UTC)] * len(names),
        "shares": change[traded],
        "venue": ["primary"] * len(names),
        "algorithm": parents["algorithm"],
        "limit": np.full(len(names), np.nan),
    }
    return Orders(pa.table(parents, schema=TABLES["parents"]), pa.table(children, schema=TABLES["children"]))
