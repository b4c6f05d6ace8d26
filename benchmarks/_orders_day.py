"""A simulated day of orders as processes: venue, order management and worker, started, killed and compared."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx2 as httpx
import numpy as np
import psutil
import yaml
from sqlalchemy import select

from quantray.data.synthetic import simulate_market
from quantray.errors import QuantrayError
from quantray.execution.orders import ChildOrder, ExecutionSchedule, Order, Side, to_json
from quantray.execution.schedules import twap
from quantray.oms import schema
from quantray.oms.database import connect
from quantray.oms.door import RemoteDesk
from quantray.oms.fixing.journal import JournalReader
from quantray.oms.fixing.told import Told
from quantray.oms.messages import MONEY, Report
from quantray.oms.paper.bars import Bars, write_bars
from quantray.oms.paper.replay import bars_of_day
from quantray.oms.reading import moment
from quantray.oms.works import Work, Works
from quantray.storage.files import write_atomically

ACCOUNTS = {"A1": "ann", "A2": "ann", "B1": "bob", "B2": "bob"}
_PATIENCE = 120.0
"""Seconds in which a process has to be there, or an order to end."""


@dataclass
class Day:
    """The processes of a day in a folder, each started by its command.

    Parameters
    ----------
    faults : of the venue.
    fix_port : of the venue's second door; without one, orders go over REST only.
    """

    folder: Path
    port: int
    faults: Mapping[str, float]
    seed: int
    fix_port: int | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, name: str) -> list[str]:
        words = {
            "venue": [
                *("venue", "start", "--data", "day.npz", "--state", "venue", "--port", str(self.port)),
                *("--accounts", "accounts.json", "--seed", str(self.seed), "--faults", json.dumps(dict(self.faults))),
                *(() if self.fix_port is None else ("--fix-port", str(self.fix_port))),
            ],
            "gate": ["oms", "start", "oms.yaml"],
            "worker": [
                *("oms", "work", "works.json", "--paper", self.address, "--door", "door", "--seconds", "0.2"),
                *("--out", "worked.json"),
            ],
        }
        return [sys.executable, "-m", "quantray.cli", *words[name]]

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self, name: str) -> bool:
        """End a process as a power cut would; False where it had ended by itself."""
        process = self.processes[name]
        alive = process.poll() is None
        process.kill()
        process.wait()
        return alive

    def kill_fix(self) -> bool:
        """End the process that speaks FIX for the gate, which starts it again; False where there was none."""
        try:
            for each in psutil.Process(self.processes["gate"].pid).children():
                if "quantray.oms.fixing.process" in each.cmdline():
                    each.kill()
                    return True
        except psutil.Error:
            pass
        return False

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(_PATIENCE)

    def wait_for_venue(self) -> dict[str, object]:
        def health() -> dict[str, object]:
            return dict(httpx.get(f"{self.address}/health", timeout=5.0, trust_env=False).raise_for_status().json())

        return _tried(health, httpx.HTTPError)

    def advance(self) -> bool:
        """One bar more; False where a venue that is being killed may have missed it."""
        try:
            httpx.post(f"{self.address}/v1/admin/advance", json={}, timeout=5.0, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            return False
        return True

    def wait_for_outbox(self) -> None:
        """Until all that was put out has been handed over."""
        desk = self.desk()

        def empty() -> None:
            if waiting := desk.status()["waiting"]:
                raise QuantrayError(f"{waiting:,} orders wait to be handed over.")

        try:
            _tried(empty, QuantrayError)
        finally:
            desk.close()

    def wait_until_heard(self) -> None:
        """Until all that was put out is at the venue, and all that the venue has said is booked, over REST."""
        desk = self.desk()

        def heard() -> None:
            status = desk.status()
            under_way = sum(status["orders"].get(state, 0) for state in _UNDER_WAY)
            said = self.wait_for_venue()["sequence"]
            with moment(f"sqlite:///{self.folder / 'orders.db'}") as connection:
                booked = connection.execute(select(schema.cursors.c.sequence)).scalar() or 0
            if status["waiting"] or under_way or booked != said:
                raise QuantrayError(f"{under_way:,} orders are under way, and {booked:,} of {said:,} reports booked.")

        try:
            _tried(heard, QuantrayError)
        finally:
            desk.close()

    def wait_for_fix(self) -> None:
        """Until FIX has told of all executions that it has to, or for long enough that it never will."""

        def told() -> None:
            if told_over_fix(self.folder).get("lost over FIX"):
                raise QuantrayError("FIX has not told of all executions.")

        with suppress(QuantrayError):
            _tried(told, QuantrayError)

    def desk(self) -> RemoteDesk:
        return RemoteDesk(self.folder / "door")

    def settled(self) -> dict[str, object]:
        """The gate's state when nothing is open any more."""
        desk = self.desk()

        def looked() -> dict[str, object]:
            found = dict(desk.status())
            if open_orders := {s: n for s, n in found["orders"].items() if s not in _ENDED}:
                raise QuantrayError(f"still open: {open_orders}")
            return found

        try:
            return _tried(looked, QuantrayError)
        finally:
            desk.close()


