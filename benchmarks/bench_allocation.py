"""A filled block shared out among 100 and 1,000 accounts by every rule, and priced; and the same in a gate.

Usage: python benchmarks/bench_allocation.py [--repeats 200] [--seed 0]

Demands are 1 to 500 lots of 100, three fifths of which are filled, so that there are remainders to be shared out, and
with ``equal`` all of them are equal. In a gate (SQLite, synchronous FULL) the time is until it is on disk: placing
checks 100 accounts and moves their cash, allocating moves cash and shares. Exit code 1 where the median of sharing a
block out among 100 accounts is not below a millisecond.
"""

import argparse
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from _record import describe, machine, table, versions, write_line

from quantray.execution.orders import Side
from quantray.institution.allocation import Method, Rule, allocate, priced
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import NewOrder, Report, ReportKind
from quantray.oms.submission import submit

TARGET_MS = 1.0
OPS, PRICE = Actor("bench"), 500_000
METHODS: tuple[Method, ...] = ("pro_rata", "capital", "equal", "priority", "custom")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    print(f"{arguments.repeats} blocks each, seed {arguments.seed}")
    print(describe(about))
    results = {
        f"{n_accounts:,} {method}": measured(n_accounts, method, arguments.repeats, arguments.seed)
        for n_accounts in (100, 1_000)
        for method in METHODS
    }
    results |= through_a_gate(100, min(arguments.repeats, 50))
    rows = [[name, *(f"{taken:.3f} ms" for taken in found.values())] for name, found in results.items()]
    print(table(["accounts and rule", "median", "p99"], rows))
    over_100 = [f"100 {method}" for method in METHODS]
    reached = all(found["median_ms"] < TARGET_MS for name, found in results.items() if name in over_100)
    line = {"machine": about, "versions": versions(), "seed": arguments.seed, "repeats": arguments.repeats}
    line |= {"results": results, "target_ms": TARGET_MS, "target_reached": reached}
    print(f"written: {write_line('bench_allocation', line).name}")
    return 0 if reached else 1


def measured(n_accounts: int, method: Method, repeats: int, seed: int) -> dict[str, float]:
    """Milliseconds that sharing out one block takes."""
    rng = random.Random(seed)
    demands = {f"A{i:04d}": 100 * rng.randint(1, 500) for i in range(n_accounts)}
    numbers = {account: rng.randint(1, 3 if method == "priority" else 10**9) for account in demands}
    rule = Rule(method=method, numbers=numbers if method not in ("pro_rata", "equal") else {})
    filled = sum(demands.values()) * 3 // 5 + 7
    taken = []
    for number in range(repeats):
        start = time.perf_counter()
        shares = allocate(demands, filled, block=f"B{number}", key=b"benchmark", rule=rule)
        priced(shares, filled, filled * 501_234 + 7, filled * 3)
        taken.append((time.perf_counter() - start) * 1e3)
    return figures(taken)


def figures(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {"median_ms": round(median(taken), 4), "p99_ms": round(ordered[int(0.99 * len(ordered))], 4)}


def through_a_gate(n_accounts: int, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds until a block is placed, and until it is allocated, on disk."""
    placing, allocating = [], []
    demands = {f"A{i:04d}": 100 + i % 7 for i in range(n_accounts)}
    with tempfile.TemporaryDirectory(prefix="blocks-") as folder, Gate(f"sqlite:///{folder}/orders.db") as gate:
        gate.do(lambda books: set_up(books, tuple(demands)))
        for number in range(repeats):
            name = f"ann.block/B{number}"
            block = Block(id=name, symbol="AAA", side=Side.BUY, demands=demands, limit=PRICE)
            start = time.perf_counter()
            gate.do(partial(place_block, actor=OPS, block=block))
            placing.append((time.perf_counter() - start) * 1e3)
            gate.do(partial(filled, block=name, shares=sum(demands.values()) * 3 // 5))
            start = time.perf_counter()
            gate.do(partial(allocate_block, actor=OPS, block=name))
            allocating.append((time.perf_counter() - start) * 1e3)
    return {f"{n_accounts:,} placed": figures(placing), f"{n_accounts:,} allocated on disk": figures(allocating)}


def set_up(books: Books, accounts: tuple[str, ...]) -> None:
    list_instruments(books, OPS, {"AAA": (100, 1)})
    set_marks(books, OPS, {"AAA": PRICE})
    for name in accounts:
        open_account(books, OPS, Account(name, "ann", 10**15), {})
    firm = {("firm", "", name): 10**16 for name in ("gross", "net", "single_name", "order_value", "order_shares")}
    pm = {("pm", "ann", "capital"): 10**16, ("pm", "ann", "rate"): 10**6}
    set_limits(books, OPS, firm | pm | {("firm", "", "collar_bps"): 500, ("firm", "", "fee"): 100})
    now = datetime.now(UTC)
    set_session(books, OPS, now, now + timedelta(hours=1))


def filled(books: Books, block: str, shares: int) -> None:
    """Trade a part of a block in one order, all of which is filled."""
    name = f"{block}-0"
    order = NewOrder(
        id=name, account="ann.block", symbol="AAA", side=Side.BUY, quantity=shares, limit=PRICE, parent=block
    )
    submit(books, [order], OPS)
    handed(books, list(books.outgoing), "rest")
    fill = Report(
        kind=ReportKind.FILL, order=name, venue="NYSE", exec_id=name, quantity=shares, price=PRICE, fee=shares
    )
    hear(books, [fill])


if __name__ == "__main__":
    sys.exit(main())
