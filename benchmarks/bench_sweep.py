"""The batched moving-average sweep against vectorbt, and against the least that any method must do.

66 pairs of averages on 100 names and 2,500 days, 5 bp of fees, one account per pair and name. vectorbt simulates each
account with its own ``Portfolio.from_signals`` (all cash in at the close that gives the signal, fees on the money
traded); quantray does the same at lag 0, so the Sharpe ratios must agree to 1e-6. Both run on one thread; vectorbt is
compiled before it is measured. The floor is the comparison of two lines per cell, in the same blocks, and besides
the bytes of prices and results at the bandwidth of memory. Exit code 1 when a target is missed or the Sharpe ratios
disagree.
"""

import argparse
import itertools
import sys
import warnings

import numpy as np
import pandas as pd
import vectorbt
from _record import describe, machine, seconds, table, versions, write_line

from quantray.backtest.crosses import cross_sweep, moving_averages
from quantray.data.synthetic import simulate_market

WINDOWS = np.array([5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200])
PAIRS = np.array(list(itertools.combinations(range(len(WINDOWS)), 2)))
NAMES, DAYS, FEE_BPS = 100, 2500, 5.0
CELLS = len(PAIRS) * NAMES * DAYS
FASTER_THAN_VECTORBT = 7.0
CELLS_PER_SECOND = 20e6
SAME_SHARPE = 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of vectorbt, each beside ten of quantray")
    arguments = parser.parse_args()
    # vectorbt warns about conventions of pandas and numpy; none of it concerns the measurement.
    warnings.simplefilter("ignore")
    about = machine()
    print(f"moving-average cross: {len(PAIRS)} pairs, {NAMES} names, {DAYS:,} days, {CELLS / 1e6:.1f} million cells")
    print(f"simulated market, seed {arguments.seed}; {FEE_BPS:g} bp of fees; one thread")
    print(describe(about))
    market = simulate_market(NAMES, DAYS, seed=arguments.seed, listing_share=0.0, delisting_share=0.0)
    close, frame = market.panel.field("close"), market.panel.to_frame("close")
    theirs = vectorbt_sharpe(frame)
    difference = float(np.abs(quantray_sharpe(close) - theirs).max())
    times = measure(close, frame, arguments.rounds)
    rates = {name: CELLS / times[name] for name in ("quantray", "vectorbt")}
    ratios = {"vectorbt": times["vectorbt"] / times["quantray"], "floor": times["quantray"] / times["comparisons"]}
    reached = ratios["vectorbt"] >= FASTER_THAN_VECTORBT and rates["quantray"] >= CELLS_PER_SECOND
    same = difference <= SAME_SHARPE
    print(shown(times))
    line = {
        "machine": about,
        "versions": versions("numpy", "numba", "pandas", "vectorbt"),
        "seed": arguments.seed,
        "pairs": len(PAIRS),
        "names": NAMES,
        "days": DAYS,
        "fee_bps": FEE_BPS,
        "seconds": {name: round(value, 6) for name, value in times.items()},
        "cells_per_second": {name: round(value) for name, value in rates.items()},
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
        "targets": {"vectorbt": FASTER_THAN_VECTORBT, "cells_per_second": CELLS_PER_SECOND},
        "targets_reached": reached,
        "largest_difference_of_sharpe": difference,
        "same_sharpe": same,
    }
    print(f"written: {write_line('bench_sweep', line).name}")
    if not same:
        print(f"FAILED: Sharpe ratios differ from vectorbt's by {difference:.0e}", file=sys.stderr)
        return 1
    word = "reached" if reached else "MISSED"
    print(
        f"targets {word}: {rates['quantray'] / 1e6:,.0f} million cells a second (at least "
        f"{CELLS_PER_SECOND / 1e6:.0f}), {ratios['vectorbt']:.0f} times vectorbt (at least {FASTER_THAN_VECTORBT:.0f}"
        f"), {ratios['floor']:.1f} times the comparisons alone; Sharpe ratios differ by at most {difference:.0e}"
    )
    return 0 if reached else 1


def quantray_sharpe(close: np.ndarray) -> np.ndarray:
    """(66, 100) Sharpe ratios, from prices."""
    return cross_sweep(moving_averages(close, WINDOWS), PAIRS, close, costs_bps=FEE_BPS, lag=0).name_sharpe


def vectorbt_sharpe(frame: pd.DataFrame) -> np.ndarray:
    """(66, 100) Sharpe ratios, from prices."""
    fast, slow = vectorbt.MA.run_combs(frame, window=WINDOWS.tolist(), r=2, short_names=["fast", "slow"])
    portfolio = vectorbt.Portfolio.from_signals(
        frame, fast.ma_above(slow), fast.ma_below(slow), fees=FEE_BPS * 1e-4, freq="1D"
    )
    return portfolio.sharpe_ratio(year_freq="252 days").to_numpy().reshape(len(PAIRS), NAMES)


def measure(close: np.ndarray, frame: pd.DataFrame, rounds: int) -> dict[str, float]:
    """Seconds by method, the best of several rounds through all of them."""
    times: dict[str, float] = {}
    bank = moving_averages(close, WINDOWS)
    for _ in range(rounds):
        found = {
            "quantray": seconds(lambda: quantray_sharpe(close), repeats=10),
            "averages": seconds(lambda: moving_averages(close, WINDOWS), repeats=10),
            "comparisons": seconds(lambda: comparisons(bank), repeats=10),
            "memory": memory_seconds(2 * close.nbytes + len(PAIRS) * (NAMES + DAYS) * 8),
            "vectorbt": seconds(lambda: vectorbt_sharpe(frame)),
        }
        times = {name: min(value, times.get(name, value)) for name, value in found.items()}
    return times


def comparisons(bank: np.ndarray, block: int = 32) -> None:
    """One comparison per cell, in blocks of names: what no method can do without."""
    held = np.empty((block, bank.shape[2]), dtype=np.bool_)
    for start in range(0, len(bank), block):
        lines = bank[start : start + block]
        for above, below in PAIRS.tolist():
            np.greater(lines[:, above], lines[:, below], out=held[: len(lines)])


def memory_seconds(n_bytes: int) -> float:
    """Seconds to move so many bytes at the bandwidth of a large copy."""
    source = np.ones(2**24)
    target = np.empty_like(source)
    return n_bytes * seconds(lambda: np.copyto(target, source), repeats=5) / (2 * source.nbytes)


def shown(times: dict[str, float]) -> str:
    names = {
        "quantray": "quantray, prices to Sharpe ratios",
        "averages": "  of it the averages",
        "vectorbt": "vectorbt, prices to Sharpe ratios",
        "comparisons": "floor: the comparisons alone",
        "memory": "floor: prices and results through memory",
    }
    rows = [
        [
            label,
            f"{times[name] * 1e3:,.1f}",
            f"{CELLS / times[name] / 1e6:,.1f}",
            f"{times['vectorbt'] / times[name]:,.0f}x",
        ]
        for name, label in names.items()
    ]
    return table(["work", "ms", "million cells/s", "vs vectorbt"], rows)


if __name__ == "__main__":
    sys.exit(main())
