"""Walk-forward units on Ray with more and more workers, and a simulation of numbers of workers that are not here.

Usage: python benchmarks/bench_scaling.py [--workers 1 2 4 8 16] [--units 48] [--seconds 0.5] [--per-worker 8]
       [--names 1500] [--seed 0] [--niceness 0] [--record STUDY.yaml ...]

Needs no data: the panel is simulated. Numbers of workers beyond the cores are left out. Three sorts of units, each with
a key, a result on disk and a record of what it took, as in a study:

* *waits* sleep ``--seconds``, so that whatever is lost is overhead. Efficiency "by CPU" is what would be left of it on
  a machine without other programs: the seconds slept against them and what the workers' processors did for a unit;
* *work* is HRP on 504 days of ``--names`` names, whose workers may stand in each other's way;
* *quick* ones do nothing, so that the process that leads is the limit.

*Bare* are tasks of Ray that sleep as long, with nothing of ours around them: what no executor on Ray can undercut.

Strong scaling hands out ``--units`` to any number of workers, weak scaling ``--per-worker`` to each. Stated besides:
bytes in the object store against the panel's, and processor time of the leading process by unit and of its clock: of
its own thread, of Ray's threads in it, and beyond what it takes while it is connected and does nothing.

From what that costs a simulation (``_stall.py``) says what 64 and 1,000 workers would do with studies whose units were
timed: ``--record`` runs studies of one's own in this process, three times each, and keeps their times in
``results/unit_times.jsonl``; the last of each is simulated. Before that it is held against what was measured here.
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from _record import describe, machine, table, versions, write_line
from _scaling import Bare, Job, Ran, bare, costs_of, idle, pauses, ran
from _stall import LOSSES, Costs, Machines, Outcome, Recorded, Step, simulate
from _unit_times import record, recorded
from bench_walk_forward import LOOKBACK, Size, Work, work_of

from quantray.distributed.cluster import connect
from quantray.research.executor import Serial
from quantray.research.terms import ClusterSettings

QUICK = 400
SERIAL = 6
FAR = (2, 16, 64, 1000)
"""Workers that studies are simulated on."""
PARTS = ("driver", "own", "ray_threads", "beyond_idle")
"""Of the leading process's processor time."""
ENOUGH = 20
"""Units for each of the most workers, of studies that are enlarged."""


@dataclass(frozen=True)
class Point:
    """A number of workers."""

    workers: int
    start: float
    """Seconds until the first unit of work has run."""
    strong_waits: Ran
    weak_waits: Ran
    strong_work: Ran
    weak_work: Ran
    quick: Ran
    bare: Bare
    """Tasks of Ray that sleep as long, without a key, a result or a record."""
    idle: float
    """Seconds of the leading process's processor in a second in which it is connected and does nothing."""
    costs: Costs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--units", type=int, default=48, help="of strong scaling")
    parser.add_argument("--per-worker", type=int, default=8, help="units of weak scaling")
    parser.add_argument("--seconds", type=float, default=0.5, help="that a unit sleeps")
    parser.add_argument("--names", type=int, default=1500, help="of the simulated panel")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated market")
    parser.add_argument(
        "--record", type=Path, nargs="+", default=[], help="settings of studies to time in this process"
    )
    parser.add_argument("--niceness", type=int, help="of workers; 0 where other programs would starve them (Ray: 15)")
    asked = parser.parse_args()
    if asked.niceness is not None:
        os.environ["RAY_worker_niceness"] = str(asked.niceness)  # noqa: SIM112  (as Ray reads it)
    for path in asked.record:
        print(f"recorded: {record(path).study}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    numbers = sorted({count for count in asked.workers if count <= cores})
    if left := sorted(set(asked.workers) - set(numbers)):
        print(f"left out: {', '.join(map(str, left))} workers, for there are {cores} cores")
    about = machine()
    print(f"HRP on {LOOKBACK} days of {asked.names} names, and units that sleep; simulated market, seed {asked.seed}")
    print(describe(about))
    most = max(asked.units, asked.per_worker * max(numbers))
    work = work_of(Size("units", asked.names, most), asked.seed)
    alone = ran(Serial(), Job(Work(work.panel, work.trials[:SERIAL])))
    points = [measured(count, work, asked) for count in numbers]
    again = ran(Serial(), Job(Work(work.panel, work.trials[:SERIAL])))
    serial = min(alone, again, key=lambda one: one.seconds)
    rows = [row_of(point, serial, asked.seconds, work.panel.field("close").nbytes) for point in points]
    checks = [check for point in points for check in checked(point, serial, points[0].costs, asked.seconds)]
    studies = [row for study in recorded() for row in far(study, points[0].costs)]
    report(rows, checks, studies)
    same = len({point.strong_work.digest for point in points}) == 1
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "ray"),
        "asked": vars(asked) | {"record": [str(path) for path in asked.record]},
        "serial_unit_seconds": serial.seconds / serial.units,
        "serial_unit_cpu_seconds": serial.unit_seconds / serial.units,
        "costs": asdict(points[0].costs),
        "points": rows,
        "simulated_against_measured": checks,
        "studies": studies,
        "digests_equal": same,
    }
    print(f"written: {write_line('bench_scaling', line).name}")
    if not same:
        print("FAILED: digests differ between numbers of workers", file=sys.stderr)
    return 0 if same else 1


