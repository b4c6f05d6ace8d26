"""Thousands of settings, command lines and files of bars that nobody should send: each read or refused in one line.

Usage: python benchmarks/bench_fuzz.py [--settings 3000] [--changes 6000] [--lines 2500] [--bars 9000] [--seed 0]
"""

import argparse
import time

from _hostile import tried
from _record import describe, machine, table, versions, write_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=3000)
    parser.add_argument("--changes", type=int, default=6000)
    parser.add_argument("--lines", type=int, default=2500)
    parser.add_argument("--bars", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about, counts, finds = machine(), {}, {}
    for kind, number in (
        ("settings", arguments.settings),
        ("changes", arguments.changes),
        ("command lines", arguments.lines),
        ("bars", arguments.bars),
    ):
        if not number:
            continue
        start = time.perf_counter()
        outcome = tried(kind, number, number=arguments.seed)
        counts[kind] = {
            "examples": outcome.examples,
            "accepted": outcome.accepted,
            "refused": outcome.refused,
            "tracebacks": outcome.failed,
            "kinds_of_refusal": len(outcome.refusals),
            "seconds": round(time.perf_counter() - start, 1),
        }
        finds |= outcome.finds
    print(describe(about))
    print(f"seed {arguments.seed}")
    titles = ["kind", *next(iter(counts.values()))]
    print(table(titles, [[kind, *(f"{value:,}" for value in row.values())] for kind, row in counts.items()]))
    for where, example in finds.items():
        print(f"{where}\n    {example}")
    libraries = versions("pandas", "pyarrow", "pydantic", "hypothesis")
    write_line("bench_fuzz", {"machine": about, "versions": libraries, "seed": arguments.seed, "counts": counts})
    if finds:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
