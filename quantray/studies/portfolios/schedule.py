"""The execution schedule of what the portfolios of a finished run traded on a day, at a stated size."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quantray import __version__
from quantray.analytics.page import Page, money
from quantray.analytics.track import TrackRecord
from quantray.arrays import Float, Int, Names, as_day
from quantray.backtest.costs import ImpactCosts
from quantray.data.calendar import next_session
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.errors import DataError, InputError
from quantray.execution.day_orders import Wanted, day_orders
from quantray.execution.hindsight import SessionBars, worked
from quantray.execution.impact import ImpactLaw, ImpactModel, with_liquidity
from quantray.execution.plan import ExecutionPlan
from quantray.execution.reporting.page import schedule_page
from quantray.execution.reporting.schedules import DaySchedule, schedule_files
from quantray.execution.settings import ExecutionSettings
from quantray.execution.tca import Executed
from quantray.execution.trade_list import PlanTerms, trades_of_weights
from quantray.features.returns import carried_forward
from quantray.research.market import MarketData, StoreData
from quantray.storage.files import write_atomically
from quantray.studies.portfolios.finished import FinishedRun, open_run
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import FIELDS

__all__ = ["ScheduleAsked", "default_folder", "portfolio_schedule", "run_schedules", "write_schedules"]

_BAR = ("open", "high", "low")
"""What hindsight needs beside closes and volumes."""
_QUOTE_DAYS = 10
"""Days before which a name without a quote is not traded."""


@dataclass(frozen=True, kw_only=True)
class ScheduleAsked:
    """What is to be scheduled, and how.

    Parameters
    ----------
    date : on which the accounts traded; None for the last.
    aum : money that is managed; None for what the run charged impact at, or else what the accounts held.
    execution : its ``impact`` is for runs that charged none; the others are scheduled by their own.
    most_days : trading days that an order may need; None for as many as it needs.
    """

    date: object | None = None
    aum: float | None = None
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)
    most_days: int | None = None


def run_schedules(folder: Path, asked: ScheduleAsked, *, portfolios: Sequence[str] = ()) -> list[DaySchedule]:
    """The schedules of the portfolios of a finished run.

    Parameters
    ----------
    portfolios : names of some of them; by default all.

    Raises
    ------
    DataError
        As ``finished.open_run``, or the data have no volumes.
    InputError
        As ``finished.open_run`` and ``portfolio_schedule``.
    """
    run = open_run(folder, portfolios, fields=(*FIELDS, *_BAR))
    return [portfolio_schedule(run, record, asked) for record in run.records]


def portfolio_schedule(run: FinishedRun, record: TrackRecord, asked: ScheduleAsked) -> DaySchedule:
    """The schedule of what one portfolio traded on a day, from what was known at the close before.

    Each trade is its share of the accounts, at the stated size, in whole shares at the last quoted price. Volume,
    volatility and spread are those that the run's costs would know at that close. What left the accounts with a
    delisting is no order, and names without a quote are left out and named.

    Raises
    ------
    DataError
        The data have no volumes.
    InputError
        Nothing was traded on the day, the AUM is not positive or buys no share, the bars are weekly, or as
        ``plan.plan_execution``.
    """
    panel = run.data.panel
    if record.is_weekly:
        raise InputError(f"{record.name} has weekly bars, which say nothing of a session; run it on daily ones.")
    if "volume" not in panel.fields:
        raise DataError(f"the data of {record.name} have no volumes; import bars with a volume column.")
    place = {asset: column for column, asset in enumerate(panel.assets.tolist())}
    columns = np.array([place[name] for name in record.assets.tolist()], dtype=np.int64)
    day, trades = _day_of_trades(panel, record, columns, asked.date)
    some = np.flatnonzero(trades)
    names, columns = record.assets[some], columns[some]
    at = int(np.searchsorted(record.dates, day))
    traded = trades[some] / (record.nav[at] + record.cost_series[at])
    # Without a lag the decision is known at the day's own close.
    known = panel.row(day) - (1 if run.settings.accounting.execution_lag else 0)
    price = _quoted(run.data, known, columns)
    quoted = price > 0
    aum = _aum(run.settings, record, day) if asked.aum is None else asked.aum
    moved = np.where(quoted, traded, 0.0)
    shares = trades_of_weights(moved, np.zeros_like(moved), np.where(quoted, price, 1.0), aum)
    if not shares.any():
        raise InputError(f"at {money(aum)} nothing that {record.name} traded on {day} is a whole share; raise the AUM.")
    costs = _costs(run.settings, asked, aum)
    wanted = Wanted(
        symbols=names,
        shares=shares,
        price=price,
        impact=_impact(run, costs, known, columns).in_shares(np.where(quoted, price, 1.0)),
        unknown_bps=costs.unknown_bps,
    )
    session = next_session(panel.dates[known], exchange=run.data.exchange)
    terms = asked.execution.terms(run.data.exchange, asked.most_days)
    orders = day_orders(wanted, session, terms)
    return DaySchedule(
        name=record.name,
        session=session,
        aum=aum,
        orders=orders,
        terms=terms,
        notes=_notes(names[~quoted], int((quoted & (shares == 0)).sum()), orders.at_close),
        worked=None if orders.plan is None else _worked(panel, known, orders.plan, session, terms),
    )


def default_folder(run: Path, schedules: Sequence[DaySchedule]) -> Path:
    """Where the schedules of a run are written: one folder for a day and a size."""
    return run / "schedules" / f"{schedules[0].session}-{money(schedules[0].aum)}"


def write_schedules(schedules: Sequence[DaySchedule], name: str, folder: Path) -> Page:
    """Write the tables, the JSON and the page of some schedules into a folder; returns the page.

    Parameters
    ----------
    name : of the run.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    page = schedule_page(schedules, about=name)
    for file, content in schedule_files(schedules).items():
        write_atomically(folder / file, content)
    write_atomically(folder / "schedule.html", page.html((f"By quantray {__version__}.",), {}).encode())
    return page


