"""Hierarchical risk parity from returns to weights: quantray, its peers, and the floor under them all.

Usage: python benchmarks/bench_hrp.py [--data STORE_OR_PARQUET] [--seed 0]

The floor is what no implementation of this method can leave out: the correlation product and scipy's single linkage.
Turning correlations into condensed distances is stated beside it, and is not part of it. PyPortfolioOpt clusters as
quantray does, by single linkage on the correlation distance, so their weights must agree; skfolio runs with its own
defaults, which cluster by Ward's method. Exit code 1 when a target is missed or the weights disagree.
"""

import argparse
import sys
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

SIZES = (400, 1000, 1900)
DAYS = 756
FASTER_THAN_PEERS = 30.0
TIMES_THE_FLOOR = 2.5
SAME_WEIGHTS = 1e-10

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
    ratios = {n: ratios_of(times) for n, times in results.items()}
    checked = largest == SIZES[-1]
    reached = ratios[largest]["fastest_peer"] >= FASTER_THAN_PEERS and ratios[largest]["floor"] <= TIMES_THE_FLOOR
    differences = {n: times.pop("difference") for n, times in results.items()}
    same = all(difference <= SAME_WEIGHTS for difference in differences.values())
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "pandas", "pyportfolioopt", "skfolio"),
        "data": data,
        "seed": arguments.seed if source is None else None,
        "days": DAYS,
        "seconds": rounded(results, 6),
        "ratios": rounded(ratios, 3),
        "targets": {"names": SIZES[-1], "fastest_peer": FASTER_THAN_PEERS, "floor": TIMES_THE_FLOOR},
        "targets_reached": reached if checked else None,
        "largest_difference_from_pyportfolioopt": differences,
        "same_weights_as_pyportfolioopt": same,
    }
    print(f"written: {write_line('bench_hrp', line).name}")
    return verdict(ratios[largest], checked=checked, reached=reached, same=same)


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
    """(756, 1900) simple returns of a synthetic market."""
    market = simulate_market(SIZES[-1], DAYS + 1, seed=seed, listing_share=0.0, delisting_share=0.0)
    close = market.panel.to_frame("close")
    return (close / close.shift() - 1).iloc[1:]


def measure(frame: pd.DataFrame) -> dict[str, float]:
    """Seconds by method, best of several runs, and the largest difference of weights from PyPortfolioOpt's."""
    values = np.ascontiguousarray(frame.to_numpy())
    quick: dict[str, Callable[[], object]] = {
        "quantray": lambda: quantray_weights(values, "correlation"),
        "quantray_paper": lambda: quantray_weights(values, "paper"),
        "floor_correlation": lambda: np.corrcoef(values, rowvar=False),
    }
    correlation = np.corrcoef(values, rowvar=False)
    distances = condensed(correlation)
    quick["floor_linkage"] = lambda: linkage(distances, method="single")
    quick["conversion"] = lambda: condensed(correlation)
    # Round after round through all of them, so that a disturbance does not hit one alone.
    times = dict.fromkeys(quick, float("inf"))
    for _ in range(15):
        for name, work in quick.items():
            times[name] = min(times[name], seconds(work))
    times["floor"] = times["floor_correlation"] + times["floor_linkage"]
    repeats = 3 if len(frame.columns) <= 1000 else 1
    times["pyportfolioopt"] = seconds(lambda: HRPOpt(frame).optimize(), repeats=max(2, repeats))
    times["skfolio"] = seconds(lambda: HierarchicalRiskParity().fit(frame), repeats=repeats)
    theirs = pd.Series(HRPOpt(frame).optimize())[frame.columns].to_numpy()
    times["difference"] = float(np.abs(quantray_weights(values, "correlation") - theirs).max())
    return times


def quantray_weights(values: np.ndarray, distance: Distance) -> np.ndarray:
    return hrp_weights(sample_covariance(values).matrix, distance=distance)


def condensed(correlation: np.ndarray) -> np.ndarray:
    distance = np.sqrt(np.clip((1 - correlation) / 2, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    return squareform(distance, checks=False)


def ratios_of(times: dict[str, float]) -> dict[str, float]:
    """How many times faster than each peer, and how many times the floor."""
    own = times["quantray"]
    peers = {name: times[name] / own for name in ("pyportfolioopt", "skfolio")}
    return peers | {"fastest_peer": min(peers.values()), "floor": own / times["floor"]}


def rounded(results: dict[int, dict[str, float]], digits: int) -> dict[int, dict[str, float]]:
    return {n: {name: round(value, digits) for name, value in values.items()} for n, values in results.items()}


def shown(results: dict[int, dict[str, float]]) -> str:
    rows = []
    for n, times in results.items():
        ratio = ratios_of(times)
        rows.append(
            [
                f"{n:,} names",
                *(f"{times[name] * 1e3:,.1f}" for name in ("quantray", "quantray_paper", "floor", "conversion")),
                *(f"{times[name]:,.2f}" for name in ("pyportfolioopt", "skfolio")),
                f"{ratio['fastest_peer']:,.0f}x",
                f"{ratio['floor']:.2f}x",
                f"{times['difference']:.0e}",
            ]
        )
    titles = ["size", "quantray ms", "paper ms", "floor ms", "conversion ms", "PyPortfolioOpt s", "skfolio s"]
    return table([*titles, "vs fastest peer", "vs floor", "weights differ by"], rows)


def verdict(ratios: dict[str, float], *, checked: bool, reached: bool, same: bool) -> int:
    if not same:
        print(f"FAILED: weights differ from PyPortfolioOpt's by more than {SAME_WEIGHTS:.0e}", file=sys.stderr)
        return 1
    if not checked:
        print(f"targets not checked: they hold for {SIZES[-1]:,} names, and the data has fewer")
        return 0
    word = "reached" if reached else "MISSED"
    print(
        f"targets at {SIZES[-1]:,} names {word}: {ratios['fastest_peer']:.0f} times faster than the fastest peer "
        f"(at least {FASTER_THAN_PEERS:.0f}), {ratios['floor']:.2f} times the floor (at most {TIMES_THE_FLOOR})"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
