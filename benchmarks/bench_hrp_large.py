"""HRP without a matrix of assets by assets: how close to the exact weights, how fast, in how much memory.

Usage: python benchmarks/bench_hrp_large.py [--data STORE_OR_PARQUET] [--seed 0] [--cpus 2] [--rounds 15]

Each run has a process of its own with one BLAS thread; its memory is the peak above what the process held with the
returns loaded. Weights are compared with those of the exact method on the same returns, and beside them with the exact
weights of one day later, which is how much the method itself moves in a day. Realised volatility is that of the 126
days after the window. At last 20,000 and 50,000 names of 20 factors on Ray workers of one thread each, which have
started and imported the package before the clock runs; 20,000 several times, of which the median is told. Their floor
is every asset's product with every other once, in single precision, on as many processors as there are workers. Exit
code 1 when weights differ on real data or between one process and workers, memory is not linear in the names, or 20,000
names take too long on the workers.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from _record import describe, machine, table, versions, write_line
from bench_hrp import REAL, market_returns
from threadpoolctl import threadpool_limits

from quantray.covariance.estimators import sample_covariance
from quantray.data.synthetic import simulate_market
from quantray.distributed.cluster import connect
from quantray.features.returns import simple_returns
from quantray.portfolio.hrp import Distance, hrp_weights
from quantray.portfolio.hrp_large import hrp_large_weights
from quantray.research.executor import Serial
from quantray.research.terms import ClusterSettings

Method = Literal["large", "exact"]

DAYS, AFTER = 630, 126
REAL_SIZES = (400, 1000, 2000)
SIZES = (1000, 2000, 4000, 8000)
LARGEST = 20_000
ON_WORKERS = (20_000, 50_000)
SECONDS_ON_WORKERS = 25.0
LEAST_VOLATILITY = 0.05
"""Yearly; funds that hold cash would take most of every budget."""
SAME_WEIGHTS = 1e-9
MEMORY_SLOPE = 1.2


@dataclass(frozen=True, eq=False)
class Run:
    """One method on one set of returns."""

    weights: np.ndarray
    seconds: float
    peak_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="market store, or Parquet file with date, symbol, close, volume")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market")
    parser.add_argument("--cpus", type=int, default=2, help="Ray workers, of one thread each")
    parser.add_argument("--rounds", type=int, default=15, help=f"of {ON_WORKERS[0]:,} names on workers")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    about = machine()
    source = arguments.data or (str(REAL) if REAL.is_file() else None)
    print(f"HRP by single linkage from {DAYS} days of returns; one thread")
    print(describe(about))
    with tempfile.TemporaryDirectory() as folder:
        real = {} if source is None else real_returns(source, Path(folder))
        simulated = simulated_returns(arguments.seed, Path(folder))
        closeness = {n: closeness_on(path, n) for n, path in real.items()}
        cost = {n: cost_on(simulated, n) for n in (*SIZES, LARGEST)}
    print(shown_closeness(closeness))
    print(shown_cost(cost))
    spread, equal = cost_on_workers(arguments.seed, arguments.cpus, arguments.rounds)
    print(shown_on_workers(spread, arguments.cpus))
    slopes = {name: slopes_of(cost, name) for name in ("paper", "correlation", "exact paper")}
    same = all(values["difference"] <= SAME_WEIGHTS for by_name in closeness.values() for values in by_name.values())
    fast = spread[ON_WORKERS[0]]["paper"]["seconds"] <= SECONDS_ON_WORKERS
    linear = all(slopes[name]["memory"] <= MEMORY_SLOPE for name in ("paper", "correlation"))
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "days": DAYS,
        "data": None if source is None else Path(source).name,
        "seed": arguments.seed,
        "threads": 1,
        "workers": arguments.cpus,
        "on_workers": spread,
        "same_bytes_on_workers": equal,
        "real": closeness,
        "simulated": cost,
        "slopes_1000_to_8000": slopes,
        "targets": {
            "difference": SAME_WEIGHTS,
            "memory_slope": MEMORY_SLOPE,
            "seconds_on_workers": {ON_WORKERS[0]: SECONDS_ON_WORKERS},
        },
        "targets_reached": same and equal and linear and fast,
    }
    print(f"written: {write_line('bench_hrp_large', line).name}")
    word = "same weights" if same else "DIFFERENT weights"
    print(f"{word} on real data; slopes in time and memory: {slopes}")
    print(f"{ON_WORKERS[0]:,} names on workers: {'in time' if fast else 'MISSED'}, {SECONDS_ON_WORKERS:.0f} s at most")
    return 0 if same and equal and linear and fast else 1


def real_returns(source: str, folder: Path) -> dict[int, Path]:
    """Returns of the most traded names, saved by size."""
    frame = market_returns(source)
    values = frame.to_numpy()[-(DAYS + AFTER) :]
    values = values[:, values[:DAYS].std(axis=0) * np.sqrt(252) >= LEAST_VOLATILITY]
    sizes = [n for n in REAL_SIZES if n <= values.shape[1]]
    paths = {n: folder / f"real_{n}.npy" for n in sizes}
    for n, path in paths.items():
        np.save(path, values[:, :n])
    return paths


def simulated_returns(seed: int, folder: Path) -> Path:
    market = simulate_market(LARGEST, DAYS + AFTER + 1, seed=seed, listing_share=0.0, delisting_share=0.0)
    path = folder / "simulated.npy"
    np.save(path, simple_returns(market.panel.field("close"))[1:])
    return path


def closeness_on(path: Path, n: int) -> dict[str, dict[str, float]]:
    returns = np.load(path)
    out = {}
    for distance in ("paper", "correlation"):
        large, exact = (alone(path, n, method, distance) for method in ("large", "exact"))
        later = hrp_weights(sample_covariance(returns[1 : DAYS + 1]).matrix, distance=distance)
        volatility = [float((returns[DAYS:] @ w).std(ddof=1)) * np.sqrt(252) for w in (large.weights, exact.weights)]
        out[distance] = {
            "difference": float(np.abs(large.weights - exact.weights).sum()),
            "one_day_later": float(np.abs(later - exact.weights).sum()),
            "volatility": volatility[1],
            "volatility_difference": abs(volatility[0] - volatility[1]),
            "seconds": round(large.seconds, 3),
            "exact_seconds": round(exact.seconds, 3),
            "peak_mb": round(large.peak_mb, 1),
            "exact_peak_mb": round(exact.peak_mb, 1),
        }
    return out


def cost_on(path: Path, n: int) -> dict[str, dict[str, float]]:
    runs = {"paper": alone(path, n, "large", "paper"), "correlation": alone(path, n, "large", "correlation")}
    if n < LARGEST:
        runs["exact paper"] = alone(path, n, "exact", "paper")
    out = {name: {"seconds": round(run.seconds, 3), "peak_mb": round(run.peak_mb, 1)} for name, run in runs.items()}
    if n < LARGEST:
        difference = np.abs(runs["paper"].weights - runs["exact paper"].weights).sum()
        out["paper"]["difference"] = float(difference)
    return out


def cost_on_workers(seed: int, cpus: int, rounds: int) -> tuple[dict[int, dict[str, dict[str, float]]], bool]:
    """Seconds by the clock and of this process's processor, and whether the weights are those of one process."""
    room = 8 * 3 * DAYS * max(ON_WORKERS)
    out: dict[int, dict[str, dict[str, float]]] = {}
    with connect(ClusterSettings(kind="local", cpus=cpus), shared_bytes=room) as executor:
        # Workers import the package with their first block; and small returns are compared with one process.
        few = factor_returns(4000, seed)
        equal = all(
            np.array_equal(
                hrp_large_weights(few, distance=distance, workers=executor),
                hrp_large_weights(few, distance=distance, workers=Serial()),
            )
            for distance in ("paper", "correlation")
        )
        for n in ON_WORKERS:
            returns = factor_returns(n, seed)
            out[n] = {}
            for distance in ("paper", "correlation"):
                taken = []
                for _ in range(rounds if n == ON_WORKERS[0] else 1):
                    start, begun = time.perf_counter(), time.process_time()
                    hrp_large_weights(returns, distance=distance, workers=executor)
                    taken.append((time.perf_counter() - start, time.process_time() - begun))
                seconds, own = np.median(taken, axis=0)
                out[n][distance] = {
                    "seconds": round(float(seconds), 2),
                    "driver_cpu_seconds": round(float(own), 2),
                    "rounds": len(taken),
                    "floor_seconds": round(floor_seconds(n) / cpus, 2),
                }
    return out, equal


