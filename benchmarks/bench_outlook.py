"""How often the outlook was right on S&P 500 portfolios: coverage of its bands over 15 years, for each method.

    python benchmarks/bench_outlook.py [--data ../shared/data/sp500_1999_2021.parquet]

The portfolios are equally weighted, daily rebalanced and free of costs; the names are the members of April 2021, so
their returns are biased upward, which a forecast from their own past shares.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, seconds, table, versions, write_line

from quantray.analytics.coverage import Coverage, walk_outlook
from quantray.analytics.outlook import OutlookSettings
from quantray.arrays import Float

METHODS = ("filtered", "bootstrap", "gaussian")
YEARS, SEED, STEP, PATHS = 15, 0, 5, 1000
LEAST = 504


def portfolios(folder: Path) -> dict[str, Float]:
    """(T,) returns of all names, and of those of three sectors."""
    bars = pd.read_parquet(folder / "sp500_1999_2021.parquet", columns=["date", "symbol", "adj_close"])
    bars = bars[bars.symbol.notna() & (bars.symbol != "")]
    close = bars.pivot_table(index="date", columns="symbol", values="adj_close").astype("float64")
    returns = close.pct_change(fill_method=None).iloc[1:]
    returns = returns.where(returns.abs() < 0.8)
    sectors = pd.read_csv(folder / "sp500_sectors.csv").set_index("Symbol").Sector
    chosen = {"All": list(returns)}
    for sector in ("Information Technology", "Utilities", "Financials"):
        chosen[sector] = [name for name in returns if sectors.get(name) == sector]
    found = {name: returns[names].mean(axis=1).to_numpy() for name, names in chosen.items()}
    return {name: series[-(YEARS * 252 + LEAST) :] for name, series in found.items()}


def measure(series: Mapping[str, Float], method: str) -> dict[str, tuple[Coverage, ...]]:
    settings = OutlookSettings(method=method, n_paths=PATHS, least=LEAST, seed=SEED)
    return {name: walk_outlook(returns, settings, step=STEP) for name, returns in series.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data
    folder = folder.parent if folder.suffix else folder
    about, series = machine(), portfolios(folder)
    print(describe(about))
    print(
        f"{YEARS} years, forecasts every {STEP} days, {PATHS} paths, seed {SEED}; shares inside bands of 50, 80, 95 %"
    )
    kept: dict[str, object] = {}
    rows = []
    for method in METHODS:
        found: dict[str, tuple[Coverage, ...]] = {}
        took = seconds(lambda method=method, found=found: found.update(measure(series, method)))
        for name, each in found.items():
            for one in (one for one in each if one.quantity == "return"):
                shares = [f"{share:.1%}" for share in one.covered]
                hits = f"{one.hit_rate:.1%}", f"{one.base_rate:.1%}"
                rows.append([f"{method}, {name}, {one.days} d", str(one.n), *shares, f"{one.pinball:.2%}", *hits])
        kept[method] = {
            "seconds": round(took, 2),
            "covered": {
                name: {
                    f"{one.quantity} {one.days}": [round(share, 4) for share in one.covered]
                    + [round(one.pinball, 6), round(float(np.nan_to_num(one.hit_rate)), 4)]
                    for one in each
                }
                for name, each in found.items()
            },
        }
    print(table(("", "n", "50 %", "80 %", "95 %", "pinball", "direction", "base"), rows))
    size = {"years": YEARS, "step": STEP, "paths": PATHS, "seed": SEED, "portfolios": list(series)}
    write_line("bench_outlook", {"machine": about, "versions": versions("numpy"), "size": size, "results": kept})


if __name__ == "__main__":
    main()
