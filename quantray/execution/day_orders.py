"""The orders that begin on a day, as tables: sliced and routed, or whole at the close where no volume is known.

Shares are signed, sales negative; costs and risk are money, or basis points of an order's value on arrival; times are
UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from quantray.arrays import Bool, Float, Int, Names
from quantray.data.calendar import clock, session_hours
from quantray.errors import InputError
from quantray.execution.impact import ImpactModel
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import ExecutionPlan, plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList

__all__ = ["AT_CLOSE", "CHILDREN", "PARENTS", "DayOrders", "Wanted", "day_orders", "plan_tables"]

AT_CLOSE = "CLOSE"
"""What orders are called that go to the closing auction whole, as their volume is not known."""
_PRIMARY = "primary"
_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()

PARENTS = pa.schema(
    [
        *(("parent", _TEXT), ("symbol", _TEXT), ("shares", _COUNT), ("price", _NUMBER), ("value", _NUMBER)),
        *(("volume_share", _NUMBER), ("algorithm", _TEXT), ("reason", _TEXT), ("days", _COUNT), ("venues", _TEXT)),
        *(("expected_cost", _NUMBER), ("expected_cost_bps", _NUMBER), ("risk", _NUMBER), ("risk_bps", _NUMBER)),
    ]
)
"""``volume_share`` is what is ordered of a usual day's volume; NaN, as the risk, where that is not known."""
CHILDREN = pa.schema(
    [
        *(("parent", _TEXT), ("child", _TEXT), ("symbol", _TEXT), ("time", pa.timestamp("us", tz="UTC"))),
        *(("shares", _COUNT), ("venue", _TEXT), ("algorithm", _TEXT), ("limit", _NUMBER)),
    ]
)
"""The limit is NaN where an order has none."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Wanted:
    """What shall be traded, of which not all needs to have a known volume.

    Parameters
    ----------
    symbols : (N,) unique.
    shares : (N,) whole; sales negative, and zero where nothing is to be done.
    price : (N,) as quoted.
    impact : of the N names, in shares; unknown where their volume is.
    unknown_bps : expected cost of orders of which no volume is known.
    """

    symbols: Names
    shares: Int
    price: Float
    impact: ImpactModel
    unknown_bps: float


@dataclass(frozen=True, eq=False)
class DayOrders:
    """The orders, and the plan that they come from."""

    parents: pa.Table
    """As ``PARENTS`` says."""
    children: pa.Table
    """As ``CHILDREN`` says."""
    plan: ExecutionPlan | None
    """Of orders with a known volume; None without any."""
    at_close: int
    """Orders that go to the closing auction."""


def day_orders(wanted: Wanted, session: np.datetime64, terms: PlanTerms) -> DayOrders:
    """Orders for all that shall be traded.

    Parameters
    ----------
    session : the first trading day.

    Raises
    ------
    InputError
        A price is not known, or as ``plan.plan_execution``.
    """
    some = wanted.shares != 0
    if unpriced := wanted.symbols[some & ~(wanted.price > 0)].tolist():
        raise InputError(f"{len(unpriced)} names to trade have no price, such as {unpriced[0]}; leave them out.")
    planned = some & wanted.impact.known & (wanted.impact.volatility > 0)
    parents: list[pa.Table] = []
    children: list[pa.Table] = []
    plan = None
    if planned.any():
        plan = _plan(wanted, planned, session, terms)
        parents, children = ([table] for table in plan_tables(plan, session))
    if (rest := some & ~planned).any():
        parents.append(_closing_parents(wanted, rest, session))
        children.append(_closing_children(parents[-1], session, terms.exchange))
    return DayOrders(
        pa.concat_tables(parents) if parents else PARENTS.empty_table(),
        pa.concat_tables(children) if children else CHILDREN.empty_table(),
        plan,
        int(rest.sum()),
    )


def plan_tables(plan: ExecutionPlan, session: np.datetime64) -> tuple[pa.Table, pa.Table]:
    """The orders of a plan and their children, as ``PARENTS`` and ``CHILDREN`` say.

    Parameters
    ----------
    session : the first of the plan, which the orders are called by.
    """
    return _parents(plan, session), _children(plan, session)


def _plan(wanted: Wanted, planned: Bool, session: np.datetime64, terms: PlanTerms) -> ExecutionPlan:
    trades = TradeList(
        symbols=wanted.symbols[planned],
        shares=wanted.shares[planned],
        price=wanted.price[planned],
        impact=wanted.impact.select(planned),
    )
    return plan_execution(trades, session, terms)


def _parents(plan: ExecutionPlan, session: np.datetime64) -> pa.Table:
    trades, chosen = plan.trades, plan.selection
    value, places = trades.value, range(len(trades.symbols))
    columns = {
        "parent": _ids(trades.symbols, session),
        "symbol": trades.symbols.tolist(),
        "shares": trades.shares,
        "price": trades.price,
        "value": value,
        "volume_share": np.abs(trades.shares) / trades.impact.adv,
        "algorithm": [chosen.name(k) for k in places],
        "reason": [chosen.reason(k) for k in places],
        "days": plan.days,
        "venues": _venues(plan),
        "expected_cost": plan.cost_bps * 1e-4 * value,
        "expected_cost_bps": plan.cost_bps,
        "risk": plan.risk_bps * 1e-4 * value,
        "risk_bps": plan.risk_bps,
    }
    return pa.table(columns, schema=PARENTS)


def _venues(plan: ExecutionPlan) -> list[str]:
    """Where the shares of each order go, the largest part first."""
    made = plan.children
    sent = np.zeros((len(made.parents), len(made.venues)))
    np.add.at(sent, (made.parent, made.venue), made.quantity)
    share = sent / sent.sum(axis=1, keepdims=True)
    order = np.argsort(-share, axis=1, kind="stable")
    return [
        ", ".join(f"{made.venues[v]} {share[k, v]:.0%}" for v in row if share[k, v] >= 0.005)
        for k, row in enumerate(order.tolist())
    ]


def _children(plan: ExecutionPlan, session: np.datetime64) -> pa.Table:
    made, owner = plan.children, plan.children.parent
    given = plan.trades.limits or [None] * len(plan.days)
    limits = np.array([np.nan if limit is None else float(limit) for limit in given])
    ids = _ids(plan.trades.symbols, session)
    columns = {
        "parent": [ids[p] for p in owner.tolist()],
        "child": [f"{ids[p]}-{k + 1}" for p, k in zip(owner.tolist(), made.number.tolist(), strict=True)],
        "symbol": plan.trades.symbols[owner].tolist(),
        "time": pa.array(made.time.astype("datetime64[us]"), pa.timestamp("us", tz="UTC")),
        "shares": made.quantity * np.sign(plan.trades.shares)[owner],
        "venue": [made.venues[v] for v in made.venue.tolist()],
        "algorithm": [ALGORITHMS[code] for code in made.algorithm.tolist()],
        "limit": limits[owner],
    }
    return pa.table(columns, schema=CHILDREN)


def _closing_parents(wanted: Wanted, rest: Bool, session: np.datetime64) -> pa.Table:
    names, shares, price = wanted.symbols[rest], wanted.shares[rest], wanted.price[rest]
    value, unknown = np.abs(shares) * price, np.full(len(names), np.nan)
    columns = {
        "parent": _ids(names, session),
        "symbol": names.tolist(),
        "shares": shares,
        "price": price,
        "value": value,
        "volume_share": unknown,
        "algorithm": [AT_CLOSE] * len(names),
        "reason": ["no volume is known"] * len(names),
        "days": np.ones(len(names), dtype=np.int64),
        "venues": [f"{_PRIMARY} 100%"] * len(names),
        "expected_cost": value * 1e-4 * wanted.unknown_bps,
        "expected_cost_bps": np.full(len(names), wanted.unknown_bps),
        "risk": unknown,
        "risk_bps": unknown,
    }
    return pa.table(columns, schema=PARENTS)


def _closing_children(parents: pa.Table, session: np.datetime64, exchange: str) -> pa.Table:
    """One child each, at the close of the session."""
    _, closes = session_hours(np.array([session]), exchange=exchange)
    local = datetime.fromisoformat(str(closes[0])).replace(tzinfo=ZoneInfo(clock(exchange)))
    count = parents.num_rows
    columns = {
        "parent": parents["parent"],
        "child": [f"{each}-1" for each in parents["parent"].to_pylist()],
        "symbol": parents["symbol"],
        "time": [local.astimezone(UTC)] * count,
        "shares": parents["shares"],
        "venue": [_PRIMARY] * count,
        "algorithm": parents["algorithm"],
        "limit": np.full(count, np.nan),
    }
    return pa.table(columns, schema=CHILDREN)


def _ids(symbols: Names, session: np.datetime64) -> list[str]:
    return [f"{session}-{name}" for name in symbols.tolist()]
