"""How often the outlook was right: coverage of its bands on S&P 500 portfolios, other markets and known truth.

    OMP_NUM_THREADS=1 python benchmarks/bench_outlook.py [--data ../shared/data]

The portfolios are equally weighted, daily rebalanced and free of costs, over 15 years; the names are the members of
April 2021, so their returns are biased upward, which a forecast from their own past shares. The method was chosen on
the simulated and on the other markets, before it was measured on the portfolios.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from _chances import LAWS
from _record import describe, machine, seconds, table, versions, write_line

from quantray.analytics.coverage import Coverage, share_interval, walk_outlook
from quantray.analytics.outlook import OutlookSettings
from quantray.arrays import Float

METHODS = ("filtered", "bootstrap", "gaussian")
YEARS, SEED, MARKETS = 15, 0, 16
LEAST = 504
AIM = (0.93, 0.97)
NAMES = ("AAPL", "XOM", "KO", "JPM", "BA", "WMT", "NEM", "DUK")
"""Large companies of eight sectors."""

Walked = Mapping[str, tuple[Coverage, ...]]


def portfolios(folder: Path) -> tuple[dict[str, Float], dict[str, Float]]:
    """(T,) returns of all names and of those of three sectors, in the last years; and of single names, in all."""
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
    single = {name: returns[name].dropna().to_numpy() for name in NAMES}
    return {name: series[-(YEARS * 252 + LEAST) :] for name, series in found.items()}, single


def others(folder: Path) -> dict[str, Float]:
    """(T,) returns of an index and of oil, over 20 and 33 years."""
    frame = pd.read_parquet(folder / "markets.parquet").sort_values("date")
    found = {}
    for series in ("nasdaq close", "wti spot"):
        returns = frame[frame.series == series].value.astype(float).pct_change(fill_method=None).to_numpy()
        found[series] = returns[np.isfinite(returns)]
    return found


def simulated() -> dict[str, Float]:
    """(T,) returns of markets of each law, as long as the portfolios'."""
    return {
        f"{name}: {i + 1}": law(YEARS * 252 + LEAST, np.random.default_rng([SEED, number, i]))
        for number, (name, law) in enumerate(LAWS.items())
        for i in range(MARKETS)
    }


def measure(series: Mapping[str, Float], method: str, *, step: int, paths: int) -> Walked:
    settings = OutlookSettings(method=method, n_paths=paths, least=LEAST, seed=SEED)
    return {name: walk_outlook(returns, settings, step=step) for name, returns in series.items()}


def lines(label: str, walked: Walked) -> list[list[str]]:
    """What the 95 % bands held: the mean over series, the lowest and the highest, and whether that fits the aim."""
    rows = []
    for i, first in enumerate(next(iter(walked.values()))):
        each = [found[i] for found in walked.values()]
        held = np.array([one.covered[2] for one in each])
        # As if the series had nothing in common, which those of one market have: the interval is rather too narrow.
        pooled = share_interval(float(held.mean()), sum(one.independent for one in each))
        alone = sum(one.intervals[2].low <= AIM[1] and one.intervals[2].high >= AIM[0] for one in each)
        rows.append(
            [
                f"{label}, {first.quantity}, {first.days} d",
                f"{each[0].independent:.0f}",
                f"{held.mean():.1%}",
                f"{held.min():.1%} to {held.max():.1%}",
                f"{pooled.low:.1%} to {pooled.high:.1%}",
                f"{alone} of {len(each)}",
                f"{np.mean([one.covered[0] for one in each]):.1%}",
                f"{np.mean([one.covered[1] for one in each]):.1%}",
                f"{np.mean([one.pinball for one in each]):.3%}",
            ]
        )
    return rows


def kept(walked: Walked) -> dict[str, object]:
    """Shares inside the bands of 50, 80 and 95 %, pinball loss, hit and base rate of direction, by series."""
    return {
        name: {
            f"{one.quantity} {one.days}": [round(share, 4) for share in one.covered]
            + [round(one.pinball, 6), *(round(float(np.nan_to_num(x)), 4) for x in (one.hit_rate, one.base_rate))]
            for one in each
        }
        for name, each in walked.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder, about = parser.parse_args().data, machine()
    print(describe(about))
    print(f"{YEARS} years, seed {SEED}; outcomes in the 95 % band; n are forecasts that do not overlap, of one series")
    own, single = portfolios(folder)
    groups = {f"{method}, S&P 500 portfolios": (own, method, 5, 1000) for method in METHODS}
    groups["filtered, other markets"] = (others(folder) | single, "filtered", 21, 500)
    truths = simulated()
    for law in LAWS:
        chosen = {name: series for name, series in truths.items() if name.startswith(law)}
        groups[f"filtered, simulated: {law}"] = (chosen, "filtered", 21, 500)
    results: dict[str, object] = {}
    for label, (series, method, step, paths) in groups.items():
        found: dict[str, tuple[Coverage, ...]] = {}
        took = seconds(lambda s=series, m=method, f=found, d=step, p=paths: f.update(measure(s, m, step=d, paths=p)))
        rows = lines(label, found)
        titles = ("", "n", "mean", "lowest to highest", "95 % interval", "aim possible", "50 %", "80 %", "pinball")
        print(table(titles, rows), f"\n{took:.1f} s\n", flush=True)
        results[label] = {"seconds": round(took, 2), "step": step, "paths": paths, "summary": rows}
        if "simulated" not in label:
            results[label] |= {"covered": kept(found)}
    size = {"years": YEARS, "seed": SEED, "portfolios": list(own), "simulated_markets": MARKETS}
    write_line("bench_outlook", {"machine": about, "versions": versions("numpy"), "size": size, "results": results})


if __name__ == "__main__":
    main()
