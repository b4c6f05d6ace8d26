"""The batched moving-average sweep against vectorbt, and against the least that any method must do.

66 pairs of averages on 100 names and 2,500 days, 5 bp of fees, one account per pair and name. vectorbt simulates each
account with its own ``Portfolio.from_signals`` (all cash in at the close that gives the signal, fees on the money
traded); quantray does the same at lag 0, so the Sharpe ratios must agree to 1e-6. Both run on one thread; vectorbt is
compiled before it is measured, and comes last, as the memory that it leaves behind slows down what follows. Numbers are
medians of processor time, of 15 rounds through all but vectorbt and of three for that.

The floor is the comparison of two lines per cell, from the processor's cache, with the averages' own arithmetic: a
difference, a quotient and a sum per name, day and window; beside it stand the bytes of prices and results at the
bandwidth of memory. Exit code 1 when a target is missed or the Sharpe ratios disagree.

``pip install vectorbt`` before running this (its licence keeps it out of the dependencies); without it quantray is
measured against the floor alone.
"""

import argparse
import itertools
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pandas as pd
from _record import describe, machine, seconds, table, versions, write_line

from quantray.backtest.crosses import cross_sweep, moving_averages
from quantray.data.synthetic import simulate_market

WINDOWS = np.array([5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200])
PAIRS = np.array(list(itertools.combinations(range(len(WINDOWS)), 2)))
NAMES, DAYS, FEE_BPS = 100, 2500, 5.0
CELLS = len(PAIRS) * NAMES * DAYS
FASTER_THAN_VECTORBT = 7.0
CELLS_PER_SECOND = 400e6
SAME_SHARPE = 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market")
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each but vectorbt, in turn")
    parser.add_argument("--peer-rounds", type=int, default=3, help="measurements of vectorbt")
    arguments = parser.parse_args()
    # vectorbt warns about conventions of pandas and numpy; none of it concerns the measurement.
    warnings.simplefilter("ignore")
    about, peer = machine(), find_spec("vectorbt") is not None
    print(f"moving-average cross: {len(PAIRS)} pairs, {NAMES} names, {DAYS:,} days, {CELLS / 1e6:.1f} million cells")
    print(f"simulated market, seed {arguments.seed}; {FEE_BPS:g} bp of fees; one thread")
    print(describe(about))
    market = simulate_market(NAMES, DAYS, seed=arguments.seed, listing_share=0.0, delisting_share=0.0)
    close, frame = market.panel.field("close"), market.panel.to_frame("close")
    times, difference = measure(close, arguments.rounds), None
    if peer:
        difference = float(np.abs(quantray_sharpe(close) - vectorbt_sharpe(frame)).max())
        times["vectorbt"] = median_seconds({"vectorbt": lambda: vectorbt_sharpe(frame)}, arguments.peer_rounds)[
            "vectorbt"
        ]
    rates = {name: CELLS / times[name] for name in ("quantray", "vectorbt") if name in times}
    ratios = {"floor": times["quantray"] / times["floor"]}
    if peer:
        ratios["vectorbt"] = times["vectorbt"] / times["quantray"]
    reached = ratios.get("vectorbt", np.inf) >= FASTER_THAN_VECTORBT and rates["quantray"] >= CELLS_PER_SECOND
    same = difference is None or difference <= SAME_SHARPE
    print(shown(times))
    line = {
        "machine": about,
        "versions": versions("numpy", "pandas", *(["numba", "vectorbt"] if peer else [])),
        "seed": arguments.seed,
        "pairs": len(PAIRS),
        "names": NAMES,
        "days": DAYS,
        "fee_bps": FEE_BPS,
        "rounds": arguments.rounds,
        "seconds": {name: round(value, 6) for name, value in times.items()},
        "cells_per_second": {name: round(value) for name, value in rates.items()},
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
        "targets": {"vectorbt": FASTER_THAN_VECTORBT, "cells_per_second": CELLS_PER_SECOND},
        "targets_reached": reached,
        "largest_difference_of_sharpe": difference,
        "same_sharpe": same if peer else None,
    }
    print(f"written: {write_line('bench_sweep', line).name}")
    if not same:
        print(f"FAILED: Sharpe ratios differ from vectorbt's by {difference:.0e}", file=sys.stderr)
        return 1
    word = "reached" if reached else "MISSED"
    print(
        f"targets {word}: {rates['quantray'] / 1e6:,.0f} million cells a second (at least "
        f"{CELLS_PER_SECOND / 1e6:.0f}), {ratios['floor']:.1f} times the floor"
        + (f", {ratios['vectorbt']:.0f} times vectorbt (at least {FASTER_THAN_VECTORBT:.0f})" if peer else "")
    )
    return 0 if reached else 1