def measured(workers: int, work: Work, asked: argparse.Namespace) -> Point:
    """Everything on a Ray of its own with so many workers."""

    def some(count: int) -> Job:
        return Job(Work(work.panel, work.trials[:count]))

    print(f"{workers} worker{'s' * (workers > 1)} ...", flush=True)
    begin = perf_counter()
    with connect(ClusterSettings(kind="local", cpus=workers), shared_bytes=2 * work.panel.field("close").nbytes) as on:
        first = ran(on, some(1))
        start = perf_counter() - begin
        # So that every worker is there, and has loaded what units need.
        ran(on, some(2 * workers))
        ran(on, pauses(work, 8 * workers, 0.2))
        quick = ran(on, pauses(work, QUICK, 0.0))
        waits = ran(on, pauses(work, asked.units, asked.seconds))
        weak = ran(on, pauses(work, asked.per_worker * workers, asked.seconds))
        strong_work, weak_work = ran(on, some(asked.units)), ran(on, some(asked.per_worker * workers))
        key = strong_work.key_seconds / strong_work.units
        floor, rest = bare(workers, asked.units, asked.seconds), idle()
        costs = costs_of(work, waits, quick, idle=rest, key=key, start=start - first.unit_seconds)
        return Point(workers, start, waits, weak, strong_work, weak_work, quick, floor, rest, costs)


