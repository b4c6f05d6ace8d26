"""What it changes that large trades take several days: accounts of $1B on real prices, at once and within the volume.

Usage: python benchmarks/bench_spread_trades.py [--data FOLDER] [--aum 1e9] [--seed 0]

Monthly portfolios of S&P 500 members (survivors of 2021) from 2005 on: equal weight, minimum variance with at most 5 %
in a name, and the 50 names of the best year without its last month, held alike. A trade pays half a spread of 1 bp and,
by the square root law, a day's volatility times the root of its share of a day's volume. It is traded whole at the
close after the decision, or within 10, 5 and 2 % of the volume that was usual before, over as many days as that takes.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA, read

from quantray.analytics.bootstrap import Resampling, estimated_mean
from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import ImpactCosts, LinearCosts
from quantray.covariance.factor import statistical_factors
from quantray.data.calendar import rebalance_dates, trading_days
from quantray.data.panel import Panel
from quantray.execution.impact import ImpactLaw, with_liquidity
from quantray.features.returns import carried_forward, simple_returns
from quantray.portfolio.constraints import Limits
from quantray.portfolio.frontier import minimum_variance

FIRST, LOOKBACK, BEST = "2005-01-01", 504, 50
CAPS = (None, 0.10, 0.05, 0.02)
PORTFOLIOS = ("equal weight", "minimum variance", "momentum")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA), help="folder with sp500_1999_2021.parquet")
    parser.add_argument("--aum", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    if not (Path(arguments.data) / "sp500_1999_2021.parquet").exists():
        print(f"no real prices in {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.monotonic()
    print(describe(about))
    panel = loaded(Path(arguments.data))
    rows, results = [], {}
    for name, decisions in decided(panel).items():
        records = {cap: replayed(panel, decisions, arguments.aum, cap) for cap in CAPS}
        for cap, record in records.items():
            found = said(record, records[None], len(decisions.dates), arguments.seed)
            label = "at once" if cap is None else f"within {cap:.0%}"
            results[f"{name}, {label}"] = found
            rows.append([name, label, *shown(found)])
    titles = ["portfolio", "traded", "net", "cost, bp", "beyond at once, bp", "later", "days", "borrowed (most)"]
    print(table(titles, rows))
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "aum": arguments.aum,
        "seed": arguments.seed,
        "names": len(panel.assets),
        "span": [FIRST, str(panel.dates[-1])],
        "results": results,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(f"written: {write_line('bench_spread_trades', line).name}")
    return 0


def loaded(folder: Path) -> Panel:
    """Closes and trailing volumes and volatilities of days of the exchange."""
    prices = read(folder)
    kept = np.isin(prices.dates, trading_days(prices.dates[0], prices.dates[-1]))
    fields = {"close": prices.close[kept], "volume": prices.volume[kept]}
    return with_liquidity(Panel(prices.dates[kept], prices.names, fields, ~np.isnan(prices.close[kept])))


def decided(panel: Panel) -> dict[str, Decisions]:
    """Monthly decisions on names with prices on all days of two years."""
    price = carried_forward(panel.field("close"))[0]
    returns = simple_returns(panel.field("close"))
    dates = rebalance_dates(panel.dates, "monthly")
    dates = dates[dates >= np.datetime64(FIRST)]
    weights = {name: np.zeros((len(dates), len(panel.assets))) for name in PORTFOLIOS}
    for k, row in enumerate(np.searchsorted(panel.dates, dates)):
        past = returns[row - LOOKBACK + 1 : row + 1]
        columns = np.flatnonzero(~np.isnan(past).any(axis=0))
        year = price[row - 21, columns] / price[row - 252, columns]
        best = columns[np.argsort(-year, kind="stable")[:BEST]]
        model = statistical_factors(past[:, columns], 15)
        weights["equal weight"][k, columns] = 1 / len(columns)
        weights["minimum variance"][k, columns] = minimum_variance(Limits(weight=(0.0, 0.05)), model).weights
        weights["momentum"][k, best] = 1 / BEST
    return {name: Decisions(dates, panel.assets, held) for name, held in weights.items()}


def replayed(panel: Panel, decisions: Decisions, aum: float, cap: float | None) -> TrackRecord:
    costs = ImpactCosts(ImpactLaw(), LinearCosts(half_spread_bps=1.0), aum=aum, participation=cap)
    return backtest(panel, decisions, costs=costs, accounting=Accounting(initial_nav=aum))


def said(record: TrackRecord, at_once: TrackRecord, n_decisions: int, seed: int) -> dict[str, object]:
    """What the accounts earned and paid, and how that differs from trading at once."""
    year = record.periods_per_year
    less = estimated_mean(record.returns - at_once.returns, resampling=Resampling(seed=seed))
    traded, borrowed = np.abs(record.trades).sum(axis=1), np.maximum(-record.cash / record.nav, 0.0)
    first = np.isin(record.trade_dates, at_once.trade_dates)
    return {
        "net": round(float(record.nav[-1] / record.nav[0]) ** (1 / record.years) - 1, 5),
        "volatility": round(float(record.returns.std() * np.sqrt(year)), 4),
        "cost_bps": round(1e4 * float((record.cost_series[1:] / record.nav[:-1]).mean()) * year, 2),
        "difference_bps": round(1e4 * less.mean * year, 1),
        "difference_interval_bps": [round(1e4 * year * v, 1) for v in (less.interval.low, less.interval.high)],
        "traded_later": round(float(traded[~first].sum() / traded.sum()), 4),
        "trading_days_a_decision": round(len(record.trade_dates) / n_decisions, 1),
        "borrowed_most": round(float(borrowed.max()), 4),
        "borrowed_mean": round(float(borrowed.mean()), 5),
    }


def shown(found: dict[str, object]) -> list[str]:
    low, high = found["difference_interval_bps"]
    less = "" if low == high == 0 else f"{found['difference_bps']:+.0f} ({low:+.0f} to {high:+.0f})"
    return [
        f"{found['net']:.2%}",
        f"{found['cost_bps']:.0f}",
        less,
        f"{found['traded_later']:.0%}",
        f"{found['trading_days_a_decision']:.0f}",
        f"{found['borrowed_mean']:.2%} ({found['borrowed_most']:.0%})",
    ]


if __name__ == "__main__":
    sys.exit(main())