_ENDED = ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
_UNDER_WAY = ("NEW", "RESERVED", "SENT", "CANCEL_PENDING", "UNKNOWN")


def prepared(
    folder: Path,
    *,
    port: int,
    orders: int,
    slices: int,
    symbols: int,
    seed: int,
    fix_port: int | None = None,
    **faults: float,
) -> Day:
    """A day of so many child orders, in the files that its processes read."""
    panel = simulate_market(symbols, 60, seed=seed, listing_share=0.0, delisting_share=0.0).panel
    bars = bars_of_day(panel, panel.dates[-1], seed=seed)
    shares = {account: dict.fromkeys(bars.symbols, 100_000) for account in ACCOUNTS}
    works = _works(bars, orders // slices, slices, seed)
    return laid_out(folder, bars, works, shares, 100_000_000, port=port, seed=seed, fix_port=fix_port, **faults)


def laid_out(
    folder: Path,
    bars: Bars,
    works: Works,
    shares: Mapping[str, Mapping[str, int]],
    cash: int,
    *,
    port: int,
    seed: int,
    fix_port: int | None = None,
    **faults: float,
) -> Day:
    """A day of works on bars, of accounts that hold shares and as much cash each, in the files of its processes."""
    write_bars(bars, folder / "day.npz")
    held = {account: {"cash": f"{cash}.00", **owned} for account, owned in shares.items()}
    write_atomically(folder / "accounts.json", json.dumps(held).encode())
    write_atomically(folder / "works.json", to_json(works).encode())
    settings = _settings(bars, shares, cash, port)
    if fix_port is not None:
        settings["fix"] = {"port": fix_port, "heartbeat_seconds": 5}
    write_atomically(folder / "oms.yaml", yaml.safe_dump(settings).encode())
    return Day(folder, port, faults, seed, fix_port)


def _works(bars: Bars, parents: int, slices: int, seed: int) -> Works:
    random = np.random.default_rng(seed)
    rows = np.linspace(0, len(bars) - 2, slices).astype(int)
    works = []
    for number in range(parents):
        column, account = number % len(bars.symbols), list(ACCOUNTS)[number % len(ACCOUNTS)]
        name = f"{account}/P{number}"
        quantity, side = int(random.integers(10, 60)) * slices, (Side.BUY, Side.SELL)[int(random.integers(2))]
        arrival = int(bars.open[0, column])
        children = tuple(
            ChildOrder(
                id=f"{name}-{k}",
                parent=name,
                time=datetime.fromtimestamp(int(bars.times[row].astype(np.int64)), UTC),
                quantity=int(shares),
                venue=("NYSE", "NASDAQ", "BATS", "IEX", "DARK_A")[int(random.integers(5))],
                algorithm="TWAP",
            )
            for k, (row, shares) in enumerate(zip(rows, twap(quantity, slices), strict=True))
        )
        order = Order(id=name, symbol=bars.symbols[column], side=side, quantity=quantity)
        schedule = ExecutionSchedule(
            parent=order, algorithm="TWAP", children=children, expected_cost_bps=0.0, risk_bps=0.0
        )
        works.append(Work(account, schedule, arrival))
    return Works(works=tuple(works))


def _settings(bars: Bars, shares: Mapping[str, Mapping[str, int]], cash: int, port: int) -> dict[str, object]:
    now = datetime.now(UTC)
    money = dict.fromkeys(("gross", "net", "single_name"), 10**11)
    return {
        "database": "sqlite:///orders.db",
        "door": "door",
        "alerts": "alerts.jsonl",
        "patience_seconds": 1.0,
        "compare_seconds": 5.0,
        "venue": {"address": f"http://127.0.0.1:{port}"},
        "set_up": {
            "firm": {"order_shares": 10_000_000, "order_value": 10**9, "collar_bps": 2_000, "fee": "0.01", **money},
            "pms": {pm: {"capital": 10**11, "rate": 100_000} for pm in sorted(set(ACCOUNTS.values()))},
            "accounts": {
                account: {"pm": ACCOUNTS[account], "cash": str(cash), "shares": dict(owned)}
                for account, owned in shares.items()
            },
            "instruments": {
                symbol: {"price": str(Decimal(int(bars.open[0, column])) / MONEY)}
                for column, symbol in enumerate(bars.symbols)
            },
            "session": {
                "opens": (now - timedelta(hours=1)).isoformat(),
                "closes": (now + timedelta(hours=12)).isoformat(),
            },
        },
    }


def differences(folder: Path) -> dict[str, int]:
    """What the ledger and the venue say differently after the day, and what is left that should not be."""
    ours, theirs = _executions(folder / "orders.db"), _venue_executions(folder / "venue" / "book.sqlite")
    with connect(f"sqlite:///{folder / 'orders.db'}").connect() as connection:
        orders = connection.execute(select(schema.child_orders)).all()
        parents = {row.id: row.quantity for row in connection.execute(select(schema.parents))}
        reserved = len(connection.execute(select(schema.reservations)).all())
    filled: dict[str, int] = {}
    for row in orders:
        if row.parent is not None:
            filled[row.parent] = filled.get(row.parent, 0) + row.filled
    routes = Counter(str(row.route) for row in orders if row.route)
    return {
        **{f"orders over {route.upper()}": count for route, count in sorted(routes.items())},
        "executions": len(ours),
        "lost": len(theirs.keys() - ours.keys()),
        **told_over_fix(folder),
        "invented": len(ours.keys() - theirs.keys()),
        "booked otherwise": sum(ours[key] != theirs[key] for key in ours.keys() & theirs.keys()),
        "orders overfilled": sum(row.filled > row.quantity for row in orders),
        "parents overfilled": sum(filled.get(name, 0) > quantity for name, quantity in parents.items()),
        "still open": sum(row.state not in _ENDED for row in orders),
        "reservations leaked": reserved,
    }


def told_over_fix(folder: Path) -> dict[str, int]:
    """Of the orders that came by the venue's FIX door, the executions that FIX told of, whatever REST did."""
    if not (folder / "fix").exists():
        return {}
    reader, told = JournalReader(folder / "fix" / "journal.jsonl"), Told()
    while lines := reader.read():
        for line in lines:
            told.take(line)
    heard = {(it.venue, it.exec_id) for it in told.after(0, 10**9) if isinstance(it, Report)}
    names = set((folder / "venue" / "fix" / "orders").read_text().splitlines())
    theirs = _venue_executions(folder / "venue" / "book.sqlite")
    due = {key for key, (order, *_) in theirs.items() if order in names}
    return {"executions over FIX": len(due & heard), "lost over FIX": len(due - heard)}


def _executions(database: Path) -> dict[tuple[str, str], tuple[object, ...]]:
    with connect(f"sqlite:///{database}").connect() as connection:
        rows = connection.execute(select(schema.executions)).all()
    return {(row.venue, row.exec_id): (row.order, row.kind, row.quantity, row.price, row.fee) for row in rows}


def _venue_executions(book: Path) -> dict[tuple[str, str], tuple[object, ...]]:
    query = (
        "SELECT venue, exec_id, \"order\", kind, quantity, price, fee FROM reports WHERE exec_id <> '' AND again = 0"
    )
    with connect(f"sqlite:///{book}").connect() as connection:
        rows = connection.exec_driver_sql(query).all()
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}


def _tried(work, errors):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return work()
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
