"""A year of monthly rebalances of $1B in 1,000 real names, planned: algorithms, expected cost, days to complete.

Usage: python benchmarks/bench_trade_list.py [--data PARQUET] [--sectors CSV] [--aum 1e9] [--names 1000] [--year 2016]

At each month's end the names are the companies (what has a sector; funds have none) that were most traded in the last
126 days and have a price on all but four of the last 504 days. A portfolio is decided from those days (equal weight,
hierarchical risk parity, minimum variance with at most 5 % in a name), and what is traded is the difference from last
month's portfolio at today's prices. The first month, which buys all of it from cash, is stated apart. The plan begins
on the next trading day. A trade pays half a spread of 1 bp and, by the square root law, a day's volatility times the
root of its share of a day's volume; volume and volatility are those of the last 21 days. The orders are planned one by
one (as the rules select) and, where two days suffice, all at once (as a basket that stays hedged, with the factor model
that the portfolio is decided with).

The aim of 10 bp is said to be met or not by each kind of plan. Exit code 1 where a plan's children do not add up to its
orders.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line

from quantray.arrays import Float
from quantray.backtest.drift import drifted
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.calendar import rebalance_dates, trading_days
from quantray.data.universe import read_sectors
from quantray.execution.impact import square_root_impact
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import ExecutionPlan, plan_basket, plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList, trades_of_weights
from quantray.portfolio.constraints import Limits
from quantray.portfolio.frontier import minimum_variance
from quantray.portfolio.hrp import hrp_weights

DATA = Path(__file__).parents[1] / "../shared/data/us_equities_2010_2017.parquet"
SECTORS = DATA.with_name("us_equities_sectors.csv")
LOOKBACK, TRADED, USUAL = 504, 126, 21
PARTICIPATIONS = (0.05, 0.10)
PORTFOLIOS = ("equal weight", "HRP", "minimum variance")
SPREAD_BPS = 2.0
"""Both halves."""
AIM_BPS = 10.0


@dataclass(frozen=True, eq=False)
class Month:
    """What is known at a month's end of the names that may be held."""

    begins: np.datetime64
    """The next trading day."""
    names: np.ndarray
    price: Float
    adv: Float
    """Shares."""
    volatility: Float
    model: FactorModel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA), help="Parquet of bars: date, symbol, close, volume")
    parser.add_argument("--sectors", default=str(SECTORS), help="CSV: symbol, sector")
    parser.add_argument("--aum", type=float, default=1e9)
    parser.add_argument("--names", type=int, default=1000)
    parser.add_argument("--year", type=int, default=2016)
    arguments = parser.parse_args()
    if not Path(arguments.data).exists():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about = machine()
    print(describe(about))
    companies = read_sectors(Path(arguments.sectors))
    close, volume = (values[values.columns.intersection(list(companies))] for values in read(arguments.data))
    results, rows, whole = {}, [], True
    held: dict[str, pd.Series] = {}
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    for end in month_ends(close, arguments.year):
        month = known(close, volume, end, arguments.names)
        for name in PORTFOLIOS:
            target = pd.Series(decided(name, month), month.names)
            before = held.get(name, pd.Series(dtype=float))
            everything = target.index.union(before.index)
            moved = target.reindex(everything, fill_value=0.0) - before.reindex(everything, fill_value=0.0)
            # What left the universe is sold, too, where it still has a price and a volume.
            plans, left_out = planned(moved, month, close, volume, end, arguments.aum)
            first = not len(before)
            for kind, (plan, spent) in plans.items():
                whole &= adds_up(plan)
                line = said(plan, spent, left_out)
                found.setdefault((name, "first" if first else kind), []).append(line | {"plan": kind})
            # At the next month's end the shares are worth something else.
            held[name] = target
        print(f"{end}: {len(month.names):,} names", file=sys.stderr)
        later = next_end(close, end, arguments.year)
        if later is not None:
            held = {name: grown(weights, close, end, later) for name, weights in held.items()}
    for (name, kind), lines in found.items():
        if kind == "first":
            results[f"{name}, first"] = lines
            continue
        costs = [float(line["cost_bps"]) for line in lines]
        late = [int(line["days_most"]) for line in lines]
        typical = lines[len(lines) // 2]
        results[f"{name}, {kind}"] = {
            "months": len(lines),
            "cost_bps_median": round(float(np.median(costs)), 2),
            "cost_bps_most": round(max(costs), 2),
            "days_most": max(late),
            "a_month": typical,
        }
        rows.append(
            [
                name,
                kind,
                f"{np.median([line['orders'] for line in lines]):,.0f}",
                f"{np.median([float(line['value']) for line in lines]) / 1e6:,.0f}M",
                ", ".join(f"{a} {n}" for a, n in typical["algorithms"].items()),
                f"{np.median(costs):.1f} ({min(costs):.1f}-{max(costs):.1f})",
                f"{np.mean([float(line['one_day_share']) for line in lines]):.0%}",
                str(max(late)),
            ]
        )
    titles = [
        "portfolio",
        "plan",
        "orders",
        "value",
        "algorithms of a month",
        "cost, bp",
        "done in a day",
        "days, most",
    ]
    print(table(titles, rows))
    for name in PORTFOLIOS:
        for line in found[name, "first"]:
            print(
                f"{name} from cash, {line['plan']}: {line['orders']:,} orders, {line['cost_bps']:.1f} bp, "
                f"{line['one_day_share']:.0%} of them in a day, at most {line['days_most']} days"
            )
    least = {k: v["cost_bps_median"] <= AIM_BPS for k, v in results.items() if isinstance(v, dict)}
    line = {
        "machine": about,
        "versions": versions("numpy", "pandas"),
        "aum": arguments.aum,
        "names": arguments.names,
        "year": arguments.year,
        "spread_bps": SPREAD_BPS,
        "results": results,
        "median_within_10_bps": least,
        "all_children_add_up": whole,
    }
    print(f"written: {write_line('bench_trade_list', line).name}")
    return 0 if whole else 1


def read(path: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Closes and volumes, dates by names."""
    bars = pd.read_parquet(path, columns=["date", "symbol", "close", "volume"])
    days = trading_days(bars["date"].min(), bars["date"].max())
    close, volume = (bars.pivot(index="date", columns="symbol", values=name).astype(float) for name in bars.columns[2:])
    dates = close.index.to_numpy().astype("datetime64[D]")
    good = np.isin(dates, days)
    close, volume = close[good], volume[good]
    close.index = volume.index = dates[good]
    return close, volume


def month_ends(close: pd.DataFrame, year: int) -> list[np.datetime64]:
    """The last trading days of the December before, and of the year's months."""
    ends = rebalance_dates(close.index.to_numpy().astype("datetime64[D]"), "monthly")
    wanted = (ends >= np.datetime64(f"{year - 1}-12-01")) & (ends <= np.datetime64(f"{year}-12-31"))
    return list(ends[wanted])


def next_end(close: pd.DataFrame, end: np.datetime64, year: int) -> np.datetime64 | None:
    later = [each for each in month_ends(close, year) if each > end]
    return later[0] if later else None


def known(close: pd.DataFrame, volume: pd.DataFrame, end: np.datetime64, n_names: int) -> Month:
    """The most traded names with prices on all days."""
    row = int(np.searchsorted(close.index.to_numpy().astype("datetime64[D]"), end))
    past, amounts = close.iloc[row - LOOKBACK : row + 1], volume.iloc[row - LOOKBACK : row + 1]
    money = (past.iloc[-TRADED:] * amounts.iloc[-TRADED:]).median()
    # 5 in 505 days may be missing of the file, and are bridged.
    whole = past.notna().sum() >= LOOKBACK - 4
    names = money[whole & past.iloc[-1].notna()].nlargest(n_names).index.sort_values()
    prices = past[names].ffill().bfill()
    returns = prices.pct_change().iloc[1:].to_numpy()
    moving = returns[-USUAL:].std(axis=0) > 0
    names, returns = names[moving], returns[:, moving]
    begins = close.index.to_numpy().astype("datetime64[D]")[row + 1]
    return Month(
        begins,
        names.to_numpy().astype(str),
        prices[names].iloc[-1].to_numpy(),
        amounts[names].iloc[-USUAL:].mean().to_numpy(),
        returns[-USUAL:].std(axis=0),
        statistical_factors(returns, 15),
    )


def decided(name: str, month: Month) -> Float:
    """Target weights."""
    if name == "equal weight":
        return np.full(len(month.names), 1.0 / len(month.names))
    if name == "HRP":
        return hrp_weights(month.model.dense())
    return minimum_variance(Limits(weight=(0.0, 0.05)), month.model).weights


def planned(
    moved: pd.Series, month: Month, close: pd.DataFrame, volume: pd.DataFrame, end: np.datetime64, aum: float
) -> tuple[dict[str, tuple[ExecutionPlan, float]], int]:
    """Plans by how they were made, with the seconds each took; and how many names could not be traded."""
    row = int(np.searchsorted(close.index.to_numpy().astype("datetime64[D]"), end))
    recent = close[moved.index].iloc[row - USUAL : row + 1]
    price = recent.ffill().iloc[-1].to_numpy()
    adv = volume[moved.index].iloc[row - USUAL + 1 : row + 1].mean().to_numpy()
    volatility = recent.pct_change().iloc[1:].std(ddof=0).to_numpy()
    tradable = (price > 0) & (adv > 0) & (volatility > 0)
    weights = np.where(tradable, moved.to_numpy(), 0.0)
    shares = trades_of_weights(weights, np.zeros_like(weights), np.where(tradable, price, 1.0), aum)
    kept = shares != 0
    impact = square_root_impact(adv[kept], volatility[kept], SPREAD_BPS)
    trades = TradeList(
        symbols=moved.index.to_numpy().astype(str)[kept], shares=shares[kept], price=price[kept], impact=impact
    )
    plans = {}
    for share in PARTICIPATIONS:
        terms = PlanTerms(participation=share, when_late="stretch")
        start = time.perf_counter()
        plans[f"each, {share:.0%}"] = plan_execution(trades, month.begins, terms), time.perf_counter() - start
    inside = pd.Series(np.arange(len(month.names)), month.names).reindex(trades.symbols)
    if inside.notna().all() and len(moved) and np.abs(trades.shares / impact.adv).max() < 2 * PARTICIPATIONS[-1]:
        columns = inside.to_numpy().astype(int)
        start = time.perf_counter()
        plan = plan_basket(trades, month.begins, month.model.select(columns), days=2)
        plans["basket of two days, 10%"] = plan, time.perf_counter() - start
    return plans, int((~tradable & (moved.to_numpy() != 0)).sum())


def grown(weights: pd.Series, close: pd.DataFrame, end: np.datetime64, later: np.datetime64) -> pd.Series:
    """The same shares a month later; a name without a price keeps its last one."""
    prices = close.loc[end:later, weights.index].ffill()
    growth = (prices.iloc[-1] / prices.iloc[0]).to_numpy()
    return pd.Series(drifted(weights.to_numpy(), growth), weights.index)


def adds_up(plan: ExecutionPlan) -> bool:
    """Whether every order is what its children are."""
    children = plan.children
    done = np.array([children.quantity[children.rows(k)].sum() for k in range(len(plan.trades.shares))])
    return bool((done == np.abs(plan.trades.shares)).all())


def said(plan: ExecutionPlan, spent: float, left_out: int) -> dict[str, object]:
    """What is kept of a plan."""
    counts = np.bincount(plan.selection.algorithm, minlength=len(ALGORITHMS))
    value = plan.trades.value
    return {
        "orders": len(plan.trades.shares),
        "children": len(plan.children),
        "value": round(float(value.sum())),
        "algorithms": {name: int(n) for name, n in zip(ALGORITHMS, counts, strict=True) if n},
        "cost_bps": round(plan.total_cost_bps, 2),
        "cost_bps_p95": round(float(np.quantile(plan.cost_bps, 0.95)), 2),
        "one_day_share": round(float((plan.days == 1).mean()), 4),
        "days_most": int(plan.days.max()),
        "not_tradable": left_out,
        "seconds": round(spent, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
