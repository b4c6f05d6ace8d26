"""A monthly rebalance of real names at $1B, worked through a day at the paper venue: filled share, cost against plan.

Usage: python benchmarks/bench_worked_day.py [--data PARQUET] [--aum 1e9] [--names 1000] [--month 2016-06]

The trade list is that of `bench_trade_list`: from last month's hierarchical risk parity portfolio to this month's, each
order at most its participation of a day's volume (what is more is left for other days, and counted). Gate and venue
run as commands, and the worker here: a bar passes when the venue has all orders, the gate all reports and the worker
nothing to do, so that the machine's load changes nothing ("fills" is a hash of them). The venue's bars are the next
real day's: its open, high, low, close and volume are hit, the path between them is drawn. The cost is Perold's
shortfall against the last close, of which the night's move is no part of the plan, so it is also given against the
day's open, and that in its parts.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from _orders_day import Day, laid_out
from _record import describe, machine, table, versions, write_line
from bench_trade_list import DATA, SECTORS, SPREAD_BPS, USUAL, decided, grown, known, month_ends, read

from quantray.arrays import Int
from quantray.data.panel import Panel
from quantray.data.universe import read_sectors
from quantray.errors import QuantrayError
from quantray.execution.impact import square_root_impact
from quantray.execution.plan import ExecutionPlan, plan_execution
from quantray.execution.tca import shortfall
from quantray.execution.trade_list import PlanTerms, TradeList, trades_of_weights
from quantray.oms.clips import Clips, Cut, clipped
from quantray.oms.messages import MONEY, Report
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.clock import venue_clock
from quantray.oms.paper.replay import bars_of_day
from quantray.oms.worker import Worked, Worker
from quantray.oms.works import works_of

_FIELDS = ("open", "high", "low", "close", "volume")
_ACCOUNT = "A1"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA))
    parser.add_argument("--sectors", default=str(SECTORS))
    parser.add_argument("--aum", type=float, default=1e9)
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--month", default="2016-06")
    parser.add_argument("--participation", type=float, default=0.05)
    parser.add_argument("--clip-minutes", type=float, default=Clips().minutes)
    parser.add_argument("--clip-value", type=float, default=Clips().value)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=8747)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if not Path(arguments.data).exists():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about = machine()
    plan, left, bars = prepared(arguments)
    with tempfile.TemporaryDirectory(prefix="worked-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = worked(arguments, folder, plan, bars)
    found |= {
        "names": len(bars.symbols),
        "orders": len(plan.trades.symbols),
        "children planned": len(plan.children),
        "value": round(float(plan.trades.value.sum())),
        "share of the list in a day": round(1 - left, 4),
    }
    print(describe(about))
    print(
        table(
            ("what", "value"),
            [[name, value if isinstance(value, str) else f"{value:,}"] for name, value in found.items()],
        )
    )
    asked = ("aum", "month", "participation", "seed", "clip_minutes", "clip_value")
    given = {name: getattr(arguments, name) for name in asked}
    print(
        f"written: {write_line('bench_worked_day', {'machine': about, 'versions': versions(), **given, **found}).name}"
    )
    return 0


def prepared(arguments: argparse.Namespace) -> tuple[ExecutionPlan, float, Bars]:
    """The plan of a day, the share of the money that is left for others, and the day's bars."""
    companies = list(read_sectors(Path(arguments.sectors)))
    close, volume = (values[values.columns.intersection(companies)] for values in read(arguments.data))
    ends = month_ends(close, int(arguments.month[:4]))
    place = [str(end)[:7] for end in ends].index(arguments.month)
    before, end = ends[place - 1], ends[place]
    months = [known(close, volume, each, arguments.names) for each in (before, end)]
    held, target = (pd.Series(decided("HRP", month), month.names) for month in months)
    held = grown(held, close, before, end)
    names = months[1].names
    moved = target - held.reindex(names, fill_value=0.0)
    bars = day_of(arguments.data, months[1].begins, names, arguments.seed)
    moved = moved.loc[list(bars.symbols)]
    row = int(np.searchsorted(close.index.to_numpy().astype("datetime64[D]"), end))
    price = close[moved.index].iloc[row - USUAL : row + 1].ffill()
    adv = volume[moved.index].iloc[row - USUAL + 1 : row + 1].mean().to_numpy()
    volatility = price.pct_change().iloc[1:].std(ddof=0).to_numpy()
    last = price.iloc[-1].to_numpy()
    whole = trades_of_weights(moved.to_numpy(), np.zeros(len(moved)), last, arguments.aum)
    most = np.floor(arguments.participation * adv).astype(np.int64)
    shares = np.clip(whole, -most, most)
    kept = shares != 0
    trades = TradeList(
        symbols=moved.index.to_numpy().astype(str)[kept],
        shares=shares[kept],
        price=np.round(last[kept], 2),
        impact=square_root_impact(adv[kept], volatility[kept], SPREAD_BPS),
    )
    plan = plan_execution(trades, months[1].begins, PlanTerms(participation=arguments.participation))
    return plan, 1 - float((np.abs(shares) @ last) / (np.abs(whole) @ last)), bars


