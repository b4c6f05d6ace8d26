"""From 2,000 trades to child orders: selected, scheduled, sliced and routed, as columns and as a flat table.

Usage: python benchmarks/bench_schedule.py [--orders 2000] [--slices 8] [--seed 0]

Trades of half a percent to nine percent of a day's volume are given to VWAP and to Almgren-Chriss by the rules that are
the default, beside the expected cost and risk of all five algorithms. Slices are 8 for each order; a child is what one
slice sends to one venue, so there are several for each slice. Exit code 1 when the target is missed.
"""

import argparse
import sys
import time

import numpy as np
from _record import describe, machine, seconds, table, versions, write_line

from quantray.execution.impact import square_root_impact
from quantray.execution.orders import ALGORITHMS
from quantray.execution.plan import plan_execution
from quantray.execution.trade_list import PlanTerms, TradeList
from quantray.execution.venues import VENUES, named_venues

TARGET_SECONDS = 0.2
DAY = "2024-03-15"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    trades = simulated(arguments.orders, arguments.seed)
    print(f"{arguments.orders:,} orders in {arguments.slices} slices; seed {arguments.seed}")
    print(describe(about))
    # The first plan of a process makes the calendar of the exchange, which the others share.
    start = time.perf_counter()
    plan_execution(trades, DAY)
    first = time.perf_counter() - start
    rows, results = [], {}
    for name, venues in (("one venue", named_venues(["NYSE"])), ("six venues", VENUES)):
        # A venue alone takes all that is traded, so that it may take every slice.
        alone = tuple(venue if len(venues) > 1 else type(venue)(name=venue.name, liquidity=1.0) for venue in venues)
        terms = PlanTerms(slices=arguments.slices, venues=alone)
        plan = plan_execution(trades, DAY, terms)
        spent = seconds(lambda terms=terms: plan_execution(trades, DAY, terms).children.table(), repeats=7)
        counts = np.bincount(plan.selection.algorithm, minlength=len(ALGORITHMS))
        results[name] = {
            "children": len(plan.children),
            "seconds": round(spent, 5),
            "algorithms": {a: int(n) for a, n in zip(ALGORITHMS, counts, strict=True) if n},
        }
        rows.append([name, f"{len(plan.children):,}", f"{spent * 1e3:.1f} ms"])
    print(table(["routed to", "children", "time"], rows))
    print(f"the first plan of the process: {first * 1e3:.0f} ms")
    reached = all(result["seconds"] <= TARGET_SECONDS for result in results.values())
    line = {
        "machine": about,
        "versions": versions("numpy", "pyarrow"),
        "seed": arguments.seed,
        "orders": arguments.orders,
        "slices": arguments.slices,
        "results": results,
        "first_seconds": round(first, 4),
        "target_seconds": TARGET_SECONDS,
        "target_reached": reached,
    }
    print(f"written: {write_line('bench_schedule', line).name}")
    return 0 if reached else 1


def simulated(n_orders: int, seed: int) -> TradeList:
    """Trades of names whose volume, volatility, spread and price vary."""
    rng = np.random.default_rng(seed)
    adv = rng.lognormal(14, 1, n_orders)
    impact = square_root_impact(adv, rng.uniform(0.01, 0.03, n_orders), rng.uniform(2, 15, n_orders))
    shares = np.trunc(adv * rng.uniform(0.005, 0.09, n_orders)).astype(np.int64) * rng.choice([-1, 1], n_orders)
    return TradeList(
        symbols=np.array([f"S{i:04d}" for i in range(n_orders)]),
        shares=shares,
        price=rng.uniform(10, 200, n_orders),
        impact=impact,
    )


if __name__ == "__main__":
    sys.exit(main())
