"""The last trades of the book as orders: algorithms, child orders and days, with what they are expected to cost."""

from collections.abc import Sequence

import numpy as np

from quantray.analytics.page import Note, Rows, Section, Table, money
from quantray.backtest.costs import ImpactCosts
from quantray.data.calendar import DEFAULT_EXCHANGE, next_session
from quantray.data.panel import Panel
from quantray.execution.day_orders import Wanted, day_orders
from quantray.execution.impact import with_liquidity
from quantray.execution.reporting.page import orders_table
from quantray.execution.reporting.schedules import DaySchedule
from quantray.execution.settings import ExecutionSettings
from quantray.execution.trade_list import trades_of_weights
from quantray.features.returns import carried_forward
from quantray.studies.institutional.record import ALL, InstitutionalRecord, LastTrades
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.study import InstitutionalSource

__all__ = ["last_schedules", "schedule_section"]

_MOST_ORDERS = 10
_MOST_DAYS = 21
"""That an order may take; what it cannot do in them is left to later decisions, as no market is known for longer."""


def last_schedules(source: InstitutionalSource, record: InstitutionalRecord) -> list[DaySchedule]:
    """The newest change of the book with all phases, as orders of the session after it, at every size of money.

    Volume, volatility and spread are those known at the close of the decision. Orders that would take more than 21 days
    are cut to what can be done in them, which is noted. Sizes at which nothing is a whole share are left out.
    """
    settings, panel = source.settings, source.panel
    exchange = settings.exchange or DEFAULT_EXCHANGE
    known = with_liquidity(panel, days=settings.impact.window_days)
    found = []
    for aum, last in record.last.items():
        wanted, late = _wanted(settings, known, last, aum)
        if not wanted.shares.any():
            continue
        terms = ExecutionSettings(participation=last.participation, impact=settings.impact.model).terms(exchange)
        session = next_session(last.decided, exchange=exchange)
        orders = day_orders(wanted, session, terms)
        notes = (f"{late} orders at {money(aum)} are cut to what {_MOST_DAYS} days can trade",) if late else ()
        found.append(DaySchedule(name=ALL.name, session=session, aum=aum, orders=orders, terms=terms, notes=notes))
    return found


def _wanted(settings: InstitutionalSettings, known: Panel, last: LastTrades, aum: float) -> tuple[Wanted, int]:
    """What is to be traded, and how many orders are cut."""
    row, unknown_bps = known.row(last.decided), settings.impact.unknown_bps
    price = carried_forward(known.field("close")[: row + 1])[0][-1]
    moved, quoted = np.where(price > 0, last.change, 0.0), np.where(price > 0, price, 1.0)
    shares = trades_of_weights(moved, np.zeros_like(moved), quoted, aum)
    costs = ImpactCosts(settings.impact.law(), settings.costs.build(), aum, 1.0, unknown_bps)
    impact = costs.model({name: values[row] for name, values in known.fields.items()}, len(quoted)).in_shares(quoted)
    most = np.trunc(np.where(impact.known, last.participation * _MOST_DAYS * impact.adv, np.inf))
    cut = np.clip(shares, -most, most).astype(np.int64)
    wanted = Wanted(symbols=known.assets, shares=cut, price=quoted, impact=impact, unknown_bps=unknown_bps)
    return wanted, int((cut != shares).sum())


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
    notes = tuple(Note(text=f"{note}.") for each in schedules for note in each.notes)
    return Section(
        title="The last trades, scheduled",
        note="The newest change of the book with all phases, sliced, routed and costed as a day's orders are. "
        "Prices are adjusted to total returns, so that shares of past days are not those that were traded.",
        parts=(*parts, *notes),
    )