def day_of(data: str, day: np.datetime64, names: np.ndarray, seed: int) -> Bars:
    """The bars of a day of names that have all of it."""
    start = pd.Timestamp(day) - pd.Timedelta(days=60)
    frame = pd.read_parquet(data, filters=[("date", ">=", start.date()), ("date", "<=", pd.Timestamp(day).date())])
    frame = frame[frame["symbol"].isin(names)].astype({"symbol": str, **dict.fromkeys(_FIELDS, float)})
    whole = frame[list(_FIELDS)].gt(0).all(axis=1) & (frame["date"].astype("datetime64[ns]") == pd.Timestamp(day))
    right = (frame["low"] <= frame[["open", "close"]].min(axis=1)) & (
        frame["high"] >= frame[["open", "close"]].max(axis=1)
    )
    frame = frame[frame["symbol"].isin(set(frame.loc[whole & right, "symbol"]))]
    return bars_of_day(Panel.from_long(frame, fields=_FIELDS), day, seed=seed, spread_bps=SPREAD_BPS)


def worked(arguments: argparse.Namespace, folder: Path, plan: ExecutionPlan, bars: Bars) -> dict[str, object]:
    """The day, bar by bar: one passes when nothing is left to do before it."""
    orders = zip(plan.trades.symbols.tolist(), plan.trades.shares.tolist(), strict=True)
    sold = {symbol: -shares for symbol, shares in orders if shares < 0}
    works = works_of(plan, _ACCOUNT, prefix="R")
    clips = Clips(minutes=arguments.clip_minutes, value=arguments.clip_value)
    day = laid_out(folder, bars, works, {_ACCOUNT: sold}, int(arguments.aum), port=arguments.port, seed=arguments.seed)
    started = time.perf_counter()
    try:
        day.start("venue")
        day.wait_for_venue()
        day.start("gate")
        day.wait_for_outbox()
        desk = day.desk()
        worker = Worker(desk, works.works, venue_clock(day.address), clips=clips)
        driven(day, worker)
        found = worker.report(dict(zip(bars.symbols, bars.close[-1].tolist(), strict=True)))
        fills = desk.fills(list(found.orders))
        children = len(desk.children(list(found.orders)))
        desk.close()
    finally:
        day.stop()
    told = sorted(f"{fill.order} {fill.quantity} {fill.price} {fill.time}" for fill in fills)
    value = found.executed.value
    risk_bps = np.sqrt(((found.risk_bps * value) ** 2).sum()) / value.sum()
    return {
        "child orders": children,
        "filled share": round(found.filled_share, 4),
        "planned bp": round(found.planned_bps, 2),
        **parts(found, fills, bars, [clipped(work, clips) for work in works.works]),
        "risk bp planned, orders independent": round(float(risk_bps), 2),
        "refused": sum(found.refused.values()),
        "fills": hashlib.blake2b("\n".join(told).encode(), digest_size=8).hexdigest(),
        "seconds": round(time.perf_counter() - started, 1),
    }


def driven(day: Day, worker: Worker) -> None:
    """Bars pass by handshake: when the venue has all orders, the gate all reports, and the worker nothing to do."""
    while True:
        day.wait_until_heard()
        busy = worker.step()
        if worker.idle and not busy:
            return
        if worker.idle and not day.advance():
            raise QuantrayError("the venue does not answer; see venue.log.")


def parts(found: Worked, fills: Sequence[Report], bars: Bars, cuts: Sequence[Cut]) -> dict[str, float]:
    """The shortfall in basis points of the money ordered, what was paid beyond the open by when it was.

    A clip is due in the bar in which the venue's clock has come to its time.
    """
    executed = found.executed
    column = np.array([bars.columns[name.removeprefix(f"{_ACCOUNT}/R-")] for name in found.orders])
    opened = bars.open[0, column] / MONEY
    row, bar, meant = _moments(fills, bars, cuts)
    shares = np.sign(executed.ordered)[row] * np.array([fill.quantity for fill in fills])
    open_due, open_filled = (bars.open[each, column[row]] / MONEY for each in (meant, bar))
    night = shortfall(replace(executed, arrival=opened))
    from_open = shortfall(replace(executed, decision=opened, arrival=opened))
    money = {
        "cost bp against the last close": night.total,
        "cost bp against the open": from_open.total,
        "night": night.delay,
        "drift from the open until due": shares * (open_due - opened[row]),
        "wait from due to the fill": shares * (open_filled - open_due),
        "spread and impact": shares * (np.array([fill.price for fill in fills]) / MONEY - open_filled),
        "fees": from_open.explicit,
        "not filled, from the open to the close": from_open.missed,
    }
    return {name: round(float(1e4 * part.sum() / executed.value.sum()), 2) for name, part in money.items()}


def _moments(fills: Sequence[Report], bars: Bars, cuts: Sequence[Cut]) -> tuple[Int, Int, Int]:
    """Of each fill its order, its bar, and the bar in which its clip was due."""
    begins = bars.times.astype("datetime64[ms]")
    due: dict[str, int] = {}
    order: dict[str, int] = {}
    for row, cut in enumerate(cuts):
        times = np.array([time.replace(tzinfo=None) for time in cut.times], dtype="datetime64[ms]")
        due |= dict(zip(cut.ids, np.searchsorted(begins, times).tolist(), strict=True))
        order |= dict.fromkeys(cut.ids, row)
    at = np.array([fill.time.removesuffix("Z") for fill in fills], dtype="datetime64[ms]")
    bar = np.searchsorted(begins, at, side="right") - 1
    meant = np.minimum([due[fill.order] for fill in fills], bar)
    return np.array([order[fill.order] for fill in fills], dtype=np.int64), bar, meant


if __name__ == "__main__":
    sys.exit(main())
