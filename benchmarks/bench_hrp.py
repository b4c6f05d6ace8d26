"""Hierarchical risk parity from returns to weights: quantray, its peers, and the floor under them all.

Usage: python benchmarks/bench_hrp.py [--data STORE_OR_PARQUET] [--seed 0]

The floor is what other implementations of this method build on: numpy's correlation product and scipy's single linkage.
Turning correlations into condensed distances is stated beside it, and is not part of it. Both distances are held
against it, also the one of the paper, whose product of N by N matrices the floor does without. Everything quick runs in
turns; times are medians, and ratios to the floor medians of the ratios of a turn. PyPortfolioOpt clusters as quantray
does, by single linkage on the correlation distance, so their weights must agree; skfolio runs with its own defaults,
which cluster by Ward's method. Exit code 1 when a target is missed or the weights disagree.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, seconds, table, versions, write_line
from pypfopt import HRPOpt
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from skfolio.optimization import HierarchicalRiskParity

from quantray.covariance.estimators import sample_covariance
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.portfolio.hrp import Distance, hrp_weights

SIZES = (400, 1000, 2000)
DAYS = 756
TURNS = 21
FASTER_THAN_PEERS = 30.0
TIMES_THE_FLOOR, PAPER_TIMES_THE_FLOOR = 1.3, 3.0
SAME_WEIGHTS = 1e-10
OWN = ("quantray", "quantray_paper")

REAL = Path(__file__).parents[1] / "../shared/data/us_equities_2010_2017.parquet"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="market store, or Parquet file with date, symbol, close, volume")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market, which is used without data")
    arguments = parser.parse_args()
    # The peers warn about conventions of pandas and scikit-learn; none of it concerns the measurement.
    warnings.simplefilter("ignore")
    about = machine()
    source = arguments.data or (str(REAL) if REAL.is_file() else None)
    returns = simulated_returns(arguments.seed) if source is None else market_returns(source)
    data = f"simulated, seed {arguments.seed}" if source is None else Path(source).name
    sizes = [n for n in SIZES if n <= returns.shape[1]] or [returns.shape[1]]
    print(f"HRP from {DAYS} days of returns to weights; data: {data}, {returns.shape[1]:,} complete names")
    print(describe(about))
    results = {n: measure(returns.iloc[:, :n]) for n in sizes}
    print(shown(results))
    largest = sizes[-1]
    checked = largest == SIZES[-1]
    missed = targets_missed(results[largest])
    same = all(found["difference"] <= SAME_WEIGHTS for found in results.values())
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "pandas", "pyportfolioopt", "skfolio"),
        "data": data,
        "seed": arguments.seed if source is None else None,
        "days": DAYS,
        "turns": TURNS,
        "by_names": results,
        "targets": {
            "names": SIZES[-1],
            "fastest_peer": FASTER_THAN_PEERS,
            "floor": TIMES_THE_FLOOR,
            "paper_floor": PAPER_TIMES_THE_FLOOR,
        },
        "targets_reached": not missed if checked else None,
        "same_weights_as_pyportfolioopt": same,
    }
    print(f"written: {write_line('bench_hrp', line).name}")
    return verdict(missed, checked=checked, same=same)


def market_returns(source: str) -> pd.DataFrame:
    """(756, N) simple returns of the names with a close on each of the last common days, most traded first."""
    if Path(source).is_file():
        bars = pd.read_parquet(source, columns=["date", "symbol", "close", "volume"]).astype({"close": "float64"})
        # Bars as they come: a holiday or a half-delivered day would leave no name complete.
        close = bars.pivot_table(index="date", columns="symbol", values="close", aggfunc="last")
        volume = bars.pivot_table(index="date", columns="symbol", values="volume", aggfunc="last")
    else:
        panel = MarketStore(source).load(fields=("close", "volume"))
        close, volume = panel.to_frame("close"), panel.to_frame("volume")
    close = close.where(close > 0)
    counts = close.notna().sum(axis=1)
    close = close[counts >= 0.9 * counts.tail(DAYS).median()].tail(DAYS + 1)
    returns = (close.dropna(axis=1) / close.dropna(axis=1).shift() - 1).iloc[1:]
    returns = returns.loc[:, returns.std() > 0]
    traded = (close * volume.loc[close.index]).median()
    return returns[traded[returns.columns].sort_values(ascending=False, kind="stable").index]


def simulated_returns(seed: int) -> pd.DataFrame:
    """(756, 2000) simple returns of a synthetic market."""
    market = simulate_market(SIZES[-1], DAYS + 1, seed=seed, listing_share=0.0, delisting_share=0.0)
    close = market.panel.to_frame("close")
    return (close / close.shift() - 1).iloc[1:]


def measure(frame: pd.DataFrame) -> dict[str, float]:
    """Seconds by method, ratios to the floor and peers, and the largest difference from PyPortfolioOpt's weights."""
    values = np.ascontiguousarray(frame.to_numpy())
    correlation = np.corrcoef(values, rowvar=False)
    distances = condensed(correlation)
    times, processor = in_turns(
        {
            "quantray": lambda: quantray_weights(values, "correlation"),
            "quantray_paper": lambda: quantray_weights(values, "paper"),
            "floor_correlation": lambda: np.corrcoef(values, rowvar=False),
            "floor_linkage": lambda: linkage(distances, method="single"),
            "conversion": lambda: condensed(correlation),
        }
    )
    floor, busy = (seconds["floor_correlation"] + seconds["floor_linkage"] for seconds in (times, processor))
    repeats = 3 if len(frame.columns) <= 1000 else 1
    peers = {
        "pyportfolioopt": seconds(lambda: HRPOpt(frame).optimize(), repeats=max(2, repeats)),
        "skfolio": seconds(lambda: HierarchicalRiskParity().fit(frame), repeats=repeats),
    }
    theirs = pd.Series(HRPOpt(frame).optimize())[frame.columns].to_numpy()
    own = float(np.median(times["quantray"]))
    return {
        **{name: round(float(np.median(values)), 6) for name, values in (times | {"floor": floor}).items()},
        **{name: round(value, 6) for name, value in peers.items()},
        **{f"{name}_faster": round(value / own, 3) for name, value in peers.items()},
        **{f"{name}_floors": round(float(np.median(times[name] / floor)), 3) for name in OWN},
        **{f"{name}_floors_by_processor": round(float(np.median(processor[name] / busy)), 3) for name in OWN},
        "difference": float(np.abs(quantray_weights(values, "correlation") - theirs).max()),
    }


