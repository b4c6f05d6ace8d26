"""A firm's day at full size, how it grows, and what a manager who goes wrong costs the others.

Usage: python benchmarks/bench_trading_day.py [--grow 1 2 4] [--skip-wrong] [--seed 0]

10 managers x 10 accounts x 50 strategies, 1,000 names, a day of five-minute bars, managers in processes of their own;
then 2 and 4 times as many managers and names. Latency is from a manager's decision until his orders are approved on
disk; breaches are what an independent reader of the log finds. In the second part one manager's process is killed, one
hangs, one sends endless messages, one sends nonsense: the others' books are compared with those of a day in which
nobody goes wrong. Exit code 1 where the requirement (mean below 100 ms, over 10,000 orders, no breach) is missed, or a
manager who did nothing wrong came to other books.
"""

import argparse
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.oms.pace import keep_pace
from quantray.oms.replay import replay_database
from quantray.trading.day import Day, DaySettings
from quantray.trading.messages import LONGEST
from quantray.trading.record import digests
from quantray.trading.settings import TradingDaySettings, memory_plan
from quantray.trading.world import World, WorldSettings
from quantray.trading.worlds import Entry, Processes, stepped

REQUIRED_MS, REQUIRED_ORDERS = 100.0, 10_000
AIM_MS = 10.0
_AT = 10
"""The bar at which a manager goes wrong."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grow", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--skip-wrong", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    keep_pace()
    grown = {f"{times}x": full_day(times, arguments.seed) for times in arguments.grow}
    shown = ("managers", "orders", "mean_ms", "p99_ms", "most_ms", "breaches", "seconds", "worlds_mb", "planned_mb")
    print(table(("size", *shown), [[name, *(f"{found[key]:,.1f}" for key in shown)] for name, found in grown.items()]))
    wrong = {} if arguments.skip_wrong else gone_wrong(arguments.seed)
    for name, told in wrong.items():
        print(f"{name}: {told}")
    full = grown.get("1x", {})
    met = not full or (full["mean_ms"] < REQUIRED_MS and full["orders"] > REQUIRED_ORDERS and full["breaches"] == 0)
    met = met and not wrong.get("others changed")
    line = {"machine": about, "versions": versions(), "seed": arguments.seed, "grown": grown, "wrong": wrong}
    write_line("bench_trading_day", {**line, "aim_ms": AIM_MS, "required_ms": REQUIRED_MS, "met": met})
    return 0 if met else 1


def full_day(times: int, seed: int) -> dict[str, float]:
    """A day of so many times the firm, and of as many times the names."""
    settings = TradingDaySettings(
        firm={"pms": 10 * times, "accounts": 10, "strategies": 50, "seed": seed},
        market={"kind": "simulated", "names": 1000 * times, "seed": seed},
        day=DaySettings(seconds=120.0),
    )
    institution, market = settings.load(Path())
    planned = memory_plan(institution, market)
    with tempfile.TemporaryDirectory() as folder:
        day = Day(institution, market, Path(folder) / "gate", settings=settings.day)
        with Processes(day.worlds) as worlds:
            outcome = day.run(worlds)
        replay = replay_database(day.database)
    latency = outcome.latency
    return {
        "managers": len(institution.pms),
        "orders": outcome.orders,
        "mean_ms": float(latency.mean()),
        "p50_ms": float(np.percentile(latency, 50)),
        "p99_ms": float(np.percentile(latency, 99)),
        "most_ms": float(latency.max()),
        "filled_blocks": sum(block.filled > 0 for block in outcome.blocks),
        "refused": sum(outcome.refused.values()),
        "breaches": replay.found,
        "log_rows": replay.rows,
        "seconds": outcome.seconds,
        "worlds_mb": sum(outcome.memory.values()) / 1e6,
        "driver_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "planned_mb": planned["all"],
        "requirement_mb": planned["requirement"],
    }


def gone_wrong(seed: int) -> dict[str, object]:
    """Whose books differ from those of a day in which nobody goes wrong, and what was noted of whom."""
    settings = TradingDaySettings(
        firm={"pms": 10, "accounts": 10, "strategies": 10, "seed": seed},
        market={"kind": "simulated", "names": 200, "seed": seed},
        minutes=15,
        day=DaySettings(seconds=30.0, patience=0),
    )
    institution, market = settings.load(Path())
    entry: Mapping[str, Entry] = {"pm001": _killed, "pm002": _hangs, "pm003": _floods, "pm004": _nonsense}
    found = []
    noted: dict[str, dict[str, int]] = {}
    ways: tuple[Mapping[str, Entry], ...] = ({}, entry)
    for those in ways:
        with tempfile.TemporaryDirectory() as folder:
            day = Day(institution, market, Path(folder) / "gate", settings=settings.day)
            with Processes(day.worlds, entry=those) as worlds:
                outcome = day.run(worlds)
            found.append(digests(institution, outcome))
            noted = {pm: dict(why) for pm, why in outcome.silent.items()}
    changed = [pm for pm in found[0] if found[0][pm] != found[1][pm]]
    return {
        "went wrong": sorted(entry),
        "noted": noted,
        "changed": changed,
        "others changed": sorted(set(changed) - set(entry)),
    }


def _wrong(pipe: Connection, settings: str, does: Callable[[Connection], object]) -> NoReturn:
    world, asked = World(WorldSettings.model_validate_json(settings)), 0
    pipe.send_bytes(b"ready")
    while True:
        raw = pipe.recv_bytes(LONGEST)
        kind: Literal["ask", "tell"] = "ask" if raw[:1] == b"?" else "tell"
        asked += kind == "ask"
        if asked == _AT:
            does(pipe)
        answer = stepped(world, (kind, raw[1:]))
        if answer:
            pipe.send_bytes(answer)


def _killed(pipe: Connection, settings: str) -> None:
    _wrong(pipe, settings, lambda _: os.kill(os.getpid(), 9))


def _hangs(pipe: Connection, settings: str) -> None:
    _wrong(pipe, settings, lambda _: threading.Event().wait())


def _floods(pipe: Connection, settings: str) -> None:
    _wrong(pipe, settings, _shouts)


def _shouts(pipe: Connection) -> None:
    for _ in range(100_000):
        pipe.send_bytes(b"{}" * 1000)


def _nonsense(pipe: Connection, settings: str) -> None:
    _wrong(pipe, settings, lambda each: each.send_bytes(b'{"bar": "soon"}'))


if __name__ == "__main__":
    sys.exit(main())