def floor_seconds(n: int) -> float:
    """Of the products of n assets with one another, each pair once, on one thread."""
    some = np.random.default_rng(0).normal(size=(2000, DAYS)).astype(np.float32)
    with threadpool_limits(limits=1):
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            some @ some[:1000].T
            taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * n * (n - 1) / 2 / (len(some) * 1000)


def factor_returns(n: int, seed: int) -> np.ndarray:
    """(DAYS, n) returns of 20 factors, the first of them a market, and specific ones."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(0.0, 0.3, (20, n))
    loadings[0] += 0.6
    returns = generator.normal(size=(DAYS, 20)) @ loadings + generator.normal(size=(DAYS, n))
    return returns * generator.uniform(0.005, 0.03, n)


def alone(path: Path, n: int, method: Method, distance: Distance) -> Run:
    """One run in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, path, n, method, distance).result()


def measured(path: Path, n: int, method: Method, distance: Distance) -> Run:
    returns = np.ascontiguousarray(np.load(path, mmap_mode="r")[:DAYS, :n])
    # Libraries load and start on something small, so that neither time nor memory counts them.
    weights_by(returns[:, :50], method, distance)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak counts from here on
    before, start = memory_mb("VmRSS"), time.perf_counter()
    weights = weights_by(returns, method, distance)
    return Run(weights, time.perf_counter() - start, memory_mb("VmHWM") - before)