def in_turns(works: dict[str, Callable[[], object]]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Seconds by the clock and of the processor, turn by turn through all, so that no disturbance hits one alone."""
    clock, processor = ({name: np.empty(TURNS) for name in works} for _ in range(2))
    for turn in range(TURNS):
        for name, work in works.items():
            before, start = time.process_time(), time.perf_counter()
            work()
            clock[name][turn], processor[name][turn] = time.perf_counter() - start, time.process_time() - before
    return clock, processor


def quantray_weights(values: np.ndarray, distance: Distance) -> np.ndarray:
    return hrp_weights(sample_covariance(values).matrix, distance=distance)


def condensed(correlation: np.ndarray) -> np.ndarray:
    distance = np.sqrt(np.clip((1 - correlation) / 2, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    return squareform(distance, checks=False)


def shown(results: dict[int, dict[str, float]]) -> str:
    rows = [
        [
            f"{n:,} names",
            *(f"{found[name] * 1e3:,.1f}" for name in ("quantray", "quantray_paper", "floor", "conversion")),
            *(f"{found[f'{name}_floors']:.2f}x" for name in OWN),
            *(f"{found[f'{name}_floors_by_processor']:.2f}x" for name in OWN),
            *(f"{found[name]:,.2f}" for name in ("pyportfolioopt", "skfolio")),
            f"{found['difference']:.0e}",
        ]
        for n, found in results.items()
    ]
    titles = ["size", "quantray ms", "paper ms", "floor ms", "conversion ms", "vs floor", "paper", "by CPU", "paper"]
    return table([*titles, "PyPortfolioOpt s", "skfolio s", "weights differ by"], rows)


def targets_missed(found: dict[str, float]) -> list[str]:
    faster = min(found["pyportfolioopt_faster"], found["skfolio_faster"])
    limits = ((found["quantray_floors"], TIMES_THE_FLOOR), (found["quantray_paper_floors"], PAPER_TIMES_THE_FLOOR))
    missed = [f"{ratio:.2f} times the floor (at most {most})" for ratio, most in limits if ratio > most]
    if faster < FASTER_THAN_PEERS:
        missed.append(f"{faster:.0f} times faster than the fastest peer (at least {FASTER_THAN_PEERS:.0f})")
    return missed


def verdict(missed: list[str], *, checked: bool, same: bool) -> int:
    if not same:
        print(f"FAILED: weights differ from PyPortfolioOpt's by more than {SAME_WEIGHTS:.0e}", file=sys.stderr)
        return 1
    if not checked:
        print(f"targets not checked: they hold for {SIZES[-1]:,} names, and the data has fewer")
        return 0
    print("\n".join(f"MISSED at {SIZES[-1]:,} names: {text}" for text in missed) or "all targets reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
