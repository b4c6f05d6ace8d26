"""Round trips of an order: from handing it to the paper venue, a process of its own, to its acknowledgement here."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _gate_load import figures
from _orders_day import prepared

from quantray.execution.orders import Side
from quantray.oms.fixing.engine import Session
from quantray.oms.gateways.fix import FixGateway
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.messages import Heard, NewOrder, Report, ReportKind
from quantray.oms.paper.bars import read_bars

_PORT, _FIX_PORT = 8745, 8746
_PATIENCE = 30.0


def rest_trips(folder: Path, count: int, faults: dict[str, float]) -> dict[str, float]:
    """Over REST, one after the other: the answer acknowledges the order, which is on the venue's disk."""
    with _venue(folder, faults) as address:
        way = RestGateway(address)
        found = _timed(count, _symbol(folder), way.send)
        way.close()
    return found


def fix_trips(folder: Path, count: int, faults: dict[str, float]) -> dict[str, float]:
    """Over FIX, one after the other: until the report that acknowledges it is here, in the gate's process."""
    acked = threading.Semaphore(0)

    def sink(heard: Sequence[Heard]) -> None:
        for each in heard:
            if isinstance(each, Report) and each.kind is ReportKind.ACKED:
                acked.release()

    def trip(order: NewOrder) -> None:
        way.send(order)
        if not acked.acquire(timeout=_PATIENCE):
            raise SystemExit(f"{order.id} was not acknowledged in {_PATIENCE:g} s.")

    with _venue(folder, faults, fix_port=_FIX_PORT):
        session = Session(
            role="initiator", host="127.0.0.1", port=_FIX_PORT, sender="QUANTRAY", target="VENUE", folder=folder / "fix"
        )
        way = FixGateway(session)
        way.listen(sink, 0)
        if not way.wait_ready(_PATIENCE):
            raise SystemExit(f"FIX did not log on in {_PATIENCE:g} s.")
        found = _timed(count, _symbol(folder), trip)
        way.close()
    return found


def nautilus_trips(python: str, count: int) -> dict[str, float]:
    """In NautilusTrader's backtest, by an interpreter that has it; see ``_nautilus.py`` for what that is."""
    words = [python, str(Path(__file__).with_name("_nautilus.py")), str(count)]
    told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return figures(np.array(told["ms"]) / 1e3, told["seconds"])


@contextmanager
def _venue(folder: Path, faults: dict[str, float], fix_port: int | None = None) -> Iterator[str]:
    folder.mkdir()
    day = prepared(folder, port=_PORT, fix_port=fix_port, orders=20, slices=20, symbols=10, seed=0, **faults)
    day.start("venue")
    try:
        day.wait_for_venue()
        yield day.address
    finally:
        day.stop()


def _symbol(folder: Path) -> str:
    return read_bars(folder / "day.npz").symbols[0]


def _timed(count: int, symbol: str, trip: Callable[[NewOrder], None]) -> dict[str, float]:
    took = np.zeros(count)
    begun = time.perf_counter()
    for place in range(count):
        order = NewOrder(id=f"A1/t{place}", account="A1", symbol=symbol, side=Side.BUY, quantity=1)
        start = time.perf_counter()
        trip(order)
        took[place] = time.perf_counter() - start
    return figures(took, time.perf_counter() - begun)
