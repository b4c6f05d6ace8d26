"""Which history should a risk report quote? Methods scored on series that the test of the default never sees.

Usage: python benchmarks/bench_var_choice.py [--data FOLDER] [--window 504] [--seed 1] [--names 12]

The series are the S&P 500 and NASDAQ composite (1999 to 2018), WTI (1986 to 2019), and of the US equities of 2010 to
2017 the twelve sectors in equal weights, a random long-short, and some single names. Each day is forecast from the
window before it. Scores are proper: the quantile loss of the value-at-risk, as a part of that of exponential weights,
and the joint loss of value-at-risk and shortfall of Fissler and Ziegel (Patton, Ziegel and Chen, 2019), as a difference
to it; lower is better. Beside them, how many series Kupiec's and the joint test reject at 5 %. ``bench_coverage`` then
holds the winner against four portfolios that had no vote.

The equities are those listed in 2017, survivors.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line

from quantray.risk.forecasting.coverage import coverage
from quantray.risk.forecasting.var_forecasts import (
    AveragedHistory,
    FilteredHistory,
    Forecasts,
    GarchHistory,
    History,
    Method,
    forecast,
    trailing,
)

DATA = Path(__file__).parents[1] / "../shared/data"
LEVELS = (0.95, 0.99)
METHODS: tuple[Method, ...] = (
    FilteredHistory(), AveragedHistory(), GarchHistory(), GarchHistory(leverage=True), History()
)  # fmt: skip
INDICES = ("sp500 close", "nasdaq close", "wti spot")
LEAST, MOST_MOVE = 20, 0.8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--window", type=int, default=504, help="days that forecasts look back")
    parser.add_argument("--seed", type=int, default=1, help="of the sides of the long-short and of the names")
    parser.add_argument("--names", type=int, default=12, help="single names among the series")
    arguments = parser.parse_args()
    if not (arguments.data / "us_equities_2010_2017.parquet").is_file():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.perf_counter()
    print(describe(about))
    found: dict[str, list[np.ndarray]] = {method.name: [] for method in METHODS}
    names = []
    for name, returns in series(arguments.data, arguments.seed, arguments.names).items():
        windows, outcomes = trailing(returns, arguments.window), returns[arguments.window :]
        names.append(name)
        for method in METHODS:
            found[method.name].append(scores(forecast(windows, outcomes, method, levels=LEVELS), outcomes))
    first = np.array(found[METHODS[0].name])
    results = {name: summary(np.array(each), first) for name, each in found.items()}
    columns = [f"{what}, {level:.0%}" for level in LEVELS for what in ("quantile loss", "joint", "Kupiec", "both")]
    print(f"{len(names)} series; rejections are of these")
    print(table(["", *columns], [[name, *(f"{value:.4g}" for value in row)] for name, row in results.items()]))
    elapsed = round(time.perf_counter() - start, 1)
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "window": arguments.window,
        "seed": arguments.seed,
        "seconds": elapsed,
        "series": names,
        "columns": columns,
        "scores": {name: [round(value, 5) for value in row] for name, row in results.items()},
    }
    print(f"seed {arguments.seed}, {elapsed} s; written: {write_line('bench_var_choice', line).name}")
    return 0


def series(folder: Path, seed: int, n_names: int) -> Mapping[str, np.ndarray]:
    """Name -> (T,) returns."""
    markets = pd.read_parquet(folder / "markets.parquet")
    out = {}
    for name in INDICES:
        levels = markets[markets["series"] == name].set_index("date")["value"].sort_index().dropna()
        out[name] = levels.pct_change().dropna().to_numpy()
    bars = pd.read_parquet(folder / "us_equities_2010_2017.parquet", columns=["date", "symbol", "close"])
    close = bars.pivot_table(index="date", columns="symbol", values="close").astype(float)
    # Days on which few traded are holidays, and the last is partial.
    close = close[close.notna().sum(axis=1) > 1500]
    returns = close.pct_change(fill_method=None).iloc[1:]
    returns = returns.where(returns.abs() < MOST_MOVE)
    sectors = pd.read_csv(folder / "us_equities_sectors.csv").set_index("symbol")["sector"]
    for sector in sorted(sectors.dropna().unique()):
        members = [symbol for symbol in sectors.index[sectors == sector] if symbol in returns.columns]
        if len(members) >= LEAST:
            out[f"sector {sector}"] = returns[members].mean(axis=1).to_numpy()
    generator = np.random.default_rng(seed)
    sides = np.where(generator.permutation(returns.shape[1]) % 2 == 0, 2.0, -2.0)
    out["long-short"] = (returns * sides).mean(axis=1).to_numpy()
    whole = returns.columns[returns.notna().mean() > 0.99].to_numpy()
    for name in generator.choice(whole, n_names, replace=False).tolist():
        out[f"name {name}"] = returns[name].fillna(0.0).to_numpy()
    return out


def scores(made: Forecasts, outcomes: np.ndarray) -> np.ndarray:
    """(L, 4) quantile loss, joint loss, and 1 where Kupiec's and the joint test reject."""
    rows = []
    for column, seen in enumerate(coverage(made, outcomes, n_draws=1)):
        losses, p = -outcomes, 1 - seen.level
        var, shortfall = made.var[:, column], made.shortfall[:, column]
        excess = np.where(losses > var, losses - var, 0.0)
        quantile = excess + p * (var - losses)
        joint = excess / (p * shortfall) + var / shortfall + np.log(shortfall) - 1
        rejected = [float(seen.p_value(test) < 0.05) for test in ("frequency", "coverage")]
        rows.append([quantile.mean(), joint.mean(), *rejected])
    return np.array(rows)


def summary(each: np.ndarray, first: np.ndarray) -> list[float]:
    """Level by level: mean ratio, mean difference, and two counts, over (series, L, 4) scores."""
    ratio, more = (each[:, :, 0] / first[:, :, 0]).mean(axis=0), (each[:, :, 1] - first[:, :, 1]).mean(axis=0)
    counts = each[:, :, 2:].sum(axis=0)
    return [float(v) for i in range(len(LEVELS)) for v in (ratio[i], more[i], *counts[i])]


if __name__ == "__main__":
    sys.exit(main())
