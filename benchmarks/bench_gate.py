"""The gate under load: orders a second, and the time from submitting one to its decision on disk.

Orders come one by one, so many at once in flight; each is checked, reserved, logged and answered after its commit
(SQLite in WAL with synchronous FULL; PostgreSQL as a server of its own). The floor is what the disk takes for a commit
of the same rows. Round trips are from handing an order to the paper venue over loopback to its acknowledgement, also
with an injected delay, which stands for a network and is said to be injected.

Usage: python benchmarks/bench_gate.py [--orders 50000] [--flight 32] [--postgres] [--json-only]
"""

import argparse
import contextlib
import gc
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from _orders_day import prepared
from _record import describe, machine, table, versions, write_line

from quantray.execution.orders import Side
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.gate import Gate
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.submission import submit

_OPS = Actor("bench")
_SYMBOLS = [f"S{i:04d}" for i in range(1_000)]
_ACCOUNTS = 100
_DELAY_MS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--flight", type=int, nargs="*", default=[8, 32, 64], help="orders in flight")
    parser.add_argument("--trips", type=int, default=500, help="round trips to the venue")
    parser.add_argument("--postgres", help="URL of an empty database")
    arguments = parser.parse_args()
    # A thread that computes gives way at once to the one whose commit is done.
    sys.setswitchinterval(5e-4)
    about = machine()
    rows, found = [], {}
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        found["fsync floor ms"] = _floor(Path(folder))
        urls = {f"SQLite, {n} in flight": (f"sqlite:///{folder}/{n}.db", n) for n in arguments.flight}
        if arguments.postgres:
            urls[f"PostgreSQL, {arguments.flight[-1]} in flight"] = (arguments.postgres, arguments.flight[-1])
        for name, (url, flight) in urls.items():
            found[name] = _load(url, arguments.orders, flight)
        for name, faults in {
            "REST": {},
            f"REST, {_DELAY_MS:g} ms injected": {"delay": 1.0, "delay_ms": _DELAY_MS},
        }.items():
            found[name] = _round_trips(Path(folder) / str(len(found)), arguments.trips, faults)
    for name, each in found.items():
        if isinstance(each, dict):
            rows.append([name, *(f"{each[key]:,.2f}" for key in ("per second", "p50 ms", "p99 ms", "max ms"))])
    print(describe(about))
    print(f"{arguments.orders:,} orders; a commit of the rows of one order takes {found['fsync floor ms']:.2f} ms")
    print(table(("what", "a second", "p50 ms", "p99 ms", "max ms"), rows))
    write_line(
        "bench_gate",
        {"machine": about, "versions": versions("sqlalchemy"), "orders": arguments.orders, "seed": 0, **found},
    )


def _load(url: str, count: int, flight: int) -> dict[str, float]:
    with Gate(url) as gate:
        gate.do(_set_up)
        orders = [
            NewOrder(
                id=f"A{i % _ACCOUNTS}/o{i}",
                account=f"A{i % _ACCOUNTS}",
                symbol=_SYMBOLS[i % len(_SYMBOLS)],
                side=Side.BUY,
                quantity=100,
                limit=50 * MONEY,
            )
            for i in range(count)
        ]
        room, took = threading.Semaphore(flight), np.zeros(count)

        def answered(place: int, start: float) -> Callable[[object], None]:
            def note(_answer: object) -> None:
                took[place] = time.perf_counter() - start
                room.release()

            return note

        gc.collect()
        gc.freeze()
        begun = time.perf_counter()
        for place, order in enumerate(orders):
            room.acquire()
            answer = gate.later(lambda books, o=order: submit(books, [o], _OPS))
            answer.add_done_callback(answered(place, time.perf_counter()))
        for _ in range(flight):
            room.acquire()
        seconds = time.perf_counter() - begun
        gc.unfreeze()
        accepted = gate.do(lambda books: len(books.ledger.live))
    if accepted != count:
        raise SystemExit(f"{accepted:,} of {count:,} orders were accepted; the figures would say nothing.")
    return _figures(took, seconds)


def _figures(took: np.ndarray, seconds: float) -> dict[str, float]:
    p50, p99 = 1e3 * np.quantile(took, [0.5, 0.99])
    return {
        "per second": round(len(took) / seconds, 1),
        "p50 ms": round(float(p50), 3),
        "p99 ms": round(float(p99), 3),
        "max ms": round(1e3 * float(took.max()), 3),
    }


def _set_up(books: Books) -> None:
    list_instruments(books, _OPS, dict.fromkeys(_SYMBOLS, (100, 1)))
    set_marks(books, _OPS, dict.fromkeys(_SYMBOLS, 50 * MONEY))
    for number in range(_ACCOUNTS):
        open_account(books, _OPS, Account(f"A{number}", f"PM{number % 10}", 10**9 * MONEY), {})
    large = 10**12 * MONEY
    limits = {("firm", "", name): large for name in ("gross", "net", "single_name", "order_value")}
    limits |= {("firm", "", name): 10**6 for name in ("order_shares", "collar_bps")} | {("firm", "", "fee"): 100}
    for number in range(10):
        limits |= {("pm", f"PM{number}", "capital"): large, ("pm", f"PM{number}", "rate"): 10**9}
    set_limits(books, _OPS, limits)
    now = datetime.now(UTC)
    set_session(books, _OPS, now - timedelta(hours=1), now + timedelta(hours=12))


def _floor(folder: Path) -> float:
    """Milliseconds of a commit of four rows of 300 letters, as an order has."""
    with contextlib.closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE row (line TEXT)")
        took = []
        for _ in range(300):
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO row VALUES (?)", [("x" * 300,)] * 4)
            connection.execute("COMMIT")
            took.append(time.perf_counter() - start)
    return round(1e3 * float(np.median(took)), 3)


def _round_trips(folder: Path, count: int, faults: dict[str, float]) -> dict[str, float]:
    folder.mkdir()
    day = prepared(folder, port=8745, orders=20, slices=20, symbols=10, seed=0, **faults)
    day.start("venue")
    way = None
    try:
        day.wait_for_venue()
        way = RestGateway(day.address)
        symbol = _first_symbol(folder)
        took = np.zeros(count)
        begun = time.perf_counter()
        for place in range(count):
            order = NewOrder(id=f"A1/t{place}", account="A1", symbol=symbol, side=Side.BUY, quantity=1)
            start = time.perf_counter()
            way.send(order)
            took[place] = time.perf_counter() - start
        return _figures(took, time.perf_counter() - begun)
    finally:
        if way is not None:
            way.close()
        day.stop()


def _first_symbol(folder: Path) -> str:
    from quantray.oms.paper.bars import read_bars  # noqa: PLC0415  (only where a venue is)

    return read_bars(folder / "day.npz").symbols[0]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
