"""A gate under load: orders one by one from its own process, or in batches from another through its door."""

import gc
import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from quantray.execution.orders import Side
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.door import Door, RemoteDesk
from quantray.oms.gate import Gate
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, NewOrder
from quantray.oms.pace import keep_pace
from quantray.oms.submission import submit

_OPS = Actor("bench")
_SYMBOLS = [f"S{i:04d}" for i in range(1_000)]
_ACCOUNTS = 100


def figures(took: np.ndarray, seconds: float) -> dict[str, float]:
    """Orders a second and quantiles of times."""
    p50, p99 = 1e3 * np.quantile(took, [0.5, 0.99])
    return {
        "per second": round(len(took) / seconds, 1),
        "p50 ms": round(float(p50), 3),
        "p99 ms": round(float(p99), 3),
        "max ms": round(1e3 * float(took.max()), 3),
    }


def one_by_one(url: str, count: int, flight: int) -> dict[str, float]:
    """Orders from the gate's process, so many at once under way, each timed from submitting it to its decision."""
    with Gate(url) as gate:
        gate.do(_set_up)
        orders = _orders(count)
        # Places of orders that may be under way; what this client itself works is not the gate's.
        room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(flight):
            room.put(None)
        took = np.zeros(count)

        def answered(place: int, start: float) -> Callable[[object], None]:
            def note(_answer: object) -> None:
                took[place] = time.perf_counter() - start
                room.put(None)

            return note

        keep_pace()
        begun, used = time.perf_counter(), time.process_time()
        for place, order in enumerate(orders):
            room.get()
            answer = gate.later(lambda books, o=order: submit(books, [o], _OPS))
            answer.add_done_callback(answered(place, time.perf_counter()))
        for _ in range(flight):
            room.get()
        seconds, used = time.perf_counter() - begun, time.process_time() - used
        gc.unfreeze()
        _all_accepted(gate, count)
    # What the processor worked for an order tells of a gate on a busy machine, too.
    return {**figures(took, seconds), "cpu us": round(1e6 * used / count, 1)}


def through_door(folder: Path, count: int, batch: int, desks: int) -> dict[str, float]:
    """Orders in batches from desks of another process, each batch timed from asking to its decisions, heard there."""
    with Gate(f"sqlite:///{folder}/door{batch}.db") as gate:
        gate.do(_set_up)
        door = Door(gate, folder / "door")
        keep_pace()
        words = [sys.executable, __file__, str(folder / "door"), str(count), str(batch), str(desks)]
        told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        door.close()
        gc.unfreeze()
        _all_accepted(gate, count)
    found = figures(np.array(told["took"]), told["seconds"])
    return {**found, "per second": round(count / told["seconds"], 1)}


def _desks(path: Path, count: int, batch: int, desks: int) -> dict[str, object]:
    orders, took = _orders(count), []

    def work(number: int) -> None:
        desk = RemoteDesk(path)
        for start in range(number * batch, count, desks * batch):
            begun = time.perf_counter()
            desk.submit(orders[start : start + batch])
            took.append(time.perf_counter() - begun)
        desk.close()

    begun = time.perf_counter()
    with ThreadPoolExecutor(desks) as pool:
        list(pool.map(work, range(desks)))
    return {"took": took, "seconds": time.perf_counter() - begun}


def _orders(count: int) -> list[NewOrder]:
    return [
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


def _all_accepted(gate: Gate, count: int) -> None:
    accepted = gate.do(lambda books: len(books.ledger.live))
    if accepted != count:
        raise SystemExit(f"{accepted:,} of {count:,} orders were accepted; the figures would say nothing.")


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


if __name__ == "__main__":
    print(json.dumps(_desks(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
