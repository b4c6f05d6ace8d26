"""Several periods at once: time against names and periods, and beside Clarabel on the same problem.

Usage: python benchmarks/bench_multi_period.py [--names 2000] [--periods 10] [--factors 20] [--seed 0]

The problems: a basket of orders to buy and to sell that is done in the last period (risk, spread, impact, caps on
participation, money within 5 %), with 3/2 and with quadratic impact, and a fully invested portfolio on alpha that
fades. Clarabel gets them through cvxpy; its seconds are the solver's own, without cvxpy. All of it runs on one thread.
cvxportfolio's MultiPeriodOptimization is left out: it is under the GPL and not installed, and it states its problems to
cvxpy, which is what is measured here. Exit code 1 when the basket takes longer than the target or objectives are apart.
"""

import argparse
import sys
import time

import numpy as np
from _horizons import basket, by_clarabel, fading
from _record import describe, machine, seconds, table, versions, write_line
from threadpoolctl import threadpool_limits

from quantray.portfolio.horizon_problem import HorizonProblem
from quantray.portfolio.horizon_solver import solve_horizon

NAMES = (250, 500, 1000, 2000, 4000)
PERIODS = (2, 5, 10, 20, 40)
TARGET_SECONDS = 1.0
ACCURACY = 1e-6
REPEATS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--periods", type=int, default=10)
    parser.add_argument("--factors", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about, size = machine(), (arguments.names, arguments.periods, arguments.factors, arguments.seed)
    print(f"{arguments.names:,} names, {arguments.periods} periods, {arguments.factors} factors, seed {arguments.seed}")
    print(describe(about))
    with threadpool_limits(limits=1):
        compared = {
            "basket, 3/2 impact": compare(basket(*size, power=True)),
            "basket, quadratic impact": compare(basket(*size, power=False)),
            "fading alpha, 3/2 impact": compare(fading(*size)),
        }
        by_names = {
            n: timed(basket(n, arguments.periods, arguments.factors, arguments.seed, power=True)) for n in NAMES
        }
        by_periods = {
            h: timed(basket(arguments.names, h, arguments.factors, arguments.seed, power=True)) for h in PERIODS
        }
    titles = ["problem", "ms", "iterations", "gap", "Clarabel ms", "with cvxpy ms", "times", "objectives apart"]
    print(table(titles, [shown(name, found) for name, found in compared.items()]))
    for word, found in (("names", by_names), ("periods", by_periods)):
        print(
            f"{word}: " + ", ".join(f"{n:,} {1e3 * s:.0f} ms" for n, s in found.items()) + f"; slope {slope(found):.2f}"
        )
    apart = max(found["objectives_apart"] for found in compared.values())
    slowest = max(found["seconds"] for name, found in compared.items() if name.startswith("basket"))
    reached = slowest <= TARGET_SECONDS and apart <= ACCURACY
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "cvxpy", "clarabel"),
        "seed": arguments.seed,
        "names": arguments.names,
        "periods": arguments.periods,
        "factors": arguments.factors,
        "blas_threads": 1,
        "compared": compared,
        "seconds_by_names": {str(n): round(s, 4) for n, s in by_names.items()},
        "seconds_by_periods": {str(h): round(s, 4) for h, s in by_periods.items()},
        "slope_names": round(slope(by_names), 3),
        "slope_periods": round(slope(by_periods), 3),
        "left_out": "cvxportfolio: GPL, not installed",
        "target_seconds": TARGET_SECONDS,
        "targets_reached": reached,
    }
    print(f"written: {write_line('bench_multi_period', line).name}")
    print(f"at most {TARGET_SECONDS:g} s and equal objectives: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


def compare(problem: HorizonProblem) -> dict[str, float]:
    """Both methods on one problem."""
    result, took = solve_horizon(problem), timed(problem)
    start = time.perf_counter()
    other = by_clarabel(problem)
    whole = time.perf_counter() - start
    size = problem.size(result.weights)
    apart = np.inf if other.weights is None else problem.objective(result.weights) - problem.objective(other.weights)
    return {
        "seconds": round(took, 4),
        "iterations": result.iterations,
        "gap": float(f"{result.gap / size:.2g}"),
        "clarabel_seconds": round(other.seconds, 3),
        "clarabel_with_cvxpy_seconds": round(whole, 3),
        "objectives_apart": float(f"{abs(apart) / size:.2g}"),
        "clarabel_violation": np.inf if other.weights is None else float(f"{problem.violation(other.weights):.2g}"),
    }


def timed(problem: HorizonProblem) -> float:
    return seconds(lambda: solve_horizon(problem), repeats=REPEATS)


def slope(found: dict[int, float]) -> float:
    """Of the logarithm of seconds on that of size."""
    return float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])


def shown(name: str, found: dict[str, float]) -> list[str]:
    return [
        name,
        f"{1e3 * found['seconds']:.0f}",
        str(found["iterations"]),
        f"{found['gap']:.0e}",
        f"{1e3 * found['clarabel_seconds']:,.0f}",
        f"{1e3 * found['clarabel_with_cvxpy_seconds']:,.0f}",
        f"{found['clarabel_seconds'] / found['seconds']:.0f}",
        f"{found['objectives_apart']:.0e}",
    ]


if __name__ == "__main__":
    sys.exit(main())