def row_of(point: Point, serial: Ran, seconds: float, panel_bytes: int) -> dict[str, Any]:
    """What a number of workers comes to."""
    workers, waits, quick = point.workers, point.strong_waits, point.quick
    unit, cpu = serial.seconds / serial.units, serial.unit_seconds / serial.units

    def efficiency(one: Ran, each: float) -> float:
        return one.units * each / (workers * one.seconds)

    def parts(name: str, one: Ran | Bare) -> dict[str, float]:
        """Of the leading process: all, the thread that leads, Ray's threads, and all beyond a Ray that idles."""
        count, keys = (one.tasks, 0.0) if isinstance(one, Bare) else (one.units, one.key_seconds)
        return {
            f"{name}_driver_ms": 1e3 * (one.driver_seconds + keys) / count,
            f"{name}_own_ms": 1e3 * (one.own_seconds + keys) / count,
            f"{name}_ray_threads_ms": 1e3 * (one.driver_seconds - one.own_seconds) / count,
            f"{name}_beyond_idle_ms": 1e3 * (one.driver_seconds + keys - point.idle * one.seconds) / count,
        }

    return {
        "workers": workers,
        "start_seconds": point.start,
        "waits_seconds": waits.seconds,
        "waits_efficiency": efficiency(waits, seconds),
        "waits_weak_efficiency": efficiency(point.weak_waits, seconds),
        "waits_cpu_efficiency": seconds / (seconds + waits.worker_seconds / waits.units),
        "idle_ms_a_second": 1e3 * point.idle,
        **parts("waits", waits),
        **parts("bare", point.bare),
        "waits_driver_share": (waits.driver_seconds + waits.key_seconds) / waits.seconds,
        "work_seconds": point.strong_work.seconds,
        "work_efficiency": efficiency(point.strong_work, unit),
        "work_weak_efficiency": efficiency(point.weak_work, unit),
        "work_cpu_ratio": point.strong_work.unit_seconds / point.strong_work.units / cpu,
        **parts("work", point.strong_work),
        "work_key_ms": 1e3 * point.strong_work.key_seconds / point.strong_work.units,
        "quick_units_per_second": quick.units / quick.seconds,
        **parts("quick", quick),
        "store_bytes": point.strong_work.store_bytes,
        "panel_bytes": panel_bytes,
        "costs": asdict(point.costs),
    }


def checked(point: Point, serial: Ran, costs: Costs, seconds: float) -> list[dict[str, Any]]:
    """The simulation with what one worker cost against what was measured on more."""
    warm = replace(costs, start=0.0, key=0.0)
    slower = point.strong_work.unit_seconds / point.strong_work.units * serial.units / serial.unit_seconds
    unit = serial.seconds / serial.units
    runs = {
        "waits, strong": (point.strong_waits, seconds, warm),
        "waits, weak": (point.weak_waits, seconds, warm),
        "quick": (point.quick, 0.0, warm),
        "work, strong": (point.strong_work, unit, replace(warm, slower=slower)),
        "work, weak": (point.weak_work, unit, replace(warm, slower=slower)),
    }
    found = []
    for name, (one, each, costed) in runs.items():
        outcome = simulate(
            Recorded(name, (Step(0.0, (each,) * one.units),), 0), costed, Machines(workers=point.workers)
        )
        found.append(
            {
                "workers": point.workers,
                "units": name,
                "measured": one.seconds,
                "simulated": outcome.seconds,
                "error": outcome.seconds / one.seconds - 1,
                "driver_measured": one.driver_seconds,
                "driver_simulated": outcome.driver_seconds,
            }
        )
    return found


def far(study: Recorded, costs: Costs) -> list[dict[str, Any]]:
    """A study as it was recorded and enlarged, on more workers than are here, with what would help most."""
    count = sum(len(step.units) for step in study.steps)
    rows = []
    for times in (1, math.ceil(ENOUGH * max(FAR) / count)):
        large = study.times(times)
        for workers in FAR:
            machines = Machines(workers=workers)
            outcome = simulate(large, costs, machines)
            remedies = {name: simulate(*change, machines) for name, change in changes(large, costs).items()}
            remedies["one unit to a task"] = simulate(large, costs, machines, batched=False)
            remedies["longest first"] = simulate(large, costs, machines, longest=True)
            rows.append(told(large, times, count * times, outcome, remedies))
    return rows


def changes(study: Recorded, costs: Costs) -> dict[str, tuple[Recorded, Costs]]:
    """What could be done: name -> the study and its costs then."""
    spread = [step.driver_seconds for step in study.steps]
    units = tuple(step for step in study.steps if step.units)
    shared = Step(0.0, tuple(seconds / 100 for seconds in spread for _ in range(100)))
    one = Step(0.0, tuple(unit for step in units for unit in step.units))
    return {
        "what the leading process does alone, in 100 units": (
            replace(study, steps=(*(replace(step, driver_seconds=0.0) for step in units), shared)),
            costs,
        ),
        "keys made by workers": (study, replace(costs, key=0.0)),
        "workers that are there already": (study, replace(costs, start=0.0)),
        "steps that do not wait for each other": (
            replace(study, steps=(replace(one, driver_seconds=sum(spread)),)),
            costs,
        ),
    }