def weights_by(returns: np.ndarray, method: Method, distance: Distance) -> np.ndarray:
    if method == "large":
        return hrp_large_weights(returns, distance=distance)
    return hrp_weights(sample_covariance(returns).matrix, distance=distance)


def memory_mb(name: str) -> float:
    """VmRSS, what this process holds, or VmHWM, the most it held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def slopes_of(cost: dict[int, dict[str, dict[str, float]]], name: str) -> dict[str, float]:
    """Log-log slopes of time and memory in the number of names."""
    size = np.log(SIZES)
    return {
        label: round(float(np.polyfit(size, np.log([max(cost[n][name][key], 1e-3) for n in SIZES]), 1)[0]), 2)
        for label, key in (("time", "seconds"), ("memory", "peak_mb"))
    }


def shown_closeness(closeness: dict[int, dict[str, dict[str, float]]]) -> str:
    rows = [
        [
            f"real, {n:,} names, {distance}",
            f"{values['difference']:.0e}",
            f"{values['one_day_later']:.3f}",
            f"{values['volatility']:.2%}",
            f"{values['volatility_difference']:.0e}",
            *(f"{values[key]:,.2f}" for key in ("seconds", "exact_seconds")),
            *(f"{values[key]:,.0f}" for key in ("peak_mb", "exact_peak_mb")),
        ]
        for n, by_distance in closeness.items()
        for distance, values in by_distance.items()
    ]
    titles = ["data", "sum |dw|", "in a day", "volatility", "differs by", "s", "exact s", "MB", "exact MB"]
    return table(titles, rows)


def shown_cost(cost: dict[int, dict[str, dict[str, float]]]) -> str:
    rows = []
    for n, runs in cost.items():
        cells = [
            f"{runs[name][key]:,.{digits}f}" if name in runs else "-"
            for key, digits in (("seconds", 2), ("peak_mb", 0))
            for name in ("paper", "correlation", "exact paper")
        ]
        difference = runs["paper"].get("difference")
        rows.append([f"simulated, {n:,} names", *cells, "-" if difference is None else f"{difference:.0e}"])
    titles = ["data", "paper s", "correlation s", "exact s", "paper MB", "correlation MB", "exact MB", "sum |dw|"]
    return table(titles, rows)


def shown_on_workers(spread: dict[int, dict[str, dict[str, float]]], cpus: int) -> str:
    keys = ("seconds", "floor_seconds", "driver_cpu_seconds")
    rows = [
        [f"{n:,} names, {distance}", *(f"{found[key]:,.1f}" for key in keys)]
        for n, by_distance in spread.items()
        for distance, found in by_distance.items()
    ]
    return table([f"on {cpus} workers", "s", "floor", "of the driver's processor"], rows)


if __name__ == "__main__":
    sys.exit(main())
