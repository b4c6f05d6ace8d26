"""A day of orders while its processes are killed: what is lost, doubled, over a limit or left behind.

Venue, gate and worker run as commands, and the gate starts a process that speaks FIX; one of them, drawn by the seed,
is killed (SIGKILL) at a drawn instant and started again, while the venue drops, delays, rejects, loses, doubles and
reorders what it hears and says. Orders go over FIX, and over REST while FIX is not logged on (--rest: all of them).
When the day is over, the log is replayed by its independent reader, and ledger, tables and venue are compared.

Usage: python benchmarks/bench_crashes.py [--kills 200] [--orders 10000] [--seconds 900] [--seed 0] [--keep FOLDER]
       [--rest]
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from _orders_day import Day, differences, prepared
from _record import describe, machine, table, versions, write_line

from quantray.oms.replay import replay_database

_FAULTS = {
    "drop": 0.0005,
    "delay": 0.02,
    "delay_ms": 50.0,
    "disconnect": 0.005,
    "lose": 0.01,
    "reject": 0.002,
    "duplicate": 0.02,
    "overtake": 0.02,
}
_MUST_BE_ZERO = (
    "lost",
    "lost over FIX",
    "invented",
    "booked otherwise",
    "orders overfilled",
    "parents overfilled",
    "still open",
    "reservations leaked",
    "breaks",
    "findings of the log",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--symbols", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=900.0, help="that the day takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=8741)
    parser.add_argument("--fix-port", type=int, default=8742)
    parser.add_argument("--rest", action="store_true", help="no FIX")
    parser.add_argument("--keep", type=Path, help="folder for its files; by default one that is removed")
    arguments = parser.parse_args()
    about = machine()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="day-")))
        folder.mkdir(parents=True, exist_ok=True)
        day = prepared(
            folder,
            port=arguments.port,
            orders=arguments.orders,
            slices=arguments.slices,
            symbols=arguments.symbols,
            seed=arguments.seed,
            fix_port=None if arguments.rest else arguments.fix_port,
            **_FAULTS,
        )
        started = time.perf_counter()
        try:
            killed = worked(day, arguments.kills, arguments.seconds, arguments.seed)
            found = compared(day)
        finally:
            day.stop()
        found |= differences(folder) | checked(folder)
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(describe(about))
    print(table(("what", "count"), [[name, f"{value:,}"] for name, value in {**killed, **found}.items()]))
    write_line(
        "bench_crashes",
        {
            "machine": about,
            "versions": versions("sqlalchemy", *([] if arguments.rest else ["quickfix"])),
            **vars_of(arguments),
            "killed": killed,
            **found,
        },
    )
    if wrong := [name for name in _MUST_BE_ZERO if found.get(name)]:
        raise SystemExit(f"not zero: {', '.join(wrong)}")


def worked(day: Day, kills: int, length: float, seed: int) -> dict[str, int]:
    """The day, with its kills spread over it; counts by what was killed."""
    random = np.random.default_rng([seed, 1])
    day.start("venue")
    bars = int(str(day.wait_for_venue()["bars"]))
    day.start("gate")
    day.start("worker")
    start = time.monotonic()
    instants = list(np.sort(random.uniform(0.0, length, kills)) + start)
    bar_at = list(start + (np.arange(bars) + 1) * length / bars)
    earliest = start
    killed: Counter[str] = Counter()
    targets = ["venue", "gate", "worker"] + ([] if day.fix_port is None else ["fix"])
    while instants or bar_at or day.processes["worker"].poll() != 0:
        now = time.monotonic()
        if instants and instants[0] <= now:
            target = targets[int(random.integers(len(targets)))]
            if ended(day, target):
                instants.pop(0)
                killed[f"{target} killed"] += 1
        if bar_at and now >= max(bar_at[0], earliest):
            if day.advance():
                # What a killed venue missed is made up for, at twice the pace at most: the worker has to keep up.
                earliest = now + length / bars / 2
                bar_at.pop(0)
        elif not bar_at:
            # Until the last orders have ended.
            day.advance()
            time.sleep(0.5)
        if day.processes["worker"].poll() not in (None, 0):
            # It does not begin where the venue is not there to tell the time.
            day.start("worker")
        for name in ("venue", "gate"):
            if day.processes[name].poll() is not None:
                raise SystemExit(f"{name} ended by itself; see {day.folder / name}.log")
        time.sleep(0.02)
    return dict(killed)


def ended(day: Day, target: str) -> bool:
    """Kill a process and have it started again; False where it had ended by itself, and another is to be drawn."""
    if target == "fix":
        return day.kill_fix()
    if day.processes[target].poll() is not None:
        return False
    day.kill(target)
    day.start(target)
    return True


def compared(day: Day) -> dict[str, int]:
    """What the gate itself finds against the venue when nothing is open any more."""
    state = day.settled()
    day.wait_for_fix()
    desk = day.desk()
    try:
        breaks = desk.reconcile()
    finally:
        desk.close()
    orders = state["orders"]
    assert isinstance(orders, dict)
    return {"orders": sum(orders.values()), "filled": orders.get("FILLED", 0), "breaks": len(breaks)}


def checked(folder: Path) -> dict[str, int]:
    """What the reader of the log finds, alone and against the tables."""
    found = replay_database(f"sqlite:///{folder / 'orders.db'}")
    for finding in found.findings[:10]:
        print(finding)
    alerts = folder / "alerts.jsonl"
    kinds = Counter(json.loads(line)["kind"] for line in alerts.read_text().splitlines()) if alerts.exists() else {}
    told = {f"alerts of a {kind}": count for kind, count in sorted(kinds.items())}
    return {"rows of the log": found.rows, "findings of the log": found.found, **told}


def vars_of(arguments: argparse.Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(arguments).items() if name in ("kills", "orders", "seconds", "seed")}


if __name__ == "__main__":
    main()
