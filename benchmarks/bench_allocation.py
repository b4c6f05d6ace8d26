"""A filled block shared out among 100 and 1,000 accounts by every rule, and priced.

Usage: python benchmarks/bench_allocation.py [--repeats 200] [--seed 0]

Demands are 1 to 500 lots of 100, three fifths of which are filled, so that there are remainders to be shared out, and
with ``equal`` all of them are equal. Exit code 1 where the median over 100 accounts is not below a millisecond.
"""

import argparse
import random
import sys
import time
from statistics import median

from _record import describe, machine, table, versions, write_line

from quantray.institution.allocation import Method, Rule, allocate, priced

TARGET_MS = 1.0
METHODS: tuple[Method, ...] = ("pro_rata", "capital", "equal", "priority", "custom")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    print(f"{arguments.repeats} blocks each, seed {arguments.seed}")
    print(describe(about))
    results = {
        f"{n_accounts:,} {method}": measured(n_accounts, method, arguments.repeats, arguments.seed)
        for n_accounts in (100, 1_000)
        for method in METHODS
    }
    rows = [[name, *(f"{taken:.3f} ms" for taken in found.values())] for name, found in results.items()]
    print(table(["accounts and rule", "median", "p99"], rows))
    reached = all(found["median_ms"] < TARGET_MS for name, found in results.items() if name.startswith("100 "))
    line = {"machine": about, "versions": versions(), "seed": arguments.seed, "repeats": arguments.repeats}
    line |= {"results": results, "target_ms": TARGET_MS, "target_reached": reached}
    print(f"written: {write_line('bench_allocation', line).name}")
    return 0 if reached else 1


def measured(n_accounts: int, method: Method, repeats: int, seed: int) -> dict[str, float]:
    """Milliseconds that sharing out one block takes."""
    rng = random.Random(seed)
    demands = {f"A{i:04d}": 100 * rng.randint(1, 500) for i in range(n_accounts)}
    numbers = {account: rng.randint(1, 3 if method == "priority" else 10**9) for account in demands}
    rule = Rule(method=method, numbers=numbers if method not in ("pro_rata", "equal") else {})
    filled = sum(demands.values()) * 3 // 5
    taken = []
    for number in range(repeats):
        start = time.perf_counter()
        shares = allocate(demands, filled, block=f"B{number}", key=b"benchmark", rule=rule)
        priced(shares, filled, filled * 501_234 + 7, filled * 3)
        taken.append((time.perf_counter() - start) * 1e3)
    ordered = sorted(taken)
    return {"median_ms": round(median(taken), 4), "p99_ms": round(ordered[int(0.99 * len(ordered))], 4)}


if __name__ == "__main__":
    sys.exit(main())
