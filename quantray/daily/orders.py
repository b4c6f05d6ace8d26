"""Orders for what a day's targets change, scheduled over the next session within a share of each name's volume."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from quantray.arrays import Bool, Float, Int, Names
from quantray.backtest.costs import LinearCosts, from_bps
from quantray.daily.book import TABLES, traded_by_session
from quantray.daily.market import DayMarket
from quantray.daily.settings import ExecutionSettings
from quantray.daily.targets import Targets
from quantray.data.calendar import DEFAULT_EXCHANGE, clock, next_session, session_hours
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, ImpactModel, LawName, with_liquidity
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import ExecutionPlan, plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList

__all__ = ["AT_CLOSE", "Orders", "impact_of", "orders_of", "tables_of", "within_volume"]

AT_CLOSE = "CLOSE"
"""What orders are called that go to the closing auction whole, as their volume is not known."""
_LOOK_DAYS = 63
"""Rows of the panel behind volume and volatility."""


@dataclass(frozen=True, eq=False)
class Orders:
    """The schedule of a book."""

    parents: pa.Table
    children: pa.Table
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """Expected, money."""
        return float(np.nansum(self.parents["expected_cost"].to_numpy()))


def impact_of(symbols: Names, prices: Float, market: DayMarket, costs: LinearCosts, law: LawName) -> ImpactModel:
    """The impact of N names by the last weeks' volume and volatility, in shares; unknown where these are.

    Parameters
    ----------
    prices : (N,) as quoted.
    """
    panel = market.panel
    unknown = np.full(len(symbols), np.nan)
    adv = volatility = unknown
    if "volume" in panel.fields:
        recent = panel.between(panel.dates[-min(_LOOK_DAYS, len(panel.dates))], panel.dates[-1])
        seen = with_liquidity(recent)
        place = {name: i for i, name in enumerate(panel.assets.tolist())}
        column = np.array([place.get(name, -1) for name in symbols.tolist()], dtype=np.int64)
        money, daily = (np.where(column >= 0, seen.field(name)[-1, column], np.nan) for name in (ADV, DAILY_VOLATILITY))
        adv, volatility = money / prices, daily
    spread = np.full(len(symbols), 2 * costs.half_spread_bps)
    known = (adv > 0) & (volatility > 0)
    return ImpactLaw(law).model(np.where(known, adv, np.nan), np.where(known, volatility, np.nan), spread)


def within_volume(targets: Targets, impact: ImpactModel, participation: float) -> tuple[Targets, tuple[str, ...]]:
    """Targets whose trades are no more than a share of each name's volume, and what that left undone.

    What is not traded is decided anew on the next day.
    """
    change = targets.after - targets.before
    most = np.where(impact.known, np.floor(participation * np.nan_to_num(impact.adv)), np.inf)
    cut = np.abs(change) > most
    if not cut.any():
        return targets, ()
    less = np.where(cut, np.sign(change) * np.minimum(np.abs(change), most), change).astype(np.int64)
    left = float((np.abs(change - less) * targets.prices).sum() / targets.nav)
    names = ", ".join(targets.symbols[cut][:5].tolist())
    note = f"{int(cut.sum())} trades were cut to {participation:.0%} of the volume, {left:.2%} of NAV, such as {names}"
    return replace(targets, after=targets.before + less), (note,)


def orders_of(
    targets: Targets,
    impact: ImpactModel,
    day: np.datetime64,
    settings: ExecutionSettings,
    costs: LinearCosts,
    exchange: str = DEFAULT_EXCHANGE,
) -> Orders:
    """Orders for all that changes, sliced and routed over the next session.

    Names of which no volume is known go to its closing auction whole.

    Parameters
    ----------
    impact : of the targets' names; see ``impact_of``.
    day : of the decision.
    exchange : whose sessions and hours are kept.

    Raises
    ------
    InputError
        The calendar ends before the next session.
    """
    session = next_session(day, exchange=exchange)
    change = targets.after - targets.before
    planned = (change != 0) & impact.known
    parts = []
    if planned.any():
        parts.append(_planned(targets, change, planned, impact, session, settings, exchange))
    if rest := np.flatnonzero((change != 0) & ~planned).tolist():
        parts.append(_at_close(targets, change, np.array(rest), session, costs, exchange))
    parents, children = (
        pa.concat_tables([part[i].cast(TABLES[name]) for part in parts]) if parts else TABLES[name].empty_table()
        for i, name in enumerate(("parents", "children"))
    )
    later = sum(len(names) for names in traded_by_session(children, exchange)[1:2])
    notes = {
        f"{len(rest)} orders go to the closing auction, as no volume is known": rest,
        f"{later} orders go on after the next session, to be decided anew then": later,
    }
    return Orders(parents, children, tuple(told for told, some in notes.items() if some))


def tables_of(plan: ExecutionPlan, session: np.datetime64) -> tuple[pa.Table, pa.Table]:
    """The orders of a plan and their slices, as a book holds them.

    Parameters
    ----------
    session : the first of the plan, which the orders are called by.
    """
    trades, made = plan.trades, plan.children
    names, owner = trades.symbols, made.parent
    ids = np.array([f"{session}-{name}" for name in names.tolist()])
    limits = np.array([np.nan if each is None else float(each) for each in trades.limits or [None] * len(names)])
    money = plan.cost_bps * 1e-4 * trades.value
    parents = {
        "parent": ids,
        "symbol": names,
        "shares": trades.shares,
        "algorithm": [ALGORITHMS[code] for code in plan.selection.algorithm.tolist()],
        "expected_cost": money,
        "expected_cost_bps": plan.cost_bps,
        "risk": plan.risk_bps * 1e-4 * trades.value,
    }
    children = {
        "parent": ids[owner],
        "child": [f"{ids[p]}-{k + 1}" for p, k in zip(owner.tolist(), made.number.tolist(), strict=True)],
        "symbol": names[owner],
        "time": pa.array(made.time.astype("datetime64[us]"), pa.timestamp("us", tz="UTC")),
        "shares": made.quantity * np.sign(trades.shares)[owner],
        "venue": [made.venues[v] for v in made.venue.tolist()],
        "algorithm": [ALGORITHMS[code] for code in made.algorithm.tolist()],
        "limit": limits[owner],
    }
    return pa.table(parents, schema=TABLES["parents"]), pa.table(children, schema=TABLES["children"])


def _planned(
    targets: Targets,
    change: Int,
    chosen: Bool,
    impact: ImpactModel,
    session: np.datetime64,
    settings: ExecutionSettings,
    exchange: str,
) -> tuple[pa.Table, pa.Table]:
    names, shares = targets.symbols[chosen], change[chosen]
    trades = TradeList(symbols=names, shares=shares, price=targets.prices[chosen], impact=impact.select(chosen))
    terms = PlanTerms(
        participation=settings.participation,
        slices=settings.slices,
        urgency=settings.urgency,
        dark=settings.dark,
        exchange=exchange,
        # What a limit sells beyond that takes more days.
        most_days=1,
        when_late="stretch",
    )
    return tables_of(plan_execution(trades, session, terms), session)


def _at_close(
    targets: Targets, change: Int, rows: Int, session: np.datetime64, costs: LinearCosts, exchange: str
) -> tuple[pa.Table, pa.Table]:
    _, closes = session_hours(np.array([session]), exchange=exchange)
    local = datetime.fromisoformat(str(closes[0])).replace(tzinfo=ZoneInfo(clock(exchange)))
    names = targets.symbols[rows].tolist()
    bps = costs.half_spread_bps + costs.commission_bps
    parents = {
        "parent": [f"{session}-{name}" for name in names],
        "symbol": names,
        "shares": change[rows],
        "algorithm": [AT_CLOSE] * len(names),
        "expected_cost": np.abs(change[rows]) * targets.prices[rows] * from_bps(bps),
        "expected_cost_bps": np.full(len(names), bps),
        "risk": np.full(len(names), np.nan),
    }
    children = {
        "parent": parents["parent"],
        "child": [f"{each}-1" for each in parents["parent"]],
        "symbol": names,
        "time": [local.astimezone(UTC)] * len(names),
        "shares": change[rows],
        "venue": ["primary"] * len(names),
        "algorithm": parents["algorithm"],
        "limit": np.full(len(names), np.nan),
    }
    return pa.table(parents, schema=TABLES["parents"]), pa.table(children, schema=TABLES["children"])
