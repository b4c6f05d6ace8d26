"""The last trades of the book as orders: algorithms, child orders and days, with what they are expected to cost."""

from collections.abc import Sequence

import numpy as np

from quantray.analytics.page import Rows, Section, Table, money
from quantray.backtest.costs import ImpactCosts
from quantray.data.calendar import DEFAULT_EXCHANGE, next_session
from quantray.execution.day_orders import Wanted, day_orders
from quantray.execution.impact import with_liquidity
from quantray.execution.reporting.page import orders_table
from quantray.execution.reporting.schedules import DaySchedule
from quantray.execution.settings import ExecutionSettings
from quantray.execution.trade_list import trades_of_weights
from quantray.features.returns import carried_forward
from quantray.studies.institutional.record import ALL, InstitutionalRecord
from quantray.studies.institutional.study import InstitutionalSource

__all__ = ["last_schedules", "schedule_section"]

_MOST_ORDERS = 10


def last_schedules(source: InstitutionalSource, record: InstitutionalRecord) -> list[DaySchedule]:
    """The newest change of the book with all phases, as orders of the session after it, at every size of money.

    Volume, volatility and spread are those known at the close of the decision. Sizes at which nothing is a whole share
    are left out.
    """
    settings, panel = source.settings, source.panel
    exchange = settings.exchange or DEFAULT_EXCHANGE
    known = with_liquidity(panel, days=settings.impact.window_days)
    found = []
    for aum, last in record.last.items():
        row = panel.row(last.decided)
        price = carried_forward(panel.field("close")[: row + 1])[0][-1]
        moved = np.where(price > 0, last.change, 0.0)
        quoted = np.where(price > 0, price, 1.0)
        shares = trades_of_weights(moved, np.zeros_like(moved), quoted, aum)
        if not shares.any():
            continue
        costs = ImpactCosts(settings.impact.law(), settings.costs.build(), aum, 1.0, settings.impact.unknown_bps)
        impact = costs.model({name: values[row] for name, values in known.fields.items()}, len(quoted))
        terms = ExecutionSettings(participation=last.participation, impact=settings.impact.model).terms(exchange)
        wanted = Wanted(
            symbols=panel.assets,
            shares=shares,
            price=quoted,
            impact=impact.in_shares(quoted),
            unknown_bps=settings.impact.unknown_bps,
        )
        session = next_session(panel.dates[row], exchange=exchange)
        orders = day_orders(wanted, session, terms)
        found.append(DaySchedule(name=ALL.name, session=session, aum=aum, orders=orders, terms=terms))
    return found


def schedule_section(schedules: Sequence[DaySchedule]) -> Section:
    """What the orders of the last decision cost at each size, and the largest of them at the least."""
    rows = tuple(
        (
            money(each.aum),
            str(each.session),
            f"{each.orders.parents.num_rows:,}",
            f"{each.orders.children.num_rows:,}",
            money(each.value),
            f"{each.cost_bps:.1f}",
            f"{each.days}",
        )
        for each in schedules
    )
    columns = ("", "Begins", "Orders", "Child orders", "Value", "Expected cost, bp", "Days")
    parts = (
        Table(columns=columns, groups=(Rows(rows=rows),)),
        *(orders_table(each, _MOST_ORDERS) for each in schedules[:1]),
    )
    return Section(
        title="The last trades, scheduled",
        note="The newest change of the book with all phases, sliced, routed and costed as a day's orders are. "
        "Prices are adjusted to total returns, so that shares of past days are not those that were traded.",
        parts=parts,
    )
