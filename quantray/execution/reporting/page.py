"""A day's schedules as a page that opens offline, and as tables on a terminal."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from quantray.analytics.page import Cell, Column, Note, Page, Rows, Section, Table, chart, money, shown
from quantray.arrays import Float
from quantray.data.calendar import time_zone
from quantray.execution.candidates import order_frontier
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import ExecutionPlan
from quantray.execution.reporting.figures import Point, cost_waterfall, frontier_with_points, trading_pace
from quantray.execution.reporting.schedules import DaySchedule
from quantray.execution.tca import Executed, aggregate, shortfall

__all__ = ["algorithms_table", "orders_table", "schedule_page"]

_MOST_ROWS = 50
"""Orders that the page lists; the files hold all."""
_MOST_BARS = 25
"""Slices or days that the page shows one by one."""


def schedule_page(schedules: Sequence[DaySchedule], *, about: str) -> Page:
    """The page of the schedules of some portfolios that begin on a day.

    Parameters
    ----------
    about : what they are of, for the line under the title.
    """
    first, several = schedules[0], len(schedules) > 1
    days = ", ".join(dict.fromkeys(str(each.session) for each in schedules))
    summary = _summary(schedules)
    sections: list[Section] = []
    if several:
        sections.append(Section(title="Side by side", parts=(summary.model_copy(update={"title": ""}),)))
    for each in schedules:
        before = f"{each.name}: " if several else ""
        sections += [part.model_copy(update={"title": f"{before}{part.title}"}) for part in _sections(each)]
    return Page(
        title="Execution schedule",
        meta=f"{about} · {days} · {money(first.aum)} under management",
        headline=" ".join(_headline(each, several=several) for each in schedules),
        findings=tuple(f"{each.name}: {note}." if several else f"{note}." for each in schedules for note in each.notes),
        sections=tuple(sections),
        summary=summary,
    )


def orders_table(schedule: DaySchedule, most: int = _MOST_ROWS, *, title: str = "") -> Table:
    """The largest orders of a schedule."""
    parents = schedule.orders.parents.append_column("children", pa.array(schedule.children_of))
    largest = parents.take(pc.sort_indices(parents, [("value", "descending")])[:most])
    columns = ("Name", "Shares", "Value", "Of a day's volume", Column(title="Algorithm", text=True))
    numbers = ("Cost, bp", "Risk, bp", "Days", "Children", "Venues")
    rows = tuple(_order_row(row) for row in largest.to_pylist())
    return Table(title=title, columns=(*columns, *numbers), groups=(Rows(rows=rows),), dense=True)


def _order_row(row: dict[str, object]) -> tuple[str | Cell, ...]:
    first, *others = str(row["venues"]).split(", ")
    return (
        str(row["symbol"]),
        f"{row['shares']:,}",
        money(_number(row["value"])),
        shown(_number(row["volume_share"]), ".2%"),
        Cell(text=str(row["algorithm"]), below=str(row["reason"]).partition(" (")[0]),
        shown(_number(row["expected_cost_bps"]), ".1f"),
        shown(_number(row["risk_bps"]), ".0f"),
        str(row["days"]),
        f"{row['children']:,}",
        f"{first} and {len(others)} more" if others else first,
    )


def _number(value: object) -> float:
    assert isinstance(value, float), "columns of numbers"
    return value


def _headline(schedule: DaySchedule, *, several: bool) -> str:
    count, days = schedule.orders.parents.num_rows, schedule.days
    whose = f"{schedule.name}: " if several else ""
    time = "all done in the first session" if days == 1 else f"the last of them done on day {days}"
    orders = "1 order" if count == 1 else f"{count:,} orders"
    return f"{whose}{orders} of {money(schedule.value)} are expected to cost {schedule.cost_bps:.1f} bp, {time}."


def _summary(schedules: Sequence[DaySchedule]) -> Table:
    rows = {
        "Orders": [f"{each.orders.parents.num_rows:,}" for each in schedules],
        "Child orders": [f"{each.orders.children.num_rows:,}" for each in schedules],
        "Value": [money(each.value) for each in schedules],
        "Of the money managed": [f"{each.value / each.aum:.1%}" for each in schedules],
        "Expected cost, bp of the value": [f"{each.cost_bps:.1f}" for each in schedules],
        "Expected cost, bp of the money managed": [
            f"{each.cost_bps * each.value / each.aum:.2f}" for each in schedules
        ],
        "Done in the first session": [f"{_within(each, 1):.0%}" for each in schedules],
        "Days until all is done": [str(each.days) for each in schedules],
    }
    first = schedules[0]
    return Table(
        title=f"Execution schedule, {first.session}, {money(first.aum)} under management",
        columns=("", *(each.name for each in schedules)),
        groups=(Rows(rows=tuple((label, *values) for label, values in rows.items())),),
    )


def _within(schedule: DaySchedule, days: int) -> float:
    """Share of the value that is traded within so many days, as orders are spread evenly over theirs."""
    parents = schedule.orders.parents
    value, needed = (parents[name].to_numpy() for name in ("value", "days"))
    return float((value * np.minimum(days / needed, 1)).sum() / value.sum())


def _sections(schedule: DaySchedule) -> list[Section]:
    plan = schedule.orders.plan
    found = []
    if plan is not None:
        note = "Expected, of the value of all orders whose volume is known; commission comes on top."
        found.append(chart("What it costs", cost_waterfall(_parts(plan), total="Expected cost", note=note)))
    found.append(Section(title="By algorithm", parts=(algorithms_table(schedule),)))
    found.append(_pace(schedule))
    if plan is not None:
        found.append(_frontier(schedule, plan))
    if plan is not None and schedule.worked is not None:
        found.append(_hindsight(schedule.worked, plan))
    rest = schedule.orders.parents.num_rows - _MOST_ROWS
    parts: tuple[Table | Note, ...] = (orders_table(schedule),)
    if rest > 0:
        parts = (*parts, Note(text=f"The {_MOST_ROWS} largest; {rest:,} more are in parents.csv, beside this page."))
    return [*found, Section(title="Orders", parts=parts)]


def _parts(plan: ExecutionPlan) -> dict[str, float]:
    """Basis points of the value of all orders by what they are paid for."""
    trades, impact = plan.trades, plan.trades.impact
    spread = np.broadcast_to(impact.half_spread * 1e4, plan.cost_bps.shape)
    lasting = impact.permanent * np.abs(trades.shares) / impact.adv / 2 * 1e4
    share = trades.value / trades.value.sum()
    parts = {"half of the spread": spread, "temporary impact": plan.cost_bps - spread - lasting}
    if (lasting > 0).any():
        parts["permanent impact"] = lasting
    return {name: float(each @ share) for name, each in parts.items()}


def algorithms_table(schedule: DaySchedule, *, title: str = "") -> Table:
    """What each algorithm was given, and why; under a title of its own the reasons stand in a column."""
    parents = schedule.orders.parents
    names = np.array(parents["algorithm"].to_pylist(), dtype=np.str_)
    value, cost = (parents[name].to_numpy() for name in ("value", "expected_cost"))
    share, days = (parents[name].to_numpy() for name in ("volume_share", "days"))
    children = schedule.children_of
    reasons = np.array([reason.partition(" (")[0] for reason in parents["reason"].to_pylist()], dtype=np.str_)
    rows = []
    for name in sorted(set(names.tolist()), key=lambda each: -float(value[names == each].sum())):
        inside = names == name
        why = "; ".join(sorted(set(reasons[inside].tolist())))
        known = share[inside & ~np.isnan(share)]
        rows.append(
            (
                name if title else Cell(text=name, below=why),
                f"{inside.sum():,}",
                f"{children[inside].sum():,}",
                money(float(value[inside].sum())),
                shown(float(np.median(known)) if len(known) else np.nan, ".2%"),
                f"{1e4 * cost[inside].sum() / value[inside].sum():.1f}",
                str(int(days[inside].max())),
                *((why,) if title else ()),
            )
        )
    numbers = ("Orders", "Children", "Value", "Median of a day's volume", "Cost, bp", "Days, most")
    columns = ("Algorithm", *numbers, *((Column(title="Because", text=True),) if title else ()))
    return Table(title=title, columns=columns, groups=(Rows(rows=tuple(rows)),))


def _pace(schedule: DaySchedule) -> Section:
    """Money by slice of the only day, or by day, and venue."""
    children = schedule.orders.children
    price = dict(zip(*(schedule.orders.parents[name].to_pylist() for name in ("parent", "price")), strict=True))
    money_of = np.abs(children["shares"].to_numpy()) * np.array([price[p] for p in children["parent"].to_pylist()])
    one_day = schedule.days == 1
    times = pd.DatetimeIndex(children["time"].to_pandas()).tz_convert(time_zone(schedule.terms.exchange))
    local = np.asarray(times.strftime("%H:%M" if one_day else "%Y-%m-%d"), dtype=np.str_)
    labels, at = np.unique(local, return_inverse=True)
    if len(labels) > _MOST_BARS:
        labels, at = np.append(labels[: _MOST_BARS - 1], "later"), np.minimum(at, _MOST_BARS - 1)
    venues = np.array(children["venue"].to_pylist(), dtype=np.str_)
    found: dict[str, Float] = {
        name: np.asarray(np.bincount(at, np.where(venues == name, money_of, 0.0), len(labels)), dtype=np.float64)
        for name in sorted(set(venues.tolist()), key=lambda each: -float(money_of[venues == each].sum()))
    }
    clock = ", on the exchange's clock" if one_day else ""
    title = "Through the session" if one_day else "Day by day"
    return chart(
        title,
        trading_pace(
            [label[-5:] for label in labels.tolist()], found, note=f"By venue, at the prices on arrival{clock}."
        ),
    )


def _hindsight(done: Executed, plan: ExecutionPlan) -> Section:
    """What the sessions that came would have made of the plan."""
    found = shortfall(done)
    parts, _ = aggregate(found)["all"]
    total = parts.pop("total")
    expected, risk = (bps * 1e-4 * plan.trades.value for bps in (plan.cost_bps, plan.risk_bps))
    deviation = float(np.sqrt((risk**2).sum()) / found.value.sum() * 1e4)
    filled = float((np.abs(done.filled) * done.decision).sum() / found.value.sum())
    came = 1e4 * float(expected.sum() / found.value.sum())
    note = (
        f"Worked on the sessions that came, each order on a path within its daily bars: {total:+.1f} bp, {came:.1f} "
        f"expected, with a standard deviation of {deviation:.1f} were orders to move apart; {filled:.0%} filled. Delay "
        "is the move from the close before to the open. The difference is mostly the market's."
    )
    return chart("In hindsight", cost_waterfall(parts, note=note))


def _frontier(schedule: DaySchedule, plan: ExecutionPlan) -> Section:
    """The order that costs most: what more and less urgency would do, and every algorithm."""
    order = int(np.argmax(plan.cost_bps * plan.trades.value))
    curve = order_frontier(plan.trades, order, schedule.session, schedule.terms)
    points = [
        Point(name, float(risk), float(cost), chosen=name == plan.selection.name(order))
        for name, cost, risk in zip(
            ALGORITHMS, plan.candidate_cost_bps[order], plan.candidate_risk_bps[order], strict=True
        )
        if np.isfinite(cost)
    ]
    name, days = str(plan.trades.symbols[order]), int(plan.days[order])
    span = "a session" if days == 1 else f"{days} days, evenly"
    value = money(float(plan.trades.value[order]))
    clock = "The curve trades by the clock; what follows the volume may lie below it."
    note = f"{value} of {name} over {span}: {plan.selection.reason(order)}. {clock}"
    return chart("The order that costs most", frontier_with_points(curve.risk_bps, curve.cost_bps, points, note=note))
