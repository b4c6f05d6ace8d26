"""Random bits flipped in every kind of file that quantray keeps: seen, healed or harmless, and never silent.

Usage: python benchmarks/bench_damage.py [--flips 480] [--seed 1]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _damage import KINDS, OUTCOMES, flipped
from _record import describe, machine, seconds, table, versions, write_line

from quantray.research.results import ResultStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=480)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    about, draws, start = machine(), np.random.default_rng(arguments.seed), time.perf_counter()
    counts: dict[str, dict[str, int]] = {}
    costs: dict[str, float] = {}
    for make in KINDS.values():
        with tempfile.TemporaryDirectory() as folder:
            for kept in make(Path(folder)):
                if kept.name == "results":
                    costs = _costs(kept.files)
                found = flipped(kept, arguments.flips, draws)
                counts[kept.name] = {"files": len(kept.files), "flips": found.total()}
                counts[kept.name] |= {outcome: found[outcome] for outcome in OUTCOMES}
    print(describe(about))
    titles = ["kind", "files", "flips", *OUTCOMES]
    print(table(titles, [[name, *(f"{row[title]:,}" for title in titles[1:])] for name, row in counts.items()]))
    taken = time.perf_counter() - start
    print(
        f"seed {arguments.seed}, {taken:.0f} s; a result is compared in {costs['state_ms']:.3f} ms and read in "
        f"{costs['get_ms']:.3f} ms (without its seal: {costs['plain_ms']:.3f} ms)"
    )
    content = {"seed": arguments.seed, "seconds": round(taken, 1), "counts": counts, "costs": costs}
    write_line("bench_damage", {"machine": about, "versions": versions("pyarrow"), **content})


def _costs(files: tuple[Path, ...]) -> dict[str, float]:
    """Milliseconds to see that a result is whole, and to read it with and without its seal."""
    store, keys = ResultStore(files[0].parent.parent), [path.stem for path in files]
    work = {
        "state_ms": lambda: [store.state(key) for key in keys],
        "get_ms": lambda: [store.get(key) for key in keys],
        "plain_ms": lambda: [pq.read_table(path, partitioning=None) for path in files],
    }
    return {name: round(1000 * seconds(each, repeats=20) / len(files), 4) for name, each in work.items()}


if __name__ == "__main__":
    main()
