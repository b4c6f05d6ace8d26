"""What a day's schedule of a portfolio holds, and its files: tables for spreadsheets, JSON for programs."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from quantray.arrays import Int
from quantray.execution.day_orders import AT_CLOSE, DayOrders
from quantray.execution.tca import Executed, shortfall
from quantray.execution.trade_list import PlanTerms
from quantray.storage.seals import to_parquet

__all__ = ["DaySchedule", "schedule_files"]


@dataclass(frozen=True, eq=False, kw_only=True)
class DaySchedule:
    """The orders of one portfolio that begin on a day.

    Parameters
    ----------
    session : the first trading day.
    aum : money that is managed.
    notes : what was left out and why.
    worked : what became of the plan's orders on the sessions that came; None where these are not known.
    """

    name: str
    session: np.datetime64
    aum: float
    orders: DayOrders
    terms: PlanTerms
    notes: tuple[str, ...] = ()
    worked: Executed | None = None

    @property
    def value(self) -> float:
        """Money of all orders."""
        return float(self.orders.parents["value"].to_numpy().sum())

    @property
    def cost_bps(self) -> float:
        """Expected, of all orders."""
        return 1e4 * float(self.orders.parents["expected_cost"].to_numpy().sum()) / self.value

    @property
    def days(self) -> int:
        """Trading days until all is done."""
        return int(self.orders.parents["days"].to_numpy().max())

    @property
    def children_of(self) -> Int:
        """(P,) child orders of each order."""
        owners = self.orders.children["parent"].to_pylist()
        place = {name: k for k, name in enumerate(self.orders.parents["parent"].to_pylist())}
        return np.bincount([place[name] for name in owners], minlength=len(place)).astype(np.int64)


def schedule_files(schedules: Sequence[DaySchedule]) -> dict[str, bytes]:
    """File name -> content: orders, children and hindsight of all portfolios as Parquet and CSV, the orders as JSON."""
    files = {}
    tables = {
        name: pa.concat_tables(_labelled(each, getattr(each.orders, name)) for each in schedules)
        for name in ("parents", "children")
    }
    if known := [_labelled(each, table) for each in schedules if (table := _hindsight(each)) is not None]:
        tables["hindsight"] = pa.concat_tables(known)
    for name, table in tables.items():
        files[f"{name}.parquet"] = to_parquet(table, name)
        written = io.BytesIO()
        pa_csv.write_csv(table, written)
        files[f"{name}.csv"] = written.getvalue()
    said = {each.name: _document(each) for each in schedules}
    files["schedule.json"] = json.dumps(said, indent=1).encode()
    return files


def _labelled(schedule: DaySchedule, table: pa.Table) -> pa.Table:
    return table.add_column(0, "portfolio", pa.array([schedule.name] * table.num_rows, pa.string()))


def _hindsight(schedule: DaySchedule) -> pa.Table | None:
    """What became of each order of the plan, and the parts of its shortfall in money."""
    done, plan = schedule.worked, schedule.orders.plan
    if done is None or plan is None:
        return None
    found = shortfall(done)
    columns = {"parent": [f"{schedule.session}-{name}" for name in plan.trades.symbols.tolist()]}
    columns |= {"symbol": plan.trades.symbols.tolist()}
    numbers = {name: getattr(done, name) for name in ("ordered", "filled", "decision", "arrival", "paid", "last")}
    # What nothing was lost by is written without the sign that zero has in a sale.
    parts = {name: money + 0.0 for name, money in found.parts.items()}
    return pa.table(columns | numbers | parts | {"total": found.total, "total_bps": found.bps})


def _document(schedule: DaySchedule) -> dict[str, object]:
    """A portfolio's schedule; each order as ``orders.ExecutionSchedule`` reads it, but those of the closing auction."""
    plan, parents = schedule.orders.plan, schedule.orders.parents.to_pylist()
    planned = [] if plan is None else [json.loads(plan.schedule(k).to_json()) for k in range(len(plan.days))]
    closing = [
        {key: row[key] for key in ("parent", "symbol", "shares", "price")}
        for row in parents
        if row["algorithm"] == AT_CLOSE
    ]
    return {
        "session": str(schedule.session),
        "aum": schedule.aum,
        "value": schedule.value,
        "expected_cost_bps": schedule.cost_bps,
        "days": schedule.days,
        "orders": planned,
        "at_the_close": closing,
        "notes": list(schedule.notes),
    }
