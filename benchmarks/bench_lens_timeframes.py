"""The five lenses on 5-minute, hourly, daily and weekly bars, beside the truth and beside each other.

Usage: python benchmarks/bench_lens_timeframes.py [--seeds 5] [--names 40] [--days 2520] [--intraday 250] [--first 0]

Simulated markets of four regimes, with bars of 5 minutes on their last days that agree with the daily ones. The truth
of a bar is the regime of the day on which it closes. Right is the share of bars with the true label, beside the base
rate, that of the commonest regime, which on a year of intraday bars is often the only one. Held is the share that is
right where every bar has the label of the last day that closed before it, and switch that of both on the days on which
the truth of the lens is another than the day before. The log score is the mean logarithm of the probability of the true
label, of the lens and, for bars within the day, of the days before alone. Agreement is the share of the finest bars on
which a timeframe names the regime that the last closed day does. Bars have no quotes. Settings were chosen on the
markets of seeds 100 to 104.
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
from _record import describe, machine, table, versions, write_line
from bench_regimes import TRUTH

from quantray.data.synthetic import simulate_intraday, simulate_market
from quantray.regimes.bars import TIMEFRAMES, Timeframe
from quantray.regimes.lens_timeframes import LENS_SETTINGS, timeframe_lenses
from quantray.regimes.path import RegimePath
from quantray.regimes.timeframes import on_finer, timeframe_bars

FIGURES = ("base", "right", "held", "switch", "held_switch", "log", "held_log", "agreement")
WITHIN: tuple[Timeframe, ...] = ("5min", "1hour")
LEAST = 1e-6
"""Probability that counts for less."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="markets")
    parser.add_argument("--names", type=int, default=40, help="assets")
    parser.add_argument("--days", type=int, default=2520, help="days of each market")
    parser.add_argument("--intraday", type=int, default=250, help="last days that have bars of 5 minutes")
    parser.add_argument("--first", type=int, default=0, help="seed of the first market")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    size = vars(arguments)
    print(", ".join(f"{name} {value}" for name, value in size.items()))
    found: dict[str, list[float]] = defaultdict(list)
    start = time.process_time()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for key, value in one_market(seed, arguments.names, arguments.days, arguments.intraday).items():
            found[key].append(value)
    spent = time.process_time() - start
    means = {key: round(float(np.nanmean(values)), 3) for key, values in found.items()}
    rows = [
        [f"{lens}, {frame}", *(f"{means[f'{lens} {frame} {what}']:.3f}" for what in FIGURES)]
        for lens in TRUTH
        for frame in TIMEFRAMES
    ]
    print(
        "\n"
        + table(
            ["lens", "base rate", "right", "held", "right, switch", "held, switch", "log score", "held", "as days say"],
            rows,
        )
    )
    content = {"machine": about, "versions": versions(), **size, "figures": means, "cpu_seconds": round(spent, 1)}
    print(f"\n{write_line('bench_lens_timeframes', content)}")
    return 0


def one_market(seed: int, names: int, days: int, intraday: int) -> dict[str, float]:
    market = simulate_market(names, days, seed=seed)
    sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    bars = timeframe_bars(simulate_intraday(market, intraday, seed=seed), market.panel)
    seen = timeframe_lenses(bars, sectors)
    # Bars that are never learnt from leave what the days before tell.
    never = {name: replace(LENS_SETTINGS[name], warmup=10**9, memory=10**9) for name in WITHIN}
    unmoved = timeframe_lenses(bars, sectors, {**LENS_SETTINGS, **never}).lenses
    out = {}
    for lens, labels in TRUTH.items():
        agreement = seen.agreement(lens)[:, TIMEFRAMES.index("1day")]
        for place, frame in enumerate(TIMEFRAMES):
            path = getattr(seen.lenses[frame], lens).path
            row = np.searchsorted(market.panel.dates, bars[frame].sessions)
            truth, known = np.array(labels)[market.truth.regimes[row]], path.known
            held = on_finer(getattr(seen.lenses["1day"], lens).path, path.dates - np.timedelta64(1, "m")).labels
            switched = known & (np.array(labels)[market.truth.regimes[np.maximum(row - 1, 0)]] != truth)
            of = {
                "base": float(np.bincount(truth[known]).max() / known.sum()),
                "right": share(path.labels == truth, known),
                "held": share(held == truth, known),
                "switch": share(path.labels == truth, switched),
                "held_switch": share(held == truth, switched),
                "log": log_score(path, truth),
                "held_log": log_score(getattr(unmoved[frame], lens).path, truth) if frame in WITHIN else float("nan"),
                "agreement": float(agreement[place]),
            }
            out |= {f"{lens} {frame} {name}": value for name, value in of.items()}
    return out


def log_score(path: RegimePath, truth: np.ndarray) -> float:
    chances = path.probabilities[np.arange(len(truth)), truth][path.known]
    return float(np.log(np.maximum(chances, LEAST)).mean())


def share(right: np.ndarray, among: np.ndarray) -> float:
    """Of some rows; NaN of none."""
    return float(right[among].mean()) if among.any() else float("nan")


if __name__ == "__main__":
    sys.exit(main())
