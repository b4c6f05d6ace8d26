"""Orders for what a day's targets change, scheduled over the next session within a share of each name's volume."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Names
from quantray.backtest.costs import LinearCosts
from quantray.daily.book import TABLES, traded_by_session
from quantray.daily.market import DayMarket
from quantray.daily.targets import Targets
from quantray.data.calendar import DEFAULT_EXCHANGE, next_session
from quantray.execution.day_orders import Wanted, day_orders, plan_tables
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, ImpactModel, LawName, with_liquidity
from quantray.execution.plan import ExecutionPlan
from quantray.execution.settings import ExecutionSettings

__all__ = ["Orders", "impact_of", "orders_of", "tables_of", "within_volume"]

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
    wanted = Wanted(
        symbols=targets.symbols,
        shares=targets.after - targets.before,
        price=targets.prices,
        impact=impact,
        unknown_bps=costs.half_spread_bps + costs.commission_bps,
    )
    # What a limit sells beyond a day's volume takes more days.
    made = day_orders(wanted, next_session(day, exchange=exchange), settings.terms(exchange))
    parents, children = _as_booked(made.parents, made.children)
    later = sum(len(names) for names in traded_by_session(children, exchange)[1:2])
    notes = {
        f"{made.at_close} orders go to the closing auction, as no volume is known": made.at_close,
        f"{later} orders go on after the next session, to be decided anew then": later,
    }
    return Orders(parents, children, tuple(told for told, some in notes.items() if some))


def tables_of(plan: ExecutionPlan, session: np.datetime64) -> tuple[pa.Table, pa.Table]:
    """The orders of a plan and their slices, as a book holds them.

    Parameters
    ----------
    session : the first of the plan, which the orders are called by.
    """
    return _as_booked(*plan_tables(plan, session))


def _as_booked(parents: pa.Table, children: pa.Table) -> tuple[pa.Table, pa.Table]:
    """What a book holds of orders."""
    kept = {"parents": parents, "children": children}
    booked = [table.select(TABLES[name].names).cast(TABLES[name]) for name, table in kept.items()]
    return booked[0], booked[1]