def told(study: Recorded, times: int, units: int, outcome: Outcome, remedies: dict[str, Outcome]) -> dict[str, Any]:
    """A row about a study on a number of workers."""
    whole = outcome.workers * outcome.seconds
    best = min(remedies, key=lambda name: remedies[name].seconds)
    return {
        "study": study.study,
        "times": times,
        "units": units,
        "unit_seconds": study.unit_seconds,
        "alone_seconds": study.driver_seconds,
        "workers": outcome.workers,
        "seconds": outcome.seconds,
        "efficiency": outcome.efficiency,
        "lost": {name: outcome.lost[name] / whole for name in LOSSES},
        "stall": outcome.stall,
        "batches": outcome.batches,
        "remedies": {name: one.seconds for name, one in remedies.items()},
        "remedy": best,
    }


def report(rows: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]], studies: Sequence[dict[str, Any]]) -> None:
    """Three tables."""
    columns = {
        "workers": ("workers", "{}"),
        "waits_seconds": ("waits s", "{:.2f}"),
        "waits_efficiency": ("efficiency", "{:.3f}"),
        "waits_weak_efficiency": ("weak", "{:.3f}"),
        "waits_cpu_efficiency": ("by CPU", "{:.3f}"),
        "waits_driver_ms": ("driver ms a unit", "{:.2f}"),
        "waits_driver_share": ("of its clock", "{:.2%}"),
        "work_seconds": ("work s", "{:.2f}"),
        "work_efficiency": ("efficiency", "{:.3f}"),
        "work_weak_efficiency": ("weak", "{:.3f}"),
        "work_cpu_ratio": ("CPU of a unit", "{:.3f}x"),
        "work_driver_ms": ("driver ms", "{:.2f}"),
        "work_key_ms": ("of that keys", "{:.2f}"),
        "quick_units_per_second": ("quick units/s", "{:,.0f}"),
        "quick_driver_ms": ("driver ms", "{:.2f}"),
    }
    print(
        table(
            [title for title, _ in columns.values()], [[f.format(r[n]) for n, (_, f) in columns.items()] for r in rows]
        )
    )
    titles = ["workers", "units", "driver ms a unit", "its own thread", "Ray's threads", "beyond an idle Ray"]
    cells = [
        [str(row["workers"]), name, *(f"{row[f'{name}_{part}_ms']:.2f}" for part in PARTS)]
        for row in rows
        for name in ("bare", "waits", "quick", "work")
    ]
    print(table(titles, cells))
    for row in rows:
        print(
            f"{row['workers']} workers: a connected driver that does nothing, {row['idle_ms_a_second']:.2f} ms a second"
        )
    for row in rows:
        stores = ", ".join(f"{size / 2**20:.1f}" for size in row["store_bytes"])
        print(f"{row['workers']} workers: object store {stores} MiB, panel {row['panel_bytes'] / 2**20:.1f} MiB")
    titles = ["units", "workers", "measured s", "simulated s", "error"]
    cells = [
        [c["units"], str(c["workers"]), f"{c['measured']:.2f}", f"{c['simulated']:.2f}", f"{c['error']:+.1%}"]
        for c in checks
    ]
    print(table(titles, cells))
    titles = ["study", "units", "workers", "seconds", "units have", *LOSSES, "best change", "then s"]
    cells = [
        [
            f"{s['study']} x {s['times']}",
            f"{s['units']:,}",
            f"{s['workers']:,}",
            f"{s['seconds']:,.1f}",
            f"{s['efficiency']:.0%}",
            *(f"{s['lost'][name]:.0%}" for name in LOSSES),
            s["remedy"],
            f"{s['remedies'][s['remedy']]:,.1f}",
        ]
        for s in studies
    ]
    print(table(titles, cells))


if __name__ == "__main__":
    sys.exit(main())
