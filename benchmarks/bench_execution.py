"""Schedules worked on 10,000 simulated paths against what the model expects of them.

The order of Almgren and Chriss (2000): a million shares in five days, worked evenly, at once, and by their schedule at
three risk aversions. For each, the mean and the standard deviation of the realised cost beside the model's, in standard
errors; and by how much each schedule misses the efficient frontier at its own risk. In the simulated market a slice
pays half of what itself moves the price by for good, which their discrete model leaves out; it is added to its cost.

Usage: python benchmarks/bench_execution.py [--paths 10000] [--slices 20]
"""

import argparse
import time

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.execution.almgren_chriss import cost_and_risk, efficient_frontier, optimal_trajectory, trading_terms
from quantray.execution.impact import linear_impact
from quantray.execution.simulate import execute, simulated_market

SHARES, DAYS, PRICE = 1e6, 5.0, 50.0
IMPACT = linear_impact(5e6, 0.95 / PRICE, 1e4 * 0.125 / PRICE)
AVERSIONS = (1e-7, 1e-6, 5e-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about, terms, n = machine(), trading_terms(IMPACT, PRICE), arguments.slices
    at_once = np.zeros(n)
    at_once[0] = SHARES
    schedules = {"evenly (TWAP)": np.full(n, SHARES / n), "at once": at_once}
    for aversion in AVERSIONS:
        found = optimal_trajectory(SHARES, terms, days=DAYS, slices=n, risk_aversion=aversion)
        schedules[f"AC at {aversion:g}"] = -np.diff(found.holdings)
    begun = time.perf_counter()
    market = simulated_market(
        PRICE, 0.95 / PRICE, n_intervals=n, interval_days=DAYS / n, n_paths=arguments.paths, seed=arguments.seed
    )
    rows = {name: compared(slices, terms, market) for name, slices in schedules.items()}
    taken = time.perf_counter() - begun
    wide = efficient_frontier(SHARES, terms, np.geomspace(1e-9, 1e-3, 400), days=DAYS, slices=n)
    for row in rows.values():
        # What the frontier costs at the schedule's own risk.
        best = np.interp(row["deviation"], wide.deviations[::-1], wide.costs[::-1])
        row["beyond"] = row["expected"] - best
    print(describe(about))
    titles = ["schedule", "expected", "mean", "errors", "deviation", "realised", "errors", "beyond the frontier"]
    keys = ("expected", "mean", "mean_errors", "deviation", "realised", "deviation_errors", "beyond")
    print(table(titles, [[name, *(f"{row[k]:,.1f}" for k in keys)] for name, row in rows.items()]))
    print(f"{arguments.paths:,} paths of {n} slices, {len(rows)} schedules: {taken:.2f} s")
    write_line("bench_execution", {"machine": about, "versions": versions("numpy"), **vars(arguments), **rows})
    wrong = [name for name, r in rows.items() if abs(r["mean_errors"]) > 4 or abs(r["deviation_errors"]) > 4]
    cheaper = [name for name, r in rows.items() if r["beyond"] < -1e-3 * SHARES]
    if wrong or cheaper:
        raise SystemExit(f"the model misses {wrong}, and {cheaper} beat the frontier")


def compared(slices: np.ndarray, terms: object, market: object) -> dict[str, float]:
    """Model and simulation of one schedule; errors in standard errors of so many paths."""
    model = cost_and_risk(slices, terms, days=DAYS)  # type: ignore[arg-type]
    own = IMPACT.permanent.item() * PRICE / IMPACT.adv.item() / 2 * (slices**2).sum()
    expected, deviation = float(model.cost), float(np.sqrt(model.variance))
    # The paper's seller is a seller here, too.
    costs = execute(-slices, market, IMPACT).cost  # type: ignore[arg-type]
    n = len(costs)
    error = max(deviation, 1e-9) / np.sqrt(n)
    spread = max(deviation, 1e-9) / np.sqrt(2 * n)
    return {
        "expected": expected,
        "mean": float(costs.mean() - own),
        "mean_errors": float((costs.mean() - own - expected) / error) if deviation > 1 else 0.0,
        "deviation": deviation,
        "realised": float(costs.std()),
        "deviation_errors": float((costs.std() - deviation) / spread) if deviation > 1 else 0.0,
    }


if __name__ == "__main__":
    main()
