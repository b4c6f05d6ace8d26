"""Walk-forward units in this process against Ray with one and two workers, for small, middling and large units.

Usage: python benchmarks/bench_walk_forward.py [--seed 0]

A unit is what a study hands out: one allocator in one fold. Here a fold is 21 days, so a unit is about one decision, by
HRP on 504 days of returns, with its key computed and its result written. Every run has its own empty results folder.
Ray's start is stated apart from the work: a study pays it once. All runs must give the same digest, or the script
fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from _record import describe, machine, table, versions, write_line

from quantray.arrays import digest
from quantray.data.panel import Panel
from quantray.data.synthetic import simulate_market
from quantray.distributed.cluster import connect
from quantray.research.executor import Executor, Serial
from quantray.research.folds import walk_forward
from quantray.research.results import ResultStore
from quantray.research.terms import ClusterSettings
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, StudyData, Trial, decisions_from, due_trials, run_trial

LOOKBACK = 504
MONTH = 21
REPEATS = 3
WORKERS = (1, 2)


@dataclass(frozen=True)
class Size:
    """How many names make a unit so large, and how many units are run."""

    label: str
    n_assets: int
    n_units: int


SIZES = (Size("about 5 ms", 60, 60), Size("about 50 ms", 750, 40), Size("about 500 ms", 2600, 12))


@dataclass(frozen=True, eq=False)
class Work:
    """A panel and the units to run on it."""

    panel: Panel
    trials: list[Trial]


@dataclass(frozen=True)
class Outcome:
    """The shortest of several runs, and the digests that they gave."""

    seconds: float
    digests: frozenset[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market")
    seed = parser.parse_args().seed
    about = machine()
    print(f"walk-forward units: HRP on {LOOKBACK} days, about one decision each; simulated market, seed {seed}")
    print(describe(about))
    works = {size: work_of(size, seed) for size in SIZES}
    outcomes = {"serial": {size: run(Serial(), work) for size, work in works.items()}}
    starts = {}
    for workers in WORKERS:
        with started(workers, works) as (executor, took):
            starts[f"ray_{workers}"] = took
            outcomes[f"ray_{workers}"] = {size: run(executor, work) for size, work in works.items()}
    rows = [row_of(size, {name: found[size] for name, found in outcomes.items()}, starts) for size in SIZES]
    print("Ray's start: " + ", ".join(f"{took:.1f} s with {name[4:]} worker(s)" for name, took in starts.items()))
    titles = ["unit", "names", "units", "serial s", "ms each", "Ray 1 s", "Ray 2 s", "Ray 2 vs serial", "with start"]
    print(table([*titles, "Ray pays from"], [shown(row) for row in rows]))
    same = all(row["digests_equal"] for row in rows)
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "ray"),
        "seed": seed,
        "lookback_days": LOOKBACK,
        "repeats": REPEATS,
        "ray_start_seconds": starts,
        "sizes": rows,
        "digests_equal": same,
    }
    print(f"written: {write_line('bench_walk_forward', line).name}")
    for row in rows:
        print(advice(row))
    if not same:
        print("FAILED: digests differ between executors", file=sys.stderr)
    return 0 if same else 1


def work_of(size: Size, seed: int) -> Work:
    n_days = LOOKBACK + size.n_units * MONTH
    market = simulate_market(size.n_assets, n_days, seed=seed, listing_share=0.0, delisting_share=0.0)
    panel = Panel(market.panel.dates, market.panel.assets, {"close": market.panel.field("close")}, market.panel.member)
    allocator = AllocatorSettings(name="HRP", rule="hrp")
    schedule = Schedule("monthly", "XNYS", LOOKBACK, 0.9, 0.0)
    splits = walk_forward(panel.dates, train_days=LOOKBACK, test_days=MONTH)
    return Work(panel, [Trial(allocator, split, schedule) for split in splits])


@contextmanager
def started(workers: int, works: dict[Size, Work]) -> Iterator[tuple[Executor, float]]:
    """Ray with its workers, and the seconds until it had done its first unit."""
    begin = perf_counter()
    room = max(work.panel.field("close").nbytes for work in works.values())
    with connect(ClusterSettings(kind="local", cpus=workers), shared_bytes=room) as executor:
        first = works[SIZES[0]]
        once(executor, Work(first.panel, first.trials[:1]))
        yield executor, perf_counter() - begin


def run(executor: Executor, work: Work) -> Outcome:
    found = [once(executor, work) for _ in range(REPEATS)]
    return Outcome(min(one.seconds for one in found), frozenset().union(*(one.digests for one in found)))


def once(executor: Executor, work: Work) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        results = ResultStore(Path(folder))
        begin = perf_counter()
        due = list(due_trials(work.panel, work.trials))
        keys = list(executor.map(run_trial, due, shared=StudyData(work.panel, results)))
        took = perf_counter() - begin
        decisions = decisions_from(results, keys, work.trials, work.panel)
        return Outcome(took, frozenset({digest([*keys, decisions.dates, decisions.weights])}))


def row_of(size: Size, outcomes: dict[str, Outcome], starts: dict[str, float]) -> dict[str, object]:
    serial, ray = outcomes["serial"].seconds, outcomes["ray_2"].seconds
    saved = (serial - ray) / size.n_units
    return {
        "label": size.label,
        "names": size.n_assets,
        "units": size.n_units,
        "seconds": {name: outcome.seconds for name, outcome in outcomes.items()},
        "serial_unit_ms": serial / size.n_units * 1e3,
        "ray_2_speedup": serial / ray,
        "ray_2_speedup_with_start": serial / (ray + starts["ray_2"]),
        "ray_2_pays_from_units": None if saved <= 0 else int(starts["ray_2"] / saved) + 1,
        "digests_equal": len(frozenset().union(*(outcome.digests for outcome in outcomes.values()))) == 1,
    }


def shown(row: dict) -> list[str]:
    pays = row["ray_2_pays_from_units"]
    return [
        row["label"],
        f"{row['names']:,}",
        str(row["units"]),
        f"{row['seconds']['serial']:.2f}",
        f"{row['serial_unit_ms']:.1f}",
        f"{row['seconds']['ray_1']:.2f}",
        f"{row['seconds']['ray_2']:.2f}",
        f"{row['ray_2_speedup']:.2f}x",
        f"{row['ray_2_speedup_with_start']:.2f}x",
        "never" if pays is None else f"{pays:,} units",
    ]


def advice(row: dict) -> str:
    what = f"units of {row['serial_unit_ms']:.0f} ms: "
    if row["ray_2_pays_from_units"] is None:
        return what + "local wins, however many there are"
    return (
        what + f"local wins up to {row['ray_2_pays_from_units'] - 1:,} of them, because of Ray's start; "
        f"beyond, two workers are up to {row['ray_2_speedup']:.2f} times faster"
    )


if __name__ == "__main__":
    sys.exit(main())
