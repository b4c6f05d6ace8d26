"""The five lenses on 5-minute, hourly, daily and weekly bars, beside the truth and beside each other.

Usage: python benchmarks/bench_lens_timeframes.py [--seeds 5] [--names 40] [--days 2520] [--intraday 250]

Simulated markets of four regimes, with bars of 5 minutes on their last days that agree with the daily ones. The truth
of a bar is the regime of the day on which it closes. Right is the share of bars with the true label, beside the base
rate, that of the commonest regime, which on a year of intraday bars is often the only one. Agreement is the share of
the finest bars on which a timeframe names the regime that the daily bars do. Bars have no quotes.
"""

import argparse
import sys
import time
from collections import defaultdict

import numpy as np
from _record import describe, machine, table, versions, write_line
from bench_regimes import TRUTH

from quantray.data.synthetic import simulate_intraday, simulate_market
from quantray.regimes.bars import TIMEFRAMES
from quantray.regimes.lens_timeframes import timeframe_lenses
from quantray.regimes.timeframes import timeframe_bars


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="markets")
    parser.add_argument("--names", type=int, default=40, help="assets")
    parser.add_argument("--days", type=int, default=2520, help="days of each market")
    parser.add_argument("--intraday", type=int, default=250, help="last days that have bars of 5 minutes")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    size = vars(arguments)
    print(", ".join(f"{name} {value}" for name, value in size.items()))
    found: dict[str, list[float]] = defaultdict(list)
    start = time.process_time()
    for seed in range(arguments.seeds):
        for key, value in one_market(seed, arguments.names, arguments.days, arguments.intraday).items():
            found[key].append(value)
    spent = time.process_time() - start
    means = {key: round(float(np.nanmean(values)), 3) for key, values in found.items()}
    rows = [
        [f"{lens}, {frame}", *(f"{means[f'{lens} {frame} {what}']:.3f}" for what in ("base", "right", "agreement"))]
        for lens in TRUTH
        for frame in TIMEFRAMES
    ]
    print("\n" + table(["lens", "base rate", "right", "as days say"], rows))
    content = {"machine": about, "versions": versions(), **size, "figures": means, "cpu_seconds": round(spent, 1)}
    print(f"\n{write_line('bench_lens_timeframes', content)}")
    return 0


def one_market(seed: int, names: int, days: int, intraday: int) -> dict[str, float]:
    market = simulate_market(names, days, seed=seed)
    sectors = dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    bars = timeframe_bars(simulate_intraday(market, intraday, seed=seed), market.panel)
    seen = timeframe_lenses(bars, sectors)
    out = {}
    for lens, labels in TRUTH.items():
        agreement = seen.agreement(lens)[:, TIMEFRAMES.index("1day")]
        for place, frame in enumerate(TIMEFRAMES):
            path = getattr(seen.lenses[frame], lens).path
            row = np.searchsorted(market.panel.dates, bars[frame].sessions)
            truth, known = np.array(labels)[market.truth.regimes[row]], path.known
            out[f"{lens} {frame} base"] = float(np.bincount(truth[known]).max() / known.sum())
            out[f"{lens} {frame} right"] = float((path.labels == truth)[known].mean())
            out[f"{lens} {frame} agreement"] = float(agreement[place])
    return out


if __name__ == "__main__":
    sys.exit(main())