def quantray_sharpe(close: np.ndarray) -> np.ndarray:
    """(66, 100) Sharpe ratios, from prices."""
    return cross_sweep(moving_averages(close, WINDOWS), PAIRS, close, costs_bps=FEE_BPS, lag=0).name_sharpe


def vectorbt_sharpe(frame: pd.DataFrame) -> np.ndarray:
    """(66, 100) Sharpe ratios, from prices."""
    import vectorbt  # noqa: PLC0415  (optional)

    fast, slow = vectorbt.MA.run_combs(frame, window=WINDOWS.tolist(), r=2, short_names=["fast", "slow"])
    portfolio = vectorbt.Portfolio.from_signals(
        frame, fast.ma_above(slow), fast.ma_below(slow), fees=FEE_BPS * 1e-4, freq="1D"
    )
    return portfolio.sharpe_ratio(year_freq="252 days").to_numpy().reshape(len(PAIRS), NAMES)


def measure(close: np.ndarray, rounds: int) -> dict[str, float]:
    """Seconds by method, all but vectorbt."""
    bank = moving_averages(close, WINDOWS)
    work = {
        "quantray": lambda: quantray_sharpe(close),
        "averages": lambda: moving_averages(close, WINDOWS),
        "comparisons": lambda: comparisons(bank),
        "lines": lambda: lines(bank),
    }
    times = median_seconds(work, rounds)
    times["floor"] = times["comparisons"] + times["lines"]
    times["memory"] = memory_seconds(2 * close.nbytes + len(PAIRS) * (NAMES + DAYS) * 8)
    return times


def median_seconds(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor time of each, the median of several rounds through all of them."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, each in work.items():
            start = time.process_time()
            each()
            taken[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in taken.items()}


def comparisons(bank: np.ndarray, days: int = 2**12) -> None:
    """One comparison per cell, from lines that lie in the cache: what no method can do without."""
    tile = np.ascontiguousarray(bank.transpose(1, 0, 2).reshape(len(WINDOWS), -1)[:, :days])
    held = np.empty(days, dtype=np.bool_)
    for _ in range(NAMES * DAYS // days):
        for above, below in PAIRS.tolist():
            np.greater(tile[above], tile[below], out=held)


def lines(bank: np.ndarray, names: int = 8) -> None:
    """A difference, a quotient and a sum per name, day and window."""
    line = np.empty((names, DAYS))
    for start in range(0, NAMES, names):
        some = bank[start : start + names]
        for k in range(len(WINDOWS)):
            out = line[: len(some)]
            np.subtract(some[:, k], 1.0, out=out)
            out /= 5
            out += 1.0


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
        "floor": "floor: comparisons and averages",
        "comparisons": "  of it the comparisons",
        "memory": "floor: prices and results through memory",
    }
    rows = [
        [
            label,
            f"{times[name] * 1e3:,.1f}",
            f"{CELLS / times[name] / 1e6:,.1f}",
            f"{times[name] / times['floor']:,.2f}x",
        ]
        for name, label in names.items()
        if name in times
    ]
    return table(["work", "ms", "million cells/s", "of the floor"], rows)


if __name__ == "__main__":
    sys.exit(main())
