"""The schedule of other trades in a book's names, each alone or all together."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantray.arrays import Float, Int
from quantray.covariance.factor import FactorModel
from quantray.daily.book import Book, risk_of
from quantray.daily.orders import tables_of
from quantray.data.calendar import DEFAULT_EXCHANGE, next_session
from quantray.errors import InputError
from quantray.execution.impact import ImpactLaw
from quantray.execution.plan import ExecutionPlan, plan_basket, plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList, trades_of_weights
from quantray.serving.schemas import ScheduleRequest

__all__ = ["Scheduling", "schedule"]


@dataclass(frozen=True, eq=False)
class Scheduling:
    """A schedule that was asked for, of P orders."""

    session: date
    """The first on which is traded."""
    parents: pa.Table
    """(P,) as a book has them."""
    children: pa.Table
    days: Int
    """(P,) sessions until done."""
    reasons: tuple[str, ...]
    """(P,) why the algorithm was chosen."""
    cost: float
    """Expected, money."""
    cost_bps: float
    """Of the value of all orders."""
    risk: float | None
    """Standard deviation of the cost of all orders, money; None where each was scheduled alone."""


def schedule(book: Book, request: ScheduleRequest) -> Scheduling:
    """Orders for other trades than the book's, from the open of the session after its day.

    Raises
    ------
    InputError
        A name is not in the book or nobody knows its volume; nothing is traded; an order cannot be done in its days
        within the participation; or a half-day is among the days of a basket.
    SolverError
        The schedule of a basket was not found.
    """
    table, shares, limits = _wanted(book, request)
    symbols = np.array(table["symbol"].to_pylist(), dtype=np.str_)
    impact = ImpactLaw(request.impact).model(
        table["adv"].to_numpy(), table["volatility"].to_numpy(), table["spread_bps"].to_numpy()
    )
    trades = TradeList(symbols=symbols, shares=shares, price=table["price"].to_numpy(), impact=impact, limits=limits)
    exchange = str(book.documents["provenance"].get("exchange", DEFAULT_EXCHANGE))
    session = next_session(np.datetime64(book.as_of), exchange=exchange)
    plan = _plan(trades, session, risk_of(table), request, exchange)
    parents, children = tables_of(plan, session)
    value = float(trades.value.sum())
    together = None if plan.total_risk_bps is None else plan.total_risk_bps * 1e-4 * value
    return Scheduling(
        session=date.fromisoformat(str(session)),
        parents=parents,
        children=children,
        days=plan.days,
        reasons=tuple(plan.selection.reason(number) for number in range(len(symbols))),
        cost=plan.total_cost_bps * 1e-4 * value,
        cost_bps=plan.total_cost_bps,
        risk=together,
    )


def _plan(
    trades: TradeList, session: np.datetime64, risk: FactorModel, request: ScheduleRequest, exchange: str
) -> ExecutionPlan:
    terms = PlanTerms(
        participation=request.participation,
        most_days=request.days,
        slices=request.slices,
        urgency=request.urgency,
        exchange=exchange,
    )
    if not request.together:
        return plan_execution(trades, session, terms)
    return plan_basket(trades, session, risk, terms, days=request.days, risk_aversion=request.risk_aversion)


def _wanted(book: Book, request: ScheduleRequest) -> tuple[pa.Table, Int, tuple[Decimal | None, ...] | None]:
    """The rows of the book's model that are traded, their shares, and their worst prices if there are any."""
    table = book.tables["model"]
    named = {trade.symbol for trade in request.trades} | request.weights.keys()
    if unknown := sorted(named - set(table["symbol"].to_pylist())):
        raise InputError(
            f"{unknown[0]} is not among the {table.num_rows} names whose risk and volume the book of {book.as_of} "
            "knows; leave it out."
        )
    table = table.filter(pc.is_in(table["symbol"], pa.array(sorted(named), pa.string())))
    symbols = table["symbol"].to_pylist()
    if request.trades:
        of = {trade.symbol: trade for trade in request.trades}
        shares = np.array([of[name].shares for name in symbols], dtype=np.int64)
        limits = tuple(None if (limit := of[name].limit) is None else Decimal(str(limit)) for name in symbols)
        return table, shares, limits if any(limits) else None
    shares = _of_weights(book, request, symbols, table["price"].to_numpy())
    if not shares.any():
        raise InputError(f"these weights are those of the book of {book.as_of} before its trades; change one.")
    return table.filter(pa.array(shares != 0)), shares[shares != 0], None


def _of_weights(book: Book, request: ScheduleRequest, symbols: list[str], price: Float) -> Int:
    held = book.tables["portfolio"]
    before = dict(zip(held["symbol"].to_pylist(), held["weight_before"].to_pylist(), strict=True))
    start = np.array([before.get(name, 0.0) for name in symbols])
    target = np.array([request.weights[name] for name in symbols])
    return trades_of_weights(target, start, price, request.aum or book.nav)
