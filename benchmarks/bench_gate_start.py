"""A start of the gate when many orders have ended: seconds, memory, and what an order and a count then take.

Usage: python benchmarks/bench_gate_start.py [--ended 1000000]

The database is filled with orders that were filled on days before, each with its execution and its row of the outbox.
"""

import argparse
import resource
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from _record import describe, machine, table, versions, write_line

from quantray.execution.orders import Side
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account
from quantray.oms.gate import Gate
from quantray.oms.ledger import Account
from quantray.oms.messages import NewOrder

_OPS = Actor("operations")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ended", type=int, default=1_000_000)
    ended = parser.parse_args().ended
    about = machine()
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        path = Path(folder) / "orders.db"
        filled(path, ended)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        with Gate(f"sqlite:///{path}") as gate:
            found = {"start s": round(time.perf_counter() - began, 3)}
            more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            again = NewOrder(
                id=name(ended // 2), account="A1", symbol="AAA", side=Side.BUY, quantity=100, limit=500_000
            )
            began = time.perf_counter()
            assert gate.submit([again], _OPS)[0].accepted
            found |= {
                "start MiB": round(more / 1024, 1),
                "ended again ms": round(1e3 * (time.perf_counter() - began), 2),
            }
            began = time.perf_counter()
            assert gate.counts() == {"FILLED": ended}
            found["count ms"] = round(1e3 * (time.perf_counter() - began), 1)
    print(describe(about))
    print(table(("what", "value"), [["ended orders", f"{ended:,}"], *([what, str(n)] for what, n in found.items())]))
    line = {"machine": about, "versions": versions("sqlalchemy"), "ended": ended, "seed": 0, **found}
    print(f"written: {write_line('bench_gate_start', line).name}")
    return 0


def name(number: int) -> str:
    return f"A1/o{number:09}"


def filled(path: Path, ended: int) -> None:
    """A database of orders that have ended."""
    with Gate(f"sqlite:///{path}") as gate:
        gate.do(lambda books: list_instruments(books, _OPS, {"AAA": (100, 1)}))
        gate.do(lambda books: open_account(books, _OPS, Account("A1", "ann", 10**12), {}))
    file = sqlite3.connect(path)
    file.execute("PRAGMA foreign_keys = OFF")
    order = "?, 'A1', 'ann', 'AAA', 'buy', 100, 500000, 'DAY', 'NYSE', NULL, NULL, 'FILLED', '', 'rest', 100, 0, 1, 0"
    execution = "'NYSE', ?, ?, 'fill', '', 100, 500000, 0, '2026-03-02T17:00:00Z', ?"
    file.executemany(f"INSERT INTO child_orders VALUES ({order})", ((name(i),) for i in range(ended)))
    file.executemany(
        f"INSERT INTO executions VALUES ({execution})", ((f"e{i}", name(i), 100 + i) for i in range(ended))
    )
    file.executemany("INSERT INTO outbox VALUES (?, ?, 'new', 1)", ((i + 1, name(i)) for i in range(ended)))
    file.commit()
    file.close()


if __name__ == "__main__":
    sys.exit(main())