def _day_of_trades(
    panel: Panel, record: TrackRecord, columns: Int, asked: object | None
) -> tuple[np.datetime64, Float]:
    """A day on which the accounts traded, and (N,) money that they bought; sales negative.

    What ended with a delisting was not traded, and had no close that day.
    """
    rows = np.searchsorted(panel.dates, record.trade_dates)
    trades = np.where(np.isnan(panel.field("close")[rows][:, columns]), 0.0, record.trades)
    dates = record.trade_dates[(trades != 0).any(axis=1)]
    if not len(dates):
        raise InputError(f"{record.name} never traded; choose another portfolio.")
    day = dates[-1] if asked is None else as_day(asked)
    if day not in dates:
        around = " and ".join(str(each) for each in (*dates[dates < day][-1:], *dates[dates > day][:1]))
        raise InputError(f"{record.name} traded nothing on {day}; days of trading nearest to it are {around}.")
    return day, trades[int(np.searchsorted(record.trade_dates, day))]


def _aum(settings: PortfolioSettings, record: TrackRecord, day: np.datetime64) -> float:
    impact = settings.costs.impact
    if impact is not None and impact.aum is not None:
        return impact.aum
    return float(record.nav[int(np.searchsorted(record.dates, day)) - 1])


def _costs(settings: PortfolioSettings, asked: ScheduleAsked, aum: float) -> ImpactCosts:
    """The run's own costs, with impact by the law that is asked for where it charged none or had a user's own model."""
    costs = settings.costs.build()
    if isinstance(costs, ImpactCosts):
        return costs
    return ImpactCosts(ImpactLaw(asked.execution.impact), settings.costs.linear, aum)


def _impact(run: FinishedRun, costs: ImpactCosts, row: int, columns: Int) -> ImpactModel:
    """The model of some names at the close of a row, in money."""
    window = {} if run.settings.costs.impact is None else {"days": run.settings.costs.impact.window_days}
    reach = window.get("days", 21) + 1
    panel = run.data.panel
    recent = panel.select(panel.assets[columns]).between(panel.dates[max(row - reach, 0)], panel.dates[row])
    known = with_liquidity(recent, **window)
    return costs.model({name: values[-1] for name, values in known.fields.items()}, len(columns))


def _quoted(data: MarketData, row: int, columns: Int) -> Float:
    """(n,) last closes as quoted, not adjusted for what came later; NaN where there is none of the last days."""
    panel, settings = data.panel, data.settings
    first = max(row - _QUOTE_DAYS, 0)
    if not isinstance(settings, StoreData):
        price: Float = carried_forward(panel.field("close")[first : row + 1, columns])[0][-1]
        return price
    store = MarketStore(settings.store)
    bars = store.bars(panel.dates[first], panel.dates[row], version=settings.version).dropna(subset=["close"])
    bars = bars.assign(symbol=store.symbols(settings.version).shown(bars["symbol"].to_numpy(dtype=np.str_)))
    last = bars.sort_values("date", kind="stable").groupby("symbol")["close"].last()
    return last.reindex(panel.assets[columns]).to_numpy(dtype=np.float64)


def _worked(panel: Panel, row: int, plan: ExecutionPlan, session: np.datetime64, terms: PlanTerms) -> Executed | None:
    """What became of a plan that was made at the close of a row; None where the data end before it does, or lack bars.

    Bars are those of the panel, which no split or dividend interrupts, at the plan's prices at that close.
    """
    days = slice(row + 1, row + 1 + int(plan.days.max()))
    if days.stop > len(panel.dates) or not all(name in panel.fields for name in _BAR):
        return None
    place = {asset: column for column, asset in enumerate(panel.assets.tolist())}
    columns = [place[name] for name in plan.trades.symbols.tolist()]
    before = carried_forward(panel.field("close")[max(row - _QUOTE_DAYS, 0) : row + 1, columns])[0][-1]
    unit = (plan.trades.price / before)[:, None]
    prices = {name: unit * panel.field(name)[days, columns].T for name in (*_BAR, "close")}
    bars = SessionBars(volume=panel.field("volume")[days, columns].T / unit, **prices)
    return worked(plan, bars, session, terms)


def _notes(unquoted: Names, too_small: int, at_close: int) -> tuple[str, ...]:
    notes = []
    if len(unquoted):
        notes.append(f"{len(unquoted)} names without a quote before the session are left out, such as {unquoted[0]}")
    if too_small:
        notes.append(f"trades of less than a share that are left out: {too_small}")
    if at_close:
        notes.append(f"{at_close} orders go to the closing auction, as no volume is known")
    return tuple(notes)
