"""A monthly rebalance of real names at $1B, worked through a day at the paper venue: filled share, cost against plan.

Usage: python benchmarks/bench_worked_day.py [--data PARQUET] [--aum 1e9] [--names 1000] [--month 2016-06]

The trade list is that of `bench_trade_list`: from last month's hierarchical risk parity portfolio to this month's, each
order at most its participation of a day's volume (what is more is left for other days, and counted). Gate, venue and
worker run as commands. The venue's bars are the next real day's: its open, high, low, close and volume are hit, the
path between them is drawn. The cost is Perold's shortfall against the last close, of which the night's move is no part
of the plan, so it is also given against the day's open.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _orders_day import laid_out
from _record import describe, machine, table, versions, write_line
from bench_trade_list import DATA, SECTORS, SPREAD_BPS, USUAL, decided, grown, known, month_ends, read

from quantray.data.panel import Panel
from quantray.data.universe import read_sectors
from quantray.execution.impact import square_root_impact
from quantray.execution.plan import ExecutionPlan, plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList, trades_of_weights
from quantray.oms.messages import MONEY
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.replay import bars_of_day
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
    parser.add_argument("--pace", type=float, default=2.0, help="least seconds of a bar")
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
    print(table(("what", "value"), [[name, f"{value:,}"] for name, value in found.items()]))
    given = {name: getattr(arguments, name) for name in ("aum", "month", "participation", "seed")}
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
    """The day, bar by bar."""
    orders = zip(plan.trades.symbols.tolist(), plan.trades.shares.tolist(), strict=True)
    sold = {symbol: -shares for symbol, shares in orders if shares < 0}
    works = works_of(plan, _ACCOUNT, prefix="R")
    day = laid_out(folder, bars, works, {_ACCOUNT: sold}, int(arguments.aum), port=arguments.port, seed=arguments.seed)
    started = time.perf_counter()
    try:
        day.start("venue")
        day.wait_for_venue()
        day.start("gate")
        day.start("worker")
        for _ in range(len(bars) + 3):
            time.sleep(arguments.pace)
            # A bar takes five minutes, in which all that is due has long been sent.
            day.wait_for_outbox()
            day.advance()
        day.processes["worker"].wait(120)
        state = day.settled()
    finally:
        day.stop()
    report = json.loads((folder / "worked.json").read_text())
    columns = {symbol: column for column, symbol in enumerate(bars.symbols)}
    orders = pd.DataFrame(report["orders"]).T
    opened = np.array([bars.open[0, columns[name.removeprefix(f"{_ACCOUNT}/R-")]] / MONEY for name in orders.index])
    value = orders["ordered"].abs() * orders["arrival"]
    from_open = orders["filled"] * (orders["paid"] - opened) + orders["explicit"]
    return {
        "child orders": sum(state["orders"].values()),
        "filled share": round(report["filled_share"], 4),
        "planned bp": round(report["planned_bps"], 2),
        "cost bp against the last close": round(report["cost_bps"], 2),
        "cost bp against the open": round(float(1e4 * from_open.sum() / value.sum()), 2),
        "fees bp": round(float(1e4 * orders["explicit"].sum() / value.sum()), 2),
        "risk bp planned, orders independent": round(
            float(1e4 * np.sqrt(((orders["risk_bps"] / 1e4 * value) ** 2).sum()) / value.sum()), 2
        ),
        "refused": sum(report["refused"].values()),
        "seconds": round(time.perf_counter() - started, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
